//! [`Trainer`]: a model in training, whatever it is trained for.

use diffplan_nn::{Params, zeros_like};

use crate::error::{Error, Result};
use crate::objective::Objective;
use crate::optim::{Adam, Ema, LearningRate, clip, norm};
use crate::reduce::{Alone, Reduce, Tree, over_ranks};

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

/// The loss of a step whose gradient is computed and not yet applied.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GradientReport {
    /// The mean over its batches, of all ranks.
    pub loss: f64,
    /// The mean loss of the first action alone, unweighted; none of a value function.
    pub first_action_loss: Option<f64>,
    /// The norm of the gradient.
    pub grad_norm: f64,
}

/// A model, its average, the state of the optimiser, and every buffer that a step needs.
#[derive(Debug)]
pub struct Trainer<M, O> {
    pub(crate) model: M,
    pub(crate) average: M,
    pub(crate) moments: (M, M),
    /// Steps taken.
    pub(crate) steps: u64,
    objective: O,
    options: TrainOptions,
    reduce: Box<dyn Reduce>,
    tree: Tree<M>,
    /// Of the gradient in the tree; none once it was applied.
    gradient: Option<GradientReport>,
}

impl<M: Params + Clone + Send + Sync, O: Objective<M>> Trainer<M, O> {
    /// A network at step 0, whose average is itself.
    ///
    /// # Errors
    /// If an option is impossible, or the network does not fit the objective; a horizon that it cannot take is refused with
    /// those that it can.
    pub fn new(model: M, objective: O, options: TrainOptions) -> Result<Self> {
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
            reduce: Box::new(Alone),
            tree: Tree::new(&model),
            gradient: None,
            model,
        })
    }

    /// Training together with other processes, each with an equal share of the batches.
    #[must_use]
    pub fn with_reduce(mut self, reduce: Box<dyn Reduce>) -> Self {
        self.reduce = reduce;
        self
    }

    /// The network.
    #[must_use]
    pub fn model(&self) -> &M {
        &self.model
    }

    /// The average of its parameters, which is what should act.
    #[must_use]
    pub fn average(&self) -> &M {
        &self.average
    }

    /// What it is trained for.
    #[must_use]
    pub fn objective(&self) -> &O {
        &self.objective
    }

    /// Steps taken, which is the number of the next one.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// One step of the optimiser, by the mean gradient over `batches`, on all threads of the rayon pool it is called in:
    /// [`gradient`](Self::gradient), then [`apply`](Self::apply).
    ///
    /// # Errors
    /// If there is no batch, or one has another shape; [`Error::NotFinite`] if the loss or the gradient is, and the network is
    /// then as it was.
    pub fn step(&mut self, batches: &[O::Batch]) -> Result<StepReport> {
        self.gradient(batches)?;
        self.apply()
    }

    /// The mean gradient over `batches` (microbatches, each summed from zero and added in a fixed tree), and over all ranks. The
    /// network is as it was.
    ///
    /// # Errors
    /// As [`step`](Self::step).
    pub fn gradient(&mut self, batches: &[O::Batch]) -> Result<GradientReport> {
        if batches.is_empty() {
            return Err(Error::option("batches", 0, "at least 1"));
        }
        batches.iter().try_for_each(|batch| self.objective.check_batch(batch))?;
        self.tree.clear();
        self.gradient = None;
        let share = 1.0 / (batches.len() * self.reduce.ranks()) as f64;
        let (mut loss, mut first_action, mut valued) = (0.0, 0.0, false);
        for batch in batches {
            let mut grad = self.tree.zeros(&self.model);
            let of_batch = self.objective.accumulate(&self.model, batch, share, &mut grad)?;
            self.tree.add(grad);
            loss += of_batch.loss;
            first_action += of_batch.first_action.unwrap_or(0.0);
            valued |= of_batch.first_action.is_some();
        }
        let Some(grad) = self.tree.total() else {
            return Err(Error::option("batches", 0, "at least 1"));
        };
        let mut scalars = [loss, first_action];
        over_ranks(&mut *self.reduce, grad, &mut scalars)?;
        let report = GradientReport {
            loss: scalars[0],
            first_action_loss: valued.then_some(scalars[1]),
            grad_norm: norm(grad),
        };
        let step = self.steps;
        for (what, value) in [("loss", report.loss), ("norm of the gradient", report.grad_norm)] {
            if !value.is_finite() {
                return Err(Error::NotFinite { step, what, value });
            }
        }
        self.gradient = Some(report);
        Ok(report)
    }

    /// The mean loss of the average over batches that are not trained on. Nothing changes by it.
    ///
    /// # Errors
    /// If there is no batch, or one has another shape.
    pub fn validate(&mut self, batches: &[O::Batch]) -> Result<f64> {
        if batches.is_empty() {
            return Err(Error::option("batches", 0, "at least 1"));
        }
        let share = 1.0 / batches.len() as f64;
        // A gradient comes along with the loss, and is thrown away.
        let mut grad = zeros_like(&self.average);
        let mut loss = 0.0;
        for batch in batches {
            self.objective.check_batch(batch)?;
            loss += self.objective.accumulate(&self.average, batch, share, &mut grad)?.loss;
        }
        Ok(loss)
    }

    /// Applies the gradient that was computed last: clipped, by the optimiser, and the average follows.
    ///
    /// # Errors
    /// [`Error::NoGradient`] if there is none, or it was applied.
    pub fn apply(&mut self) -> Result<StepReport> {
        let (Some(report), Some(grad)) = (self.gradient.take(), self.tree.total()) else {
            return Err(Error::NoGradient);
        };
        if let Some(max) = self.options.max_grad_norm {
            clip(grad, report.grad_norm, max);
        }
        let (step, lr) = (self.steps, self.options.rate.at(self.steps));
        let adam = self.options.adam;
        adam.step(lr, step + 1, &mut self.model, grad, &mut self.moments);
        self.options.ema.update(step, &mut self.average, &self.model);
        self.steps += 1;
        Ok(StepReport {
            step,
            loss: report.loss,
            first_action_loss: report.first_action_loss,
            grad_norm: report.grad_norm,
            lr,
        })
    }
}
