//! Reference cases: folders of `case.json`, `tensors.safetensors` and, where a model is part of the case, folders in the
//! diffusers layout. `kind` in `case.json` says how a case is checked; testdata/golden/README.md has the table.

mod case;
mod compare;
mod env;
mod jannerm;
mod pipeline;
mod scheduler;
mod sensitivity;
mod torch_file;
mod torch_randn;
mod train;
mod unet;
mod unet_accepts;

pub use case::{Case, CaseError};
pub use compare::{Comparison, Measure, Report};

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

/// How a case came out.
#[derive(Debug)]
pub enum Outcome {
    /// Every comparison is within its tolerance.
    Passed,
    /// Something is off: what, and by how much.
    Failed(String),
    /// diffplan does not have what the case is about.
    NotSupported(String),
    /// What the case needs is not on this machine: what, and how to get it.
    Skipped(String),
}

/// The cases that are committed with the sources.
pub fn default_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .with_file_name("testdata")
        .join("golden")
}

/// The folders in `dir` that hold a case, by name; `dir` itself if it is a case.
///
/// # Errors
/// If the folder cannot be read.
pub fn cases(dir: &Path) -> std::io::Result<Vec<PathBuf>> {
    let is_case = |folder: &PathBuf| folder.join("case.json").is_file();
    let itself = dir.to_owned();
    if is_case(&itself) {
        return Ok(vec![itself]);
    }
    let mut folders: Vec<PathBuf> = std::fs::read_dir(dir)?
        .map(|entry| Ok(entry?.path()))
        .collect::<std::io::Result<_>>()?;
    folders.retain(is_case);
    folders.sort();
    Ok(folders)
}

/// What a case is called: the name of its folder.
pub fn name(folder: &Path) -> String {
    folder
        .file_name()
        .unwrap_or(folder.as_os_str())
        .to_string_lossy()
        .into_owned()
}

/// Checks one case: how it came out, and all comparisons that were made. A case that makes diffplan panic has failed; the
/// next one can be checked all the same.
pub fn check(folder: &Path) -> (Report, Outcome) {
    let mut report = Report::default();
    let result = catch_unwind(AssertUnwindSafe(|| check_kind(folder, &mut report)));
    let outcome = match result {
        Ok(Ok(())) => report.failure().map_or(Outcome::Passed, Outcome::Failed),
        Ok(Err(CaseError::NotSupported(what))) => Outcome::NotSupported(what),
        Ok(Err(CaseError::Skipped(why))) => Outcome::Skipped(why),
        Ok(Err(other)) => Outcome::Failed(other.to_string()),
        Err(panic) => Outcome::Failed(format!("panic: {}", message(panic.as_ref()))),
    };
    (report, outcome)
}

fn check_kind(folder: &Path, report: &mut Report) -> Result<(), CaseError> {
    let case = Case::open(folder)?;
    match case.text("kind")? {
        "unet" => unet::check(&case, report),
        "unet_accepts" => unet_accepts::check(&case, report),
        "scheduler" => scheduler::check(&case, report),
        "pipeline" => pipeline::check(&case, report),
        "torch_file" => torch_file::check(&case, report),
        "torch_file_hostile" => torch_file::check_hostile(&case, report),
        "torch_randn" => torch_randn::check(&case, report),
        "train" => train::check(&case, report),
        "env" => env::check(&case, report),
        "jannerm" => jannerm::check(&case, report),
        "jannerm_dataset" => jannerm::check_dataset(&case, report),
        kind => Err(CaseError::NotSupported(format!("kind {kind:?}"))),
    }?;
    report.unread = case.unread();
    Ok(())
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("without a message")
}
