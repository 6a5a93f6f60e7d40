//! What can go wrong with episodes, evaluations and their files.

use std::path::PathBuf;

/// A result whose error is this crate's.
pub type Result<T> = std::result::Result<T, Error>;

/// Every message is complete as it is displayed: sources are part of it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// From a planner.
    #[error(transparent)]
    Pipeline(#[from] diffplan_pipelines::Error),
    /// From an environment.
    #[error(transparent)]
    Env(#[from] diffplan_envs::Error),
    /// From data, or what it says of its environment.
    #[error(transparent)]
    Data(#[from] diffplan_data::Error),
    /// An argument of an environment that nothing can be made of.
    #[error(
        "the environment's argument {name} = {value}: expected a number, true, false, a text, or a list of numbers"
    )]
    EnvArgument {
        /// Its name.
        name: String,
        /// Its value.
        value: String,
    },
    /// An environment does not take an argument.
    #[error("{env}: {error}")]
    EnvArguments {
        /// The environment.
        env: String,
        /// What it says.
        error: diffplan_envs::Error,
    },
    /// A file or folder that cannot be read or written, or is not what it should be.
    #[error(transparent)]
    File(#[from] diffplan_files::FileError),
    /// A policy and an environment that do not fit each other.
    #[error("{0}")]
    Parts(String),
    /// From a policy of yours.
    #[error("policy: {0}")]
    Policy(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// From a policy, about one of the slots it acted for.
    #[error("{error}")]
    InSlot {
        /// The slot.
        slot: usize,
        /// What went wrong there.
        error: Box<Error>,
    },
    /// A reward that no return can be made of.
    #[error("the reward is {reward}, expected a finite number")]
    Reward {
        /// The reward.
        reward: f64,
    },
    /// From an episode of an evaluation.
    #[error("episode {index}, step {step}: {error}")]
    Episode {
        /// Which episode.
        index: usize,
        /// The steps it had done.
        step: usize,
        /// What went wrong in it.
        error: Box<Error>,
    },
    /// An output folder, or a file in it, from which no evaluation can begin or go on.
    #[error("{}: {reason}", path.display())]
    Folder {
        /// The folder or file.
        path: PathBuf,
        /// What is in the way, and what to do.
        reason: String,
    },
    /// Something that decides about episodes is not what an evaluation was begun with.
    #[error("{key} = {typed}, but the run was started with {saved} ({}): expected the same", path.display())]
    Changed {
        /// What.
        key: String,
        /// What it is now.
        typed: String,
        /// What it was.
        saved: String,
        /// Where that is written.
        path: PathBuf,
    },
    /// A setting that makes no sense.
    #[error("{name} = {value}: expected {expected}")]
    Setting {
        /// Which.
        name: &'static str,
        /// Its value.
        value: String,
        /// What it could be.
        expected: String,
    },
    /// Two kinds of thing of one name, or none of a name that was asked for.
    #[error("{what} {name:?} is not known: {}there are {}", nearest.as_ref().map_or(String::new(), |n| format!("did you mean {n}? ")), if known.is_empty() { "none".into() } else { known.join(", ") })]
    Unknown {
        /// The kind of thing.
        what: &'static str,
        /// The name.
        name: String,
        /// The nearest that there is, if one is near.
        nearest: Option<String>,
        /// Those there are.
        known: Vec<String>,
    },
    /// An evaluation stopped, and what it has got.
    #[error("{error}; {kept}: --resume goes on from there")]
    Stopped {
        /// Why.
        error: Box<Error>,
        /// What is on disk.
        kept: String,
    },
    /// Something that cannot be written as what it should be.
    #[error("cannot encode {what}: {reason}")]
    Encode {
        /// What.
        what: &'static str,
        /// Why.
        reason: String,
    },
}

impl Error {
    pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| diffplan_files::FileError::io(path, source).into()
    }

    pub(crate) fn encode<E: std::fmt::Display>(what: &'static str) -> impl FnOnce(E) -> Self {
        move |e| Self::Encode {
            what,
            reason: e.to_string(),
        }
    }

    /// From a policy of one's own.
    pub fn policy(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Policy(error.into())
    }
}
