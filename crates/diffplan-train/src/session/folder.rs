//! The output folder: who may write there, what a run begins with, and the checkpoint that it becomes.

use super::data::Data;
use super::run::Run;
use super::settings::{Kind, Settings};
use crate::error::{Error, Result};
use crate::{json, output};
use diffplan_data::Normalizers;
use diffplan_schedulers::DdpmScheduler;
use diffplan_train::{Checkpoints, Saved, Trainer};
use serde_json::{Map, Value, json};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// What is to become of networks that the folder holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    /// There must be none.
    Fresh,
    /// They go on from their newest states.
    Resume,
    /// They are deleted.
    Overwrite,
}

#[derive(Debug, Clone)]
pub(super) struct Folder(PathBuf);

/// What the checkpoint has beside the networks.
#[derive(Debug)]
pub(super) struct Checkpoint {
    normalizers: Normalizers,
    scheduler: DdpmScheduler,
    env: Option<String>,
    horizon: usize,
}

impl Folder {
    pub(super) fn new(path: PathBuf) -> Self {
        Self(path)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    pub(super) fn settings(&self) -> PathBuf {
        self.0.join("training.toml")
    }

    pub(super) fn record(&self, kind: Kind) -> PathBuf {
        self.0.join(format!("{}.csv", kind.name()))
    }

    pub(super) fn board(&self, kind: Kind) -> PathBuf {
        self.0.join("tensorboard").join(kind.name())
    }

    pub(super) fn samples(&self) -> PathBuf {
        self.0.join("samples")
    }

    fn states_folder(&self, kind: Kind) -> PathBuf {
        self.0.join("checkpoints").join(kind.name())
    }

    pub(super) fn states(&self, kind: Kind, keep: usize) -> Result<Checkpoints> {
        Ok(Checkpoints::new(self.states_folder(kind), keep)?)
    }

    /// Makes the folder and keeps other runs out of it for as long as the file is open.
    pub(super) fn lock(&self) -> Result<File> {
        output::lock_folder(&self.0)
    }

    fn refuse(&self, reason: String) -> Error {
        Error::Folder {
            path: self.0.clone(),
            reason,
        }
    }

    /// The newest state, without making a folder.
    fn latest(&self, kind: Kind, keep: usize) -> Result<Option<Saved>> {
        match self.states_folder(kind).exists() {
            true => Ok(self.states(kind, keep)?.latest()?),
            false => Ok(None),
        }
    }

    fn holds(&self, kind: Kind) -> bool {
        self.0.join(kind.part()).exists()
    }

    /// Puts `runs` where the folder says they are, and the settings in the folder. Nothing is changed before all is known to
    /// fit.
    pub(super) fn begin(&self, start: Start, settings: &Settings, data: &Data, runs: &mut [Run]) -> Result<Checkpoint> {
        let mut resumed = Vec::new();
        for run in runs.iter_mut() {
            let kind = run.kind();
            let saved = self.latest(kind, settings.keep)?;
            match (start, saved) {
                (Start::Overwrite, _) => {}
                (Start::Resume, Some(saved)) => resumed.push((kind, saved)),
                (Start::Fresh, Some(saved)) => {
                    return Err(self.refuse(format!(
                        "there is a {} of {} steps: --resume goes on with it, --overwrite deletes it",
                        kind.words(),
                        saved.steps
                    )));
                }
                (_, None) if self.holds(kind) => {
                    return Err(self.refuse(format!(
                        "there is a {} in {}, and no state to go on from: --overwrite deletes it",
                        kind.words(),
                        kind.part()
                    )));
                }
                (_, None) => {}
            }
        }
        // A network that is not trained now, but has a state or is in the checkpoint: a kill may leave one without the other.
        let mut others = false;
        for kind in Kind::ALL {
            if settings.networks.iter().all(|network| network.kind != kind) {
                others |= self.holds(kind) || self.latest(kind, settings.keep)?.is_some();
            }
        }
        let kinds: Vec<Kind> = resumed.iter().map(|(kind, _)| *kind).collect();
        let goes_on = others || !kinds.is_empty();
        if goes_on && self.settings().exists() {
            settings.check_same(&self.settings(), &kinds)?;
        } else if !kinds.is_empty() {
            return Err(self.refuse("training.toml is missing, expected the settings that the states are of".into()));
        }
        let normalizers = match goes_on {
            true => self.normalizers(settings, data, &kinds)?,
            false => data.normalizers.clone(),
        };
        for (kind, saved) in resumed {
            if let Some(run) = runs.iter_mut().find(|run| run.kind() == kind) {
                run.restore(saved)?;
            }
        }
        let checkpoint = Checkpoint {
            normalizers,
            scheduler: DdpmScheduler::new(settings.scheduler.clone())?,
            env: settings.env.clone(),
            horizon: settings.sequences.horizon,
        };
        let config = self.0.join("planning_config.json");
        // Seen to be readable before hours of work, rather than after.
        checkpoint.planning_config(&config, !goes_on)?;

        if start == Start::Overwrite {
            settings
                .networks
                .iter()
                .try_for_each(|network| self.delete(network.kind))?;
        }
        let before = Some(self.settings()).filter(|path| goes_on && path.exists());
        let text = settings.to_toml(before.as_deref())?;
        output::write_atomically(&self.settings(), text.as_bytes())?;
        if !goes_on && config.exists() {
            output::write_atomically(&config, &checkpoint.planning_config(&config, true)?)?;
        }
        Ok(checkpoint)
    }

    /// What belongs in normalizer.json: the dataset's statistics, and of values those that are there if none are needed.
    fn normalizers(&self, settings: &Settings, data: &Data, resumed: &[Kind]) -> Result<Normalizers> {
        let path = self.0.join("normalizer.json");
        if !path.exists() {
            return Ok(data.normalizers.clone());
        }
        let there = Normalizers::from_json(&path)?;
        let ours = &data.normalizers;
        let differ = |what: &str| {
            let reason = format!("the statistics of {what} differ from the dataset's, expected the same");
            Err(Error::Folder {
                path: path.clone(),
                reason,
            })
        };
        if there.observations() != ours.observations() {
            return differ("observations");
        }
        if there.actions() != ours.actions() {
            return differ("actions");
        }
        if settings.networks.iter().all(|network| network.kind != Kind::Value) {
            return Ok(there);
        }
        if resumed.contains(&Kind::Value) && there.values() != ours.values() {
            return differ("values");
        }
        Ok(ours.clone())
    }

    /// Deletes all there is of a network.
    fn delete(&self, kind: Kind) -> Result<()> {
        let mut paths = vec![
            self.states_folder(kind),
            self.record(kind),
            self.board(kind),
            self.0.join(kind.part()),
        ];
        let samples = self.samples();
        if samples.exists() {
            let entries = fs::read_dir(&samples).map_err(Error::io("read", &samples))?;
            let of_kind = |path: &PathBuf| {
                let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
                name.is_some_and(|name| name.starts_with(&format!("{}-", kind.name())))
            };
            paths.extend(entries.filter_map(|entry| Some(entry.ok()?.path())).filter(of_kind));
        }
        for path in paths.iter().filter(|path| path.exists()) {
            let deleted = match path.is_dir() {
                true => fs::remove_dir_all(path),
                false => fs::remove_file(path),
            };
            deleted.map_err(Error::io("delete", path))?;
        }
        Ok(())
    }
}

impl Checkpoint {
    /// Brings the folder's checkpoint up to the trainer's average, file by file.
    pub(super) fn refresh(&self, folder: &Folder, kind: Kind, trainer: &Trainer) -> Result<()> {
        let path = |name: &str| folder.0.join(name);
        self.normalizers.save(path("normalizer.json"))?;
        self.scheduler.save_pretrained(path("scheduler"))?;
        trainer.average().save_pretrained(path(kind.part()))?;
        let config = path("planning_config.json");
        output::write_atomically(&config, &self.planning_config(&config, false)?)?;
        let component = |part: &str, class: &str| match path(part).exists() {
            true => json!(["diffusers", class]),
            // What diffusers is to be given by the caller.
            false => json!([null, null]),
        };
        let index = json!({
            "_class_name": "ValueGuidedRLPipeline",
            "_diffusers_version": "0.42.1",
            "env": [null, null],
            "scheduler": component("scheduler", "DDPMScheduler"),
            "unet": component("unet", "UNet1DModel"),
            "value_function": component("value_function", "UNet1DModel"),
        });
        output::write_atomically(&path("model_index.json"), &json::file(&index)?)
    }

    /// The text of planning_config.json: what it says already, with environment and horizon where it does not say them, or
    /// `anew`.
    fn planning_config(&self, path: &Path, anew: bool) -> Result<Vec<u8>> {
        let mut config: Map<String, Value> = match fs::read(path) {
            Ok(text) => serde_json::from_slice(&text).map_err(|e| Error::Folder {
                path: path.to_owned(),
                reason: e.to_string(),
            })?,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Map::new(),
            Err(e) => return Err(Error::io("read", path)(e)),
        };
        let env = self.env.as_ref().map(|env| ("env", json!(env)));
        for (key, value) in env.into_iter().chain([("planning_horizon", json!(self.horizon))]) {
            if anew || !config.contains_key(key) {
                config.insert(key.into(), value);
            }
        }
        json::file(&config)
    }
}
