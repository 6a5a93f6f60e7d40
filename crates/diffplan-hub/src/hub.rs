//! [`Hub`]: a repository's checkpoint, in the cache.

use crate::cache::Repo;
use crate::client::{Answer, Client, Follow, protocol};
use crate::download::{self, Info};
use crate::error::{Error, Result};
use crate::name::{RepoName, is_commit, is_safe};
use crate::select::{is_index, unread_index, wanted};
use crate::settings::Settings;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read;
use std::path::PathBuf;

/// A list of files is not longer, in bytes.
const LONGEST: u64 = 32 << 20;

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

/// The answer about a repository.
#[derive(Deserialize)]
struct Listing {
    sha: String,
    siblings: Vec<Sibling>,
}

#[derive(Deserialize)]
struct Sibling {
    rfilename: String,
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
        let Listing { sha: commit, siblings } = self.listing(name)?;
        let host = &self.client.settings.endpoint;
        let mut files = BTreeMap::new();
        for Sibling { rfilename } in siblings {
            if !is_safe(&rfilename) {
                let reason = format!("it names a file {rfilename:?}, which would lie outside of its folder");
                return Err(protocol(host, "the list of files", reason));
            }
            let held = if is_index(&rfilename) {
                unread_index(&rfilename)
            } else {
                Vec::new()
            };
            files.insert(rfilename, held);
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

    fn listing(&self, name: &RepoName) -> Result<Listing> {
        let (endpoint, revision) = (&self.client.settings.endpoint, encoded(name.revision()));
        let url = format!("{endpoint}/api/models/{}/revision/{revision}", name.repo());
        let what = "the list of files";
        let (answer, bytes) = self.client.insist(|_| {
            let mut answer = self.client.try_once(false, &url, 0, Follow::All)?;
            let mut bytes = Vec::new();
            let read = answer
                .response
                .body_mut()
                .as_reader()
                .take(LONGEST + 1)
                .read_to_end(&mut bytes);
            match read {
                Ok(_) => Ok((answer, bytes)),
                Err(error) => Err(crate::client::Failure::Passing {
                    host: answer.host,
                    reason: error.to_string(),
                    after: None,
                }),
            }
        })?;
        self.check(&answer, name, None)?;
        let wrong = |reason: String| protocol(&answer.host, what, reason);
        if bytes.len() as u64 > LONGEST {
            return Err(wrong(format!("it is longer than {LONGEST} bytes")));
        }
        let listing: Listing = serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))?;
        match is_commit(&listing.sha) {
            true => Ok(listing),
            false => Err(wrong(format!("{:?} is no commit", listing.sha))),
        }
    }

    /// One file, into the snapshot.
    fn file(&self, name: &RepoName, commit: &str, file: &str, repo: &Repo, said: &dyn Fn(Event)) -> Result<()> {
        if repo.snapshot(commit).join(file).exists() {
            return Ok(());
        }
        let endpoint = &self.client.settings.endpoint;
        let url = format!("{endpoint}/{}/resolve/{commit}/{}", name.repo(), encoded_path(file));
        let answer = self
            .client
            .insist(|_| self.client.try_once(true, &url, 0, Follow::Within))?;
        self.check(&answer, name, Some((file, commit)))?;
        let info = Info::of(&answer, file)?;
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

    /// What a status that is not well means.
    fn check(&self, answer: &Answer, name: &RepoName, file: Option<(&str, &str)>) -> Result<()> {
        if answer.is_well() {
            return Ok(());
        }
        let (repo, endpoint) = (name.repo(), self.client.settings.endpoint.clone());
        let with_token = self.client.settings.token.is_some();
        Err(
            match (answer.status, answer.header("x-error-code").unwrap_or_default(), file) {
                (401 | 403, "GatedRepo", _) | (403, _, _) => Error::Gated { repo, endpoint },
                (404, "RevisionNotFound", _) => Error::NoRevision {
                    repo,
                    revision: name.revision().to_owned(),
                    endpoint,
                },
                (404, "EntryNotFound", Some((file, commit))) | (404, "", Some((file, commit))) => Error::NoFile {
                    repo,
                    file: file.to_owned(),
                    commit: commit.to_owned(),
                },
                (401, code, _) if with_token && code != "RepoNotFound" => Error::Unauthorised { repo, endpoint },
                (401 | 404, _, _) => Error::NoRepository {
                    repo,
                    endpoint,
                    with_token,
                },
                (status, _, file) => Error::Status {
                    host: answer.host.clone(),
                    status,
                    what: file.map_or_else(|| "the list of files".to_owned(), |(file, _)| file.to_owned()),
                },
            },
        )
    }
}

/// As a part of an address.
fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut all, byte| {
        match byte {
            b'-' | b'_' | b'.' | b'~' => all.push(byte.into()),
            byte if byte.is_ascii_alphanumeric() => all.push(byte.into()),
            byte => all += &format!("%{byte:02X}"),
        }
        all
    })
}

fn encoded_path(path: &str) -> String {
    path.split('/').map(encoded).collect::<Vec<_>>().join("/")
}
