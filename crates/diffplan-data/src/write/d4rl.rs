//! Dataset files in the D4RL layout, as [`Dataset::read`](crate::Dataset::read) and h5py read them.

use std::io;
use std::path::Path;

use hdf5_writer::{DatasetBuilder, Hdf5Builder};
use ndarray::{ArrayView1, ArrayView2};

use super::hdf5::{self, Storage::Compressed};
use crate::Error;
use diffplan_files::write_atomically;

/// What is written: one row a step, all episodes one after the other.
#[derive(Debug, Clone, Copy)]
pub struct D4rlFile<'a> {
    /// (rows, observation dimensions).
    pub observations: ArrayView2<'a, f32>,
    /// (rows, action dimensions).
    pub actions: ArrayView2<'a, f32>,
    /// (rows).
    pub rewards: ArrayView1<'a, f32>,
    /// Whether the episode ends in a terminal state in this row.
    pub terminals: &'a [bool],
    /// Whether the episode is cut off in this row.
    pub timeouts: &'a [bool],
    /// (rows, observation dimensions), if they are to be kept.
    pub next_observations: Option<ArrayView2<'a, f32>>,
    /// Names and values of the strings in the group `metadata`. The environment is `env_id`.
    pub metadata: &'a [(&'a str, &'a str)],
}

impl D4rlFile<'_> {
    /// Writes the file under a temporary name, and renames it when it is on the disk. Same content, same bytes.
    ///
    /// # Errors
    /// [`Error::DatasetRows`] where arrays differ in their rows; [`Error::Io`], also for what HDF5 cannot hold, such as a
    /// name of metadata that is empty.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        self.write_with_infos(path, &[])
    }

    /// As [`D4rlFile::write`], with arrays of one row a step in the group `infos`, under these names: D4RL's mazes have `goal`, `qpos` and
    /// `qvel` there.
    ///
    /// # Errors
    /// As [`D4rlFile::write`].
    pub fn write_with_infos(&self, path: impl AsRef<Path>, infos: &[(&str, ArrayView2<'_, f32>)]) -> Result<(), Error> {
        let path = path.as_ref();
        let rows = self.observations.nrows();
        for (key, actual) in [
            ("actions", self.actions.nrows()),
            ("rewards", self.rewards.len()),
            ("terminals", self.terminals.len()),
            ("timeouts", self.timeouts.len()),
        ]
        .into_iter()
        .chain(self.next_observations.map(|next| ("next_observations", next.nrows())))
        .chain(infos.iter().map(|(_, info)| ("infos", info.nrows())))
        {
            if actual != rows {
                return Err(Error::DatasetRows {
                    key,
                    expected: rows,
                    actual,
                });
            }
        }
        self.encode(infos)
            .map_err(io::Error::other)
            .and_then(|bytes| write_atomically(path, &bytes))
            .map_err(|error| Error::Io {
                path: path.into(),
                operation: "write",
                error,
            })
    }

    fn encode(&self, infos: &[(&str, ArrayView2<'_, f32>)]) -> hdf5_writer::Result<Vec<u8>> {
        let rewards = self.rewards.to_vec();
        let rewards = hdf5::numbers("rewards", vec![rewards.len() as u64], &rewards, Compressed)?;
        let next = self.next_observations;
        encode(
            [self.observations, self.actions],
            rewards,
            [self.terminals, self.timeouts],
            next,
            infos,
            self.metadata,
        )
    }
}

/// The bytes of a file of these arrays.
pub(super) fn encode<N: AsRef<str>, V: AsRef<str>>(
    [observations, actions]: [ArrayView2<'_, f32>; 2],
    rewards: DatasetBuilder,
    [terminals, timeouts]: [&[bool]; 2],
    next_observations: Option<ArrayView2<'_, f32>>,
    infos: &[(&str, ArrayView2<'_, f32>)],
    metadata: &[(N, V)],
) -> hdf5_writer::Result<Vec<u8>> {
    let mut file = Hdf5Builder::new()
        .dataset(hdf5::vectors("observations", observations, Compressed)?)
        .dataset(hdf5::vectors("actions", actions, Compressed)?)
        .dataset(rewards)
        .dataset(hdf5::flags("terminals", terminals, Compressed))
        .dataset(hdf5::flags("timeouts", timeouts, Compressed));
    if let Some(next) = next_observations {
        file = file.dataset(hdf5::vectors("next_observations", next, Compressed)?);
    }
    for (name, info) in infos {
        file = file.dataset(hdf5::vectors(&format!("infos/{name}"), *info, Compressed)?);
    }
    for (name, value) in metadata {
        let name = format!("metadata/{}", name.as_ref());
        file = file.dataset(DatasetBuilder::vlen_string_data(name, Vec::new(), &[value.as_ref()])?);
    }
    hdf5::encode(file)
}
