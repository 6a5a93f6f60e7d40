//! What is recorded of a file beside it, as `sha256sum` writes it.

use crate::download::sha256;
use crate::error::{Error, Result};
use diffplan_files::write_atomically;
use std::fs;
use std::path::{Path, PathBuf};

/// A file that is there.
#[derive(Clone, Debug)]
pub struct Stored {
    /// Where.
    pub path: PathBuf,
    /// Its bytes.
    pub bytes: u64,
    /// Its checksum.
    pub sha256: String,
}

/// Records what a file is.
pub(super) fn record(data: &Path) -> Result<Stored> {
    let actual = sha256(data)?;
    write_checksum(data, &actual)?;
    stored(data, actual)
}

pub(super) fn stored(data: &Path, sha256: String) -> Result<Stored> {
    let bytes = fs::metadata(data).map_err(Error::io("read", data))?.len();
    Ok(Stored {
        path: data.to_owned(),
        bytes,
        sha256,
    })
}

fn beside(data: &Path) -> PathBuf {
    let name = data.file_name().unwrap_or_default().to_string_lossy();
    data.with_file_name(format!("{name}.sha256"))
}

/// What `sha256sum` wrote of it, or this.
pub(super) fn recorded(data: &Path) -> Option<String> {
    let text = fs::read_to_string(beside(data)).ok()?;
    let sum = text.split_whitespace().next()?.to_ascii_lowercase();
    (sum.len() == 64 && sum.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(sum)
}

pub(super) fn write_checksum(data: &Path, sha256: &str) -> Result<()> {
    let name = data.file_name().unwrap_or_default().to_string_lossy();
    let path = beside(data);
    write_atomically(&path, format!("{sha256}  {name}\n").as_bytes()).map_err(Error::io("write", &path))
}
