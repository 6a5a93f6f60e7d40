//! `diffplan convert`, and what `inspect` says of its sources.

#[path = "../../../diffplan-import/tests/convert/runs.rs"]
pub(super) mod runs;

use super::*;
use runs::Logs;

fn out() -> (TempDir, PathBuf) {
    let place = TempDir::new().unwrap();
    let path = place.path().join("out");
    (place, path)
}

#[test]
fn a_run_becomes_a_checkpoint_that_plans() {
    let logs = Logs::new();
    let (_place, to) = out();
    let dataset = logs.dataset();
    let text = diffplan("convert", &[logs.path(), &to, Path::new("--dataset"), &dataset]).succeeded();
    for words in [
        "a TemporalUnet of jannerm/diffuser of step 1000, the average (`ema`)",
        "predict_epsilon false to prediction_type sample",
        "loss_fn.weights [8, 5]",
        "3 buffers of the schedule",
        "values are in the units of rewards, discount 0.9, termination penalty -5",
        "unet/diffusion_pytorch_model.safetensors",
        "--obs 0,0,0",
    ] {
        assert!(text.contains(words), "no {words:?} in\n{text}");
    }
    diffplan("inspect", &[&to]).succeeded();
    // The run clips, and its statistics are Gaussian.
    let clips = ["clip_sample", "one standard deviation"];
    let plan = diffplan("plan --obs 0,0,0 --json --checkpoint", &[&to]).warned(&clips);
    assert_eq!(numbers(&json(&plan)["action"]).len(), 2);
    let rest = [
        "model_index.json",
        "normalizer.json",
        "planning_config.json",
        "scheduler",
        "unet",
        "value_function",
    ];
    let mut names: Vec<String> = fs::read_dir(&to)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, rest);

    // What is there is not replaced unasked.
    diffplan("convert", &[logs.path(), &to, Path::new("--dataset"), &dataset]).failed_with(&["--force"]);
    let again = diffplan(
        "convert --force --json --dtype bf16",
        &[logs.path(), &to, Path::new("--dataset"), &dataset],
    );
    let report = json(&again.succeeded());
    assert_eq!(report["plans"], true);
    assert_eq!(report["files"].as_array().unwrap().len(), 8);
    diffplan("plan --obs 0,0,0 --json --checkpoint", &[&to]).warned(&clips);
}

#[test]
fn the_two_runs_by_name_and_one_alone() {
    let logs = Logs::new();
    let (_place, to) = out();
    let (planner, value, dataset) = (logs.planner_run(), logs.value_run(), logs.dataset());
    let flags = ["--planner", "--value", "--dataset"].map(Path::new);
    let both: [&Path; 7] = [flags[0], &planner, flags[1], &value, flags[2], &dataset, &to];
    diffplan("convert", &both).succeeded();
    let (_place, alone) = out();
    let text = diffplan("convert", &[flags[1], &value, &alone]).succeeded();
    assert!(
        text.contains("value_function/config.json") && !text.contains("unet/"),
        "{text}"
    );
    let (_place, none) = out();
    diffplan("convert", &[flags[0], &value, flags[2], &dataset, &none])
        .failed_with(&["is a value function", "--value"]);
    diffplan("convert", &[logs.path(), &none, flags[0], &planner]).failed_with(&["not both"]);
    diffplan("convert", &[logs.path(), &none]).failed_with(&["--dataset FILE", "--stats FILE"]);
    diffplan("convert", &[logs.path()]).failed_with(&["the folder to write"]);
    let inside = logs.path().join("inside");
    diffplan("convert", &[logs.path(), &inside, flags[2], &dataset]).failed_with(&["outside of"]);
    assert!(!none.exists() && !inside.exists());
}

#[test]
fn to_diffusers_and_back() {
    let (_place, to) = out();
    let text = diffplan("convert --to diffusers", &[&checkpoint(), &to]).succeeded();
    assert!(
        text.contains("normalizer.json, which diffusers does not know"),
        "{text}"
    );
    assert!(!to.join("normalizer.json").exists() && to.join("unet/config.json").exists());
    let (_place, back) = out();
    let stats = checkpoint().join("normalizer.json");
    diffplan("convert", &[&to, &back, Path::new("--stats"), &stats]).succeeded();
    let name = "unet/diffusion_pytorch_model.safetensors";
    let plan = |folder: &Path| diffplan("plan --obs 1,0,0 -b 4 -g 0 --json --checkpoint", &[folder]).succeeded();
    assert_eq!(json(&plan(&back))["action"], json(&plan(&checkpoint()))["action"]);
    assert_eq!(
        fs::metadata(back.join(name)).unwrap().len(),
        fs::metadata(to.join(name)).unwrap().len()
    );
    // As torch.save writes it, the weights are the same.
    let (_place, bin) = out();
    diffplan("convert --weights bin", &[&checkpoint(), &bin]).succeeded();
    assert!(bin.join("unet/diffusion_pytorch_model.bin").exists() && !bin.join(name).exists());
    assert_eq!(json(&plan(&bin))["action"], json(&plan(&checkpoint()))["action"]);
}

#[test]
fn inspect_tells_what_a_file_is_and_what_it_takes() {
    let logs = Logs::new();
    let state = logs.planner_run().join("state_1000.pt");
    for (path, kind, words) in [
        (logs.path().to_owned(), "jannerm_logs", "--dataset FILE"),
        (logs.planner_run(), "jannerm_run", "--planner"),
        (state, "jannerm_state", "--action-dim"),
        (
            logs.value_run().join("dataset_config.pkl"),
            "jannerm_config",
            "beside the run's states",
        ),
        (logs.dataset(), "dataset", "data inspect"),
        (checkpoint().join("unet"), "network", "convert"),
        (checkpoint().join("normalizer.json"), "statistics", "--stats"),
    ] {
        let report = json(&diffplan("inspect --json", &[&path]).succeeded());
        assert_eq!(report["kind"], kind, "{}", path.display());
        assert!(report["takes"].as_str().unwrap().contains(words), "{report}");
        diffplan("inspect", &[&path]).succeeded();
    }
    let text = diffplan("inspect", &[logs.path()]).succeeded();
    for words in [
        "channels [8, 16], transitions of 5",
        "10 timesteps, horizon 8, 3 observation dimensions, 2 action dimensions, predict_epsilon false",
        "trained on halfcheetah-medium-v2, normalised by GaussianNormalizer",
    ] {
        assert!(text.contains(words), "no {words:?} in\n{text}");
    }
    diffplan("inspect /nowhere/at/all", &[]).failed_with(&["/nowhere/at/all"]);
}
