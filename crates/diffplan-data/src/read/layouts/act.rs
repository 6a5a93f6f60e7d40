//! ACT's episodes, one a file: `observations/` with `qpos`, `qvel` and pictures, and `action`. There are no rewards.

use super::super::map::{Beyond, Episodes, Map, Steps};
use super::super::tree::Scope;
use super::flatten::{self, Others};
use super::{Found, d4rl};
use crate::FileFormat;
use crate::read::{Keys, LayoutNote, ReadError};

pub(super) fn is(found: &Found<'_>) -> Result<bool, ReadError> {
    if !found.top.has("action") || !found.top.has_group("observations") {
        return Ok(false);
    }
    Ok(found
        .tree
        .members("observations/")?
        .is_some_and(|inner| inner.has("qpos")))
}

pub(super) fn map(found: &mut Found<'_>, keys: &Keys) -> Result<Map, ReadError> {
    let mut scope = Scope {
        tree: found.tree,
        prefix: "",
        flatten: true,
    };
    let (observations, note) = match keys.observations.is_empty() {
        // In the order of their names: effort, qpos, qvel.
        true => flatten::arrays(&mut scope, "observations", None, Others::LeftOut, &["images"])?,
        false => (keys.observations.clone(), None),
    };
    let mut notes: Vec<LayoutNote> = note.into_iter().collect();
    Ok(Map {
        observations,
        actions: vec!["action".into()],
        rewards: super::rewards_if(found.top.has("rewards"), &mut notes),
        steps: Steps::Episodes(Episodes {
            prefix: String::new(),
            names: vec![String::new()],
            beyond: Beyond::Either,
            total: None,
            one_flag: false,
            terminals: None,
            timeouts: None,
        }),
        flatten: true,
        notes,
        ..d4rl::map(FileFormat::Act)
    })
}
