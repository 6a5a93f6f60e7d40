//! [`Remote`]: what the Hub says of a repository, of a model or of datasets.

use crate::client::{Answer, Client, Failure, Follow, Part, protocol};
use crate::download::Info;
use crate::error::{Error, Result};
use crate::name::{RepoName, is_commit, is_safe};
use serde::Deserialize;
use std::io::Read;

/// A list of files is not longer, in bytes.
const LONGEST: u64 = 32 << 20;

/// A repository on the Hub.
pub(crate) struct Remote<'a> {
    client: &'a Client,
    name: &'a RepoName,
    /// What its interface calls it.
    kind: &'static str,
    /// What stands before its name in an address.
    prefix: &'static str,
}

/// The answer about a repository.
#[derive(Deserialize)]
struct Answered {
    sha: String,
    siblings: Vec<Sibling>,
}

#[derive(Deserialize)]
struct Sibling {
    rfilename: String,
}

/// What it holds, at a commit; names stay within a folder.
pub(crate) struct Listing {
    pub(crate) commit: String,
    pub(crate) files: Vec<String>,
}

impl<'a> Remote<'a> {
    /// A model's.
    pub(crate) fn model(client: &'a Client, name: &'a RepoName) -> Self {
        Self {
            client,
            name,
            kind: "models",
            prefix: "",
        }
    }

    /// Of datasets.
    pub(crate) fn datasets(client: &'a Client, name: &'a RepoName) -> Self {
        Self {
            client,
            name,
            kind: "datasets",
            prefix: "datasets/",
        }
    }

    /// The address and what the server says of a file.
    pub(crate) fn look(&self, file: &str, commit: &str) -> Result<(String, Info)> {
        let endpoint = &self.client.settings.endpoint;
        let repo = self.name.repo();
        let url = format!(
            "{endpoint}/{}{repo}/resolve/{commit}/{}",
            self.prefix,
            encoded_path(file)
        );
        let answer = self
            .client
            .insist(|_| self.client.try_once(true, &url, Part::default(), Follow::Within))?;
        self.check(&answer, Some((file, commit)))?;
        let info = Info::of(&answer, file)?;
        Ok((url, info))
    }

    /// What files there are.
    pub(crate) fn listing(&self) -> Result<Listing> {
        let (endpoint, revision) = (&self.client.settings.endpoint, encoded(self.name.revision()));
        let url = format!("{endpoint}/api/{}/{}/revision/{revision}", self.kind, self.name.repo());
        let what = "the list of files";
        let (answer, bytes) = self.client.insist(|_| {
            let mut answer = self.client.try_once(false, &url, Part::default(), Follow::All)?;
            let mut bytes = Vec::new();
            let read = answer
                .response
                .body_mut()
                .as_reader()
                .take(LONGEST + 1)
                .read_to_end(&mut bytes);
            match read {
                Ok(_) => Ok((answer, bytes)),
                Err(error) => Err(Failure::Passing {
                    host: answer.host,
                    reason: error.to_string(),
                    after: None,
                    reached: true,
                }),
            }
        })?;
        self.check(&answer, None)?;
        let wrong = |reason: String| protocol(&answer.host, what, reason);
        if bytes.len() as u64 > LONGEST {
            return Err(wrong(format!("it is longer than {LONGEST} bytes")));
        }
        let Answered { sha, siblings } = serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))?;
        if !is_commit(&sha) {
            return Err(wrong(format!("{sha:?} is no commit")));
        }
        let files: Vec<String> = siblings.into_iter().map(|sibling| sibling.rfilename).collect();
        match files.iter().find(|file| !is_safe(file)) {
            Some(file) => Err(wrong(format!(
                "it names a file {file:?}, which would lie outside of its folder"
            ))),
            None => Ok(Listing { commit: sha, files }),
        }
    }

    /// What a status that is not well means.
    fn check(&self, answer: &Answer, file: Option<(&str, &str)>) -> Result<()> {
        if answer.is_well() {
            return Ok(());
        }
        let repo = format!("{}{}", self.prefix, self.name.repo());
        let endpoint = self.client.settings.endpoint.clone();
        let with_token = self.client.settings.token.is_some();
        Err(
            match (answer.status, answer.header("x-error-code").unwrap_or_default(), file) {
                (401 | 403, "GatedRepo", _) | (403, _, _) => Error::Gated { repo, endpoint },
                (404, "RevisionNotFound", _) => Error::NoRevision {
                    repo,
                    revision: self.name.revision().to_owned(),
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

pub(crate) fn encoded_path(path: &str) -> String {
    path.split('/').map(encoded).collect::<Vec<_>>().join("/")
}
