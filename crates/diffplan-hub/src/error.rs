//! [`Error`]: what was wrong, and what to do.

use diffplan_files::FileError;
use std::io;
use std::path::{Path, PathBuf};

/// A result with the error of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Trouble with a repository of the Hub. No message holds a token or the query of an address.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No name of a repository.
    #[error("{name:?} is no repository's name: {reason}, expected OWNER/NAME or OWNER/NAME@REVISION")]
    Name {
        /// What was given.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// 404, or 401 where there is no such repository.
    #[error("there is no repository {repo} on {endpoint}, or it is private{}: check the name; of a private one set HF_TOKEN to a token that may read it", if *with_token { " and the token may not read it" } else { "" })]
    NoRepository {
        /// The repository.
        repo: String,
        /// Where it was looked for.
        endpoint: String,
        /// Whether a token was sent.
        with_token: bool,
    },
    /// 401 although a token was sent.
    #[error(
        "{endpoint} refused the token for {repo}: make a new one at {endpoint}/settings/tokens, and set HF_TOKEN to it or run `hf auth login`"
    )]
    Unauthorised {
        /// The repository.
        repo: String,
        /// Who refused.
        endpoint: String,
    },
    /// 403, or 401 of a gated repository.
    #[error(
        "access to {repo} has to be granted: ask for it at {endpoint}/{repo}, and set HF_TOKEN to a token of that account"
    )]
    Gated {
        /// The repository.
        repo: String,
        /// Where to ask.
        endpoint: String,
    },
    /// No such branch, tag or commit.
    #[error("{repo} has no revision {revision:?}: expected a branch, a tag or a commit of {endpoint}/{repo}")]
    NoRevision {
        /// The repository.
        repo: String,
        /// What was asked for.
        revision: String,
        /// Where.
        endpoint: String,
    },
    /// No such file.
    #[error("{repo} has no file {file} at commit {commit}")]
    NoFile {
        /// The repository.
        repo: String,
        /// The file.
        file: String,
        /// Of which commit.
        commit: String,
    },
    /// The repository holds no checkpoint where it was looked for.
    #[error("{repo} holds no checkpoint{place}: there is no unet/config.json among its {files} files")]
    NoCheckpoint {
        /// The repository.
        repo: String,
        /// ` in SUBFOLDER/`, or nothing.
        place: String,
        /// How many files it has.
        files: usize,
    },
    /// The host cannot be reached, again and again.
    #[error(
        "{host} cannot be reached: {reason}; check the network and HF_ENDPOINT, or use what the cache has (--offline or HF_HUB_OFFLINE=1)"
    )]
    Network {
        /// The host.
        host: String,
        /// What was said last.
        reason: String,
    },
    /// Any other status.
    #[error("{host} answered {status} for {what}")]
    Status {
        /// The host.
        host: String,
        /// The HTTP status.
        status: u16,
        /// What was asked for.
        what: String,
    },
    /// An answer that is not as the protocol has it.
    #[error("{what} of {host} cannot be used: {reason}")]
    Protocol {
        /// The host.
        host: String,
        /// Which answer.
        what: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Bytes that are not those of the repository, twice.
    #[error(
        "{file} arrived damaged: its checksum is {actual}, expected {expected}; try again, or look into the proxy that is between"
    )]
    Checksum {
        /// The file.
        file: String,
        /// Of the repository.
        expected: String,
        /// Of what arrived.
        actual: String,
    },
    /// Offline, and not in the cache.
    #[error("offline (--offline or HF_HUB_OFFLINE), and {repo}@{revision} is not in the cache {}: download it once without", cache.display())]
    Offline {
        /// The repository.
        repo: String,
        /// The revision.
        revision: String,
        /// The cache.
        cache: PathBuf,
    },
    /// No name of a dataset.
    #[error(
        "{name:?} is no dataset that is known{}: `diffplan data download --list` lists them",
        near_text(near)
    )]
    UnknownDataset {
        /// What was given.
        name: String,
        /// Names that may have been meant.
        near: Vec<String>,
    },
    /// No mirror has it, or can be reached.
    #[error("{name} could not be downloaded: {tried}{}. By hand: {by_hand}", near_text(near))]
    NoMirror {
        /// The dataset.
        name: String,
        /// Every mirror, and why it failed.
        tried: String,
        /// Of a name that is not listed: names that may have been meant.
        near: Vec<String>,
        /// What to do without a network here.
        by_hand: String,
    },
    /// Offline, and not there.
    #[error("offline (HF_HUB_OFFLINE), and {name} is not there. By hand: {by_hand}")]
    OfflineDataset {
        /// The dataset.
        name: String,
        /// What to do without a network here.
        by_hand: String,
    },
    /// A file that is there is not the one that was downloaded, or that is asked for.
    #[error(
        "{} is there, and is another file than expected: its SHA-256 is {actual}, expected {expected}; --force downloads it again",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was recorded, or asked for.
        expected: String,
        /// Of the file.
        actual: String,
    },
    /// What came is no dataset.
    #[error("{what} is no dataset: {reason}")]
    NotADataset {
        /// The address, or the file.
        what: String,
        /// What it is.
        reason: String,
    },
    /// An address that is none.
    #[error("{text:?} is no mirror: {reason}; expected https://HOST/PATH or hf://OWNER")]
    Mirror {
        /// What was given.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A setting in the environment that cannot be used.
    #[error("{name}: {reason}")]
    Setting {
        /// The variable.
        name: &'static str,
        /// What is wrong; never its value where it is secret.
        reason: String,
    },
    /// The cache cannot be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A downloaded index of shards that cannot be read.
    #[error(transparent)]
    Model(#[from] diffplan_models::Error),
    /// A file of the cache.
    #[error(transparent)]
    File(#[from] FileError),
}

fn near_text(near: &[String]) -> String {
    match near {
        [] => String::new(),
        near => format!("; near it are {}", near.join(", ")),
    }
}

/// Whether a server has no such file.
pub(crate) fn is_gone(error: &Error) -> bool {
    matches!(error, Error::Status { status: 404 | 410, .. })
}

impl Error {
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }
}
