//! What ends the program before its time, mostly with exit status 2.

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
    #[error(transparent)]
    Eval(#[from] diffplan_eval::Error),
    #[error(transparent)]
    Picture(#[from] diffplan_pictures::Error),
    #[error(transparent)]
    Import(#[from] diffplan_import::Error),
    #[cfg(feature = "serve")]
    #[error(transparent)]
    Serve(#[from] diffplan_serve::Error),
    #[error(transparent)]
    File(#[from] diffplan_files::FileError),
    #[cfg(feature = "hub")]
    #[error(transparent)]
    Hub(#[from] diffplan_hub::Error),
    /// A name that stands for a dataset, which is not here.
    #[cfg(feature = "hub")]
    #[error("{name} is no file here, and was not downloaded to {}: diffplan data download {name}", path.display())]
    NotDownloaded { name: String, path: PathBuf },
    /// A dataset that is larger than memory.
    #[error("{error}; packed, it is trained on without being in memory: {command}; then --dataset {}", packed.display())]
    TooLarge {
        error: Box<diffplan_train::Error>,
        command: String,
        packed: PathBuf,
    },
    /// Of `--strict`, about datasets.
    #[error("{}: {findings} warning{}, which --strict does not let pass", file.display(), if *findings == 1 { "" } else { "s" })]
    OddDataset { file: PathBuf, findings: usize },
    /// The environment that was asked for is not the data's.
    #[error("--env {env}: {reason}")]
    OtherEnv { env: String, reason: String },
    /// An environment that is not there, or is somebody's own.
    #[error(
        "{error}; an environment of your own is registered with diffplan_cli::run, in a binary of ten lines: docs/adding-an-environment.md"
    )]
    UnknownEnv { error: Box<diffplan_envs::Error> },
    /// Neither a folder nor a repository.
    #[error("cannot read checkpoint {}: {missing}; and as a repository of the Hub: {reason}", path.display())]
    NoSuchCheckpoint {
        path: PathBuf,
        missing: io::Error,
        reason: String,
    },
    /// The user, or the system, asked for an end.
    #[error("interrupted {at}")]
    Interrupted { at: String },
    #[error("the network is a value function, expected a planner")]
    NotAPlanner,
    #[error("no environment: none given with --env, and {} names none", config.display())]
    NoEnv { config: PathBuf },
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
    /// Of `--strict`.
    #[error("{}: {warnings} warning{}", checkpoint.display(), if *warnings == 1 { "" } else { "s" })]
    Warned { checkpoint: PathBuf, warnings: usize },
    #[error("{}: {problems} {} in the way of training on it", file.display(), if *problems == 1 { "problem is" } else { "problems are" })]
    BrokenDataset { file: PathBuf, problems: usize },
    #[error("--{flag} means nothing to the policy {policy:?}, expected it with {expected}")]
    FlagOfAnother {
        flag: &'static str,
        policy: String,
        expected: &'static str,
    },
    /// Of `--check-guides`.
    #[error("the gradient of {guides} is not the slope of its value")]
    WrongGradients { guides: String },
    #[error("cannot write to stdout: {0}")]
    Stdout(io::Error),
    /// The reader of stdout went away. Not an error to speak of.
    #[error("stdout is closed")]
    StdoutClosed,
}

impl Error {
    /// 1 for warnings that were asked to count; 130 is what shells expect of a program that an interrupt ended.
    pub(crate) fn exit_status(&self) -> u8 {
        match self {
            Self::Interrupted { .. } => 130,
            Self::Warned { .. } | Self::OddDataset { .. } => 1,
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
