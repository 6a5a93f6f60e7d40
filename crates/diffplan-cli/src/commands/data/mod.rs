//! `diffplan data`: datasets, what they hold and how they are made.

mod collect;
mod inspect;
mod policies;

use crate::args::{DataArgs, DataCommand};
use crate::error::Result;

pub(crate) fn run(args: DataArgs) -> Result<()> {
    match args.command {
        DataCommand::Inspect(args) => inspect::run(args),
        DataCommand::Collect(args) => collect::run(args),
    }
}
