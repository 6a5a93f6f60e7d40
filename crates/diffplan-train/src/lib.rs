//! Training of diffusion planners and value functions, as jannerm/diffuser trains them (Diffuser, arXiv:2205.09991).
//!
//! One step, as data:
//!
//! ```text
//! Batches (windows of the dataset, timesteps, noise; all from seed and step)        batches
//!    │ Batch
//!    ▼
//! Objective: noised sample, conditions imposed ──▶ network ──▶ conditions imposed ──▶ loss, and its gradient     objective, loss
//!    │ gradient of the output
//!    ▼
//! UNet1dModel::backward ──▶ sum over accumulated batches ──▶ clipped ──▶ Adam at the scheduled rate ──▶ EMA       trainer, …
//! ```
//!
//! [`Trainer`] holds the network, its average and the optimiser's state; [`Trainer::step`] takes one step on batches at hand, which
//! is all that the reference cases need. [`Batches`] draws them: what step `n` sees depends on the seed and on `n` alone, so
//! the only state of the random numbers is the step. [`Checkpoints`] keeps the last few states on disk, each written whole before
//! it has its name.
//!
//! Threads are those of the rayon pool that [`Trainer::step`] is called in; the bits do not depend on their number.

mod batches;
mod checkpoints;
mod ema;
mod error;
mod loss;
mod objective;
mod optimizer;
mod rate;
mod trainer;

pub use batches::{Batch, Batches, Conditions};
pub use checkpoints::{Checkpoints, Saved};
pub use ema::Ema;
pub use error::{Error, Result};
pub use loss::{Loss, TrajectoryWeights};
pub use objective::Objective;
pub use optimizer::{Adam, Decay};
pub use rate::{LearningRate, RateSchedule};
pub use trainer::{StepReport, TrainOptions, Trainer};
