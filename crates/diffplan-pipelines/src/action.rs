//! [`ActionHead`]: what is done of a chosen candidate.

use crate::error::{Error, Result};
use crate::layout::SampleLayout;
use crate::planner::reshape;
use ndarray::{Array2, ArrayView2, Axis, Slice};

/// A candidate that was chosen.
#[derive(Clone, Copy, Debug)]
pub struct Chosen<'a> {
    /// (horizon, dimensions), in the environment's units.
    pub trajectory: ArrayView2<'a, f32>,
    /// The same, normalised.
    pub normalized: ArrayView2<'a, f32>,
    /// Where actions and observations lie in it.
    pub layout: &'a SampleLayout,
}

/// From a candidate to actions.
pub trait ActionHead: std::fmt::Debug + Send + Sync {
    /// What to do, one after another, (at least 1, action dimensions), in the environment's units.
    ///
    /// # Errors
    /// If there is no telling.
    fn actions(&self, chosen: Chosen<'_>) -> Result<Array2<f32>>;

    /// The same into actions that nobody needs any more, whose memory it may use. What plans call.
    ///
    /// # Errors
    /// As [`actions`](Self::actions); `into` may then be anything.
    fn actions_into(&self, chosen: Chosen<'_>, into: &mut Array2<f32>) -> Result<()> {
        *into = self.actions(chosen)?;
        Ok(())
    }
}

/// The plan's own first actions: one as diffusers, or a chunk of so many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnActions(pub usize);

impl Default for OwnActions {
    fn default() -> Self {
        Self(1)
    }
}

impl ActionHead for OwnActions {
    fn actions(&self, chosen: Chosen<'_>) -> Result<Array2<f32>> {
        let mut actions = Array2::zeros((0, 0));
        self.actions_into(chosen, &mut actions)?;
        Ok(actions)
    }

    fn actions_into(&self, chosen: Chosen<'_>, into: &mut Array2<f32>) -> Result<()> {
        let (count, own) = (self.0, chosen.layout.actions());
        let horizon = chosen.trajectory.nrows();
        if own.is_empty() {
            return Err(Error::Parts(
                "the sample holds no actions: a pipeline of states alone needs an action head that finds them".into(),
            ));
        }
        if !(1..=horizon).contains(&count) {
            return Err(Error::Parts(format!(
                "a chunk of {count} actions of a plan of {horizon} steps: expected 1 to {horizon}"
            )));
        }
        let actions = chosen.trajectory.slice_axis(Axis(1), Slice::from(own));
        let actions = actions.slice_axis(Axis(0), Slice::from(..count));
        reshape(into, actions.dim());
        into.assign(&actions);
        Ok(())
    }
}
