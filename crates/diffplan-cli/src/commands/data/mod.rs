//! `diffplan data`: datasets, what they hold and how they are made.

mod collect;
mod convert;
#[cfg(feature = "hub")]
mod download;
mod goals;
mod inspect;
mod pack;

use crate::args::{DataArgs, DataCommand};
use crate::error::Result;
use diffplan_eval::Registry;

pub(crate) fn run(args: DataArgs, registry: &Registry) -> Result<()> {
    match args.command {
        DataCommand::Inspect(args) => inspect::run(&args, registry),
        DataCommand::Pack(args) => pack::run(&args),
        DataCommand::Collect(args) => collect::run(*args, registry),
        DataCommand::Convert(args) => convert::run(&args, registry),
        #[cfg(feature = "hub")]
        DataCommand::Download(args) => download::run(&args),
    }
}
