//! Minari datasets: a group an episode.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::array::{Planned, Source, Steps, reserved, rows};
use super::hdf5::{self, Arrays, Group};
use super::memory::Budget;
use super::rounding::Rounding;
use super::{FileFormat, RawDataset, ReadError};

/// Where the file lies in a dataset's folder.
const FILES: [&str; 2] = ["data/main_data.hdf5", "main_data.hdf5"];
/// Bytes of `metadata.json` at most.
const METADATA: u64 = 1 << 24;

/// The file of a dataset's folder.
pub(super) fn file_in(folder: &Path) -> Result<PathBuf, ReadError> {
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

/// What stands before the names of an episode's arrays.
fn prefix(number: u64) -> String {
    format!("episode_{number}/")
}

/// The N of `episode_N`.
pub(super) fn number(name: &str) -> Option<u64> {
    name.strip_prefix("episode_")?.parse().ok()
}

/// The arrays of one episode, known to be there and to fit each other. They are opened again to be read: there may be a
/// hundred thousand episodes.
struct Episode {
    number: u64,
    group: Group,
    observations: Planned,
    actions: Planned,
    rewards: Planned,
    terminations: Option<Planned>,
    truncations: Option<Planned>,
}

impl Episode {
    fn of(number: u64, group: Group) -> Result<Self, ReadError> {
        // Of releases that wrote it. One that does not agree was not written to its end.
        let total_steps = group
            .attribute("total_steps")
            .and_then(|steps| steps.read_as_f64().ok());
        let mut arrays = Arrays::of(group.clone(), &prefix(number))?;
        let actions = Planned::vectors(&mut arrays, "actions")?;
        let episode = Self {
            number,
            observations: Planned::vectors(&mut arrays, "observations")?,
            rewards: Planned::numbers(&mut arrays, "rewards")?,
            terminations: Planned::flags(&mut arrays, "terminations")?,
            truncations: Planned::flags(&mut arrays, "truncations")?,
            actions,
            group,
        };
        let steps = episode.actions.rows();
        if let Some(total) = total_steps
            && total != steps as f64
        {
            return Err(ReadError::RowCount {
                key: arrays.place("actions"),
                expected: total as u64,
                actual: steps,
                reason: "as the episode's attribute total_steps says".into(),
            });
        }
        let beyond = "one more than actions has";
        episode
            .observations
            .check_rows(&arrays, steps.saturating_add(1), beyond)?;
        for planned in episode.singles() {
            planned.check_rows(&arrays, steps, "as many as actions has")?;
        }
        Ok(episode)
    }

    fn singles(&self) -> impl Iterator<Item = &Planned> {
        [&self.rewards]
            .into_iter()
            .chain(&self.terminations)
            .chain(&self.truncations)
    }

    /// Bytes of the largest array in the file.
    fn transient(&self) -> u64 {
        let vectors = [&self.observations, &self.actions];
        let all = vectors.into_iter().chain(self.singles());
        all.map(Planned::transient).max().unwrap_or(0)
    }

    /// # Errors
    /// If it has other dimensions than the first.
    fn check_dimensions(&self, first: &Self) -> Result<(), ReadError> {
        for (key, own, other) in [
            ("observations", &self.observations, &first.observations),
            ("actions", &self.actions, &first.actions),
        ] {
            if own.columns() != other.columns() {
                return Err(ReadError::Shape {
                    key: prefix(self.number) + key,
                    expected: format!("{} columns, as in {}{key}", other.columns(), prefix(first.number)),
                    actual: vec![own.rows(), own.columns()],
                });
            }
        }
        Ok(())
    }
}

/// Reads a file whose groups are episodes, and the metadata in the folder that it lies in, if it lies in one.
pub(super) fn read(
    path: &Path,
    folder: Option<&Path>,
    file: &hdf5::File,
    budget: Budget,
) -> Result<RawDataset, ReadError> {
    let mut groups: Vec<(u64, Group)> = file
        .groups()?
        .into_iter()
        .filter_map(|group| Some((number(group.name())?, group)))
        .collect();
    groups.sort_by_key(|(number, _)| *number);
    let arrays = groups
        .first()
        .map(|(number, group)| hdf5::list(group, &prefix(*number)));
    let mut episodes = Vec::with_capacity(groups.len());
    for (number, group) in groups {
        episodes.push(Episode::of(number, group)?);
    }
    let Some(first) = episodes.first() else {
        return Err(ReadError::MissingKey {
            key: "episode_0".into(),
            present: Vec::new(),
        });
    };
    for episode in &episodes {
        episode.check_dimensions(first)?;
    }
    let (observation_dim, action_dim) = (first.observations.columns(), first.actions.columns());
    let steps = episodes
        .iter()
        .map(|episode| episode.actions.rows())
        .fold(0, u64::saturating_add);
    // Observations and actions in float32, rewards in float64, two flags.
    let row = observation_dim
        .saturating_add(action_dim)
        .saturating_mul(4)
        .saturating_add(8 + 2);
    let transient = episodes.iter().map(Episode::transient).max().unwrap_or(0);
    budget.check(steps.saturating_mul(row).saturating_add(transient))?;

    let mut observations = reserved(steps.saturating_mul(observation_dim), "observations")?;
    let mut actions = reserved(steps.saturating_mul(action_dim), "actions")?;
    let mut rewards = reserved(steps, "rewards")?;
    let (mut terminals, mut timeouts) = (reserved(steps, "terminations")?, reserved(steps, "truncations")?);
    let (mut starts, mut flags_within) = (Vec::with_capacity(episodes.len()), 0);
    let mut rounding = [Rounding::default(), Rounding::default()];
    for episode in episodes {
        let steps = episode.actions.rows();
        starts.push((episode.number, rewards.len()));
        let [of_observations, of_actions] = &mut rounding;
        let source = &mut Arrays::of(episode.group.clone(), &prefix(episode.number))?;
        episode
            .observations
            .append_f32_noting(source, steps, &mut observations, of_observations)?;
        episode
            .actions
            .append_f32_noting(source, steps, &mut actions, of_actions)?;
        episode.rewards.append_f64(source, &mut rewards)?;
        let mut terminated = false;
        for (flags, is_termination) in [(&episode.terminations, true), (&episode.truncations, false)] {
            let Some(flags) = flags else { continue };
            let mut flags = flags.read_flags(source)?;
            terminated |= flags.pop() == Some(true) && is_termination;
            flags_within += flags.iter().filter(|flag| **flag).count();
        }
        // The group ends here, whatever the flags say.
        for (flags, at_end) in [(&mut terminals, terminated), (&mut timeouts, !terminated)] {
            flags.resize(rewards.len() - 1, false);
            flags.push(at_end);
        }
    }
    let mut metadata = file.metadata();
    metadata.retain(|(name, _)| name != "env_spec");
    let steps = Steps {
        observations: rows("observations", observation_dim, observations)?,
        actions: rows("actions", action_dim, actions)?,
        rewards: rewards.into(),
        terminals: Some(terminals),
        timeouts: Some(timeouts),
        rounded: rounding
            .iter()
            .zip(["observations", "actions"])
            .flat_map(|(rounding, key)| rounding.notes(key))
            .collect(),
    };
    let mut raw = RawDataset::of_rows(
        path,
        FileFormat::Minari,
        steps,
        env(folder, file),
        metadata,
        arrays.unwrap_or_default(),
    );
    raw.groups = starts;
    raw.flags_within = flags_within;
    raw.notes.extend(file.notes());
    Ok(raw)
}

/// The environment's id: in `metadata.json` beside the file or above it, in older releases in an attribute.
fn env(folder: Option<&Path>, file: &hdf5::File) -> Option<String> {
    let folders = [folder, folder.and_then(Path::parent)];
    let metadata = folders
        .into_iter()
        .flatten()
        .find_map(|folder| json(&folder.join("metadata.json")));
    let spec = metadata.and_then(|metadata| metadata.get("env_spec").cloned());
    let spec = spec.or_else(|| file.string_attribute("env_spec").map(Value::String))?;
    // A string that is JSON itself.
    let spec = match spec {
        Value::String(text) => serde_json::from_str(&text).ok()?,
        other => other,
    };
    Some(spec.get("id")?.as_str()?.to_owned())
}

/// The content of a file, where there is one and it is JSON.
fn json(path: &Path) -> Option<Value> {
    let small = fs::metadata(path).is_ok_and(|file| file.len() <= METADATA);
    if !small {
        return None;
    }
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}
