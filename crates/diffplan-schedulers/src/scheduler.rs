//! [`Scheduler`]: what a `scheduler_config.json` describes.

use std::fmt::Debug;
use std::path::Path;

use diffplan_files::{FileError, prepare_folder, write_atomically};
use serde_json::{Map, Value};

use crate::{CONFIG_NAME, NoiseSchedule, Result, Sampler, Steps};

/// How samples are taken from noise: the noise schedule a model was trained with, and the rule by which its output leads from
/// one noise level to the next.
///
/// It never changes. What changes during a run is in the [`Sampler`] that it makes.
pub trait Scheduler: Debug + Send + Sync {
    /// The class as diffusers spells it in `_class_name`.
    fn class_name(&self) -> &'static str;

    /// The forward process.
    fn schedule(&self) -> &NoiseSchedule;

    /// What runs it: timesteps and whatever a run keeps.
    ///
    /// # Errors
    /// Steps that the schedule or the class does not have; [`Error::NoSignal`](crate::Error::NoSignal) where a step would divide by zero.
    fn sampler(&self, steps: &Steps) -> Result<Box<dyn Sampler>>;

    /// The object of `scheduler_config.json`, `_class_name` included.
    fn to_map(&self) -> Map<String, Value>;

    /// What was odd in the file and passed over, a sentence each.
    fn notes(&self) -> &[String] {
        &[]
    }
}

impl dyn Scheduler + '_ {
    /// The text of a `scheduler_config.json` that diffusers loads as well.
    pub fn to_json(&self) -> String {
        let mut text = format!("{:#}", Value::Object(self.to_map()));
        // As Python writes, and reads, the numbers that JSON has no word for.
        for name in ["-Infinity", "Infinity", "NaN"] {
            text = text.replace(&format!("\": \"{name}\""), &format!("\": {name}"));
        }
        text.push('\n');
        text
    }

    /// Writes `scheduler_config.json` in `folder`, which is created where it does not exist. The file appears whole or not at all.
    ///
    /// # Errors
    /// [`Error::File`](crate::Error::File).
    pub fn save_pretrained(&self, folder: impl AsRef<Path>) -> Result<()> {
        let folder = folder.as_ref();
        prepare_folder(folder)?;
        let path = folder.join(CONFIG_NAME);
        write_atomically(&path, self.to_json().as_bytes()).map_err(|source| FileError::io(path, source).into())
    }
}

/// Makes a scheduler's struct of its options: what is built of them once, `new`, `from_map`, `config`, and all of [`Scheduler`] but
/// [`sampler`](Scheduler::sampler), which is the class's own `run`.
macro_rules! scheduler {
    ($(#[$meta:meta])* $name:ident of $config:ident, $build:expr) => {
        $(#[$meta])*
        #[derive(Clone, Debug)]
        pub struct $name {
            config: std::sync::Arc<$config>,
            schedule: std::sync::Arc<crate::NoiseSchedule>,
            notes: Vec<String>,
        }

        impl $name {
            /// Builds the schedule.
            ///
            /// # Errors
            /// What the options' `validate` gives; [`Error::BetaOutOfRange`](crate::Error::BetaOutOfRange) and
            /// [`Error::DegenerateSchedule`](crate::Error::DegenerateSchedule) for betas with which a step would divide by zero.
            pub fn new(config: $config) -> crate::Result<Self> {
                config.validate()?;
                let build: fn(&$config) -> crate::Result<crate::NoiseSchedule> = $build;
                Ok(Self {
                    schedule: build(&config)?.into(),
                    config: config.into(),
                    notes: Vec::new(),
                })
            }

            /// Builds it from the object of a file.
            ///
            /// # Errors
            /// As `new`, and [`Error::UnknownKey`](crate::Error::UnknownKey).
            pub fn from_map(map: &serde_json::Map<String, serde_json::Value>) -> crate::Result<Self> {
                let (config, notes) = $config::from_map(map)?;
                Ok(Self {
                    notes,
                    ..Self::new(config)?
                })
            }

            /// The options.
            pub fn config(&self) -> &$config {
                &self.config
            }
        }

        impl crate::Scheduler for $name {
            fn class_name(&self) -> &'static str {
                $config::CLASS_NAME
            }

            fn schedule(&self) -> &crate::NoiseSchedule {
                &self.schedule
            }

            fn sampler(&self, steps: &crate::Steps) -> crate::Result<Box<dyn crate::Sampler>> {
                self.run(steps)
            }

            fn to_map(&self) -> serde_json::Map<String, serde_json::Value> {
                self.config.to_map()
            }

            fn notes(&self) -> &[String] {
                &self.notes
            }
        }
    };
}
pub(crate) use scheduler;
