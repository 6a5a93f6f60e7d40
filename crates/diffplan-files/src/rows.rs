//! Tables on disk that grow a row at a time and survive a kill at any moment: what is read back are the whole lines.

use crate::atomic::write_atomically;
use crate::error::{FileError, Result};
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

/// A file of lines that is open for more.
#[derive(Debug)]
pub struct Rows {
    path: PathBuf,
    file: File,
}

impl Rows {
    /// The file with these lines, which appear all at once, in place of what it held.
    ///
    /// # Errors
    /// What the system said.
    pub fn begin(path: &Path, lines: impl IntoIterator<Item = impl AsRef<str>>) -> Result<Self> {
        let mut text = String::new();
        for line in lines {
            text += line.as_ref();
            text.push('\n');
        }
        write_atomically(path, text.as_bytes()).map_err(|e| FileError::io(path, e))?;
        // The name as well, where a folder can be synchronised: rows that are added to it must not be lost with it.
        if let Some(folder) = path.parent().and_then(|folder| File::open(folder).ok()) {
            let _ = folder.sync_all();
        }
        let file = OpenOptions::new()
            .append(true)
            .open(path)
            .map_err(|e| FileError::io(path, e))?;
        Ok(Self {
            path: path.to_owned(),
            file,
        })
    }

    /// Adds a line. A kill after this returns does not lose it; a power cut may, before [`Rows::sync`].
    ///
    /// # Errors
    /// What the system said.
    pub fn add(&mut self, line: &str) -> Result<()> {
        self.file
            .write_all(format!("{line}\n").as_bytes())
            .map_err(|e| FileError::io(&self.path, e))
    }

    /// Returns when all lines are on disk.
    ///
    /// # Errors
    /// What the system said.
    pub fn sync(&self) -> Result<()> {
        self.file.sync_data().map_err(|e| FileError::io(&self.path, e))
    }
}

/// The lines of a file but for a last one that was cut short; none where there is no file.
///
/// # Errors
/// What the system said.
pub fn read_rows(path: &Path) -> Result<Vec<String>> {
    let text = match fs::read(path) {
        Ok(text) => String::from_utf8_lossy(&text).into_owned(),
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(FileError::io(path, e)),
    };
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    Ok(whole.lines().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_lines_come_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.csv");
        assert_eq!(read_rows(&path).unwrap(), [""; 0]);
        let mut rows = Rows::begin(&path, ["a,b", "1,2"]).unwrap();
        rows.add("3,4").unwrap();
        rows.sync().unwrap();
        assert_eq!(read_rows(&path).unwrap(), ["a,b", "1,2", "3,4"]);
        fs::write(&path, "a,b\n1,2\n3,").unwrap();
        assert_eq!(read_rows(&path).unwrap(), ["a,b", "1,2"]);
        fs::write(&path, "a,").unwrap();
        assert_eq!(read_rows(&path).unwrap(), [""; 0]);
    }
}
