//! The robots on MuJoCo through the command: what is said where there is no libmujoco to use, and a way from nothing to
//! plans for one. Without libmujoco the latter says that it was skipped.

use super::*;
use std::io::{Write, stderr};

/// Runs `diffplan` with `MUJOCO_LIB` set.
fn with_library(library: &Path, args: &str) -> Outcome {
    let output = Command::new(env!("CARGO_BIN_EXE_diffplan"))
        .args(args.split_whitespace())
        .env("MUJOCO_LIB", library)
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Outcome {
        status: output.status.code(),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
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
    trained.succeeded();
    let played = diffplan(
        "rollout --batch-size 2 --episodes 2 --json --checkpoint",
        &[&path("run")],
    );
    let summary = json(&played.succeeded());
    assert_eq!(summary["env"], "Hopper-v5");
    assert!(
        numbers(&summary["lengths"])
            .iter()
            .all(|&steps| steps > 3.0 && steps < 1000.0),
        "{summary}"
    );
}
