//! Minari's folder, as release 0.5.4 writes and reads it: `data/main_data.hdf5`, a group an episode, and `data/metadata.json`.

use std::collections::BTreeMap;
use std::path::Path;

use hdf5_writer::{AttributeBuilder, Hdf5Builder, Result};
use ndarray::s;
use serde_json::{Map, Value, json};

use super::Conversion;
use super::conversion::narrow;
use super::hdf5::{self, Storage::Plain};
use super::spec::{bounds_of, env_spec, space};
use crate::read::{DEFAULT_LIMIT, MADE, REPEATED, STRINGS};

/// The release whose files these are.
const VERSION: &str = "0.5.4";

/// The files of the folder. `folder` gives the dataset its name, where it has no other.
pub(super) fn encode(of: &Conversion, folder: &Path) -> Result<BTreeMap<String, Vec<u8>>> {
    let data = hdf5::encode(episodes(of)?)?;
    let metadata = metadata(of, folder, data.len());
    let text = Value::from(metadata).to_string();
    Ok(BTreeMap::from([
        ("data/main_data.hdf5".to_owned(), data),
        ("data/metadata.json".to_owned(), text.into_bytes()),
    ]))
}

fn episodes(of: &Conversion) -> Result<Hdf5Builder> {
    let mut file = Hdf5Builder::new();
    let (actions, rewards) = (of.dataset.actions(), of.dataset.rewards());
    // One type for all episodes.
    let wide = narrow(&rewards.to_vec()).is_none();
    for (number, episode) in of.dataset.episodes().iter().enumerate() {
        let group = format!("episode_{number}");
        let (name, steps) = (|key: &str| format!("{group}/{key}"), episode.len());
        let own_rewards = rewards.slice(s![episode.start..episode.end]).to_vec();
        let last = |flag: bool| (1..=steps).map(|step| flag && step == steps).collect::<Vec<bool>>();
        let cut = !episode.terminated || of.both[number];
        file = file
            .dataset(hdf5::vectors(
                &name("observations"),
                of.observed(number, episode).view(),
                Plain,
            )?)
            .dataset(hdf5::vectors(
                &name("actions"),
                actions.slice(s![episode.start..episode.end, ..]),
                Plain,
            )?)
            .dataset(match wide {
                true => hdf5::numbers(&name("rewards"), vec![steps as u64], &own_rewards, Plain)?,
                false => {
                    let own: Vec<f32> = own_rewards.iter().map(|x| *x as f32).collect();
                    hdf5::numbers(&name("rewards"), vec![steps as u64], &own, Plain)?
                }
            })
            .dataset(hdf5::flags(&name("terminations"), &last(episode.terminated), Plain))
            .dataset(hdf5::flags(&name("truncations"), &last(cut), Plain))
            .group_attribute(&group, AttributeBuilder::scalar("id", number as i64)?)
            .group_attribute(&group, AttributeBuilder::scalar("total_steps", steps as i64)?);
        if let Some(seed) = of
            .seeds
            .get(number)
            .copied()
            .flatten()
            .and_then(|seed| i64::try_from(seed).ok())
        {
            file = file.group_attribute(&group, AttributeBuilder::scalar("seed", seed)?);
        }
    }
    Ok(file)
}

fn metadata(of: &Conversion, folder: &Path, bytes: usize) -> Map<String, Value> {
    // What the source's own said of author, algorithm and the like stays.
    let mut metadata = of.minari.clone();
    let facts = of.facts.as_ref();
    let mut space_of = |name: &str, dimensions: usize, known| {
        let recorded = metadata.remove(name).as_ref().and_then(bounds_of);
        space(dimensions, recorded.as_ref().or(known))
    };
    let observation_space = space_of(
        "observation_space",
        of.dataset.observations().ncols(),
        facts.and_then(|facts| facts.observations.as_ref()),
    );
    let action_space = space_of(
        "action_space",
        of.dataset.actions().ncols(),
        facts.and_then(|facts| facts.actions.as_ref()),
    );
    if !metadata.contains_key("env_spec") {
        metadata.insert(MADE.into(), true.into());
    }
    // A recorded specification has more than is known of it here.
    if let (Some(env), false) = (of.dataset.recorded_env(), metadata.contains_key("env_spec")) {
        let own = facts.and_then(|facts| facts.max_episode_steps);
        let limit = env.max_episode_steps.or(own);
        metadata.insert("env_spec".into(), env_spec(env, limit).into());
        if env.max_episode_steps.is_none() && limit.is_some() {
            metadata.insert(DEFAULT_LIMIT.into(), true.into());
        }
    }
    if !of.metadata.is_empty() {
        let strings: Map<String, Value> = of
            .metadata
            .iter()
            .map(|(name, text)| (name.clone(), text.clone().into()))
            .collect();
        metadata.insert(STRINGS.into(), strings.into());
    }
    if of.repeats() {
        metadata.insert(REPEATED.into(), true.into());
    }
    let id = of.dataset_id.clone().unwrap_or_else(|| id_of(folder));
    let computed = json!({
        "total_episodes": of.dataset.episodes().len(),
        "total_steps": of.rows(),
        "data_format": "hdf5",
        // There are no pictures.
        "jpeg_encoding": true,
        "observation_space": observation_space,
        "action_space": action_space,
        "dataset_id": id,
        "minari_version": VERSION,
        // In megabytes, of one digit.
        "dataset_size": (bytes as f64 / 1e5).round() / 10.0,
    });
    if let Value::Object(computed) = computed {
        metadata.extend(computed);
    }
    metadata
}

/// A dataset's id of a folder's name: letters, digits, `-` and `_`, and a version at the end.
fn id_of(folder: &Path) -> String {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let allowed = |c: char| {
        if c.is_alphanumeric() || c == '-' || c == '_' {
            c
        } else {
            '-'
        }
    };
    let name: String = name.chars().map(allowed).collect();
    let version = name.rsplit_once("-v").map(|(_, version)| version);
    match version {
        Some(version) if !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => format!("{name}-v0"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_names_a_dataset_that_minari_can_parse() {
        for (folder, id) in [
            ("a/pen/human-v2", "human-v2"),
            ("hopper", "hopper-v0"),
            ("my data.1", "my-data-1-v0"),
            ("x-vy", "x-vy-v0"),
        ] {
            assert_eq!(id_of(folder.as_ref()), id);
        }
    }
}
