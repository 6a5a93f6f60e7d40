//! Many episodes with the planner in the loop, side by side: one batch of plans a step for all that are running.
//!
//! Where one episode's candidates are too few to keep the threads busy, a batch of many episodes' is cheaper than one after the
//! other. Each environment of a [`VecEnv`] is a slot: when its episode ends, it takes the next [`Start`]. What an episode is
//! like depends on its start alone, its seed and its noise, to the bit: not on how many run beside it, nor on which, nor on the
//! number of threads; and it is the episode that [`rollout`](crate::rollout) plays from there.

use crate::acting::{Acting, total};
use crate::error::{Error, Result};
use crate::noise::{NoiseSource, RngNoise};
use crate::planner::Planner;
use diffplan_envs::{AutoresetMode, Env, Info, MUJOCO_WARNING, ResetOptions, Value, VecEnv};
use ndarray::{Array1, Array2, Axis};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

/// Where an episode begins, and all that decides how it goes on.
pub struct Start {
    /// Which episode it is: what results and errors call it.
    pub index: usize,
    /// What the environment is reset with.
    pub seed: u64,
    /// The noise of the episode's plans.
    pub noise: Box<dyn NoiseSource>,
}

impl Start {
    /// Episode 0, 1, 2, … of a seed, as `diffplan rollout` plays them: episode i is reset with `seed + i`, and its noise is
    /// the i-th fork of [`RngNoise::seed`]. It depends on `seed` and i alone, so any of them may be taken and any left out.
    ///
    /// ```
    /// use diffplan_pipelines::Start;
    ///
    /// let missing: Vec<Start> = Start::seeded(1000).take(5).filter(|start| start.index % 2 == 1).collect();
    /// assert_eq!(missing.iter().map(|start| start.seed).collect::<Vec<_>>(), [1001, 1003]);
    /// ```
    pub fn seeded(seed: u64) -> impl Iterator<Item = Self> {
        let mut noise = RngNoise::seed(seed);
        (0..).map_while(move |index| {
            Some(Self {
                index,
                seed: seed.checked_add(index as u64)?,
                noise: Box::new(noise.fork()),
            })
        })
    }
}

impl std::fmt::Debug for Start {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Start")
            .field("index", &self.index)
            .field("seed", &self.seed)
            .finish_non_exhaustive()
    }
}

/// What an episode came to.
#[derive(Clone, Debug, PartialEq)]
pub struct EpisodeResult {
    /// As in its [`Start`].
    pub index: usize,
    /// As in its [`Start`].
    pub seed: u64,
    /// The sum of rewards.
    pub episode_return: f64,
    /// The number of steps.
    pub length: usize,
    /// Whether it ended in a terminal state.
    pub terminated: bool,
    /// Whether it was cut off, by a time limit as a rule.
    pub truncated: bool,
    /// How many plans were made for it.
    pub plans: usize,
    /// Its share of the time spent planning: of a call for n episodes, the n-th part.
    pub planning_time: Duration,
    /// The first text that an info had under [`MUJOCO_WARNING`].
    pub mujoco_warning: Option<String>,
}

/// What an evaluation shows to who watches.
#[derive(Debug)]
#[non_exhaustive]
pub enum EvaluationEvent<'a> {
    /// A plan was made for every running episode, and its first action done.
    Stepped {
        /// How many episodes were running: the number of plans in the call.
        running: usize,
        /// How long the call took that made them.
        plan_time: Duration,
    },
    /// An episode is over.
    Finished(&'a EpisodeResult),
}

/// An episode in the making.
struct Running {
    start: Start,
    rewards: Vec<f64>,
    planning_time: Duration,
    mujoco_warning: Option<String>,
}

/// Plays an episode from each of `starts`, as many at a time as there are environments, planning anew at every step. Actions
/// are clipped to the action space.
///
/// Returns the results in the order of their indices. `watch` may end it before all are played: those that are running are
/// then given up, and not among the results.
///
/// # Errors
/// If the environments' spaces are not those the planner was made for, or they reset themselves (their
/// [`AutoresetMode`] must be `Disabled`). [`Error::Episode`], which names the episode, if planning or stepping fails or a
/// reward is no finite number; `watch` has been shown all that were over by then.
pub fn evaluate<E>(
    planner: &mut Planner,
    envs: &mut VecEnv<E>,
    starts: impl IntoIterator<Item = Start>,
    watch: &mut dyn FnMut(EvaluationEvent) -> ControlFlow<()>,
) -> Result<Vec<EpisodeResult>>
where
    E: Env<Observation = Array1<f64>, Action = Array1<f32>>,
{
    let acting = Acting::new(
        planner.pipeline(),
        envs.single_observation_space(),
        envs.single_action_space(),
    )?;
    if envs.autoreset() != AutoresetMode::Disabled {
        return Err(Error::Parts(format!(
            "the environments reset themselves ({}), expected the autoreset mode Disabled",
            envs.autoreset().name()
        )));
    }
    envs.rest();
    let mut starts = starts.into_iter().fuse();
    let mut slots: Vec<Option<Running>> = (0..envs.num_envs()).map(|_| None).collect();
    let mut actions = Array2::zeros((envs.num_envs(), acting.action_dim()));
    let mut results = Vec::new();
    loop {
        for (i, slot) in slots.iter_mut().enumerate().filter(|(_, slot)| slot.is_none()) {
            let Some(start) = starts.next() else { break };
            let reset = envs.reset_env(i, Some(start.seed), &ResetOptions::default());
            let (_, info) = reset.map_err(|error| of_episode(start.index, 0, error.into()))?;
            let mut running = Running {
                start,
                rewards: Vec::new(),
                planning_time: Duration::ZERO,
                mujoco_warning: None,
            };
            running.heed(&info);
            *slot = Some(running);
        }
        let live: Vec<usize> = (0..slots.len()).filter(|&i| slots[i].is_some()).collect();
        if live.is_empty() {
            break;
        }
        let plan_time = plan(planner, envs, &acting, &live, &mut slots, &mut actions)?;

        let step = envs.step(actions.view()).map_err(|error| step_error(error, &slots))?;
        let mut ended = Vec::new();
        for &i in &live {
            let Some(running) = &mut slots[i] else { continue };
            let (number, reward) = (running.rewards.len(), step.rewards[i]);
            if !reward.is_finite() {
                return Err(of_episode(running.start.index, number, Error::Reward { reward }));
            }
            running.rewards.push(reward);
            running.planning_time += plan_time / live.len() as u32;
            running.heed(&step.infos[i]);
            let (terminated, truncated) = (step.terminations[i], step.truncations[i]);
            if terminated || truncated {
                ended.extend(slots[i].take().map(|running| running.result(terminated, truncated)));
            }
        }
        let running = live.len();
        let mut flow = watch(EvaluationEvent::Stepped { running, plan_time });
        for result in ended {
            // All of them are told of, even where the first is enough: they are over.
            if watch(EvaluationEvent::Finished(&result)).is_break() {
                flow = ControlFlow::Break(());
            }
            results.push(result);
        }
        if flow.is_break() {
            break;
        }
    }
    results.sort_by_key(|result| result.index);
    Ok(results)
}

/// Makes a plan for each running episode and puts its action in the episode's row. Returns how long the call took.
fn plan<E>(
    planner: &mut Planner,
    envs: &VecEnv<E>,
    acting: &Acting,
    live: &[usize],
    slots: &mut [Option<Running>],
    actions: &mut Array2<f32>,
) -> Result<Duration>
where
    E: Env<Observation = Array1<f64>, Action = Array1<f32>>,
{
    let observations = envs.observations().select(Axis(0), live).mapv(|v| v as f32);
    let running = slots.iter_mut().flatten();
    let mut noise: Vec<&mut dyn NoiseSource> = running.map(|running| &mut *running.start.noise as _).collect();
    let started = Instant::now();
    let plans = planner.plan_batch(observations.view(), &mut noise);
    let plan_time = started.elapsed();
    let plans = plans.map_err(|error| plan_error(error, slots))?;
    for (&i, plan) in live.iter().zip(plans) {
        actions.row_mut(i).assign(&acting.clip(&plan.action));
    }
    Ok(plan_time)
}

impl Running {
    /// Keeps the first warning.
    fn heed(&mut self, info: &Info) {
        if let (None, Some(Value::String(warning))) = (&self.mujoco_warning, info.get(MUJOCO_WARNING)) {
            self.mujoco_warning = Some(warning.clone());
        }
    }

    fn result(self, terminated: bool, truncated: bool) -> EpisodeResult {
        EpisodeResult {
            index: self.start.index,
            seed: self.start.seed,
            episode_return: total(&self.rewards),
            length: self.rewards.len(),
            terminated,
            truncated,
            plans: self.rewards.len(),
            planning_time: self.planning_time,
            mujoco_warning: self.mujoco_warning,
        }
    }
}

fn of_episode(index: usize, step: usize, error: Error) -> Error {
    // Which environment it was says nothing: that is a matter of the slot.
    let error = match error {
        Error::Env(diffplan_envs::Error::InEnv { error, .. }) => Error::Env(*error),
        other => other,
    };
    Error::Episode {
        index,
        step,
        error: Box::new(error),
    }
}

/// An error of stepping, which tells the slot.
fn step_error(error: diffplan_envs::Error, slots: &[Option<Running>]) -> Error {
    let slot = match &error {
        diffplan_envs::Error::InEnv { index, .. } => slots.get(*index).and_then(Option::as_ref),
        _ => None,
    };
    match slot {
        Some(running) => of_episode(running.start.index, running.rewards.len(), error.into()),
        None => error.into(),
    }
}

/// An error of planning. It tells the place in the batch where it is a matter of one observation; a network that fails, fails
/// for all of them.
fn plan_error(error: Error, slots: &[Option<Running>]) -> Error {
    let alone = slots.iter().flatten().count() == 1;
    // The place is left out of the message: it is about one episode only.
    let (place, error) = match error {
        Error::Observation { index, time, reason } => (Some(index), Error::Observation { index: 0, time, reason }),
        Error::Diverged { index, timestep, scale } => {
            let index_0 = Error::Diverged {
                index: 0,
                timestep,
                scale,
            };
            (Some(index), index_0)
        }
        Error::NoiseOf { index, error } => (Some(index), Error::Noise(error)),
        other => (alone.then_some(0), other),
    };
    match place.and_then(|place| slots.iter().flatten().nth(place)) {
        Some(running) => of_episode(running.start.index, running.rewards.len(), error),
        None => error,
    }
}
