//! What can go wrong with a conversion.

use std::path::PathBuf;

/// A result whose error is this crate's.
pub type Result<T> = std::result::Result<T, Error>;

/// An error of recognising, converting or saving a checkpoint.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file that is not there, cannot be read or written, or is damaged.
    #[error(transparent)]
    File(#[from] diffplan_files::FileError),
    /// A source that is not what it has to be, or lacks what the conversion needs.
    #[error("{}: {what}", path.display())]
    Source {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong, what was expected, and what to do.
        what: String,
    },
    /// The tensors of a source are not those of the network that it says it is.
    #[error("{}: {}", path.display(), problems.join("; "))]
    Tensors {
        /// The file.
        path: PathBuf,
        /// One a tensor, by its name in the file.
        problems: Vec<String>,
    },
    /// What the destination cannot hold, or where nothing may be written.
    #[error("{}: {what}", path.display())]
    Destination {
        /// The folder.
        path: PathBuf,
        /// Why not, and what to do.
        what: String,
    },
    /// Something that the form asked for cannot hold.
    #[error("{what}")]
    Unsupported {
        /// What, and what to do instead.
        what: String,
    },
    /// From a network.
    #[error(transparent)]
    Model(#[from] diffplan_models::Error),
    /// From a scheduler.
    #[error(transparent)]
    Scheduler(#[from] diffplan_schedulers::Error),
    /// From a dataset or its statistics.
    #[error(transparent)]
    Data(#[from] diffplan_data::Error),
    /// From the pipeline that was made.
    #[error(transparent)]
    Pipeline(#[from] diffplan_pipelines::Error),
}

impl Error {
    pub(crate) fn source(path: impl Into<PathBuf>, what: impl Into<String>) -> Self {
        Self::Source {
            path: path.into(),
            what: what.into(),
        }
    }
}
