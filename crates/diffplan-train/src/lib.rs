//! Training of diffusion planners and value functions, as jannerm/diffuser trains them (Diffuser, arXiv:2205.09991).
//!
//! One step, as data:
//!
//! ```text
//! Batches (windows of the dataset, timesteps, noise; all from seed and step)        batches
//!    │ microbatches
//!    ▼
//! Objective: noised sample, conditions imposed ──▶ network ──▶ loss ──▶ network's backward pass     objective
//!    │ each microbatch's gradient, from zero
//!    ▼
//! Tree: added by number; Reduce: over processes ──▶ Trainer::apply: clipped ──▶ Adam at the scheduled rate ──▶ EMA     reduce, trainer, optim
//! ```
//!
//! Each knows the next thing alone: an [`Objective`] knows batches and a [`Trainable`] network; [`Trainer`] knows an objective and
//! parameters, and takes any; optimiser and average know parameters, and which of them are frozen. [`Trainer::gradient`] and
//! [`Trainer::apply`] are the halves of [`Trainer::step`].
//!
//! [`Batches`] draws what a step sees: that depends on the seed and on the step's number alone, so
//! the only state of the random numbers is the step. [`Checkpoints`] keeps the last few states on disk, each written whole before
//! it has its name.
//!
//! A `session` (a feature, on by default) is a whole run: settings from flags and files, a folder that goes on after a kill, a checkpoint at its end.
//!
//! Threads are those of the rayon pool that [`Trainer::step`] is called in; the bits do not depend on their number.

mod batches;
mod checkpoints;
mod error;
mod objective;
mod optim;
mod reduce;
#[cfg(feature = "session")]
pub mod session;
mod trainable;
mod trainer;

pub use batches::{Batch, Batches, Conditions};
pub use checkpoints::{Checkpoints, Saved};
pub use error::{Error, Result};
pub use objective::{
    BatchLoss, DiffusionLoss, Loss, Objective, TrajectoryObjective, TrajectorySize, TrajectoryWeights, ValueRegression,
};
pub use optim::{Adam, Decay, Ema, LearningRate, RateSchedule};
pub use reduce::{Alone, Reduce};
pub use trainable::Trainable;
pub use trainer::{GradientReport, StepReport, TrainOptions, Trainer};
