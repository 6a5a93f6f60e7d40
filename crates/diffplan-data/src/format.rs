//! `normalizer.json`, both ways. Reading goes through `serde_json::Value` so that an error can say which number of which
//! key is wrong; writing gives every `f32` as the `f64` it equals, so that it reads back as the same `f32` anywhere.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::{Error, Key, NormalizerConfig, NormalizerKind};

/// Where an error lies that is no key's.
pub(crate) const TOP_LEVEL: &str = "top level";

const KEYS: [Key; 3] = [Key::Observations, Key::Actions, Key::Values];
const KEY_NAMES: &[&str] = &["observations", "actions", "values"];

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
    let Some(kind) = NormalizerKind::ALL.into_iter().find(|kind| kind.name() == name) else {
        return Err(Error::UnknownType {
            key,
            actual: name.to_owned(),
            expected: &NormalizerKind::NAMES,
        });
    };
    let place = key.name();
    Ok(match kind {
        NormalizerKind::Gaussian => {
            known(place, entry, &["type", "mean", "std"])?;
            NormalizerConfig::Gaussian {
                mean: numbers(key, entry, "mean")?,
                std: numbers(key, entry, "std")?,
            }
        }
        NormalizerKind::Limits | NormalizerKind::SafeLimits => {
            known(place, entry, &["type", "min", "max"])?;
            let (min, max) = (numbers(key, entry, "min")?, numbers(key, entry, "max")?);
            match kind {
                NormalizerKind::Limits => NormalizerConfig::Limits { min, max },
                _ => NormalizerConfig::SafeLimits { min, max },
            }
        }
        NormalizerKind::Cdf => {
            known(place, entry, &["type", "quantiles", "cumulative_counts"])?;
            NormalizerConfig::Cdf {
                quantiles: knots(key, entry, "quantiles", "a number", quantile)?,
                cumulative_counts: knots(key, entry, "cumulative_counts", "a whole number", count)?,
            }
        }
        NormalizerKind::ScalarGaussian => {
            known(place, entry, &["type", "mean", "std"])?;
            let single = |name| number(key, name, None, required(key, entry, name)?, "a number");
            NormalizerConfig::ScalarGaussian {
                mean: single("mean")?,
                std: single("std")?,
            }
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
            expected: FITS_F32,
        })
    }
}

fn list(place: String, value: &Value) -> Result<&[Value], Error> {
    let list = value.as_array().map(Vec::as_slice);
    list.ok_or_else(|| json_type(place, "a list", value))
}

const FITS_F32: &str = "a number that a 32-bit float holds";

/// A list of knots a dimension, each read by `read`, which says what is expected of a number that it does not take.
fn knots<T>(
    key: Key,
    entry: &Map<String, Value>,
    name: &'static str,
    expected: &'static str,
    read: fn(&Value) -> Result<T, &'static str>,
) -> Result<Vec<Vec<T>>, Error> {
    let mut dimensions = Vec::new();
    for (dimension, knots) in list(format!("{key}.{name}"), required(key, entry, name)?)?
        .iter()
        .enumerate()
    {
        let place = format!("{key}.{name}[{dimension}]");
        let knots = list(place.clone(), knots)?;
        let knot = |(knot, value): (usize, &Value)| {
            let wide = value
                .as_f64()
                .ok_or_else(|| json_type(format!("{place}[{knot}]"), expected, value))?;
            read(value).map_err(|expected| Error::InvalidKnot {
                key,
                name,
                dimension,
                knot,
                value: wide,
                expected,
            })
        };
        dimensions.push(knots.iter().enumerate().map(knot).collect::<Result<_, Error>>()?);
    }
    Ok(dimensions)
}

fn quantile(value: &Value) -> Result<f32, &'static str> {
    let narrow = value.as_f64().map(|wide| wide as f32);
    narrow.filter(|x| x.is_finite()).ok_or(FITS_F32)
}

fn count(value: &Value) -> Result<u64, &'static str> {
    value.as_u64().ok_or("a whole number of 1 or more")
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
    Gaussian {
        mean: Numbers,
        std: Numbers,
    },
    Limits {
        min: Numbers,
        max: Numbers,
    },
    ScalarGaussian {
        mean: f64,
        std: f64,
    },
    SafeLimits {
        min: Numbers,
        max: Numbers,
    },
    Cdf {
        quantiles: Vec<Vec<f64>>,
        cumulative_counts: Vec<Vec<u64>>,
    },
}

#[derive(Serialize)]
#[serde(untagged)]
enum Numbers {
    One(f64),
    List(Vec<f64>),
}

impl StoredConfig {
    fn new(config: &NormalizerConfig, unwrap_single: bool) -> Self {
        let list = |statistics: &[f32]| statistics.iter().map(|&x| f64::from(x)).collect();
        let numbers = |statistics: &[f32]| match statistics {
            [one] if unwrap_single => Numbers::One(f64::from(*one)),
            _ => Numbers::List(list(statistics)),
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
            NormalizerConfig::SafeLimits { min, max } => Self::SafeLimits {
                min: numbers(min),
                max: numbers(max),
            },
            NormalizerConfig::Cdf {
                quantiles,
                cumulative_counts,
            } => Self::Cdf {
                quantiles: quantiles.iter().map(|knots| list(knots)).collect(),
                cumulative_counts: cumulative_counts.clone(),
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
                r#": unknown normaliser type "SafeLimits", expected one of gaussian, scalar_gaussian, limits, safe_limits, cdf"#,
            );
            check(json!({"type": "gaussian", "mean": 0}), r#": "std" is missing"#);
            check(
                json!({"type": "gaussian", "mean": 0, "std": 1, "eps": 1}),
                r#": unknown key "eps", expected one of type, mean, std"#,
            );
            check(json!({"type": "safe_limits", "min": [0]}), r#": "max" is missing"#);
            check(
                json!({"type": "cdf", "quantiles": [[0, 1]], "counts": [[1, 2]]}),
                r#": unknown key "counts", expected one of type, quantiles, cumulative_counts"#,
            );
            let cdf = |quantiles: Value, counts: Value| json!({"type": "cdf", "quantiles": quantiles, "cumulative_counts": counts});
            check(
                cdf(json!(1), json!([[1]])),
                ".quantiles: expected a list, found a number",
            );
            check(
                cdf(json!([[0], 1]), json!([[1]])),
                ".quantiles[1]: expected a list, found a number",
            );
            check(
                cdf(json!([[0], [1, "2"]]), json!([[1]])),
                ".quantiles[1][1]: expected a number, found a string",
            );
            check(
                cdf(json!([[0, 1e39]]), json!([[1]])),
                ": quantiles[0][1] is 1000000000000000000000000000000000000000, expected a number that a 32-bit float holds",
            );
            check(
                cdf(json!([[0]]), json!([[null]])),
                ".cumulative_counts[0][0]: expected a whole number, found null",
            );
            for (bad, shown) in [(json!(1.5), "1.5"), (json!(-1), "-1")] {
                check(
                    cdf(json!([[0, 1]]), json!([[1, bad]])),
                    &format!(": cumulative_counts[0][1] is {shown}, expected a whole number of 1 or more"),
                );
            }
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
        let written = [
            NormalizerConfig::Gaussian {
                mean: vec![0.0],
                std: vec![1.0],
            },
            NormalizerConfig::ScalarGaussian { mean: 0.0, std: 1.0 },
            NormalizerConfig::Limits {
                min: vec![0.0],
                max: vec![1.0],
            },
            NormalizerConfig::SafeLimits {
                min: vec![0.0],
                max: vec![1.0],
            },
            NormalizerConfig::Cdf {
                quantiles: vec![vec![0.0, 1.5], vec![0.1]],
                cumulative_counts: vec![vec![1, 3], vec![3]],
            },
        ]
        .map(|config| {
            let stored = serde_json::to_value(StoredConfig::new(&config, false)).unwrap();
            assert_eq!(super::config(Key::Actions, &stored).unwrap(), config);
            assert_eq!(stored["type"], config.kind().name());
            config.kind()
        });
        assert_eq!(written, NormalizerKind::ALL);
    }
}
