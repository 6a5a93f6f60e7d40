//! D4RL, in HDF5 or in NumPy's archives: all steps one after the other, and two flags, of which the first version of D4RL
//! has only `terminals`.

use super::super::map::{Ends, Map, Rewards, Steps};
use crate::FileFormat;

pub(super) fn map(format: FileFormat) -> Map {
    Map {
        format,
        observations: vec!["observations".into()],
        actions: vec!["actions".into()],
        rewards: Rewards::Of("rewards".into()),
        steps: Steps::Rows(Ends::Flags {
            terminals: Some("terminals".into()),
            timeouts: Some("timeouts".into()),
        }),
        flatten: false,
        env: None,
        after: false,
        repeated: false,
        about: serde_json::Map::new(),
        notes: Vec::new(),
    }
}
