//! The Python package `diffplan`: planning by diffusion on NumPy arrays, native.
//!
//! # What a Python program sees
//!
//! | name | what | in |
//! | --- | --- | --- |
//! | `ValueGuidedRLPipeline` | diffusers' pipeline, by its constructor, `from_pretrained` and call | python/diffplan/_pipeline.py over `pipeline` |
//! | `from_diffusers` | the same of a live pipeline of diffusers | python/diffplan/_diffusers.py |
//! | `Planner`, `Plan` | a pipeline with options fixed; candidates, values, the one chosen | `planner`, `plan` |
//! | `UNet1DModel` | forward, values and gradients, vector-Jacobian products | `unet` |
//! | `Scheduler`, `Sampler` | what a `scheduler_config.json` describes, and a run of it | `scheduler` |
//! | `Normalizers` | a checkpoint's statistics | `normalizers` |
//! | `Guide` | a function of Python that gives values and gradients | python/diffplan/_guide.py over `guide` |
//! | `Denoiser` | a function of Python as the planner network | python/diffplan/_denoiser.py over `denoiser` |
//! | `Dataset`, `load_dataset` | episodes of any layout, as arrays that NumPy shares | python/diffplan/_data.py over `dataset` |
//! | `train` | a run of diffplan-train's `session` | python/diffplan/_train.py over `training` |
//! | `evaluate` | episodes of any policy in any environment, summed up and compared | python/diffplan/_evaluate.py over `actor`, `evaluation` |
//! | `convert` | checkpoints of other projects | python/diffplan/_convert.py over `conversion` |
//! | `diffplan/…` of Gymnasium | the environments of diffplan-envs | python/diffplan/gym.py over `env` |
//! | `Error` and its kinds | what went wrong, in the library's words | python/diffplan/_errors.py, `errors` |
//!
//! This crate binds, and computes nothing. What only a script of diffusers needs (statistics from `env.get_dataset()`, state dicts as arrays)
//! is Python, in `python/diffplan/`, small and typed.
//!
//! # How a call flows
//!
//! ```text
//! obs, keywords ──with the GIL: copied to ndarray, checked; keywords ──PlanningConfig::of_pairs──▶ PlanOptions
//! options ──▶ a planner of these options that is idle, or a new one      [stock::Stock, kept by the pipeline]
//! planner, conditions, noise ──▶ a job on the planner's own threads      [work::run]
//!     the calling thread waits without the GIL, and every 10 ms looks for signals: Ctrl-C sets the plan's flag, and it raises
//!     the job steps through the visits, and looks at the flag before each
//! plan ──with the GIL: arrays, handed over without a copy──▶ Plan        the planner goes back to the idle ones
//! ```
//!
//! - **Threads.** Every planner has threads of its own, so planners do not wait for each other; a plan asked for while a planner is busy is
//!   made by another, which is then kept too. `threads=` says how many, all cores by default (or `RAYON_NUM_THREADS`).
//! - **Fork.** A forked child has no threads but the one that forked. Threads are remembered with their process (`work::Pool`); the child
//!   starts its own at its first plan, and the parent's are never ended by it.
//! - **Ctrl-C.** The calling thread does not compute, so it raises within some 10 ms however long a visit takes; the job ends after the
//!   visit it is in, and its planner is dropped.
//! - **What takes long**, a training or an evaluation, is a job on threads of its own too (`watch`): the calling thread tells how far it is, and an
//!   interruption is raised once the job has come to a good end, a training with its state saved.
//! - **Episodes** in diffplan's own environments are played without Python, to the bits of `diffplan evaluate`; in Python's, the loop is Python
//!   (`_episodes.py`), and an `Actor` plans for all running episodes in one call. An episode depends on its seed alone in both.
//! - **Panics** of jobs, of loading and of environments are caught and raised as `InternalError`, with what they said.
//! - **Randomness.** `seed=` is this project's generator, `torch_seed=` torch's without torch. With neither, torch's global generator draws
//!   itself where torch has been imported, as it does for diffusers, and a fresh seed elsewhere (`noise`).
//! - **Arrays** may have any strides. float32 is taken as it is, other real numbers are converted, and anything else is refused by its name
//!   (`arrays`). What a plan is made from is copied in, so that nobody changes it meanwhile; networks look at samples where they lie, torch's
//!   among them (DLPack), and answer in kind.
//! - **Pickling** goes by contents, not by paths: configurations and parameters of the modules, statistics, and the Python objects of guides.
//!
//! # Building without Python
//!
//! The crate is a member of the workspace like any other: the stable ABI (`abi3`) asks for no interpreter, and where pyo3 finds none it goes
//! on without (`PYO3_NO_PYTHON=1` says so beforehand); `extension-module` links no libpython. What would link is an executable: so there is
//! no library of Rust and no test of Rust here (`crate-type`, `test = false` in Cargo.toml), and `cargo test --workspace` builds a shared
//! object that nobody loads. Its tests are those of pytest in `tests/`, run by `.ci/python`.

mod actor;
mod arrays;
mod conversion;
mod dataset;
mod denoiser;
mod env;
mod errors;
mod evaluation;
mod guide;
mod hub;
mod json;
mod noise;
mod normalizers;
mod pipeline;
mod plan;
mod planner;
mod scheduler;
mod stock;
mod training;
mod unet;
mod watch;
mod work;

use pyo3::prelude::*;

/// The compiled part of diffplan. Import `diffplan` instead.
#[pymodule]
mod _diffplan {
    #[pymodule_export]
    use super::actor::Actor;
    #[pymodule_export]
    use super::conversion::convert;
    #[pymodule_export]
    use super::dataset::{Dataset, download_dataset};
    #[pymodule_export]
    use super::env::{Env, envs, look_for_mujoco_in};
    #[pymodule_export]
    use super::evaluation::{Evaluation, compare, evaluate};
    #[pymodule_export]
    use super::hub::fetch;
    #[pymodule_export]
    use super::normalizers::Normalizers;
    #[pymodule_export]
    use super::pipeline::{Pipeline, options};
    #[pymodule_export]
    use super::plan::Plan;
    #[pymodule_export]
    use super::planner::Planner;
    #[pymodule_export]
    use super::scheduler::{Sampler, Scheduler};
    #[pymodule_export]
    use super::training::{train, training_keys, training_record};
    #[pymodule_export]
    use super::unet::{UNet1DModel, UNet1DOutput};
    use pyo3::prelude::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
