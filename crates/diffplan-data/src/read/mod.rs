//! Dataset files of many projects, by *layouts*.
//!
//! A layout (`layouts/`) does two things. It recognises a file by the names in it, without reading an array; and it makes a
//! *map* of the file: which arrays are observations side by side, which are actions and rewards, and how episodes end, in rows
//! one after the other or in groups of their own. All else is done once for all layouts: arrays are looked at, what reading
//! needs is computed from their shapes and compared with the memory there is, they are read, and cut.
//!
//! | layout | recognised by | an episode ends |
//! | --- | --- | --- |
//! | D4RL, HDF5 or `.npz` | nothing else: `observations`, `actions`, `rewards` | where `terminals` or `timeouts` is set |
//! | Minari | groups `episode_N` | with its group; in a terminal state if the last of `terminations` is set |
//! | OGBench, `.npz` | `qpos`, `qvel` or `button_states`, and no `rewards` | where `terminals` is set, which is no terminal state |
//! | robomimic and kin | `data/NAME/` with `actions`, and `obs/` or `states` | with its group; in a terminal state if the last of `dones` is set |
//! | ManiSkill | groups `traj_N` | with its group; in a terminal state if the last of `terminated` is set |
//! | ACT | `action` and `observations/qpos` | with its file |
//! | d3rlpy, version 1 | `episode_terminals` | where that is set; in a terminal state if `terminals` is too |
//! | d3rlpy, version 2 | `observations_N`, `actions_N` | with its arrays; in a terminal state if `terminated_N` is set |
//! | Stable-Baselines, `.npz` | `obs`, `episode_starts` | before the next start, and with the file |
//! | imitation, `.npz` | `obs`, `acts`, `indices` | before every index, and with the file; in a terminal state if `terminal` says so |
//! | imitation since 1.0 (feature `parquet`) | a folder with `state.json` | with its row; in a terminal state if `terminal` says so |
//! | LeRobot (feature `parquet`) | a folder with `meta/info.json` | where `episode_index` changes |
//! | folder | files of the layouts above | with its file at the latest |
//! | told | [`Keys`] | as they say |
//! | packed | its first bytes | as it says |
//!
//! The first bytes of a file decide between HDF5 and `.npz`. Observations and actions are numbers of any type, kept as
//! float32, of which it is noted where that loses too much; vectors of shape (rows,) are of one dimension. Rewards are any numbers, kept as
//! float64; (rows, 1) will do. Flags are booleans, enumerations or numbers that are 0 or 1. An observation after the last action is left out. Episodes are in the order of their
//! numbers. Dictionaries of arrays are flattened as Gymnasium does it: by name, or in the order of the space where a Minari
//! dataset has it in its metadata. Pictures are refused, or left out with a [`LayoutNote`] where a layout has them beside numbers;
//! discrete actions are refused. Rewards that are missing are an error, but for OGBench, ManiSkill and ACT, whose files usually have none: they are zero
//! with a note, unless a [`RewardRule`] says what they are.

mod after;
mod array;
#[cfg(feature = "parquet")]
mod arrow;
mod assemble;
mod buffers;
mod error;
mod facts;
#[cfg(feature = "parquet")]
mod guard;
mod hdf5;
mod keys;
mod layout_note;
mod layouts;
mod map;
mod memory;
mod note;
mod npz;
mod origin;
#[cfg(feature = "parquet")]
mod parquet;
mod reader;
mod rewards;
mod rounding;
mod space;
mod tree;
mod vectors;
mod what;

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ndarray::{Array1, Array2};

use crate::dataset::split;
use crate::{Dataset, EpisodeEnds, EpisodeRange, Error, RecordedEnv};
use after::After;
use assemble::Plan;
pub use buffers::Block;
use buffers::Buffers;
pub use error::ReadError;
pub use facts::Facts;
pub use keys::{Keys, KeysError};
pub use layout_note::LayoutNote;
use layouts::minari;
pub(crate) use layouts::minari::{DEFAULT_LIMIT, KEPT, MADE, REPEATED, STRINGS};
use map::Map;
use memory::Budget;
pub use memory::check_memory;
pub use note::FileNote;
use origin::Origin;
pub use reader::{DatasetReader, Found};
pub use rewards::{RewardRule, RewardRuleError};
use tree::Tree;

/// How a file is read.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ReadOptions {
    /// After how many rows an episode ends in a file without `timeouts`.
    pub max_episode_steps: Option<usize>,
    /// Bytes that reading may take; what the machine has to spare by default.
    pub max_memory: Option<u64>,
    /// Which arrays are what, where a file is not recognised or something else is meant.
    pub keys: Keys,
    /// What rewards are, in place of those of the file.
    pub rewards: Option<RewardRule>,
    /// Whether what is observed after an episode's last action is kept too, and its seed: for
    /// [`RawDataset::after_last`]. It may double what is read.
    pub after_last: bool,
}

/// A kind of dataset file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileFormat {
    /// HDF5, all rows one after the other.
    D4rl,
    /// HDF5, a group an episode.
    Minari,
    /// NumPy's archive with the keys of D4RL.
    Npz,
    /// NumPy's archive without rewards.
    OgBench,
    /// HDF5, a group an episode, within a group `data`.
    Robomimic,
    /// HDF5, a group a trajectory.
    ManiSkill,
    /// HDF5, a file an episode.
    Act,
    /// HDF5 of either version.
    D3rlpy,
    /// NumPy's archive of expert demonstrations.
    StableBaselines,
    /// NumPy's archive of trajectories.
    Imitation,
    /// A folder of Arrow files, a row a trajectory.
    ImitationFolder,
    /// A folder of Parquet files.
    LeRobot,
    /// HDF5 or NumPy's archive, read by [`Keys`].
    Told,
    /// A file of `diffplan data pack`.
    Packed,
}

impl FileFormat {
    /// Its name for people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::D4rl => "D4RL HDF5",
            Self::Minari => "Minari",
            Self::Npz => "npz",
            Self::OgBench => "OGBench npz",
            Self::Robomimic => "robomimic HDF5",
            Self::ManiSkill => "ManiSkill HDF5",
            Self::Act => "ACT HDF5",
            Self::D3rlpy => "d3rlpy HDF5",
            Self::StableBaselines => "Stable-Baselines npz",
            Self::Imitation => "imitation npz",
            Self::ImitationFolder => "imitation",
            Self::LeRobot => "LeRobot",
            Self::Told => "by keys",
            Self::Packed => "packed",
        }
    }
}

/// What a file says of one of its arrays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArrayInfo {
    /// Its path in the file.
    pub name: String,
    /// Its shape.
    pub shape: Vec<u64>,
    /// What it holds, as NumPy calls it: `float32`, `bool`; in words where NumPy has no name for it.
    pub dtype: String,
}

/// A file as it was read: shapes are right, but numbers may be NaN and no episode need end. [`RawDataset::into_dataset`]
/// is the next step; to show what is wrong with a file, this one comes before it.
#[derive(Debug)]
#[non_exhaustive]
pub struct RawDataset {
    /// Where it was read from.
    pub path: PathBuf,
    /// What kind of file it was.
    pub format: FileFormat,
    /// The environment, where the file names it.
    pub env: Option<String>,
    /// What it was made with, where the file says that.
    pub recorded_env: Option<RecordedEnv>,
    /// What else the file says of itself in strings.
    pub metadata: Vec<(String, String)>,
    /// What the `metadata.json` of a Minari dataset says, but for what is computed from its steps; as it is kept where such a dataset is
    /// written in another format.
    pub minari: serde_json::Map<String, serde_json::Value>,
    /// All arrays of the file; of one with a group an episode, those of the first; of a folder, those of the first file.
    pub arrays: Vec<ArrayInfo>,
    /// (rows, observation dimensions).
    pub observations: Array2<f32>,
    /// (rows, action dimensions).
    pub actions: Array2<f32>,
    /// (rows).
    pub rewards: Array1<f64>,
    /// One a row, where there are such.
    pub terminals: Option<Vec<bool>>,
    /// One a row, where there are such.
    pub timeouts: Option<Vec<bool>>,
    /// Of a file with a group an episode: the number of every episode and its first row.
    pub groups: Vec<(u64, usize)>,
    /// There: flags set before the last step of their episode. They are left out.
    pub flags_within: usize,
    /// There: episodes of no step. They are left out.
    pub empty_episodes: usize,
    /// Of a layout whose observations have a row after the last action: episodes that have none.
    pub short_episodes: usize,
    /// What was decided that the file does not say, or left out.
    pub layout_notes: Vec<LayoutNote>,
    /// What is odd about the file itself.
    pub notes: Vec<FileNote>,
    /// Of a packed file: what was odd when it was packed.
    pub packed_notes: Vec<String>,
    origins: Vec<Origin>,
    after: After,
}

impl FileFormat {
    /// What a file is, by its first bytes and the names in it; no array is read. It is called `name` where that decides, so that a file under
    /// a temporary name is known.
    ///
    /// # Errors
    /// As [`RawDataset::read`] says of a file that cannot be read.
    pub fn of_file(path: impl AsRef<Path>, name: impl AsRef<Path>) -> Result<Self, Error> {
        let (path, name) = (path.as_ref(), name.as_ref());
        let options = ReadOptions::default();
        let look = || {
            let (mut tree, kind) = open(&Content::File(path), name, Budget::new(None))?;
            Ok(plan(&mut *tree, kind, Some(path), &options)?.map().format)
        };
        look().map_err(|error: ReadError| file_error(name, error.into()))
    }
}

impl RawDataset {
    /// Reads a file or folder.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::File`] with a [`ReadError`].
    pub fn read(path: impl AsRef<Path>, options: &ReadOptions) -> Result<Self, Error> {
        DatasetReader::open(path, options)?.read_all()
    }

    /// Reads the content of a file; `path` is what it is called, and its ending decides where the first bytes do not. Of
    /// a Minari dataset this is its HDF5 file alone.
    ///
    /// # Errors
    /// [`Error::File`] with a [`ReadError`].
    pub fn from_bytes(
        bytes: impl Into<Arc<[u8]>>,
        path: impl AsRef<Path>,
        options: &ReadOptions,
    ) -> Result<Self, Error> {
        DatasetReader::from_bytes(bytes, path, options)?.read_all()
    }

    /// The arrays that observations and actions were read from; of a file with a group an episode without its name.
    #[must_use]
    pub fn sources(&self) -> [(&'static str, Vec<String>); 2] {
        let names = |of: fn(&Origin) -> &Vec<(String, usize)>| {
            let first = self.origins.first().map(of);
            first.into_iter().flatten().map(|(name, _)| name.clone()).collect()
        };
        [
            ("observations", names(|origin| &origin.observations)),
            ("actions", names(|origin| &origin.actions)),
        ]
    }

    /// Where episodes begin and end.
    ///
    /// # Errors
    /// [`Error::File`] with [`Error::NoEpisodeEnd`] or [`ReadError::ZeroEpisodeSteps`].
    pub fn episodes(&self, max_episode_steps: Option<usize>) -> Result<Vec<EpisodeRange>, Error> {
        ends(self.terminals.as_deref(), self.timeouts.as_deref(), max_episode_steps)
            .and_then(|ends| split(self.observations.nrows(), ends))
            .map_err(|error| file_error(&self.path, error))
    }

    /// Checks all numbers and cuts rows into episodes.
    ///
    /// # Errors
    /// [`Error::File`] with those of [`Dataset::new`].
    pub fn into_dataset(self, max_episode_steps: Option<usize>) -> Result<Dataset, Error> {
        let (path, groups, origins) = (self.path, self.groups, self.origins);
        ends(self.terminals.as_deref(), self.timeouts.as_deref(), max_episode_steps)
            .and_then(|ends| Dataset::new(self.observations, self.actions, self.rewards, ends))
            .map(|dataset| dataset.with_recorded_env(self.recorded_env.or(self.env.map(RecordedEnv::new))))
            .map_err(|error| file_error(&path, origin::found(error, &origins, &groups)))
    }
}

fn ends<'a>(
    terminals: Option<&'a [bool]>,
    timeouts: Option<&'a [bool]>,
    max_episode_steps: Option<usize>,
) -> Result<EpisodeEnds<'a>, Error> {
    match max_episode_steps {
        Some(0) => Err(ReadError::ZeroEpisodeSteps.into()),
        _ => Ok(EpisodeEnds {
            terminals,
            timeouts,
            max_episode_steps,
        }),
    }
}

impl Dataset {
    /// Reads a dataset file: see [the formats](crate::read).
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::File`] with a [`ReadError`], or with what [`Dataset::new`] says of the content.
    pub fn read(path: impl AsRef<Path>, options: &ReadOptions) -> Result<Self, Error> {
        RawDataset::read(path, options)?.into_dataset(options.max_episode_steps)
    }
}

fn file_error(path: &Path, error: Error) -> Error {
    Error::File {
        path: path.into(),
        error: Box::new(error),
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Hdf5,
    Npz,
    Packed,
}

/// Where the bytes of a file are.
enum Content<'a> {
    File(&'a Path),
    Bytes(Arc<[u8]>),
}

/// Bytes by which a file is recognised.
const START: u64 = 64;

/// What a file is by its first bytes.
fn kind_of(content: &Content, path: &Path) -> Result<Kind, ReadError> {
    let mut start = Vec::new();
    match content {
        Content::Bytes(bytes) => start.extend_from_slice(&bytes[..bytes.len().min(START as usize)]),
        Content::File(file) => {
            let read = fs::File::open(file).and_then(|file| file.take(START).read_to_end(&mut start));
            read.map_err(|error| ReadError::Unreadable {
                place: "file".into(),
                reason: error.to_string(),
            })?;
        }
    }
    kind(&start, path).map_err(|found| ReadError::UnknownFormat { found })
}

/// Opens a file, or says what it is instead.
fn open(content: &Content, path: &Path, budget: Budget) -> Result<(Box<dyn Tree>, Kind), ReadError> {
    let kind = kind_of(content, path)?;
    let tree: Box<dyn Tree> = match kind {
        Kind::Hdf5 => Box::new(tree::Hdf5::new(hdf5::File::open(content, budget)?)),
        Kind::Npz => Box::new(npz::Archive::open(content)?),
        Kind::Packed => {
            return Err(ReadError::UnknownFormat {
                found:
                    "it is a packed dataset, which is not read among others: pack them together (diffplan data pack)"
                        .into(),
            });
        }
    };
    Ok((tree, kind))
}

/// What is to be read of a file.
fn plan(tree: &mut dyn Tree, kind: Kind, path: Option<&Path>, options: &ReadOptions) -> Result<Plan, ReadError> {
    let map = layouts::map(tree, kind, path, &options.keys)?;
    plan_of(map, tree, options)
}

fn plan_of(mut map: Map, tree: &mut dyn Tree, options: &ReadOptions) -> Result<Plan, ReadError> {
    if options.rewards.is_some() {
        map.rewards = map::Rewards::Zeros;
        map.notes.retain(|note| *note != LayoutNote::ZeroRewards);
    }
    map.after = options.after_last;
    Plan::of(map, tree)
}

/// What a file says beside its steps.
#[derive(Debug, Clone)]
pub(crate) struct About {
    pub(crate) format: FileFormat,
    pub(crate) env: Option<RecordedEnv>,
    pub(crate) metadata: Vec<(String, String)>,
    pub(crate) minari: serde_json::Map<String, serde_json::Value>,
    pub(crate) arrays: Vec<ArrayInfo>,
}

impl About {
    fn of(tree: &mut dyn Tree, map: &Map) -> Self {
        let group = match &map.steps {
            map::Steps::Episodes(episodes) => {
                let first = episodes.names.first().map_or("", String::as_str);
                map::fill(&episodes.prefix, first)
            }
            map::Steps::Rows(_) => String::new(),
        };
        let mut metadata = tree.metadata();
        let env = map.env.clone();
        let env = env.or_else(|| env_of(&metadata).map(|id| made_with(&id, &metadata)));
        let minari = minari::kept(&map.about, &mut metadata);
        metadata.retain(|(name, _)| map.format != FileFormat::Minari || name != "env_spec");
        Self {
            format: map.format,
            env,
            metadata,
            minari,
            arrays: tree.list(&group),
        }
    }
}

/// What was read, as it is shown to people and taken by programs.
fn finish(path: &Path, about: About, mut buffers: Buffers, options: &ReadOptions) -> Result<RawDataset, ReadError> {
    let [observations, actions] = buffers.vectors()?;
    let rewards = match &options.rewards {
        Some(rule) => rule.rewards(observations.view())?,
        None => std::mem::take(&mut buffers.rewards).into(),
    };
    Ok(RawDataset {
        path: path.into(),
        format: about.format,
        env: about.env.as_ref().map(|env| env.id.clone()),
        recorded_env: about.env,
        metadata: about.metadata,
        minari: about.minari,
        arrays: about.arrays,
        observations,
        actions,
        rewards,
        layout_notes: buffers.notes(),
        notes: buffers.file_notes(),
        terminals: buffers.terminals.map(|set| flags(buffers.rows, &set)),
        timeouts: buffers.timeouts.map(|set| flags(buffers.rows, &set)),
        groups: buffers.groups,
        flags_within: buffers.flags_within,
        empty_episodes: buffers.empty,
        short_episodes: buffers.short,
        packed_notes: Vec::new(),
        origins: buffers.origins,
        after: buffers.after,
    })
}

/// A flag a row, from the rows in which it is set.
fn flags(rows: usize, set: &[usize]) -> Vec<bool> {
    let mut flags = vec![false; rows];
    set.iter().for_each(|row| flags[*row] = true);
    flags
}

/// What a file is by its first bytes, or by its name where they are missing or damaged; else what it seems to be.
fn kind(start: &[u8], path: &Path) -> Result<Kind, String> {
    let extension = path
        .extension()
        .map(|extension| extension.to_string_lossy().to_lowercase());
    let extension = extension.unwrap_or_default();
    if let Some(what) = what::named(start) {
        Err(what.into())
    } else if start.starts_with(&crate::packed::MAGIC) {
        Ok(Kind::Packed)
    } else if start.starts_with(b"\x89HDF\r\n\x1a\n") {
        Ok(Kind::Hdf5)
    } else if start.starts_with(b"PK\x03\x04") || start.starts_with(b"PK\x05\x06") {
        Ok(Kind::Npz)
    } else if ["hdf5", "h5", "hdf"].contains(&extension.as_str()) {
        // The decoder says what is wrong with it, or finds its header further in.
        Ok(Kind::Hdf5)
    } else if extension == "npz" {
        Ok(Kind::Npz)
    } else if start.is_empty() {
        Err("it is empty".into())
    } else {
        Err("it is something else".into())
    }
}

/// An environment as `diffplan data collect` says it in strings.
fn made_with(id: &str, metadata: &[(String, String)]) -> RecordedEnv {
    let text = |name: &str| {
        metadata
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    };
    let spec = serde_json::json!({
        "id": id,
        "kwargs": text("env_kwargs").and_then(|text| serde_json::from_str::<serde_json::Value>(text).ok()),
        "max_episode_steps": text("max_episode_steps").and_then(|text| text.parse::<u64>().ok()),
    });
    RecordedEnv::of_spec(&spec).unwrap_or_else(|| RecordedEnv::new(id))
}

/// The environment under the names that files have it.
fn env_of(metadata: &[(String, String)]) -> Option<String> {
    const NAMES: [&str; 4] = ["env_id", "env", "env_name", "environment"];
    let named = |name: &&str| metadata.iter().find(|(key, _)| key == name);
    NAMES.iter().find_map(named).map(|(_, value)| value.clone())
}

#[cfg(test)]
mod tests;
