//! The `diffplan` command: plays and evaluates episodes with a diffusion planner in the loop, makes single plans, inspects checkpoints
//! and times them; trains; looks into datasets and makes some.
//!
//! [`run`] is all of it, for a binary of one's own: with one's own environments, policies and guides registered beside ours.
//!
//! What was typed (`args`) becomes what is needed (`settings`) in one fallible place; nothing after that reads
//! arguments. Everything wrong with input ends in one line on stderr and exit status 2.

mod aims;
mod args;
mod commands;
mod datasets;
mod error;
mod guides;
mod hub;
mod interrupt;
mod json;
mod output;
mod patience;
mod planes;
mod settings;

use crate::args::{Cli, Command};
use crate::error::{Error, Result};
use clap::Parser;
use diffplan_eval::Registry;
use std::process::ExitCode;

/// The command, on the arguments of this process, with everything in `registry`: what `main` returns.
///
/// ```no_run
/// use diffplan_eval::{ControllerPolicy, Registry};
///
/// fn main() -> std::process::ExitCode {
///     let mut registry = Registry::builtin();
///     registry.register_policy("dice", |_| Ok(Box::new(ControllerPolicy::random())));
///     diffplan_cli::run(registry)
/// }
/// ```
pub fn run(registry: Registry) -> ExitCode {
    match dispatch(Cli::parse(), &registry) {
        // Whoever reads has seen enough (`diffplan … | head`).
        Ok(()) | Err(Error::StdoutClosed) => ExitCode::SUCCESS,
        Err(error) => {
            output::complain(&error);
            ExitCode::from(error.exit_status())
        }
    }
}

fn dispatch(cli: Cli, registry: &Registry) -> Result<()> {
    // Said before anything is computed with other instructions than were asked for.
    diffplan_kernels::Isa::requested().map_err(diffplan_models::Error::from)?;
    match cli.command {
        Command::Rollout(args) => commands::rollout::run(args, registry),
        Command::Evaluate(args) => commands::evaluate::run(args, registry),
        Command::Train(args) => commands::train::run(args, registry),
        Command::Tune(args) => commands::tune::run(args, registry),
        Command::Plan(args) => commands::plan::run(args, registry),
        #[cfg(feature = "serve")]
        Command::Serve(args) => commands::serve::run(*args, registry),
        Command::Inspect(args) => commands::inspect::run(args, registry),
        Command::Convert(args) => commands::convert::run(args),
        Command::Normalizer(args) => commands::normalizer::run(&args),
        Command::Bench(args) => commands::bench::run(args, registry),
        Command::Data(args) => commands::data::run(args, registry),
    }
}
