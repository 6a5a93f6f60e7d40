//! [`rollout`]: one episode, kept whole.

use crate::episodes::{heed_success, total};
use crate::error::{Error, Result};
use crate::playing::{Played, Playing};
use crate::policy::Policy;
use crate::start::Start;
use diffplan_envs::Env;
use diffplan_pipelines::Plan;
use ndarray::{Array1, Array2, ArrayView1, Axis, stack};
use std::time::Duration;

/// What was played.
#[derive(Clone, Debug)]
pub struct Episode {
    /// (steps + 1, observation dimensions): the first is that of the reset.
    pub observations: Array2<f64>,
    /// (steps + 1, state dimensions), as [`Env::state`] tells it: what a picture is drawn from. None where it tells nothing.
    pub states: Option<Array2<f64>>,
    /// (steps, action dimensions), as the environment was handed them.
    pub actions: Array2<f32>,
    /// (steps).
    pub rewards: Array1<f64>,
    /// Whether it ended in a terminal state.
    pub terminated: bool,
    /// Whether it was cut off, by a time limit as a rule.
    pub truncated: bool,
    /// How long each plan took to make; each action to find, where there are no plans.
    pub plan_times: Vec<Duration>,
    /// Whether an info said `success` at any step; none where none said anything of it.
    pub success: Option<bool>,
}

impl Episode {
    /// The sum of rewards.
    pub fn total_return(&self) -> f64 {
        match self.rewards.as_slice() {
            Some(rewards) => total(rewards),
            None => self.rewards.sum(),
        }
    }

    /// The number of steps.
    pub fn length(&self) -> usize {
        self.rewards.len()
    }
}

/// What an episode in the making shows to who watches.
#[derive(Debug)]
pub struct StepEvent<'a> {
    /// Which step, from 0.
    pub step: usize,
    /// The observation acted on.
    pub observation: ArrayView1<'a, f64>,
    /// The plan that the action came from, where the policy plans.
    pub plan: Option<&'a Plan>,
    /// How many steps ago it was made.
    pub plan_age: usize,
    /// The reward of the action.
    pub reward: f64,
    /// The sum of rewards so far, this one included.
    pub return_so_far: f64,
    /// How long the action took to find.
    pub plan_time: Duration,
}

/// Plays one episode of `env` from its start. Actions are clipped to the action space.
///
/// # Errors
/// If the environment's spaces are not those the policy acts in, or acting or stepping fails.
pub fn rollout<E>(
    env: &mut E,
    start: &Start,
    policy: &mut dyn Policy,
    watch: &mut dyn FnMut(StepEvent),
) -> Result<Episode>
where
    E: Env<Observation = Array1<f64>, Action = Array1<f32>>,
{
    let mut playing = Playing::begin(env, start, policy)?;
    let mut observations = Array2::zeros((0, playing.observation().len()));
    let mut actions = Array2::zeros((0, playing.action().len()));
    let (mut rewards, mut plan_times, mut states) = (Vec::new(), Vec::new(), Vec::new());
    let (mut return_so_far, mut success) = (0.0, None);
    let broken = |e: ndarray::ShapeError| Error::Parts(format!("the environment changed the shape of its rows: {e}"));
    states.extend(env.state().ok());
    loop {
        let observation = playing.observation().to_owned();
        observations.push_row(observation.view()).map_err(broken)?;
        let Played { step, took: plan_time } = playing.step(env, policy)?;
        rewards.push(step.reward);
        heed_success(&mut success, &step.info);
        return_so_far += step.reward;
        let plan_age = policy.plan_age(0);
        plan_times.extend((plan_age == 0).then_some(plan_time));
        actions.push_row(playing.action()).map_err(broken)?;
        states.extend(env.state().ok());
        watch(StepEvent {
            step: rewards.len() - 1,
            observation: observation.view(),
            plan: policy.plan(0),
            plan_age,
            reward: step.reward,
            return_so_far,
            plan_time,
        });
        if step.terminated || step.truncated {
            observations.push_row(playing.observation()).map_err(broken)?;
            let (terminated, truncated) = (step.terminated, step.truncated);
            let rewards: Array1<f64> = rewards.into();
            let rows: Vec<_> = states.iter().map(|state| state.view()).collect();
            let states = if rows.len() == observations.nrows() {
                Some(stack(Axis(0), &rows).map_err(broken)?)
            } else {
                None
            };
            return Ok(Episode {
                observations,
                states,
                actions,
                rewards,
                terminated,
                truncated,
                plan_times,
                success,
            });
        }
    }
}
