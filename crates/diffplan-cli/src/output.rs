//! What leaves the program: lines on stdout, one complaint on stderr, files that appear whole or not at all.

use crate::error::{Error, Result};
use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::path::Path;

/// Writes `text` and a line end to stdout.
pub(crate) fn print(text: impl AsRef<str>) -> Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{}", text.as_ref())
        .and_then(|()| stdout.flush())
        .map_err(|e| match e.kind() {
            ErrorKind::BrokenPipe => Error::StdoutClosed,
            _ => Error::Stdout(e),
        })
}

/// Says what was wrong, on stderr. There is nowhere left to complain where that is closed too.
pub(crate) fn complain(error: &Error) {
    let _ = writeln!(io::stderr(), "error: {error}");
}

/// Says how far things are, on stderr; nobody needs to hear it.
pub(crate) fn remark(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// How temporary names begin.
const TEMPORARY: &str = ".diffplan-";

/// Makes the folder and checks that files can be made in it, so that an hour of work is not lost at its end.
pub(crate) fn prepare_folder(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).map_err(Error::io("create folder", folder))?;
    temporary_in(folder)
        .and_then(|file| file.close())
        .map_err(Error::io("write to folder", folder))
}

/// Makes the folder and keeps other runs out of it for as long as the file is open.
pub(crate) fn lock_folder(folder: &Path) -> Result<File> {
    prepare_folder(folder)?;
    let path = folder.join(".lock");
    let file = File::create(&path).map_err(Error::io("create", &path))?;
    match file.try_lock() {
        Ok(()) => {
            sweep(folder);
            Ok(file)
        }
        Err(TryLockError::WouldBlock) => Err(Error::Folder {
            path: folder.to_owned(),
            reason: "another run is writing here, expected none".into(),
        }),
        Err(TryLockError::Error(e)) => Err(Error::io("lock", &path)(e)),
    }
}

/// Removes what runs that were killed have left under temporary names. What cannot be removed does no harm.
fn sweep(folder: &Path) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let left = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(TEMPORARY));
    left.for_each(|entry| drop(fs::remove_file(entry.path())));
}

/// A path as a shell reads it.
pub(crate) fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_alphanumeric() || "/._-+=,:@".contains(c);
    match !text.is_empty() && text.chars().all(plain) {
        true => text,
        false => format!("'{}'", text.replace('\'', "'\\''")),
    }
}

/// Writes a file under a temporary name and renames it: whoever reads sees the old content or the new, never half of it.
pub(crate) fn write_atomically(path: &Path, content: &[u8]) -> Result<()> {
    let folder = folder_of(path);
    let write = || -> io::Result<()> {
        let mut file = temporary_in(folder)?;
        file.write_all(content)?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    };
    write().map_err(Error::io("write", path))
}

/// The folder that a file is in; the current one of a bare name.
pub(crate) fn folder_of(file: &Path) -> &Path {
    let parent = file.parent().filter(|parent| !parent.as_os_str().is_empty());
    parent.unwrap_or(Path::new("."))
}

fn temporary_in(folder: &Path) -> io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(TEMPORARY);
    // Temporary files are private by default; results are as readable as the umask says.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_can_be_pasted_into_a_shell() {
        for (path, shown) in [
            ("runs/a-1", "runs/a-1"),
            ("läufe/θ", "läufe/θ"),
            ("two words", "'two words'"),
            ("it's", "'it'\\''s'"),
            ("$HOME", "'$HOME'"),
            ("", "''"),
        ] {
            assert_eq!(quoted(Path::new(path)), shown);
        }
    }

    #[test]
    fn what_a_killed_run_left_is_swept_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        for name in [".diffplan-x1y2z3", "episodes.csv", ".other"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let _lock = lock_folder(folder.path()).unwrap();
        let mut names: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, [".lock", ".other", "episodes.csv"]);
    }
}
