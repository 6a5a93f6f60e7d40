//! The files of a [`UNet1dModel`]: `config.json` and `diffusion_pytorch_model.safetensors`, as diffusers saves them.

use super::legacy::modernise;
use super::{UNet1dConfig, UNet1dModel};
use crate::error::{Error, Result};
use crate::pretrained::CONFIG_NAME;
use crate::weights;
use diffplan_files::{
    DIFFUSERS_VERSION, FileError, Folder, nearest, parse_json_object, prepare_folder, write_atomically,
};
use diffplan_nn::{fill_params, safetensors};
use serde_json::{Map, Value};
use std::path::Path;

/// Name of the weights in their folder.
const WEIGHTS_NAME: &str = "diffusion_pytorch_model.safetensors";

/// Keys that diffusers' `EMAModel` adds to the configuration of the network it averages.
const OF_AVERAGES: [&str; 7] = [
    "decay",
    "inv_gamma",
    "min_decay",
    "optimization_step",
    "power",
    "update_after_step",
    "use_ema_warmup",
];

impl UNet1dModel {
    /// The class in diffusers, as `_class_name` spells it.
    pub const CLASS_NAME: &str = "UNet1DModel";

    /// The model in `folder`: [`from_folder`](Self::from_folder) of a folder on disk.
    ///
    /// # Errors
    /// As there.
    pub fn from_pretrained(folder: impl AsRef<Path>) -> Result<Self> {
        Self::from_folder(&Folder::at(folder.as_ref()))
    }

    /// The model in `folder`, as any release of diffusers saves it: `config.json`, and the weights in safetensors or PyTorch's format, in one
    /// file or in shards, of the folder's [variant](Folder::variant). What was odd and harmless, and what was assumed of an old
    /// configuration, is in its [`notes`](Self::notes).
    ///
    /// # Errors
    /// If a file is missing or damaged, the configuration is not supported, or a parameter is missing, unexpected, of another
    /// shape or not finite.
    pub fn from_folder(folder: &Folder) -> Result<Self> {
        let path = folder.path_of(CONFIG_NAME);
        let mut object = parse_json_object(&folder.read(CONFIG_NAME)?, &path)?;
        if let Some(class) = object
            .get("_class_name")
            .filter(|class| **class != Self::CLASS_NAME && !class.is_null())
        {
            return Err(
                Error::config("_class_name", format!("{class}, expected {:?}", Self::CLASS_NAME)).in_file(&path),
            );
        }
        let (names, assumed) = modernise(&mut object).map_err(|e| e.in_file(&path))?;
        let (config, mut notes) = UNet1dConfig::from_map(object).map_err(|e| e.in_file(&path))?;
        notes.extend(assumed.map(|assumed| format!("{}: {assumed}", path.display())));
        let mut model = Self::new(config).map_err(|e| e.in_file(&path))?;
        let weights = weights::read(folder)?;
        notes.extend(weights.notes);
        notes.extend(fill_params(
            &mut model,
            weights.tensors.renamed(|name| names.today(name)),
        )?);
        model.notes = notes;
        Ok(model)
    }

    /// Writes `config.json` and `diffusion_pytorch_model.safetensors` to `folder`, which is made if it is not there; diffusers'
    /// `UNet1DModel.from_pretrained` loads them. Each is written under a temporary name and renamed.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn save_pretrained(&self, folder: impl AsRef<Path>) -> Result<()> {
        let folder = folder.as_ref();
        prepare_folder(folder)?;
        safetensors::save(self, &folder.join(WEIGHTS_NAME))?;
        let path = folder.join(CONFIG_NAME);
        let refuse = |e: serde_json::Error| FileError::malformed(&path, e.to_string());
        let mut object = serde_json::to_value(&self.config).map_err(refuse)?;
        object["_class_name"] = Self::CLASS_NAME.into();
        object["_diffusers_version"] = DIFFUSERS_VERSION.into();
        let text = serde_json::to_string_pretty(&object).map_err(refuse)?;
        write_atomically(&path, (text + "\n").as_bytes()).map_err(|e| FileError::io(&path, e))?;
        Ok(())
    }
}

/// How a key's value is read where Python is more lenient than serde.
fn as_python_takes_it(key: &str, value: Value) -> Value {
    match (key, &value) {
        ("flip_sin_to_cos" | "use_timestep_embedding" | "downsample_each_block", Value::Null) => false.into(),
        ("flip_sin_to_cos" | "use_timestep_embedding" | "downsample_each_block", Value::Number(number)) => {
            match number.as_f64() {
                Some(0.0) => false.into(),
                Some(1.0) => true.into(),
                _ => value,
            }
        }
        ("sample_size" | "sample_rate", _) => value,
        (_, Value::Array(values)) => values
            .iter()
            .map(|value| as_python_takes_it("", value.clone()))
            .collect(),
        (_, Value::Number(number)) => match number.as_f64() {
            // Up to here float64 holds every integer.
            Some(whole) if number.is_f64() && whole.fract() == 0.0 && (0.0..9e15).contains(&whole) => {
                (whole as u64).into()
            }
            _ => value,
        },
        (
            "in_channels" | "out_channels" | "extra_in_channels" | "layers_per_block" | "norm_num_groups"
            | "time_embedding_dim" | "freq_shift",
            Value::Bool(truth),
        ) => u64::from(*truth).into(),
        _ => value,
    }
}

impl UNet1dConfig {
    /// The configuration of a file's object, and a note for each key that was passed over. All keys are optional; keys that begin
    /// with `_` belong to diffusers itself. Of others that are not this network's, those that cannot matter are noted, as
    /// diffusers does: the ones of an average, and what is null, false or empty.
    ///
    /// # Errors
    /// If a key might matter and is unknown, or its value is of another kind; the error names it.
    pub fn from_map(object: Map<String, Value>) -> Result<(Self, Vec<String>)> {
        let (mut keys, mut notes) = (Map::new(), Vec::new());
        let mut of_average = Vec::new();
        for (key, value) in object {
            if key.starts_with('_') {
                continue;
            }
            if Self::KEYS.contains(&key.as_str()) {
                let value = as_python_takes_it(&key, value);
                // Each key alone: serde says what is wrong but not where.
                let alone = Map::from_iter([(key.clone(), value.clone())]);
                serde_json::from_value::<Self>(Value::Object(alone)).map_err(|e| Error::config(&key, e.to_string()))?;
                keys.insert(key, value);
                continue;
            }
            let meant = nearest(&key, Self::KEYS.iter().copied());
            let idle = match &value {
                Value::Null | Value::Bool(false) => true,
                Value::Array(values) => values.is_empty(),
                Value::Object(values) => values.is_empty(),
                _ => false,
            };
            if OF_AVERAGES.contains(&key.as_str()) {
                of_average.push(format!("`{key}`"));
                continue;
            }
            if idle && meant.is_none() {
                notes.push(format!(
                    "key `{key}` ({value}) means nothing to {}: passed over",
                    UNet1dModel::CLASS_NAME
                ));
                continue;
            }
            let meant = meant.map_or_else(
                || "what it asks for cannot be honoured".to_owned(),
                |meant| format!("did you mean `{meant}`?"),
            );
            let reason = format!(
                "unknown, with value {value}: {meant} There are {}",
                Self::KEYS.join(", ")
            );
            return Err(Error::config(&key, reason));
        }
        if !of_average.is_empty() {
            notes.push(format!(
                "the keys of an average (EMA) mean nothing to a {}: passed over {}",
                UNet1dModel::CLASS_NAME,
                of_average.join(", ")
            ));
        }
        let config = serde_json::from_value(Value::Object(keys)).map_err(|e| Error::config("", e.to_string()))?;
        Ok((config, notes))
    }
}
