//! Files of every release of diffusers since 0.3 (testdata/releases.json, which xtask/golden/releases.py makes of the releases themselves):
//! each is the scheduler that 0.42.1 calls by the keys of today, with a line on what was assumed where anything was.

#![allow(clippy::unwrap_used)] // a test fails by panicking

use diffplan_files::{Release, parse_json};
use diffplan_schedulers::{Registry, Scheduler};
use serde_json::{Map, Value};
use std::path::Path;
use std::sync::Arc;

type Object = Map<String, Value>;

fn read(map: &Object) -> Arc<dyn Scheduler> {
    let scheduler = Registry::builtin().from_map(map);
    scheduler.unwrap_or_else(|error| panic!("{}: {error}", Value::Object(map.clone())))
}

/// What the release assumed that no default of today says, in a word of the note.
fn assumed(row: &Object, release: &Release) -> Vec<&'static str> {
    let class = row["class"].as_str().unwrap();
    let mut words = Vec::new();
    for (key, word) in [
        ("final_sigmas_type", "sigma_min"),
        ("sample_max_value", "no upper bound"),
        ("prediction_type", "predict_epsilon"),
    ] {
        if row["today"].get(key).is_some() {
            words.push(word);
        }
    }
    if class == "DDPMScheduler" && release.is_before(8) {
        words.push("predicts noise");
    }
    if row["kind"] == "karras"
        && release.is_before(22)
        && class != "HeunDiscreteScheduler"
        && class != "EulerDiscreteScheduler"
    {
        words.push("rounded");
    }
    words
}

#[test]
fn every_release_is_read_with_the_defaults_of_its_time() {
    let path = format!("{}/../../testdata/releases.json", env!("CARGO_MANIFEST_DIR"));
    let path = Path::new(&path);
    let Value::Array(rows) = parse_json(&std::fs::read(path).unwrap(), path).unwrap() else {
        panic!("a list");
    };
    let mut checked = 0;
    for row in &rows {
        let row = row.as_object().unwrap();
        let class = &row["class"];
        if class == "UNet1DModel" {
            continue;
        }
        let (config, today) = (row["config"].as_object().unwrap(), row["today"].as_object().unwrap());
        let named = |map: &Object| {
            let mut map = map.clone();
            map.insert("_class_name".into(), class.clone());
            map
        };
        // Everything said in today's words.
        let mut expected = read(&named(&Object::new())).to_map();
        for (key, value) in config.iter().chain(today) {
            if expected.contains_key(key) {
                expected.insert(key.clone(), value.clone());
            }
        }
        let expected = read(&expected);
        assert!(expected.notes().is_empty(), "{:?}", expected.notes());
        for version in ["first", "last"].map(|which| &row[which]) {
            let mut map = named(config);
            map.insert("_diffusers_version".into(), version.clone());
            let release = Release::of(&map).unwrap();
            let scheduler = read(&map);
            let about = format!("{class} {} of {release}", row["kind"]);
            assert_eq!(scheduler.to_map(), expected.to_map(), "{about}");
            let (of_keys, notes): (Vec<&String>, Vec<_>) =
                scheduler.notes().iter().partition(|note| note.contains("passed over"));
            let words = assumed(row, &release);
            assert_eq!(notes.len(), usize::from(!words.is_empty()), "{about}: {notes:?}");
            for word in words {
                assert!(
                    notes[0].contains(word) && notes[0].contains(&release.to_string()),
                    "{about}: {notes:?}"
                );
            }
            let unknown = config
                .keys()
                .filter(|key| !expected.to_map().contains_key(*key) && *key != "predict_epsilon");
            assert_eq!(of_keys.len(), unknown.count(), "{about}: {of_keys:?}");
            checked += 1;
        }
    }
    assert!(checked > 200, "{checked}");
}
