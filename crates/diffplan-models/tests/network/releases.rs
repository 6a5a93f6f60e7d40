//! Configurations of every release of diffusers since 0.3 (testdata/releases.json, which xtask/golden/releases.py makes of the releases
//! themselves): each is the network that 0.42.1 calls by the keys of today, with a line on what was assumed where anything was.

use super::fs;
use diffplan_files::Folder;
use diffplan_models::{UNet1dConfig, UNet1dModel, named_params};
use ndarray_rand::rand::{SeedableRng, rngs::StdRng};
use serde_json::{Map, Value};
use std::collections::HashMap;

#[test]
fn every_release_is_read_with_the_defaults_of_its_time() {
    let path = format!("{}/../../testdata/releases.json", env!("CARGO_MANIFEST_DIR"));
    let rows = diffplan_files::parse_json(&fs::read(&path).unwrap(), path.as_ref()).unwrap();
    let mut models: HashMap<String, (UNet1dModel, Vec<u8>)> = HashMap::new();
    let mut checked = 0;
    for row in rows.as_array().unwrap() {
        if row["class"] != "UNet1DModel" {
            continue;
        }
        let (config, today) = (row["config"].as_object().unwrap(), row["today"].as_object().unwrap());
        let said = config.iter().chain(today);
        let said: Map<String, Value> = said
            .filter(|(key, _)| UNet1dConfig::KEYS.contains(&key.as_str()))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        let (expected, notes) = UNet1dConfig::from_map(said).unwrap();
        assert!(notes.is_empty(), "{notes:?}");
        let kind = row["kind"].as_str().unwrap();
        let (model, weights) = models.entry(kind.to_owned()).or_insert_with(|| {
            let mut model = UNet1dModel::new(expected.clone()).unwrap();
            model.init(&mut StdRng::seed_from_u64(5));
            let folder = tempfile::tempdir().unwrap();
            model.save_pretrained(folder.path()).unwrap();
            let weights = fs::read(folder.path().join("diffusion_pytorch_model.safetensors")).unwrap();
            (model, weights)
        });
        for version in ["first", "last"].map(|which| &row[which]) {
            let mut object = config.clone();
            object.insert("_class_name".into(), "UNet1DModel".into());
            object.insert("_diffusers_version".into(), version.clone());
            let files = [
                ("config.json".to_owned(), Value::Object(object).to_string().into_bytes()),
                ("diffusion_pytorch_model.safetensors".to_owned(), weights.clone()),
            ];
            let read = UNet1dModel::from_folder(&Folder::in_memory("old", files));
            let read = read.unwrap_or_else(|error| panic!("{kind} of {version}: {error}"));
            assert_eq!(*read.config(), expected, "{kind} of {version}");
            for ((name, ours), (_, theirs)) in named_params(&read).into_iter().zip(named_params(model)) {
                assert_eq!(ours, theirs, "{kind} of {version}: {name}");
            }
            let notes = read.notes();
            assert_eq!(
                notes.len(),
                usize::from(!today.is_empty()),
                "{kind} of {version}: {notes:?}"
            );
            let version = version.as_str().unwrap();
            let named = |key: &String| notes[0].contains(key) || notes[0].contains("time embedding");
            assert!(
                today.keys().all(named) && notes.iter().all(|note| note.contains(version)),
                "{notes:?}"
            );
            checked += 1;
        }
    }
    assert!(checked >= 16 && models.len() == 3, "{checked}");
}
