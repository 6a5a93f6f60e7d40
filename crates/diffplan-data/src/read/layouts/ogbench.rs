//! OGBench's `.npz`: D4RL's names without rewards, and with the states of the simulator beside the observations.
//!
//! `terminals` ends a trajectory without saying that its state is terminal: tasks are goals, which the data does not know. So
//! episodes are cut off there, and rewards are zero where nothing else is asked for.

use super::super::map::{Ends, Map, Rewards, Steps};
use super::super::tree::Members;
use super::d4rl;
use crate::FileFormat;
use crate::read::LayoutNote;

pub(super) fn is(top: &Members) -> bool {
    let has = |names: &[&str]| names.iter().all(|name| top.has(name));
    has(&["observations", "actions", "terminals"])
        && !top.has("rewards")
        && !top.has("timeouts")
        && ["qpos", "qvel", "button_states"].iter().any(|name| top.has(name))
}

pub(super) fn map() -> Map {
    Map {
        rewards: Rewards::Zeros,
        steps: Steps::Rows(Ends::Flags {
            terminals: None,
            timeouts: Some("terminals".into()),
        }),
        notes: vec![LayoutNote::ZeroRewards],
        ..d4rl::map(FileFormat::OgBench)
    }
}
