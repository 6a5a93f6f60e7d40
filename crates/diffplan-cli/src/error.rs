//! What ends the program with exit status 2.

use std::io;
use std::path::{Path, PathBuf};

pub(crate) type Result<T> = std::result::Result<T, Error>;

/// Every message is complete as it is displayed: sources are part of it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Pipeline(#[from] diffplan_pipelines::Error),
    #[error(transparent)]
    Model(#[from] diffplan_models::Error),
    #[error(transparent)]
    Scheduler(#[from] diffplan_schedulers::Error),
    #[error(transparent)]
    Data(#[from] diffplan_data::Error),
    #[error(transparent)]
    Env(#[from] diffplan_envs::Error),
    #[error(transparent)]
    Train(#[from] diffplan_train::Error),
    #[error("{}: {reason}", path.display())]
    Toml { path: PathBuf, reason: String },
    #[error("{key} = {typed}, but the run was started with {saved} ({}): expected the same", path.display())]
    Changed {
        key: String,
        typed: String,
        saved: String,
        path: PathBuf,
    },
    /// One of the networks to be trained cannot be.
    #[error("{network}: {error}")]
    Untrainable {
        network: &'static str,
        error: diffplan_train::Error,
    },
    /// An output folder, or a file in it, from which no run can begin or go on.
    #[error("{}: {reason}", path.display())]
    Folder { path: PathBuf, reason: String },
    /// Training stopped, and what there is to go on from.
    #[error("{error}; {kept}")]
    Stopped { error: diffplan_train::Error, kept: String },
    /// An evaluation stopped, and what it has got.
    #[error("{error}; {kept}: --resume goes on from there")]
    EvaluationStopped {
        error: diffplan_pipelines::Error,
        kept: String,
    },
    /// The user, or the system, asked for an end.
    #[error("interrupted {at}")]
    Interrupted { at: String },
    #[error("the network is a value function, expected a planner")]
    NotAPlanner,
    #[error("no checkpoint: none given with --checkpoint, and there is no {}", tried.display())]
    NoCheckpoint { tried: PathBuf },
    #[error("no environment: none given with --env, and {} names none", config.display())]
    NoEnv { config: PathBuf },
    #[error("no picture of {env}: {error}")]
    NoPicture { env: String, error: diffplan_envs::Error },
    #[error("{name} = {value}: expected {expected}")]
    Setting {
        name: &'static str,
        value: String,
        expected: String,
    },
    #[error("cannot start {threads} threads: {reason}")]
    Threads { threads: usize, reason: String },
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        action: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error("cannot encode {what}: {reason}")]
    Encode { what: &'static str, reason: String },
    #[error("{}: {problems} of its parts {} wrong", checkpoint.display(), if *problems == 1 { "is" } else { "are" })]
    BrokenCheckpoint { checkpoint: PathBuf, problems: usize },
    #[error("{}: {problems} {} in the way of training on it", file.display(), if *problems == 1 { "problem is" } else { "problems are" })]
    BrokenDataset { file: PathBuf, problems: usize },
    #[error("the policy {policy:?} is made for {expected}, not for {env:?}")]
    NotTheEnv {
        policy: &'static str,
        expected: &'static str,
        env: String,
    },
    #[error("--{flag} means nothing to the policy {policy:?}, expected it with {expected}")]
    FlagOfAnother {
        flag: &'static str,
        policy: &'static str,
        expected: &'static str,
    },
    #[error("cannot write to stdout: {0}")]
    Stdout(io::Error),
    /// The reader of stdout went away. Not an error to speak of.
    #[error("stdout is closed")]
    StdoutClosed,
}

impl Error {
    /// 130 is what shells expect of a program that an interrupt ended.
    pub(crate) fn exit_status(&self) -> u8 {
        match self {
            Self::Interrupted { .. } => 130,
            _ => 2,
        }
    }

    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }

    pub(crate) fn encode<E: std::fmt::Display>(what: &'static str) -> impl FnOnce(E) -> Self {
        move |e| Self::Encode {
            what,
            reason: e.to_string(),
        }
    }
}
