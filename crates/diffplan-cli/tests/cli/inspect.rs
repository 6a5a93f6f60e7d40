use super::*;

fn inspect(folder: &Path) -> (Option<i32>, Value) {
    let outcome = diffplan("inspect --json", &[folder]);
    (outcome.status, json(&outcome.stdout))
}

fn parts(report: &Value) -> Vec<&str> {
    let problems = report["problems"].as_array().unwrap();
    problems.iter().map(|p| p["part"].as_str().unwrap()).collect()
}

#[test]
fn a_checkpoint_and_what_it_holds() {
    let (status, report) = inspect(&checkpoint());
    assert_eq!((status, parts(&report)), (Some(0), vec![]));
    assert_eq!(report["unet"]["parameters"], 997_124);
    assert_eq!(report["value_function"]["parameters"], 582_945);
    assert_eq!(report["unet"]["horizons"], "multiples of 4");
    assert_eq!(report["horizons"], "4 to 32 in steps of 4");
    assert_eq!(report["scheduler"]["num_train_timesteps"], 20);
    assert_eq!(report["normalizer"]["observations"]["type"], "gaussian");
    assert_eq!(report["planning_config"]["env"], "Pendulum-v1");

    let text = diffplan("inspect", &[&checkpoint()]).succeeded();
    for words in [
        "997,124 parameters, channels 32-64-128",
        "3 × DownResnetBlock1D, MidResTemporalBlock1D, 2 × UpResnetBlock1D, OutConv1DBlock",
        "horizons: multiples of 4",
        "20 timesteps, squaredcos_cap_v2, fixed_small_log, predicts sample",
        "observations: gaussian, 3 dimensions",
        "env Pendulum-v1",
        "1 action and 3 observation dimensions",
    ] {
        assert!(text.contains(words), "no {words:?} in\n{text}");
    }
}

#[test]
fn a_value_function_for_any_horizon() {
    let copy = Copy::new();
    copy.edit(
        "value_function/config.json",
        "\"use_timestep_embedding\"",
        "\"value_pooling\": \"mean\", \"use_timestep_embedding\"",
    );
    let (status, report) = inspect(copy.path());
    assert_eq!((status, parts(&report)), (Some(0), vec![]));
    assert_eq!(report["unet"]["value_pooling"], Value::Null);
    assert_eq!(report["value_function"]["value_pooling"], "mean");
    assert_eq!(report["value_function"]["horizons"], "any");
    assert_eq!(report["horizons"], "multiples of 4");
    let text = diffplan("inspect", &[copy.path()]).succeeded();
    assert!(
        text.contains("ValueFunction, of the mean over the positions that are left"),
        "{text}"
    );
    diffplan("plan --obs 0,1,0 --horizon 64 --checkpoint", &[copy.path()]).succeeded();
}

#[test]
fn one_broken_part_does_not_hide_another() {
    let copy = Copy::new();
    copy.edit("model_index.json", "ValueGuidedRLPipeline", "StableDiffusionPipeline");
    copy.edit("unet/config.json", "\"mish\"", "\"tanh\"");
    copy.bytes("value_function/diffusion_pytorch_model.safetensors", |bytes| {
        bytes.truncate(1000)
    });
    copy.edit("scheduler/scheduler_config.json", "squaredcos_cap_v2", "exponential");
    copy.edit("normalizer.json", "\"std\"", "\"sd\"");
    copy.edit("planning_config.json", "\"diffusers\"", "\"paper\"");
    let (status, report) = inspect(copy.path());
    assert_eq!(status, Some(2));
    let all = [
        "model_index",
        "unet",
        "value_function",
        "scheduler",
        "normalizer",
        "planning_config",
    ];
    assert_eq!(parts(&report), all);
    for part in &all[1..5] {
        assert_eq!(report[part], Value::Null, "{part}");
    }
    let outcome = diffplan("inspect", &[copy.path()]);
    for words in ["StableDiffusionPipeline", "tanh", "exponential", "sd", "paper"] {
        assert!(outcome.stdout.contains(words), "no {words:?} in\n{}", outcome.stdout);
    }
    outcome.failed_with(&["6 of its parts are wrong"]);
}

#[test]
fn parts_that_do_not_fit_each_other() {
    let copy = Copy::new();
    copy.edit(
        "planning_config.json",
        "\"planning_horizon\": 32",
        "\"planning_horizon\": 30",
    );
    let (status, report) = inspect(copy.path());
    assert_eq!((status, parts(&report)), (Some(2), vec!["planning_config"]));
    assert!(
        report["problems"][0]["problem"]
            .as_str()
            .unwrap()
            .contains("horizon 30")
    );

    let copy = Copy::new();
    fs::write(
        copy.path().join("normalizer.json"),
        r#"{"observations": {"type": "gaussian", "mean": [0, 0], "std": [1, 0]},
            "actions": {"type": "gaussian", "mean": [0], "std": [1]}}"#,
    )
    .unwrap();
    let (status, report) = inspect(copy.path());
    assert_eq!((status, parts(&report)), (Some(2), vec!["fit"]));
    let warning = report["normalizer"]["warnings"][0].as_str().unwrap();
    assert!(warning.contains("std[1]"), "{warning}");
}

#[test]
fn every_type_of_normaliser() {
    let copy = Copy::new();
    let normalizers = r#"{"observations": {"type": "safe_limits", "min": [-1, -1, -8], "max": [1, 1, 8]},
        "actions": {"type": "cdf", "quantiles": [[-2, 0.5, 2]], "cumulative_counts": [[10, 80, 100]]}}"#;
    fs::write(copy.path().join("normalizer.json"), normalizers).unwrap();
    let (status, report) = inspect(copy.path());
    assert_eq!((status, parts(&report)), (Some(0), vec![]));
    let normalizer = &report["normalizer"];
    assert_eq!(normalizer["observations"]["type"], "safe_limits");
    assert_eq!(
        normalizer["actions"],
        serde_json::json!({"type": "cdf", "min": [-2.0], "max": [2.0], "knots": [3]})
    );
    let text = diffplan("inspect", &[copy.path()]).succeeded();
    for words in [
        "observations: safe limits, 3 dimensions, min -1.0000 -1.0000 -8.0000",
        "actions: cumulative distribution, 1 dimension, min -2.0000, max 2.0000, at most 3 knots",
    ] {
        assert!(text.contains(words), "no {words:?} in\n{text}");
    }
    diffplan("plan --obs 0,1,0 --checkpoint", &[copy.path()]).succeeded();
}

#[test]
fn networks_in_each_others_place() {
    let copy = Copy::new();
    let [unet, value, aside] = ["unet", "value_function", "aside"].map(|name| copy.path().join(name));
    fs::rename(&unet, &aside).unwrap();
    fs::rename(&value, &unet).unwrap();
    fs::rename(&aside, &value).unwrap();
    let (status, report) = inspect(copy.path());
    assert_eq!((status, parts(&report)), (Some(2), vec!["unet", "value_function"]));
}

#[test]
fn optional_files_may_be_missing() {
    let copy = Copy::new();
    for file in ["model_index.json", "planning_config.json"] {
        fs::remove_file(copy.path().join(file)).unwrap();
    }
    let (status, report) = inspect(copy.path());
    assert_eq!((status, parts(&report)), (Some(0), vec![]));
    // Diffusers' own options then, but no environment.
    diffplan("rollout --checkpoint", &[copy.path()]).failed_with(&["no environment", "--env", "planning_config.json"]);
}

#[test]
#[cfg(feature = "hub")]
fn offline_nothing_but_the_cache_is_asked() {
    let home = TempDir::new().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_diffplan"));
    // An endpoint that would answer with an error of another kind.
    let command = command
        .args(["inspect", "owner/name", "--offline"])
        .env("HF_HOME", home.path())
        .env("HF_ENDPOINT", "http://127.0.0.1:9");
    ended(command).failed_with(&[
        "offline (--offline or HF_HUB_OFFLINE)",
        "owner/name@main is not in the cache",
    ]);
}
