//! Kinds `jannerm` and `jannerm_dataset`: runs of the original Diffuser, converted by diffplan-import, and its datasets.
//!
//! The reference ran in float64 from the float32 values in the files. `float32_error` of a case says how far the original itself is in
//! float32: the tolerance is 20 times that and 2e-5 at least, norm-wise relative; of whole plans 100 times, and 1e-2 at most.

mod dataset;
mod network;
mod plan;

pub(super) use dataset::check_dataset;

use super::case::{Case, CaseError};
use super::compare::{Measure, Report};
use diffplan_data::NormalizerConfig;
use diffplan_files::Folder;
use diffplan_import::{Options, Statistics, jannerm};
use diffplan_pipelines::ValueGuidedPipeline;
use ndarray::{Array1, ArrayD};
use std::path::{Path, PathBuf};

/// The tolerance of a name.
fn tolerance(case: &Case, name: &str) -> f64 {
    let error = case.value("float32_error")[name].as_f64().unwrap_or(0.0);
    match name.starts_with("plan.") {
        true => (100.0 * error).clamp(2e-5, 1e-2),
        false => (20.0 * error).max(2e-5),
    }
}

/// Compares with a tensor of the case, by its own tolerance.
fn compare(case: &Case, report: &mut Report, name: &str, actual: ArrayD<f32>) -> Result<(), CaseError> {
    let expected = case.tensor(name)?;
    report.compare(name, actual.view(), &expected, Measure::Norm, tolerance(case, name))
}

pub(super) fn check(case: &Case, report: &mut Report) -> Result<(), CaseError> {
    let options = Options {
        statistics: Statistics::Dataset(case.folder().join(case.text("dataset")?)),
        maze_goal: maze_goal(case)?,
        ..Options::default()
    };
    let folder = |name: &str| {
        case.value("folders")[name]
            .as_str()
            .map(|folder| case.folder().join(folder))
    };
    let (planner, value): (Option<PathBuf>, Option<PathBuf>) = (folder("diffusion"), folder("values"));
    let converted = jannerm::convert(planner.as_deref(), value.as_deref(), &options).map_err(CaseError::refused)?;
    statistics(case, report, &options, planner.as_deref())?;
    for (part, name, own) in [("unet", "planner", &planner), ("value_function", "value", &value)] {
        if own.is_some() {
            network::check(case, report, &converted.folder().sub(part), name)?;
        }
    }
    if !case.value("plan").is_null() {
        let pipeline = ValueGuidedPipeline::from_folder(&converted.folder()).map_err(CaseError::refused)?;
        plan::check(case, report, &pipeline, &converted.folder().sub("value_function"))?;
    }
    Ok(())
}

fn maze_goal(case: &Case) -> Result<Option<[f64; 2]>, CaseError> {
    Ok(match case.optional_numbers("maze_goal")? {
        Some(goal) if goal.len() == 2 => Some([goal[0], goal[1]]),
        Some(_) => return Err(case.wrong_key("maze_goal", "two numbers")),
        None => None,
    })
}

/// Episodes, and the statistics that they have by the original's rule.
fn statistics(case: &Case, report: &mut Report, options: &Options, run: Option<&Path>) -> Result<(), CaseError> {
    let Some(run) = run else { return Ok(()) };
    let folder = Folder::at(run);
    let config = jannerm::ConfigFile::of_folder(&folder, "dataset_config.pkl").map_err(CaseError::refused)?;
    let preparation = jannerm::preparation(config.as_ref(), options).map_err(CaseError::refused)?;
    let Statistics::Dataset(path) = &options.statistics else {
        return Ok(());
    };
    let dataset = preparation.read(path).map_err(CaseError::refused)?;
    let lengths: Array1<f64> = dataset.episodes().iter().map(|episode| episode.len() as f64).collect();
    let expected = case.tensor("path_lengths")?;
    report.compare(
        "path_lengths",
        lengths.into_dyn().view(),
        &expected,
        Measure::Absolute,
        0.0,
    )?;
    let name = case.text("normalizer")?;
    let class = jannerm::NormalizerClass::of(name);
    let class = class.ok_or_else(|| CaseError::NotSupported(format!("normalizer {name}")))?;
    let configs = class.of_dataset(&dataset).map_err(CaseError::refused)?;
    for (key, config) in ["observations", "actions"].into_iter().zip(configs) {
        let numbers: Vec<(&str, Vec<f32>)> = match config {
            NormalizerConfig::Gaussian { mean, std } => vec![("mean", mean), ("std", std)],
            NormalizerConfig::Limits { min, max } | NormalizerConfig::SafeLimits { min, max } => {
                vec![("min", min), ("max", max)]
            }
            _ => Vec::new(),
        };
        for (name, numbers) in numbers {
            let name = format!("stats.{key}.{name}");
            if case.has(&name) {
                compare(case, report, &name, Array1::from(numbers).into_dyn())?;
            }
        }
        // The original keeps limits of every dataset, whether it uses them or not.
        ["mean", "std", "min", "max"]
            .iter()
            .for_each(|name| case.ignore(&format!("stats.{key}.{name}")));
    }
    Ok(())
}
