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
//! | [`ValueGuidedPipeline`] | the parts of a planner, from a folder on disk, from bytes, or put together |
//! | [`PlanOptions`] | candidates, horizon, guide steps, scale, scaling rule, … under the reference's names and defaults; [`OPTIONS`] describes them |
//! | [`Planner`] | a pipeline with options fixed and every buffer in place, to be called again and again; it borrows nothing |
//! | [`Query`], [`Condition`], [`Start`] | what is asked: what is imposed on which dimensions of observations and actions, when; from noise or an earlier plan |
//! | [`Denoising`] | the loop, a step at a time: progress, cancelling, an early answer |
//! | [`Plan`] | action, trajectories sorted by value, values, order |
//! | [`Guide`], [`GuideTerm`] | what bends trajectories; the value network is one ([`ValueNetwork`]), a function of yours another ([`FnGuide`]); its weight and schedule |
//! | [`costs`] | what plans are to avoid, in the environment's units, as guides: goals, obstacles, effort, limits, … |
//! | [`Constraint`] | what holds of every returned plan, by projection; [`limits`] has those that come with this crate |
//! | [`controls`] | guides and constraints as data: tables of a TOML file |
//! | [`check`] | whether a guide's gradient is right, and how large the scale should be |
//! | [`SampleLayout`], [`Select`], [`ActionHead`] | where actions lie in a sample; which candidate is acted on; what is done of it |
//! | [`deadline`] | the best plan that there is time for: [`DeadlinePlanner`](deadline::DeadlinePlanner), cancelling, a report of deadlines kept |
//! | [`doctor`] | what is legal in a checkpoint but almost surely wrong, with the remedy |
//! | [`NoiseSource`] | where noise comes from: [`RngNoise`], [`RecordedNoise`], or [`TorchRng`], which gives the reference's plan for a torch seed |
//!
//! # How a plan flows
//!
//! Observation, normalised, is a condition at time 0 of `x` (batch, horizon, action + observation dimensions). For every
//! timestep t of the scheduler, from high to low: `n_guide_steps` times x += scale · weight(t) · ∂value/∂x and conditions
//! applied; then `x = scheduler.step(unet(x, t), t, x, noise)` and conditions applied. At the end: sorted by value,
//! denormalised.
//!
//! Guides that see the clean plan ([`Sees::Clean`]), soft conditions and constraints act on what the network predicts: between network
//! and scheduler, `x0 = predicted(x, unet(x, t))` is bent, pulled and projected, and the network's output replaced by the one that predicts
//! the result. So any scheduler's step is that of a network that had known.
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

mod action;
pub mod check;
mod condition;
mod constraint;
pub mod controls;
pub mod costs;
pub mod deadline;
pub mod doctor;
mod error;
mod guide;
mod layout;
pub mod limits;
mod noise;
mod options;
mod pipeline;
mod plan;
mod planner;
mod pretrained;
mod select;
mod torch_rng;
mod units;

pub use action::{ActionHead, Chosen, OwnActions};
pub use condition::{Condition, Part};
pub use constraint::{Constraint, ViolationTotals, Violations, ViolationsSummary};
pub use diffplan_models::{Compute, Precision};
pub use error::{Error, Result};
pub use guide::{
    Aggregate, CleanValue, Ensemble, FnGuide, Guide, GuideSchedule, GuideSession, GuideTerm, Moment, Sees, ValueNetwork,
};
pub use layout::SampleLayout;
pub use noise::{NoiseError, NoiseSource, RecordedNoise, RngNoise};
pub use options::{
    Follow, Guidance, Kind, OPTIONS, OptionSpec, PlanOptions, PlanningConfig, Prefix, TrainedConditions,
};
pub use pipeline::ValueGuidedPipeline;
pub use plan::{Plan, Query, Start, StepReport};
pub use planner::{Denoising, Planner};
pub use pretrained::{ModelIndex, Registries, check_variant, read_normalizers, snapshot};
pub use select::{AtRandom, ByValue, Candidates, Select, Selection};
pub use torch_rng::TorchRng;
