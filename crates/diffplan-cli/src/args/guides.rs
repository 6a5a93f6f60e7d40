//! What bends plans, and what must hold of them.

use clap::Args;
use std::path::PathBuf;

/// Guides and constraints.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct GuidesArgs {
    /// A registered guide beside the value function, with its weight; may be given several times
    #[arg(long, value_name = "NAME[=WEIGHT]")]
    pub(crate) guide: Vec<String>,
    /// Goals, obstacles, limits, costs and learned values: [[guide]] and [[constraint]] tables of a file, as docs/guides.md lists them
    #[arg(id = "guides", long = "guides", value_name = "FILE.toml")]
    pub(crate) file: Option<PathBuf>,
}

impl GuidesArgs {
    /// The flag that was given, if any was.
    pub(crate) fn given(&self) -> Option<&'static str> {
        let flags = [(!self.guide.is_empty(), "guide"), (self.file.is_some(), "guides")];
        flags.into_iter().find_map(|(given, flag)| given.then_some(flag))
    }
}
