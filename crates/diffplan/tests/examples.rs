//! What the README promises of the examples.

#![allow(clippy::unwrap_used)]
use std::fs;
use std::path::{Path, PathBuf};

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn example(name: &str) -> String {
    fs::read_to_string(here().join("examples").join(name)).unwrap()
}

#[test]
fn the_readme_shows_the_example_that_is_run() {
    let readme = fs::read_to_string(here().join("../../README.md")).unwrap();
    let block = readme.split("```rust,no_run\n").nth(1).unwrap();
    let shown = block.split("```").next().unwrap();
    let example = example("plan.rs");
    let (lints, code) = example.split_once('\n').unwrap();
    assert!(lints.starts_with("#![allow("), "{lints}");
    assert_eq!(shown, code);
    assert!(shown.lines().count() <= 15);
}

#[test]
fn an_environment_and_a_network_of_ones_own_take_sixty_lines() {
    for name in ["own_environment.rs", "own_network.rs", "own_guide.rs"] {
        let lines = example(name).lines().count();
        assert!(lines <= 60, "{name} has {lines} lines");
    }
}
