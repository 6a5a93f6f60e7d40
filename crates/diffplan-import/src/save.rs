//! Where a checkpoint may be written, so that nothing else is lost.

use crate::error::{Error, Result};
use diffplan_files::{FileError, write_folder_atomically};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// What may stand in a folder that is replaced: a checkpoint's own parts.
const OF_CHECKPOINTS: [&str; 8] = [
    "model_index.json",
    "normalizer.json",
    "planning_config.json",
    "scheduler",
    "unet",
    "value_function",
    "config.json",
    "README.md",
];

/// That a folder may be written: nothing is there, or an empty folder, or with `replace` an older checkpoint.
pub(crate) fn check(to: &Path, replace: bool) -> Result<()> {
    let refuse = |what: String| {
        Err(Error::Destination {
            path: to.to_owned(),
            what,
        })
    };
    let metadata = match fs::symlink_metadata(to) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(FileError::io(to, error).into()),
        Ok(metadata) => metadata,
    };
    if !metadata.is_dir() {
        return refuse("is there and no folder: name another".into());
    }
    let failed = |error| FileError::io(to, error);
    let mut names = Vec::new();
    for entry in fs::read_dir(to).map_err(failed)? {
        names.push(entry.map_err(failed)?.file_name().to_string_lossy().into_owned());
    }
    if names.is_empty() {
        return Ok(());
    }
    if !replace {
        return refuse("is there already: --force replaces it".into());
    }
    let own = |name: &String| OF_CHECKPOINTS.contains(&name.as_str()) || name.starts_with("diffusion_pytorch_model");
    match names.iter().find(|name| !own(name)) {
        Some(other) => refuse(format!(
            "holds {other}, which is no part of a checkpoint and would be lost: name another folder, or move it away"
        )),
        None => Ok(()),
    }
}

/// Writes the files of a folder, by their names in it.
pub(crate) fn write(files: &BTreeMap<String, Vec<u8>>, to: &Path, replace: bool) -> Result<()> {
    check(to, replace)?;
    write_folder_atomically(to, files)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(text: &str) -> BTreeMap<String, Vec<u8>> {
        BTreeMap::from([
            ("model_index.json".to_owned(), text.as_bytes().to_vec()),
            ("unet/config.json".to_owned(), b"{}".to_vec()),
        ])
    }

    #[test]
    fn a_folder_is_written_whole_and_replaced_when_asked_alone() {
        let place = tempfile::tempdir().unwrap();
        let to = place.path().join("deep/checkpoint");
        write(&files("1"), &to, false).unwrap();
        let error = write(&files("2"), &to, false).unwrap_err().to_string();
        assert!(error.contains("--force"), "{error}");
        assert_eq!(fs::read(to.join("model_index.json")).unwrap(), b"1");
        write(&files("2"), &to, true).unwrap();
        assert_eq!(fs::read(to.join("model_index.json")).unwrap(), b"2");
        assert_eq!(fs::read_dir(place.path().join("deep")).unwrap().count(), 1);
    }

    #[test]
    fn what_is_no_checkpoint_is_not_replaced() {
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join("thesis.tex"), b"").unwrap();
        let error = write(&files("1"), place.path(), true).unwrap_err().to_string();
        assert!(error.contains("thesis.tex"), "{error}");
        let file = place.path().join("thesis.tex");
        assert!(write(&files("1"), &file, true).is_err());
        let empty = tempfile::tempdir().unwrap();
        write(&files("1"), empty.path(), false).unwrap();
    }
}
