//! Minari: a group an episode, whose observations have one row more than its actions. Dictionaries and tuples become
//! arrays side by side, as Gymnasium's `flatten` has them.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map as Object, Value};

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

/// What this project adds to `metadata.json` where the observation after the last action is not known, and the last one stands in its place.
pub(crate) const REPEATED: &str = "diffplan_last_observation_repeated";
/// What it adds where the limit of episodes is the environment's own, which the source did not say.
pub(crate) const DEFAULT_LIMIT: &str = "diffplan_default_max_episode_steps";
/// What it adds where environment and spaces are made of what is known of the environment, rather than the source's own.
pub(crate) const MADE: &str = "diffplan_env_spec_made";
/// Under which name it keeps what another format said of itself in strings.
pub(crate) const STRINGS: &str = "diffplan_metadata";
/// Under which name another format keeps what is [`kept`].
pub(crate) const KEPT: &str = "minari";
/// What is made anew where it was made once.
const OF_ENV: [&str; 4] = ["env_spec", "observation_space", "action_space", "dataset_id"];
/// What is computed from the steps, or of the format alone.
const COMPUTED: [&str; 11] = [
    "total_episodes",
    "total_steps",
    "data_format",
    "jpeg_encoding",
    "minari_version",
    "dataset_size",
    "combined_datasets",
    REPEATED,
    DEFAULT_LIMIT,
    MADE,
    STRINGS,
];

/// What a dataset says of itself that holds in whatever format it is written: of its own metadata, or of those that another format has
/// of it, which are taken from the others.
pub(in super::super) fn kept(
    own: &Object<String, Value>,
    metadata: &mut Vec<(String, String)>,
) -> Object<String, Value> {
    let mut kept = own.clone();
    if kept.contains_key(MADE) {
        kept.retain(|name, _| !OF_ENV.contains(&name.as_str()));
    }
    if let Some(Value::Object(strings)) = own.get(STRINGS) {
        let text = |(name, value): (&String, &Value)| Some((name.clone(), value.as_str()?.to_owned()));
        metadata.extend(strings.iter().filter_map(text));
    }
    metadata.retain(|(name, text)| {
        let object = (name == KEPT).then(|| serde_json::from_str(text).ok()).flatten();
        let Some(Value::Object(object)) = object else {
            return true;
        };
        kept.extend(object);
        false
    });
    kept.retain(|name, _| !COMPUTED.contains(&name.as_str()));
    kept
}

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
        repeated: metadata
            .as_ref()
            .is_some_and(|metadata| metadata.get(REPEATED) == Some(&Value::Bool(true))),
        about: match metadata {
            Some(Value::Object(metadata)) => metadata,
            _ => Object::new(),
        },
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
    let mut env = RecordedEnv::of_spec(&spec)?;
    if metadata.is_some_and(|metadata| metadata.get(DEFAULT_LIMIT) == Some(&Value::Bool(true))) {
        env.max_episode_steps = None;
    }
    Some(env)
}

/// The content of a file, where there is one and it is JSON.
pub(super) fn json(path: &Path) -> Option<Value> {
    let small = fs::metadata(path).is_ok_and(|file| file.len() <= METADATA);
    if !small {
        return None;
    }
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}
