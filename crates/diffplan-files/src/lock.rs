//! [`FolderLock`]: one process at a time.

use crate::atomic::{prepare_folder, sweep};
use crate::error::{FileError, Result};
use std::fs::{File, TryLockError};
use std::path::Path;

/// A lock on a folder, by the file `.lock` in it, held until this is dropped or the process ends, however it ends.
#[derive(Debug)]
pub struct FolderLock {
    _file: File,
}

impl FolderLock {
    /// Makes the folder if it is not there, takes the lock without waiting, and removes temporary files of processes that were
    /// killed.
    ///
    /// # Errors
    /// [`ErrorKind::Locked`](crate::ErrorKind::Locked) if another process holds it; what the system said if the folder or the file
    /// cannot be made.
    pub fn acquire(folder: &Path) -> Result<Self> {
        prepare_folder(folder)?;
        let path = folder.join(".lock");
        let file = File::create(&path).map_err(|source| FileError::io(&path, source))?;
        match file.try_lock() {
            Ok(()) => {
                sweep(folder);
                Ok(Self { _file: file })
            }
            Err(TryLockError::WouldBlock) => Err(FileError::locked(folder)),
            Err(TryLockError::Error(source)) => Err(FileError::io(path, source)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;
    use std::fs;

    #[test]
    fn a_second_holder_is_refused_until_the_first_has_gone() {
        let folder = tempfile::tempdir().unwrap();
        let lock = FolderLock::acquire(folder.path()).unwrap();
        assert_eq!(
            FolderLock::acquire(folder.path()).unwrap_err().kind(),
            ErrorKind::Locked
        );
        drop(lock);
        FolderLock::acquire(&folder.path().join("made")).unwrap();
        FolderLock::acquire(folder.path()).unwrap();
    }

    #[test]
    fn what_a_killed_process_left_is_swept_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        for name in [".diffplan-x1y2z3", "episodes.csv", ".other"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let _lock = FolderLock::acquire(folder.path()).unwrap();
        let mut names: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, [".lock", ".other", "episodes.csv"]);
    }
}
