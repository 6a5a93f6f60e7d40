//! Many environments of one kind, stepped side by side; after `gymnasium.vector.SyncVectorEnv` of Gymnasium 1.x.
//!
//! A [`VecEnv`] resets and steps its environments one after the other, in order, on the calling thread, and stacks what they
//! return: row i is environment i's. What comes after the end of an episode is the [`AutoresetMode`]'s business.
//!
//! What differs from Gymnasium, and why:
//!
//! - `infos` has an [`Info`] for each environment, rather than one dictionary of arrays and masks: a program that is typed has
//!   no use for the masks. With [`AutoresetMode::SameStep`] the last observation and info of an episode stand beside it, in
//!   `final_observations` and `final_infos`, rather than within it.
//! - With [`AutoresetMode::Disabled`] an environment whose episode is over may wait while the others are stepped; Gymnasium
//!   fails there. [`VecEnv::reset_env`] starts its next episode, with a seed of its own; what Gymnasium's `reset_mask` is for.
//! - The number of rows and columns of the actions, and that they are finite, is checked before any environment moves.

use std::fmt;

use ndarray::{Array1, Array2, ArrayView1, ArrayView2};

use crate::{BoxEnv, Env, Error, Info, MakeOptions, Registry, ResetOptions, Result, Space};

/// Makes `num_envs` built-in environments of one id: `Registry::default().make_vec(id, num_envs, …)`, as Gymnasium's
/// `make_vec` does.
///
/// ```
/// use diffplan_envs::{Dict, make_vec};
/// use ndarray::Array2;
///
/// let mut envs = make_vec("Pendulum-v1", 3)?;
/// let (observations, _infos) = envs.reset(Some(7), &Dict::new())?; // with seeds 7, 8 and 9
/// assert_eq!(observations.dim(), (3, 3));
/// let step = envs.step(Array2::zeros((3, 1)).view())?;
/// assert_eq!((step.observations.dim(), step.rewards.len()), ((3, 3), 3));
/// # Ok::<(), diffplan_envs::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::UnknownEnv`] if there is none of that id; [`Error::NoEnvs`] of none.
pub fn make_vec(id: &str, num_envs: usize) -> Result<VecEnv> {
    Registry::default().make_vec(id, num_envs, &MakeOptions::default())
}

impl Registry {
    /// Makes `num_envs` environments of one id, each as [`Registry::make_with`] makes one.
    ///
    /// # Errors
    ///
    /// As [`Registry::make_with`]; [`Error::NoEnvs`] of none.
    pub fn make_vec(&self, id: &str, num_envs: usize, options: &MakeOptions) -> Result<VecEnv> {
        let envs = (0..num_envs).map(|_| self.make_with(id, options));
        VecEnv::new(envs.collect::<Result<_>>()?)
    }
}

/// What comes after the end of an episode.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AutoresetMode {
    /// The next step resets the environment: its action is ignored, its reward is 0, and its observation is the first of the
    /// new episode.
    #[default]
    NextStep,
    /// The last step resets the environment too: its observation is the first of the new episode, and the last of the old one
    /// is in `final_observations`.
    SameStep,
    /// Nothing: the environment waits for a reset, and steps leave it alone.
    Disabled,
}

impl AutoresetMode {
    /// Gymnasium's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::NextStep => "NextStep",
            Self::SameStep => "SameStep",
            Self::Disabled => "Disabled",
        }
    }
}

/// What a step of all environments returns: in every field, place or row i is environment i's.
#[derive(Debug, Clone, PartialEq)]
pub struct VecStep {
    /// The observations after the step, shape `(num_envs, obs_dim)`.
    pub observations: Array2<f64>,
    /// The rewards of the step, shape `(num_envs,)`; 0 of an environment that was not stepped.
    pub rewards: Array1<f64>,
    /// Whether the step led to a terminal state, shape `(num_envs,)`; of one that waits for a reset, whether it once did.
    pub terminations: Array1<bool>,
    /// Whether the episode was cut off, shape `(num_envs,)`; of one that waits for a reset, whether it once was.
    pub truncations: Array1<bool>,
    /// Whatever else there is to tell: of the reset, where there was one.
    pub infos: Vec<Info>,
    /// With [`AutoresetMode::SameStep`], the last observation of an episode that ended with this step, shape `(obs_dim,)`.
    pub final_observations: Vec<Option<Array1<f64>>>,
    /// With [`AutoresetMode::SameStep`], the info of the last step of an episode that ended with this step.
    pub final_infos: Vec<Option<Info>>,
}

/// Where an environment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// There was no reset yet, or [`VecEnv::rest`] came after it.
    Resting,
    /// In an episode.
    Live,
    /// At the end of one.
    Over,
}

/// Environments with the same spaces, stepped side by side.
#[derive(Clone)]
pub struct VecEnv<E = BoxEnv> {
    envs: Vec<E>,
    autoreset: AutoresetMode,
    stages: Vec<Stage>,
    observations: Array2<f64>,
    terminations: Array1<bool>,
    truncations: Array1<bool>,
}

impl<E> fmt::Debug for VecEnv<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VecEnv")
            .field("num_envs", &self.envs.len())
            .field("autoreset", &self.autoreset)
            .finish_non_exhaustive()
    }
}

impl<E: Env<Observation = Array1<f64>, Action = Array1<f32>>> VecEnv<E> {
    /// Puts environments side by side, with [`AutoresetMode::NextStep`]. Each keeps its own random stream.
    ///
    /// # Errors
    ///
    /// [`Error::NoEnvs`] of none; [`Error::SpacesDiffer`] where one has another observation or action space than the first;
    /// [`Error::SpaceKind`] where those are no boxes.
    pub fn new(envs: Vec<E>) -> Result<Self> {
        let first = envs.first().ok_or(Error::NoEnvs)?;
        let obs_dim = first.observation_space().as_box()?.dim();
        first.action_space().as_box()?;
        for (index, env) in envs.iter().enumerate() {
            for (what, differ) in [
                (
                    "observation space",
                    env.observation_space() != first.observation_space(),
                ),
                ("action space", env.action_space() != first.action_space()),
            ] {
                if differ {
                    return Err(Error::SpacesDiffer { index, what });
                }
            }
        }
        let num_envs = envs.len();
        Ok(Self {
            autoreset: AutoresetMode::default(),
            stages: vec![Stage::Resting; num_envs],
            observations: Array2::zeros((num_envs, obs_dim)),
            terminations: Array1::from_elem(num_envs, false),
            truncations: Array1::from_elem(num_envs, false),
            envs,
        })
    }

    /// The same environments with another autoreset mode.
    #[must_use]
    pub fn with_autoreset(self, autoreset: AutoresetMode) -> Self {
        Self { autoreset, ..self }
    }

    /// What comes after the end of an episode.
    pub fn autoreset(&self) -> AutoresetMode {
        self.autoreset
    }

    /// How many environments there are.
    pub fn num_envs(&self) -> usize {
        self.envs.len()
    }

    /// The environments, in order.
    pub fn envs(&self) -> &[E] {
        &self.envs
    }

    /// The environments, each as it stands.
    pub fn into_envs(self) -> Vec<E> {
        self.envs
    }

    /// The space of one environment's observations.
    pub fn single_observation_space(&self) -> &Space {
        self.envs[0].observation_space()
    }

    /// The space of one environment's actions.
    pub fn single_action_space(&self) -> &Space {
        self.envs[0].action_space()
    }

    /// Whether each environment is in an episode: it was reset, and its episode is not over.
    pub fn live(&self) -> impl Iterator<Item = bool> {
        self.stages.iter().map(|&stage| stage == Stage::Live)
    }

    /// The observations as they are, shape `(num_envs, obs_dim)`: zeros of an environment that was never reset.
    pub fn observations(&self) -> ArrayView2<'_, f64> {
        self.observations.view()
    }

    /// Starts an episode in every environment: with a seed, environment i gets `seed + i`. Returns the observations, shape
    /// `(num_envs, obs_dim)`, and the infos.
    ///
    /// # Errors
    ///
    /// [`Error::InEnv`] with the first environment's error, after which those from it on wait for another reset;
    /// [`Error::SeedTooLarge`] where `seed + i` is beyond the largest seed.
    pub fn reset(&mut self, seed: Option<u64>, options: &ResetOptions) -> Result<(Array2<f64>, Vec<Info>)> {
        let last = self.num_envs() as u64 - 1;
        if let Some(seed) = seed.filter(|seed| seed.checked_add(last).is_none()) {
            return Err(Error::SeedTooLarge { seed, more: last });
        }
        let seeds: Vec<Option<u64>> = (0..=last).map(|i| seed.map(|seed| seed + i)).collect();
        self.reset_seeds(&seeds, options)
    }

    /// Starts an episode in every environment, each with its own seed or, of `None`, without one.
    ///
    /// # Errors
    ///
    /// As [`VecEnv::reset`]; [`Error::RowCount`] for another number of seeds than of environments.
    pub fn reset_seeds(&mut self, seeds: &[Option<u64>], options: &ResetOptions) -> Result<(Array2<f64>, Vec<Info>)> {
        self.check_rows("seeds", seeds.len())?;
        self.rest();
        let infos = seeds.iter().enumerate().map(|(i, &seed)| self.start(i, seed, options));
        let infos = infos.collect::<Result<_>>()?;
        Ok((self.observations.clone(), infos))
    }

    /// Starts an episode in one environment and leaves the others alone. Returns its observation, shape `(obs_dim,)`.
    ///
    /// # Errors
    ///
    /// [`Error::InEnv`] with the environment's error; [`Error::NoSuchEnv`] if there is none of that index.
    pub fn reset_env(
        &mut self,
        index: usize,
        seed: Option<u64>,
        options: &ResetOptions,
    ) -> Result<(Array1<f64>, Info)> {
        let num_envs = self.num_envs();
        if index >= num_envs {
            return Err(Error::NoSuchEnv { index, num_envs });
        }
        let info = self.start(index, seed, options)?;
        Ok((self.observations.row(index).to_owned(), info))
    }

    /// Ends all episodes where they are: every environment waits for a reset.
    pub fn rest(&mut self) {
        self.stages.fill(Stage::Resting);
    }

    /// Steps the environments, environment i by row i of `actions`, shape `(num_envs, action_dim)`.
    ///
    /// # Errors
    ///
    /// [`Error::RowCount`], and [`Error::InEnv`] with [`Error::ActionLength`] or [`Error::ActionNotFinite`], for actions that
    /// are none, and [`Error::ResetNeeded`] where an environment was not reset (with [`AutoresetMode::Disabled`]: where none is
    /// in an episode); no environment has moved then. [`Error::InEnv`] with an environment's own error, after which those
    /// before it have moved.
    pub fn step(&mut self, actions: ArrayView2<'_, f32>) -> Result<VecStep> {
        self.check(actions)?;
        let num_envs = self.num_envs();
        let mut rewards = Array1::zeros(num_envs);
        let mut infos = vec![Info::new(); num_envs];
        let (mut final_observations, mut final_infos) = (vec![None; num_envs], vec![None; num_envs]);
        for i in 0..num_envs {
            match (self.stages[i], self.autoreset) {
                (Stage::Live, _) => {}
                (Stage::Over, AutoresetMode::NextStep) => {
                    infos[i] = self.start(i, None, &ResetOptions::new())?;
                    continue;
                }
                // With `SameStep`, none is ever over.
                _ => continue,
            }
            let in_env = |error| in_env(i, error);
            let step = self.envs[i].step(&actions.row(i).to_owned()).map_err(in_env)?;
            self.observe(i, step.observation.view())?;
            rewards[i] = step.reward;
            infos[i] = step.info;
            (self.terminations[i], self.truncations[i]) = (step.terminated, step.truncated);
            if !(step.terminated || step.truncated) {
                continue;
            }
            self.stages[i] = Stage::Over;
            if self.autoreset == AutoresetMode::SameStep {
                final_observations[i] = Some(step.observation);
                let info = self.start(i, None, &ResetOptions::new())?;
                final_infos[i] = Some(std::mem::replace(&mut infos[i], info));
                // The reset has cleared what this step is to tell.
                (self.terminations[i], self.truncations[i]) = (step.terminated, step.truncated);
            }
        }
        Ok(VecStep {
            observations: self.observations.clone(),
            rewards,
            terminations: self.terminations.clone(),
            truncations: self.truncations.clone(),
            infos,
            final_observations,
            final_infos,
        })
    }

    /// Everything about `actions` that can be wrong before an environment moves.
    fn check(&self, actions: ArrayView2<'_, f32>) -> Result<()> {
        self.check_rows("rows of actions", actions.nrows())?;
        let reset_needed = Error::ResetNeeded { method: "step" };
        match self.autoreset {
            AutoresetMode::Disabled if self.live().all(|live| !live) => return Err(reset_needed),
            AutoresetMode::Disabled => {}
            _ => {
                if let Some(resting) = self.stages.iter().position(|&stage| stage == Stage::Resting) {
                    return Err(in_env(resting, reset_needed));
                }
            }
        }
        let (actual, expected) = (actions.ncols(), self.single_action_space().as_box()?.dim());
        if actual != expected {
            return Err(Error::ActionLength { expected, actual });
        }
        for (i, action) in actions.outer_iter().enumerate() {
            if self.stages[i] != Stage::Live {
                continue;
            }
            if let Some(index) = action.iter().position(|value| !value.is_finite()) {
                let value = action[index];
                return Err(in_env(i, Error::ActionNotFinite { index, value }));
            }
        }
        Ok(())
    }

    fn check_rows(&self, what: &'static str, actual: usize) -> Result<()> {
        let expected = self.num_envs();
        match actual == expected {
            true => Ok(()),
            false => Err(Error::RowCount { what, actual, expected }),
        }
    }

    fn start(&mut self, i: usize, seed: Option<u64>, options: &ResetOptions) -> Result<Info> {
        self.stages[i] = Stage::Resting;
        (self.terminations[i], self.truncations[i]) = (false, false);
        let (observation, info) = self.envs[i].reset(seed, options).map_err(|error| in_env(i, error))?;
        self.observe(i, observation.view())?;
        self.stages[i] = Stage::Live;
        Ok(info)
    }

    fn observe(&mut self, i: usize, observation: ArrayView1<'_, f64>) -> Result<()> {
        let (actual, expected) = (observation.len(), self.observations.ncols());
        if actual != expected {
            return Err(in_env(i, Error::ObservationLength { expected, actual }));
        }
        self.observations.row_mut(i).assign(&observation);
        Ok(())
    }
}

fn in_env(index: usize, error: Error) -> Error {
    Error::InEnv {
        index,
        error: Box::new(error),
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Axis, array};

    use super::*;
    use crate::wrappers::test_env::Counter;
    use crate::wrappers::{OrderEnforcing, TimeLimit};
    use crate::{Dict, Discrete, make};

    /// Terminating after 2 and after 3 steps. The observation is the action, the reward the number of the step.
    fn counters(mode: AutoresetMode) -> VecEnv<OrderEnforcing<Counter>> {
        let envs = [2, 3].map(|steps| OrderEnforcing::new(Counter::new(Some(steps))));
        let mut envs = VecEnv::new(envs.into()).unwrap().with_autoreset(mode);
        envs.reset(Some(0), &Dict::new()).unwrap();
        envs
    }

    /// Steps with actions 1, 2, … : observations, rewards and ends of both environments, a row a step.
    fn play(envs: &mut VecEnv<OrderEnforcing<Counter>>, steps: usize) -> Vec<[(f64, f64, bool); 2]> {
        let step = |number: usize| {
            let step = envs.step(Array2::from_elem((2, 1), number as f32).view()).unwrap();
            [0, 1].map(|i| (step.observations[[i, 0]], step.rewards[i], step.terminations[i]))
        };
        (1..=steps).map(step).collect()
    }

    /// Rows as Gymnasium 1.4.0's `SyncVectorEnv` gives them of the same environments, as below with `SameStep`.
    #[test]
    fn the_next_step_resets() {
        let mut envs = counters(AutoresetMode::NextStep);
        assert_eq!(
            play(&mut envs, 5),
            [
                [(1.0, 1.0, false), (1.0, 1.0, false)],
                [(2.0, 2.0, true), (2.0, 2.0, false)],
                [(0.0, 0.0, false), (3.0, 3.0, true)],
                [(4.0, 1.0, false), (0.0, 0.0, false)],
                [(5.0, 2.0, true), (5.0, 1.0, false)],
            ]
        );
        assert_eq!(envs.live().collect::<Vec<_>>(), [false, true]);
        assert_eq!(envs.autoreset().name(), "NextStep");
    }

    #[test]
    fn the_same_step_resets_and_tells_what_was_last() {
        let mut envs = counters(AutoresetMode::SameStep);
        assert_eq!(
            play(&mut envs, 4),
            [
                [(1.0, 1.0, false), (1.0, 1.0, false)],
                [(0.0, 2.0, true), (2.0, 2.0, false)],
                [(3.0, 1.0, false), (0.0, 3.0, true)],
                [(0.0, 2.0, true), (4.0, 1.0, false)],
            ]
        );
        let step = envs.step(array![[7.0], [8.0]].view()).unwrap();
        assert_eq!(step.final_observations, [None, None]);
        let step = envs.step(array![[9.0], [10.0]].view()).unwrap();
        assert_eq!(step.final_observations, [Some(array![9.0]), Some(array![10.0])]);
        assert!(step.final_infos.iter().all(Option::is_some));
        assert_eq!(step.observations, array![[0.0], [0.0]]);
        assert_eq!(step.terminations, array![true, true]);
    }

    #[test]
    fn without_autoreset_the_finished_wait() {
        let mut envs = counters(AutoresetMode::Disabled);
        assert_eq!(
            play(&mut envs, 3),
            [
                [(1.0, 1.0, false), (1.0, 1.0, false)],
                [(2.0, 2.0, true), (2.0, 2.0, false)],
                [(2.0, 0.0, true), (3.0, 3.0, true)],
            ]
        );
        assert_eq!(envs.live().collect::<Vec<_>>(), [false, false]);
        let none_live = envs.step(array![[0.0], [0.0]].view()).unwrap_err();
        assert_eq!(none_live, Error::ResetNeeded { method: "step" });
        // One alone goes on; what the other is handed does not matter.
        let (observation, _) = envs.reset_env(1, Some(3), &Dict::new()).unwrap();
        assert_eq!(observation, array![0.0]);
        let step = envs.step(array![[f32::NAN], [5.0]].view()).unwrap();
        assert_eq!(
            (step.rewards, step.terminations),
            (array![0.0, 1.0], array![true, false])
        );
        assert_eq!(step.observations, array![[2.0], [5.0]]);
        envs.rest();
        assert!(envs.live().all(|live| !live));
    }

    /// Row i is what environment i returns alone.
    #[test]
    fn environments_do_not_know_of_each_other() {
        let mut envs = make_vec("Pendulum-v1", 3).unwrap();
        let (observations, infos) = envs.reset(Some(41), &Dict::new()).unwrap();
        assert_eq!((infos.len(), envs.num_envs()), (3, 3));
        let mut rows = vec![observations];
        let action = |i: usize, t: usize| ((i + 1) * t) as f32 % 3.0 - 1.5;
        // Over the end of the first episode, to the second that no seed was given for.
        for t in 0..203 {
            let step = envs
                .step(Array2::from_shape_fn((3, 1), |(i, _)| action(i, t)).view())
                .unwrap();
            assert_eq!(step.truncations, Array1::from_elem(3, t == 199), "step {t}");
            rows.push(step.observations);
        }
        for i in 0..3 {
            let mut env = make("Pendulum-v1").unwrap();
            let mut alone = vec![env.reset(Some(41 + i as u64), &Dict::new()).unwrap().0];
            for t in 0..203 {
                alone.push(match t {
                    200 => env.reset(None, &Dict::new()).unwrap().0,
                    _ => env.step(&array![action(i, t)]).unwrap().observation,
                });
            }
            assert!(
                rows.iter().map(|row| row.row(i)).eq(alone.iter().map(|row| row.view())),
                "{i}"
            );
        }
        let seeds = [Some(5), Some(9), Some(5)];
        let (observations, _) = envs.reset_seeds(&seeds, &Dict::new()).unwrap();
        assert_eq!(observations.index_axis(Axis(0), 0), observations.row(2));
        assert_ne!(observations.row(0), observations.row(1));
        assert_eq!(envs.observations(), observations);
        assert_eq!(envs.into_envs().len(), 3);
    }

    #[test]
    fn environments_that_do_not_fit_are_refused() {
        assert_eq!(VecEnv::<BoxEnv>::new(Vec::new()).unwrap_err(), Error::NoEnvs);
        assert_eq!(make_vec("Pendulum-v1", 0).unwrap_err(), Error::NoEnvs);
        assert!(matches!(make_vec("Pendulum-v9", 2), Err(Error::UnknownEnv { .. })));
        let envs = ["Pendulum-v1", "Pendulum-v1", "MountainCarContinuous-v0"].map(|id| make(id).unwrap());
        let error = VecEnv::new(envs.into()).unwrap_err();
        let expected = Error::SpacesDiffer {
            index: 2,
            what: "observation space",
        };
        assert_eq!(error, expected);
        assert_eq!(
            error.to_string(),
            "environment 2 has another observation space than environment 0, expected the same"
        );
        let envs = vec![
            Counter::new(None),
            Counter::with_action_bounds(array![-1.0], array![1.0]),
        ];
        let expected = Error::SpacesDiffer {
            index: 1,
            what: "action space",
        };
        assert_eq!(VecEnv::new(envs).unwrap_err(), expected);
        let discrete = Counter::with_action_space(Discrete::new(3, 0).unwrap());
        assert!(matches!(VecEnv::new(vec![discrete]), Err(Error::SpaceKind { .. })));
    }

    #[test]
    fn errors_name_the_environment_and_move_none() {
        for mode in [
            AutoresetMode::NextStep,
            AutoresetMode::SameStep,
            AutoresetMode::Disabled,
        ] {
            let mut envs = VecEnv::new(vec![TimeLimit::new(Counter::new(None), 9).unwrap(); 2])
                .unwrap()
                .with_autoreset(mode);
            let ok = array![[0.5], [0.5]];
            assert!(envs.step(ok.view()).is_err(), "no reset yet");
            envs.reset(None, &Dict::new()).unwrap();
            for (actions, message) in [
                (array![[0.5]], "1 rows of actions for 2 environments, expected as many"),
                (array![[0.5, 0.5], [0.5, 0.5]], "the action has 2 elements, expected 1"),
                (
                    array![[0.5], [f32::INFINITY]],
                    "environment 1: element 0 of the action is inf, expected a finite number",
                ),
            ] {
                assert_eq!(envs.step(actions.view()).unwrap_err().to_string(), message);
            }
            assert_eq!(envs.step(ok.view()).unwrap().rewards, array![1.0, 1.0]);
        }
        // Also where nothing is stepped, but all are reset.
        let limited = TimeLimit::new(Counter::new(None), 1).unwrap();
        let mut over = VecEnv::new(vec![limited]).unwrap();
        over.reset(None, &Dict::new()).unwrap();
        over.step(array![[0.0]].view()).unwrap();
        let wide = over.step(array![[0.0, 0.0]].view()).unwrap_err();
        assert_eq!(wide, Error::ActionLength { expected: 1, actual: 2 });
        let beyond = counters(AutoresetMode::NextStep).reset(Some(u64::MAX), &Dict::new());
        assert_eq!(
            beyond.unwrap_err().to_string(),
            "the seed is 18446744073709551615, and 1 more are needed: expected at most 18446744073709551614"
        );
        let mut envs = counters(AutoresetMode::NextStep);
        envs.rest();
        assert_eq!(
            envs.step(array![[0.0], [0.0]].view()).unwrap_err().to_string(),
            "environment 0: `step` was called before the first `reset`"
        );
        let fails = Dict::from_iter([("fail", true)]);
        assert!(matches!(envs.reset(None, &fails), Err(Error::InEnv { index: 0, .. })));
        assert!(matches!(
            envs.reset_env(1, None, &fails),
            Err(Error::InEnv { index: 1, .. })
        ));
        assert_eq!(
            envs.reset_env(2, None, &Dict::new()).unwrap_err(),
            Error::NoSuchEnv { index: 2, num_envs: 2 }
        );
        let too_few = envs.reset_seeds(&[None], &Dict::new()).unwrap_err();
        assert_eq!(too_few.to_string(), "1 seeds for 2 environments, expected as many");
    }
}
