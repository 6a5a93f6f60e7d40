//! Dataset files in the D4RL layout, as [`Dataset::read`](crate::Dataset::read) and h5py read them.

use std::io;
use std::path::Path;

use hdf5_writer::{
    ByteOrder, DatasetBuilder, Datatype, EnumMember, FILTER_DEFLATE, FilterDescription, H5WriteElement, Hdf5Builder,
    WriteOptions,
};
use ndarray::{ArrayView1, ArrayView2};

use crate::Error;
use diffplan_files::write_atomically;

/// Bytes of a chunk, uncompressed.
const CHUNK: usize = 1 << 18;
/// gzip's own default lies at 6, which is slower and barely smaller on floats.
const GZIP_LEVEL: u32 = 4;

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
        {
            if actual != rows {
                return Err(Error::DatasetRows {
                    key,
                    expected: rows,
                    actual,
                });
            }
        }
        self.encode()
            .map_err(io::Error::other)
            .and_then(|bytes| write_atomically(path, &bytes))
            .map_err(|error| Error::Io {
                path: path.into(),
                operation: "write",
                error,
            })
    }

    fn encode(&self) -> hdf5_writer::Result<Vec<u8>> {
        let mut file = Hdf5Builder::new()
            .dataset(vectors("observations", self.observations)?)
            .dataset(vectors("actions", self.actions)?)
            .dataset(floats(
                "rewards",
                vec![self.rewards.len() as u64],
                &self.rewards.to_vec(),
            )?)
            .dataset(flags("terminals", self.terminals))
            .dataset(flags("timeouts", self.timeouts));
        if let Some(next) = self.next_observations {
            file = file.dataset(vectors("next_observations", next)?);
        }
        for (name, value) in self.metadata {
            let name = format!("metadata/{name}");
            file = file.dataset(DatasetBuilder::vlen_string_data(name, Vec::new(), &[value])?);
        }
        file.into_plan()?.encode(WriteOptions::default())
    }
}

fn vectors(name: &str, rows: ArrayView2<'_, f32>) -> hdf5_writer::Result<DatasetBuilder> {
    let shape = vec![rows.nrows() as u64, rows.ncols() as u64];
    let values: Vec<f32> = rows.iter().copied().collect();
    floats(name, shape, &values)
}

fn floats(name: &str, shape: Vec<u64>, values: &[f32]) -> hdf5_writer::Result<DatasetBuilder> {
    let datatype = f32::hdf5_type_with_order(ByteOrder::LittleEndian);
    let builder = DatasetBuilder::new(name, datatype, shape.clone()).data(values)?;
    Ok(compressed(builder, &shape, size_of::<f32>()))
}

/// As h5py writes NumPy's bool.
fn flags(name: &str, flags: &[bool]) -> DatasetBuilder {
    let member = |name: &str, value| EnumMember {
        name: name.into(),
        value: vec![value],
    };
    let base = i8::hdf5_type_with_order(ByteOrder::LittleEndian);
    let datatype = Datatype::Enum {
        base: Box::new(base),
        members: vec![member("FALSE", 0), member("TRUE", 1)],
    };
    let shape = vec![flags.len() as u64];
    let bytes: Vec<u8> = flags.iter().map(|&flag| u8::from(flag)).collect();
    compressed(
        DatasetBuilder::new(name, datatype, shape.clone()).raw_data(bytes),
        &shape,
        1,
    )
}

/// In chunks of whole rows, gzip. What holds nothing is left as it is: a chunk must not be empty.
fn compressed(builder: DatasetBuilder, shape: &[u64], element: usize) -> DatasetBuilder {
    let row: u64 = shape[1..].iter().product::<u64>() * element as u64;
    if row == 0 || shape[0] == 0 {
        return builder;
    }
    let mut chunk = shape.to_vec();
    chunk[0] = (CHUNK as u64 / row).clamp(1, shape[0]);
    builder.chunked(chunk).filter(FilterDescription {
        id: FILTER_DEFLATE,
        name: None,
        client_data: vec![GZIP_LEVEL],
    })
}
