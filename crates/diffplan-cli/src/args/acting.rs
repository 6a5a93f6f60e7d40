//! Who acts, and where.

use clap::Args;
use std::path::PathBuf;

/// What plays episodes.
#[derive(Debug, Default, Args)]
pub(crate) struct ActingArgs {
    /// Checkpoint folder; testdata/pendulum-hor32, which is built in, by default
    #[arg(short, long, value_name = "DIR")]
    pub(crate) checkpoint: Option<PathBuf>,
    /// Environment; the one named in the checkpoint's planning_config.json by default
    #[arg(short, long, value_name = "ID")]
    pub(crate) env: Option<String>,
    /// Who acts: planner (the checkpoint; the default), random, zero, ou, swing-up, bang-bang, mixed, or one of your own
    #[arg(long, value_name = "NAME")]
    pub(crate) policy: Option<String>,
    /// A registered guide beside the value function, with its weight; may be given several times
    #[arg(long, value_name = "NAME[=WEIGHT]")]
    pub(crate) guide: Vec<String>,
}

impl ActingArgs {
    /// The policy that was named, if it is not the checkpoint's planner.
    pub(crate) fn other(&self) -> Option<&str> {
        self.policy.as_deref().filter(|&name| name != PLANNER)
    }
}

/// The policy that is a checkpoint.
pub(crate) const PLANNER: &str = "planner";
