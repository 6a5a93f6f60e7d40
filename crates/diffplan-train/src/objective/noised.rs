//! What the objectives of diffusion have in common: trajectories that are noised, with what is known of them imposed.

use diffplan_schedulers::NoiseSchedule;
use ndarray::{Array3, ArrayD, ArrayView3, s};
use std::sync::Arc;

use crate::batches::{Batch, Conditions};
use crate::error::{Error, Result};
use crate::trainable::Trainable;

/// Axes of trajectories, (batch, horizon, dimensions), and of networks, (batch, dimensions, horizon).
pub(super) const SWAPPED: [usize; 3] = [0, 2, 1];

/// The sizes of trajectories.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrajectorySize {
    /// Dimensions of an action.
    pub action_dim: usize,
    /// Dimensions of an action and an observation.
    pub transition_dim: usize,
    /// Steps.
    pub horizon: usize,
}

impl From<(usize, usize, usize)> for TrajectorySize {
    /// Action dimensions, those of action and observation, steps.
    fn from((action_dim, transition_dim, horizon): (usize, usize, usize)) -> Self {
        Self {
            action_dim,
            transition_dim,
            horizon,
        }
    }
}

/// The forward process, and a network's output for what comes of it.
#[derive(Debug)]
pub(super) struct Noised<B> {
    pub(super) schedule: Arc<NoiseSchedule>,
    pub(super) conditions: Conditions,
    pub(super) size: TrajectorySize,
    sample: Array3<f32>,
    pub(super) output: ArrayD<f32>,
    timesteps: Vec<f32>,
    pub(super) backprop: B,
}

impl<B: Default> Noised<B> {
    /// # Errors
    /// If there is no action, or no observation.
    pub(super) fn new(schedule: NoiseSchedule, size: TrajectorySize) -> Result<Self> {
        let TrajectorySize {
            action_dim,
            transition_dim,
            ..
        } = size;
        if action_dim == 0 || action_dim >= transition_dim {
            let message = format!(
                "{action_dim} action dimensions of {transition_dim}: expected at least one, and one observation"
            );
            return Err(Error::Parts(message));
        }
        Ok(Self {
            schedule: schedule.into(),
            conditions: Conditions::default(),
            size,
            sample: Array3::zeros((0, 0, 0)),
            output: ArrayD::zeros(vec![0]),
            timesteps: Vec::new(),
            backprop: B::default(),
        })
    }

    /// Checks that a network can be trained on these trajectories, to give values or not.
    pub(super) fn check<M: Trainable>(&self, model: &M, values: bool) -> Result<()> {
        if model.gives_values() != values {
            let name = |value| if value { "a value function" } else { "a planner" };
            return Err(Error::Parts(format!(
                "the network is {}, expected {}",
                name(model.gives_values()),
                name(values)
            )));
        }
        let (channels, expected) = (model.sample_channels(), self.size.transition_dim);
        if channels != expected {
            let message = format!("the network takes {channels} channels, trajectories have {expected}");
            return Err(Error::Parts(message));
        }
        Ok(model.check_horizon(self.size.horizon)?)
    }

    /// Checks the shapes of a batch, so that nothing later can fail on them.
    pub(super) fn check_batch(&self, batch: &Batch, values: bool) -> Result<()> {
        let count = batch.trajectories.dim().0;
        let expected = (count, self.size.horizon, self.size.transition_dim);
        let fits = count > 0
            && batch.trajectories.dim() == expected
            && batch.noise.dim() == expected
            && batch.timesteps.len() == count
            && (!values || batch.values.len() == count);
        if fits {
            return Ok(());
        }
        Err(Error::Parts(format!(
            "a batch of trajectories {:?}, noise {:?}, {} timesteps and {} values, expected {expected:?} and as many of each",
            batch.trajectories.dim(),
            batch.noise.dim(),
            batch.timesteps.len(),
            batch.values.len()
        )))
    }

    /// The observations of a step that is known, as a network's sample has them: (batch, observation dimensions).
    pub(super) fn known<'a>(&self, batch: &'a Batch, time: usize) -> ndarray::ArrayView2<'a, f32> {
        batch.trajectories.slice(s![.., time, self.size.action_dim..])
    }

    /// The network's output for the batch, noised, with its conditions imposed: in `self.output`.
    pub(super) fn forward<M: Trainable<Backprop = B>>(&mut self, model: &M, batch: &Batch) -> Result<()> {
        let (count, horizon, dims) = batch.trajectories.dim();
        if self.sample.dim() != (count, dims, horizon) {
            self.sample = Array3::zeros((count, dims, horizon));
        }
        let noisy = self.sample.view_mut().permuted_axes(SWAPPED);
        let (clean, noise) = (batch.trajectories.view().into_dyn(), batch.noise.view().into_dyn());
        self.schedule
            .add_noise_into(clean, noise, &batch.timesteps, noisy.into_dyn())?;
        for time in self.conditions.times(self.size.horizon) {
            let clean = self.known(batch, time);
            self.sample
                .slice_mut(s![.., self.size.action_dim.., time])
                .assign(&clean);
        }
        self.timesteps.clear();
        self.timesteps.extend(batch.timesteps.iter().map(|&t| t as f32));
        let sample: ArrayView3<f32> = self.sample.view();
        Ok(model.forward(sample, &self.timesteps, &mut self.output, &mut self.backprop)?)
    }
}
