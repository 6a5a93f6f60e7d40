//! [`Trainer`]: a network in training.

use diffplan_models::{Backprop, UNet1dModel};
use diffplan_nn::{fill_zero, zeros_like};
use ndarray::{Array3, ArrayD};

use crate::batches::Batch;
use crate::ema::Ema;
use crate::error::{Error, Result};
use crate::objective::Objective;
use crate::optimizer::{self, Adam};
use crate::rate::LearningRate;

/// How a network is trained.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainOptions {
    /// The learning rate of every step.
    pub rate: LearningRate,
    /// The optimiser.
    pub adam: Adam,
    /// The average that acts.
    pub ema: Ema,
    /// The largest norm of the gradient, if it is clipped.
    pub max_grad_norm: Option<f64>,
}

impl Default for TrainOptions {
    /// The original's: Adam at 2e-4, no clipping.
    fn default() -> Self {
        Self {
            rate: LearningRate::constant(2e-4),
            adam: Adam::default(),
            ema: Ema::default(),
            max_grad_norm: None,
        }
    }
}

/// What a step came to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepReport {
    /// Which step, from 0.
    pub step: u64,
    /// The mean over its batches.
    pub loss: f64,
    /// The mean loss of the first action alone, unweighted; none of a value function.
    pub first_action_loss: Option<f64>,
    /// Before clipping.
    pub grad_norm: f64,
    /// The learning rate.
    pub lr: f64,
}

/// A network, its average, the state of the optimiser, and every buffer that a step needs.
#[derive(Debug)]
pub struct Trainer {
    pub(crate) model: UNet1dModel,
    pub(crate) average: UNet1dModel,
    pub(crate) moments: (UNet1dModel, UNet1dModel),
    /// Steps taken.
    pub(crate) steps: u64,
    objective: Objective,
    options: TrainOptions,
    grad: UNet1dModel,
    backprop: Backprop,
    sample: Array3<f32>,
    output: ArrayD<f32>,
    timesteps: Vec<f32>,
}

impl Trainer {
    /// A network at step 0, whose average is itself.
    ///
    /// # Errors
    /// If an option is impossible, or the network does not fit the objective; a horizon that it cannot take is refused with
    /// those that it can.
    pub fn new(model: UNet1dModel, objective: Objective, options: TrainOptions) -> Result<Self> {
        options.rate.check()?;
        options.adam.check()?;
        options.ema.check()?;
        if let Some(max) = options.max_grad_norm.filter(|max| !(max.is_finite() && *max > 0.0)) {
            return Err(Error::option("max_grad_norm", max, "a finite number above 0"));
        }
        objective.check(&model)?;
        Ok(Self {
            average: model.clone(),
            moments: (zeros_like(&model), zeros_like(&model)),
            steps: 0,
            objective,
            options,
            grad: zeros_like(&model),
            backprop: Backprop::default(),
            sample: Array3::zeros((0, 0, 0)),
            output: ArrayD::zeros(vec![0]),
            timesteps: Vec::new(),
            model,
        })
    }

    /// The network.
    #[must_use]
    pub fn model(&self) -> &UNet1dModel {
        &self.model
    }

    /// The average of its parameters, which is what should act.
    #[must_use]
    pub fn average(&self) -> &UNet1dModel {
        &self.average
    }

    /// What it is trained for.
    #[must_use]
    pub fn objective(&self) -> &Objective {
        &self.objective
    }

    /// Steps taken, which is the number of the next one.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// One step of the optimiser, by the mean gradient over `batches`, on all threads of the rayon pool it is called in.
    ///
    /// # Errors
    /// If there is no batch, or one has another shape; [`Error::NotFinite`] if the loss or the gradient is, and the network is
    /// then as it was.
    pub fn step(&mut self, batches: &[Batch]) -> Result<StepReport> {
        if batches.is_empty() {
            return Err(Error::option("batches", 0, "at least 1"));
        }
        batches.iter().try_for_each(|batch| self.objective.check_batch(batch))?;
        fill_zero(&mut self.grad);
        let (mut loss, mut first_action) = (0.0, None);
        for batch in batches {
            let of_batch = self.add_gradient(batch, 1.0 / batches.len() as f64)?;
            loss += of_batch.loss;
            first_action = of_batch.first_action.map(|sum| sum + first_action.unwrap_or(0.0));
        }
        let (step, grad_norm) = (self.steps, optimizer::norm(&self.grad));
        for (what, value) in [("loss", loss), ("norm of the gradient", grad_norm)] {
            if !value.is_finite() {
                return Err(Error::NotFinite { step, what, value });
            }
        }
        if let Some(max) = self.options.max_grad_norm {
            optimizer::clip(&mut self.grad, grad_norm, max);
        }
        let lr = self.options.rate.at(step);
        let adam = self.options.adam;
        adam.step(lr, step + 1, &mut self.model, &self.grad, &mut self.moments);
        self.options.ema.update(step, &mut self.average, &self.model);
        self.steps += 1;
        Ok(StepReport {
            step,
            loss,
            first_action_loss: first_action,
            grad_norm,
            lr,
        })
    }

    fn forward(&mut self, batch: &Batch) -> Result<()> {
        let (size, horizon, dims) = batch.trajectories.dim();
        if self.sample.dim() != (size, dims, horizon) {
            self.sample = Array3::zeros((size, dims, horizon));
            self.output = ArrayD::zeros(self.model.output_shape(size, horizon)?);
        }
        self.timesteps.clear();
        self.timesteps.extend(batch.timesteps.iter().map(|&t| t as f32));
        self.objective.noised(batch, self.sample.view_mut())?;
        let (sample, output) = (self.sample.view(), self.output.view_mut());
        Ok(self
            .model
            .forward_saving(sample, &self.timesteps, output, &mut self.backprop)?)
    }

    fn add_gradient(&mut self, batch: &Batch, share: f64) -> Result<crate::objective::BatchLoss> {
        self.forward(batch)?;
        let loss = self.objective.loss(batch, self.output.view_mut(), share)?;
        let (cotangent, grad) = (self.output.view(), &mut self.grad);
        self.model.backward(cotangent, None, grad, &mut self.backprop)?;
        Ok(loss)
    }
}
