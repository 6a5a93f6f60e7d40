//! The robots on MuJoCo through the command: what is said where there is no libmujoco to use, and a way from nothing to
//! plans for one. Without libmujoco the latter says that it was skipped.

use super::*;
use std::io::{Write, stderr};

/// Runs `diffplan` with `MUJOCO_LIB` set.
fn with_library(library: &Path, args: &str) -> Outcome {
    let mut command = Command::new(env!("CARGO_BIN_EXE_diffplan"));
    ended(command.args(args.split_whitespace()).env("MUJOCO_LIB", library))
}

#[test]
fn a_libmujoco_that_cannot_be_used_is_an_error_of_one_line() {
    let folder = TempDir::new().unwrap();
    let text = folder.path().join("libmujoco.so");
    fs::write(&text, "not a library").unwrap();
    let empty = TempDir::new().unwrap();
    for (library, words) in [
        (
            Path::new("/no/libmujoco.so"),
            "cannot use /no/libmujoco.so as libmujoco",
        ),
        (empty.path(), "names a folder without a libmujoco"),
        (folder.path(), "libmujoco.so as libmujoco"),
        (&text, "libmujoco.so as libmujoco"),
        // With its folder, or the system's loader would look for it.
        (Path::new("libm.so.6"), "/libm.so.6 as libmujoco"),
    ] {
        let outcome = with_library(
            library,
            "data collect --env Hopper-v5 --policy random --episodes 1 --out none.hdf5",
        );
        assert_eq!(outcome.stderr.lines().count(), 1, "{}", outcome.stderr);
        outcome.failed_with(&[words]);
        assert!(!Path::new("none.hdf5").exists());
    }
}

#[test]
fn from_nothing_to_plans_for_a_robot() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name);
    let collected = diffplan(
        "data collect --env Hopper-v5 --policy random --episodes 20 --seed 3 --out",
        &[&path("hopper.hdf5")],
    );
    if collected.stderr.contains("libmujoco was not found") && std::env::var_os("MUJOCO_LIB").is_none() {
        // To stderr itself: what a test prints is shown only where it fails.
        return writeln!(
            stderr(),
            "skipped from_nothing_to_plans_for_a_robot: {}",
            collected.stderr.trim()
        )
        .unwrap();
    }
    collected.succeeded();
    diffplan("data inspect", &[&path("hopper.hdf5")]).succeeded();
    let trained = diffplan(
        "train both --channels 32,32 --horizon 16 --steps 20 --value-steps 10 --batch-size 8 --dataset",
        &[&path("hopper.hdf5"), Path::new("--out"), &path("run")],
    );
    // A robot that moves at random falls soon: most windows reach past the end of their episode.
    trained.warned(&["windows past an episode's end", "windows reach past the end"]);
    let played = diffplan(
        "rollout --batch-size 2 --episodes 3 --json --checkpoint",
        &[&path("run")],
    );
    let summary = json(&played.succeeded());
    assert_eq!(summary["env"], "Hopper-v5");
    let lengths = numbers(&summary["lengths"]);
    assert!(lengths.iter().all(|&steps| steps > 3.0 && steps < 1000.0), "{summary}");

    // Side by side, on the same library, they are the same to the bit, and have a score.
    let evaluation = path("evaluation");
    let evaluate = "evaluate --batch-size 2 --episodes 3 --parallel 2 --json --checkpoint";
    let evaluated = diffplan(evaluate, &[&path("run"), Path::new("--out"), &evaluation]);
    let report = json(&evaluated.succeeded());
    assert_eq!(report["returns"], summary["returns"]);
    assert_eq!(report["lengths"], summary["lengths"]);
    let score = 100.0 * (report["mean_return"].as_f64().unwrap() + 20.272305) / (3234.3 + 20.272305);
    assert!(
        (report["normalized_score"]["mean"].as_f64().unwrap() - score).abs() < 1e-9,
        "{report}"
    );
    let simulator = report["config"]["simulator"].as_str().unwrap();
    assert!(simulator.starts_with("MuJoCo "), "{simulator}");

    // Another version would lead the missing episodes elsewhere.
    let file = evaluation.join("evaluation.json");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace(simulator, "MuJoCo 0.0.1")).unwrap();
    let resumed = diffplan("evaluate --resume --episodes 4 --out", &[&evaluation]);
    resumed.failed_with(&["simulator = MuJoCo", "started with MuJoCo 0.0.1"]);

    // The environment of a dataset, drawn.
    let drawn = "rollout --env hopper-medium-v2 --batch-size 2 --num-inference-steps 2 --render --checkpoint";
    diffplan(drawn, &[&path("run"), Path::new("--out"), &path("film")]).succeeded();
    for name in ["rollout.gif", "contact-sheet.png", "denoising.gif"] {
        assert!(fs::metadata(path("film").join(name)).unwrap().len() > 5_000, "{name}");
    }
}
