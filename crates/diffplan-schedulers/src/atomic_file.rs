//! Writing a file so that a reader, or a crash, sees the old content or the new, never a part.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Writes `content` under a temporary name in the folder of `path`, flushes it to the disk and renames it to `path`.
pub(crate) fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let temporary = temporary_sibling(path);
    let written = create_and_fill(&temporary, content).and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        // The first error is the one to report; a leftover under a temporary name does no harm.
        let _ = fs::remove_file(&temporary);
    }
    written
}

fn create_and_fill(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file: File = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

/// A hidden name beside `path` that no other call in this process or another running one uses.
fn temporary_sibling(path: &Path) -> PathBuf {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}.{count}.tmp", std::process::id()))
}
