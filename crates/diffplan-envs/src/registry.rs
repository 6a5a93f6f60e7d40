//! Environments by id.
//!
//! [`make`] knows the built-in ones. A [`Registry`] is a plain value: a program that has environments of its own starts
//! from [`Registry::default`] and registers them there.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::classic_control::{MountainCarContinuous, Pendulum};
use crate::d4rl;
use crate::env::forward_to_env;
use crate::wrappers::{OrderEnforcing, TimeLimit};
use crate::{BoxEnv, Dict, Env, EnvSpec, Error, Result};

/// Makes a built-in environment: `Registry::default().make(id)`.
///
/// # Errors
///
/// [`Error::UnknownEnv`] if there is none of that id.
pub fn make(id: &str) -> Result<BoxEnv> {
    Registry::default().make(id)
}

/// What the built-in environments are registered with, in the order of their ids.
pub fn registered() -> Vec<EnvSpec> {
    Registry::default().registered().cloned().collect()
}

/// How long the episodes of a made environment may be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum EpisodeLimit {
    /// As long as the environment was registered with.
    #[default]
    Registered,
    /// This many steps.
    Steps(usize),
    /// Without limit.
    Unlimited,
}

/// How an environment is made.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MakeOptions {
    /// How long its episodes may be.
    pub max_episode_steps: EpisodeLimit,
    /// Arguments for its constructor, such as `g` for `Pendulum-v1`.
    pub kwargs: Dict,
}

type Constructor = Arc<dyn Fn(&Dict) -> Result<BoxEnv> + Send + Sync>;

#[derive(Clone)]
struct Entry {
    spec: EnvSpec,
    constructor: Constructor,
}

/// A set of environments that can be made by id. [`Registry::default`] has the built-in ones.
///
/// ```
/// use diffplan_envs::classic_control::Pendulum;
/// use diffplan_envs::{Env, EnvSpec, Registry};
///
/// let mut registry = Registry::default();
/// let spec = EnvSpec { id: "MoonPendulum-v0".into(), max_episode_steps: Some(400), reward_threshold: None };
/// registry.register(spec, |_kwargs| Ok(Box::new(Pendulum::new(1.62)?)))?;
/// let env = registry.make("MoonPendulum-v0")?;
/// assert_eq!(env.spec().and_then(|spec| spec.max_episode_steps), Some(400));
/// # Ok::<(), diffplan_envs::Error>(())
/// ```
#[derive(Clone)]
pub struct Registry {
    entries: BTreeMap<String, Entry>,
}

impl Registry {
    /// A registry without environments.
    pub fn empty() -> Self {
        Self {
            entries: BTreeMap::new(),
        }
    }

    /// Registers an environment: its constructor gets [`MakeOptions::kwargs`] and returns it bare, without time limit.
    ///
    /// # Errors
    ///
    /// [`Error::AlreadyRegistered`] if the id is taken; [`Error::ZeroEpisodeSteps`] for a limit of no steps.
    pub fn register<F>(&mut self, spec: EnvSpec, constructor: F) -> Result<()>
    where
        F: Fn(&Dict) -> Result<BoxEnv> + Send + Sync + 'static,
    {
        if self.entries.contains_key(&spec.id) {
            return Err(Error::AlreadyRegistered { id: spec.id });
        }
        if spec.max_episode_steps == Some(0) {
            return Err(Error::ZeroEpisodeSteps);
        }
        self.entries.insert(
            spec.id.clone(),
            Entry {
                spec,
                constructor: Arc::new(constructor),
            },
        );
        Ok(())
    }

    /// What the environments are registered with, in the order of their ids.
    pub fn registered(&self) -> impl Iterator<Item = &EnvSpec> {
        self.entries.values().map(|entry| &entry.spec)
    }

    /// Makes an environment as it was registered.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownEnv`] if there is none of that id, and what its constructor returns.
    pub fn make(&self, id: &str) -> Result<BoxEnv> {
        self.make_with(id, &MakeOptions::default())
    }

    /// Makes an environment, with the wrappers that Gymnasium's `make` applies: [`OrderEnforcing`], and around it
    /// [`TimeLimit`] where there is a limit. The id of a dataset of D4RL or Minari stands for the environment that it was
    /// recorded in.
    ///
    /// # Errors
    ///
    /// As [`Registry::make`]; [`Error::ZeroEpisodeSteps`] for a limit of no steps.
    pub fn make_with(&self, id: &str, options: &MakeOptions) -> Result<BoxEnv> {
        let of_dataset = || d4rl::env_id(id).and_then(|env| self.entries.get(env));
        let entry = self
            .entries
            .get(id)
            .or_else(of_dataset)
            .ok_or_else(|| self.unknown(id))?;
        let limit = match options.max_episode_steps {
            EpisodeLimit::Registered => entry.spec.max_episode_steps,
            EpisodeLimit::Steps(steps) => Some(steps),
            EpisodeLimit::Unlimited => None,
        };
        let spec = EnvSpec {
            max_episode_steps: None,
            ..entry.spec.clone()
        };
        let env = OrderEnforcing::new(Specified {
            env: (entry.constructor)(&options.kwargs)?,
            spec,
        });
        Ok(match limit {
            Some(steps) => Box::new(TimeLimit::new(env, steps)?),
            None => Box::new(env),
        })
    }

    fn unknown(&self, id: &str) -> Error {
        let on_mujoco = |id: &str| {
            id.rsplit_once("-v").is_some_and(|(name, version)| {
                let running = ["Hopper", "Walker2d", "HalfCheetah", "Ant", "Swimmer"].contains(&name);
                let standing = ["Reacher", "InvertedPendulum", "InvertedDoublePendulum"].contains(&name);
                (running && version == "3") || ((running || standing) && ["2", "4", "5"].contains(&version))
            })
        };
        if cfg!(not(feature = "mujoco")) && on_mujoco(d4rl::env_id(id).unwrap_or(id)) {
            return Error::MujocoFeature { id: id.to_owned() };
        }
        let distance = |known: &str| edit_distance(&id.to_lowercase(), &known.to_lowercase());
        let name = id.rsplit_once("-v").map_or(id, |(name, _)| name).to_lowercase();
        let begins = |known: &str| known.to_lowercase().starts_with(&name);
        // Further than half of it away, it is another name, not the same one mistyped.
        let close = self
            .entries
            .keys()
            .filter(|known| distance(known) <= known.chars().count() / 2);
        Error::UnknownEnv {
            id: id.to_owned(),
            // One that begins with the same name comes before one that happens to be as long, and of several versions the newest.
            nearest: close
                .min_by_key(|known| (!begins(known), distance(known), std::cmp::Reverse(*known)))
                .cloned(),
            known: self.entries.keys().cloned().collect(),
        }
    }
}

impl Default for Registry {
    fn default() -> Self {
        let pendulum = EnvSpec {
            id: "Pendulum-v1".into(),
            max_episode_steps: Some(200),
            reward_threshold: None,
        };
        let mountain_car = EnvSpec {
            id: "MountainCarContinuous-v0".into(),
            max_episode_steps: Some(999),
            reward_threshold: Some(90.0),
        };
        let mut registry = Self::empty();
        registry
            .register(pendulum, |kwargs| Ok(Box::new(Pendulum::from_kwargs(kwargs)?)))
            .and_then(|()| {
                registry.register(mountain_car, |kwargs| {
                    Ok(Box::new(MountainCarContinuous::from_kwargs(kwargs)?))
                })
            })
            .and_then(|()| crate::maze::register(&mut registry))
            .and_then(|()| register_mujoco(&mut registry))
            .expect("the ids of the built-in environments differ, and their limits are positive");
        registry
    }
}

/// The environments on MuJoCo, where the crate is built with them.
fn register_mujoco(registry: &mut Registry) -> Result<()> {
    #[cfg(feature = "mujoco")]
    crate::mujoco::register(registry)?;
    let _ = registry;
    Ok(())
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.registered()).finish()
    }
}

/// The number of characters to insert, delete or replace to get from one string to the other (Levenshtein).
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    // row[j]: the distance between the characters of `a` so far and the first j of `b`.
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, &y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

/// An environment that knows what it was registered with.
struct Specified {
    env: BoxEnv,
    spec: EnvSpec,
}

impl Env for Specified {
    type Observation = <BoxEnv as Env>::Observation;
    type Action = <BoxEnv as Env>::Action;

    fn spec(&self) -> Option<&EnvSpec> {
        Some(&self.spec)
    }

    forward_to_env!(reset, step, observation_space, action_space, render, state, set_state);
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn the_built_in_environments_are_registered_as_in_gymnasium() {
        // The mazes have a test of their own.
        let mazes = |spec: &EnvSpec| {
            ["maze2d-", "PointMaze_", "pointmaze-"]
                .iter()
                .any(|start| spec.id.starts_with(start))
        };
        let registered: Vec<_> = registered()
            .into_iter()
            .filter(|spec| !mazes(spec))
            .map(|spec| (spec.id, spec.max_episode_steps, spec.reward_threshold))
            .collect();
        let expected = [
            ("Ant-v2", Some(1000), Some(6000.0)),
            ("Ant-v3", Some(1000), Some(6000.0)),
            ("Ant-v4", Some(1000), Some(6000.0)),
            ("Ant-v5", Some(1000), Some(6000.0)),
            ("HalfCheetah-v2", Some(1000), Some(4800.0)),
            ("HalfCheetah-v3", Some(1000), Some(4800.0)),
            ("HalfCheetah-v4", Some(1000), Some(4800.0)),
            ("HalfCheetah-v5", Some(1000), Some(4800.0)),
            ("Hopper-v2", Some(1000), Some(3800.0)),
            ("Hopper-v3", Some(1000), Some(3800.0)),
            ("Hopper-v4", Some(1000), Some(3800.0)),
            ("Hopper-v5", Some(1000), Some(3800.0)),
            ("InvertedDoublePendulum-v2", Some(1000), Some(9100.0)),
            ("InvertedDoublePendulum-v4", Some(1000), Some(9100.0)),
            ("InvertedDoublePendulum-v5", Some(1000), Some(9100.0)),
            ("InvertedPendulum-v2", Some(1000), Some(950.0)),
            ("InvertedPendulum-v4", Some(1000), Some(950.0)),
            ("InvertedPendulum-v5", Some(1000), Some(950.0)),
            ("MountainCarContinuous-v0", Some(999), Some(90.0)),
            ("Pendulum-v1", Some(200), None),
            ("Reacher-v2", Some(50), Some(-3.75)),
            ("Reacher-v4", Some(50), Some(-3.75)),
            ("Reacher-v5", Some(50), Some(-3.75)),
            ("Swimmer-v2", Some(1000), Some(360.0)),
            ("Swimmer-v3", Some(1000), Some(360.0)),
            ("Swimmer-v4", Some(1000), Some(360.0)),
            ("Swimmer-v5", Some(1000), Some(360.0)),
            ("Walker2d-v2", Some(1000), None),
            ("Walker2d-v3", Some(1000), None),
            ("Walker2d-v4", Some(1000), None),
            ("Walker2d-v5", Some(1000), None),
        ];
        let here = expected
            .into_iter()
            .filter(|&(_, steps, _)| cfg!(feature = "mujoco") || ![Some(1000), Some(50)].contains(&steps));
        let expected: Vec<_> = here
            .map(|(id, steps, threshold)| (id.to_owned(), steps, threshold))
            .collect();
        assert_eq!(registered, expected);
        for id in ["MountainCarContinuous-v0", "Pendulum-v1"] {
            let registry = Registry::default();
            let spec = registry.registered().find(|spec| spec.id == id);
            assert_eq!(make(id).unwrap().spec(), spec);
        }
    }

    #[test]
    fn a_dataset_stands_for_its_environment() {
        let mut registry = Registry::empty();
        let spec = |id: &str| EnvSpec {
            id: id.into(),
            max_episode_steps: None,
            reward_threshold: None,
        };
        let constructor = |_: &Dict| -> Result<BoxEnv> { Ok(Box::new(Pendulum::new(10.0)?)) };
        for id in ["Hopper-v2", "Walker2d-v5"] {
            registry.register(spec(id), constructor).unwrap();
        }
        let made = |id: &str| registry.make(id).map(|env| env.spec().unwrap().id.clone());
        assert_eq!(made("hopper-medium-replay-v2"), Ok("Hopper-v2".into()));
        assert_eq!(made("mujoco/walker2d/expert-v0"), Ok("Walker2d-v5".into()));
        assert!(made("walker2d-expert-v2").is_err() && made("hopper-v2").is_err());
    }

    #[test]
    fn robots_need_their_feature() {
        for id in ["Hopper-v5", "hopper-medium-v2"] {
            let error = make(id).err();
            let needs = error == Some(Error::MujocoFeature { id: id.into() });
            assert_eq!(needs, cfg!(not(feature = "mujoco")), "{error:?}");
        }
    }

    #[test]
    fn an_unknown_id_is_told_what_there_is() {
        for (id, nearest) in [
            ("Pendulum-v0", Some("Pendulum-v1")),
            ("pendulum", Some("Pendulum-v1")),
            ("MountainCar-v0", Some("MountainCarContinuous-v0")),
            ("maze2d-umaze-v2", Some("maze2d-umaze-v1")),
            ("PointMaze_Umaze-v3", Some("PointMaze_UMaze-v3")),
            ("Humanoid-v5", None),
            ("", None),
        ] {
            let error = make(id).err().unwrap();
            let Error::UnknownEnv {
                nearest: actual, known, ..
            } = &error
            else {
                panic!("{error}")
            };
            assert_eq!(actual.as_deref(), nearest, "{id}");
            assert!(known.iter().any(|id| id == "Pendulum-v1"), "{known:?}");
        }
        let message = make("Pendulum-v0").err().unwrap().to_string();
        let start = "no environment \"Pendulum-v0\" is registered, did you mean \"Pendulum-v1\"?; known: ";
        assert!(message.starts_with(start), "{message}");
    }

    #[test]
    fn made_environments_enforce_order_and_limit() {
        let steps = |limit: EpisodeLimit| {
            let options = MakeOptions {
                max_episode_steps: limit,
                ..MakeOptions::default()
            };
            let mut env = Registry::default().make_with("Pendulum-v1", &options)?;
            assert_eq!(env.step(&array![0.0]), Err(Error::ResetNeeded { method: "step" }));
            assert_eq!(env.render(), Err(Error::ResetNeeded { method: "render" }));
            env.reset(Some(0), &Dict::new())?;
            let truncated = (1..=300).find(|_| env.step(&array![0.0]).unwrap().truncated);
            assert_eq!(env.spec().unwrap().max_episode_steps, truncated);
            Ok(truncated)
        };
        assert_eq!(steps(EpisodeLimit::Registered), Ok(Some(200)));
        assert_eq!(steps(EpisodeLimit::Steps(7)), Ok(Some(7)));
        assert_eq!(steps(EpisodeLimit::Unlimited), Ok(None));
        assert_eq!(steps(EpisodeLimit::Steps(0)), Err(Error::ZeroEpisodeSteps));
    }

    #[test]
    fn arguments_reach_the_constructor() {
        let with = |id, kwargs| {
            Registry::default()
                .make_with(
                    id,
                    &MakeOptions {
                        kwargs,
                        ..MakeOptions::default()
                    },
                )
                .err()
        };
        assert_eq!(with("Pendulum-v1", Dict::from_iter([("g", 9.81)])), None);
        assert_eq!(
            with("MountainCarContinuous-v0", Dict::from_iter([("goal_velocity", 0_i64)])),
            None
        );
        let unknown = Error::UnknownOption {
            name: "gravity".into(),
            known: &["g"],
        };
        assert_eq!(with("Pendulum-v1", Dict::from_iter([("gravity", 9.81)])), Some(unknown));
    }

    #[test]
    fn an_id_is_registered_once() {
        let mut registry = Registry::empty();
        let spec = EnvSpec {
            id: "Mine-v0".into(),
            max_episode_steps: None,
            reward_threshold: None,
        };
        let constructor = |_: &Dict| -> Result<BoxEnv> { Ok(Box::new(Pendulum::new(10.0)?)) };
        registry.register(spec.clone(), constructor).unwrap();
        assert_eq!(
            registry.register(spec.clone(), constructor),
            Err(Error::AlreadyRegistered { id: "Mine-v0".into() })
        );
        let no_steps = EnvSpec {
            id: "Other-v0".into(),
            max_episode_steps: Some(0),
            ..spec
        };
        assert_eq!(registry.register(no_steps, constructor), Err(Error::ZeroEpisodeSteps));
        assert_eq!(registry.registered().count(), 1);
        assert!(matches!(registry.make("Pendulum-v1"), Err(Error::UnknownEnv { .. })));
        assert!(format!("{registry:?}").contains("Mine-v0"));
    }

    #[test]
    fn edit_distances() {
        for (a, b, distance) in [
            ("", "abc", 3),
            ("abc", "", 3),
            ("kitten", "sitting", 3),
            ("flaw", "lawn", 2),
        ] {
            assert_eq!(edit_distance(a, b), distance, "{a} {b}");
        }
    }
}
