//! Which files of a repository loading a checkpoint needs, by the rules of the loader itself.

use crate::error::Result;
use diffplan_files::Folder;
use std::collections::BTreeMap;

const PARTS: [&str; 2] = ["unet", "value_function"];
const OTHERS: [&str; 5] = [
    "model_index.json",
    "normalizer.json",
    "planning_config.json",
    "training.toml",
    "scheduler/scheduler_config.json",
];

/// An index of shards that was not read yet names itself alone.
pub(crate) fn unread_index(name: &str) -> Vec<u8> {
    let name = name.rsplit('/').next().unwrap_or(name);
    serde_json::json!({ "weight_map": { "": name } })
        .to_string()
        .into_bytes()
}

pub(crate) fn is_index(name: &str) -> bool {
    name.contains(".index.") && name.ends_with(".json")
}

/// The files that are needed, of all `files` (with what is known of indices; nothing of others), below `prefix`, which is empty or ends
/// in `/`. Where an index was not read yet, it is among them and its shards are not.
pub(crate) fn wanted(files: &BTreeMap<String, Vec<u8>>, prefix: &str, variant: Option<&str>) -> Result<Vec<String>> {
    let below = files
        .iter()
        .filter_map(|(name, bytes)| Some((name.strip_prefix(prefix)?.to_owned(), bytes.clone())));
    let folder = Folder::in_memory("repository", below).of_variant(variant);
    let mut names: Vec<String> = OTHERS.map(str::to_owned).to_vec();
    for part in PARTS {
        names.push(format!("{part}/config.json"));
        if folder.has(part)? {
            let weights = diffplan_models::weight_files(&folder.sub(part))?;
            names.extend(weights.iter().map(|file| format!("{part}/{file}")));
        }
    }
    let mut names: Vec<String> = names.iter().map(|name| format!("{prefix}{name}")).collect();
    names.retain(|name| files.contains_key(name));
    names.sort();
    names.dedup();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [&str; 16] = [
        "README.md",
        "model_index.json",
        "normalizer.json",
        "scheduler/scheduler_config.json",
        "unet/config.json",
        "unet/diffusion_pytorch_model.bin",
        "unet/diffusion_pytorch_model.fp16.safetensors",
        "unet/diffusion_pytorch_model.safetensors",
        "unet/ema/diffusion_pytorch_model.safetensors",
        "value_function/config.json",
        "value_function/diffusion_pytorch_model.bin",
        "checkpoints/unet/step-1/state.safetensors",
        "big/unet/config.json",
        "big/unet/diffusion_pytorch_model.safetensors.index.json",
        "big/unet/diffusion_pytorch_model-00001-of-00002.safetensors",
        "big/unet/diffusion_pytorch_model-00002-of-00002.safetensors",
    ];

    fn all() -> BTreeMap<String, Vec<u8>> {
        let held = |name: &str| if is_index(name) { unread_index(name) } else { Vec::new() };
        ALL.iter().map(|name| ((*name).to_owned(), held(name))).collect()
    }

    fn weights(files: &BTreeMap<String, Vec<u8>>, prefix: &str, variant: Option<&str>) -> Vec<String> {
        let mut names = wanted(files, prefix, variant).unwrap();
        names.retain(|name| name.contains("diffusion_pytorch_model"));
        names
    }

    #[test]
    fn what_a_load_reads_and_nothing_else() {
        let value = "value_function/diffusion_pytorch_model.bin";
        for (variant, unet) in [
            (None, "unet/diffusion_pytorch_model.safetensors"),
            (Some("fp16"), "unet/diffusion_pytorch_model.fp16.safetensors"),
            (Some("ema"), "unet/ema/diffusion_pytorch_model.safetensors"),
        ] {
            assert_eq!(weights(&all(), "", variant), [unet, value], "{variant:?}");
        }
        let names = wanted(&all(), "", None).unwrap();
        assert_eq!(names.len(), 7, "{names:?}");
        assert!(!names.iter().any(|name| name == "README.md"));
    }

    #[test]
    fn shards_come_with_their_index_once_it_was_read() {
        let (mut files, index) = (all(), "big/unet/diffusion_pytorch_model.safetensors.index.json");
        assert_eq!(weights(&files, "big/", None), [index]);
        let map = r#"{"weight_map": {"a": "diffusion_pytorch_model-00001-of-00002.safetensors", "b": "elsewhere.safetensors"}}"#;
        files.insert(index.to_owned(), map.into());
        let names = weights(&files, "big/", None);
        assert_eq!(
            names,
            ["big/unet/diffusion_pytorch_model-00001-of-00002.safetensors", index]
        );
    }
}
