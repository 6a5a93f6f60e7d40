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
    /// The dataset.
    #[error(transparent)]
    Data(#[from] diffplan_data::Error),
    /// A file or folder of a run.
    #[error(transparent)]
    File(#[from] diffplan_files::FileError),
    /// A setting is not what the run was started with.
    #[error("{key} = {typed}, but the run was started with {saved} ({}): expected the same", path.display())]
    Changed {
        /// Which.
        key: String,
        /// What it is now.
        typed: String,
        /// What it was.
        saved: String,
        /// Where it stands.
        path: PathBuf,
    },
    /// One of the networks to be trained cannot be.
    #[error("{network}: {error}")]
    Untrainable {
        /// Which.
        network: &'static str,
        /// Why.
        error: Box<Error>,
    },
    /// Training stopped, and what there is to go on from.
    #[error("{error}; {kept}")]
    Stopped {
        /// Why.
        error: Box<Error>,
        /// What there is.
        kept: String,
    },
    /// The caller asked for an end.
    #[error("interrupted {at}")]
    Interrupted {
        /// Where: the step, and the state that it goes on from.
        at: String,
    },
    /// What watches a run could not.
    #[error(transparent)]
    Observer(Box<dyn std::error::Error + Send + Sync>),
    /// Something has no text form.
    #[error("cannot encode {what}: {reason}")]
    Encode {
        /// What.
        what: &'static str,
        /// Why.
        reason: String,
    },
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

    /// A file or folder in which something is wrong.
    pub(crate) fn folder(path: impl Into<PathBuf>, reason: impl Into<String>) -> Self {
        Self::File(diffplan_files::FileError::malformed(path, reason))
    }

    pub(crate) fn encode<E: std::fmt::Display>(what: &'static str) -> impl FnOnce(E) -> Self {
        move |error| Self::Encode {
            what,
            reason: error.to_string(),
        }
    }

    pub(crate) fn option(name: &'static str, value: impl ToString, expected: impl Into<String>) -> Self {
        Self::Option {
            name,
            value: value.to_string(),
            expected: expected.into(),
        }
    }
}
