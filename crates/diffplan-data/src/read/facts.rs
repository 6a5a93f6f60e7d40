//! [`Facts`]: what a dataset says beside its numbers.

use std::path::PathBuf;

use super::after::After;
use super::array::rows;
use super::{About, ArrayInfo, FileFormat, FileNote, LayoutNote, RawDataset, ReadError, file_error};
use crate::{Error, RecordedEnv};

/// What a dataset says beside its numbers, and where its episodes are.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Facts {
    /// Where it was read from.
    pub path: PathBuf,
    /// What kind of file it was.
    pub format: FileFormat,
    /// The environment, where the file names it, and what it was made with.
    pub recorded_env: Option<RecordedEnv>,
    /// What else the file says of itself in strings.
    pub metadata: Vec<(String, String)>,
    /// All arrays of the file; of one with a group an episode, those of the first; of a folder, those of the first file.
    pub arrays: Vec<ArrayInfo>,
    /// All rows.
    pub rows: usize,
    /// Rows in which a timeout is set, where there are timeouts.
    pub timeouts: Option<usize>,
    /// Rows in which both flags are set.
    pub both_flags: usize,
    /// Of a file with a group an episode: flags set before the last step of their episode.
    pub flags_within: usize,
    /// There: episodes of no step.
    pub empty_episodes: usize,
    /// Of a layout whose observations have a row after the last action: episodes that have none.
    pub short_episodes: usize,
    /// What was decided that the file does not say, or left out.
    pub layout_notes: Vec<LayoutNote>,
    /// What is odd about the file itself.
    pub notes: Vec<FileNote>,
    /// Of a packed file: what was odd when it was packed.
    pub packed_notes: Vec<String>,
}

impl Facts {
    fn of(raw: &RawDataset) -> Self {
        let (terminals, timeouts) = (raw.terminals.as_deref(), raw.timeouts.as_deref());
        let both = terminals.unwrap_or_default().iter().zip(timeouts.unwrap_or_default());
        Self {
            path: raw.path.clone(),
            format: raw.format,
            recorded_env: raw.recorded_env.clone().or(raw.env.clone().map(RecordedEnv::new)),
            metadata: raw.metadata.clone(),
            arrays: raw.arrays.clone(),
            rows: raw.observations.nrows(),
            timeouts: timeouts.map(|flags| flags.iter().filter(|set| **set).count()),
            both_flags: both.filter(|(a, b)| **a && **b).count(),
            flags_within: raw.flags_within,
            empty_episodes: raw.empty_episodes,
            short_episodes: raw.short_episodes,
            layout_notes: raw.layout_notes.clone(),
            notes: raw.notes.clone(),
            packed_notes: raw.packed_notes.clone(),
        }
    }
}

impl Facts {
    /// Of a packed file, in which so many episodes are cut off.
    pub(crate) fn of_packed(path: PathBuf, about: &About, timeouts: usize, rows: usize, notes: Vec<String>) -> Self {
        Self {
            path,
            format: about.format,
            recorded_env: about.env.clone(),
            metadata: about.metadata.clone(),
            arrays: about.arrays.clone(),
            rows,
            timeouts: Some(timeouts),
            both_flags: 0,
            flags_within: 0,
            empty_episodes: 0,
            short_episodes: 0,
            layout_notes: Vec::new(),
            notes: Vec::new(),
            packed_notes: notes,
        }
    }
}

impl RawDataset {
    /// Of a packed file, all of whose rows were read.
    pub(crate) fn of_packed(
        facts: Facts,
        [observations, actions]: [(Vec<f32>, usize); 2],
        rewards: Vec<f64>,
        [terminals, timeouts]: [Vec<bool>; 2],
    ) -> Result<Self, Error> {
        let wrong = |error: ReadError| file_error(&facts.path, error.into());
        Ok(Self {
            observations: rows("observations", observations.1 as u64, observations.0).map_err(wrong)?,
            actions: rows("actions", actions.1 as u64, actions.0).map_err(wrong)?,
            rewards: rewards.into(),
            terminals: Some(terminals),
            timeouts: Some(timeouts),
            format: facts.format,
            env: facts.recorded_env.as_ref().map(|env| env.id.clone()),
            recorded_env: facts.recorded_env,
            metadata: facts.metadata,
            arrays: facts.arrays,
            path: facts.path,
            groups: Vec::new(),
            flags_within: 0,
            empty_episodes: 0,
            short_episodes: 0,
            layout_notes: Vec::new(),
            notes: Vec::new(),
            packed_notes: facts.packed_notes,
            minari: serde_json::Map::new(),
            origins: Vec::new(),
            after: After::default(),
        })
    }

    /// What it says beside its numbers.
    #[must_use]
    pub fn facts(&self) -> Facts {
        Facts::of(self)
    }
}
