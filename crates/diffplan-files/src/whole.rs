//! Folders that appear whole or not at all.

use crate::atomic::{folder_of, write_atomically};
use crate::error::{FileError, Result};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Removes the temporary folder if it is not renamed.
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        // What cannot be removed does no harm.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Writes the files of a folder, by their names in it, under a temporary name beside its place, and renames that: what was in its place is
/// gone when the new one is there, and stays otherwise.
///
/// # Errors
/// What the system said.
pub fn write_folder_atomically(to: &Path, files: &BTreeMap<String, Vec<u8>>) -> Result<()> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |error| FileError::io(path, error)
    };
    let parent = folder_of(to);
    fs::create_dir_all(parent).map_err(failed(parent))?;
    let name = to.file_name().unwrap_or_default().to_string_lossy();
    let beside = |what: &str| parent.join(format!(".diffplan-{what}-{}-{name}", std::process::id()));
    let temporary = Temporary(beside("new"));
    fs::create_dir(&temporary.0).map_err(failed(&temporary.0))?;
    for (name, bytes) in files {
        let path = temporary.0.join(name);
        let folder = folder_of(&path);
        fs::create_dir_all(folder).map_err(failed(folder))?;
        write_atomically(&path, bytes).map_err(failed(&path))?;
    }
    if to.exists() {
        let old = Temporary(beside("old"));
        fs::rename(to, &old.0).map_err(failed(to))?;
        if let Err(error) = fs::rename(&temporary.0, to) {
            fs::rename(&old.0, to).map_err(failed(to))?;
            return Err(FileError::io(to, error));
        }
        return Ok(());
    }
    fs::rename(&temporary.0, to).map_err(failed(to))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_replaced_whole_and_nothing_else_is_left() {
        let place = tempfile::tempdir().unwrap();
        let to = place.path().join("deep/folder");
        let files = |text: &str| BTreeMap::from([("a/b".to_owned(), text.into()), ("c".to_owned(), text.into())]);
        write_folder_atomically(&to, &files("1")).unwrap();
        fs::write(to.join("old"), b"").unwrap();
        write_folder_atomically(&to, &files("2")).unwrap();
        assert_eq!(fs::read(to.join("a/b")).unwrap(), b"2");
        assert!(!to.join("old").exists());
        assert_eq!(fs::read_dir(place.path().join("deep")).unwrap().count(), 1);
    }
}
