//! What can go wrong with a network.

use std::path::PathBuf;

/// A result whose error is this crate's.
pub type Result<T> = std::result::Result<T, Error>;

/// An error of making, loading, saving or calling a network.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file that is not there, cannot be read or written, is no JSON, or something else altogether.
    #[error(transparent)]
    File(#[from] diffplan_files::FileError),
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
    #[error(
        "horizon {horizon} does not work with this network: {reason}; nearest that work: {nearest:?}{}",
        if *pooling_helps { ", or any if it is trained with `--value-pooling mean` (`value_pooling` in its config.json)" } else { "" }
    )]
    Horizon {
        /// The horizon asked for.
        horizon: usize,
        /// Where it fails.
        reason: String,
        /// The nearest below and above that work; empty if none up to 4096 does.
        nearest: Vec<usize>,
        /// Whether it is a value function that would take any horizon if it averaged over the positions.
        pooling_helps: bool,
    },
    /// The network gives back samples of another length.
    #[error("horizon {horizon} does not work with this network: it comes back with {becomes} steps")]
    HorizonChanges {
        /// The horizon asked for.
        horizon: usize,
        /// The length of the output.
        becomes: usize,
    },
    /// A time that a session was not prepared for.
    #[error("time {time} of a session that was prepared for {times}")]
    NoSuchTime {
        /// Its number, counted from 0.
        time: usize,
        /// How many there are.
        times: usize,
    },
    /// Something that was made for another network, or for this one's copy.
    #[error("the {what} are another network's, expected this one's own")]
    OtherModel {
        /// What.
        what: &'static str,
    },
    /// `DIFFPLAN_ISA` names no instruction set of this machine.
    #[error(transparent)]
    Isa(#[from] diffplan_kernels::IsaError),
    /// What a network of another crate says.
    #[error("{0}")]
    Foreign(#[source] Box<dyn std::error::Error + Send + Sync>),
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
    #[error(
        "the network is not a value function: its out_block_type is {}, expected ValueFunction",
        out_block_type.as_deref().unwrap_or("null")
    )]
    NotAValueFunction {
        /// What its configuration says.
        out_block_type: Option<String>,
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
