//! A folder of files, each a dataset of a layout that is known, all of the same dimensions: `episode_0.hdf5`,
//! `episode_1.hdf5`, and so on, in the order that people count in.

use std::fs;
use std::path::{Path, PathBuf};

use super::super::assemble::Plan;
use super::super::buffers::Buffers;
use super::super::map::natural;
use super::super::memory::Budget;
use super::super::tree::Tree;
use super::super::{Content, RawDataset, ReadError, ReadOptions, finish, open, plan};

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

/// Reads all of them. What is wrong is of the file that is named with it.
pub(in super::super) fn read(
    folder: &Path,
    files: &[PathBuf],
    options: &ReadOptions,
) -> Result<RawDataset, (PathBuf, ReadError)> {
    let budget = Budget::new(options.max_memory);
    // A file is open while it is looked at and while it is read, not in between: there may be more of them than may be open.
    let opened = |file: &PathBuf| -> Result<(Box<dyn Tree>, Plan), (PathBuf, ReadError)> {
        let both = || {
            let content = Content::File(file);
            let (mut tree, kind) = open(&content, file, budget)?;
            let plan = plan(&mut *tree, kind, Some(file), options)?;
            Ok((tree, plan))
        };
        both().map_err(|error| (file.clone(), error))
    };
    let mut plans: Vec<Plan> = Vec::with_capacity(files.len());
    for file in files {
        let (_, plan) = opened(file)?;
        if let (Some(first), Some(name)) = (plans.first(), files.first()) {
            check_dimensions(&plan, first, name).map_err(|error| (file.clone(), error))?;
        }
        plans.push(plan);
    }
    let of_folder = |error| (folder.to_owned(), error);
    let kept = plans.iter().map(Plan::kept).fold(0, u64::saturating_add);
    let transient = plans.iter().map(Plan::transient).max().unwrap_or(0);
    budget.check(kept.saturating_add(transient)).map_err(of_folder)?;
    let mut buffers = Buffers::of(plans.iter()).map_err(of_folder)?;
    let mut about = None;
    for file in files {
        let (mut tree, plan) = opened(file)?;
        let of_first = about.is_none();
        let own = of_first.then(|| super::super::About::of(&mut *tree, plan.map()));
        about = about.or(own);
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        plan.read(&mut *tree, Some(&name), &mut buffers)
            .map_err(|error| (file.clone(), error))?;
    }
    let Some(about) = about else {
        return Err(of_folder(ReadError::UnknownFormat {
            found: "it is a folder without dataset files".into(),
        }));
    };
    finish(folder, about, buffers, options).map_err(of_folder)
}

fn check_dimensions(plan: &Plan, first: &Plan, name: &Path) -> Result<(), ReadError> {
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
