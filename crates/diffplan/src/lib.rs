//! Planning by diffusion, native in Rust: the door to diffplan's crates.
//!
//! The types that most programs need are here; everything else is in the module of its crate. [`ndarray`] and [`rand`] are those that
//! diffplan takes and gives arrays and random numbers by.
//!
//! | module | what |
//! | --- | --- |
//! | [`pipelines`] | planners: a pipeline from a folder, conditions, guides, the denoising loop |
//! | [`models`], [`schedulers`] | networks and schedulers, and what one of one's own must be |
//! | [`envs`], [`eval`] | Gymnasium-style environments; policies, rollouts, evaluations |
//! | [`data`], [`files`] | datasets and normalisers; folders on disk and in memory |
//! | [`tensors`] | safetensors and PyTorch files, read without PyTorch |
//! | `import` | with the feature `import`: checkpoints of other projects |
//! | `train`, `pictures` | with the features `train` and `render` |

pub use diffplan_data as data;
pub use diffplan_envs as envs;
pub use diffplan_eval as eval;
pub use diffplan_files as files;
#[cfg(feature = "import")]
pub use diffplan_import as import;
pub use diffplan_models as models;
#[cfg(feature = "render")]
pub use diffplan_pictures as pictures;
pub use diffplan_pipelines as pipelines;
pub use diffplan_schedulers as schedulers;
pub use diffplan_tensors as tensors;
#[cfg(feature = "train")]
pub use diffplan_train as train;
pub use ndarray;
pub use ndarray_rand::rand;

pub use diffplan_data::Normalizers;
pub use diffplan_envs::{BoxEnv, Dict, Env, make};
pub use diffplan_eval::{Comparison, Evaluation, FnPolicy, PlannerPolicy, Policy, Registry, Report, evaluate, rollout};
pub use diffplan_files::Folder;
pub use diffplan_models::{Network, NetworkSession, UNet1dConfig, UNet1dModel};
pub use diffplan_pipelines::{
    Condition, Denoising, FnGuide, Guide, NoiseSource, Plan, PlanOptions, Planner, Query, RngNoise, TorchRng,
    ValueGuidedPipeline, ValueNetwork,
};
pub use diffplan_schedulers::{DdimScheduler, DdpmScheduler, Sampler, Scheduler};

/// Compiles and runs the example of docs/embedding.md.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/embedding.md")]
struct Embedding;
