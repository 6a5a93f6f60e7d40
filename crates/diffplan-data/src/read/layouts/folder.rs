//! A folder of files, each a dataset of a layout that is known, all of the same dimensions: `episode_0.hdf5`,
//! `episode_1.hdf5`, and so on, in the order that people count in.

use std::fs;
use std::path::{Path, PathBuf};

use super::super::ReadError;
use super::super::assemble::Plan;
use super::super::map::natural;

const ENDINGS: [&str; 4] = ["hdf5", "h5", "hdf", "npz"];
/// Files at most.
const FILES: usize = 100_000;

/// The dataset files in a folder, in the order of their names.
pub(in super::super) fn files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
        if ending.is_some_and(|ending| ENDINGS.contains(&ending.as_str())) && path.is_file() {
            files.push(path);
        }
        if files.len() == FILES {
            break;
        }
    }
    let name = |path: &PathBuf| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    files.sort_by(|a, b| natural(&name(a), &name(b)));
    Ok(files)
}

/// # Errors
/// If a file has other dimensions than the first.
pub(in super::super) fn check_dimensions(plan: &Plan, first: &Plan, name: &Path) -> Result<(), ReadError> {
    let name = name.file_name().unwrap_or_default().to_string_lossy();
    let ((o, a), (first_o, first_a)) = (plan.dimensions(), first.dimensions());
    for (key, own, other) in [("observations", o, first_o), ("actions", a, first_a)] {
        if own != other {
            return Err(ReadError::Shape {
                key: key.into(),
                expected: format!("{other} columns, as in {name}"),
                actual: vec![plan.steps(), own],
            });
        }
    }
    Ok(())
}
