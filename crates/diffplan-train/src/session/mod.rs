//! A whole run: settings, a folder, and one or two networks trained to a checkpoint that plans.
//!
//! ```text
//! flags, TOML files ──▶ Typed ──▶ Settings ──▶ Data: dataset, normalisers, windows          keys, file, defaults, typed, settings, data
//!                                    │            │
//!                                    └──▶ Run, one a network ◀── Output::begin: fresh, resumed, overwritten     run, output, folder
//!                                              │ advance
//!                                              ├──▶ Observer: progress, pictures, a stop                         observer
//!                                              ├──▶ planner.csv, tensorboard/                                    record, board
//!                                              └──▶ checkpoints/ (states), and the checkpoint itself             output
//! ```
//!
//! A run that goes on after a kill gives the bits of one that was never stopped.

mod board;
mod data;
mod defaults;
mod file;
mod folder;
mod keys;
mod observer;
mod output;
mod record;
mod run;
mod settings;
mod source;
mod typed;

pub use data::{Data, Fingerprint, Group, Validation};
pub use defaults::TERMINATION_PENALTY;
pub use folder::RunFolder;
pub use keys::{Keys, Kind, MAX_STEPS, NormalizerKind, Optimizer, Pooling};
pub use observer::{Observer, Sample};
pub use output::{Output, Start};
pub use record::{Row, read_record};
pub use run::{Run, Summary};
pub use settings::{Network, Settings};
pub use source::{Datasets, Source};
pub use typed::Typed;
