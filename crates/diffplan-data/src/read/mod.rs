//! Dataset files: D4RL's HDF5 layout, Minari, and `.npz` with the keys of D4RL.
//!
//! | | D4RL, `.npz` | Minari |
//! | --- | --- | --- |
//! | file | HDF5 or `.npz` with these arrays at the top | a folder with `data/main_data.hdf5` or `main_data.hdf5`, or that file |
//! | observations | `observations` (rows, dimensions) | `episode_N/observations` (steps + 1, dimensions); the last, after the last action, is left out |
//! | actions, rewards | `actions` (rows, dimensions), `rewards` (rows) | `episode_N/actions`, `episode_N/rewards` |
//! | an episode ends | where `terminals` or `timeouts` is set | with its group; in a terminal state if the last of `terminations` is set |
//!
//! Which it is, is decided by the first bytes of the file, and then by whether there are `episode_N`. Observations and
//! actions are numbers of any type and kept as float32, of which it is noted where that loses too much; vectors of shape
//! (rows,) are of one dimension. Rewards are any numbers, kept as float64; (rows, 1) will do. Flags are booleans,
//! enumerations or numbers that are 0 or 1. Episodes
//! of Minari are taken in the order of their numbers. Discrete actions, dictionary spaces and images are refused.
//!
//! What reading needs is computed from the shapes, and compared with the memory there is, before any array is read.

mod array;
mod error;
mod hdf5;
mod memory;
mod minari;
mod note;
mod npz;
mod rounding;
mod what;

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ndarray::{Array1, Array2};

use crate::dataset::split;
use crate::{Dataset, EpisodeEnds, EpisodeRange, Error};
use array::Steps;
pub use error::ReadError;
use memory::Budget;
pub use note::FileNote;

/// How a file is read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReadOptions {
    /// After how many rows an episode ends in a file without `timeouts`.
    pub max_episode_steps: Option<usize>,
    /// Bytes that reading may take; what the machine has to spare by default.
    pub max_memory: Option<u64>,
}

/// A kind of dataset file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileFormat {
    /// HDF5, all rows one after the other.
    D4rl,
    /// HDF5, a group an episode.
    Minari,
    /// NumPy's archive with the keys of D4RL.
    Npz,
}

impl FileFormat {
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
    /// What else the file says of itself in strings.
    pub metadata: Vec<(String, String)>,
    /// All arrays of the file; of a Minari dataset, those of the first episode.
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
    /// Of a Minari dataset: the number of every episode and its first row.
    pub groups: Vec<(u64, usize)>,
    /// Of a Minari dataset: flags set before the last step of their episode. They are left out.
    pub flags_within: usize,
    /// What is odd about the file: for warnings.
    pub notes: Vec<FileNote>,
}

impl RawDataset {
    /// Reads a file or folder.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::File`] with a [`ReadError`].
    pub fn read(path: impl AsRef<Path>, options: &ReadOptions) -> Result<Self, Error> {
        let path = path.as_ref();
        let io = |error| Error::Io {
            path: path.into(),
            operation: "read",
            error,
        };
        let budget = Budget::new(options.max_memory);
        let result = if fs::metadata(path).map_err(io)?.is_dir() {
            minari::file_in(path).and_then(|file| read_hdf5(&Content::File(&file), &file, budget))
        } else {
            let mut start = Vec::new();
            let file = fs::File::open(path).map_err(io)?;
            file.take(START).read_to_end(&mut start).map_err(io)?;
            read_content(&Content::File(path), &start, path, budget)
        };
        result.map_err(|error| file_error(path, error.into()))
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
        let (bytes, path) = (bytes.into(), path.as_ref());
        let start = bytes[..bytes.len().min(START as usize)].to_vec();
        let result = read_content(&Content::Bytes(bytes), &start, path, Budget::new(options.max_memory));
        result.map_err(|error| file_error(path, error.into()))
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
        let (path, groups) = (self.path, self.groups);
        ends(self.terminals.as_deref(), self.timeouts.as_deref(), max_episode_steps)
            .and_then(|ends| Dataset::new(self.observations, self.actions, self.rewards, ends))
            .map(|dataset| dataset.with_env(self.env))
            .map_err(|error| file_error(&path, in_episode(error, &groups)))
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

/// A row of a Minari dataset by its episode, as it is found in the file.
fn in_episode(error: Error, groups: &[(u64, usize)]) -> Error {
    let Error::NonFiniteData {
        key,
        row,
        column,
        value,
    } = error
    else {
        return error;
    };
    let before = groups.partition_point(|&(_, start)| start <= row);
    match before.checked_sub(1).and_then(|at| groups.get(at)) {
        None => Error::NonFiniteData {
            key,
            row,
            column,
            value,
        },
        Some((number, start)) => ReadError::Value {
            key: format!("episode_{number}/{key}"),
            row: row - start,
            column,
            value,
            expected: "a finite number",
        }
        .into(),
    }
}

enum Kind {
    Hdf5,
    Npz,
}

/// Where the bytes of a file are.
enum Content<'a> {
    File(&'a Path),
    Bytes(Arc<[u8]>),
}

/// Bytes by which a file is recognised.
const START: u64 = 64;

fn read_content(content: &Content, start: &[u8], path: &Path, budget: Budget) -> Result<RawDataset, ReadError> {
    match kind(start, path) {
        Ok(Kind::Hdf5) => read_hdf5(content, path, budget),
        Ok(Kind::Npz) => read_npz(content, path, budget),
        Err(found) => Err(ReadError::UnknownFormat { found }),
    }
}

/// What a file is by its first bytes, or by its name where they are missing or damaged; else what it seems to be.
fn kind(start: &[u8], path: &Path) -> Result<Kind, String> {
    let extension = path
        .extension()
        .map(|extension| extension.to_string_lossy().to_lowercase());
    let extension = extension.unwrap_or_default();
    if let Some(what) = what::named(start) {
        Err(what.into())
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

fn read_hdf5(content: &Content, path: &Path, budget: Budget) -> Result<RawDataset, ReadError> {
    let file = hdf5::File::open(content, budget)?;
    let mut top = file.top()?;
    if top.groups().iter().any(|name| minari::number(name).is_some()) {
        let folder = match content {
            Content::File(path) => path.parent(),
            Content::Bytes(_) => None,
        };
        return minari::read(path, folder, &file, budget);
    }
    let steps = array::read_d4rl(&mut top, budget)?;
    let metadata = file.metadata();
    let env = env_of(&metadata);
    let mut raw = RawDataset::of_rows(path, FileFormat::D4rl, steps, env, metadata, file.list());
    raw.notes.extend(file.notes());
    Ok(raw)
}

fn read_npz(content: &Content, path: &Path, budget: Budget) -> Result<RawDataset, ReadError> {
    let mut archive = npz::Archive::open(content)?;
    let steps = array::read_d4rl(&mut archive, budget)?;
    let arrays = archive.list();
    Ok(RawDataset::of_rows(
        path,
        FileFormat::Npz,
        steps,
        None,
        Vec::new(),
        arrays,
    ))
}

impl RawDataset {
    fn of_rows(
        path: &Path,
        format: FileFormat,
        steps: Steps,
        env: Option<String>,
        metadata: Vec<(String, String)>,
        arrays: Vec<ArrayInfo>,
    ) -> Self {
        let Steps {
            observations,
            actions,
            rewards,
            terminals,
            timeouts,
            rounded,
        } = steps;
        Self {
            path: path.into(),
            format,
            env,
            metadata,
            arrays,
            observations,
            actions,
            rewards,
            terminals,
            timeouts,
            groups: Vec::new(),
            flags_within: 0,
            notes: rounded,
        }
    }
}

/// The environment under the names that files have it.
fn env_of(metadata: &[(String, String)]) -> Option<String> {
    const NAMES: [&str; 4] = ["env_id", "env", "env_name", "environment"];
    let named = |name: &&str| metadata.iter().find(|(key, _)| key == name);
    NAMES.iter().find_map(named).map(|(_, value)| value.clone())
}

#[cfg(test)]
mod tests;
