//! robomimic and its kin (MimicGen, LIBERO, Isaac Lab): `data/demo_N/` with `actions`, `rewards`, `dones` and the arrays of
//! `obs`, of which those of few dimensions are taken side by side in the order of their names. `mask/NAME` lists episodes.

use super::super::map::{Beyond, Episodes, Map, Rewards, Steps, fill, natural};
use super::super::tree::Scope;
use super::flatten::{self, Others};
use super::{Found, d4rl};
use crate::read::{Keys, ReadError};
use crate::{FileFormat, RecordedEnv};
use serde_json::Value;

const PREFIX: &str = "data/*/";

/// The names of the episodes' groups, where this is such a file.
pub(super) fn demos(found: &Found<'_>) -> Result<Option<Vec<String>>, ReadError> {
    if !found.top.has_group("data") {
        return Ok(None);
    }
    let mut demos = found.tree.members("data/")?.unwrap_or_default().groups;
    let Some(first) = demos.first() else { return Ok(None) };
    let inner = found.tree.members(&fill(PREFIX, first))?.unwrap_or_default();
    demos.sort_by(|a, b| natural(a, b));
    Ok((inner.has("actions") && (inner.has_group("obs") || inner.has("states"))).then_some(demos))
}

pub(super) fn map(found: &mut Found<'_>, mut demos: Vec<String>, keys: &Keys) -> Result<Map, ReadError> {
    if let Some(mask) = &keys.mask {
        let masks = found.tree.members("mask/")?.unwrap_or_default().arrays;
        if !masks.contains(mask) {
            return Err(ReadError::MissingKey {
                key: format!("mask/{mask}"),
                present: masks,
            });
        }
        let listed = found.tree.strings(&format!("mask/{mask}"))?;
        let listed: Vec<&str> = listed.iter().map(|name| name.trim_end_matches('\0')).collect();
        if let Some(missing) = listed.iter().find(|name| !demos.iter().any(|demo| demo == *name)) {
            return Err(ReadError::MissingKey {
                key: format!("data/{missing}"),
                present: demos,
            });
        }
        demos.retain(|demo| listed.contains(&demo.as_str()));
    }
    found.tree.open_groups("data/")?;
    let first = fill(PREFIX, demos.first().map_or("", String::as_str));
    let mut scope = Scope {
        tree: found.tree,
        prefix: &first,
        flatten: true,
    };
    let (observations, note) = match keys.observations.is_empty() {
        true => flatten::arrays(&mut scope, "obs", None, Others::LeftOut, &[])?,
        false => (keys.observations.clone(), None),
    };
    let env = found.tree.text("data/", "env_args").and_then(|text| {
        let args: Value = serde_json::from_str(&text).ok()?;
        Some(args.get("env_name")?.as_str()?.to_owned())
    });
    Ok(Map {
        observations,
        rewards: Rewards::Of("rewards".into()),
        steps: Steps::Episodes(Episodes {
            prefix: PREFIX.into(),
            names: demos,
            beyond: Beyond::Either,
            total: Some("num_samples"),
            one_flag: false,
            terminals: Some("dones".into()),
            timeouts: None,
        }),
        flatten: true,
        env: env.or_else(|| found.tree.text("data/", "env")).map(RecordedEnv::new),
        notes: note.into_iter().collect(),
        ..d4rl::map(FileFormat::Robomimic)
    })
}
