//! What leaves the program: lines on stdout, one complaint on stderr, files that appear whole or not at all.

use crate::error::{Error, Result};
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

/// Makes the folder and checks that files can be made in it, so that an hour of work is not lost at its end.
pub(crate) fn prepare_folder(folder: &Path) -> Result<()> {
    diffplan_files::prepare_folder(folder)
        .map_err(|error| Error::io("create folder", folder)(io::Error::other(error.what().to_owned())))
}

/// Writes a file that appears whole or not at all.
pub(crate) fn write_atomically(path: &Path, content: &[u8]) -> Result<()> {
    diffplan_files::write_atomically(path, content).map_err(Error::io("write", path))
}
