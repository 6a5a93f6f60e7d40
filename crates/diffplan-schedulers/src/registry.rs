//! [`Registry`]: schedulers by the class that their file names.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use diffplan_files::{Folder, nearest, parse_json_object};
use serde_json::{Map, Value};

use crate::{
    CONFIG_NAME, DdimConfig, DdimScheduler, DdpmConfig, DdpmScheduler, DpmSolverMultistepConfig,
    DpmSolverMultistepScheduler, Error, EulerAncestralDiscreteConfig, EulerAncestralDiscreteScheduler,
    EulerDiscreteConfig, EulerDiscreteScheduler, HeunDiscreteConfig, HeunDiscreteScheduler, Result, Scheduler,
    UniPcMultistepConfig, UniPcMultistepScheduler,
};

/// Makes a scheduler of the object of its file.
type Load = Arc<dyn Fn(&Map<String, Value>) -> Result<Arc<dyn Scheduler>> + Send + Sync>;

#[derive(Clone)]
struct Entry {
    class: String,
    /// What a command calls it.
    name: String,
    keys: Vec<String>,
    load: Load,
}

/// The classes of schedulers there are, by `_class_name`; one's own can be registered beside them.
///
/// ```
/// use diffplan_schedulers::{Registry, Scheduler};
///
/// let text = br#"{"_class_name": "DDIMScheduler", "num_train_timesteps": 20}"#;
/// let scheduler = Registry::builtin().read(text, "scheduler_config.json".as_ref())?;
/// assert_eq!(scheduler.class_name(), "DDIMScheduler");
/// # Ok::<(), diffplan_schedulers::Error>(())
/// ```
#[derive(Clone)]
pub struct Registry {
    entries: Vec<Entry>,
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.classes()).finish()
    }
}

impl Default for Registry {
    fn default() -> Self {
        Self::builtin()
    }
}

impl Registry {
    /// Those of this crate: `DDPMScheduler` ("ddpm"), `DDIMScheduler` ("ddim"), `DPMSolverMultistepScheduler` ("dpm++"),
    /// `EulerDiscreteScheduler` ("euler"), `EulerAncestralDiscreteScheduler` ("euler-a"), `HeunDiscreteScheduler` ("heun"),
    /// `UniPCMultistepScheduler` ("unipc").
    pub fn builtin() -> Self {
        let mut registry = Self { entries: Vec::new() };
        registry.register(DdpmConfig::CLASS_NAME, "ddpm", DdpmConfig::KEYS, |map| {
            Ok(Arc::new(DdpmScheduler::from_map(map)?))
        });
        registry.register(DdimConfig::CLASS_NAME, "ddim", DdimConfig::KEYS, |map| {
            Ok(Arc::new(DdimScheduler::from_map(map)?))
        });
        registry.register(
            DpmSolverMultistepConfig::CLASS_NAME,
            "dpm++",
            DpmSolverMultistepConfig::KEYS,
            |map| Ok(Arc::new(DpmSolverMultistepScheduler::from_map(map)?)),
        );
        registry.register(
            EulerDiscreteConfig::CLASS_NAME,
            "euler",
            EulerDiscreteConfig::KEYS,
            |map| Ok(Arc::new(EulerDiscreteScheduler::from_map(map)?)),
        );
        registry.register(
            EulerAncestralDiscreteConfig::CLASS_NAME,
            "euler-a",
            EulerAncestralDiscreteConfig::KEYS,
            |map| Ok(Arc::new(EulerAncestralDiscreteScheduler::from_map(map)?)),
        );
        registry.register(
            HeunDiscreteConfig::CLASS_NAME,
            "heun",
            HeunDiscreteConfig::KEYS,
            |map| Ok(Arc::new(HeunDiscreteScheduler::from_map(map)?)),
        );
        registry.register(
            UniPcMultistepConfig::CLASS_NAME,
            "unipc",
            UniPcMultistepConfig::KEYS,
            |map| Ok(Arc::new(UniPcMultistepScheduler::from_map(map)?)),
        );
        registry
    }

    /// Adds a class, in place of one of the same name: `class` is what files say in `_class_name`, `name` what a command calls it, `keys`
    /// what its file may hold, `load` makes it of the file's object.
    pub fn register(
        &mut self,
        class: &str,
        name: &str,
        keys: &[&str],
        load: impl Fn(&Map<String, Value>) -> Result<Arc<dyn Scheduler>> + Send + Sync + 'static,
    ) {
        self.entries.retain(|entry| entry.class != class && entry.name != name);
        self.entries.push(Entry {
            class: class.to_owned(),
            name: name.to_owned(),
            keys: keys.iter().map(|&key| key.to_owned()).collect(),
            load: Arc::new(load),
        });
    }

    /// The classes, as files spell them.
    pub fn classes(&self) -> impl Iterator<Item = &str> + Clone {
        self.entries.iter().map(|entry| entry.class.as_str())
    }

    /// The names a command has for them.
    pub fn names(&self) -> impl Iterator<Item = &str> + Clone {
        self.entries.iter().map(|entry| entry.name.as_str())
    }

    /// Reads `scheduler_config.json` of a folder.
    ///
    /// # Errors
    /// [`Error::File`]; [`Error::InFile`] around what is wrong with its content, [`Error::Class`] among it.
    pub fn load(&self, folder: &Folder) -> Result<Arc<dyn Scheduler>> {
        self.read(&folder.read(CONFIG_NAME)?, &folder.path_of(CONFIG_NAME))
    }

    /// Reads the content of a `scheduler_config.json`; `path` is for errors alone. A file that names no class is one of
    /// `DDPMScheduler`, which is what folders for planning have.
    ///
    /// # Errors
    /// As [`Registry::load`].
    pub fn read(&self, bytes: &[u8], path: &Path) -> Result<Arc<dyn Scheduler>> {
        let map = parse_json_object(bytes, path)?;
        self.from_map(&map).map_err(|source| Error::InFile {
            path: path.to_owned(),
            source: Box::new(source),
        })
    }

    /// The scheduler of a file's object.
    ///
    /// # Errors
    /// [`Error::Class`], and what its class says of the rest.
    pub fn from_map(&self, map: &Map<String, Value>) -> Result<Arc<dyn Scheduler>> {
        let class = class_of(map)?.unwrap_or(DdpmConfig::CLASS_NAME);
        let entry = self.entries.iter().find(|entry| entry.class == class);
        let entry = entry.ok_or_else(|| no_class(class, self.classes()))?;
        (entry.load)(map)
    }

    /// The scheduler of another class, or the same, with the options of `from` that it has too: diffusers'
    /// `DDIMScheduler.from_config(scheduler.config)`. `name` is a command's name or a class.
    ///
    /// # Errors
    /// [`Error::Class`], and what its class says of the options.
    pub fn converted(&self, name: &str, from: &dyn Scheduler) -> Result<Arc<dyn Scheduler>> {
        self.converted_with(Some(name), from, None)
    }

    /// As [`converted`](Self::converted), with some options set anew: diffusers' `from_config(scheduler.config, timestep_spacing="trailing")`.
    /// Without a name it stays of its class.
    ///
    /// # Errors
    /// [`Error::Class`], and what its class says of the options.
    pub fn converted_with(
        &self,
        name: Option<&str>,
        from: &dyn Scheduler,
        options: impl IntoIterator<Item = (&'static str, Value)>,
    ) -> Result<Arc<dyn Scheduler>> {
        let mut map = from.to_map();
        let name = match name {
            Some(name) => name.to_owned(),
            None => class_of(&map)?.unwrap_or(DdpmConfig::CLASS_NAME).to_owned(),
        };
        let mut entries = self.entries.iter();
        let Some(entry) = entries.find(|entry| entry.name.eq_ignore_ascii_case(&name) || entry.class == name) else {
            return Err(no_class(&name, self.names().chain(self.classes())));
        };
        map.retain(|key, _| entry.keys.contains(key));
        map.insert("_class_name".to_owned(), entry.class.as_str().into());
        map.extend(options.into_iter().map(|(key, value)| (key.to_owned(), value)));
        (entry.load)(&map)
    }
}

fn no_class<'a>(name: &str, known: impl Iterator<Item = &'a str> + Clone) -> Error {
    Error::Class {
        name: name.to_owned(),
        nearest: nearest(name, known.clone()).map(str::to_owned),
        known: known.map(str::to_owned).collect(),
    }
}

/// What a file says of its class, if it says something.
fn class_of(map: &Map<String, Value>) -> Result<Option<&str>> {
    match map.get("_class_name") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(name)) => Ok(Some(name)),
        Some(other) => Err(Error::UnsupportedValue {
            key: "_class_name".to_owned(),
            value: other.to_string(),
            allowed: "the name of a class".to_owned(),
        }),
    }
}

/// Checks that a file that names a class names this one.
pub(crate) fn expect_class(map: &Map<String, Value>, expected: &str) -> Result<()> {
    match class_of(map)? {
        Some(name) if name != expected => Err(no_class(name, std::iter::once(expected))),
        _ => Ok(()),
    }
}
