//! Cases that are broken, or recorded something else, fail with the reason, and none panics.

#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use xtask::golden::{Outcome, cases, check, default_dir};

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::write(&target, fs::read(entry.path()).unwrap()).unwrap();
        }
    }
}

/// The smallest committed case whose name starts so.
fn smallest(prefix: &str) -> PathBuf {
    let size = |folder: &PathBuf| fs::metadata(folder.join("tensors.safetensors")).unwrap().len();
    let all = cases(&default_dir()).unwrap().into_iter();
    all.filter(|folder| xtask::golden::name(folder).starts_with(prefix))
        .min_by_key(size)
        .unwrap()
}

/// Checks a copy of the case that `damage` was done to.
fn damaged(prefix: &str, damage: impl FnOnce(&Path)) -> Outcome {
    let folder = TempDir::new().unwrap();
    copy(&smallest(prefix), folder.path());
    damage(folder.path());
    check(folder.path()).1
}

fn assert_fails(what: &str, outcome: Outcome, reason: &str) {
    match outcome {
        Outcome::Failed(why) => assert!(why.contains(reason), "{what}: {why:?} does not say {reason:?}"),
        other => panic!("{what}: {other:?}"),
    }
}

/// The folder's `case.json` with a key replaced; without it, for null.
fn set_key(folder: &Path, key: &str, value: serde_json::Value) {
    let path = folder.join("case.json");
    let mut case: serde_json::Map<_, _> = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    if value.is_null() {
        case.remove(key).unwrap();
    } else {
        case.insert(key.to_owned(), value);
    }
    fs::write(path, serde_json::to_vec(&case).unwrap()).unwrap();
}

/// Writes over the last bytes of a tensor in the folder's file.
fn overwrite_end(folder: &Path, name: &str, bytes: &[u8]) {
    let path = folder.join("tensors.safetensors");
    let mut file = fs::read(&path).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&file).unwrap();
    let data = tensors.tensor(name).unwrap().data();
    let end = data.as_ptr() as usize + data.len() - file.as_ptr() as usize;
    file[end - bytes.len()..end].copy_from_slice(bytes);
    fs::write(path, file).unwrap();
}

/// Gives a tensor in the folder's file another name of the same length.
fn rename(folder: &Path, from: &str, to: &str) {
    let path = folder.join("tensors.safetensors");
    let (mut file, from, to) = (fs::read(&path).unwrap(), format!("\"{from}\":"), format!("\"{to}\":"));
    assert_eq!(from.len(), to.len());
    let at = file
        .windows(from.len())
        .position(|bytes| bytes == from.as_bytes())
        .unwrap();
    file[at..at + from.len()].copy_from_slice(to.as_bytes());
    fs::write(path, file).unwrap();
}

#[test]
fn another_number_anywhere_fails() {
    let rows = [
        ("unet", "output"),
        ("unet", "sample_grad"),
        ("unet-planner", "param_grad.out_block.final_conv1d_2.weight"),
        ("ddpm-diffuser", "betas"),
        ("ddpm-diffuser", "alphas_cumprod"),
        ("ddpm-diffuser", "variance"),
        ("ddpm-diffuser", "add_noise_out"),
        ("ddpm-diffuser", "velocity_out"),
        ("ddpm-diffuser", "step3.prev_sample"),
        ("ddpm-diffuser", "step3.pred_original_sample"),
        ("pipeline-per", "guided"),
        ("pipeline-per", "prev_sample"),
        ("pipeline-per", "x"),
        ("pipeline-per", "y"),
        ("pipeline-per", "actions"),
        ("pipeline-per", "action"),
        ("torch", "seed0.17.first"),
        ("torch", "seed0.5.second"),
    ];
    for (prefix, tensor) in rows {
        for (value, reason) in [(7.25_f32, tensor), (f32::NAN, "error NaN")] {
            let outcome = damaged(prefix, |folder| overwrite_end(folder, tensor, &value.to_le_bytes()));
            assert_fails(&format!("{prefix}: {tensor} {value}"), outcome, reason);
        }
    }
    let rows = [
        ("ep0.observations", 1e-5),
        ("ep0.rewards", 0.0),
        ("ep0.states", f64::NAN),
    ];
    for (tensor, value) in rows {
        let outcome = damaged("env-pendulum", |folder| {
            overwrite_end(folder, tensor, &value.to_le_bytes())
        });
        assert_fails(&format!("env: {tensor}"), outcome, tensor);
    }
    for tensor in ["ep0.terminated", "ep0.truncated"] {
        // True becomes false and the other way round at the end of an episode that a time limit ends.
        let value = u8::from(tensor == "ep0.terminated");
        let outcome = damaged("env-pendulum", |folder| overwrite_end(folder, tensor, &[value]));
        assert_fails(&format!("env: {tensor}"), outcome, tensor);
    }
    let order = damaged("pipeline-per", |folder| {
        overwrite_end(folder, "order", &7_i64.to_le_bytes())
    });
    assert_fails("order", order, "order");
    let timesteps = damaged("ddpm-diffuser", |folder| {
        overwrite_end(folder, "timesteps", &1_i64.to_le_bytes())
    });
    assert_fails("timesteps", timesteps, "timesteps");
}

#[test]
fn broken_files_fail() {
    for kind in ["unet", "ddpm", "pipeline", "torch", "env-mountain"] {
        for (what, length) in [("empty", 0), ("short header", 5), ("cut", 700)] {
            let outcome = damaged(kind, |folder| {
                let path = folder.join("tensors.safetensors");
                let file = fs::read(&path).unwrap();
                fs::write(path, &file[..length]).unwrap();
            });
            assert_fails(&format!("{kind}: {what}"), outcome, "tensors.safetensors");
        }
        let outcome = damaged(kind, |folder| {
            fs::remove_file(folder.join("tensors.safetensors")).unwrap()
        });
        assert_fails(kind, outcome, "tensors.safetensors");
        for text in ["", "{", "[]", "3", "{\"kind\": 3}", "{}"] {
            let outcome = damaged(kind, |folder| fs::write(folder.join("case.json"), text).unwrap());
            assert_fails(&format!("{kind}: {text}"), outcome, "case.json");
        }
    }
    let model = |file: &'static str| {
        damaged("unet", move |folder| {
            fs::remove_file(folder.join("model").join(file)).unwrap()
        })
    };
    assert_fails("model", model("config.json"), "config.json");
    assert_fails(
        "model",
        model("diffusion_pytorch_model.safetensors"),
        "diffusion_pytorch_model.safetensors",
    );
    for part in ["unet", "value_function", "scheduler"] {
        let outcome = damaged("pipeline", |folder| fs::remove_dir_all(folder.join(part)).unwrap());
        assert_fails(part, outcome, part);
    }
}

#[test]
fn keys_that_are_missing_or_of_another_type_fail() {
    let text = || serde_json::json!("four");
    for (kind, keys) in [
        ("ddpm", &["class", "config"][..]),
        (
            "pipeline",
            &[
                "batch_size",
                "planning_horizon",
                "n_guide_steps",
                "scale",
                "normalization",
            ],
        ),
        ("env-mountain", &["env_id", "episodes"]),
    ] {
        for key in keys {
            let outcome = damaged(kind, |folder| set_key(folder, key, serde_json::Value::Null));
            assert_fails(key, outcome, key);
            if ["class", "env_id"].contains(key) {
                let outcome = damaged(kind, |folder| set_key(folder, key, text()));
                assert!(matches!(outcome, Outcome::NotSupported(_)), "{key}: {outcome:?}");
            } else {
                assert_fails(key, damaged(kind, |folder| set_key(folder, key, text())), key);
            }
        }
    }
    for (kind, key, value) in [
        ("ddpm", "num_inference_steps", serde_json::json!(-1)),
        ("ddpm", "custom_timesteps", serde_json::json!([3.5])),
        ("pipeline", "batch_size", serde_json::json!(0)),
        ("pipeline", "planning_horizon", serde_json::json!(0)),
        ("pipeline", "torch_seed", serde_json::json!("x")),
        ("pipeline", "scale", serde_json::json!(1e300)),
        ("env-mountain", "action_low", serde_json::json!(["x"])),
        ("env-mountain", "max_episode_steps", serde_json::json!(7)),
    ] {
        assert_fails(key, damaged(kind, |folder| set_key(folder, key, value)), key);
    }
    let other = damaged("ddpm", |folder| set_key(folder, "kind", serde_json::json!("imitation")));
    assert!(matches!(other, Outcome::NotSupported(_)), "{other:?}");
}

#[test]
fn tensors_that_are_missing_or_of_another_shape_fail() {
    for (prefix, from, to) in [
        ("unet", "sample_grad", "sample_gone"),
        ("unet", "timestep", "timestop"),
        (
            "unet-planner",
            "param_grad.out_block.final_conv1d_2.weight",
            "param_grad.out_block.final_conv1d_3.weight",
        ),
        ("ddpm-diffuser", "betas", "bites"),
        ("ddpm-diffuser", "step2.noise", "step2.house"),
        ("ddpm-diffuser", "step2.prev_sample", "step2.prev_simple"),
        ("pipeline-per", "noise", "house"),
        ("pipeline-per", "x", "z"),
        ("pipeline-per", "y", "z"),
        ("pipeline-per", "order", "other"),
        ("torch", "seed0.17.second", "seed0.17.secund"),
        ("torch", "seed0.17.second", "seed0.16.second"),
        ("env-mountain", "ep0.truncated", "ep9.truncated"),
    ] {
        match damaged(prefix, |folder| rename(folder, from, to)) {
            Outcome::Failed(why) => assert!(!why.contains("panic"), "{from}: {why}"),
            other => panic!("{from}: {other:?}"),
        }
    }
    let empty = damaged("torch", |folder| {
        let none: [(&str, safetensors::tensor::TensorView); 0] = [];
        fs::write(
            folder.join("tensors.safetensors"),
            safetensors::serialize(none, None).unwrap(),
        )
        .unwrap();
    });
    assert_fails("no tensors", empty, "nothing to compare");
    let none = damaged("env-mountain", |folder| {
        set_key(folder, "episodes", serde_json::json!(0))
    });
    assert_fails("no episodes", none, "episodes");
}
