//! Many episodes, side by side: as many at a time as there are environments, each the one that [`rollout`](crate::rollout()) plays.

use crate::error::{Error, Result};
use crate::policy::{Policy, Told, clip};
use crate::start::Start;
use diffplan_envs::{AutoresetMode, BoxSpace, Env, Info, MUJOCO_WARNING, Value, VecEnv};
use ndarray::{Array1, Array2, ArrayView1, Axis};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

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
    /// How many plans were made for it; actions, where there are no plans.
    pub plans: usize,
    /// Its share of the time spent planning: of a call that made n plans, the n-th part for each.
    pub planning_time: Duration,
    /// Whether an info said `success` at any step; none where none said anything about it.
    pub success: Option<bool>,
    /// The first text that an info had under [`MUJOCO_WARNING`].
    pub mujoco_warning: Option<String>,
}

/// What an evaluation shows to who watches.
#[derive(Debug)]
#[non_exhaustive]
pub enum EvaluationEvent<'a> {
    /// An action was found for every running episode, and done.
    Stepped {
        /// How many episodes were running.
        running: usize,
        /// For how many of them a plan was made.
        planned: usize,
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
    plans: usize,
    planning_time: Duration,
    success: Option<bool>,
    mujoco_warning: Option<String>,
    goal: Told,
}

/// What an info says under this about whether the goal is reached.
const SUCCESS: &str = "success";

/// Whether a step or one before it was a success, if any said.
pub(crate) fn heed_success(success: &mut Option<bool>, info: &Info) {
    if let Some(Value::Bool(now)) = info.get(SUCCESS) {
        *success = Some(*success == Some(true) || *now);
    }
}

/// Plays an episode from each of `starts`, as many at a time as there are environments. Actions are clipped to the action space.
///
/// Returns the results in the order of their indices. `watch` may end it before all are played: those that are running are
/// then given up, and not among the results.
///
/// # Errors
/// If the environments' spaces are not those the policy acts in, or they reset themselves (their
/// [`AutoresetMode`] must be `Disabled`). [`Error::Episode`], which names the episode, if acting or stepping fails or a
/// reward is no finite number; `watch` has been shown all that were over by then.
pub fn evaluate<E>(
    policy: &mut dyn Policy,
    envs: &mut VecEnv<E>,
    starts: impl IntoIterator<Item = Start>,
    watch: &mut dyn FnMut(EvaluationEvent) -> ControlFlow<()>,
) -> Result<Vec<EpisodeResult>>
where
    E: Env<Observation = Array1<f64>, Action = Array1<f32>>,
{
    policy.check_spaces(envs.single_observation_space(), envs.single_action_space())?;
    let space = envs.single_action_space().as_box()?.clone();
    if envs.autoreset() != AutoresetMode::Disabled {
        return Err(Error::Parts(format!(
            "the environments reset themselves ({}), expected the autoreset mode Disabled",
            envs.autoreset().name()
        )));
    }
    envs.rest();
    let mut starts = starts.into_iter().fuse();
    let mut slots: Vec<Option<Running>> = (0..envs.num_envs()).map(|_| None).collect();
    let mut actions = Array2::zeros((envs.num_envs(), space.dim()));
    let mut results = Vec::new();
    loop {
        for (i, slot) in slots.iter_mut().enumerate().filter(|(_, slot)| slot.is_none()) {
            let Some(start) = starts.next() else { break };
            let reset = envs.reset_env(i, Some(start.seed), &start.reset);
            let (_, info) = reset.map_err(|error| of_episode(start.index, 0, error.into()))?;
            let begun = policy.begin(i, &start);
            let told = begun.and_then(|()| Told::begin(policy, i, envs.envs()[i].goal()));
            let goal = told.map_err(|error| of_episode(start.index, 0, error))?;
            let mut running = Running {
                start,
                rewards: Vec::new(),
                plans: 0,
                planning_time: Duration::ZERO,
                success: None,
                mujoco_warning: None,
                goal,
            };
            running.heed(&info, false);
            *slot = Some(running);
        }
        let live: Vec<usize> = (0..slots.len()).filter(|&i| slots[i].is_some()).collect();
        if live.is_empty() {
            break;
        }
        for &i in &live {
            let Some(running) = &mut slots[i] else { continue };
            let told = running.goal.renew(policy, i, envs.envs()[i].goal());
            told.map_err(|error| of_episode(running.start.index, running.rewards.len(), error))?;
        }
        let plan_time = act(policy, envs, &space, &live, &slots, &mut actions)?;
        let planned: Vec<bool> = live.iter().map(|&i| policy.plan_age(i) == 0).collect();
        let plans = planned.iter().filter(|&&planned| planned).count();

        let step = envs.step(actions.view()).map_err(|error| step_error(error, &slots))?;
        let mut ended = Vec::new();
        for (&i, &planned) in live.iter().zip(&planned) {
            let Some(running) = &mut slots[i] else { continue };
            let (number, reward) = (running.rewards.len(), step.rewards[i]);
            if !reward.is_finite() {
                return Err(of_episode(running.start.index, number, Error::Reward { reward }));
            }
            running.rewards.push(reward);
            if planned {
                running.plans += 1;
                running.planning_time += plan_time / plans as u32;
            }
            running.heed(&step.infos[i], true);
            let (terminated, truncated) = (step.terminations[i], step.truncations[i]);
            if terminated || truncated {
                ended.extend(slots[i].take().map(|running| running.result(terminated, truncated)));
            }
        }
        let running = live.len();
        let mut flow = watch(EvaluationEvent::Stepped {
            running,
            planned: plans,
            plan_time,
        });
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

/// Has the policy act in each running episode's slot, and puts its actions in their rows. Returns how long the call took.
fn act<E>(
    policy: &mut dyn Policy,
    envs: &VecEnv<E>,
    space: &BoxSpace,
    live: &[usize],
    slots: &[Option<Running>],
    actions: &mut Array2<f32>,
) -> Result<Duration>
where
    E: Env<Observation = Array1<f64>, Action = Array1<f32>>,
{
    let observations = envs.observations().select(Axis(0), live);
    let mut own = Array2::zeros((live.len(), space.dim()));
    let started = Instant::now();
    let acted = policy.act(live, observations.view(), own.view_mut());
    let plan_time = started.elapsed();
    acted.map_err(|error| match error {
        Error::InSlot { slot, error } => match slots.get(slot).and_then(Option::as_ref) {
            Some(running) => of_episode(running.start.index, running.rewards.len(), *error),
            None => *error,
        },
        other => other,
    })?;
    clip(space, own.view_mut());
    for (&i, row) in live.iter().zip(own.outer_iter()) {
        actions.row_mut(i).assign(&row);
    }
    Ok(plan_time)
}

impl Running {
    /// Keeps the first warning, and whether a step was a success.
    fn heed(&mut self, info: &Info, of_step: bool) {
        if of_step {
            heed_success(&mut self.success, info);
        }
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
            plans: self.plans,
            planning_time: self.planning_time,
            success: self.success,
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

/// The sum of rewards: in one order, so that an episode has the same return to the bit however it is played.
pub(crate) fn total(rewards: &[f64]) -> f64 {
    ArrayView1::from(rewards).sum()
}
