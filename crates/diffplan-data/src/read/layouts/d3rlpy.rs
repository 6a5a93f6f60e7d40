//! d3rlpy's HDF5: `MDPDataset` of version 1, with rows one after the other, and `ReplayBuffer.dump` of version 2, with
//! arrays of their own for every episode.

use super::super::map::{Beyond, Ends, Episodes, Map, Rewards, Steps, numbered};
use super::super::tree::Members;
use super::d4rl;
use crate::FileFormat;

/// `episode_terminals` ends every episode, `terminals` those in a terminal state.
pub(super) fn is_first(top: &Members) -> bool {
    ["observations", "actions", "episode_terminals"]
        .iter()
        .all(|name| top.has(name))
}

pub(super) fn first() -> Map {
    Map {
        steps: Steps::Rows(Ends::Last {
            ends: "episode_terminals".into(),
            terminals: Some("terminals".into()),
        }),
        ..d4rl::map(FileFormat::D3rlpy)
    }
}

pub(super) fn is_second(top: &Members) -> bool {
    top.arrays.iter().any(|name| {
        let number = name.strip_prefix("observations_");
        number.is_some_and(|number| number.parse::<u64>().is_ok() && top.has(&format!("actions_{number}")))
    })
}

/// `terminated_N` is one flag an episode.
pub(super) fn second(top: &Members) -> Map {
    Map {
        observations: vec!["observations_*".into()],
        actions: vec!["actions_*".into()],
        rewards: Rewards::Of("rewards_*".into()),
        steps: Steps::Episodes(Episodes {
            prefix: String::new(),
            names: numbered("actions_*", &top.arrays),
            beyond: Beyond::Either,
            total: None,
            one_flag: true,
            terminals: Some("terminated_*".into()),
            timeouts: None,
        }),
        flatten: true,
        ..d4rl::map(FileFormat::D3rlpy)
    }
}
