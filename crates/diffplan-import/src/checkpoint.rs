//! [`Checkpoint`]: the files of a conversion's result, before they are anywhere.

use crate::error::{Error, Result};
use crate::options::{Options, Target};
use crate::report::Report;
use crate::weights::json;
use crate::{save, weights};
use diffplan_data::Normalizers;
use diffplan_files::{DIFFUSERS_VERSION, Folder};
use diffplan_models::UNet1dModel;
use diffplan_pipelines::{PlanningConfig, ValueGuidedPipeline};
use diffplan_schedulers::Scheduler;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// A converted checkpoint, in memory.
#[derive(Clone, Debug, Default)]
pub struct Checkpoint {
    pub(crate) files: BTreeMap<String, Vec<u8>>,
    pub(crate) report: Report,
    pub(crate) observation_dim: Option<usize>,
}

/// What a checkpoint is made of.
#[derive(Default)]
pub(crate) struct Parts<'a> {
    pub(crate) unet: Option<&'a UNet1dModel>,
    pub(crate) value_function: Option<&'a UNet1dModel>,
    pub(crate) scheduler: Option<&'a dyn Scheduler>,
    pub(crate) normalizers: Option<&'a Normalizers>,
    pub(crate) planning: Option<&'a PlanningConfig>,
}

impl Checkpoint {
    /// What was read, mapped and left out.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// The files, by their names in the folder.
    pub fn files(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice()))
    }

    /// Whether it can plan: a planner, a scheduler and statistics are there.
    pub fn plans(&self) -> bool {
        ["unet/config.json", "scheduler/scheduler_config.json", "normalizer.json"]
            .iter()
            .all(|name| self.files.contains_key(*name))
    }

    /// How many dimensions an observation has, where that is known.
    pub fn observation_dim(&self) -> Option<usize> {
        self.observation_dim
    }

    /// The same as a folder in memory, to be loaded from.
    pub fn folder(&self) -> Folder {
        Folder::in_memory("the converted checkpoint", self.files.clone())
    }

    /// Writes the folder, whole or not at all. One that is there is replaced only if `replace`, and only if it holds a checkpoint and nothing
    /// else.
    ///
    /// # Errors
    /// [`Error::Destination`]; what the system said.
    pub fn save(&self, to: impl AsRef<Path>, replace: bool) -> Result<()> {
        save::write(&self.files, to.as_ref(), replace)
    }

    /// That [`save`](Self::save) would not refuse, before the work is done.
    ///
    /// # Errors
    /// [`Error::Destination`].
    pub fn check_destination(to: impl AsRef<Path>, replace: bool) -> Result<()> {
        save::check(to.as_ref(), replace)
    }

    /// Adds a whole checkpoint's files, and sees that it loads and plans.
    pub(crate) fn add(&mut self, parts: &Parts<'_>, options: &Options) -> Result<()> {
        for (part, model) in [("unet", parts.unet), ("value_function", parts.value_function)] {
            if let Some(model) = model {
                weights::add(&mut self.files, part, model, options, &mut self.report)?;
            }
        }
        if let Some(scheduler) = parts.scheduler {
            let bytes = scheduler.to_json().into_bytes();
            self.files.insert("scheduler/scheduler_config.json".into(), bytes);
        }
        if parts.unet.is_some() {
            self.files
                .insert("model_index.json".into(), json(&Value::Object(index(parts))));
        }
        if options.target == Target::Diffplan {
            if let Some(normalizers) = parts.normalizers {
                self.files
                    .insert("normalizer.json".into(), normalizers.to_json().into_bytes());
            }
            if let Some(planning) = parts.planning {
                let value = serde_json::to_value(planning).map_err(|error| Error::Unsupported {
                    what: error.to_string(),
                })?;
                self.files.insert("planning_config.json".into(), json(&value));
            }
        }
        if self.plans() {
            let pipeline = ValueGuidedPipeline::from_folder(&self.folder())?;
            match pipeline.planner(pipeline.options()) {
                // What nobody asked for need not fit: the horizon and the steps that are taken where no file says them.
                Err(error) if is_of_defaults(&error, parts.planning) => self.report.note(format!(
                    "with the defaults no plan can be made, name others or write them to planning_config.json: {error}"
                )),
                made => drop(made?),
            }
        }
        Ok(())
    }
}

/// Whether options that nobody asked for do not fit, where others would: the horizon, or the steps of the scheduler.
fn is_of_defaults(error: &diffplan_pipelines::Error, planning: Option<&PlanningConfig>) -> bool {
    use diffplan_models::Error as Model;
    use diffplan_pipelines::Error as Pipeline;
    match error {
        Pipeline::Scheduler(_) => {
            planning.is_none_or(|asked| asked.num_inference_steps.is_none() && asked.scheduler.is_none())
        }
        Pipeline::Model(error) | Pipeline::Network { error, .. } => {
            matches!(error, Model::Horizon { .. } | Model::HorizonChanges { .. })
                && planning.is_none_or(|asked| asked.planning_horizon.is_none())
        }
        _ => false,
    }
}

/// `model_index.json`, as diffusers writes it.
fn index(parts: &Parts<'_>) -> Map<String, Value> {
    let mut index = Map::new();
    let guided = parts.value_function.is_some();
    let class = if guided {
        "ValueGuidedRLPipeline"
    } else {
        "DDPMPipeline"
    };
    index.insert("_class_name".into(), class.into());
    index.insert("_diffusers_version".into(), DIFFUSERS_VERSION.into());
    if guided {
        index.insert("env".into(), json!([null, null]));
        index.insert("value_function".into(), json!(["diffusers", UNet1dModel::CLASS_NAME]));
    }
    index.insert("unet".into(), json!(["diffusers", UNet1dModel::CLASS_NAME]));
    if let Some(scheduler) = parts.scheduler {
        index.insert("scheduler".into(), json!(["diffusers", scheduler.class_name()]));
    }
    index
}
