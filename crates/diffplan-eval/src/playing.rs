//! [`Playing`]: one episode, a step at a time.

use crate::error::Result;
use crate::policy::{Policy, Told, clip};
use crate::start::Start;
use diffplan_envs::{BoxSpace, Env, Step};
use ndarray::{Array1, Array2, ArrayView1, Axis};
use std::time::{Duration, Instant};

/// An episode that a policy plays in its slot 0. It holds neither environment nor policy: either may be looked at, and changed, between
/// steps.
#[derive(Debug)]
pub struct Playing {
    told: Told,
    space: BoxSpace,
    observation: Array1<f64>,
    action: Array2<f32>,
}

/// A step that was played.
#[derive(Clone, Debug)]
pub struct Played {
    /// What came of it. Its observation is the one that is acted on next.
    pub step: Step<Array1<f64>>,
    /// How long the action took to find.
    pub took: Duration,
}

impl Playing {
    /// Begins the episode of a start.
    ///
    /// # Errors
    /// If the environment's spaces are not those the policy acts in, or what either says of the start.
    pub fn begin<E>(env: &mut E, start: &Start, policy: &mut dyn Policy) -> Result<Self>
    where
        E: Env<Observation = Array1<f64>, Action = Array1<f32>>,
    {
        policy.check_spaces(env.observation_space(), env.action_space())?;
        let space = env.action_space().as_box()?.clone();
        let (observation, _) = env.reset(Some(start.seed), &start.reset)?;
        policy.begin(0, start)?;
        Ok(Self {
            told: Told::begin(policy, 0, env.goal())?,
            action: Array2::zeros((1, space.dim())),
            space,
            observation,
        })
    }

    /// What is acted on next (observation dimensions).
    pub fn observation(&self) -> ArrayView1<'_, f64> {
        self.observation.view()
    }

    /// What was done last (action dimensions), clipped to the action space.
    pub fn action(&self) -> ArrayView1<'_, f32> {
        self.action.row(0)
    }

    /// Plays a step. A goal that is another one now is told first.
    ///
    /// # Errors
    /// If acting or stepping fails.
    pub fn step<E>(&mut self, env: &mut E, policy: &mut dyn Policy) -> Result<Played>
    where
        E: Env<Observation = Array1<f64>, Action = Array1<f32>>,
    {
        self.told.renew(policy, 0, env.goal())?;
        let started = Instant::now();
        policy.act(
            &[0],
            self.observation.view().insert_axis(Axis(0)),
            self.action.view_mut(),
        )?;
        let took = started.elapsed();
        clip(&self.space, self.action.view_mut());
        let step = env.step(&self.action.row(0).to_owned())?;
        self.observation.clone_from(&step.observation);
        Ok(Played { step, took })
    }
}
