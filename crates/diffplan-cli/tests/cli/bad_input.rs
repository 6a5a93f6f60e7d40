use super::*;

#[test]
fn command_lines() {
    let cases: [(&str, &[&str]); 12] = [
        ("plan --obs nan,0,0", &["observation: dimension 0 is NaN", "finite"]),
        ("plan --obs 0,-inf,0", &["observation: dimension 1 is -inf", "finite"]),
        ("plan --obs 1,0", &["observation: 2 numbers, expected 3"]),
        (
            "plan --obs 1,0,0 --horizon 30",
            &["unet: horizon 30", "nearest that work: [28, 32]"],
        ),
        (
            "plan --obs 1,0,0 --num-inference-steps 21",
            &["num_inference_steps", "21"],
        ),
        (
            "rollout --env Pendulum-v7",
            &["Pendulum-v7", "did you mean \"Pendulum-v1\""],
        ),
        (
            "rollout --env MountainCarContinuous-v0",
            &["observations have 2 dimensions, its actions 1, the checkpoint's statistics of observations 3"],
        ),
        ("rollout --batch-size 0", &["'0'", "--batch-size", "at least 1"]),
        ("rollout --episodes 0", &["'0'", "--episodes", "1.."]),
        (
            "rollout --batch-size 1048576 --horizon 1048576",
            &["batch_size", "1048576 × 1048576"],
        ),
        ("rollout --scale nan", &["--scale", "nan", "a finite number"]),
        (
            "bench --task value_grad --horizon 64",
            &["horizon 64", "nearest that work: [32]"],
        ),
    ];
    for (args, words) in cases {
        let outcome = diffplan(&format!("{args} --checkpoint"), &[&checkpoint()]);
        outcome.failed_with(words);
    }
}

#[test]
fn folders() {
    let missing = checkpoint().join("nowhere");
    for command in [
        "rollout --checkpoint",
        "plan --obs 1,0,0 --checkpoint",
        "bench --checkpoint",
        "inspect",
    ] {
        diffplan(command, &[&missing]).failed_with(&["cannot read checkpoint", "nowhere", "No such file"]);
        // What a file is that is no checkpoint, inspect says.
        if command != "inspect" {
            diffplan(command, &[&checkpoint().join("normalizer.json")])
                .failed_with(&["cannot read checkpoint", "normalizer"]);
        }
    }
    for part in ["unet", "value_function", "scheduler"] {
        let copy = Copy::new();
        fs::remove_dir_all(copy.path().join(part)).unwrap();
        copy.plan().failed_with(&[part, "is missing"]);
        diffplan("inspect", &[copy.path()]).failed_with(&["1 of its parts is wrong"]);
    }
    // A file where the results should go.
    let file = checkpoint().join("normalizer.json");
    let args = [checkpoint(), "--out".into(), file];
    let args: Vec<&Path> = args.iter().map(PathBuf::as_path).collect();
    diffplan("rollout --checkpoint", &args).failed_with(&["cannot create folder", "normalizer.json"]);
}

#[test]
fn configurations() {
    for (file, from, to, words) in [
        (
            "unet/config.json",
            "\"mish\"",
            "\"tanh\"",
            &["unet", "`act_fn`", "tanh", "mish"][..],
        ),
        (
            "unet/config.json",
            "DownResnetBlock1D",
            "DownBlock9D",
            &["unet", "DownBlock9D"],
        ),
        (
            "value_function/config.json",
            "\"freq_shift\"",
            "\"freq_drift\"",
            &["value_function", "freq_drift"],
        ),
        ("unet/config.json", "{", "[", &["unet/config.json"]),
        (
            "scheduler/scheduler_config.json",
            "\"sample\"",
            "\"score\"",
            &["scheduler_config.json", "prediction_type", "score"],
        ),
        (
            "planning_config.json",
            "\"batch_size\": 8",
            "\"batch_size\": 0",
            &["planning_config.json", "batch_size = 0"],
        ),
        (
            "planning_config.json",
            "\"batch_size\": 8",
            "\"batch_size\": 1e12",
            &["planning_config.json"],
        ),
        (
            "planning_config.json",
            "\"batch_size\": 8",
            "\"batch_size\": 99999999",
            &["batch_size", "at most"],
        ),
        (
            "planning_config.json",
            "\"scale\"",
            "\"scales\"",
            &["planning_config.json", "scales"],
        ),
        (
            "normalizer.json",
            "gaussian",
            "uniform",
            &["normalizer.json", "uniform", "gaussian"],
        ),
        (
            "model_index.json",
            "ValueGuidedRLPipeline",
            "Other",
            &["model_index.json", "Other", "ValueGuidedRLPipeline"],
        ),
    ] {
        let copy = Copy::new();
        copy.edit(file, from, to);
        // With options of the file, so that those matter as well.
        diffplan("plan --obs 1,0,0 --num-inference-steps 1 --checkpoint", &[copy.path()]).failed_with(words);
    }
}

const WEIGHTS: &str = "unet/diffusion_pytorch_model.safetensors";

#[test]
fn truncated_weights() {
    for length in [0, 4, 8, 100, 5000, 1_000_000] {
        let copy = Copy::new();
        copy.bytes(WEIGHTS, |bytes| bytes.truncate(length));
        copy.plan().failed_with(&["unet", "safetensors"]);
        diffplan("inspect", &[copy.path()]).failed_with(&["1 of its parts is wrong"]);
    }
}

/// Anywhere in the header: refused, or harmless; never a panic. Which bits are harmless is up to JSON (white space, say).
#[test]
fn flipped_bits_in_the_header() {
    let copy = Copy::new();
    let mut refused = 0;
    let places = (0..16).chain((16..6000).step_by(499));
    for (i, place) in places.clone().enumerate() {
        let flip = |bytes: &mut Vec<u8>| bytes[place] ^= 1 << (i % 8);
        copy.bytes(WEIGHTS, flip);
        let outcome = copy.plan();
        if outcome.status != Some(0) {
            outcome.failed_with(&["unet"]);
            refused += 1;
        }
        copy.bytes(WEIGHTS, flip);
    }
    assert!(refused > places.count() * 9 / 10, "only {refused} refused");
    copy.plan().succeeded();
}

#[test]
fn weights_that_are_no_numbers() {
    let copy = Copy::new();
    copy.bytes(WEIGHTS, |bytes| {
        let end = bytes.len();
        bytes[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    });
    copy.plan().failed_with(&["unet", "safetensors"]);
}

/// Weights that are finite, but lead to infinities.
#[test]
fn plans_that_diverge() {
    diffplan(
        "plan --obs 1,0,0 --scale 1e30 --batch-size 1 --checkpoint",
        &[&checkpoint()],
    )
    .failed_with(&["no longer finite", "scale"]);
}
