//! Planning by diffusion: `ValueGuidedRLPipeline` of diffusers, which is Diffuser (Janner et al. 2022, arXiv:2205.09991).
//!
//! A batch of candidate trajectories, actions and observations over a horizon, is drawn as noise. Step by step the planner
//! network denoises it, the gradient of a value function bends it toward high return, and the current observation is put
//! back in its place. The candidates are sorted by value, and the first action of the best is what to do next.
//!
//! This crate knows how a plan is made; it knows neither how networks compute nor how anything is shown.
//!
//! # The parts
//!
//! | part | |
//! | --- | --- |
//! | [`ValueGuidedPipeline`] | a checkpoint: planner network, guide, scheduler, normalisers, the checkpoint's own options |
//! | [`PlanOptions`] | candidates, horizon, guide steps, scale, scaling rule, … under the reference's names and defaults |
//! | [`Planner`] | a pipeline with options fixed and every buffer in place, to be called again and again |
//! | [`Plan`] | action, trajectories sorted by value, values, order |
//! | [`Guide`] | what bends trajectories; the value network is one ([`ValueNetwork`]), a function of yours another ([`FnGuide`]) |
//! | [`NoiseSource`] | where noise comes from: [`RngNoise`], [`RecordedNoise`], or [`TorchRng`], which gives the reference's plan for a torch seed |
//! | [`rollout`] | an episode with the planner in the loop |
//! | [`evaluate()`] | many episodes side by side, planned for in one batch; each is the one that [`rollout`] plays |
//!
//! # How a plan flows
//!
//! Observation, normalised, is a condition at time 0 of `x` (batch, horizon, action + observation dimensions). For every
//! timestep t of the scheduler, from high to low: `n_guide_steps` times x += scale · weight(t) · ∂value/∂x and conditions
//! applied; then `x = scheduler.step(unet(x, t), t, x, noise)` and conditions applied. At the end: sorted by value,
//! denormalised.
//!
//! ```
//! use diffplan_pipelines::{RngNoise, ValueGuidedPipeline};
//! use ndarray::array;
//!
//! # fn main() -> Result<(), diffplan_pipelines::Error> {
//! # let checkpoint = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/pendulum-hor32");
//! # if !std::path::Path::new(checkpoint).exists() { return Ok(()); } // a published crate comes without checkpoints
//! let pipeline = ValueGuidedPipeline::from_pretrained(checkpoint)?;
//! let mut planner = pipeline.planner(pipeline.options())?;
//! let mut noise = RngNoise::seed(0);
//! let plan = planner.plan(array![1.0, 0.0, 0.1].view(), &mut noise)?; // cos θ, sin θ, angular velocity
//! assert_eq!(plan.action.len(), 1);
//! assert_eq!(plan.trajectories.dim(), (8, 32, 1 + 3)); // best first, in the environment's units
//! # Ok(())
//! # }
//! ```

mod acting;
mod error;
mod evaluate;
mod guide;
mod noise;
mod options;
mod pipeline;
mod plan;
mod planner;
mod rollout;
mod torch_rng;

pub use diffplan_models::{Compute, Precision};
pub use error::{Error, Result};
pub use evaluate::{EpisodeResult, EvaluationEvent, Start, evaluate};
pub use guide::{FnGuide, Guide, GuideSession, ValueNetwork};
pub use noise::{NoiseError, NoiseSource, RecordedNoise, RngNoise};
pub use options::{Guidance, PlanOptions, PlanningConfig};
pub use pipeline::{ValueGuidedPipeline, check_model_index, names_value_function};
pub use plan::{Condition, Plan, PlanEvent};
pub use planner::Planner;
pub use rollout::{Episode, StepEvent, rollout};
pub use torch_rng::TorchRng;
