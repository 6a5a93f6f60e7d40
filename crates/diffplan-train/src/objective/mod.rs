//! [`Objective`]: what a network is trained to give, and how far it is from that.
//!
//! An objective knows how a batch becomes a loss and a gradient; the [`Trainer`](crate::Trainer) knows neither. Those of
//! diffusion are [`DiffusionLoss`] and [`ValueRegression`].

mod diffusion;
mod loss;
mod noised;
mod value;

pub use diffusion::DiffusionLoss;
pub use loss::{Loss, TrajectoryWeights};
pub use noised::TrajectorySize;
pub use value::ValueRegression;

use crate::error::Result;

/// What a model of type `M` is trained for.
pub trait Objective<M>: Send {
    /// What it is trained on.
    type Batch;

    /// Checks that a model can be trained with it.
    ///
    /// # Errors
    /// Why it cannot.
    fn check(&self, model: &M) -> Result<()>;

    /// Checks a batch, so that nothing later can fail on it.
    ///
    /// # Errors
    /// What is wrong with it.
    fn check_batch(&self, batch: &Self::Batch) -> Result<()>;

    /// The loss of a batch times `share`, whose gradient is added to `grad`.
    ///
    /// # Errors
    /// What the model says.
    fn accumulate(&mut self, model: &M, batch: &Self::Batch, share: f64, grad: &mut M) -> Result<BatchLoss>;
}

/// Any objective on trajectories.
pub type TrajectoryObjective<M> = Box<dyn Objective<M, Batch = crate::Batch>>;

impl<M, B> Objective<M> for Box<dyn Objective<M, Batch = B>> {
    type Batch = B;

    fn check(&self, model: &M) -> Result<()> {
        (**self).check(model)
    }

    fn check_batch(&self, batch: &B) -> Result<()> {
        (**self).check_batch(batch)
    }

    fn accumulate(&mut self, model: &M, batch: &B, share: f64, grad: &mut M) -> Result<BatchLoss> {
        (**self).accumulate(model, batch, share, grad)
    }
}

/// What a batch adds to a step's loss.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BatchLoss {
    /// The loss, times the batch's share.
    pub loss: f64,
    /// That of the first action alone, unweighted, likewise; none where there is no such thing.
    pub first_action: Option<f64>,
}
