//! [`DiffusionLoss`]: a planner's (jannerm/diffuser, `diffuser/models/diffusion.py`, `GaussianDiffusion.p_losses`).

use diffplan_schedulers::{NoiseSchedule, PredictionType};
use ndarray::{Array2, Array3, Ix3, s};

use super::loss::{self, Loss, TrajectoryWeights};
use super::noised::{Noised, SWAPPED, TrajectorySize};
use super::{BatchLoss, Objective};
use crate::batches::{Batch, Conditions};
use crate::error::{Error, Result};
use crate::trainable::Trainable;

/// A planner's objective: to give back what the schedule's `prediction_type` says, `epsilon` (the noise), `sample` (the trajectory) or
/// `v_prediction`. As in the original, conditions are imposed on the noised sample and on the prediction, so they have no gradient;
/// predicting noise, they add a constant to the loss.
#[derive(Debug)]
pub struct DiffusionLoss<M: Trainable> {
    noised: Noised<M::Backprop>,
    loss: Loss,
    /// (action + observation dimensions, horizon).
    weights: Array2<f32>,
}

impl<M: Trainable> DiffusionLoss<M> {
    /// On trajectories of this size.
    ///
    /// # Errors
    /// If there is no action or no observation, or the weights do not fit the dimensions.
    pub fn new(
        schedule: NoiseSchedule,
        size: impl Into<TrajectorySize>,
        loss: Loss,
        weights: &TrajectoryWeights,
    ) -> Result<Self> {
        let noised = Noised::new(schedule, size.into())?;
        let TrajectorySize {
            action_dim,
            transition_dim,
            horizon,
        } = noised.size;
        Ok(Self {
            noised,
            loss,
            weights: weights.table(action_dim, transition_dim, horizon)?,
        })
    }

    /// With other conditions.
    #[must_use]
    pub fn with_conditions(mut self, conditions: Conditions) -> Self {
        self.noised.conditions = conditions;
        self
    }

    /// What the network should give, (batch, horizon, dimensions).
    fn target(&self, batch: &Batch) -> Result<Array3<f32>> {
        Ok(match self.noised.schedule.prediction_type() {
            PredictionType::Epsilon => batch.noise.clone(),
            PredictionType::Sample => batch.trajectories.clone(),
            PredictionType::VPrediction => {
                let (clean, noise) = (batch.trajectories.view().into_dyn(), batch.noise.view().into_dyn());
                let velocity = self.noised.schedule.get_velocity(clean, noise, &batch.timesteps)?;
                velocity
                    .into_dimensionality()
                    .map_err(|e| Error::Parts(e.to_string()))?
            }
        })
    }
}

impl<M: Trainable> Objective<M> for DiffusionLoss<M> {
    type Batch = Batch;

    fn check(&self, model: &M) -> Result<()> {
        self.noised.check(model, false)
    }

    fn check_batch(&self, batch: &Batch) -> Result<()> {
        self.noised.check_batch(batch, false)
    }

    fn accumulate(&mut self, model: &M, batch: &Batch, share: f64, grad: &mut M) -> Result<BatchLoss> {
        self.noised.forward(model, batch)?;
        let target = self.target(batch)?;
        let TrajectorySize {
            action_dim, horizon, ..
        } = self.noised.size;
        let known: Vec<_> = self
            .noised
            .conditions
            .times(horizon)
            .map(|time| (time, self.noised.known(batch, time)))
            .collect();
        let mut prediction = self
            .noised
            .output
            .view_mut()
            .into_dimensionality::<Ix3>()
            .map_err(|e| Error::Parts(e.to_string()))?;
        for (time, clean) in &known {
            prediction.slice_mut(s![.., action_dim.., *time]).assign(clean);
        }
        prediction -= &target.permuted_axes(SWAPPED);
        let first_action = loss::first_action(self.loss, prediction.view(), action_dim);
        let loss = loss::weighted_mean(self.loss, &self.weights, prediction.view_mut(), share);
        for (time, _) in &known {
            prediction.slice_mut(s![.., action_dim.., *time]).fill(0.0);
        }
        model.backward(self.noised.output.view(), grad, &mut self.noised.backprop)?;
        Ok(BatchLoss {
            loss,
            first_action: Some(first_action * share),
        })
    }
}
