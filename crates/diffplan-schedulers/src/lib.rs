//! Diffusion schedulers as in [diffusers](https://github.com/huggingface/diffusers): which timesteps a sampler visits, and
//! how the output of a model takes a sample from one timestep to the one before.
//!
//! Three things, each with one purpose:
//!
//! - a [`NoiseSchedule`] is the forward process: all that training needs;
//! - a [`Scheduler`] is what `scheduler_config.json` describes, and never changes. A [`Registry`] makes it by the file's
//!   `_class_name`: [`DdpmScheduler`] and [`DdimScheduler`] are the twins of diffusers' with every option of theirs, in the same float32
//!   arithmetic, [`DpmSolverMultistepScheduler`], [`EulerDiscreteScheduler`], [`EulerAncestralDiscreteScheduler`], [`HeunDiscreteScheduler`] and [`UniPcMultistepScheduler`] those of
//!   the classes that count in noise levels; one's own class can be registered beside them;
//! - a [`Sampler`] is one run: its [`Visit`]s, and whatever history a class keeps.
//!
//! Noise is an argument: this crate knows no random number generator, no model and no environment.
//!
//! ```
//! use diffplan_schedulers::{
//!     BetaSchedule, DdpmConfig, DdpmScheduler, PredictionType, SamplerStep, Scheduler, Steps, Timesteps, VarianceType,
//! };
//! use ndarray::ArrayD;
//!
//! # fn main() -> Result<(), diffplan_schedulers::Error> {
//! let scheduler = DdpmScheduler::new(DdpmConfig {
//!     num_train_timesteps: 20,
//!     beta_schedule: BetaSchedule::SquaredcosCapV2,
//!     variance_type: VarianceType::FixedSmallLog,
//!     prediction_type: PredictionType::Sample,
//!     clip_sample: false,
//!     ..DdpmConfig::default()
//! })?;
//! let mut sampler = scheduler.sampler(&Steps::new(Timesteps::Count(5)))?;
//! assert_eq!(sampler.timesteps(), [16.0, 12.0, 8.0, 4.0, 0.0]);
//!
//! // (batch, horizon, dims): a model that always predicts 0.5, and a "draw" of ones.
//! let shape = vec![2, 32, 4];
//! let (model_output, noise) = (ArrayD::from_elem(shape.clone(), 0.5), ArrayD::ones(shape.clone()));
//! let mut sample = noise.clone() * sampler.init_noise_sigma();
//! let mut prev_sample = ArrayD::zeros(shape);
//! sampler.begin([2, 32, 4], 0);
//! for visit in 0..sampler.visits().len() {
//!     let noise = sampler.visits()[visit].draws_noise.then(|| noise.view());
//!     let step = SamplerStep::new(model_output.view(), sample.view(), prev_sample.view_mut()).with_noise(noise);
//!     sampler.step_into(visit, step)?;
//!     std::mem::swap(&mut sample, &mut prev_sample);
//! }
//! assert!(sample.iter().all(|x| (x - 0.5).abs() < 1e-6)); // the last step lands on the prediction
//! # Ok(())
//! # }
//! ```

mod config;
mod ddim;
mod ddpm;
mod dpm;
mod error;
mod euler;
mod euler_ancestral;
mod heun;
mod legacy;
mod multistep;
mod options;
mod original;
mod prediction;
mod registry;
mod sampler;
mod schedule;
mod scheduler;
mod shape;
mod sigmas;
mod threshold;
mod timesteps;
mod unipc;

pub use config::Absent;
pub use ddim::{DdimConfig, DdimScheduler};
pub use ddpm::{DdpmConfig, DdpmScheduler};
pub use dpm::{DpmSolverMultistepConfig, DpmSolverMultistepScheduler};
pub use error::{Error, Result};
pub use euler::{EulerDiscreteConfig, EulerDiscreteScheduler};
pub use euler_ancestral::{EulerAncestralDiscreteConfig, EulerAncestralDiscreteScheduler};
pub use heun::{HeunDiscreteConfig, HeunDiscreteScheduler};
pub use options::{
    AlgorithmType, BetaSchedule, FinalSigmasType, InterpolationType, PredictionType, SolverType, TimeShiftType,
    TimestepSpacing, TimestepType, UniPcSolverType, VarianceType,
};
pub use prediction::Prediction;
pub use registry::Registry;
pub use sampler::{Sampler, SamplerOutput, SamplerStep, Steps, Timesteps, Visit};
pub use schedule::NoiseSchedule;
pub use scheduler::Scheduler;
pub use unipc::{UniPcMultistepConfig, UniPcMultistepScheduler};

/// Name of a scheduler's file in its folder.
pub const CONFIG_NAME: &str = "scheduler_config.json";

/// Compiles and runs the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
