//! The cache, as huggingface_hub lays it out:
//!
//! ```text
//! models--OWNER--NAME/refs/REVISION                  the commit that a branch or tag was last seen at
//! models--OWNER--NAME/blobs/ETAG                     the files, by their checksums; ETAG.incomplete while they come
//! models--OWNER--NAME/snapshots/COMMIT/PATH          links to them (copies where a system has no links)
//! .locks/models--OWNER--NAME/ETAG.lock               held while a blob is written, by huggingface_hub too
//! ```

use crate::error::{Error, Result};
use crate::name::{RepoName, is_commit, is_safe};
use diffplan_files::write_atomically;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// A repository in a cache.
pub(crate) struct Repo {
    root: PathBuf,
    locks: PathBuf,
}

impl Repo {
    pub(crate) fn new(cache: &Path, name: &RepoName) -> Self {
        Self {
            root: cache.join(name.folder()),
            locks: cache.join(".locks").join(name.folder()),
        }
    }

    /// The commit of a revision, if its snapshot is here.
    pub(crate) fn commit(&self, revision: &str) -> Option<String> {
        let commit = match is_commit(revision) {
            true => revision.to_owned(),
            false => fs::read_to_string(self.root.join("refs").join(revision))
                .ok()?
                .trim()
                .to_owned(),
        };
        (is_commit(&commit) && self.snapshot(&commit).is_dir()).then_some(commit)
    }

    pub(crate) fn snapshot(&self, commit: &str) -> PathBuf {
        self.root.join("snapshots").join(commit)
    }

    pub(crate) fn blob(&self, etag: &str) -> PathBuf {
        self.root.join("blobs").join(etag)
    }

    /// Remembers where a branch or tag is.
    pub(crate) fn set_ref(&self, revision: &str, commit: &str) -> Result<()> {
        if revision == commit {
            return Ok(());
        }
        let path = self.root.join("refs").join(revision);
        make_folder_of(&path)?;
        write_atomically(&path, commit.as_bytes()).map_err(Error::io("write", &path))
    }

    /// Waits until no other process writes this blob. The lock goes with what is returned.
    pub(crate) fn lock(&self, etag: &str) -> Result<File> {
        let path = self.locks.join(format!("{etag}.lock"));
        make_folder_of(&path)?;
        let open = File::options().create(true).write(true).truncate(false).open(&path);
        let file = open.map_err(Error::io("open", &path))?;
        file.lock().map_err(Error::io("lock", &path))?;
        Ok(file)
    }

    /// Puts a blob into a snapshot by its name.
    pub(crate) fn link(&self, commit: &str, name: &str, etag: &str) -> Result<()> {
        debug_assert!(is_safe(name) && is_safe(etag));
        let path = self.snapshot(commit).join(name);
        make_folder_of(&path)?;
        let up = "../".repeat(2 + name.matches('/').count());
        // Of this thread's alone: another may be making the same link.
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let temporary = path.with_file_name(format!(".{}.{number}.{etag}", std::process::id()));
        let _ = fs::remove_file(&temporary);
        #[cfg(unix)]
        let made = std::os::unix::fs::symlink(format!("{up}blobs/{etag}"), &temporary);
        #[cfg(not(unix))]
        let made = {
            let _ = up;
            fs::copy(self.blob(etag), &temporary).map(drop)
        };
        made.and_then(|()| fs::rename(&temporary, &path))
            .map_err(Error::io("make", &path))
    }
}

pub(crate) fn make_folder_of(path: &Path) -> Result<()> {
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder).map_err(Error::io("make", folder))
}
