//! What HDF5 files are compressed with, besides what `hdf5-reader` has of itself (deflate, shuffle, fletcher32, szip, n-bit
//! and scale-offset). It has LZ4 too, but 0.12.1 takes the size of blocks for a part of each, so that it reads chunks of one
//! block alone.
//!
//! | Filter | Number | By |
//! | --- | --- | --- |
//! | LZF | 32000 | [`lzf`] |
//! | bzip2 | 307 | the crate `bzip2`, whose library is Rust |
//! | Blosc | 32001 | [`blosc`]: BloscLZ, LZ4, LZ4HC, Snappy, zlib, Zstandard, shuffled by bytes or bits or not |
//! | Blosc2 | 32026 | [`blosc2`]: the same, with deltas |
//! | bitshuffle | 32008 | [`bitshuffle`]: alone, with LZ4 or with Zstandard |
//! | LZ4 | 32004 | blocks of the crate `lz4_flex` |
//! | Zstandard | 32015 | the crate `ruzstd` |
//!
//! Every decoder is told how many bytes may come out, and writes no more: the sizes in compressed data are not believed.

mod bitshuffle;
mod blosc;
mod blosc2;
mod codecs;
mod lzf;

use hdf5_reader::FilterRegistry;
use hdf5_reader::error::Error;
use hdf5_reader::messages::filter_pipeline::FilterDescription;

/// Decodes the first argument, with the filter's parameters, to at most so many bytes.
type Decoder = fn(&[u8], &[u32], usize) -> Result<Vec<u8>, Broken>;

/// Compressed data that is none, by what is wrong with it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Broken(pub(super) &'static str);

/// Those of `hdf5-reader`.
const BUILT_IN: [u16; 6] = [1, 2, 3, 4, 5, 6];

const DECODERS: [(u16, &str, Decoder); 7] = [
    (307, "bzip2", |data, _, most| codecs::bzip2(data, most)),
    (32000, "LZF", |data, _, most| lzf::decode(data, most)),
    (32001, "Blosc", |data, _, most| blosc::decode(data, most)),
    (32004, "LZ4", |data, _, most| codecs::lz4_blocks(data, most)),
    (32008, "bitshuffle", bitshuffle::decode),
    (32015, "Zstandard", |data, _, most| codecs::zstd(data, most)),
    (32026, "Blosc2", |data, _, most| blosc2::decode(data, most)),
];

/// Filters that are registered with the HDF Group and not read here.
const NAMES: [(u16, &str); 26] = [
    (305, "LZO"),
    (32002, "MAFISC"),
    (32003, "Snappy"),
    (32005, "APAX"),
    (32006, "CBF"),
    (32007, "JPEG-XR"),
    (32009, "SPDP"),
    (32010, "LPC-Rice"),
    (32011, "CCSDS-123"),
    (32012, "JPEG-LS"),
    (32013, "ZFP"),
    (32014, "Fpzip"),
    (32016, "B3D"),
    (32017, "SZ"),
    (32018, "FCIDECOMP"),
    (32019, "JPEG"),
    (32020, "VBZ"),
    (32021, "FAPEC"),
    (32022, "BitGroom"),
    (32023, "Granular BitRound"),
    (32024, "SZ3"),
    (32025, "Delta-Rice"),
    (32027, "FLAC"),
    (32028, "SPERR"),
    (32029, "TERSE"),
    (32033, "HTJ2K"),
];

/// What an array needs of filters; its chunks have so many bytes.
///
/// # Errors
/// By name, if a filter is not read.
pub(super) fn registry(filters: &[FilterDescription], chunk: u64) -> Result<FilterRegistry, Error> {
    let mut registry = FilterRegistry::new();
    for FilterDescription { id, name, .. } in filters {
        if BUILT_IN.contains(id) {
            continue;
        }
        let Some(&(_, known, decode)) = DECODERS.iter().find(|(number, ..)| number == id) else {
            let known = NAMES.iter().find(|(number, _)| number == id).map(|(_, name)| *name);
            let name = known.or(name.as_deref().map(str::trim)).unwrap_or("an unknown filter");
            return Err(Error::UnsupportedFilter(format!(
                "{name} (filter {id}) is not read; write the file with gzip: h5repack -f GZIP=4 IN.hdf5 OUT.hdf5"
            )));
        };
        // A filter before it in the pipeline may have made the chunk a little larger.
        let most = usize::try_from(chunk.saturating_add(chunk / 8).saturating_add(4096)).unwrap_or(usize::MAX);
        registry.register(
            *id,
            Box::new(move |filter, data, _| {
                decode(data, &filter.client_data, most)
                    .map_err(|Broken(what)| Error::DecompressionError(format!("{known}: {what}")))
            }),
        );
    }
    Ok(registry)
}

/// So many zeros.
fn zeros(length: usize) -> Result<Vec<u8>, Broken> {
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(length).map_err(|_| Broken("memory ends"))?;
    bytes.resize(length, 0);
    Ok(bytes)
}

/// Numbers in a header.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Broken> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Broken("it ends too early"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Broken> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(Broken("it ends too early"))?;
        self.0 = rest;
        Ok(*taken)
    }

    fn byte(&mut self) -> Result<u8, Broken> {
        self.array::<1>().map(|[byte]| byte)
    }
}

#[cfg(test)]
mod tests;
