//! What a network is trained to give, and how far it is from that (jannerm/diffuser, `diffuser/models/diffusion.py`,
//! `GaussianDiffusion.p_losses` and `ValueDiffusion.p_losses`).

use diffplan_models::UNet1dModel;
use diffplan_schedulers::{DdpmScheduler, PredictionType, Scheduler};
use ndarray::{Array2, Array3, ArrayViewMut3, ArrayViewMutD, Axis, Ix3, s};

use crate::batches::{Batch, Conditions};
use crate::error::{Error, Result};
use crate::loss::{self, Loss, TrajectoryWeights};

/// A planner's or a value function's.
#[derive(Debug)]
pub struct Objective {
    scheduler: DdpmScheduler,
    conditions: Conditions,
    action_dim: usize,
    transition_dim: usize,
    horizon: usize,
    loss: Loss,
    /// (action + observation dimensions, horizon) for a planner; none for a value function.
    weights: Option<Array2<f32>>,
}

/// Axes of trajectories, (batch, horizon, dimensions), and of networks, (batch, dimensions, horizon).
const SWAPPED: [usize; 3] = [0, 2, 1];

impl Objective {
    /// A planner's: to give back what the scheduler's `prediction_type` says, `epsilon` (the noise), `sample` (the trajectory) or
    /// `v_prediction`. As in the original, conditions are imposed on the noised sample and on the prediction, so they have no
    /// gradient; predicting noise, they add a constant to the loss.
    ///
    /// # Errors
    /// If the weights do not fit the dimensions.
    pub fn planner(
        scheduler: DdpmScheduler,
        (action_dim, transition_dim, horizon): (usize, usize, usize),
        loss: Loss,
        weights: &TrajectoryWeights,
    ) -> Result<Self> {
        let mut objective = Self::value(scheduler, (action_dim, transition_dim, horizon), loss)?;
        objective.weights = Some(weights.table(action_dim, transition_dim, horizon)?);
        Ok(objective)
    }

    /// A value function's: to give the (discounted, and perhaps normalised) return of a noised trajectory.
    ///
    /// # Errors
    /// If there is no action, or no observation.
    pub fn value(
        scheduler: DdpmScheduler,
        (action_dim, transition_dim, horizon): (usize, usize, usize),
        loss: Loss,
    ) -> Result<Self> {
        if action_dim == 0 || action_dim >= transition_dim {
            let message = format!(
                "{action_dim} action dimensions of {transition_dim}: expected at least one, and one observation"
            );
            return Err(Error::Parts(message));
        }
        Ok(Self {
            scheduler,
            conditions: Conditions::default(),
            action_dim,
            transition_dim,
            horizon,
            loss,
            weights: None,
        })
    }

    /// The same objective with other conditions.
    #[must_use]
    pub fn with_conditions(mut self, conditions: Conditions) -> Self {
        self.conditions = conditions;
        self
    }

    /// The scheduler whose forward process adds the noise.
    #[must_use]
    pub fn scheduler(&self) -> &DdpmScheduler {
        &self.scheduler
    }

    /// Whether it is a value function's.
    #[must_use]
    pub fn is_value(&self) -> bool {
        self.weights.is_none()
    }

    /// Checks that a network can be trained with it.
    pub(crate) fn check(&self, model: &UNet1dModel) -> Result<()> {
        let (is, should) = (model.is_value_function(), self.is_value());
        if is != should {
            let name = |value| if value { "a value function" } else { "a planner" };
            return Err(Error::Parts(format!(
                "the network is {}, expected {}",
                name(is),
                name(should)
            )));
        }
        let channels = model.config().sample_channels();
        if channels != self.transition_dim {
            let message = format!(
                "the network takes {channels} channels, trajectories have {}",
                self.transition_dim
            );
            return Err(Error::Parts(message));
        }
        Ok(model.check_horizon(self.horizon)?)
    }

    /// Checks the shapes of a batch, so that nothing later can fail on them.
    pub(crate) fn check_batch(&self, batch: &Batch) -> Result<()> {
        let size = batch.trajectories.dim().0;
        let expected = (size, self.horizon, self.transition_dim);
        let fits = size > 0
            && batch.trajectories.dim() == expected
            && batch.noise.dim() == expected
            && batch.timesteps.len() == size
            && (!self.is_value() || batch.values.len() == size);
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

    /// The network's input: the batch, noised, with its conditions. `sample` (batch, dimensions, horizon).
    pub(crate) fn noised(&self, batch: &Batch, mut sample: ArrayViewMut3<'_, f32>) -> Result<()> {
        let noisy = sample.view_mut().permuted_axes(SWAPPED);
        let (clean, noise) = (batch.trajectories.view().into_dyn(), batch.noise.view().into_dyn());
        self.scheduler
            .add_noise_into(clean, noise, &batch.timesteps, noisy.into_dyn())?;
        for time in self.conditions.times(self.horizon) {
            let clean = batch.trajectories.slice(s![.., time, self.action_dim..]);
            sample.slice_mut(s![.., self.action_dim.., time]).assign(&clean);
        }
        Ok(())
    }

    /// The batch's loss; in place of the network's `output`, the gradient of `share` times the loss.
    pub(crate) fn loss(&self, batch: &Batch, output: ArrayViewMutD<'_, f32>, share: f64) -> Result<BatchLoss> {
        let Some(weights) = &self.weights else {
            return Ok(self.value_loss(batch, output, share));
        };
        let mut prediction = output
            .into_dimensionality::<Ix3>()
            .map_err(|e| Error::Parts(e.to_string()))?;
        for time in self.conditions.times(self.horizon) {
            let clean = batch.trajectories.slice(s![.., time, self.action_dim..]);
            prediction.slice_mut(s![.., self.action_dim.., time]).assign(&clean);
        }
        prediction -= &self.target(batch)?.permuted_axes(SWAPPED);
        let first_action = loss::first_action(self.loss, prediction.view(), self.action_dim);
        let loss = loss::weighted_mean(self.loss, weights, prediction.view_mut(), share);
        for time in self.conditions.times(self.horizon) {
            prediction.slice_mut(s![.., self.action_dim.., time]).fill(0.0);
        }
        Ok(BatchLoss {
            loss,
            first_action: Some(first_action * share),
        })
    }

    /// What a planner should give, (batch, horizon, dimensions).
    fn target(&self, batch: &Batch) -> Result<Array3<f32>> {
        Ok(match self.scheduler.config().prediction_type {
            PredictionType::Epsilon => batch.noise.clone(),
            PredictionType::Sample => batch.trajectories.clone(),
            PredictionType::VPrediction => {
                let (clean, noise) = (batch.trajectories.view().into_dyn(), batch.noise.view().into_dyn());
                let velocity = self.scheduler.get_velocity(clean, noise, &batch.timesteps)?;
                velocity
                    .into_dimensionality()
                    .map_err(|e| Error::Parts(e.to_string()))?
            }
        })
    }

    fn value_loss(&self, batch: &Batch, mut output: ArrayViewMutD<'_, f32>, share: f64) -> BatchLoss {
        let count = batch.values.len() as f64;
        let mut sum = 0.0;
        for (mut output, &target) in output.axis_iter_mut(Axis(0)).zip(&batch.values) {
            output.mapv_inplace(|value| {
                let (loss, derivative) = self.loss.of(value - target);
                sum += f64::from(loss);
                derivative * (share / count) as f32
            });
        }
        BatchLoss {
            loss: sum * share / count,
            first_action: None,
        }
    }
}

/// What a batch adds to a step's loss.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BatchLoss {
    pub(crate) loss: f64,
    pub(crate) first_action: Option<f64>,
}
