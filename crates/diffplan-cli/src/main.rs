//! The `diffplan` command.
fn main() {}
