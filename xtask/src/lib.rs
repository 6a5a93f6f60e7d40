//! Developer commands of diffplan; `cargo xtask --help` lists them.

pub mod golden;

/// Compiles the example of the project's README.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
