//! Folders as people have them: what is harmless changes no bit of a plan, what is wrong is told with its file, what was found and
//! what to do. Nothing panics.

#![allow(clippy::unwrap_used)] // a test fails by panicking

use diffplan_files::Folder;
use diffplan_pipelines::{PlanOptions, RngNoise, ValueGuidedPipeline};
use ndarray::array;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

const CHECKPOINT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/pendulum-hor32");
const WEIGHTS: &str = "unet/diffusion_pytorch_model.safetensors";
const SCHEDULER: &str = "scheduler/scheduler_config.json";
const UNET: &str = "unet/config.json";
const INDEX: &str = "model_index.json";

type Files = BTreeMap<String, Vec<u8>>;

fn base() -> Files {
    let names = [
        INDEX,
        "normalizer.json",
        "planning_config.json",
        SCHEDULER,
        UNET,
        WEIGHTS,
        "value_function/config.json",
        "value_function/diffusion_pytorch_model.safetensors",
    ];
    let read = |name: &str| (name.to_owned(), fs::read(Path::new(CHECKPOINT).join(name)).unwrap());
    names.into_iter().map(read).collect()
}

fn load(files: Files) -> Result<ValueGuidedPipeline, String> {
    ValueGuidedPipeline::from_folder(&Folder::in_memory("FOLDER", files)).map_err(|e| e.to_string())
}

/// The action and values of a short plan, as bits.
fn plan(pipeline: &ValueGuidedPipeline) -> Result<Vec<u32>, String> {
    let options = PlanOptions {
        batch_size: 2,
        ..pipeline.options()
    };
    let observation = array![1.0, 0.0, 0.1];
    let plan = pipeline.plan(observation.view(), options, &mut RngNoise::seed(3));
    let plan = plan.map_err(|e| e.to_string())?;
    let values = plan.values.iter().flatten();
    Ok(plan.action.iter().chain(values).map(|v| v.to_bits()).collect())
}

fn text(files: &Files, name: &str) -> String {
    String::from_utf8(files[name].clone()).unwrap()
}

/// Adds a key, or sets it, to raw JSON: before all others where `raw` is to be kept as it is written.
fn set(files: &mut Files, name: &str, key: &str, raw: &str) {
    let mut object: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(&files[name]).unwrap();
    object.remove(key);
    let rest = serde_json::to_string_pretty(&object).unwrap();
    let rest = rest.strip_prefix('{').unwrap();
    files.insert(name.to_owned(), format!("{{\"{key}\": {raw},{rest}").into_bytes());
}

/// The weights with every name changed.
fn renamed(files: &mut Files, name: impl Fn(&str) -> String) {
    let bytes = files[WEIGHTS].clone();
    let len = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(&bytes[8..8 + len]).unwrap();
    let header: serde_json::Map<_, _> = header
        .into_iter()
        .map(|(key, value)| (if key == "__metadata__" { key } else { name(&key) }, value))
        .collect();
    let header = serde_json::to_vec(&header).unwrap();
    let mut changed = (header.len() as u64).to_le_bytes().to_vec();
    changed.extend(header);
    changed.extend(&bytes[8 + len..]);
    files.insert(WEIGHTS.to_owned(), changed);
}

/// Harmless: the same plan, and a note that has `note` in it (none for "").
type Harmless = (&'static str, fn(&mut Files), &'static str);

#[test]
fn what_is_harmless_changes_no_bit() {
    let whole = load(base()).unwrap();
    let expected = plan(&whole).unwrap();
    let cases: &[Harmless] = &[
        (
            "an average's keys",
            |f| {
                for (key, value) in [
                    ("decay", "0.9999"),
                    ("inv_gamma", "1.0"),
                    ("optimization_step", "500"),
                    ("power", "0.75"),
                ] {
                    set(f, UNET, key, value);
                }
            },
            "`decay`",
        ),
        ("sample_size null", |f| set(f, UNET, "sample_size", "null"), ""),
        ("sample_size list", |f| set(f, UNET, "sample_size", "[4, 16]"), ""),
        ("bool as int", |f| set(f, UNET, "downsample_each_block", "0"), ""),
        ("bool as float", |f| set(f, UNET, "downsample_each_block", "0.0"), ""),
        ("bool as null", |f| set(f, UNET, "downsample_each_block", "null"), ""),
        ("int as float", |f| set(f, UNET, "layers_per_block", "1.0"), ""),
        ("int as bool", |f| set(f, UNET, "layers_per_block", "true"), ""),
        ("float as int", |f| set(f, UNET, "freq_shift", "1"), ""),
        (
            "a newer key at its default",
            |f| set(f, SCHEDULER, "scale_betas_for_timesteps", "false"),
            "scale_betas_for_timesteps",
        ),
        (
            "a newer key in the network",
            |f| set(f, UNET, "quite_new", "null"),
            "quite_new",
        ),
        (
            "steps as float",
            |f| {
                let steps =
                    serde_json::from_str::<serde_json::Value>(&text(f, SCHEDULER)).unwrap()["num_train_timesteps"]
                        .clone();
                set(f, SCHEDULER, "num_train_timesteps", &format!("{steps}.0"));
            },
            "",
        ),
        ("thresholding as 0", |f| set(f, SCHEDULER, "thresholding", "0"), ""),
        (
            "BOM",
            |f| {
                for name in [UNET, SCHEDULER, INDEX, "normalizer.json", "planning_config.json"] {
                    f.get_mut(name).unwrap().splice(0..0, *b"\xef\xbb\xbf");
                }
            },
            "",
        ),
        (
            "CRLF",
            |f| {
                for name in [UNET, SCHEDULER, INDEX, "normalizer.json", "planning_config.json"] {
                    let crlf = text(f, name).replace('\n', "\r\n");
                    f.insert(name.to_owned(), crlf.into_bytes());
                }
            },
            "",
        ),
        (
            "a key twice: the last counts, as in Python",
            |f| {
                let twice = text(f, UNET).replacen('{', "{\"act_fn\": \"relu\",", 1);
                f.insert(UNET.to_owned(), twice.into_bytes());
            },
            "",
        ),
        ("module.", |f| renamed(f, |name| format!("module.{name}")), "`module.`"),
        (
            "_orig_mod.",
            |f| renamed(f, |name| format!("_orig_mod.{name}")),
            "`_orig_mod.`",
        ),
        (
            "no model_index.json",
            |f| {
                f.remove(INDEX);
            },
            "",
        ),
        (
            "a pickle beside the weights",
            |f| {
                f.insert("unet/diffusion_pytorch_model.bin".to_owned(), b"\x80\x02.".to_vec());
            },
            "",
        ),
        (
            "no class in the scheduler's file",
            |f| {
                let mut object: serde_json::Map<String, serde_json::Value> =
                    serde_json::from_slice(&f[SCHEDULER]).unwrap();
                object.remove("_class_name");
                f.insert(SCHEDULER.to_owned(), serde_json::to_vec(&object).unwrap());
            },
            "",
        ),
    ];
    for (name, change, note) in cases {
        let mut files = base();
        change(&mut files);
        let pipeline = load(files).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(plan(&pipeline).as_ref(), Ok(&expected), "{name}");
        let notes = pipeline.notes().join("\n");
        match note {
            &"" => assert_eq!(notes, whole.notes().join("\n"), "{name}"),
            note => assert!(notes.contains(note), "{name}: {notes:?}"),
        }
    }
}

/// Wrong: an error with all of these in it, on loading or at the latest on making a planner.
type Wrong = (&'static str, fn(&mut Files), &'static [&'static str]);

fn check_wrong(cases: &[Wrong]) {
    let mut failed = Vec::new();
    for (name, change, parts) in cases {
        let mut files = base();
        change(&mut files);
        match load(files).and_then(|pipeline| plan(&pipeline)) {
            Ok(_) => failed.push(format!("{name}: planned")),
            Err(e) if e.len() > 1500 => failed.push(format!("{name}: an error of {} bytes: {}", e.len(), &e[..300])),
            Err(e) => {
                let absent: Vec<_> = parts.iter().filter(|part| !e.contains(**part)).collect();
                if !absent.is_empty() {
                    failed.push(format!("{name}: expected {absent:?} in: {e}"));
                }
            }
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn classes_are_checked_wherever_they_are_named() {
    check_wrong(&[
        (
            "scheduler of another class",
            |f| set(f, SCHEDULER, "_class_name", "\"LCMScheduler\""),
            &["scheduler_config.json", "LCMScheduler", "DDPMScheduler, DDIMScheduler"],
        ),
        (
            "scheduler of a class with -Infinity",
            |f| {
                set(f, SCHEDULER, "lambda_min_clipped", "-Infinity");
                let dpm = text(f, SCHEDULER).replace("DDPMScheduler", "DPMSolverMultistepScheduler");
                f.insert(SCHEDULER.to_owned(), dpm.into_bytes());
            },
            &["DPMSolverMultistepScheduler"],
        ),
        (
            "index names another scheduler",
            |f| set(f, INDEX, "scheduler", r#"["diffusers", "DDIMScheduler"]"#),
            &["model_index.json", "DDIMScheduler", "DDPMScheduler"],
        ),
        (
            "index names another network",
            |f| set(f, INDEX, "unet", r#"["diffusers", "UNet2DModel"]"#),
            &["model_index.json", "UNet2DModel"],
        ),
        (
            "index names another value function",
            |f| set(f, INDEX, "value_function", r#"["diffusers", "UNet2DModel"]"#),
            &["model_index.json", "value_function", "UNet2DModel"],
        ),
        (
            "network of another class",
            |f| set(f, UNET, "_class_name", "\"UNet2DModel\""),
            &["unet", "UNet2DModel"],
        ),
        (
            "class that is a number",
            |f| set(f, SCHEDULER, "_class_name", "7"),
            &["scheduler_config.json", "7"],
        ),
        (
            "class of a network that is a number",
            |f| set(f, UNET, "_class_name", "7"),
            &["unet", "7"],
        ),
        (
            "pipeline of another class",
            |f| set(f, INDEX, "_class_name", "\"StableDiffusionPipeline\""),
            &["model_index.json", "StableDiffusionPipeline", "ValueGuidedRLPipeline"],
        ),
    ]);
}

#[test]
fn other_files_in_place_of_weights_are_told_by_name() {
    check_wrong(&[
        (
            "LFS pointer",
            |f| {
                f.insert(
                    WEIGHTS.into(),
                    b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n".to_vec(),
                );
            },
            &[WEIGHTS, "git lfs pull"],
        ),
        (
            "HTML",
            |f| {
                f.insert(WEIGHTS.into(), b"<!doctype html>\n<html></html>".to_vec());
            },
            &[WEIGHTS, "web page"],
        ),
        (
            "pickle",
            |f| {
                f.insert(WEIGHTS.into(), b"\x80\x02}q\x00.".to_vec());
            },
            &[WEIGHTS, "pickle", "convert"],
        ),
        (
            "empty",
            |f| {
                f.insert(WEIGHTS.into(), Vec::new());
            },
            &[WEIGHTS, "empty", "download"],
        ),
        (
            "truncated",
            |f| {
                let half = f[WEIGHTS].len() / 2;
                f.get_mut(WEIGHTS).unwrap().truncate(half);
            },
            &[WEIGHTS],
        ),
        (
            "huge header",
            |f| {
                f.get_mut(WEIGHTS).unwrap()[..8].copy_from_slice(&u64::MAX.to_le_bytes());
            },
            &[WEIGHTS],
        ),
        (
            "model.safetensors",
            |f| {
                let w = f.remove(WEIGHTS).unwrap();
                f.insert("unet/model.safetensors".into(), w);
            },
            &["unet", "model.safetensors is", "rename"],
        ),
        (
            "fp16",
            |f| {
                let w = f.remove(WEIGHTS).unwrap();
                f.insert("unet/diffusion_pytorch_model.fp16.safetensors".into(), w);
            },
            &["diffusion_pytorch_model.fp16.safetensors", "variant"],
        ),
        (
            "bin",
            |f| {
                f.remove(WEIGHTS);
                f.insert("unet/diffusion_pytorch_model.bin".into(), b"PK\x03\x04".to_vec());
            },
            &["diffusion_pytorch_model.bin", "convert"],
        ),
        (
            "sharded",
            |f| {
                f.remove(WEIGHTS);
                f.insert(
                    "unet/diffusion_pytorch_model.safetensors.index.json".into(),
                    b"{}".to_vec(),
                );
            },
            &["index.json", "several files"],
        ),
        (
            "an unknown prefix",
            |f| renamed(f, |name| format!("policy.net.{name}")),
            &[WEIGHTS, "policy.net."],
        ),
        (
            "LFS pointer for a config",
            |f| {
                f.insert(UNET.into(), b"version https://git-lfs.github.com/spec/v1\n".to_vec());
            },
            &[UNET, "git lfs pull"],
        ),
        (
            "HTML for statistics",
            |f| {
                f.insert("normalizer.json".into(), b"<html>".to_vec());
            },
            &["normalizer.json", "web page"],
        ),
        (
            "empty scheduler",
            |f| {
                f.insert(SCHEDULER.into(), Vec::new());
            },
            &[SCHEDULER, "empty"],
        ),
    ]);
}

#[test]
fn absurd_sizes_and_numbers_are_errors() {
    check_wrong(&[
        (
            "channels",
            |f| set(f, UNET, "block_out_channels", "[18446744073709551608, 32, 32]"),
            &[UNET, "block_out_channels"],
        ),
        (
            "more channels",
            |f| set(f, UNET, "in_channels", "18446744073709551615"),
            &[UNET],
        ),
        (
            "channels that add up",
            |f| set(f, UNET, "extra_in_channels", "18446744073709551615"),
            &[UNET],
        ),
        (
            "1e300 channels",
            |f| set(f, UNET, "in_channels", "1e300"),
            &[UNET, "in_channels"],
        ),
        (
            "layers",
            |f| set(f, UNET, "layers_per_block", "1000000000000"),
            &[UNET, "layers_per_block"],
        ),
        (
            "negative",
            |f| set(f, UNET, "in_channels", "-4"),
            &[UNET, "in_channels"],
        ),
        ("NaN", |f| set(f, UNET, "freq_shift", "NaN"), &[UNET, "freq_shift"]),
        (
            "a billion and a half parameters",
            |f| set(f, UNET, "block_out_channels", "[8000, 8000, 64]"),
            &["unet"],
        ),
        (
            "timesteps",
            |f| set(f, SCHEDULER, "num_train_timesteps", "18446744073709551615"),
            &[SCHEDULER, "num_train_timesteps"],
        ),
        (
            "1e300 timesteps",
            |f| set(f, SCHEDULER, "num_train_timesteps", "1e300"),
            &[SCHEDULER, "num_train_timesteps"],
        ),
        (
            "a trillion timesteps",
            |f| set(f, SCHEDULER, "num_train_timesteps", "1000000000000"),
            &[SCHEDULER, "num_train_timesteps"],
        ),
        (
            "NaN beta",
            |f| set(f, SCHEDULER, "beta_end", "NaN"),
            &[SCHEDULER, "beta_end"],
        ),
        (
            "range",
            |f| set(f, SCHEDULER, "clip_sample_range", "1e300"),
            &[SCHEDULER, "clip_sample_range"],
        ),
        (
            "zero SNR of epsilon",
            |f| {
                set(f, SCHEDULER, "rescale_betas_zero_snr", "true");
                set(f, SCHEDULER, "prediction_type", "\"epsilon\"");
            },
            &["rescale_betas_zero_snr", "epsilon"],
        ),
        (
            "candidates",
            |f| set(f, "planning_config.json", "batch_size", "18446744073709551615"),
            &["planning_config.json", "batch_size"],
        ),
        (
            "horizon",
            |f| set(f, "planning_config.json", "planning_horizon", "18446744073709551615"),
            &["planning_horizon"],
        ),
        (
            "scale",
            |f| set(f, "planning_config.json", "scale", "1e300"),
            &["scale"],
        ),
        (
            "NaN scale",
            |f| set(f, "planning_config.json", "scale", "NaN"),
            &["planning_config.json", "scale"],
        ),
        (
            "NaN statistics",
            |f| {
                let nan = text(f, "normalizer.json").replacen("\"std\": [", "\"std\": [NaN, ", 1);
                f.insert("normalizer.json".into(), nan.into_bytes());
            },
            &["normalizer.json"],
        ),
        (
            "array for an object",
            |f| {
                f.insert(UNET.into(), b"[]".to_vec());
            },
            &[UNET, "an array"],
        ),
        (
            "deep",
            |f| {
                f.insert(UNET.into(), [b'['; 100_000].to_vec());
            },
            &[UNET],
        ),
    ]);
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for (name, bytes) in base() {
        let path = to.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    assert!(from.exists());
}

fn refused(folder: &Path, parts: &[&str]) {
    let error = ValueGuidedPipeline::from_pretrained(folder).unwrap_err().to_string();
    for part in parts {
        assert!(error.contains(part), "expected {part:?} in: {error}");
    }
}

#[cfg(unix)]
#[test]
fn odd_places_on_disk() {
    use std::os::unix::ffi::OsStrExt;
    let disk = tempfile::tempdir().unwrap();
    let at = |name: &str| {
        let path = disk.path().join(name);
        copy(Path::new(CHECKPOINT), &path);
        path
    };
    let path = disk.path().join(std::ffi::OsStr::from_bytes(b"not-\xff-text"));
    copy(Path::new(CHECKPOINT), &path);
    ValueGuidedPipeline::from_pretrained(&path).unwrap();

    let path = at("a-folder-for-weights");
    fs::remove_file(path.join(WEIGHTS)).unwrap();
    fs::create_dir(path.join(WEIGHTS)).unwrap();
    refused(&path, &[WEIGHTS, "directory"]);

    let path = at("a-file-for-a-folder");
    fs::remove_dir_all(path.join("unet")).unwrap();
    fs::write(path.join("unet"), "").unwrap();
    refused(&path, &["unet"]);

    let path = at("a-broken-link");
    fs::remove_file(path.join(WEIGHTS)).unwrap();
    std::os::unix::fs::symlink("../blobs/none", path.join(WEIGHTS)).unwrap();
    refused(&path, &[WEIGHTS, "link"]);

    let path = at("a-link-to-itself");
    fs::remove_file(path.join("normalizer.json")).unwrap();
    std::os::unix::fs::symlink("normalizer.json", path.join("normalizer.json")).unwrap();
    refused(&path, &["normalizer.json"]);

    at("models--a--b/snapshots/0123abc");
    fs::create_dir_all(disk.path().join("models--a--b/refs")).unwrap();
    refused(
        &disk.path().join("models--a--b"),
        &["cache of the Hub", "snapshots/0123abc"],
    );
    refused(&disk.path().join("a-link-to-itself").join(INDEX), &[INDEX]);
}
