//! [`Typed`]: what was set, where, and what wins.
//!
//! A flag wins over a file; what is of one network alone wins, in the same place, over what is of both.

use super::defaults::{MAX_BATCH_STEPS, at_least, missing, network};
use super::file::{File, keys, table};
use super::folder::{RunFolder, exists};
use super::keys::{Keys, Kind, NormalizerKind};
use super::settings::Settings;
use super::source::{Datasets, Source};
use crate::error::{Error, Result};
use diffplan_data::{ReadOptions, RecordedEnv, SequenceOptions};
use diffplan_schedulers::{BetaSchedule, DdpmConfig, PredictionType, VarianceType};
use serde::Serialize;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// What was typed, on the command line or in files, as tables.
#[derive(Debug, Default, Clone)]
pub struct Typed {
    /// Of the command line.
    flags: Table,
    /// Of the command line, for the value function.
    value_flags: Table,
    /// From the one that wins to the one that loses.
    files: Vec<File>,
    /// How many of them the user named.
    typed_files: usize,
}

impl Typed {
    /// What stands on the command line, and in the file that it names.
    pub fn new(flags: &impl Serialize, value_flags: &impl Serialize, config: Option<&Path>) -> Result<Self> {
        Ok(Self {
            flags: table(flags)?,
            value_flags: table(value_flags)?,
            files: config.map(File::read).transpose()?.into_iter().collect(),
            typed_files: usize::from(config.is_some()),
        })
    }

    /// Over what the run in a folder was started with, if there is one.
    ///
    /// # Errors
    /// If there is no run, and nothing says what one would be trained on.
    pub fn over_run(self, folder: &RunFolder) -> Result<Self> {
        let path = folder.settings();
        if exists(&path)? {
            return self.over(&path);
        }
        if self.keys(Kind::Planner)?.dataset.is_none() {
            return Err(folder.refuse(
                "there is no run to go on with, expected the folder of one: training.toml is not there".into(),
            ));
        }
        Ok(self)
    }

    /// Over what a file says.
    pub fn over(mut self, path: &Path) -> Result<Self> {
        self.files.push(File::read(path)?);
        Ok(self)
    }

    /// What may surprise: a flag that means nothing to the networks that are trained, and one that is of both networks where a file has the
    /// same key for one of them.
    /// What a run was started with is no file of the user's.
    pub fn notes(&self, trained: &[Kind]) -> Vec<String> {
        let mut notes = Vec::new();
        for kind in Kind::ALL.into_iter().filter(|kind| !trained.contains(kind)) {
            let idle = kind.own_keys().iter().filter(|key| self.flags.contains_key(**key));
            notes.extend(idle.map(|key| {
                format!(
                    "--{} is of the {} alone, which is not trained here",
                    key.replace('_', "-"),
                    kind.words()
                )
            }));
        }
        for file in self.files.iter().take(self.typed_files) {
            for kind in Kind::ALL {
                for (key, of_file) in file.of(kind) {
                    let own = kind == Kind::Value && self.value_flags.contains_key(key);
                    match self.flags.get(key) {
                        Some(typed) if typed != of_file && !own => {
                            let flag = key.replace('_', "-");
                            let alone = match kind {
                                Kind::Planner => String::new(),
                                Kind::Value => format!("; --value-{flag} is of the value function alone"),
                            };
                            notes.push(format!(
                                "--{flag} goes before [{}] {key} = {of_file} of {}{alone}",
                                kind.name(),
                                file.path.display()
                            ));
                        }
                        _ => {}
                    }
                }
            }
        }
        notes
    }

    /// The output folder.
    pub fn out(&self) -> Result<PathBuf> {
        let keys = self.keys(Kind::Planner)?;
        keys.out.ok_or_else(|| missing("out", "a folder"))
    }

    /// All keys of a network.
    fn keys(&self, kind: Kind) -> Result<Keys> {
        let mut all = Table::new();
        let files = self.files.iter().rev();
        let from_files = files.flat_map(|file| [&file.shared, file.of(kind)]);
        let own = (kind == Kind::Value).then_some(&self.value_flags);
        for table in from_files.chain([&self.flags]).chain(own) {
            all.extend(table.clone());
        }
        keys(&all).map_err(|reason| Error::Option {
            name: "settings",
            value: reason,
            expected: "those that --help lists".into(),
        })
    }

    /// Everything that is needed, with defaults in place of what was not typed.
    pub fn resolve(&self, kinds: &[Kind]) -> Result<Settings> {
        let mut shared = self.keys(Kind::Planner)?;
        let mut networks = Vec::new();
        let mut tables = Vec::new();
        for &kind in kinds {
            let mut keys = self.keys(kind)?;
            networks.push(network(kind, &mut keys)?);
            let known: Vec<&str> = kind.keys().collect();
            let of_network = table(&keys)?
                .into_iter()
                .filter(|(key, _)| known.contains(&key.as_str()));
            tables.push((kind.name(), of_network.collect::<Table>()));
        }
        let dataset = shared.dataset.clone().ok_or_else(|| missing("dataset", "a file"))?;
        let full = |path: &PathBuf| path.canonicalize().unwrap_or_else(|_| path.clone());
        shared.dataset = Some(Datasets(dataset.0.iter().map(full).collect()));
        let mut env_kwargs = serde_json::Map::new();
        for text in shared.env_kwargs.iter().flatten() {
            let (name, value) = RecordedEnv::argument(text)?;
            RecordedEnv::default().set(&name, &value)?;
            env_kwargs.insert(name, value);
        }
        let first = shared
            .max_episodes
            .map(|count| at_least(1, "max_episodes", count))
            .transpose()?;
        let horizon = at_least(1, "horizon", *shared.horizon.get_or_insert(32))?;
        let settings = Settings {
            datasets: Source::all(
                &dataset.0,
                first,
                shared.dataset_weights.as_deref(),
                shared.episodes.as_deref(),
                shared.best.as_deref(),
            )?,
            validation: match shared.validation {
                Some(share) if !(share > 0.0 && share < 1.0) => {
                    return Err(Error::option("validation", share, "a number above 0 and below 1"));
                }
                share => share,
            },
            env: shared.env.clone(),
            env_kwargs,
            read: ReadOptions {
                max_episode_steps: shared.max_episode_steps,
                keys: shared.keys.clone().unwrap_or_default(),
                rewards: shared.rewards.clone(),
                ..ReadOptions::default()
            },
            normalizer: *shared.normalizer.get_or_insert(NormalizerKind::Gaussian),
            sequences: SequenceOptions {
                horizon,
                max_path_length: at_least(1, "max_path_length", *shared.max_path_length.get_or_insert(1000))?,
                use_padding: *shared.use_padding.get_or_insert(true),
            },
            conditions: *shared.conditions.get_or_insert_default(),
            scheduler: DdpmConfig {
                num_train_timesteps: *shared.num_train_timesteps.get_or_insert(20),
                beta_schedule: *shared.beta_schedule.get_or_insert(BetaSchedule::SquaredcosCapV2),
                prediction_type: *shared.prediction_type.get_or_insert(PredictionType::Sample),
                clip_sample: *shared.clip_sample.get_or_insert(false),
                variance_type: VarianceType::FixedSmallLog,
                ..DdpmConfig::default()
            },
            threads: shared.threads.map(|n| at_least(1, "threads", n)).transpose()?,
            save_every: at_least(1, "save_every", *shared.save_every.get_or_insert(20_000))?,
            keep: at_least(1, "keep", *shared.keep.get_or_insert(5))?,
            sample_every: *shared.sample_every.get_or_insert(20_000),
            log_every: at_least(1, "log_every", *shared.log_every.get_or_insert(100))?,
            networks,
            table: Table::new(),
        };
        settings.scheduler.validate()?;
        for network in &settings.networks {
            let steps = network.batch_size.checked_mul(horizon);
            if steps.is_none_or(|steps| steps > MAX_BATCH_STEPS) {
                return Err(Error::Option {
                    name: "batch_size × horizon",
                    value: format!("{} × {horizon}", network.batch_size),
                    expected: format!("at most {MAX_BATCH_STEPS} steps in all"),
                });
            }
        }
        shared.out = None;
        let of_networks: Vec<&str> = Kind::ALL.into_iter().flat_map(Kind::keys).collect();
        let mut all: Table = table(&shared)?
            .into_iter()
            .filter(|(key, _)| !of_networks.contains(&key.as_str()))
            .collect();
        for (name, keys) in tables {
            all.insert(name.into(), Value::Table(keys));
        }
        Ok(Settings { table: all, ..settings })
    }
}
