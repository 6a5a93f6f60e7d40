//! What goes into a plan beside options, and what comes out.

use crate::condition::Condition;
use crate::constraint::Violations;
use crate::layout::SampleLayout;
use crate::noise::NoiseSource;
use ndarray::{Array1, Array2, Array3, ArrayView1, ArrayView3, Slice};

/// What a plan is asked for.
pub struct Query<'a> {
    /// What is imposed on it.
    pub conditions: &'a [Condition<'a>],
    /// Where its randomness comes from.
    pub noise: &'a mut dyn NoiseSource,
    /// What it starts from.
    pub start: Start<'a>,
}

impl<'a> Query<'a> {
    /// From noise.
    pub fn new(conditions: &'a [Condition<'a>], noise: &'a mut dyn NoiseSource) -> Self {
        Self {
            conditions,
            noise,
            start: Start::Noise,
        }
    }

    /// From something else.
    #[must_use]
    pub fn start(mut self, start: Start<'a>) -> Self {
        self.start = start;
        self
    }
}

impl std::fmt::Debug for Query<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Query")
            .field("conditions", &self.conditions)
            .field("start", &self.start)
            .finish_non_exhaustive()
    }
}

/// What a plan starts from.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub enum Start<'a> {
    /// Noise, at the first visit.
    #[default]
    Noise,
    /// Candidates that are noised to a visit, from which the rest is denoised: the last plan, shifted. All queries of a call start
    /// at the same visit.
    Warm {
        /// (batch, horizon, dimensions), normalised, as in [`Plan::normalized`].
        sample: &'a Array3<f32>,
        /// The visit, counted from 0 (nothing but noise is left of the sample) up.
        from: usize,
    },
}

/// A plan: candidates in the environment's units, best first.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// What to do now: the first of `chunk` (action dimensions).
    pub action: Array1<f32>,
    /// What to do one after another, as the action head says (1 or more, action dimensions).
    pub chunk: Array2<f32>,
    /// Which of `trajectories` the action is from: 0, the best; or the one picked where there are no values.
    pub chosen: usize,
    /// Every candidate, (batch, horizon, dimensions), sorted by value, highest first.
    pub trajectories: Array3<f32>,
    /// The same as the networks see them, normalised.
    pub normalized: Array3<f32>,
    /// The value of each, as the guides give it, (batch), falling; none where nothing valued them.
    pub values: Option<Array1<f32>>,
    /// Where each was before sorting.
    pub order: Vec<usize>,
    /// How far each was and is from satisfying the pipeline's constraints, where there are any. Candidates that violate one come last.
    pub violations: Option<Violations>,
    pub(crate) layout: SampleLayout,
}

impl Plan {
    /// Of nothing, to be written to.
    pub(crate) fn empty(layout: &SampleLayout) -> Self {
        Self {
            action: Array1::zeros(0),
            chunk: Array2::zeros((0, 0)),
            chosen: 0,
            trajectories: Array3::zeros((0, 0, 0)),
            normalized: Array3::zeros((0, 0, 0)),
            values: None,
            order: Vec::new(),
            violations: None,
            layout: layout.clone(),
        }
    }

    /// The actions of every candidate (batch, horizon, action dimensions).
    pub fn actions(&self) -> ArrayView3<'_, f32> {
        let own = Slice::from(self.layout.actions());
        self.trajectories.slice_axis(ndarray::Axis(2), own)
    }

    /// The observations of every candidate (batch, horizon, observation dimensions).
    pub fn observations(&self) -> ArrayView3<'_, f32> {
        let own = Slice::from(self.layout.observations());
        self.trajectories.slice_axis(ndarray::Axis(2), own)
    }

    /// Where actions and observations lie.
    pub fn layout(&self) -> &SampleLayout {
        &self.layout
    }
}

/// What a step of a plan in the making did. Trajectories are normalised, (queries · batch, horizon, dimensions).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct StepReport<'a> {
    /// Which visit it was, from 0.
    pub visit: usize,
    /// How many there are.
    pub visits: usize,
    /// Its timestep.
    pub timestep: f32,
    /// The trajectories once the guide had bent them: what the network and the scheduler were handed.
    pub guided: ArrayView3<'a, f32>,
    /// Their values before the last gradient step, where there was one.
    pub values: Option<ArrayView1<'a, f32>>,
    /// What the network predicted of them without noise, once it was bent and projected.
    pub original: ArrayView3<'a, f32>,
    /// What the scheduler made of them, before conditions are put back.
    pub prev_sample: ArrayView3<'a, f32>,
}
