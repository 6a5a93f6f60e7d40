//! [`RunFolder`]: where a run's files are, and who may write there.

use super::keys::Kind;
use crate::checkpoints::{Checkpoints, Saved};
use crate::error::{Error, Result};
use diffplan_files::FolderLock;
use std::fs;
use std::path::{Path, PathBuf};

/// The output folder of a run.
#[derive(Debug, Clone)]
pub struct RunFolder(PathBuf);

impl RunFolder {
    /// A folder, which need not be there.
    pub fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The file of settings.
    pub fn settings(&self) -> PathBuf {
        self.0.join("training.toml")
    }

    /// How the loss went, a row a `log_every` steps.
    pub fn record(&self, kind: Kind) -> PathBuf {
        self.0.join(format!("{}.csv", kind.name()))
    }

    /// The same for TensorBoard.
    pub fn board(&self, kind: Kind) -> PathBuf {
        self.0.join("tensorboard").join(kind.name())
    }

    /// Pictures.
    pub fn samples(&self) -> PathBuf {
        self.0.join("samples")
    }

    fn states_folder(&self, kind: Kind) -> PathBuf {
        self.0.join("checkpoints").join(kind.name())
    }

    pub(super) fn states(&self, kind: Kind, keep: usize) -> Result<Checkpoints> {
        Checkpoints::new(self.states_folder(kind), keep)
    }

    /// Makes the folder and keeps other runs out of it for as long as the file is open.
    ///
    /// # Errors
    /// If it cannot be made, or another run is writing there.
    pub fn lock(&self) -> Result<FolderLock> {
        Ok(FolderLock::acquire(&self.0)?)
    }

    pub(super) fn refuse(&self, reason: String) -> Error {
        Error::folder(&self.0, reason)
    }

    /// The newest state, without making a folder.
    pub(super) fn latest(&self, kind: Kind, keep: usize) -> Result<Option<Saved>> {
        match exists(&self.states_folder(kind))? {
            true => Ok(self.states(kind, keep)?.latest()?),
            false => Ok(None),
        }
    }

    /// Whether its checkpoint has the network.
    pub(super) fn holds(&self, kind: Kind) -> Result<bool> {
        exists(&self.0.join(kind.part()))
    }

    /// Deletes all there is of a network.
    pub(super) fn delete(&self, kind: Kind) -> Result<()> {
        let mut paths = vec![
            self.states_folder(kind),
            self.record(kind),
            self.board(kind),
            self.0.join(kind.part()),
        ];
        let samples = self.samples();
        if exists(&samples)? {
            let entries = fs::read_dir(&samples).map_err(Error::io("read", &samples))?;
            let of_kind = |path: &PathBuf| {
                let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
                name.is_some_and(|name| name.starts_with(&format!("{}-", kind.name())))
            };
            paths.extend(entries.filter_map(|entry| Some(entry.ok()?.path())).filter(of_kind));
        }
        for path in &paths {
            if !exists(path)? {
                continue;
            }
            let deleted = match path.is_dir() {
                true => fs::remove_dir_all(path),
                false => fs::remove_file(path),
            };
            deleted.map_err(Error::io("delete", path))?;
        }
        Ok(())
    }
}

/// Whether there is something of this name; one that cannot be looked at is an error, not an absence.
pub(super) fn exists(path: &Path) -> Result<bool> {
    path.try_exists().map_err(Error::io("look at", path))
}
