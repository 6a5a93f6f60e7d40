//! The committed reference cases, as `cargo xtask golden` checks them.

#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::io::{Write, stderr};

use xtask::golden::{Outcome, cases, check, default_dir, name};

#[test]
fn every_committed_case_passes() {
    let folders = cases(&default_dir()).unwrap();
    let mut kinds: Vec<String> = Vec::new();
    let mut wrong = Vec::new();
    for folder in &folders {
        let case = name(folder);
        let (report, outcome) = check(folder);
        match outcome {
            Outcome::Passed if report.unread.is_empty() => {}
            Outcome::Passed => wrong.push(format!("{case}: nothing was compared with {:?}", report.unread)),
            Outcome::Failed(why) => wrong.push(format!("{case}: {why}")),
            // To stderr itself: what a test prints is shown only where it fails.
            Outcome::Skipped(why) => writeln!(stderr(), "{case} skipped: {why}").unwrap(),
            Outcome::NotSupported(what) => wrong.push(format!("{case}: {what} is not supported")),
        }
        kinds.extend(case.split('-').next().map(str::to_owned));
    }
    assert!(
        wrong.is_empty(),
        "{} of {} cases:\n{}",
        wrong.len(),
        folders.len(),
        wrong.join("\n")
    );
    // A folder that was not checked out, or lost a kind, must not pass.
    for kind in ["unet", "ddpm", "torch", "env", "train", "pipeline"] {
        assert!(
            kinds.iter().any(|other| other == kind),
            "no {kind} case in {}",
            default_dir().display()
        );
    }
}
