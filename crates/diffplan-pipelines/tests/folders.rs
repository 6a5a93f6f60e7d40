//! Checkpoint folders: what is read, and how each broken part is told.

#![allow(clippy::unwrap_used)] // a test fails by panicking

use diffplan_pipelines::{Guidance, PlanOptions, ValueGuidedPipeline};
use std::fs;
use std::path::{Path, PathBuf};

const CHECKPOINT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/pendulum-hor32");

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::write(target, fs::read(&path).unwrap()).unwrap();
        }
    }
}

fn refused(folder: &Path, part: &str) {
    let error = ValueGuidedPipeline::from_pretrained(folder).unwrap_err().to_string();
    assert!(error.contains(part), "expected {part:?} in: {error}");
}

/// The error after `change` to a fresh copy of the checkpoint names `part`.
fn broken_by(change: impl FnOnce(&dyn Fn(&str) -> PathBuf), part: &str) {
    let folder = tempfile::tempdir().unwrap();
    copy(Path::new(CHECKPOINT), folder.path());
    change(&|name| folder.path().join(name));
    refused(folder.path(), part);
}

fn edit(path: PathBuf, from: &str, to: &str) {
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{from:?} not in {text}");
    fs::write(path, text.replacen(from, to, 1)).unwrap();
}

#[test]
fn a_checkpoint_brings_its_own_options() {
    let pipeline = ValueGuidedPipeline::from_pretrained(CHECKPOINT).unwrap();
    assert_eq!((pipeline.action_dim(), pipeline.observation_dim()), (1, 3));
    assert_eq!(pipeline.planning_config().env.as_deref(), Some("Pendulum-v1"));
    let expected = PlanOptions {
        batch_size: 8,
        scale: 0.03,
        ..PlanOptions::default()
    };
    assert_eq!(pipeline.options(), expected);
    assert_eq!(expected.guidance, Guidance::Diffusers);
}

#[test]
fn every_missing_part_is_named() {
    refused(Path::new("/no/such/checkpoint"), "/no/such/checkpoint");
    broken_by(
        |path| fs::remove_file(path("normalizer.json")).unwrap(),
        "normalizer.json is missing: the statistics that observations and actions are normalised with, which diffusers does not save. \
         Make it from the dataset: `diffplan normalizer --dataset FILE --out",
    );
    broken_by(|path| fs::remove_dir_all(path("unet")).unwrap(), "unet is missing");
    broken_by(
        |path| fs::remove_dir_all(path("value_function")).unwrap(),
        "value_function is missing",
    );
    broken_by(
        |path| fs::remove_dir_all(path("scheduler")).unwrap(),
        "scheduler is missing",
    );
    broken_by(
        |path| fs::remove_file(path("scheduler/scheduler_config.json")).unwrap(),
        "scheduler_config.json",
    );
    broken_by(|path| fs::remove_file(path("unet/config.json")).unwrap(), "config.json");
}

#[test]
fn every_damaged_part_is_named() {
    broken_by(
        |path| {
            edit(
                path("model_index.json"),
                "ValueGuidedRLPipeline",
                "ValueGuidedRLPipline",
            )
        },
        "did you mean ValueGuidedRLPipeline?",
    );
    broken_by(
        |path| edit(path("planning_config.json"), "\"scale\"", "\"scales\""),
        "line 6: unknown key `scales`, did you mean `scale`?",
    );
    broken_by(
        |path| edit(path("planning_config.json"), "\"diffusers\"", "\"strong\""),
        "unknown variant `strong`",
    );
    broken_by(
        |path| edit(path("planning_config.json"), "\"batch_size\": 8", "\"batch_size\": 0"),
        "batch_size = 0",
    );
    broken_by(
        |path| edit(path("scheduler/scheduler_config.json"), "squaredcos_cap_v2", "cubic"),
        "cubic",
    );
    broken_by(|path| edit(path("unet/config.json"), "\"mish\"", "\"tanh\""), "unet: ");
    broken_by(|path| edit(path("normalizer.json"), "gaussian", "zscore"), "zscore");
    broken_by(
        |path| {
            let weights = path("value_function/diffusion_pytorch_model.safetensors");
            let bytes = fs::read(&weights).unwrap();
            fs::write(weights, &bytes[..bytes.len() - 100]).unwrap();
        },
        "value_function: ",
    );
    broken_by(
        |path| {
            let (unet, value) = (path("unet"), path("value_function"));
            copy(&unet, &value);
        },
        "not a value function",
    );
}
