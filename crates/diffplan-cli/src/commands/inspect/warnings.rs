//! What the doctor finds in a checkpoint, and what it needs to be told for it.

use crate::error::Result;
use crate::settings;
use diffplan_data::{Normalizers, ReadOptions, RecordedEnv};
use diffplan_envs::{Env, d4rl};
use diffplan_eval::Registry;
use diffplan_files::Folder;
use diffplan_pipelines::doctor::{self, Finding, Severity};
use diffplan_schedulers::Scheduler;
use std::path::Path;

/// Of scheduler and statistics, whichever there are.
pub(super) fn of_parts(scheduler: Option<&dyn Scheduler>, normalizers: Option<&Normalizers>) -> Vec<Finding> {
    let Some(normalizers) = normalizers else {
        return Vec::new();
    };
    let clipping = scheduler.and_then(|scheduler| doctor::clipping(scheduler, normalizers));
    let order = doctor::order(normalizers);
    let constant = doctor::constant(normalizers);
    clipping.into_iter().chain(order).chain(constant).collect()
}

/// Of the environment that the networks were trained in, where `diffplan train` wrote the folder, and that of plans.
pub(super) fn of_environment(folder: &Folder, planned: Option<&str>) -> Result<Option<Finding>> {
    let name = "training.toml";
    if !folder.has(name)? {
        return Ok(None);
    }
    // Whatever else is in it, or wrong with it, is for training to read.
    let settings = folder.read_text(name)?.parse::<toml::Table>().unwrap_or_default();
    let env = settings.get("env").and_then(toml::Value::as_str);
    let of = |id: &'_ str| d4rl::env_id(id).map_or_else(|| id.to_owned(), str::to_owned);
    Ok(doctor::other_environment(
        env.map(of).as_deref(),
        planned.map(of).as_deref(),
    ))
}

/// Of the dataset that the statistics are said to be of, fitted by the same kind.
pub(super) fn of_dataset(normalizers: &Normalizers, dataset: &Path) -> Result<Vec<Finding>> {
    let options = ReadOptions::default();
    // Each key has a kind of its own.
    let observations = Normalizers::of_file(dataset, normalizers.observations().config().kind(), &options)?;
    let kind = normalizers.actions().config().kind();
    let actions = match kind == normalizers.observations().config().kind() {
        true => observations.clone(),
        false => Normalizers::of_file(dataset, kind, &options)?,
    };
    let fitted = Normalizers::new(
        observations.observations().config().clone(),
        actions.actions().config().clone(),
        None,
    )?;
    Ok(doctor::other_dataset(normalizers, &fitted))
}

/// Observation and action dimensions of an environment that is known and can be made.
pub(super) fn dims_of_env(registry: &Registry, id: Option<&str>) -> Option<(usize, usize)> {
    let env = settings::known_env(registry, id.map(RecordedEnv::from).as_ref())?;
    let (observations, actions) = (
        env.observation_space().as_box().ok()?,
        env.action_space().as_box().ok()?,
    );
    Some((observations.dim(), actions.dim()))
}

/// As a warning: it need not keep anybody from planning.
pub(super) fn lighter(finding: Finding) -> Finding {
    Finding {
        severity: Severity::Warning,
        ..finding
    }
}
