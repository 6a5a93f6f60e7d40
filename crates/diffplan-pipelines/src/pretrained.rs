//! A pipeline's folder, in diffusers' layout: from disk, from memory, from a program's own bytes.

use crate::doctor::{self, Dims, Finding};
use crate::error::{Error, Result};
use crate::guide::{Guide, ValueNetwork};
use crate::options::PlanningConfig;
use crate::pipeline::ValueGuidedPipeline;
use diffplan_data::Normalizers;
use diffplan_files::{FileError, Folder, nearest, parse_json_object};
use diffplan_models::UNet1dModel;
use serde_json::{Map, Value};
use std::path::Path;
use std::sync::Arc;

/// The pipelines of diffusers whose folders hold a planner: with a value function, and without.
const CLASSES: [&str; 3] = ["ValueGuidedRLPipeline", "DDPMPipeline", "DDIMPipeline"];

/// The classes that parts of a folder are made by.
#[derive(Clone, Debug, Default)]
pub struct Registries {
    /// Planner networks, by the `_class_name` of `unet/config.json`.
    pub networks: diffplan_models::Registry,
    /// Schedulers, by the `_class_name` of `scheduler/scheduler_config.json`.
    pub schedulers: diffplan_schedulers::Registry,
}

impl ValueGuidedPipeline {
    /// The pipeline of a folder on disk: [`from_folder`](Self::from_folder).
    ///
    /// # Errors
    /// As there.
    pub fn from_pretrained(folder: impl AsRef<Path>) -> Result<Self> {
        Self::from_folder(&Folder::at(folder.as_ref()))
    }

    /// As [`from_pretrained`](Self::from_pretrained), with these statistics in place of `normalizer.json`.
    ///
    /// # Errors
    /// As there.
    pub fn from_pretrained_with(folder: impl AsRef<Path>, normalizers: Normalizers) -> Result<Self> {
        Self::load(&Folder::at(folder.as_ref()), &Registries::default(), Some(normalizers))
    }

    /// The pipeline of a folder: `unet/`, `value_function/` (optional unless `model_index.json` names it), `scheduler/`,
    /// `normalizer.json`, and optionally `planning_config.json`.
    ///
    /// # Errors
    /// Which part is missing or wrong, and why; [`Error::Refused`] where parts are well formed and make no plan.
    pub fn from_folder(folder: &Folder) -> Result<Self> {
        Self::load(folder, &Registries::default(), None)
    }

    /// As [`from_folder`](Self::from_folder), with other classes beside those of diffplan, and statistics of one's own if the folder's
    /// are not to be read.
    ///
    /// # Errors
    /// As there.
    pub fn load(folder: &Folder, registries: &Registries, normalizers: Option<Normalizers>) -> Result<Self> {
        folder.names().map_err(Error::File)?;
        let folder = &snapshot(folder)?;
        let index = ModelIndex::read(folder)?.unwrap_or_default();
        let normalizers = match normalizers {
            Some(normalizers) => normalizers,
            None => read_normalizers(folder)?,
        };
        require(folder, "unet", "a folder with the planner network")?;
        let unet = folder.sub("unet");
        let in_unet = |error| Error::Network { part: "unet", error };
        index.check_class(
            folder,
            "unet",
            &unet.path_of("config.json"),
            declared_class(&unet, "config.json")?,
        )?;
        let network = registries.networks.load(&unet).map_err(in_unet)?;
        // A value function in the planner's place passes for a network; its output does not.
        if declared_key(&unet, "out_block_type")?.as_deref() == Some("ValueFunction") {
            return Err(Error::Parts("unet: the planner network is a value function".into()));
        }
        require(folder, "scheduler", "a folder with scheduler_config.json")?;
        let scheduler = index.load_scheduler(folder, registries)?;
        refuse(folder, doctor::signal(scheduler.as_ref()))?;
        let mut notes: Vec<String> = network.notes().to_vec();
        notes.extend(scheduler.notes().iter().cloned());
        let mut dims = Dims {
            network: Some(network.signature().sample_channels),
            ..Dims::of_normalizers(&normalizers)
        };
        let mut guide = None;
        if index.has_value_function(folder)? {
            require(folder, "value_function", "a folder with the value function")?;
            let part = folder.sub("value_function");
            index.check_class(
                folder,
                "value_function",
                &part.path_of("config.json"),
                declared_class(&part, "config.json")?,
            )?;
            let value = UNet1dModel::from_folder(&part).map_err(|error| Error::Network {
                part: "value_function",
                error,
            })?;
            notes.extend(value.notes().iter().map(|note| format!("value_function: {note}")));
            let value = ValueNetwork::new(value)?;
            dims.value = value.dimensions();
            guide = Some(Arc::new(value));
        }
        check_variant(folder)?;
        // All of them at once, before one of them fails.
        refuse(folder, dims.disagreement())?;
        let mut pipeline = Self::without_guide(network, scheduler, normalizers)?;
        if let Some(guide) = guide {
            pipeline = pipeline.with_guide(guide);
        }
        if let Some(config) = PlanningConfig::of_folder(folder)? {
            pipeline = pipeline.with_planning_config(config);
        }
        pipeline.notes = notes;
        Ok(pipeline.with_schedulers(registries.schedulers.clone()))
    }
}

/// What the doctor finds that makes no plan.
fn refuse(folder: &Folder, finding: Option<Finding>) -> Result<()> {
    match finding {
        Some(finding) => Err(Error::Refused {
            finding: Box::new(finding),
            folder: Some(folder.path().to_owned()),
        }),
        None => Ok(()),
    }
}

/// The statistics of a folder, its `normalizer.json`.
///
/// # Errors
/// If there is none, with the command that makes it from the dataset; if it cannot be read or holds something wrong.
pub fn read_normalizers(folder: &Folder) -> Result<Normalizers> {
    let name = "normalizer.json";
    if !folder.has(name)? {
        // Where nothing else is there either, that is what is wrong.
        require(folder, "unet", "a folder with the planner network")?;
        let to = folder.path_of(name);
        return Err(Error::File(FileError::not_found(
            folder.path(),
            format!(
                "normalizer.json is missing: the statistics that observations and actions are normalised with, which diffusers does \
                 not save. Make it from the dataset: `diffplan normalizer --dataset FILE --out {}`",
                to.display()
            ),
        )));
    }
    Ok(Normalizers::from_bytes(&folder.read(name)?, &folder.path_of(name))?)
}

/// The snapshot of a repository in a cache of the Hub (`models--OWNER--NAME`), where that is what a folder is: the one that `refs/main` names, or the
/// only one. Any other folder is itself.
///
/// # Errors
/// If there are several and none of them is the main one.
pub fn snapshot(folder: &Folder) -> Result<Folder> {
    if folder.has("unet")? || !folder.has("snapshots")? {
        return Ok(folder.clone());
    }
    let snapshots = folder.sub("snapshots");
    let names = snapshots.names()?;
    let main = match folder.has("refs/main")? {
        true => Some(folder.read_text("refs/main")?.trim().to_owned()).filter(|main| names.contains(main)),
        false => None,
    };
    match (main, &names[..]) {
        (Some(name), _) => Ok(snapshots.sub(&name)),
        (None, [only]) => Ok(snapshots.sub(only)),
        (None, _) => {
            let there = names.iter().map(|name| snapshots.path_of(name).display().to_string());
            let what = format!(
                "a cache of the Hub with several snapshots, of which none is the main one: name one, {}",
                there.collect::<Vec<_>>().join(" or ")
            );
            Err(Error::File(FileError::not_found(folder.path(), what)))
        }
    }
}

/// That a network of a checkpoint has the variant that was asked for ([`Folder::of_variant`]); where some have it and others do not, the plain ones
/// are read of those, as diffusers does.
///
/// # Errors
/// If none has it, or the folder cannot be read.
pub fn check_variant(folder: &Folder) -> Result<()> {
    let Some(variant) = folder.variant() else {
        return Ok(());
    };
    for part in ["unet", "value_function"] {
        let own = folder.sub(part);
        let has = folder.has(part)?
            && diffplan_models::has_variant(&own, variant).map_err(|error| Error::Network { part, error })?;
        if has {
            return Ok(());
        }
    }
    let what = format!(
        "no network of it has weights of variant {variant:?} (`diffusion_pytorch_model.{variant}.safetensors`)"
    );
    Err(Error::File(FileError::not_found(folder.path(), what)))
}

fn require(folder: &Folder, what: &'static str, expected: &'static str) -> Result<()> {
    if folder.has(what)? {
        return Ok(());
    }
    Err(Error::Missing {
        folder: folder.path().to_owned(),
        what,
        expected,
        hint: elsewhere(folder)?,
    })
}

/// Where the checkpoint may be instead, as the end of a sentence.
fn elsewhere(folder: &Folder) -> Result<String> {
    let holds_planner =
        |folder: &Folder| folder.has("unet").unwrap_or(false) && folder.has("scheduler").unwrap_or(false);
    let within = folder
        .names()?
        .into_iter()
        .find(|name| holds_planner(&folder.sub(name)));
    Ok(within.map_or_else(String::new, |name| {
        format!("; did you mean {}?", folder.path_of(&name).display())
    }))
}

/// The text under a key of a network's configuration, if the file is there and has it.
fn declared_key(folder: &Folder, key: &str) -> Result<Option<String>> {
    let name = "config.json";
    if !folder.has(name)? {
        return Ok(None);
    }
    let object = parse_json_object(&folder.read(name)?, &folder.path_of(name))?;
    Ok(object.get(key).and_then(Value::as_str).map(str::to_owned))
}

/// The class that a configuration names, if it is there and does.
fn declared_class(folder: &Folder, name: &str) -> Result<Option<String>> {
    if !folder.has(name)? {
        return Ok(None);
    }
    let object = parse_json_object(&folder.read(name)?, &folder.path_of(name))?;
    Ok(object.get("_class_name").and_then(Value::as_str).map(str::to_owned))
}

/// `model_index.json`: which class each part of a folder is of.
#[derive(Clone, Debug, Default)]
pub struct ModelIndex(Map<String, Value>);

impl ModelIndex {
    /// Name of the file.
    pub const NAME: &str = "model_index.json";

    /// Reads that of a folder; `None` if there is none, which is fine.
    ///
    /// # Errors
    /// If it cannot be read, or is of a pipeline that holds no planner.
    pub fn read(folder: &Folder) -> Result<Option<Self>> {
        if !folder.has(Self::NAME)? {
            return Ok(None);
        }
        let path = folder.path_of(Self::NAME);
        let object = parse_json_object(&folder.read(Self::NAME)?, &path)?;
        let class = &object.get("_class_name").cloned().unwrap_or_default();
        match class {
            Value::String(name) if CLASSES.contains(&name.as_str()) => Ok(Some(Self(object))),
            other => {
                let near = other.as_str().and_then(|name| nearest(name, CLASSES));
                let near = near.map_or(String::new(), |near| format!("; did you mean {near}?"));
                let reason = format!("`_class_name` is {other}, expected one of {}{near}", CLASSES.join(", "));
                Err(Error::Config { path, reason })
            }
        }
    }

    /// The class of a part, if it is named.
    pub fn class_of(&self, part: &str) -> Option<&str> {
        self.0.get(part)?.get(1)?.as_str()
    }

    /// Whether a folder has a value function: one is there, or this says that one belongs to it. diffusers writes `[null, null]` for
    /// what the caller is to bring; a folder that is left empty is none.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn has_value_function(&self, folder: &Folder) -> Result<bool> {
        let name = "value_function";
        let component = self.0.get(name).unwrap_or(&Value::Null);
        let named = component
            .as_array()
            .map_or(!component.is_null(), |names| names.iter().any(|name| !name.is_null()));
        Ok(named || (folder.has(name)? && !folder.sub(name).names()?.is_empty()))
    }

    /// That it names the same class for a part as the part's own file.
    fn check_class(&self, folder: &Folder, part: &str, file: &Path, declared: Option<String>) -> Result<()> {
        match (self.class_of(part), declared) {
            (Some(here), Some(there)) if here != there => Err(Error::Config {
                path: folder.path_of(Self::NAME),
                reason: format!(
                    "says that {part} is a {here}, but {} says {there}: one of them is wrong",
                    file.display()
                ),
            }),
            _ => Ok(()),
        }
    }

    /// The scheduler of a folder, of the class that its file names, or this where the file does not.
    ///
    /// # Errors
    /// If the two name different classes, or one that is not registered; what its class says of the rest.
    pub fn load_scheduler(
        &self,
        folder: &Folder,
        registries: &Registries,
    ) -> Result<Arc<dyn diffplan_schedulers::Scheduler>> {
        let name = diffplan_schedulers::CONFIG_NAME;
        let own = folder.sub("scheduler");
        let (bytes, path) = (own.read(name)?, own.path_of(name));
        let mut object = parse_json_object(&bytes, &path)?;
        let declared = object.get("_class_name").and_then(Value::as_str).map(str::to_owned);
        let silent = object.get("_class_name").is_none_or(Value::is_null);
        if let (true, Some(class)) = (silent, self.class_of("scheduler")) {
            object.insert("_class_name".into(), class.into());
        }
        let scheduler = registries.schedulers.from_map(&object);
        // A class that there is none of is what is to be known, whatever else is wrong.
        if !matches!(scheduler, Err(diffplan_schedulers::Error::Class { .. })) {
            self.check_class(folder, "scheduler", &path, declared)?;
        }
        Ok(scheduler.map_err(|source| diffplan_schedulers::Error::InFile {
            path,
            source: Box::new(source),
        })?)
    }
}
