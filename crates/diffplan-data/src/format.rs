//! `normalizer.json`, both ways. Reading goes through `serde_json::Value` so that an error can say which number of which
//! key is wrong; writing gives every `f32` as the `f64` it equals, so that it reads back as the same `f32` anywhere.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::{Error, Key, NormalizerConfig};

/// Where an error lies that is no key's.
pub(crate) const TOP_LEVEL: &str = "top level";

const KEYS: [Key; 3] = [Key::Observations, Key::Actions, Key::Values];
const KEY_NAMES: &[&str] = &["observations", "actions", "values"];
const TYPES: &[&str] = &["gaussian", "limits", "scalar_gaussian"];

/// The configurations of observations, actions and values, each if the file has it. Statistics are not checked yet.
pub(crate) fn parse(file: &Value) -> Result<[Option<NormalizerConfig>; 3], Error> {
    let entries = object(TOP_LEVEL, file)?;
    known(TOP_LEVEL, entries, KEY_NAMES)?;
    let [observations, actions, values] = KEYS.map(|key| entries.get(key.name()).map(|entry| config(key, entry)));
    Ok([observations.transpose()?, actions.transpose()?, values.transpose()?])
}

fn config(key: Key, entry: &Value) -> Result<NormalizerConfig, Error> {
    let entry = object(key.name(), entry)?;
    let name = match required(key, entry, "type")? {
        Value::String(name) => name.as_str(),
        other => return Err(json_type(format!("{key}.type"), "a string", other)),
    };
    let place = key.name();
    Ok(match name {
        "gaussian" => {
            known(place, entry, &["type", "mean", "std"])?;
            NormalizerConfig::Gaussian {
                mean: numbers(key, entry, "mean")?,
                std: numbers(key, entry, "std")?,
            }
        }
        "limits" => {
            known(place, entry, &["type", "min", "max"])?;
            NormalizerConfig::Limits {
                min: numbers(key, entry, "min")?,
                max: numbers(key, entry, "max")?,
            }
        }
        "scalar_gaussian" => {
            known(place, entry, &["type", "mean", "std"])?;
            let single = |name| number(key, name, None, required(key, entry, name)?, "a number");
            NormalizerConfig::ScalarGaussian {
                mean: single("mean")?,
                std: single("std")?,
            }
        }
        _ => {
            return Err(Error::UnknownType {
                key,
                actual: name.to_owned(),
                expected: TYPES,
            });
        }
    })
}

fn object<'a>(place: &str, value: &'a Value) -> Result<&'a Map<String, Value>, Error> {
    value
        .as_object()
        .ok_or_else(|| json_type(place.to_owned(), "an object", value))
}

fn known(place: &str, entries: &Map<String, Value>, expected: &'static [&'static str]) -> Result<(), Error> {
    match entries.keys().find(|name| !expected.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => Err(Error::UnknownEntry {
            place: place.to_owned(),
            name: name.clone(),
            expected,
        }),
    }
}

fn required<'a>(key: Key, entry: &'a Map<String, Value>, name: &'static str) -> Result<&'a Value, Error> {
    entry.get(name).ok_or_else(|| Error::MissingEntry {
        place: key.name().to_owned(),
        name,
    })
}

/// A list with one number a dimension, or a number alone.
fn numbers(key: Key, entry: &Map<String, Value>, name: &'static str) -> Result<Vec<f32>, Error> {
    match required(key, entry, name)? {
        Value::Array(list) => list
            .iter()
            .enumerate()
            .map(|(i, value)| number(key, name, Some(i), value, "a number"))
            .collect(),
        value => Ok(vec![number(key, name, None, value, "a number or a list of numbers")?]),
    }
}

fn number(
    key: Key,
    name: &'static str,
    dimension: Option<usize>,
    value: &Value,
    expected: &'static str,
) -> Result<f32, Error> {
    let Some(wide) = value.as_f64() else {
        let index = dimension.map(|i| format!("[{i}]")).unwrap_or_default();
        return Err(json_type(format!("{key}.{name}{index}"), expected, value));
    };
    let narrow = wide as f32;
    if narrow.is_finite() {
        Ok(narrow)
    } else {
        Err(Error::InvalidStatistic {
            key,
            name,
            dimension,
            value: wide,
            expected: "a number that a 32-bit float holds",
        })
    }
}

fn json_type(place: String, expected: &'static str, value: &Value) -> Error {
    let actual = match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    };
    Error::JsonType {
        place,
        expected,
        actual,
    }
}

/// The file's text. Statistics of observations and actions are lists; those of values, one dimension, are numbers.
pub(crate) fn to_json(
    observations: &NormalizerConfig,
    actions: &NormalizerConfig,
    values: Option<&NormalizerConfig>,
) -> String {
    let file = Stored {
        observations: StoredConfig::new(observations, false),
        actions: StoredConfig::new(actions, false),
        values: values.map(|values| StoredConfig::new(values, true)),
    };
    let mut text = serde_json::to_string_pretty(&file).expect("numbers, lists and string keys are always JSON");
    text.push('\n');
    text
}

#[derive(Serialize)]
struct Stored {
    observations: StoredConfig,
    actions: StoredConfig,
    #[serde(skip_serializing_if = "Option::is_none")]
    values: Option<StoredConfig>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum StoredConfig {
    Gaussian { mean: Numbers, std: Numbers },
    Limits { min: Numbers, max: Numbers },
    ScalarGaussian { mean: f64, std: f64 },
}

#[derive(Serialize)]
#[serde(untagged)]
enum Numbers {
    One(f64),
    List(Vec<f64>),
}

impl StoredConfig {
    fn new(config: &NormalizerConfig, unwrap_single: bool) -> Self {
        let numbers = |list: &[f32]| match list {
            [one] if unwrap_single => Numbers::One(f64::from(*one)),
            _ => Numbers::List(list.iter().map(|&x| f64::from(x)).collect()),
        };
        match config {
            NormalizerConfig::Gaussian { mean, std } => Self::Gaussian {
                mean: numbers(mean),
                std: numbers(std),
            },
            NormalizerConfig::Limits { min, max } => Self::Limits {
                min: numbers(min),
                max: numbers(max),
            },
            NormalizerConfig::ScalarGaussian { mean, std } => Self::ScalarGaussian {
                mean: f64::from(*mean),
                std: f64::from(*std),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_number_alone_is_one_dimension() {
        let file = json!({
            "actions": {"type": "gaussian", "mean": 1, "std": [2.5]},
            "values": {"type": "limits", "min": [-1.5], "max": 0},
        });
        let [observations, actions, values] = parse(&file).unwrap();
        assert_eq!(observations, None);
        assert_eq!(
            actions,
            Some(NormalizerConfig::Gaussian {
                mean: vec![1.0],
                std: vec![2.5]
            })
        );
        assert_eq!(
            values,
            Some(NormalizerConfig::Limits {
                min: vec![-1.5],
                max: vec![0.0]
            })
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        let check = |file: Value, message: &str| assert_eq!(parse(&file).unwrap_err().to_string(), message, "{file}");
        let one = |key: &str, entry: Value| Value::Object(Map::from_iter([(key.to_owned(), entry)]));
        check(json!([1]), "top level: expected an object, found a list");
        check(
            json!({"rewards": {}}),
            r#"top level: unknown key "rewards", expected one of observations, actions, values"#,
        );
        for key in KEY_NAMES {
            let check = |entry: Value, message: &str| check(one(key, entry), &format!("{key}{message}"));
            check(json!(null), ": expected an object, found null");
            check(json!({"mean": 0, "std": 1}), r#": "type" is missing"#);
            check(json!({"type": 3}), ".type: expected a string, found a number");
            check(
                json!({"type": "SafeLimits", "min": 0, "max": 1}),
                r#": unknown normaliser type "SafeLimits", expected one of gaussian, limits, scalar_gaussian"#,
            );
            check(json!({"type": "gaussian", "mean": 0}), r#": "std" is missing"#);
            check(
                json!({"type": "gaussian", "mean": 0, "std": 1, "eps": 1}),
                r#": unknown key "eps", expected one of type, mean, std"#,
            );
            check(
                json!({"type": "limits", "mean": 0, "std": 1}),
                r#": unknown key "mean", expected one of type, min, max"#,
            );
            check(
                json!({"type": "gaussian", "mean": [0, 1, null], "std": 1}),
                ".mean[2]: expected a number, found null",
            );
            check(
                json!({"type": "gaussian", "mean": "0", "std": 1}),
                ".mean: expected a number or a list of numbers, found a string",
            );
            check(
                json!({"type": "scalar_gaussian", "mean": [0.0], "std": 1}),
                ".mean: expected a number, found a list",
            );
            check(
                json!({"type": "limits", "min": [0, -1e39], "max": [1, 1]}),
                ": min[1] is -1000000000000000000000000000000000000000, expected a number that a 32-bit float holds",
            );
        }
    }

    /// The names that errors list are those that are read and written.
    #[test]
    fn lists_of_names_are_complete() {
        assert_eq!(KEYS.map(Key::name), KEY_NAMES);
        let mut written = [
            NormalizerConfig::Gaussian {
                mean: vec![0.0],
                std: vec![1.0],
            },
            NormalizerConfig::Limits {
                min: vec![0.0],
                max: vec![1.0],
            },
            NormalizerConfig::ScalarGaussian { mean: 0.0, std: 1.0 },
        ]
        .map(|config| {
            let stored = serde_json::to_value(StoredConfig::new(&config, false)).unwrap();
            assert_eq!(super::config(Key::Actions, &stored).unwrap(), config);
            stored["type"].as_str().unwrap().to_owned()
        });
        written.sort();
        assert_eq!(written, TYPES);
    }
}
