//! What is legal and almost surely wrong: said by whatever loads, in `inspect` with the remedy; and nothing of what is well.

use super::*;

/// The codes of `inspect`, and its exit status with `--strict`.
fn codes(folder: &Path) -> (Vec<String>, Option<i32>) {
    let report = json(&diffplan("inspect --json", &[folder]).stdout);
    let warnings = report["warnings"].as_array().unwrap();
    let codes = warnings.iter().map(|w| w["code"].as_str().unwrap().to_owned());
    (codes.collect(), diffplan("inspect --strict", &[folder]).status)
}

#[test]
fn nothing_is_said_of_a_healthy_checkpoint() {
    assert_eq!(codes(&checkpoint()), (vec![], Some(0)));
    let copy = Copy::new();
    copy.plan().succeeded();
}

#[test]
fn clipped_statistics_and_the_wrong_prediction_are_told_with_remedies() {
    let scheduler = "scheduler/scheduler_config.json";
    let copy = Copy::new();
    copy.edit(scheduler, "\"clip_sample\": false", "\"clip_sample\": true");
    copy.edit(
        scheduler,
        "\"prediction_type\": \"sample\"",
        "\"prediction_type\": \"epsilon\"",
    );
    let told = vec!["clipped_gaussian".to_owned(), "prediction_type".to_owned()];
    assert_eq!(codes(copy.path()), (told, Some(1)));
    let outcome = copy.plan();
    assert_eq!(outcome.status, Some(0), "{}", outcome.stderr);
    let lines: Vec<&str> = outcome.stderr.lines().collect();
    assert_eq!(lines.len(), 2, "{}", outcome.stderr);
    assert!(
        lines[0].starts_with("warning: scheduler/scheduler_config.json, clip_sample: "),
        "{lines:?}"
    );
    assert!(lines[1].contains("set prediction_type to \"sample\""), "{lines:?}");
    let text = diffplan("inspect", &[copy.path()]).succeeded();
    assert!(
        text.contains("\nwarnings\n") && text.contains("remedy: set clip_sample to false"),
        "{text}"
    );
}

#[test]
fn noise_that_nothing_is_left_beside_is_refused() {
    let scheduler = "scheduler/scheduler_config.json";
    let copy = Copy::new();
    copy.edit(
        scheduler,
        "\"prediction_type\": \"sample\"",
        "\"prediction_type\": \"epsilon\"",
    );
    copy.edit(
        scheduler,
        "\"rescale_betas_zero_snr\": false",
        "\"rescale_betas_zero_snr\": true",
    );
    copy.plan().failed_with(&[
        "rescale_betas_zero_snr leaves no signal at timestep 19",
        "v_prediction or sample",
    ]);
    diffplan("inspect", &[copy.path()]).failed_with(&["1 of its parts is wrong"]);
}

#[test]
fn all_sizes_that_differ_are_in_one_line() {
    let copy = Copy::new();
    let normalizers = r#"{"observations": {"type": "limits", "min": [-1], "max": [1]},
        "actions": {"type": "limits", "min": [-1, -1, -8], "max": [1, 1, 8]}}"#;
    fs::write(copy.path().join("normalizer.json"), normalizers).unwrap();
    assert_eq!(codes(copy.path()).0, ["observation_first", "observation_first"]);
    diffplan("rollout --checkpoint", &[copy.path()]).refused_after_warnings(&[
        "observations have 3 dimensions, its actions 1",
        "statistics of observations 1, of actions 3",
        "exchange `observations` and `actions`",
    ]);
}

#[test]
fn an_observation_from_elsewhere_is_told() {
    let outcome = diffplan("plan --batch-size 1 --num-inference-steps 1 --obs 1,0,90", &[]);
    assert_eq!(outcome.status, Some(0), "{}", outcome.stderr);
    assert!(
        outcome.stderr.contains("dimension 2 of an observation is 90"),
        "{}",
        outcome.stderr
    );
}

#[test]
fn a_default_horizon_that_does_not_work_is_told_to_whoever_plans_with_another() {
    let copy = Copy::new();
    copy.edit(
        "planning_config.json",
        "\"planning_horizon\": 32",
        "\"planning_horizon\": 30",
    );
    let outcome = diffplan(
        "plan --obs 1,0,0 --batch-size 1 --num-inference-steps 1 --horizon 32 --checkpoint",
        &[copy.path()],
    );
    assert_eq!(outcome.status, Some(0), "{}", outcome.stderr);
    assert!(
        outcome.stderr.contains("set planning_horizon to 28 or 32"),
        "{}",
        outcome.stderr
    );
}

/// `save_pretrained(safe_serialization=False)` of diffusers 0.42.1: weights as .bin, no statistics. Two commands, which the errors on the way name.
#[test]
fn a_folder_as_diffusers_leaves_it_plans_after_two_commands() {
    let copy = TempDir::new().unwrap();
    let left = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/as-diffusers-leaves-it");
    for file in [
        "model_index.json",
        "scheduler/scheduler_config.json",
        "unet/config.json",
        "unet/diffusion_pytorch_model.bin",
        "value_function/config.json",
        "value_function/diffusion_pytorch_model.bin",
    ] {
        let to = copy.path().join(file);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(left.join(file), to).unwrap();
    }
    let plan = || diffplan("plan --obs 1,0,0.5 --horizon 8 --json --checkpoint", &[copy.path()]);
    let statistics = copy.path().join("normalizer.json");
    let command = format!("diffplan normalizer --dataset FILE --out {}", statistics.display());
    plan().failed_with(&["normalizer.json is missing", &command]);

    let dataset = copy.path().join("dataset.hdf5");
    diffplan(
        "data collect --env Pendulum-v1 --policy random --episodes 2 --out",
        &[&dataset],
    );
    let made = diffplan("normalizer --dataset", &[&dataset, Path::new("--out"), &statistics]);
    assert_eq!(made.status, Some(0), "{}", made.stderr);
    let planned = plan();
    assert_eq!(planned.status, Some(0), "{}", planned.stderr);
    assert_eq!(numbers(&json(&planned.stdout)["action"]).len(), 1);
    assert_eq!(codes(copy.path()).0, Vec::<String>::new());
}
