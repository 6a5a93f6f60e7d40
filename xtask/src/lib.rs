//! Developer commands of diffplan; `cargo xtask --help` lists them.

pub mod golden;
