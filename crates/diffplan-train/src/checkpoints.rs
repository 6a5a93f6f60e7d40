//! States of training on disk, of which a crash at any moment leaves every one that has a name whole.
//!
//! A state is a folder, `step-00020000`, of
//!
//! ```text
//! ema/     config.json, diffusion_pytorch_model.safetensors: the average, as diffusers loads it
//! model/   the network itself, likewise
//! exp_avg.safetensors, exp_avg_sq.safetensors: the optimiser's moments, under the parameters' names
//! state.json: steps taken, and what the caller adds
//! ```
//!
//! It is written under a temporary name, every file synced, and then renamed; one that is no longer wanted loses its name
//! before it is deleted.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use diffplan_files::write_atomically;
use diffplan_models::UNet1dModel;
use diffplan_nn::{named_params, safetensors};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{Error, Result};
use crate::objective::Objective;
use crate::trainer::Trainer;

const PREFIX: &str = "step-";
const TEMPORARY: &str = ".unfinished-";
const STATE: &str = "state.json";

/// A folder of states.
#[derive(Debug, Clone)]
pub struct Checkpoints {
    folder: PathBuf,
    keep: usize,
}

/// A state on disk.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Saved {
    /// Steps taken.
    pub steps: u64,
    /// Where it is.
    pub folder: PathBuf,
}

impl Saved {
    /// The averaged network, a folder that diffusers loads.
    #[must_use]
    pub fn ema(&self) -> PathBuf {
        self.folder.join("ema")
    }
}

#[derive(Serialize, Deserialize)]
struct State {
    steps: u64,
    #[serde(default)]
    about: Value,
}

impl Checkpoints {
    /// States in `folder`, which is made if it is not there; `keep` of them, at least one, stay. What a crash left unfinished is
    /// deleted: no other run may be writing there.
    ///
    /// # Errors
    /// If the folder cannot be made or read.
    pub fn new(folder: impl Into<PathBuf>, keep: usize) -> Result<Self> {
        let folder = folder.into();
        fs::create_dir_all(&folder).map_err(Error::io("create", &folder))?;
        for (name, path) in entries(&folder)? {
            if name.starts_with(TEMPORARY) {
                fs::remove_dir_all(&path).map_err(Error::io("delete", &path))?;
            }
        }
        let keep = keep.max(1);
        Ok(Self { folder, keep })
    }

    /// All states, oldest first.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn list(&self) -> Result<Vec<Saved>> {
        let mut all: Vec<Saved> = entries(&self.folder)?
            .into_iter()
            .filter_map(|(name, folder)| {
                let steps = name.strip_prefix(PREFIX)?.parse().ok()?;
                Some(Saved { steps, folder })
            })
            .collect();
        all.sort();
        Ok(all)
    }

    /// The newest state, if there is any.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn latest(&self) -> Result<Option<Saved>> {
        Ok(self.list()?.pop())
    }

    /// Saves where `trainer` stands, with anything the caller wants to find again, and deletes the oldest states beyond those
    /// that are kept.
    ///
    /// # Errors
    /// If a file cannot be written, or a number is not finite; no state that was there is touched then.
    pub fn save<O: Objective<UNet1dModel>>(&self, trainer: &Trainer<UNet1dModel, O>, about: &Value) -> Result<Saved> {
        let name = format!("{PREFIX}{:08}", trainer.steps());
        let folder = self.folder.join(&name);
        let saved = Saved {
            steps: trainer.steps(),
            folder: folder.clone(),
        };
        if !exists(&folder)? {
            trainer.check_finite()?;
            let temporary = self.folder.join(format!("{TEMPORARY}{name}"));
            if exists(&temporary)? {
                fs::remove_dir_all(&temporary).map_err(Error::io("delete", &temporary))?;
            }
            write_state(&temporary, trainer, about)?;
            sync(&temporary)?;
            fs::rename(&temporary, &folder).map_err(Error::io("rename", &temporary))?;
            sync(&self.folder)?;
        }
        let all = self.list()?;
        for old in &all[..all.len().saturating_sub(self.keep)] {
            let without_name = self.folder.join(format!("{TEMPORARY}old-{:08}", old.steps));
            fs::rename(&old.folder, &without_name).map_err(Error::io("rename", &old.folder))?;
            fs::remove_dir_all(&without_name).map_err(Error::io("delete", &without_name))?;
        }
        Ok(saved)
    }
}

impl<O: Objective<UNet1dModel>> Trainer<UNet1dModel, O> {
    /// A state of numbers that are not finite could not be gone on from.
    fn check_finite(&self) -> Result<()> {
        for (what, model) in [
            ("value of a parameter", &self.model),
            ("average of a parameter", &self.average),
            ("first moment of a gradient", &self.moments.0),
            ("second moment of a gradient", &self.moments.1),
        ] {
            for (_, numbers) in named_params(model) {
                if let Some(&value) = numbers.iter().find(|x| !x.is_finite()) {
                    return Err(Error::NotFinite {
                        step: self.steps.saturating_sub(1),
                        what,
                        value: value.into(),
                    });
                }
            }
        }
        Ok(())
    }

    /// Goes on from a state: network, average, moments and step become those saved. What the caller had added comes back.
    ///
    /// # Errors
    /// If a file is missing or damaged, or is of another network; the trainer is to be thrown away then.
    pub fn restore(&mut self, saved: &Saved) -> Result<Value> {
        let path = saved.folder.join(STATE);
        let text = fs::read(&path).map_err(Error::io("read", &path))?;
        let damaged = |reason: String| Error::State {
            path: path.clone(),
            reason,
        };
        let state: State = serde_json::from_slice(&text).map_err(|e| damaged(e.to_string()))?;
        if state.steps != saved.steps {
            return Err(damaged(format!(
                "steps = {}, expected {} as the folder is named",
                state.steps, saved.steps
            )));
        }
        for (name, model) in [("ema", &mut self.average), ("model", &mut self.model)] {
            let folder = saved.folder.join(name);
            let read = UNet1dModel::from_pretrained(&folder)?;
            if read.config() != model.config() {
                let message = format!(
                    "{}: the network is configured otherwise than this run's",
                    folder.display()
                );
                return Err(Error::Parts(message));
            }
            *model = read;
        }
        safetensors::load(&mut self.moments.0, &saved.folder.join("exp_avg.safetensors"))?;
        safetensors::load(&mut self.moments.1, &saved.folder.join("exp_avg_sq.safetensors"))?;
        self.steps = state.steps;
        Ok(state.about)
    }
}

fn write_state<O: Objective<UNet1dModel>>(
    folder: &Path,
    trainer: &Trainer<UNet1dModel, O>,
    about: &Value,
) -> Result<()> {
    fs::create_dir(folder).map_err(Error::io("create", folder))?;
    trainer.average.save_pretrained(folder.join("ema"))?;
    trainer.model.save_pretrained(folder.join("model"))?;
    safetensors::save(&trainer.moments.0, &folder.join("exp_avg.safetensors"))?;
    safetensors::save(&trainer.moments.1, &folder.join("exp_avg_sq.safetensors"))?;
    let state = State {
        steps: trainer.steps,
        about: about.clone(),
    };
    let path = folder.join(STATE);
    let text = serde_json::to_vec_pretty(&state).map_err(|e| Error::State {
        path: path.clone(),
        reason: e.to_string(),
    })?;
    write_atomically(&path, &text).map_err(Error::io("write", &path))?;
    sync(&folder.join("ema"))?;
    sync(&folder.join("model"))
}

/// Whether there is something of this name; one that cannot be looked at is an error, not an absence.
fn exists(path: &Path) -> Result<bool> {
    path.try_exists().map_err(Error::io("look at", path))
}

/// Has the names in a folder on disk, where the system can be asked for it.
fn sync(folder: &Path) -> Result<()> {
    if cfg!(unix) {
        File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(Error::io("sync", folder))?;
    }
    Ok(())
}

/// Names and paths in a folder; names that are no text are nobody's here.
fn entries(folder: &Path) -> Result<Vec<(String, PathBuf)>> {
    let read = || {
        fs::read_dir(folder)?
            .map(|entry| Ok(entry?.path()))
            .collect::<std::io::Result<Vec<_>>>()
    };
    let paths = read().map_err(Error::io("read", folder))?;
    let named = paths
        .into_iter()
        .filter_map(|path| Some((path.file_name()?.to_str()?.to_owned(), path)));
    Ok(named.collect())
}
