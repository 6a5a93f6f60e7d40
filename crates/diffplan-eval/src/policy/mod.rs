//! [`Policy`]: what acts in an environment.
//!
//! A planner is one ([`PlannerPolicy`]), controllers written by hand, random actions and noise others ([`ControllerPolicy`]); anybody's
//! own is one more ([`FnPolicy`] where a function of the observation is all there is). Episodes run side by side in slots: a policy keeps what belongs to an episode by slot, begins it anew when an
//! episode does, and acts for several slots in one call, so that what can be batched is.

mod controller;
mod function;
mod noisy;
mod planner;
mod told;
mod waypoint;

pub use controller::{Base, Controller, ControllerPolicy, Mixture};
pub use function::FnPolicy;
pub use noisy::Noisy;
pub use planner::{Aim, AimText, Held, Made, PlannerPolicy, StateFollower, Waypoint};
pub(crate) use told::Told;
pub use waypoint::WaypointPolicy;

use crate::error::{Error, Result};
use crate::start::Start;
use diffplan_envs::{BoxSpace, Goal, Space};
use diffplan_pipelines::doctor::Finding;
use diffplan_pipelines::{Plan, ViolationsSummary};
use ndarray::{ArrayView2, ArrayViewMut2};

/// What acts in an environment, in any number of episodes at a time.
pub trait Policy: Send {
    /// What it is called in reports.
    fn name(&self) -> String;

    /// That it can act in an environment with these spaces: in any, if it does not say.
    ///
    /// # Errors
    /// Why it cannot.
    fn check_spaces(&mut self, _observations: &Space, _actions: &Space) -> Result<()> {
        Ok(())
    }

    /// An episode begins in a slot; another that was there is over. All that is random in it comes from its start. Of no interest to
    /// who keeps nothing of an episode.
    ///
    /// # Errors
    /// What keeps it from beginning.
    fn begin(&mut self, _slot: usize, _start: &Start) -> Result<()> {
        Ok(())
    }

    /// What the episode in a slot is to reach, if anything: told after [`Policy::begin`], and again before [`Policy::act`] whenever it has
    /// changed. Of no interest to who goes nowhere.
    ///
    /// # Errors
    /// Why it cannot be what it reaches for.
    fn set_goal(&mut self, _slot: usize, _goal: Option<&Goal>) -> Result<()> {
        Ok(())
    }

    /// What to do in each of `slots`, whose episodes have begun, at `observations` (slots, observation dimensions): a row of `actions`
    /// (slots, action dimensions) each. Whoever calls clips actions to the action space. What an episode does must not depend on
    /// which others run.
    ///
    /// # Errors
    /// What keeps it from acting; [`Error::InSlot`] where that is a matter of one slot.
    fn act(&mut self, slots: &[usize], observations: ArrayView2<f64>, actions: ArrayViewMut2<f32>) -> Result<()>;

    /// The plan that the last action in a slot came from, if it plans.
    fn plan(&self, _slot: usize) -> Option<&Plan> {
        None
    }

    /// How many steps ago that plan was made when the last action in a slot was found: 0 where the action took one of its own, as
    /// actions of who does not plan do.
    fn plan_age(&self, _slot: usize) -> usize {
        0
    }

    /// What its plans violated so far of the constraints that hold for them, if it plans under any.
    fn violations(&self) -> Option<&ViolationsSummary> {
        None
    }

    /// What was almost surely wrong with what it was shown so far, each thing once.
    fn findings(&self) -> Vec<Finding> {
        Vec::new()
    }
}

impl<P: Policy + ?Sized> Policy for Box<P> {
    fn name(&self) -> String {
        (**self).name()
    }

    fn check_spaces(&mut self, observations: &Space, actions: &Space) -> Result<()> {
        (**self).check_spaces(observations, actions)
    }

    fn begin(&mut self, slot: usize, start: &Start) -> Result<()> {
        (**self).begin(slot, start)
    }

    fn set_goal(&mut self, slot: usize, goal: Option<&Goal>) -> Result<()> {
        (**self).set_goal(slot, goal)
    }

    fn act(&mut self, slots: &[usize], observations: ArrayView2<f64>, actions: ArrayViewMut2<f32>) -> Result<()> {
        (**self).act(slots, observations, actions)
    }

    fn plan(&self, slot: usize) -> Option<&Plan> {
        (**self).plan(slot)
    }

    fn plan_age(&self, slot: usize) -> usize {
        (**self).plan_age(slot)
    }

    fn violations(&self) -> Option<&ViolationsSummary> {
        (**self).violations()
    }

    fn findings(&self) -> Vec<Finding> {
        (**self).findings()
    }
}

/// What a policy was asked to begin with in a slot, grown as slots are.
pub(crate) fn slot<T>(all: &mut Vec<Option<T>>, slot: usize) -> &mut Option<T> {
    if all.len() <= slot {
        all.resize_with(slot + 1, || None);
    }
    &mut all[slot]
}

/// Clips actions to a space.
pub(crate) fn clip(space: &BoxSpace, mut actions: ArrayViewMut2<f32>) {
    let (low, high) = (space.low(), space.high());
    for mut row in actions.outer_iter_mut() {
        for (i, a) in row.iter_mut().enumerate() {
            *a = a.clamp(low[i] as f32, high[i] as f32);
        }
    }
}

/// # Errors
/// If the spaces are no boxes, or have other dimensions than expected.
pub(crate) fn check_dimensions(
    observations: &Space,
    actions: &Space,
    expected: (usize, usize),
    whose: &str,
) -> Result<()> {
    for (what, space, expected) in [
        ("observations", observations, expected.0),
        ("actions", actions, expected.1),
    ] {
        let actual = space.as_box()?.dim();
        if actual != expected {
            let message = format!("the environment's {what} have {actual} dimensions, {whose} {expected}");
            return Err(Error::Parts(message));
        }
    }
    Ok(())
}
