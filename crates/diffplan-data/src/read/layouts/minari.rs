//! Minari: a group an episode, whose observations have one row more than its actions. Dictionaries and tuples become
//! arrays side by side, as Gymnasium's `flatten` has them.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::super::map::{Beyond, Episodes, Map, Rewards, Steps, fill, numbered};
use super::super::space::Space;
use super::super::tree::{Members, Scope};
use super::flatten::{self, Others};
use super::{Found, d4rl};
use crate::read::{Keys, ReadError};
use crate::{FileFormat, RecordedEnv};

/// Where the file lies in a dataset's folder.
pub(super) const FILES: [&str; 2] = ["data/main_data.hdf5", "main_data.hdf5"];
/// Bytes of `metadata.json` at most.
const METADATA: u64 = 1 << 24;

/// The file of a dataset's folder.
pub(in super::super) fn file_in(folder: &Path) -> Result<PathBuf, ReadError> {
    let file = FILES
        .map(|name| folder.join(name))
        .into_iter()
        .find(|path| path.is_file());
    file.ok_or_else(|| {
        let format = ["data", "."].iter().find_map(|place| {
            let metadata = json(&folder.join(place).join("metadata.json"))?;
            metadata.get("data_format")?.as_str().map(str::to_owned)
        });
        let found = match format {
            Some(format) if format != "hdf5" => format!("it is a Minari dataset in the data format {format:?}"),
            _ => format!("it is a folder without {}", FILES.join(" and ")),
        };
        ReadError::UnknownFormat { found }
    })
}

pub(super) fn is(top: &Members) -> bool {
    !numbered("episode_*", &top.groups).is_empty()
}

pub(super) fn map(found: &mut Found<'_>, keys: &Keys) -> Result<Map, ReadError> {
    let names = numbered("episode_*", &found.top.groups);
    let prefix = "episode_*/";
    found.tree.open_groups("")?;
    let metadata = metadata(found.path);
    let first = fill(prefix, names.first().map_or("", String::as_str));
    let mut notes = Vec::new();
    let mut side_by_side = |key: &str, space: &str, told: &[String]| {
        if !told.is_empty() {
            return Ok(told.to_vec());
        }
        let named = metadata.as_ref().and_then(|metadata| text(metadata.get(space)?));
        let named = named.or_else(|| found.tree.text("", space));
        let space = named.and_then(|text| Space::parse(&text));
        let mut scope = Scope {
            tree: found.tree,
            prefix: &first,
            flatten: true,
        };
        let (arrays, note) = flatten::arrays(&mut scope, key, space.as_ref(), Others::Refused, &[])?;
        notes.extend(note);
        Ok(arrays)
    };
    let actions = side_by_side("actions", "action_space", &keys.actions)?;
    let observations = side_by_side("observations", "observation_space", &keys.observations)?;
    Ok(Map {
        observations,
        actions,
        rewards: Rewards::Of("rewards".into()),
        steps: Steps::Episodes(Episodes {
            prefix: prefix.into(),
            names,
            beyond: Beyond::One,
            // Of releases that wrote it. One that does not agree was not written to its end.
            total: Some("total_steps"),
            one_flag: false,
            terminals: Some("terminations".into()),
            timeouts: Some("truncations".into()),
        }),
        flatten: true,
        env: env(metadata.as_ref(), found),
        notes,
        ..d4rl::map(FileFormat::Minari)
    })
}

/// `metadata.json` beside the file or above it.
fn metadata(path: Option<&Path>) -> Option<Value> {
    let folder = path.and_then(Path::parent);
    let folders = [folder, folder.and_then(Path::parent)];
    folders
        .into_iter()
        .flatten()
        .find_map(|folder| json(&folder.join("metadata.json")))
}

/// A string, or JSON as one.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Object(_) => serde_json::to_string(value).ok(),
        _ => None,
    }
}

/// The environment: in `metadata.json`, in older releases in an attribute.
fn env(metadata: Option<&Value>, found: &Found<'_>) -> Option<RecordedEnv> {
    let spec = metadata.and_then(|metadata| metadata.get("env_spec").cloned());
    let spec = spec.or_else(|| found.tree.text("", "env_spec").map(Value::String))?;
    RecordedEnv::of_spec(&spec)
}

/// The content of a file, where there is one and it is JSON.
pub(super) fn json(path: &Path) -> Option<Value> {
    let small = fs::metadata(path).is_ok_and(|file| file.len() <= METADATA);
    if !small {
        return None;
    }
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}
