//! [`Registry`]: everything that a program can name, ours and its own.

use crate::error::{Error, Result};
use crate::policy::{Base, Controller, ControllerPolicy, Mixture, Policy, WaypointPolicy};
use diffplan_envs::{BoxEnv, Env, Registry as Envs, Walls};
use diffplan_files::nearest;
use diffplan_pipelines::{Guide, Registries};
use std::fmt;
use std::sync::Arc;

/// What a policy is made with.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct PolicyOptions {
    /// The environment's id.
    pub env: String,
    /// How much of a controller's action is taken, from 0 to 1.
    pub skill: Option<f64>,
    /// Standard deviation of Ornstein-Uhlenbeck noise on the actions, 1 being half their range.
    pub noise: Option<f64>,
    /// The environment's walls, where it has any.
    pub walls: Option<Walls>,
}

impl PolicyOptions {
    /// For an environment.
    pub fn new(env: impl Into<String>) -> Self {
        Self {
            env: env.into(),
            ..Self::default()
        }
    }

    /// For an environment that is at hand, as it was made: by another map, say.
    pub fn of_env(id: impl Into<String>, env: &BoxEnv) -> Self {
        Self {
            walls: env.walls(),
            ..Self::new(id)
        }
    }
}

type MakePolicy = Arc<dyn Fn(&PolicyOptions) -> Result<Box<dyn Policy>> + Send + Sync>;
type MakeGuide = Arc<dyn Fn() -> Result<Arc<dyn Guide>> + Send + Sync>;

/// Environments, policies, guides, networks and schedulers by name. [`Registry::builtin`] has those of diffplan; a program of one's own
/// registers more, and hands it to the command.
///
/// ```
/// use diffplan_eval::{ControllerPolicy, PolicyOptions, Registry};
///
/// let mut registry = Registry::builtin();
/// registry.register_policy("dice", |_| Ok(Box::new(ControllerPolicy::random())));
/// assert!(registry.policy("dice", &PolicyOptions::new("Pendulum-v1")).is_ok());
/// let error = registry.policy("dcie", &PolicyOptions::new("Pendulum-v1")).err();
/// assert!(error.is_some_and(|error| error.to_string().contains("did you mean dice?")));
/// ```
pub struct Registry {
    /// Environments, by id.
    pub envs: Envs,
    /// Networks and schedulers, by class.
    pub parts: Registries,
    policies: Vec<(String, MakePolicy)>,
    guides: Vec<(String, MakeGuide)>,
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry")
            .field("envs", &self.envs)
            .field("policies", &self.policies().collect::<Vec<_>>())
            .field("guides", &self.guides().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

impl Default for Registry {
    fn default() -> Self {
        Self::builtin()
    }
}

/// # Errors
/// If the controller is made for another environment.
fn of_its_env(controller: Controller, options: &PolicyOptions) -> Result<()> {
    match controller.env() == options.env {
        true => Ok(()),
        false => Err(Error::Parts(format!(
            "the policy {:?} is made for {}, not for {:?}",
            controller.name(),
            controller.env(),
            options.env
        ))),
    }
}

impl Registry {
    /// Those of diffplan.
    pub fn builtin() -> Self {
        let mut registry = Self {
            envs: Envs::default(),
            parts: Registries::default(),
            policies: Vec::new(),
            guides: Vec::new(),
        };
        let boxed = |mixture| Ok(Box::new(ControllerPolicy::new(mixture)) as Box<dyn Policy>);
        registry.register_policy("random", move |_| boxed(Mixture::Same(Base::Random, 0.0)));
        registry.register_policy("zero", move |options| {
            boxed(Mixture::Same(Base::Zero, options.noise.unwrap_or(0.0)))
        });
        registry.register_policy("ou", move |options| {
            boxed(Mixture::Same(Base::Zero, options.noise.unwrap_or(1.0)))
        });
        for controller in Controller::ALL {
            registry.register_policy(controller.name(), move |options| {
                of_its_env(controller, options)?;
                let skill = options.skill.unwrap_or(1.0);
                let base = Base::Controller { controller, skill };
                boxed(Mixture::Same(base, options.noise.unwrap_or(0.0)))
            });
        }
        registry.register_policy("waypoint", |options| {
            let policy = WaypointPolicy::new(&options.env, options.noise.unwrap_or(0.0))?;
            if let Some(walls) = &options.walls {
                policy.check_walls(walls)?;
            }
            Ok(Box::new(policy) as Box<dyn Policy>)
        });
        registry.register_policy("mixed", move |options| {
            let own = Controller::ALL
                .into_iter()
                .find(|controller| controller.env() == options.env);
            let controller = own.ok_or_else(|| {
                Error::Parts(format!(
                    "the policy \"mixed\" is made for Pendulum-v1 and MountainCarContinuous-v0, not for {:?}",
                    options.env
                ))
            })?;
            boxed(Mixture::Mixed(controller))
        });
        registry
    }

    /// Adds a policy, in place of one of the same name.
    pub fn register_policy(
        &mut self,
        name: &str,
        make: impl Fn(&PolicyOptions) -> Result<Box<dyn Policy>> + Send + Sync + 'static,
    ) {
        self.policies.retain(|(other, _)| other != name);
        self.policies.push((name.to_owned(), Arc::new(make)));
    }

    /// Adds a guide, in place of one of the same name.
    pub fn register_guide(&mut self, name: &str, make: impl Fn() -> Result<Arc<dyn Guide>> + Send + Sync + 'static) {
        self.guides.retain(|(other, _)| other != name);
        self.guides.push((name.to_owned(), Arc::new(make)));
    }

    /// The names of policies.
    pub fn policies(&self) -> impl Iterator<Item = &str> + Clone {
        self.policies.iter().map(|(name, _)| name.as_str())
    }

    /// The names of guides.
    pub fn guides(&self) -> impl Iterator<Item = &str> + Clone {
        self.guides.iter().map(|(name, _)| name.as_str())
    }

    /// The policy of a name.
    ///
    /// # Errors
    /// [`Error::Unknown`]; what keeps it from being made.
    pub fn policy(&self, name: &str, options: &PolicyOptions) -> Result<Box<dyn Policy>> {
        match self.policies.iter().find(|(known, _)| known == name) {
            Some((_, make)) => make(options),
            None => Err(unknown("policy", name, self.policies())),
        }
    }

    /// The guide of a name.
    ///
    /// # Errors
    /// [`Error::Unknown`]; what keeps it from being made.
    pub fn guide(&self, name: &str) -> Result<Arc<dyn Guide>> {
        match self.guides.iter().find(|(known, _)| known == name) {
            Some((_, make)) => make(),
            None => Err(unknown("guide", name, self.guides())),
        }
    }

    /// The environment of an id.
    ///
    /// # Errors
    /// If there is none, or what its constructor says.
    pub fn env(&self, id: &str) -> Result<BoxEnv> {
        Ok(self.envs.make(id)?)
    }
}

fn unknown<'a>(what: &'static str, name: &str, known: impl Iterator<Item = &'a str> + Clone) -> Error {
    Error::Unknown {
        what,
        name: name.to_owned(),
        nearest: nearest(name, known.clone()).map(str::to_owned),
        known: known.map(str::to_owned).collect(),
    }
}
