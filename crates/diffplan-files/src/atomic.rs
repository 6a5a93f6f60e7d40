//! Files that appear whole or not at all.

use crate::error::{FileError, Result};
use std::fs;
use std::io::{self, Write};
use std::path::Path;

/// How temporary names begin.
const TEMPORARY: &str = ".diffplan-";

/// Writes `bytes` under a temporary name in the folder of `path`, syncs, and renames: whoever reads finds the old file or the
/// new one, never a part. Permissions are those of any new file.
///
/// # Errors
/// What the system said; an old file is then as it was.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = temporary_in(folder_of(path))?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

/// As [`write_atomically`], for what is too large to be in memory: `write` is given the empty file. `failed` makes the system's errors the
/// caller's.
///
/// # Errors
/// Those of `write`, and what the system said; an old file is then as it was, and nothing is left of the new one.
pub fn write_atomically_with<T, E>(
    path: &Path,
    failed: impl Fn(io::Error) -> E,
    write: impl FnOnce(&fs::File) -> std::result::Result<T, E>,
) -> std::result::Result<T, E> {
    let file = temporary_in(folder_of(path)).map_err(&failed)?;
    let written = write(file.as_file())?;
    file.as_file().sync_all().map_err(&failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(written)
}

/// The folder that a file is in; the current one of a bare name.
pub fn folder_of(file: &Path) -> &Path {
    let parent = file.parent().filter(|parent| !parent.as_os_str().is_empty());
    parent.unwrap_or(Path::new("."))
}

/// Makes the folder and checks that files can be made in it, so that an hour of work is not lost at its end.
///
/// # Errors
/// What the system said.
pub fn prepare_folder(folder: &Path) -> Result<()> {
    let failed = |error| FileError::io(folder, error);
    fs::create_dir_all(folder).map_err(failed)?;
    temporary_in(folder).and_then(|file| file.close()).map_err(failed)
}

/// Removes what processes that were killed have left under temporary names. What cannot be removed does no harm.
pub(crate) fn sweep(folder: &Path) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let left = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(TEMPORARY));
    left.for_each(|entry| drop(fs::remove_file(entry.path())));
}

fn temporary_in(folder: &Path) -> io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(TEMPORARY);
    // Temporary files are private by default; these are to be read by whom the umask lets.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_replaced_and_nothing_else_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        write_atomically(&path, b"old").unwrap();
        write_atomically(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(write_atomically(&folder.path().join("no/such/folder"), b"").is_err());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let ordinary = folder.path().join("ordinary");
            fs::write(&ordinary, b"").unwrap();
            let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
            assert_eq!(mode(&path), mode(&ordinary));
        }
    }

    #[test]
    fn folders_are_made_and_a_file_in_the_way_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("a/b");
        prepare_folder(&deep).unwrap();
        assert_eq!(fs::read_dir(&deep).unwrap().count(), 0);
        fs::write(folder.path().join("file"), b"").unwrap();
        assert!(prepare_folder(&folder.path().join("file")).is_err());
    }
}
