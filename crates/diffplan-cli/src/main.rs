//! The `diffplan` command: plays and evaluates episodes with a diffusion planner in the loop, makes single plans, inspects checkpoints
//! and times them; looks into datasets and makes some.
//!
//! What was typed ([`args`]) becomes what is needed ([`settings`]) in one fallible place; nothing after that reads
//! arguments. Everything wrong with input ends in one line on stderr and exit status 2.

mod args;
mod commands;
mod error;
mod interrupt;
mod json;
mod output;
mod patience;
mod settings;

use crate::args::{Cli, Command};
use crate::error::{Error, Result};
use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    match run(Cli::parse()) {
        // Whoever reads has seen enough (`diffplan … | head`).
        Ok(()) | Err(Error::StdoutClosed) => ExitCode::SUCCESS,
        Err(error) => {
            output::complain(&error);
            ExitCode::from(error.exit_status())
        }
    }
}

fn run(cli: Cli) -> Result<()> {
    match cli.command {
        Command::Rollout(args) => commands::rollout::run(args),
        Command::Evaluate(args) => commands::evaluate::run(args),
        Command::Train(args) => commands::train::run(args),
        Command::Plan(args) => commands::plan::run(args),
        Command::Inspect(args) => commands::inspect::run(args),
        Command::Bench(args) => commands::bench::run(args),
        Command::Data(args) => commands::data::run(args),
    }
}
