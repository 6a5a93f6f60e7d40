//! `scheduler_config.json` of a DDPM scheduler, keys and defaults of diffusers 0.42.1 `DDPMScheduler.__init__`.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::json_value::Field;
use crate::{BetaSchedule, Error, PredictionType, Result, TimestepSpacing, VarianceType, atomic_file};

/// The version of diffusers whose format [`DdpmConfig::save_pretrained`] writes.
const DIFFUSERS_VERSION: &str = "0.42.1";

/// Far above any schedule in use; keeps a broken file from asking for all memory.
const MAX_TRAIN_TIMESTEPS: usize = 1_000_000;

/// What a file may hold, besides keys that start with `_`.
const KEYS: &[&str] = &[
    "beta_end",
    "beta_schedule",
    "beta_start",
    "clip_sample",
    "clip_sample_range",
    "dynamic_thresholding_ratio",
    "num_train_timesteps",
    "predict_epsilon",
    "prediction_type",
    "rescale_betas_zero_snr",
    "sample_max_value",
    "steps_offset",
    "thresholding",
    "timestep_spacing",
    "trained_betas",
    "variance_type",
];

/// The options of a [`DdpmScheduler`](crate::DdpmScheduler), with the defaults of diffusers.
///
/// Numbers are `f64`, as Python holds them; they are rounded to `f32` where the reference does.
///
/// With serde it reads and writes the plain keys. [`from_json`](Self::from_json) and [`to_json`](Self::to_json) are the
/// whole file, class name included. A missing key takes its default, keys that start with `_` are ignored, any other
/// unknown key is an error. The legacy key `predict_epsilon` (diffusers before 0.13) is read as `prediction_type`
/// `epsilon` (true) or `sample` (false), and may not contradict that key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Map<String, Value>")]
pub struct DdpmConfig {
    /// Length of the beta schedule, 1 to 1 000 000.
    pub num_train_timesteps: usize,
    /// First beta, in 0..=1; not used by the squared cosine and Laplace schedules.
    pub beta_start: f64,
    /// Last beta, in 0..=1; not used by the squared cosine and Laplace schedules.
    pub beta_end: f64,
    /// How beta grows.
    pub beta_schedule: BetaSchedule,
    /// The betas themselves, instead of a schedule. Shape: `(num_train_timesteps,)`.
    pub trained_betas: Option<Vec<f64>>,
    /// Variance of the noise of a step.
    pub variance_type: VarianceType,
    /// Whether the predicted original sample is clipped; `thresholding` goes before it.
    pub clip_sample: bool,
    /// What the model predicts.
    pub prediction_type: PredictionType,
    /// Whether the predicted original sample is thresholded dynamically (arXiv:2205.11487).
    pub thresholding: bool,
    /// The quantile of the absolute values that becomes the threshold, in 0..=1.
    pub dynamic_thresholding_ratio: f64,
    /// Clips to `-clip_sample_range..=clip_sample_range`.
    pub clip_sample_range: f64,
    /// The largest threshold.
    pub sample_max_value: f64,
    /// Which timesteps are visited.
    pub timestep_spacing: TimestepSpacing,
    /// Added to the timesteps of [`TimestepSpacing::Leading`].
    pub steps_offset: usize,
    /// Whether betas are rescaled so that the last timestep is noise alone (arXiv:2305.08891).
    pub rescale_betas_zero_snr: bool,
}

impl Default for DdpmConfig {
    fn default() -> Self {
        Self {
            num_train_timesteps: 1000,
            beta_start: 0.0001,
            beta_end: 0.02,
            beta_schedule: BetaSchedule::Linear,
            trained_betas: None,
            variance_type: VarianceType::FixedSmall,
            clip_sample: true,
            prediction_type: PredictionType::Epsilon,
            thresholding: false,
            dynamic_thresholding_ratio: 0.995,
            clip_sample_range: 1.0,
            sample_max_value: 1.0,
            timestep_spacing: TimestepSpacing::Leading,
            steps_offset: 0,
            rescale_betas_zero_snr: false,
        }
    }
}

impl DdpmConfig {
    /// Name of the configuration file in its folder.
    pub const CONFIG_NAME: &str = "scheduler_config.json";

    /// Reads the text of a `scheduler_config.json`.
    ///
    /// # Errors
    ///
    /// [`Error::Json`] where it is not a JSON object, [`Error::UnknownKey`], and what [`validate`](Self::validate) gives.
    pub fn from_json(text: &str) -> Result<Self> {
        serde_json::from_str::<Map<String, Value>>(text)?.try_into()
    }

    /// The text of a `scheduler_config.json` that diffusers loads as well: sorted keys, with `_class_name` and
    /// `_diffusers_version`.
    ///
    /// # Errors
    ///
    /// What [`validate`](Self::validate) gives.
    pub fn to_json(&self) -> Result<String> {
        self.validate()?;
        let mut map: Map<String, Value> = serde_json::from_value(serde_json::to_value(self)?)?;
        map.insert("_class_name".to_owned(), "DDPMScheduler".into());
        map.insert("_diffusers_version".to_owned(), DIFFUSERS_VERSION.into());
        map.sort_keys();
        Ok(serde_json::to_string_pretty(&map)? + "\n")
    }

    /// Reads `scheduler_config.json` in `folder`.
    ///
    /// # Errors
    ///
    /// [`Error::Io`], or [`Error::InFile`] around what [`from_json`](Self::from_json) gives.
    pub fn from_pretrained(folder: impl AsRef<Path>) -> Result<Self> {
        let path = folder.as_ref().join(Self::CONFIG_NAME);
        let text = fs::read_to_string(&path).map_err(|source| Error::Io {
            action: "read",
            path: path.clone(),
            source,
        })?;
        Self::from_json(&text).map_err(|source| Error::InFile {
            path,
            source: Box::new(source),
        })
    }

    /// Writes `scheduler_config.json` in `folder`, which is created where it does not exist.
    ///
    /// The file appears whole or not at all: it is written under a temporary name in the same folder and renamed.
    ///
    /// # Errors
    ///
    /// [`Error::Io`], and what [`validate`](Self::validate) gives.
    pub fn save_pretrained(&self, folder: impl AsRef<Path>) -> Result<()> {
        let folder = folder.as_ref();
        let text = self.to_json()?;
        fs::create_dir_all(folder).map_err(|source| Error::Io {
            action: "create folder",
            path: folder.to_owned(),
            source,
        })?;
        let path = folder.join(Self::CONFIG_NAME);
        atomic_file::write(&path, text.as_bytes()).map_err(|source| Error::Io {
            action: "write",
            path,
            source,
        })
    }

    /// Checks every value on its own, and the length of `trained_betas`.
    ///
    /// The betas that follow from the values are checked by [`DdpmScheduler::new`](crate::DdpmScheduler::new).
    ///
    /// # Errors
    ///
    /// [`Error::UnsupportedValue`], [`Error::TrainedBetasLength`].
    pub fn validate(&self) -> Result<()> {
        let check = |ok: bool, key: &str, value: String, allowed: &str| {
            let error = || Error::UnsupportedValue {
                key: key.to_owned(),
                value,
                allowed: allowed.to_owned(),
            };
            if ok { Ok(()) } else { Err(error()) }
        };
        let number = |key, value: f64, ok: bool, allowed| check(ok, key, format!("{value:?}"), allowed);
        let unit = |key, value: f64| number(key, value, (0.0..=1.0).contains(&value), "a number in 0..=1");
        let positive = |key, value: f64| {
            let single = value as f32;
            number(
                key,
                value,
                single.is_finite() && single > 0.0,
                "a finite float32 above 0",
            )
        };

        let train = self.num_train_timesteps;
        check(
            (1..=MAX_TRAIN_TIMESTEPS).contains(&train),
            "num_train_timesteps",
            train.to_string(),
            "an integer in 1..=1000000",
        )?;
        unit("beta_start", self.beta_start)?;
        unit("beta_end", self.beta_end)?;
        unit("dynamic_thresholding_ratio", self.dynamic_thresholding_ratio)?;
        positive("clip_sample_range", self.clip_sample_range)?;
        positive("sample_max_value", self.sample_max_value)?;
        if let Some(betas) = &self.trained_betas {
            for &beta in betas {
                unit("trained_betas", beta)?;
            }
            if betas.len() != train {
                return Err(Error::TrainedBetasLength {
                    actual: betas.len(),
                    expected: train,
                });
            }
        }
        Ok(())
    }
}

impl TryFrom<Map<String, Value>> for DdpmConfig {
    type Error = Error;

    fn try_from(map: Map<String, Value>) -> Result<Self> {
        let mut config = Self::default();
        for (key, value) in &map {
            let field = Field { key, value };
            match key.as_str() {
                "num_train_timesteps" => config.num_train_timesteps = field.integer()?,
                "beta_start" => config.beta_start = field.number()?,
                "beta_end" => config.beta_end = field.number()?,
                "beta_schedule" => config.beta_schedule = field.name()?,
                "trained_betas" => config.trained_betas = field.optional_numbers()?,
                "variance_type" => config.variance_type = field.name()?,
                "clip_sample" => config.clip_sample = field.boolean()?,
                "prediction_type" => config.prediction_type = field.name()?,
                "thresholding" => config.thresholding = field.boolean()?,
                "dynamic_thresholding_ratio" => config.dynamic_thresholding_ratio = field.number()?,
                "clip_sample_range" => config.clip_sample_range = field.number()?,
                "sample_max_value" => config.sample_max_value = field.number()?,
                "timestep_spacing" => config.timestep_spacing = field.name()?,
                "steps_offset" => config.steps_offset = field.integer()?,
                "rescale_betas_zero_snr" => config.rescale_betas_zero_snr = field.boolean()?,
                // Read below: what it allows depends on `prediction_type`.
                "predict_epsilon" => {}
                private if private.starts_with('_') => {}
                unknown => {
                    let (key, value) = (unknown.to_owned(), value.to_string());
                    return Err(Error::UnknownKey {
                        key,
                        value,
                        allowed: KEYS,
                    });
                }
            }
        }
        if let Some(value) = map.get("predict_epsilon") {
            let field = Field {
                key: "predict_epsilon",
                value,
            };
            let legacy = if field.boolean()? {
                PredictionType::Epsilon
            } else {
                PredictionType::Sample
            };
            if map.contains_key("prediction_type") && config.prediction_type != legacy {
                return Err(field.unsupported(format!("what agrees with prediction_type {}", config.prediction_type)));
            }
            config.prediction_type = legacy;
        }
        config.validate()?;
        Ok(config)
    }
}
