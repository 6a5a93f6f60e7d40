//! Demonstrations of Stable-Baselines and of imitation, in NumPy's archives. Their pickled objects (`infos`) are never read.

use super::super::map::{Ends, Map, Rewards, Steps};
use super::super::tree::Members;
use super::d4rl;
use crate::FileFormat;

/// What `generate_expert_traj` saves: `episode_starts` is set in the first row of an episode, and the last row ends the last.
pub(super) fn is_expert(top: &Members) -> bool {
    ["obs", "actions", "episode_starts"].iter().all(|name| top.has(name))
}

pub(super) fn expert() -> Map {
    Map {
        observations: vec!["obs".into()],
        steps: Steps::Rows(Ends::Starts("episode_starts".into())),
        ..d4rl::map(FileFormat::StableBaselines)
    }
}

/// What imitation's `save` writes: `indices` are the first rows of all trajectories but the first, and `terminal` is one flag a
/// trajectory, whose observations have one row more than its actions.
pub(super) fn is_imitation(top: &Members) -> bool {
    ["obs", "acts", "indices"].iter().all(|name| top.has(name))
}

pub(super) fn imitation() -> Map {
    Map {
        observations: vec!["obs".into()],
        actions: vec!["acts".into()],
        rewards: Rewards::Of("rews".into()),
        steps: Steps::Rows(Ends::Splits {
            starts: "indices".into(),
            terminal: Some("terminal".into()),
        }),
        ..d4rl::map(FileFormat::Imitation)
    }
}
