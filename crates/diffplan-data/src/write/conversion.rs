//! [`Conversion`]: a dataset that was read from any layout, written in another.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use ndarray::{Array2, s};
use serde_json::{Map, Value};

use super::hdf5::{self, Storage};
use super::note::ConversionNote;
use super::{d4rl, minari, npz};
use crate::findings::EnvFacts;
use crate::read::KEPT;
use crate::{Dataset, EpisodeRange, Error, FileNote, LayoutNote, RawDataset, RecordedEnv};
use diffplan_files::{write_atomically, write_folder_atomically};

/// In what a dataset can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum WriteFormat {
    /// HDF5, all rows one after the other.
    D4rl,
    /// A folder of HDF5 with a group an episode, and of metadata.
    Minari,
    /// NumPy's archive, with the keys of D4RL.
    Npz,
}

impl WriteFormat {
    /// The one that a name's ending stands for: a folder's has none.
    #[must_use]
    pub fn of_path(path: &Path) -> Option<Self> {
        let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
        match ending.as_deref() {
            None => Some(Self::Minari),
            Some("hdf5" | "h5" | "hdf") => Some(Self::D4rl),
            Some("npz") => Some(Self::Npz),
            Some(_) => None,
        }
    }

    /// Its name for people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::D4rl => "D4RL HDF5",
            Self::Minari => "Minari",
            Self::Npz => "npz",
        }
    }
}

/// The episodes of a dataset, with all that is known of them: read from one file, to be written as another.
#[derive(Debug)]
pub struct Conversion {
    pub(super) dataset: Dataset,
    /// By episode, NaN where it is not known; none where it is known of none. (episodes, observation dimensions).
    after: Option<Array2<f32>>,
    known_after: usize,
    pub(super) seeds: Vec<Option<u64>>,
    /// By episode, whether it was cut off in the row in which it ended in a terminal state too.
    pub(super) both: Vec<bool>,
    /// Strings of the source, but for the environment.
    pub(super) metadata: Vec<(String, String)>,
    /// What Minari's own metadata said.
    pub(super) minari: Map<String, Value>,
    /// What is known of the environment, with its own limit of episodes.
    pub(super) facts: Option<EnvFacts>,
    /// A dataset's id in Minari.
    pub(super) dataset_id: Option<String>,
    notes: Vec<ConversionNote>,
    layout_notes: Vec<LayoutNote>,
    file_notes: Vec<FileNote>,
}

/// Strings that say the environment, which is written anew.
const OF_ENV: [&str; 3] = ["env_id", "env_kwargs", "max_episode_steps"];

/// A longer string is not read again.
const LONGEST: usize = 60_000;

impl Conversion {
    /// Takes what was read, with [`ReadOptions::after_last`](crate::ReadOptions::after_last) if what is observed after the last action is
    /// to be kept.
    ///
    /// # Errors
    /// Those of [`RawDataset::into_dataset`].
    pub fn new(mut raw: RawDataset, max_episode_steps: Option<usize>) -> Result<Self, Error> {
        let episodes = raw.episodes(max_episode_steps)?;
        let (rows, width) = raw.observations.dim();
        let mut after = Array2::from_elem((episodes.len(), width), f32::NAN);
        let mut known_after = 0;
        for (mut row, episode) in after.rows_mut().into_iter().zip(&episodes) {
            if let Some(values) = raw.after_last(episode) {
                row.assign(&values);
                known_after += 1;
            }
        }
        let timeouts = raw.timeouts.as_deref();
        let is_cut = |episode: &EpisodeRange| timeouts.is_some_and(|flags| flags[episode.end - 1]);
        let both = episodes
            .iter()
            .map(|episode| episode.terminated && is_cut(episode))
            .collect();
        let mut metadata: Vec<(String, String)> = Vec::new();
        for (name, value) in std::mem::take(&mut raw.metadata) {
            let known = metadata.iter().any(|(own, _)| *own == name);
            if !known && !name.is_empty() && !OF_ENV.contains(&name.as_str()) {
                metadata.push((name, value));
            }
        }
        Ok(Self {
            notes: notes(&raw, &episodes, rows),
            after: (known_after > 0).then_some(after),
            known_after,
            seeds: seeds(&raw, &episodes, &metadata),
            both,
            metadata,
            minari: std::mem::take(&mut raw.minari),
            facts: None,
            dataset_id: None,
            layout_notes: std::mem::take(&mut raw.layout_notes),
            file_notes: std::mem::take(&mut raw.notes),
            dataset: raw.into_dataset(max_episode_steps)?,
        })
    }

    /// With what is known of the environment, made as it was recorded but for its limit of episodes: the bounds of spaces, in a format that
    /// has them.
    #[must_use]
    pub fn with_facts(mut self, facts: Option<EnvFacts>) -> Self {
        self.facts = facts;
        self
    }

    /// With an id in Minari, `namespace/name-v0`; by default it is made of the folder's name.
    #[must_use]
    pub fn with_dataset_id(mut self, id: Option<String>) -> Self {
        self.dataset_id = id;
        self
    }

    /// The steps.
    #[must_use]
    pub fn dataset(&self) -> &Dataset {
        &self.dataset
    }

    /// What is left out, or made up, in a format; what was odd about the file comes with it.
    #[must_use]
    pub fn notes(&self, format: WriteFormat) -> Vec<String> {
        let of = self.dataset.episodes().len();
        let unknown = of - self.known_after;
        let last = match (format, unknown) {
            (_, 0) => None,
            (WriteFormat::Minari, episodes) => Some(ConversionNote::LastRepeated { episodes, of }),
            _ if self.known_after == 0 => None,
            _ => Some(ConversionNote::AfterLastLeftOut {
                known: self.known_after,
                of,
            }),
        };
        let own = self.notes.iter().chain(&last).map(ToString::to_string);
        let layout = self.layout_notes.iter().map(ToString::to_string);
        let file = self.file_notes.iter().map(ToString::to_string);
        own.chain(layout).chain(file).collect()
    }

    /// Writes it under a temporary name, and renames it when it is on the disk; what was there is replaced. Same content, same bytes.
    ///
    /// # Errors
    /// [`Error::Io`], also for what a format cannot hold.
    pub fn write(&self, format: WriteFormat, path: impl AsRef<Path>) -> Result<(), Error> {
        let path = path.as_ref();
        let io = |error| Error::Io {
            path: path.into(),
            operation: "write",
            error,
        };
        match format {
            WriteFormat::D4rl => {
                let bytes = self.d4rl().map_err(io::Error::other).map_err(io)?;
                write_atomically(path, &bytes).map_err(io)
            }
            WriteFormat::Npz => {
                let bytes = npz::encode(self).map_err(io)?;
                write_atomically(path, &bytes).map_err(io)
            }
            WriteFormat::Minari => {
                let files: BTreeMap<String, Vec<u8>> =
                    minari::encode(self, path).map_err(io::Error::other).map_err(io)?;
                write_folder_atomically(path, &files)?;
                Ok(())
            }
        }
    }

    fn d4rl(&self) -> hdf5_writer::Result<Vec<u8>> {
        let rows = self.rows();
        let rewards = self.dataset.rewards();
        let rewards = rewards.slice(s![..rows]).to_vec();
        let shape = vec![rows as u64];
        let rewards = match narrow(&rewards) {
            Some(narrow) => hdf5::numbers("rewards", shape, &narrow, Storage::Compressed)?,
            None => hdf5::numbers("rewards", shape, &rewards, Storage::Compressed)?,
        };
        let [terminals, timeouts] = self.flags();
        let next = self.next_observations();
        let vectors = [self.dataset.observations(), self.dataset.actions()].map(|all| all.slice_move(s![..rows, ..]));
        let next = next.as_ref().map(|next| next.view());
        d4rl::encode(vectors, rewards, [&terminals, &timeouts], next, &[], &self.strings())
    }

    /// Rows of all episodes.
    pub(super) fn rows(&self) -> usize {
        self.dataset.episodes().last().map_or(0, |last| last.end)
    }

    /// Terminal states and cuts, one a row.
    pub(super) fn flags(&self) -> [Vec<bool>; 2] {
        let mut flags = [vec![false; self.rows()], vec![false; self.rows()]];
        for (episode, both) in self.dataset.episodes().iter().zip(&self.both) {
            flags[0][episode.end - 1] = episode.terminated;
            flags[1][episode.end - 1] = !episode.terminated || *both;
        }
        flags
    }

    /// What is observed after every action, where it is known of all.
    pub(super) fn next_observations(&self) -> Option<Array2<f32>> {
        let after = self
            .after
            .as_ref()
            .filter(|_| self.known_after == self.dataset.episodes().len())?;
        let observations = self.dataset.observations();
        let mut next = Array2::zeros((self.rows(), observations.ncols()));
        for (episode, after) in self.dataset.episodes().iter().zip(after.rows()) {
            let EpisodeRange { start, end, .. } = *episode;
            next.slice_mut(s![start..end - 1, ..])
                .assign(&observations.slice(s![start + 1..end, ..]));
            next.row_mut(end - 1).assign(&after);
        }
        Some(next)
    }

    /// Observations of an episode and what is observed after it, or the last of them again, where that is not known.
    pub(super) fn observed(&self, number: usize, episode: &EpisodeRange) -> Array2<f32> {
        let (steps, observations) = (episode.len(), self.dataset.observations());
        let mut all = Array2::zeros((steps + 1, observations.ncols()));
        all.slice_mut(s![..steps, ..])
            .assign(&observations.slice(s![episode.start..episode.end, ..]));
        let after = self
            .after
            .as_ref()
            .map(|after| after.row(number))
            .filter(|row| row.iter().all(|x| x.is_finite()));
        all.row_mut(steps)
            .assign(&after.unwrap_or_else(|| observations.row(episode.end - 1)));
        all
    }

    /// Whether the last observation stands for the one after it in any episode.
    pub(super) fn repeats(&self) -> bool {
        self.known_after < self.dataset.episodes().len()
    }

    /// What a format of one name and one string has room for: the environment, what the source said of itself.
    pub(super) fn strings(&self) -> Vec<(String, String)> {
        let mut strings = Vec::new();
        if let Some(RecordedEnv {
            id,
            kwargs,
            max_episode_steps,
        }) = self.dataset.recorded_env()
        {
            strings.push(("env_id".to_owned(), id.clone()));
            if !kwargs.is_empty() {
                strings.push(("env_kwargs".to_owned(), Value::from(kwargs.clone()).to_string()));
            }
            strings.extend(max_episode_steps.map(|steps| ("max_episode_steps".to_owned(), steps.to_string())));
        }
        strings.extend(self.metadata.iter().cloned());
        let mut minari = self.minari.clone();
        if Value::from(minari.clone()).to_string().len() > LONGEST {
            // Bounds of large spaces: the least of it.
            minari.retain(|name, _| !name.ends_with("_space"));
        }
        if !minari.is_empty() {
            strings.push((KEPT.to_owned(), Value::from(minari).to_string()));
        }
        strings
    }
}

/// All numbers as float32, where none is rounded.
pub(super) fn narrow(numbers: &[f64]) -> Option<Vec<f32>> {
    let exact = |x: &f64| (f64::from(*x as f32).to_bits() == x.to_bits()).then_some(*x as f32);
    numbers.iter().map(exact).collect()
}

/// What the source says, or, of what this project has collected, what its seed says: episode i is reset with seed S + i.
fn seeds(raw: &RawDataset, episodes: &[EpisodeRange], metadata: &[(String, String)]) -> Vec<Option<u64>> {
    let text = |name: &str| metadata.iter().find(|(own, _)| own == name).map(|(_, text)| text);
    let first: Option<u64> = text("diffplan").and_then(|_| text("seed")?.parse().ok());
    let seed = |number: usize| raw.seed(number).or_else(|| first?.checked_add(number as u64));
    (0..episodes.len()).map(seed).collect()
}

fn notes(raw: &RawDataset, episodes: &[EpisodeRange], rows: usize) -> Vec<ConversionNote> {
    let mut notes = Vec::new();
    let left = rows - episodes.last().map_or(0, |last| last.end);
    if left > 0 {
        notes.push(ConversionNote::RowsLeftOut { rows: left });
    }
    if raw.empty_episodes > 0 {
        notes.push(ConversionNote::EmptyLeftOut {
            episodes: raw.empty_episodes,
        });
    }
    if raw.flags_within > 0 {
        notes.push(ConversionNote::FlagsLeftOut {
            flags: raw.flags_within,
        });
    }
    for (key, arrays) in raw.sources() {
        if arrays.len() > 1 {
            notes.push(ConversionNote::SideBySide { key, arrays });
        }
    }
    let sources: Vec<String> = raw.sources().into_iter().flat_map(|(_, arrays)| arrays).collect();
    let of_source = |name: &str| {
        sources
            .iter()
            .any(|source| name == source || name.ends_with(&format!("/{source}")))
    };
    let other = raw
        .arrays
        .iter()
        .filter(|array| array.dtype != "float32" && of_source(&array.name));
    let arrays: Vec<String> = other.map(|array| format!("{} ({})", array.name, array.dtype)).collect();
    if !arrays.is_empty() {
        notes.push(ConversionNote::AsFloat32 { arrays });
    }
    match raw.next_differs(episodes) {
        0 => {}
        rows => notes.push(ConversionNote::NextDiffers { rows }),
    }
    notes
}
