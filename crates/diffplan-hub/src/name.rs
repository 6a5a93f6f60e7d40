//! [`RepoName`]: `owner/name[@revision]`.

use crate::error::{Error, Result};
use std::fmt;
use std::path::Path;
use std::str::FromStr;

/// A repository, and which state of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepoName {
    owner: String,
    name: String,
    revision: String,
}

impl RepoName {
    /// `owner/name`.
    pub fn repo(&self) -> String {
        format!("{}/{}", self.owner, self.name)
    }

    /// A branch, a tag or a commit; `main` where none was given.
    pub fn revision(&self) -> &str {
        &self.revision
    }

    /// Its folder in a cache.
    pub(crate) fn folder(&self) -> String {
        format!("models--{}--{}", self.owner, self.name)
    }

    /// The name of what a path in a cache holds (`…/models--OWNER--NAME/snapshots/COMMIT/…`): so what is recorded by its path can be
    /// downloaded again. With it comes what follows the commit.
    pub fn of_cached(path: &Path) -> Option<(Self, String)> {
        let parts: Vec<&str> = path.iter().filter_map(|part| part.to_str()).collect();
        let at = parts
            .windows(2)
            .position(|pair| pair[0].starts_with("models--") && pair[1] == "snapshots")?;
        let (owner, name) = parts[at].strip_prefix("models--")?.split_once("--")?;
        let named = format!("{owner}/{name}@{}", parts.get(at + 2)?).parse().ok()?;
        Some((named, parts[at + 3..].join("/")))
    }
}

impl FromStr for RepoName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let refuse = |reason| Error::Name {
            name: text.to_owned(),
            reason,
        };
        let (repo, revision) = text.split_once('@').unwrap_or((text, "main"));
        let (owner, name) = repo.split_once('/').ok_or_else(|| refuse("it has no /"))?;
        for part in [owner, name] {
            let known = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            if part.is_empty() || part.len() > 96 || !part.chars().all(known) {
                return Err(refuse("owner and name are of letters, digits, -, _ and ., 96 at most"));
            }
            if part.starts_with(['-', '.']) || part.ends_with(['-', '.']) || part.contains("--") || part.contains("..")
            {
                return Err(refuse("- and . stand neither first nor last nor twice"));
            }
        }
        if !is_safe(revision) {
            return Err(refuse("this can be no revision"));
        }
        Ok(Self {
            owner: owner.into(),
            name: name.into(),
            revision: revision.into(),
        })
    }
}

impl fmt::Display for RepoName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.repo(), self.revision)
    }
}

/// Whether a name with `/` between its parts stays within the folder that it is put in, on any system.
pub(crate) fn is_safe(name: &str) -> bool {
    let part = |part: &str| !part.is_empty() && part != "." && part != ".." && !part.ends_with(['.', ' ']);
    let odd = |c: char| c.is_control() || "\\:?*\"<>|#%".contains(c);
    name.len() <= 512 && name.split('/').all(part) && !name.contains(odd)
}

/// Whether it is a commit in full.
pub(crate) fn is_commit(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_and_without_a_revision() {
        let name: RepoName = "me/hopper.v2@refs/pr/1".parse().unwrap();
        assert_eq!((name.repo().as_str(), name.revision()), ("me/hopper.v2", "refs/pr/1"));
        assert_eq!("a/b".parse::<RepoName>().unwrap().to_string(), "a/b@main");
        for wrong in [
            "a",
            "/b",
            "a/",
            "a/b/c",
            "../b",
            "./x",
            "~/x",
            "a/b@",
            "a/b@..",
            "a/b@../../x",
            "a/b@x%2e",
            "a b/c",
            "a/b--c",
        ] {
            assert!(wrong.parse::<RepoName>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_path_in_a_cache_says_what_it_is() {
        let commit = "0".repeat(40);
        let path = format!("/c/hub/models--a--b/snapshots/{commit}/sub/x");
        let (name, within) = RepoName::of_cached(path.as_ref()).unwrap();
        assert_eq!((name.to_string(), within.as_str()), (format!("a/b@{commit}"), "sub/x"));
        assert!(RepoName::of_cached("/c/models--a--b/snapshots".as_ref()).is_none());
    }

    #[test]
    fn names_that_leave_their_folder_are_unsafe() {
        for wrong in [
            "", "..", "a/../b", "/a", "a//b", "a/", "c:\\x", "a\\..\\b", "a\0", "a/. /b", "a?b",
        ] {
            assert!(!is_safe(wrong), "{wrong:?}");
        }
        assert!(is_safe("unet/diffusion_pytorch_model.fp16.safetensors"));
    }
}
