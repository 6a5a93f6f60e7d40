//! [`ValueRegression`]: a value function's (jannerm/diffuser, `diffuser/models/diffusion.py`, `ValueDiffusion.p_losses`).

use diffplan_schedulers::NoiseSchedule;
use ndarray::Axis;

use super::loss::Loss;
use super::noised::{Noised, TrajectorySize};
use super::{BatchLoss, Objective};
use crate::batches::{Batch, Conditions};
use crate::error::Result;
use crate::trainable::Trainable;

/// A value function's objective: to give the (discounted, and perhaps normalised) return of a noised trajectory.
#[derive(Debug)]
pub struct ValueRegression<M: Trainable> {
    noised: Noised<M::Backprop>,
    loss: Loss,
}

impl<M: Trainable> ValueRegression<M> {
    /// On trajectories of this size.
    ///
    /// # Errors
    /// If there is no action, or no observation.
    pub fn new(schedule: NoiseSchedule, size: impl Into<TrajectorySize>, loss: Loss) -> Result<Self> {
        Ok(Self {
            noised: Noised::new(schedule, size.into())?,
            loss,
        })
    }

    /// With other conditions.
    #[must_use]
    pub fn with_conditions(mut self, conditions: Conditions) -> Self {
        self.noised.conditions = conditions;
        self
    }
}

impl<M: Trainable> Objective<M> for ValueRegression<M> {
    type Batch = Batch;

    fn check(&self, model: &M) -> Result<()> {
        self.noised.check(model, true)
    }

    fn check_batch(&self, batch: &Batch) -> Result<()> {
        self.noised.check_batch(batch, true)
    }

    fn accumulate(&mut self, model: &M, batch: &Batch, share: f64, grad: &mut M) -> Result<BatchLoss> {
        self.noised.forward(model, batch)?;
        let count = batch.values.len() as f64;
        let mut sum = 0.0;
        for (mut output, &target) in self.noised.output.axis_iter_mut(Axis(0)).zip(&batch.values) {
            output.mapv_inplace(|value| {
                let (loss, derivative) = self.loss.of(value - target);
                sum += f64::from(loss);
                derivative * (share / count) as f32
            });
        }
        model.backward(self.noised.output.view(), grad, &mut self.noised.backprop)?;
        Ok(BatchLoss {
            loss: sum * share / count,
            first_action: None,
        })
    }
}
