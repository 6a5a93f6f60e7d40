//! Arrays in HDF5 as h5py writes NumPy's.

use hdf5_writer::{
    ByteOrder, DatasetBuilder, Datatype, EnumMember, FILTER_DEFLATE, FilterDescription, H5WriteElement, Hdf5Builder,
    Result, WriteOptions,
};
use ndarray::ArrayView2;

/// Bytes of a chunk, uncompressed.
const CHUNK: usize = 1 << 18;
/// gzip's own default lies at 6, which is slower and barely smaller on floats.
const GZIP_LEVEL: u32 = 4;

/// How the numbers of an array lie in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Storage {
    /// In chunks of whole rows, gzip.
    Compressed,
    /// One after the other: of many small arrays, as Minari's are.
    Plain,
}

pub(super) fn encode(file: Hdf5Builder) -> Result<Vec<u8>> {
    file.into_plan()?.encode(WriteOptions::default())
}

/// Rows of vectors, in any memory order.
pub(super) fn vectors(name: &str, rows: ArrayView2<'_, f32>, storage: Storage) -> Result<DatasetBuilder> {
    let shape = vec![rows.nrows() as u64, rows.ncols() as u64];
    match rows.as_slice() {
        Some(values) => numbers(name, shape, values, storage),
        None => numbers(name, shape, &rows.iter().copied().collect::<Vec<f32>>(), storage),
    }
}

pub(super) fn numbers<T: H5WriteElement>(
    name: &str,
    shape: Vec<u64>,
    values: &[T],
    storage: Storage,
) -> Result<DatasetBuilder> {
    let datatype = T::hdf5_type_with_order(ByteOrder::LittleEndian);
    let builder = DatasetBuilder::new(name, datatype, shape.clone()).data(values)?;
    Ok(stored(builder, &shape, size_of::<T>(), storage))
}

/// As h5py writes NumPy's bool.
pub(super) fn flags(name: &str, flags: &[bool], storage: Storage) -> DatasetBuilder {
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
    let builder = DatasetBuilder::new(name, datatype, shape.clone()).raw_data(bytes);
    stored(builder, &shape, 1, storage)
}

/// What holds nothing is left as it is: a chunk must not be empty.
fn stored(builder: DatasetBuilder, shape: &[u64], element: usize, storage: Storage) -> DatasetBuilder {
    let row: u64 = shape[1..].iter().product::<u64>() * element as u64;
    if row == 0 || shape[0] == 0 || storage == Storage::Plain {
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
