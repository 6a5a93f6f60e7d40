//! [`Told`]: tells a policy the goal of an episode, and again whenever it changes.

use super::Policy;
use crate::error::Result;
use diffplan_envs::Goal;

/// What a policy was told last of the goal in a slot.
#[derive(Debug)]
pub(crate) struct Told(Option<Goal>);

impl Told {
    /// After the episode began in the slot.
    pub(crate) fn begin(policy: &mut dyn Policy, slot: usize, goal: Option<Goal>) -> Result<Self> {
        policy.set_goal(slot, goal.as_ref())?;
        Ok(Self(goal))
    }

    /// Before the policy acts.
    pub(crate) fn renew(&mut self, policy: &mut dyn Policy, slot: usize, goal: Option<Goal>) -> Result<()> {
        if goal != self.0 {
            policy.set_goal(slot, goal.as_ref())?;
            self.0 = goal;
        }
        Ok(())
    }
}
