//! [`Output`]: what a run begins with, and the checkpoint that it becomes.

use super::data::Data;
use super::folder::{RunFolder, exists};
use super::keys::Kind;
use super::settings::Settings;
use crate::batches::Conditions;
use crate::checkpoints::Saved;
use crate::error::{Error, Result};
use diffplan_data::{Normalizers, RecordedEnv};
use diffplan_files::{FileError, parse_json_object, write_atomically};
use diffplan_models::UNet1dModel;
use diffplan_schedulers::{DdpmScheduler, Scheduler};
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::fs;
use std::path::Path;

/// What is to become of networks that the folder holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// There must be none.
    Fresh,
    /// They go on from their newest states.
    Resume,
    /// They are deleted.
    Overwrite,
}

/// A run's folder, and what its checkpoint has beside the networks.
#[derive(Debug)]
pub struct Output {
    pub(super) folder: RunFolder,
    normalizers: Normalizers,
    scheduler: DdpmScheduler,
    env: Option<RecordedEnv>,
    horizon: usize,
    conditions: Conditions,
}

impl Output {
    /// Has networks restored to where the folder says they are, and puts the settings in the folder. Nothing is changed before all is known to
    /// fit. The caller holds the folder's lock.
    ///
    /// # Errors
    /// If the folder holds what would be lost, or what does not fit.
    pub(super) fn begin(
        folder: RunFolder,
        start: Start,
        settings: &Settings,
        data: &Data,
        restore: &mut dyn FnMut(Kind, Saved) -> Result<()>,
    ) -> Result<Self> {
        let mut resumed = Vec::new();
        for kind in settings.networks.iter().map(|network| network.kind) {
            let saved = folder.latest(kind, settings.keep)?;
            match (start, saved) {
                (Start::Overwrite, _) => {}
                (Start::Resume, Some(saved)) => resumed.push((kind, saved)),
                (Start::Fresh, Some(saved)) => {
                    return Err(folder.refuse(format!(
                        "there is a {} of {} steps: --resume goes on with it, --overwrite deletes it",
                        kind.words(),
                        saved.steps
                    )));
                }
                (_, None) if folder.holds(kind)? => {
                    return Err(folder.refuse(format!(
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
                others |= folder.holds(kind)? || folder.latest(kind, settings.keep)?.is_some();
            }
        }
        let kinds: Vec<Kind> = resumed.iter().map(|(kind, _)| *kind).collect();
        let goes_on = others || !kinds.is_empty();
        if goes_on && exists(&folder.settings())? {
            settings.check_same(&folder.settings(), &kinds)?;
        } else if !kinds.is_empty() {
            return Err(folder.refuse("training.toml is missing, expected the settings that the states are of".into()));
        }
        let normalizers = match goes_on {
            true => normalizers_of(&folder, settings, data, &kinds)?,
            false => data.normalizers.clone(),
        };
        for (kind, saved) in resumed {
            restore(kind, saved)?;
        }
        let output = Self {
            folder,
            normalizers,
            scheduler: DdpmScheduler::new(settings.scheduler.clone())?,
            env: settings.made(),
            horizon: settings.sequences.horizon,
            conditions: settings.conditions,
        };
        let config = output.folder.path().join("planning_config.json");
        // Seen to be readable before hours of work, rather than after.
        output.planning_config(&config, !goes_on)?;

        if start == Start::Overwrite {
            settings
                .networks
                .iter()
                .try_for_each(|network| output.folder.delete(network.kind))?;
        }
        let path = output.folder.settings();
        let before = (goes_on && exists(&path)?).then_some(path.as_path());
        let text = settings.to_toml(before)?;
        write(&path, text.as_bytes())?;
        if !goes_on && exists(&config)? {
            write(&config, &output.planning_config(&config, true)?)?;
        }
        Ok(output)
    }

    /// Brings the folder's checkpoint up to the trainer's average, file by file.
    pub(super) fn refresh(&self, kind: Kind, average: &UNet1dModel) -> Result<()> {
        let path = |name: &str| self.folder.path().join(name);
        self.normalizers.save(path("normalizer.json"))?;
        (&self.scheduler as &dyn Scheduler).save_pretrained(path("scheduler"))?;
        average.save_pretrained(path(kind.part()))?;
        let config = path("planning_config.json");
        write(&config, &self.planning_config(&config, false)?)?;
        let component = |part: &str, class: &str| {
            Ok::<_, Error>(match exists(&path(part))? {
                true => json!(["diffusers", class]),
                // What diffusers is to be given by the caller.
                false => json!([null, null]),
            })
        };
        let index = json!({
            "_class_name": "ValueGuidedRLPipeline",
            "_diffusers_version": "0.42.1",
            "env": [null, null],
            "scheduler": component("scheduler", "DDPMScheduler")?,
            "unet": component("unet", "UNet1DModel")?,
            "value_function": component("value_function", "UNet1DModel")?,
        });
        write(&path("model_index.json"), &json(&index)?)
    }

    /// The text of planning_config.json: what it says already, with environment, horizon and conditions where it does not say them,
    /// or `anew`, and how candidates are chosen.
    fn planning_config(&self, path: &Path, anew: bool) -> Result<Vec<u8>> {
        let mut config: Map<String, Value> = match fs::read(path) {
            Ok(text) => parse_json_object(&text, path)?,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Map::new(),
            Err(e) => return Err(FileError::io(path, e).into()),
        };
        // Whoever plans has to know what was: without a goal a network that has always known one makes a wrong plan.
        let conditions = match self.conditions {
            Conditions::Current => "start",
            Conditions::Goal => "goal",
        };
        let mut ours = vec![
            ("planning_horizon", json!(self.horizon)),
            ("conditions", json!(conditions)),
        ];
        // What an environment is made with goes with its name: that of another one would be no argument of it.
        let same = |env: &&RecordedEnv| anew || config.get("env").is_none_or(|there| *there == json!(env.id));
        if let Some(env) = self.env.as_ref().filter(same) {
            ours.push(("env", json!(env.id)));
            ours.extend((!env.kwargs.is_empty()).then(|| ("env_kwargs", json!(env.kwargs))));
            ours.extend(env.max_episode_steps.map(|steps| ("max_episode_steps", json!(steps))));
        }
        if anew {
            for key in ["env_kwargs", "max_episode_steps"] {
                config.remove(key);
            }
        }
        for (key, value) in ours {
            if anew || !config.contains_key(key) {
                config.insert(key.into(), value);
            }
        }
        let valued = exists(&self.folder.path().join(Kind::Value.part()))?;
        choose_candidates(&mut config, valued);
        json(&config)
    }
}

/// Says how a plan is chosen, where nothing does: the best of some by the value of the finished plan. No gradient has been tried on anybody yet, and
/// one that is too long leads off the data, to plans that are worse than without; what is only chosen is as likely as any. Without a
/// value function there is nothing to choose by, so one candidate is enough.
fn choose_candidates(config: &mut Map<String, Value>, valued: bool) {
    let said = ["n_guide_steps", "scale", "rescore", "guidance"];
    if said.iter().any(|key| config.contains_key(*key)) {
        return;
    }
    // One is what was written before there was a value function.
    if config.get("batch_size").is_none_or(|n| valued && *n == json!(1)) {
        config.insert("batch_size".into(), json!(if valued { CANDIDATES } else { 1 }));
    }
    if valued {
        config.insert("n_guide_steps".into(), json!(0));
        config.insert("rescore".into(), json!(true));
    }
}

/// Of how many plans the best is chosen: more cost more, and by the values of a network that errs are not better in the end.
const CANDIDATES: usize = 8;

/// What belongs in normalizer.json: the dataset's statistics, and of values those that are there if none are needed.
fn normalizers_of(folder: &RunFolder, settings: &Settings, data: &Data, resumed: &[Kind]) -> Result<Normalizers> {
    let path = folder.path().join("normalizer.json");
    if !exists(&path)? {
        return Ok(data.normalizers.clone());
    }
    let there = Normalizers::from_json(&path)?;
    let ours = &data.normalizers;
    let differ = |what: &str| {
        let reason = format!("the statistics of {what} differ from the dataset's, expected the same");
        Err(Error::folder(&path, reason))
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

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    Ok(write_atomically(path, bytes).map_err(|e| FileError::io(path, e))?)
}

/// As diffusers writes JSON.
fn json(value: &impl Serialize) -> Result<Vec<u8>> {
    let mut text = serde_json::to_vec_pretty(value).map_err(Error::encode("JSON"))?;
    text.push(b'\n');
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidates_are_chosen_by_value_once_there_is_one_unless_a_user_said_how() {
        let after = |config: Value, valued: bool| {
            let mut config = config.as_object().unwrap().clone();
            choose_candidates(&mut config, valued);
            Value::Object(config)
        };
        let chosen = json!({"batch_size": 8, "n_guide_steps": 0, "rescore": true});
        let planner = after(json!({}), false);
        assert_eq!(planner, json!({"batch_size": 1}));
        assert_eq!(after(planner, true), chosen);
        assert_eq!(after(json!({}), true), chosen);
        assert_eq!(after(chosen.clone(), false), chosen);
        let few = json!({"batch_size": 3, "n_guide_steps": 0, "rescore": true});
        assert_eq!(after(json!({"batch_size": 3}), true), few);
        for own in [json!({"scale": 0.1}), json!({"n_guide_steps": 2, "batch_size": 1})] {
            assert_eq!(after(own.clone(), true), own);
        }
    }
}
