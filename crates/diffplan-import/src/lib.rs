//! Checkpoints of other projects as checkpoints of diffplan, and back.
//!
//! ```text
//! file or folder ──▶ Source::of: what it is ──▶ jannerm | hub ──▶ Checkpoint: files in memory + Report ──▶ save
//! ```
//!
//! A conversion is a value before it is a folder: [`Checkpoint::folder`] can be loaded, so whatever is written has been seen to load.
//! Names are mapped by tables that are written out, in both directions; every tensor of a source is mapped, or named in the
//! [`Report`] with the reason why it is not needed, or an error.
//!
//! This crate knows files of other projects and the layout of ours; it knows neither environments nor terminals.

mod checkpoint;
mod error;
pub mod hub;
pub mod jannerm;
mod kind;
mod options;
mod report;
mod save;
mod stats;
mod weights;

pub use checkpoint::Checkpoint;
pub use error::{Error, Result};
pub use kind::{Dialect, Source, SourceKind};
pub use options::{Options, Precision, Statistics, Target, WeightFormat};
pub use report::Report;
