//! [`FileError`]: which file, what was wrong, what to do.

use crate::wrong::WrongContent;
use std::io;
use std::path::{Path, PathBuf};

/// A result with the error of this crate.
pub type Result<T> = std::result::Result<T, FileError>;

/// What kind of trouble a file gave, for programs that go on differently with each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// There is no such file.
    NotFound,
    /// The system refused or failed: permissions, a full disk, a broken medium.
    Io,
    /// The file is of the kind expected, but not as that kind has to be.
    Malformed,
    /// The file is something else altogether: a Git LFS pointer, a web page, a pickle.
    WrongContent,
    /// Another process holds the folder.
    Locked,
}

/// Trouble with one file.
#[derive(Debug, thiserror::Error)]
#[error("{}: {what}", path.display())]
pub struct FileError {
    path: PathBuf,
    kind: ErrorKind,
    what: String,
    source: Option<io::Error>,
}

impl FileError {
    fn new(path: impl Into<PathBuf>, kind: ErrorKind, what: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            kind,
            what: what.into(),
            source: None,
        }
    }

    /// What the system said of a file; [`ErrorKind::NotFound`] if it said that.
    pub fn io(path: impl Into<PathBuf>, source: io::Error) -> Self {
        let kind = match source.kind() {
            io::ErrorKind::NotFound => ErrorKind::NotFound,
            _ => ErrorKind::Io,
        };
        Self {
            source: Some(io::Error::from(source.kind())),
            ..Self::new(path, kind, source.to_string())
        }
    }

    /// A file that is not there, with what it would have been good for or what to do.
    pub fn not_found(path: impl Into<PathBuf>, what: impl Into<String>) -> Self {
        Self::new(path, ErrorKind::NotFound, what)
    }

    /// A file of the right kind that is not as it has to be.
    pub fn malformed(path: impl Into<PathBuf>, what: impl Into<String>) -> Self {
        Self::new(path, ErrorKind::Malformed, what)
    }

    /// A file that is something else altogether.
    pub fn wrong_content(path: impl Into<PathBuf>, found: WrongContent, expected: &str) -> Self {
        let what = format!("{found}, expected {expected}: {}", found.remedy());
        Self::new(path, ErrorKind::WrongContent, what)
    }

    /// A folder that another process holds.
    pub(crate) fn locked(path: impl Into<PathBuf>) -> Self {
        let what = "another process is writing to this folder: wait until it has ended, or name another folder";
        Self::new(path, ErrorKind::Locked, what)
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What kind of trouble.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What was wrong, without the file's name.
    pub fn what(&self) -> &str {
        &self.what
    }

    /// What the system said, if it was asked.
    pub fn io_kind(&self) -> Option<io::ErrorKind> {
        self.source.as_ref().map(io::Error::kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_which_file_and_keeps_the_kind() {
        let error = FileError::io("a/b.json", io::Error::from(io::ErrorKind::NotFound));
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert_eq!(error.io_kind(), Some(io::ErrorKind::NotFound));
        assert!(error.to_string().starts_with("a/b.json: "), "{error}");
        let error = FileError::io("x", io::Error::from(io::ErrorKind::PermissionDenied));
        assert_eq!(error.kind(), ErrorKind::Io);
        let error = FileError::wrong_content("w.bin", WrongContent::GitLfsPointer, "tensors");
        assert_eq!(error.kind(), ErrorKind::WrongContent);
        assert!(error.to_string().contains("git lfs pull"), "{error}");
    }
}
