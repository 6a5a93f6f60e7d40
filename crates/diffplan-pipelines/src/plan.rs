//! What goes into a plan beside options, and what comes out.

use ndarray::{Array1, Array3, ArrayView1, ArrayView3, Slice};

/// An observation imposed on every trajectory at a time step: the current one at time 0, a goal at a later one.
#[derive(Clone, Copy, Debug)]
pub struct Condition<'a> {
    /// The step of the trajectory, below the horizon.
    pub time: usize,
    /// The observation, in the environment's units (observation dimensions).
    pub observation: ArrayView1<'a, f32>,
}

/// A plan: candidates in the environment's units, best first.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// What to do now: the first action of the chosen candidate (action dimensions).
    pub action: Array1<f32>,
    /// Which of `trajectories` the action is from: 0, the best; or the one picked where there are no values.
    pub chosen: usize,
    /// Every candidate, (batch, horizon, action + observation dimensions), sorted by value, highest first.
    pub trajectories: Array3<f32>,
    /// The same as the networks see them, normalised.
    pub normalized: Array3<f32>,
    /// The value of each, as the guide gives it, (batch), falling; none where nothing valued them.
    pub values: Option<Array1<f32>>,
    /// Where each was before sorting.
    pub order: Vec<usize>,
    pub(crate) action_dim: usize,
}

impl Plan {
    /// The actions of every candidate (batch, horizon, action dimensions).
    pub fn actions(&self) -> ArrayView3<'_, f32> {
        self.trajectories
            .slice_axis(ndarray::Axis(2), Slice::from(..self.action_dim))
    }

    /// The observations of every candidate (batch, horizon, observation dimensions).
    pub fn observations(&self) -> ArrayView3<'_, f32> {
        self.trajectories
            .slice_axis(ndarray::Axis(2), Slice::from(self.action_dim..))
    }
}

/// What a plan in the making shows to who watches. Trajectories are normalised, (observations · batch, horizon, dimensions).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum PlanEvent<'a> {
    /// The gradient steps of a timestep are done: what the planner network and the scheduler are handed.
    Guided {
        /// Which timestep in the order they are visited, from 0.
        step: usize,
        /// How many there are.
        steps: usize,
        /// The timestep.
        timestep: usize,
        /// The trajectories.
        sample: ArrayView3<'a, f32>,
        /// Their values before the last gradient step, where there was one.
        values: Option<ArrayView1<'a, f32>>,
    },
    /// The scheduler's step is done.
    Denoised {
        /// Which timestep in the order they are visited, from 0.
        step: usize,
        /// How many there are.
        steps: usize,
        /// The timestep.
        timestep: usize,
        /// The trajectories before conditions are put back.
        prev_sample: ArrayView3<'a, f32>,
    },
}
