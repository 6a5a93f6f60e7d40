//! `diffplan data convert`: a dataset in another format.

use crate::args::DataConvertArgs;
use crate::commands::convert::is_within;
use crate::error::{Error, Result};
use crate::patience::Busy;
use crate::{datasets, json, output};
use diffplan_data::findings::EnvFacts;
use diffplan_data::{Conversion, RawDataset, RecordedEnv, WriteFormat};
use diffplan_eval::{Registry, env_facts, table};
use diffplan_files::folder_of;
use serde::Serialize;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// What may stand in a folder that is replaced: a dataset of Minari.
const OF_MINARI: [&str; 1] = ["data"];

/// The object of `--json`.
#[derive(Debug, Serialize)]
struct Report {
    source: PathBuf,
    /// Its layout.
    from: &'static str,
    out: PathBuf,
    to: &'static str,
    env: Option<String>,
    episodes: usize,
    rows: usize,
    observation_dim: usize,
    action_dim: usize,
    /// What is left out, or made up.
    notes: Vec<String>,
    next: String,
}

pub(super) fn run(args: &DataConvertArgs, registry: &Registry) -> Result<()> {
    let source = datasets::path(&args.source)?;
    let format = format(args)?;
    check_destination(&args.out, format, args.force)?;
    if is_within(&args.out, &source) {
        return Err(Error::Setting {
            name: "DST",
            value: args.out.display().to_string(),
            expected: format!("a place outside of {}, which is read", source.display()),
        });
    }
    output::prepare_folder(folder_of(&args.out))?;
    let busy = Busy::new(format!("reading {}", source.display()));
    let mut options = args.read.options(args.max_episode_steps);
    options.after_last = true;
    let raw = RawDataset::read(&source, &options)?;
    let (from, recorded) = (raw.format.name(), raw.recorded_env.clone());
    // Its own limit of episodes, whatever the recorded one was.
    let facts = recorded.as_ref().and_then(|env| {
        let made = RecordedEnv {
            max_episode_steps: None,
            ..env.clone()
        };
        env_facts(&registry.envs, &made).or_else(|| registered(registry, &env.id))
    });
    let conversion = Conversion::new(raw, args.max_episode_steps)?
        .with_facts(facts)
        .with_dataset_id(datasets::minari_id(&args.out));
    busy.say(format!("writing {}", args.out.display()));
    conversion.write(format, &args.out)?;
    drop(busy);
    let dataset = conversion.dataset();
    let report = Report {
        source,
        from,
        to: format.name(),
        env: recorded.map(|env| env.to_string()),
        episodes: dataset.episodes().len(),
        rows: dataset.episodes().iter().map(|episode| episode.len()).sum(),
        observation_dim: dataset.observations().ncols(),
        action_dim: dataset.actions().ncols(),
        notes: conversion.notes(format),
        next: format!("diffplan data inspect {}", table::quoted(&args.out)),
        out: args.out.clone(),
    };
    match args.json {
        true => json::print_line(&report),
        false => output::print(report.text()),
    }
}

/// What is known of an environment that cannot be made here.
fn registered(registry: &Registry, id: &str) -> Option<EnvFacts> {
    let spec = registry.envs.registered().find(|spec| spec.id == id)?;
    Some(EnvFacts {
        id: spec.id.clone(),
        max_episode_steps: spec.max_episode_steps,
        ..EnvFacts::default()
    })
}

fn format(args: &DataConvertArgs) -> Result<WriteFormat> {
    let given = args.to.map(WriteFormat::from);
    given.or_else(|| WriteFormat::of_path(&args.out)).ok_or_else(|| Error::Setting {
        name: "DST",
        value: args.out.display().to_string(),
        expected: "a name that ends in .hdf5, .h5 or .npz, or in nothing for a folder of Minari; or --to d4rl, minari or npz".into(),
    })
}

/// That nothing is there that is not to be replaced.
fn check_destination(out: &Path, format: WriteFormat, force: bool) -> Result<()> {
    let refuse = |expected: String| {
        Err(Error::Setting {
            name: "DST",
            value: out.display().to_string(),
            expected,
        })
    };
    let found = match fs::symlink_metadata(out) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        found => found.map_err(Error::io("look at", out))?,
    };
    if found.is_dir() != (format == WriteFormat::Minari) {
        let what = if found.is_dir() {
            "a folder is there"
        } else {
            "a file is there"
        };
        return refuse(format!("another name for {}: {what}", format.name()));
    }
    let mut names = Vec::new();
    if found.is_dir() {
        for entry in fs::read_dir(out).map_err(Error::io("read", out))? {
            let entry = entry.map_err(Error::io("read", out))?;
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
        if names.is_empty() {
            return Ok(());
        }
    }
    if !force {
        return refuse("a name that is not there yet: --force replaces it".into());
    }
    match names.iter().find(|name| !OF_MINARI.contains(&name.as_str())) {
        Some(other) => refuse(format!(
            "a dataset of Minari and nothing else: {other} would be lost, name another folder or move it away"
        )),
        None => Ok(()),
    }
}

impl Report {
    fn text(&self) -> String {
        let mut rows = vec![
            ("read", format!("{} ({})", self.source.display(), self.from)),
            ("env", self.env.clone().unwrap_or_else(|| "not said".into())),
            (
                "steps",
                format!(
                    "{} in {} episodes, {} dimensions of observations, {} of actions",
                    table::thousands(self.rows),
                    table::thousands(self.episodes),
                    self.observation_dim,
                    self.action_dim
                ),
            ),
        ];
        rows.extend(self.notes.iter().map(|note| ("note", note.clone())));
        rows.push(("saved", format!("{} ({})", self.out.display(), self.to)));
        rows.push(("next", self.next.clone()));
        table::fields(&rows)
    }
}
