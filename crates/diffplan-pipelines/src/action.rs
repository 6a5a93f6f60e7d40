//! [`ActionHead`]: what is done of a chosen candidate.

use crate::error::{Error, Result};
use crate::layout::SampleLayout;
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
        Ok(actions.slice_axis(Axis(0), Slice::from(..count)).to_owned())
    }
}
