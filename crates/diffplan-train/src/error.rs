//! What can go wrong in training.

use std::path::PathBuf;

/// The result of this crate's functions.
pub type Result<T> = std::result::Result<T, Error>;

/// What was wrong, where, and what was expected. Each message is complete on its own line.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The network or its files.
    #[error(transparent)]
    Model(#[from] diffplan_models::Error),
    /// The scheduler.
    #[error(transparent)]
    Scheduler(#[from] diffplan_schedulers::Error),
    /// A file of parameters.
    #[error(transparent)]
    Parameters(#[from] diffplan_nn::Error),
    /// A file or folder could not be read or written.
    #[error("cannot {operation} {}: {error}", path.display())]
    Io {
        /// What was tried.
        operation: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        error: std::io::Error,
    },
    /// The file that says where a run stands is damaged.
    #[error("{}: {reason}", path.display())]
    State {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// An option is impossible.
    #[error("{name} = {value}: expected {expected}")]
    Option {
        /// Which.
        name: &'static str,
        /// Its value.
        value: String,
        /// What it should be.
        expected: String,
    },
    /// A gradient was to be applied, and there is none that was not.
    #[error("there is no gradient to apply: compute one first")]
    NoGradient,
    /// A process that trains along cannot be reached.
    #[error("rank {rank}: {reason}")]
    Rank {
        /// Which.
        rank: usize,
        /// Why.
        reason: String,
    },
    /// The parts of a run do not fit each other.
    #[error("{0}")]
    Parts(String),
    /// The loss, or its gradient, is NaN or infinite; the network is as it was before the step.
    #[error(
        "step {step}: the {what} is {value}, expected a finite number; a lower learning rate or gradient clipping may help"
    )]
    NotFinite {
        /// The step, from 0.
        step: u64,
        /// The loss, or the norm of the gradient.
        what: &'static str,
        /// The value.
        value: f64,
    },
}

impl Error {
    pub(crate) fn io(operation: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |error| Self::Io { operation, path, error }
    }

    pub(crate) fn option(name: &'static str, value: impl ToString, expected: impl Into<String>) -> Self {
        Self::Option {
            name,
            value: value.to_string(),
            expected: expected.into(),
        }
    }
}
