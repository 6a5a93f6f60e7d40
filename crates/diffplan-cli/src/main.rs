//! The `diffplan` command, with what diffplan has itself: [`diffplan_cli::run`] takes more.

use std::process::ExitCode;

fn main() -> ExitCode {
    diffplan_cli::run(diffplan_eval::Registry::builtin())
}
