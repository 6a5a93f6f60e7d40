//! Statistics from a file: `normalizer.json`, or mean, deviation and limits by name.
//!
//! | file | content |
//! | --- | --- |
//! | `normalizer.json` | taken as it is |
//! | JSON | `{"observations": {"mean": […], "std": […], "min": […], "max": […]}, "actions": {…}}`; what the normaliser needs of these |
//! | `.npz` | the same as arrays `observations.mean`, `actions.max`, …, with `.`, `_` or `/` between |
//!
//! What they stand for is decided by the normaliser that the checkpoint was trained with, by the original's rule for it.

use crate::error::{Error, Result};
use crate::jannerm::{NormalizerClass, widened};
use diffplan_data::{NormalizerConfig, Normalizers};
use diffplan_files::{FileError, parse_json};
use ndarray::{Ix1, OwnedRepr};
use ndarray_npy::NpzReader;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Cursor;
use std::path::Path;

const KEYS: [&str; 2] = ["observations", "actions"];
const NAMES: [&str; 4] = ["mean", "std", "min", "max"];

/// By key and name of the statistic.
type Numbers = BTreeMap<(String, String), Vec<f32>>;

/// The normalisers that a file of statistics stands for; `class` is what the checkpoint was trained with, where that is known.
///
/// # Errors
/// If it cannot be read, or lacks what the normaliser needs.
pub(crate) fn read(path: &Path, class: Option<NormalizerClass>) -> Result<Normalizers> {
    let bytes = std::fs::read(path).map_err(|error| FileError::io(path, error))?;
    let numbers = match bytes.starts_with(b"PK") {
        true => of_npz(&bytes, path)?,
        false => {
            let value = parse_json(&bytes, path)?;
            if KEYS.iter().any(|key| value[key].get("type").is_some()) {
                return Ok(Normalizers::from_bytes(&bytes, path)?);
            }
            of_json(&value, path)?
        }
    };
    let [observations, actions] = KEYS.map(|key| config(&numbers, key, class, path));
    Ok(Normalizers::new(observations?, actions?, None)?)
}

fn of_json(value: &Value, path: &Path) -> Result<Numbers> {
    let mut numbers = Numbers::new();
    for key in KEYS {
        for name in NAMES {
            let Some(list) = value[key].get(name) else { continue };
            let wrong = || Error::source(path, format!("{key}.{name} is {list}, expected a list of numbers"));
            let list: Option<Vec<f32>> = match list {
                Value::Array(list) => list.iter().map(|x| x.as_f64().map(|x| x as f32)).collect(),
                Value::Number(one) => one.as_f64().map(|x| vec![x as f32]),
                _ => None,
            };
            numbers.insert((key.into(), name.into()), list.ok_or_else(wrong)?);
        }
    }
    Ok(numbers)
}

fn of_npz(bytes: &[u8], path: &Path) -> Result<Numbers> {
    let wrong = |what: String| Error::source(path, what);
    let mut archive = NpzReader::new(Cursor::new(bytes)).map_err(|error| wrong(format!("no .npz: {error}")))?;
    let there = archive.names().map_err(|error| wrong(error.to_string()))?;
    let mut numbers = Numbers::new();
    for name in there {
        let plain = name.strip_suffix(".npy").unwrap_or(&name);
        let Some((key, statistic)) = plain.rsplit_once(['.', '_', '/']) else {
            continue;
        };
        if !KEYS.contains(&key) || !NAMES.contains(&statistic) {
            continue;
        }
        let list = match archive.by_name::<OwnedRepr<f32>, Ix1>(&name) {
            Ok(list) => list.to_vec(),
            Err(_) => {
                let list = archive.by_name::<OwnedRepr<f64>, Ix1>(&name);
                let list =
                    list.map_err(|error| wrong(format!("{plain}: {error}; expected one axis of float32 or float64")))?;
                list.iter().map(|x| *x as f32).collect()
            }
        };
        numbers.insert((key.into(), statistic.into()), list);
    }
    Ok(numbers)
}

/// The statistics of a key, as the class uses them; where that is not known, mean and deviation before limits.
fn config(numbers: &Numbers, key: &str, class: Option<NormalizerClass>, path: &Path) -> Result<NormalizerConfig> {
    let get = |name: &str| numbers.get(&(key.to_owned(), name.to_owned())).cloned();
    let gaussian = get("mean")
        .zip(get("std"))
        .map(|(mean, std)| NormalizerConfig::Gaussian { mean, std });
    let limits = get("min")
        .zip(get("max"))
        .map(|(min, max)| NormalizerConfig::SafeLimits { min, max });
    let (found, needed) = match class {
        Some(NormalizerClass::Gaussian) => (gaussian, "`mean` and `std`"),
        Some(NormalizerClass::Limits) => (limits, "`min` and `max`"),
        Some(NormalizerClass::SafeLimits) => (limits.map(widened), "`min` and `max`"),
        Some(NormalizerClass::Cdf) => (None, "a normalizer.json with its quantiles"),
        Some(NormalizerClass::Debug) | None => (gaussian.or(limits), "`mean` and `std`, or `min` and `max`"),
    };
    found.ok_or_else(|| {
        let by = class.map_or(String::new(), |class| {
            format!("{}, which it was trained with, ", class.name())
        });
        let there: Vec<String> = numbers.keys().map(|(key, name)| format!("{key}.{name}")).collect();
        let there = if there.is_empty() {
            "none of its names".to_owned()
        } else {
            there.join(", ")
        };
        Error::source(path, format!("{by}needs {needed} of {key}: there is {there}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array1, array};
    use std::fs;

    fn of(text: &str, class: Option<NormalizerClass>) -> Result<Normalizers> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("stats.json");
        fs::write(&path, text).unwrap();
        read(&path, class)
    }

    const BOTH: &str = r#"{"observations": {"mean": [1, 2], "std": [3, 4], "min": [0, 5], "max": [9, 5]},
        "actions": {"mean": 0.5, "std": 2, "min": [-1], "max": [1]}}"#;

    #[test]
    fn the_class_says_which_numbers_count() {
        let kinds = |normalizers: Normalizers| normalizers.observations().config().clone();
        let gaussian = NormalizerConfig::Gaussian {
            mean: vec![1.0, 2.0],
            std: vec![3.0, 4.0],
        };
        for class in [None, Some(NormalizerClass::Gaussian)] {
            assert_eq!(kinds(of(BOTH, class).unwrap()), gaussian);
        }
        let limits = |min: [f32; 2], max: [f32; 2]| NormalizerConfig::SafeLimits {
            min: min.to_vec(),
            max: max.to_vec(),
        };
        assert_eq!(
            kinds(of(BOTH, Some(NormalizerClass::Limits)).unwrap()),
            limits([0.0, 5.0], [9.0, 5.0])
        );
        // One dimension is constant.
        assert_eq!(
            kinds(of(BOTH, Some(NormalizerClass::SafeLimits)).unwrap()),
            limits([-1.0, 4.0], [10.0, 6.0])
        );
        let error = of(BOTH, Some(NormalizerClass::Cdf)).unwrap_err().to_string();
        assert!(error.contains("quantiles"), "{error}");
    }

    #[test]
    fn what_is_missing_is_named() {
        let error = of(r#"{"observations": {"mean": [1]}}"#, None).unwrap_err().to_string();
        assert!(
            error.contains("observations") && error.contains("observations.mean"),
            "{error}"
        );
        let error = of(r#"{"observations": {"mean": ["a"]}}"#, None)
            .unwrap_err()
            .to_string();
        assert!(error.contains("observations.mean is [\"a\"]"), "{error}");
        assert!(of("{", None).is_err());
    }

    #[test]
    fn a_normalizer_json_is_taken_as_it_is() {
        let text = r#"{"observations": {"type": "gaussian", "mean": [1], "std": [2]},
            "actions": {"type": "limits", "min": [-1], "max": [1]}, "values": {"type": "limits", "min": -2, "max": 0}}"#;
        let normalizers = of(text, Some(NormalizerClass::Limits)).unwrap();
        assert!(normalizers.values().is_some());
    }

    #[test]
    fn arrays_of_numpy() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("stats.npz");
        let mut writer = ndarray_npy::NpzWriter::new(fs::File::create(&path).unwrap());
        let (one, two): (Array1<f64>, Array1<f32>) = (array![1.0, 2.0], array![3.0, 4.0]);
        writer.add_array("observations.mean", &one).unwrap();
        writer.add_array("observations.std", &two).unwrap();
        writer.add_array("actions_mean", &one).unwrap();
        writer.add_array("actions_std", &one).unwrap();
        writer.finish().unwrap();
        let normalizers = read(&path, None).unwrap();
        let expected = NormalizerConfig::Gaussian {
            mean: vec![1.0, 2.0],
            std: vec![3.0, 4.0],
        };
        assert_eq!(normalizers.observations().config(), &expected);
        fs::write(&path, b"PK\x03\x04").unwrap();
        assert!(read(&path, None).is_err());
    }
}
