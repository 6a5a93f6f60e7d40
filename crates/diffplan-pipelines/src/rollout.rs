//! An episode with the planner in the loop: plan, do the first action, look, plan again.

use crate::acting::{Acting, total};
use crate::error::{Error, Result};
use crate::noise::NoiseSource;
use crate::plan::Plan;
use crate::planner::Planner;
use diffplan_envs::{BoxEnv, Env, ResetOptions};
use ndarray::{Array1, Array2, ArrayView1, Axis, stack};
use std::time::{Duration, Instant};

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
    /// How long each plan took.
    pub plan_times: Vec<Duration>,
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
    /// The observation planned from.
    pub observation: ArrayView1<'a, f64>,
    /// The plan.
    pub plan: &'a Plan,
    /// The reward of its first action.
    pub reward: f64,
    /// The sum of rewards so far, this one included.
    pub return_so_far: f64,
    /// How long the plan took.
    pub plan_time: Duration,
}

/// Plays one episode of `env` from `reset(seed)`, planning anew at every step. Actions are clipped to the action space.
///
/// # Errors
/// If the environment's spaces are not those the planner was made for, or planning or stepping fails.
pub fn rollout(
    env: &mut BoxEnv,
    seed: Option<u64>,
    planner: &mut Planner,
    noise: &mut dyn NoiseSource,
    watch: &mut dyn FnMut(StepEvent),
) -> Result<Episode> {
    let acting = Acting::new(planner.pipeline(), env.observation_space(), env.action_space())?;
    let (mut observation, _) = env.reset(seed, &ResetOptions::default())?;
    let (mut observations, mut actions) = (
        Array2::zeros((0, observation.len())),
        Array2::zeros((0, acting.action_dim())),
    );
    let (mut rewards, mut plan_times, mut states) = (Vec::new(), Vec::new(), Vec::new());
    let mut return_so_far = 0.0;
    let broken = |e: ndarray::ShapeError| Error::Parts(format!("the environment changed the shape of its rows: {e}"));
    states.extend(env.state().ok());
    loop {
        observations.push_row(observation.view()).map_err(broken)?;
        let started = Instant::now();
        let plan = planner.plan(observation.mapv(|v| v as f32).view(), noise)?;
        let plan_time = started.elapsed();
        let action = acting.clip(&plan.action);
        let step = env.step(&action)?;
        rewards.push(step.reward);
        return_so_far += step.reward;
        plan_times.push(plan_time);
        actions.push_row(action.view()).map_err(broken)?;
        states.extend(env.state().ok());
        watch(StepEvent {
            step: rewards.len() - 1,
            observation: observation.view(),
            plan: &plan,
            reward: step.reward,
            return_so_far,
            plan_time,
        });
        observation = step.observation;
        if step.terminated || step.truncated {
            observations.push_row(observation.view()).map_err(broken)?;
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
            });
        }
    }
}
