//! Files of older releases of diffusers. Their classes wrote every key they had; what a key means that is not there is what the class did then.
//! Where that is today's default nothing has to be said. Elsewhere today's key is put in its place, in [`modernise`]:
//!
//! - the last step of DPM-Solver before 0.26, and of UniPC before 0.28, ended at the level of the first training timestep, not at none;
//! - the threshold of the same classes before 0.15 had no upper bound, and `sample_max_value` was its lower one;
//! - what a DDPM network predicts was said by `predict_epsilon` in 0.8, and before that to `step`, not in the file.
//!
//! What old releases did in code, and no key says, is in docs/convert.md.

use crate::config::{Field, OptionValue};
use crate::{DdpmConfig, DpmSolverMultistepConfig, Error, FinalSigmasType, Result, UniPcMultistepConfig};
use diffplan_files::Release;
use serde_json::{Map, Value};

/// The keys of today for those of an old file, and a line on what was assumed.
///
/// # Errors
/// Where no key of today says what an old one did.
pub(crate) fn modernise(class: &str, mut map: Map<String, Value>) -> Result<(Map<String, Value>, Option<String>)> {
    let mut assumed = Vec::new();
    if let Some(value) = map.get("predict_epsilon")
        && !map.contains_key("prediction_type")
    {
        assumed.push(format!("`predict_epsilon` ({value}) is today's `prediction_type`"));
    }
    let Some(release) = Release::of(&map) else {
        let note = "a configuration of an old diffusers; ".to_owned() + &assumed.join("; ");
        return Ok((map, (!assumed.is_empty()).then_some(note)));
    };
    let says = |map: &Map<String, Value>, key: &str| map.contains_key(key);
    if class == DdpmConfig::CLASS_NAME
        && release.is_before(8)
        && !says(&map, "predict_epsilon")
        && !says(&map, "prediction_type")
    {
        assumed.push("the network predicts noise, of which the file says nothing".into());
    }
    let ended_above_zero_before = match class {
        DpmSolverMultistepConfig::CLASS_NAME => 26,
        UniPcMultistepConfig::CLASS_NAME => 28,
        _ => 0,
    };
    if ended_above_zero_before > 0 {
        if release.is_before(15) && truth(&map, "thresholding")? {
            let key = "sample_max_value";
            let one = Value::from(1.0);
            let field = Field {
                key,
                value: map.get(key).unwrap_or(&one),
            };
            if f64::read(&field)? != 1.0 {
                return Err(Error::UnsupportedValue {
                    allowed: format!(
                        "1.0: with thresholding of diffusers {release} thresholds were that or more, which no key of today says"
                    ),
                    value: field.value.to_string(),
                    key: key.to_owned(),
                });
            }
            map.insert(key.into(), f64::from(f32::MAX).into());
            assumed.push("thresholds have no upper bound (`sample_max_value`), as then".into());
        }
        if release.is_before(22) && truth(&map, "use_karras_sigmas")? {
            assumed.push(
                "levels that are spread stay where they are, which were rounded to those of training timesteps".into(),
            );
        }
        if release.is_before(ended_above_zero_before) && !says(&map, "final_sigmas_type") {
            map.insert("final_sigmas_type".into(), FinalSigmasType::SigmaMin.as_str().into());
            assumed.push("the last step ends at the level of the first training timestep (`final_sigmas_type` sigma_min), as then".into());
        }
    }
    let note = format!("a configuration of diffusers {release}; {}", assumed.join("; "));
    Ok((map, (!assumed.is_empty()).then_some(note)))
}

fn truth(map: &Map<String, Value>, key: &str) -> Result<bool> {
    map.get(key)
        .map_or(Ok(false), |value| bool::read(&Field { key, value }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(class: &str, value: Value) -> Result<(Value, Option<String>)> {
        let Value::Object(map) = value else { panic!("an object") };
        modernise(class, map).map(|(map, note)| (Value::Object(map), note))
    }

    const DPM: &str = DpmSolverMultistepConfig::CLASS_NAME;

    #[test]
    fn todays_files_and_those_of_nobody_are_left_alone() {
        for value in [
            json!({}),
            json!({"thresholding": true, "use_karras_sigmas": true}),
            json!({"_diffusers_version": "0.42.1"}),
            json!({"_diffusers_version": "0.26.0"}),
            json!({"_diffusers_version": "0.20.0", "final_sigmas_type": "zero"}),
        ] {
            assert_eq!(read(DPM, value.clone()).unwrap(), (value, None));
        }
    }

    #[test]
    fn thresholds_of_their_time() {
        let old = |max: f64| json!({"_diffusers_version": "0.14.0", "thresholding": true, "sample_max_value": max});
        let (map, note) = read(DPM, old(1.0)).unwrap();
        assert_eq!(map["sample_max_value"].as_f64().map(|max| max as f32), Some(f32::MAX));
        assert!(note.is_some_and(|note| note.contains("diffusers 0.14.0") && note.contains("no upper bound")));
        let error = read(DPM, old(2.0)).unwrap_err().to_string();
        assert!(
            error.contains("sample_max_value") && error.contains("0.14.0"),
            "{error}"
        );
        // Of other classes the key is of 0.15.
        let (map, _) = read(DdpmConfig::CLASS_NAME, old(2.0)).unwrap();
        assert_eq!(map["sample_max_value"], 2.0);
    }

    #[test]
    fn predictions_are_said_to_be_assumed() {
        let note = |value: Value| read(DdpmConfig::CLASS_NAME, value).unwrap().1;
        let notes = [
            (json!({"predict_epsilon": false}), "`predict_epsilon` (false)"),
            (
                json!({"_diffusers_version": "0.8.1", "predict_epsilon": true}),
                "`predict_epsilon` (true)",
            ),
            (json!({"_diffusers_version": "0.7.2"}), "predicts noise"),
        ];
        for (value, words) in notes {
            assert!(note(value.clone()).is_some_and(|note| note.contains(words)), "{value}");
        }
        assert_eq!(
            note(json!({"_diffusers_version": "0.8.0", "predict_epsilon": true, "prediction_type": "epsilon"})),
            None
        );
        assert_eq!(note(json!({"_diffusers_version": "0.9.0"})), None);
    }
}
