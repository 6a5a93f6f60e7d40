//! Diffusion schedulers as in [diffusers](https://github.com/huggingface/diffusers): which timesteps a sampler visits, and
//! how the output of a model takes a sample from one timestep to the one before.
//!
//! [`DdpmScheduler`] is the twin of diffusers' `DDPMScheduler` with every option of it, in the same float32 arithmetic;
//! `scheduler_config.json` is read and written in diffusers' own format. [`Scheduler`] is the trait to write a sampler
//! against. Noise is an argument: this crate knows no random number generator, no model and no environment.
//!
//! ```
//! use diffplan_schedulers::{BetaSchedule, DdpmConfig, DdpmScheduler, PredictionType, Scheduler, VarianceType};
//! use ndarray::ArrayD;
//!
//! # fn main() -> Result<(), diffplan_schedulers::Error> {
//! let mut scheduler = DdpmScheduler::new(DdpmConfig {
//!     num_train_timesteps: 20,
//!     beta_schedule: BetaSchedule::SquaredcosCapV2,
//!     variance_type: VarianceType::FixedSmallLog,
//!     prediction_type: PredictionType::Sample,
//!     clip_sample: false,
//!     ..DdpmConfig::default()
//! })?;
//! scheduler.set_timesteps(5)?;
//! assert_eq!(scheduler.timesteps(), [16, 12, 8, 4, 0]);
//!
//! // (batch, horizon, dims): a model that always predicts 0.5, and a "draw" of ones.
//! let shape = vec![2, 32, 4];
//! let (model_output, noise) = (ArrayD::from_elem(shape.clone(), 0.5), ArrayD::ones(shape.clone()));
//! let mut sample = noise.clone() * scheduler.init_noise_sigma();
//! let mut prev_sample = ArrayD::zeros(shape);
//! for &t in scheduler.timesteps() {
//!     let noise = scheduler.needs_noise(t).then(|| noise.view());
//!     scheduler.step_into(model_output.view(), t, sample.view(), noise, prev_sample.view_mut())?;
//!     std::mem::swap(&mut sample, &mut prev_sample);
//! }
//! assert!(sample.iter().all(|x| (x - 0.5).abs() < 1e-6)); // the last step lands on the prediction
//! # Ok(())
//! # }
//! ```

mod atomic_file;
mod betas;
mod ddpm;
mod error;
mod forward;
mod json_value;
mod options;
mod scheduler;
mod shape;
mod threshold;
mod timesteps;

pub use ddpm::{DdpmConfig, DdpmScheduler};
pub use error::{Error, Result};
pub use options::{BetaSchedule, PredictionType, TimestepSpacing, VarianceType};
pub use scheduler::{Scheduler, SchedulerOutput};

/// Compiles and runs the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
