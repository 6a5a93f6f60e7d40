//! ManiSkill: `traj_N/` with `actions`, `terminated`, `truncated`, `success`, `rewards` where they were recorded, and `obs` with
//! one row more, an array or a dictionary. The JSON file of the same name beside it names the environment.

use super::super::map::{Beyond, Episodes, Map, Steps, fill, numbered};
use super::super::tree::{Members, Scope};
use super::flatten::{self, Others};
use super::minari::json;
use super::{Found, d4rl};
use crate::read::{Keys, LayoutNote, ReadError};
use crate::{FileFormat, RecordedEnv};

/// Pictures and the cameras' places.
const CAMERAS: [&str; 4] = ["sensor_data", "sensor_param", "image", "camera_param"];

pub(super) fn is(top: &Members) -> bool {
    !numbered("traj_*", &top.groups).is_empty()
}

pub(super) fn map(found: &mut Found<'_>, keys: &Keys) -> Result<Map, ReadError> {
    let names = numbered("traj_*", &found.top.groups);
    let prefix = "traj_*/";
    found.tree.open_groups("")?;
    let first = fill(prefix, names.first().map_or("", String::as_str));
    let inner = found.tree.members(&first)?.unwrap_or_default();
    let mut notes = Vec::new();
    let mut scope = Scope {
        tree: found.tree,
        prefix: &first,
        flatten: true,
    };
    // Demonstrations as they are published have no observations: they are made by playing the states again.
    let has = |name: &str| inner.has(name) || inner.has_group(name);
    let states = !has("obs") && has("env_states");
    let key = if states { "env_states" } else { "obs" };
    let observations = if keys.observations.is_empty() {
        if states {
            notes.push(LayoutNote::StatesAsObservations { key: key.into() });
        }
        let (arrays, note) = flatten::arrays(&mut scope, key, None, Others::LeftOut, &CAMERAS)?;
        notes.extend(note);
        arrays
    } else {
        keys.observations.clone()
    };
    let env = found.path.and_then(|path| {
        let beside = json(&path.with_extension("json"))?;
        Some(RecordedEnv::new(beside.get("env_info")?.get("env_id")?.as_str()?))
    });
    Ok(Map {
        observations,
        rewards: super::rewards_if(inner.has("rewards"), &mut notes),
        steps: Steps::Episodes(Episodes {
            prefix: prefix.into(),
            names,
            beyond: Beyond::One,
            total: None,
            one_flag: false,
            terminals: Some("terminated".into()),
            timeouts: Some("truncated".into()),
        }),
        flatten: true,
        env,
        notes,
        ..d4rl::map(FileFormat::ManiSkill)
    })
}
