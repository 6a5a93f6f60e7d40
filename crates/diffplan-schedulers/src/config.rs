//! The options of a scheduler as `scheduler_config.json` holds them: one table makes the struct, its defaults, and both ways
//! between it and the file.
//!
//! Values are taken as leniently as Python takes them: a whole number for a truth value and the other way round, a whole number for
//! any number, `null` for false. A key that the scheduler does not have is passed over where it cannot matter, with a note of it, and
//! an error where it might: [`Class::read`].

mod value;

use serde_json::{Map, Value};

pub use value::Absent;
pub(crate) use value::{Field, OptionValue};

use crate::{Error, Result};

/// What may be in the file of any scheduler without a meaning for the one it names: keys of diffusers' other schedulers, which
/// a file keeps that was made by `from_config`. diffusers passes over them too.
const OF_OTHER_CLASSES: &[&str] = &[
    "algorithm_type",
    "base_image_seq_len",
    "base_shift",
    "euler_at_final",
    "final_sigmas_type",
    "flow_shift",
    "interpolation_type",
    "invert_sigmas",
    "lambda_min_clipped",
    "lower_order_final",
    "max_image_seq_len",
    "max_shift",
    "original_inference_steps",
    "rho",
    "s_churn",
    "s_max",
    "s_min",
    "s_noise",
    "s_tmax",
    "s_tmin",
    "set_alpha_to_one",
    "set_alpha_to_zero",
    "shift",
    "shift_terminal",
    "sigma_data",
    "sigma_max",
    "sigma_min",
    "sigma_schedule",
    "skip_prk_steps",
    "solver_order",
    "solver_p",
    "solver_type",
    "tensor_format",
    "time_shift_type",
    "timestep_scaling",
    "timestep_type",
    "use_beta_sigmas",
    "use_dynamic_shifting",
    "use_exponential_sigmas",
    "use_flow_sigmas",
    "use_karras_sigmas",
    "use_lu_lambdas",
    "variance_type",
    "clip_sample",
    "clip_sample_range",
    "disable_corrector",
    "dynamic_thresholding_ratio",
    "predict_x0",
    "rescale_betas_zero_snr",
    "sample_max_value",
    "thresholding",
];

/// What a file says of its class and of keys that no option is read from.
pub(crate) struct Class {
    /// As diffusers spells it.
    pub(crate) name: &'static str,
    /// The keys it has.
    pub(crate) keys: &'static [&'static str],
}

impl Class {
    /// Reads every key of `map` by `set`, which says whether it knew the key, and gives what was passed over, one note a key.
    ///
    /// Keys with a leading `_` belong to diffusers itself. Of the others that this class does not have, those of diffusers' other
    /// classes and those that are null, false or empty are noted; any other might matter.
    ///
    /// # Errors
    /// [`Error::UnknownKey`]; what `set` gives.
    pub(crate) fn read(
        &self,
        map: &Map<String, Value>,
        mut set: impl FnMut(&Field<'_>) -> Result<bool>,
    ) -> Result<Vec<String>> {
        let mut notes = Vec::new();
        for (key, value) in map {
            // Read by the caller: what it allows depends on `prediction_type`.
            if key.starts_with('_') || key == "predict_epsilon" || set(&Field { key, value })? {
                continue;
            }
            let nearest = diffplan_files::nearest(key, self.keys.iter().copied());
            let idle = match value {
                Value::Null | Value::Bool(false) => true,
                Value::Array(values) => values.is_empty(),
                Value::Object(values) => values.is_empty(),
                _ => false,
            };
            let of_another = OF_OTHER_CLASSES.contains(&key.as_str());
            if !of_another && (!idle || nearest.is_some()) {
                return Err(Error::UnknownKey {
                    key: key.clone(),
                    value: value.to_string(),
                    class: self.name,
                    nearest,
                    allowed: self.keys,
                });
            }
            notes.push(format!(
                "key `{key}` ({value}) means nothing to {}: passed over",
                self.name
            ));
        }
        Ok(notes)
    }
}

/// Makes the struct of a scheduler's options from a table of them: name, type, default.
macro_rules! scheduler_config {
    (
        $(#[$meta:meta])*
        $config:ident of $class:literal {
            $($(#[$doc:meta])* $field:ident: $kind:ty = $default:expr,)+
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(try_from = "serde_json::Map<String, serde_json::Value>", into = "serde_json::Map<String, serde_json::Value>")]
        pub struct $config {
            $($(#[$doc])* pub $field: $kind,)+
        }

        impl Default for $config {
            fn default() -> Self {
                Self { $($field: $default,)+ }
            }
        }

        impl $config {
            /// The class in diffusers, as `_class_name` spells it.
            pub const CLASS_NAME: &str = $class;

            /// The keys of the file.
            pub const KEYS: &[&str] = &[$(stringify!($field),)+];

            /// Reads the text of a `scheduler_config.json`.
            ///
            /// # Errors
            /// [`Error::File`](crate::Error::File) where it is no JSON object; [`Error::Class`](crate::Error::Class) where it is of another
            /// class; [`Error::UnknownKey`](crate::Error::UnknownKey); and what `validate` gives.
            pub fn from_json(text: &str) -> crate::Result<Self> {
                let path = std::path::Path::new(crate::CONFIG_NAME);
                let map = diffplan_files::parse_json_object(text.as_bytes(), path)?;
                crate::registry::expect_class(&map, $class)?;
                map.try_into()
            }

            /// The options of a file's object, read as the release of diffusers did that wrote it; and notes: one for each key that was passed
            /// over, and one on what was assumed.
            ///
            /// # Errors
            /// [`Error::UnknownKey`](crate::Error::UnknownKey), and what `validate` gives.
            pub fn from_map(map: &serde_json::Map<String, serde_json::Value>) -> crate::Result<(Self, Vec<String>)> {
                use crate::config::{Class, OptionValue};
                let (map, assumed) = crate::legacy::modernise($class, map.clone())?;
                let mut config = Self::default();
                let class = Class { name: $class, keys: Self::KEYS };
                let mut notes = class.read(&map, |field| {
                    match field.key {
                        $(stringify!($field) => config.$field = OptionValue::read(field)?,)+
                        _ => return Ok(false),
                    }
                    Ok(true)
                })?;
                notes.extend(assumed);
                crate::config::read_predict_epsilon(&map, &mut config.prediction_type)?;
                config.validate()?;
                Ok((config, notes))
            }

            /// The file's object, as diffusers writes it: sorted keys, with `_class_name` and `_diffusers_version`.
            pub fn to_map(&self) -> serde_json::Map<String, serde_json::Value> {
                use crate::config::OptionValue;
                let mut map = serde_json::Map::new();
                map.insert("_class_name".to_owned(), $class.into());
                map.insert("_diffusers_version".to_owned(), diffplan_files::DIFFUSERS_VERSION.into());
                $(map.insert(stringify!($field).to_owned(), OptionValue::write(&self.$field));)+
                map.sort_keys();
                map
            }
        }

        impl TryFrom<serde_json::Map<String, serde_json::Value>> for $config {
            type Error = crate::Error;

            fn try_from(map: serde_json::Map<String, serde_json::Value>) -> crate::Result<Self> {
                Self::from_map(&map).map(|(config, _)| config)
            }
        }

        impl From<$config> for serde_json::Map<String, serde_json::Value> {
            fn from(config: $config) -> Self {
                config.to_map()
            }
        }
    };
}
pub(crate) use scheduler_config;

/// The legacy key `predict_epsilon` (diffusers before 0.13) is `prediction_type` `epsilon` (true) or `sample` (false).
///
/// # Errors
/// If it contradicts that key.
pub(crate) fn read_predict_epsilon(
    map: &Map<String, Value>,
    prediction_type: &mut crate::PredictionType,
) -> Result<()> {
    use crate::PredictionType::{Epsilon, Sample};
    let key = "predict_epsilon";
    let Some(value) = map.get(key) else {
        return Ok(());
    };
    let field = Field { key, value };
    let legacy = if bool::read(&field)? { Epsilon } else { Sample };
    if map.contains_key("prediction_type") && *prediction_type != legacy {
        return Err(field.unsupported(format!("what agrees with prediction_type {prediction_type}")));
    }
    *prediction_type = legacy;
    Ok(())
}

/// Checks of single values, each an error that names the key.
pub(crate) mod check {
    use crate::{Error, Result};

    pub(crate) fn that(ok: bool, key: &str, value: String, allowed: &str) -> Result<()> {
        if ok {
            return Ok(());
        }
        Err(Error::UnsupportedValue {
            key: key.to_owned(),
            value,
            allowed: allowed.to_owned(),
        })
    }

    /// That a switch is off which asks for something that there is none of here.
    pub(crate) fn off(key: &str, on: bool) -> Result<()> {
        that(!on, key, on.to_string(), "false: it is not supported")
    }

    /// That at most one of these switches is on.
    pub(crate) fn at_most_one(switches: &[(&str, bool)]) -> Result<()> {
        let mut on = switches.iter().filter(|(_, on)| *on);
        match (on.next(), on.next()) {
            (Some((first, _)), Some((second, _))) => that(
                false,
                second,
                "true".to_owned(),
                &format!("false beside {first} true: noise levels are spread in one way"),
            ),
            _ => Ok(()),
        }
    }

    pub(crate) fn unit(key: &str, value: f64) -> Result<()> {
        that(
            (0.0..=1.0).contains(&value),
            key,
            format!("{value:?}"),
            "a number in 0..=1",
        )
    }

    pub(crate) fn positive(key: &str, value: f64) -> Result<()> {
        let single = value as f32;
        let ok = single.is_finite() && single > 0.0;
        that(ok, key, format!("{value:?}"), "a finite float32 above 0")
    }
}
