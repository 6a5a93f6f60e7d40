//! Developer commands: `cargo xtask golden`.
fn main() {}
