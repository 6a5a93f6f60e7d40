//! [`Hub`]: a repository's checkpoint, in the cache.

use crate::cache::Repo;
use crate::client::Client;
use crate::download;
use crate::error::{Error, Result};
use crate::name::RepoName;
use crate::repository::{Listing, Remote};
use crate::select::{is_index, unread_index, wanted};
use crate::settings::Settings;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

/// Which part of a repository.
#[derive(Clone, Debug, Default)]
pub struct Part {
    /// The folder in it that the checkpoint is in.
    pub subfolder: Option<String>,
    /// The variant of the weights.
    pub variant: Option<String>,
}

/// How far a download is.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Event<'a> {
    /// The file.
    pub file: &'a str,
    /// Bytes of it that are there.
    pub done: u64,
    /// All of its bytes.
    pub total: u64,
}

/// A checkpoint in the cache.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Fetched {
    /// The snapshot's folder, without the subfolder.
    pub folder: PathBuf,
    /// Which commit it is of.
    pub commit: String,
    /// What to tell: that the network was down and the cache's copy is taken.
    pub notes: Vec<String>,
}

/// The Hub, or what speaks as it does.
pub struct Hub {
    client: Client,
}

impl Hub {
    /// As the environment says.
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub fn from_env() -> Result<Self> {
        Ok(Self::new(Settings::from_env()?))
    }

    /// With settings of one's own.
    pub fn new(settings: Settings) -> Self {
        Self {
            client: Client::new(settings),
        }
    }

    /// The checkpoint, downloaded as far as it is not in the cache. Offline, and where the network is down, what the cache has.
    ///
    /// # Errors
    /// What was wrong and what to do about it: every variant of [`Error`].
    pub fn fetch(&self, name: &RepoName, part: &Part, said: &dyn Fn(Event)) -> Result<Fetched> {
        let settings = &self.client.settings;
        let repo = Repo::new(&settings.cache, name);
        let cached = |notes| {
            let commit = repo.commit(name.revision())?;
            Some(Fetched {
                folder: repo.snapshot(&commit),
                commit,
                notes,
            })
        };
        if settings.offline {
            return cached(Vec::new()).ok_or_else(|| Error::Offline {
                repo: name.repo(),
                revision: name.revision().to_owned(),
                cache: settings.cache.clone(),
            });
        }
        match self.download(name, part, &repo, said) {
            Err(error @ Error::Network { .. }) => {
                let note = format!("{error}; what the cache has of {name} is taken");
                cached(vec![note]).ok_or(error)
            }
            other => other,
        }
    }

    fn download(&self, name: &RepoName, part: &Part, repo: &Repo, said: &dyn Fn(Event)) -> Result<Fetched> {
        let Listing { commit, files: names } = Remote::model(&self.client, name).listing()?;
        let mut files = BTreeMap::new();
        for file in names {
            let held = if is_index(&file) {
                unread_index(&file)
            } else {
                Vec::new()
            };
            files.insert(file, held);
        }
        let subfolder = part
            .subfolder
            .as_deref()
            .map(|within| within.trim_matches('/'))
            .filter(|within| !within.is_empty());
        let prefix = subfolder.map_or(String::new(), |within| format!("{within}/"));
        if !files.contains_key(&format!("{prefix}unet/config.json")) {
            return Err(Error::NoCheckpoint {
                repo: name.repo(),
                place: subfolder.map_or(String::new(), |within| format!(" in {within}/")),
                files: files.len(),
            });
        }
        let mut done = BTreeSet::new();
        loop {
            let names = wanted(&files, &prefix, part.variant.as_deref())?;
            let Some(next) = names.iter().find(|&name| !done.contains(name)) else {
                break;
            };
            // Indices first: they say what else is needed.
            let next = names
                .iter()
                .find(|name| is_index(name) && !done.contains(*name))
                .unwrap_or(next)
                .clone();
            self.file(name, &commit, &next, repo, said)?;
            if is_index(&next) {
                let path = repo.snapshot(&commit).join(&next);
                files.insert(next.clone(), fs::read(&path).map_err(Error::io("read", &path))?);
            }
            done.insert(next);
        }
        // Last: what a branch is said to be at is then whole.
        repo.set_ref(name.revision(), &commit)?;
        Ok(Fetched {
            folder: repo.snapshot(&commit),
            commit,
            notes: Vec::new(),
        })
    }

    /// One file, into the snapshot.
    fn file(&self, name: &RepoName, commit: &str, file: &str, repo: &Repo, said: &dyn Fn(Event)) -> Result<()> {
        if repo.snapshot(commit).join(file).exists() {
            return Ok(());
        }
        let (url, info) = Remote::model(&self.client, name).look(file, commit)?;
        let heard = |done| {
            said(Event {
                file,
                done,
                total: info.size,
            })
        };
        download::fetch(&self.client, repo, (&url, file), &info, &heard)?;
        repo.link(commit, file, &info.etag)
    }
}
