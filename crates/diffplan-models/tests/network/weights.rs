//! Weights in every form that diffusers saves them in: shards with an index, half precision; and shards that do not fit together.

use super::{fs, planner};
use diffplan_files::Folder;
use diffplan_models::{Params, UNet1dModel, named_params, weight_files};
use half::f16;
use safetensors::{Dtype, tensor::TensorView};
use serde_json::{Map, Value, json};
use std::path::Path;

const INDEX: &str = "diffusion_pytorch_model.safetensors.index.json";

/// Every parameter as bytes of this type.
fn tensors(model: &impl Params, dtype: Dtype) -> Vec<(String, Vec<usize>, Vec<u8>)> {
    let bytes = |value: &f32| match dtype {
        Dtype::F16 => f16::from_f32(*value).to_le_bytes().to_vec(),
        Dtype::F64 => f64::from(*value).to_le_bytes().to_vec(),
        _ => value.to_le_bytes().to_vec(),
    };
    let named = named_params(model).into_iter();
    named
        .map(|(name, view)| (name, view.shape().to_vec(), view.iter().flat_map(bytes).collect()))
        .collect()
}

fn write(path: &Path, dtype: Dtype, tensors: &[(String, Vec<usize>, Vec<u8>)]) {
    let views = tensors
        .iter()
        .map(|(name, shape, bytes)| (name, TensorView::new(dtype, shape.clone(), bytes).unwrap()));
    fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
}

/// A planner in two shards, and its index.
fn sharded() -> (tempfile::TempDir, Map<String, Value>) {
    let folder = tempfile::tempdir().unwrap();
    planner().save_pretrained(folder.path()).unwrap();
    fs::remove_file(folder.path().join("diffusion_pytorch_model.safetensors")).unwrap();
    let all = tensors(&planner(), Dtype::F32);
    let mut map = Map::new();
    let (first, second) = all.split_at(all.len() / 2);
    for (i, part) in [first, second].into_iter().enumerate() {
        let name = format!("diffusion_pytorch_model-0000{}-of-00002.safetensors", i + 1);
        write(&folder.path().join(&name), Dtype::F32, part);
        map.extend(
            part.iter()
                .map(|(tensor, ..)| (tensor.clone(), Value::from(name.as_str()))),
        );
    }
    index(folder.path(), &map);
    (folder, map)
}

fn index(folder: &Path, map: &Map<String, Value>) {
    fs::write(
        folder.join(INDEX),
        json!({"metadata": {}, "weight_map": map}).to_string(),
    )
    .unwrap();
}

#[test]
fn shards_are_one_model() {
    let (folder, _) = sharded();
    let model = UNet1dModel::from_pretrained(folder.path()).unwrap();
    assert!(
        named_params(&model)
            .iter()
            .zip(named_params(&planner()))
            .all(|(a, b)| *a == b)
    );
    assert_eq!(weight_files(&Folder::at(folder.path())).unwrap().len(), 3);
}

#[test]
fn shards_that_do_not_fit_together_are_refused() {
    let refused = |folder: &Path, words: &[&str]| {
        let error = UNet1dModel::from_pretrained(folder).unwrap_err().to_string();
        assert!(words.iter().all(|word| error.contains(word)), "{error}");
    };
    let (folder, map) = sharded();
    let second = "diffusion_pytorch_model-00002-of-00002.safetensors";
    let moved = folder.path().join("elsewhere");
    fs::rename(folder.path().join(second), &moved).unwrap();
    refused(folder.path(), &[second, "not there", "download"]);
    fs::copy(
        folder.path().join("diffusion_pytorch_model-00001-of-00002.safetensors"),
        folder.path().join(second),
    )
    .unwrap();
    refused(folder.path(), &[second, "too"]);
    fs::rename(&moved, folder.path().join(second)).unwrap();

    let mut more = map.clone();
    more.insert("nowhere.weight".into(), second.into());
    index(folder.path(), &more);
    refused(folder.path(), &[INDEX, "nowhere.weight"]);
    // A file is one of the folder, whatever an index says.
    more.insert("nowhere.weight".into(), "../config.json".into());
    index(folder.path(), &more);
    refused(folder.path(), &[INDEX, "nowhere.weight", "no file of this folder"]);
    index(folder.path(), &Map::new());
    refused(folder.path(), &[INDEX, "empty"]);
}

#[test]
fn half_and_double_precision_are_read_as_what_they_are() {
    for dtype in [Dtype::F16, Dtype::F64] {
        let folder = tempfile::tempdir().unwrap();
        planner().save_pretrained(folder.path()).unwrap();
        let path = folder.path().join("diffusion_pytorch_model.safetensors");
        write(&path, dtype, &tensors(&planner(), dtype));
        let model = UNet1dModel::from_pretrained(folder.path()).unwrap();
        for ((name, own), (_, exact)) in named_params(&model).iter().zip(named_params(&planner())) {
            let rounded = exact.mapv(|v| {
                if dtype == Dtype::F16 {
                    f16::from_f32(v).to_f32()
                } else {
                    v
                }
            });
            assert_eq!(own, &rounded, "{name}");
        }
    }
}
