//! What can go wrong with a network.

use std::path::PathBuf;

/// A result whose error is this crate's.
pub type Result<T> = std::result::Result<T, Error>;

/// An error of making, loading, saving or calling a network.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not JSON, or not an object.
    #[error("{}: {reason}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A configuration key that is unknown, or whose value is not supported.
    #[error("{}config key `{key}`: {reason}", path.as_ref().map(|p| format!("{}: ", p.display())).unwrap_or_default())]
    Config {
        /// The file, where it came from one.
        path: Option<PathBuf>,
        /// The key.
        key: String,
        /// What is wrong with its value, and what is expected.
        reason: String,
    },
    /// The parameters of a file are not the model's, or the file is damaged.
    #[error(transparent)]
    Parameters(#[from] diffplan_nn::Error),
    /// The network cannot take trajectories of this length.
    #[error("horizon {horizon} does not work with this network: {reason}; nearest that work: {nearest:?}")]
    Horizon {
        /// The horizon asked for.
        horizon: usize,
        /// Where it fails.
        reason: String,
        /// The nearest below and above that work; empty if none up to 4096 does.
        nearest: Vec<usize>,
    },
    /// An array has another shape than the call needs.
    #[error("{name} has shape {actual:?}, expected {expected}")]
    Shape {
        /// Which argument.
        name: &'static str,
        /// Its shape.
        actual: Vec<usize>,
        /// What it should have been.
        expected: String,
    },
    /// The call needs a network that gives one value a sample.
    #[error("the network is not a value function: its out_block_type is {out_block_type:?}, expected ValueFunction")]
    NotAValueFunction {
        /// What its configuration says.
        out_block_type: Option<crate::OutBlockType>,
    },
}

impl Error {
    pub(crate) fn config(key: &str, reason: impl Into<String>) -> Self {
        Error::Config {
            path: None,
            key: key.to_owned(),
            reason: reason.into(),
        }
    }

    /// The same error, saying which file it came from.
    pub(crate) fn in_file(self, file: &std::path::Path) -> Self {
        match self {
            Error::Config { key, reason, .. } => Error::Config {
                path: Some(file.to_owned()),
                key,
                reason,
            },
            other => other,
        }
    }
}
