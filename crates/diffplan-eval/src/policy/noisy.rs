//! [`Noisy`]: any policy, with noise on its actions.

use super::controller::{Actor, Base};
use super::{Policy, slot};
use crate::error::{Error, Result};
use crate::start::{Start, policy_seed};
use diffplan_envs::{BoxSpace, Goal, NumpyRng, Space};
use diffplan_pipelines::doctor::Finding;
use diffplan_pipelines::{Plan, ViolationsSummary};
use ndarray::{ArrayView2, ArrayViewMut2};

/// A policy whose actions have Ornstein-Uhlenbeck noise added, and stay within the action space.
pub struct Noisy {
    policy: Box<dyn Policy>,
    /// Standard deviation, 1 being half the range of actions.
    noise: f64,
    space: Option<BoxSpace>,
    actors: Vec<Option<Actor>>,
}

impl Noisy {
    /// `policy` with noise of this standard deviation, 1 being half the range of actions.
    pub fn new(policy: Box<dyn Policy>, noise: f64) -> Self {
        Self {
            policy,
            noise,
            space: None,
            actors: Vec::new(),
        }
    }
}

impl Policy for Noisy {
    fn name(&self) -> String {
        format!("{}, noise {}", self.policy.name(), self.noise)
    }

    fn check_spaces(&mut self, observations: &Space, actions: &Space) -> Result<()> {
        self.space = Some(actions.as_box()?.clone());
        self.policy.check_spaces(observations, actions)
    }

    fn begin(&mut self, at: usize, start: &Start) -> Result<()> {
        let Some(space) = &self.space else {
            return Err(Error::Parts(
                "a policy was to act before it was shown the spaces".into(),
            ));
        };
        let rng = NumpyRng::new(policy_seed(start.seed));
        *slot(&mut self.actors, at) = Some(Actor::new(Base::Zero, self.noise, space, rng));
        self.policy.begin(at, start)
    }

    fn set_goal(&mut self, at: usize, goal: Option<&Goal>) -> Result<()> {
        self.policy.set_goal(at, goal)
    }

    fn act(&mut self, slots: &[usize], observations: ArrayView2<f64>, mut actions: ArrayViewMut2<f32>) -> Result<()> {
        self.policy.act(slots, observations, actions.view_mut())?;
        for (&at, mut action) in slots.iter().zip(actions.outer_iter_mut()) {
            if let Some(actor) = slot(&mut self.actors, at) {
                let noisy = actor.noisy(action.mapv(f64::from).view());
                action.assign(&noisy);
            }
        }
        Ok(())
    }

    fn plan(&self, slot: usize) -> Option<&Plan> {
        self.policy.plan(slot)
    }

    fn plan_age(&self, slot: usize) -> usize {
        self.policy.plan_age(slot)
    }

    fn violations(&self) -> Option<&ViolationsSummary> {
        self.policy.violations()
    }

    fn findings(&self) -> Vec<Finding> {
        self.policy.findings()
    }
}
