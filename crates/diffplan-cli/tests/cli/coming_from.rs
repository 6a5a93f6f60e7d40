//! The commands of docs/coming-from-*.md, line by line, in a folder that holds what they name.

use super::convert::runs::Logs;
use super::*;

/// The blocks of shell in a page.
fn commands(page: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(page);
    let text = fs::read_to_string(path).unwrap();
    let blocks = text
        .split("```sh\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap());
    blocks
        .flat_map(|block| block.lines().map(str::to_owned).collect::<Vec<_>>())
        .collect()
}

#[track_caller]
fn run(page: &str, place: &Path) {
    let commands = commands(page);
    assert!(commands.len() > 1, "{page} has no commands");
    for line in commands {
        let args = line
            .strip_prefix("diffplan ")
            .unwrap_or_else(|| panic!("{line}: what is it?"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_diffplan"));
        let outcome = ended(command.args(args.split_whitespace()).current_dir(place));
        assert_eq!(outcome.status, Some(0), "{line}: {}", outcome.stderr);
        assert!(
            outcome.stderr.lines().all(|line| line.starts_with("warning: ")),
            "{line}: {}",
            outcome.stderr
        );
        assert!(!outcome.stdout.is_empty(), "{line} prints nothing");
    }
}

#[test]
fn the_original_diffuser() {
    let (logs, place) = (Logs::new(), TempDir::new().unwrap());
    let named = place.path().join("logs/hopper-medium-v2");
    for kind in ["diffusion", "values"] {
        copy(&logs.path().join(kind), &named.join(kind));
    }
    fs::copy(logs.dataset(), place.path().join("hopper_medium-v2.hdf5")).unwrap();
    run("coming-from-jannerm-diffuser.md", place.path());
    assert!(place.path().join("checkpoint/normalizer.json").is_file());
}

#[test]
fn cleandiffuser() {
    let (logs, place) = (Logs::new(), TempDir::new().unwrap());
    fs::copy(logs.dataset(), place.path().join("hopper_medium-v2.hdf5")).unwrap();
    run("coming-from-cleandiffuser.md", place.path());
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &to),
            false => fs::copy(entry.path(), to).map(drop).unwrap(),
        }
    }
}
