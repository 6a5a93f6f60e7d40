//! The format since PyTorch 1.6: a zip archive of `NAME/data.pkl` and `NAME/data/KEY`.
//!
//! torch stores entries as they are, so a tensor is a view of the file. Archives that a tool has compressed are read too, but no more is decompressed
//! than a storage needs. Entries are found by the central directory (PKWARE's APPNOTE, 4.3.12), and nothing is believed that the file contradicts.

use super::{Read, storage_len};
use crate::pickle::{Pickle, Run, run};
use crate::tensor::Bytes;
use flate2::{Decompress, FlushDecompress, Status};
use std::collections::HashMap;

/// The longest pickle that is decompressed.
const MAX_PICKLE: u64 = 32 << 20;

pub(super) fn read(bytes: &Bytes) -> Read {
    let archive = Archive::open(bytes)?;
    let mut roots = archive.entries.keys().filter_map(|name| name.strip_suffix("/data.pkl"));
    let root = roots.next().ok_or_else(|| archive.without_pickle())?;
    if roots.next().is_some() {
        return Err("two data.pkl in one archive".into());
    }
    if archive.has(&format!("{root}/constants.pkl")) && archive.entries.keys().any(|name| name.contains("/code/")) {
        return Err(
            "a TorchScript archive (torch.jit.save): save the weights instead, in Python: \
             `torch.save(torch.jit.load(FILE).state_dict(), NEW)`"
                .into(),
        );
    }
    if let Some(order) = archive.entries.get(&format!("{root}/byteorder")) {
        let order = archive.read(order, 16, true)?;
        if order.trim_ascii() != b"little" {
            return Err("it is of a big-endian machine, which is not read".into());
        }
    }
    let name = format!("{root}/data.pkl");
    let entry = archive.get(&name)?;
    let content = archive.read(entry, MAX_PICKLE, true)?;
    let Run { table, root: value, .. } = run(&content, true)?;
    let pickle = Pickle::new(table, value);
    let (mut read, mut storages) = (HashMap::<&str, Bytes>::new(), HashMap::new());
    for (id, storage) in pickle.table().storages() {
        let len = storage_len(storage)?;
        if let Some(bytes) = read.get(storage.key.as_str()).filter(|bytes| bytes.len() >= len) {
            storages.insert(id, bytes.clone());
            continue;
        }
        let entry = archive.get(&format!("{root}/data/{}", storage.key))?;
        let content = archive.read(entry, len as u64, false)?;
        if content.len() < len {
            return Err(format!(
                "storage {:?} has {} bytes, expected {len} as the pickle says",
                storage.key,
                content.len()
            ));
        }
        read.insert(&storage.key, content.clone());
        storages.insert(id, content);
    }
    Ok((pickle, storages))
}

pub(super) struct Entry {
    pub(super) name: String,
    flags: u16,
    method: u16,
    crc: u32,
    compressed: u64,
    pub(super) size: u64,
    pub(super) offset: u64,
}

struct Archive<'a> {
    bytes: &'a Bytes,
    entries: HashMap<String, Entry>,
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

const CUT: &str = "the zip archive has no directory at its end: the file is cut off";
const BROKEN: &str = "the zip archive's directory is broken";

impl<'a> Archive<'a> {
    fn open(bytes: &'a Bytes) -> Result<Self, String> {
        let (count, start, len) = directory(bytes)?;
        let end = start
            .checked_add(len)
            .filter(|&end| end <= bytes.len() as u64)
            .ok_or(BROKEN)?;
        let directory = &bytes[start as usize..end as usize];
        let (mut entries, mut at) = (HashMap::new(), 0);
        while at < directory.len() {
            let (entry, next) = entry(directory, at).ok_or(BROKEN)?;
            at = next;
            let name = entry.name.clone();
            if entries.insert(name, entry).is_some() {
                return Err("two entries of one name in the zip archive".into());
            }
        }
        if entries.len() as u64 != count {
            return Err(format!(
                "the zip archive says it has {count} entries, it has {}",
                entries.len()
            ));
        }
        Ok(Self { bytes, entries })
    }

    fn has(&self, name: &str) -> bool {
        self.entries.contains_key(name)
    }

    fn get(&self, name: &str) -> Result<&Entry, String> {
        let entry = self.entries.get(name);
        entry.ok_or_else(|| format!("there is no {name:?} in the zip archive"))
    }

    fn without_pickle(&self) -> String {
        let what = if self.entries.keys().any(|name| name.ends_with(".npy")) {
            "arrays of NumPy (npz)"
        } else if self.entries.is_empty() {
            "nothing"
        } else {
            "no data.pkl"
        };
        format!("a zip archive of {what}: nothing that torch.save writes")
    }

    /// The content of an entry: all of it, of at most so many bytes, or (of a storage) the beginning that is needed.
    fn read(&self, entry: &Entry, limit: u64, whole: bool) -> Result<Bytes, String> {
        let name = &entry.name;
        if entry.flags & 1 != 0 {
            return Err(format!("{name:?} in the zip archive is encrypted"));
        }
        let stored = entry.method == 0;
        if !stored && entry.method != 8 {
            return Err(format!(
                "{name:?} in the zip archive is compressed by method {}, expected none or deflate",
                entry.method
            ));
        }
        let broken = || format!("{name:?} in the zip archive is not where its directory says");
        let local = usize::try_from(entry.offset)
            .ok()
            .filter(|&at| at < self.bytes.len())
            .ok_or_else(broken)?;
        let header = &self.bytes[local..];
        let lengths = (u32_at(header, 0) == Some(0x0403_4b50)).then(|| u16_at(header, 26).zip(u16_at(header, 28)));
        let (name_len, extra_len) = lengths.flatten().ok_or_else(broken)?;
        if header.get(30..30 + usize::from(name_len)) != Some(name.as_bytes()) {
            return Err(format!("{name:?} in the zip archive has another name where it lies"));
        }
        let start = local + 30 + usize::from(name_len) + usize::from(extra_len);
        let end = usize::try_from(entry.compressed)
            .ok()
            .and_then(|len| start.checked_add(len));
        let end = end.filter(|&end| end <= self.bytes.len());
        let end = end
            .ok_or_else(|| format!("{name:?} in the zip archive reaches beyond the end of the file: it is cut off"))?;
        let content = self.bytes.part(start..end);
        let content = if stored {
            if entry.size != entry.compressed {
                return Err(format!("{name:?} in the zip archive has two sizes"));
            }
            content
        } else {
            if entry.size > limit {
                return Err(format!(
                    "{name:?} in the zip archive has {} bytes once it is decompressed, expected at most {limit}",
                    entry.size
                ));
            }
            Bytes::whole(
                inflate(&content, entry.size as usize)
                    .ok_or_else(|| format!("{name:?} in the zip archive is damaged"))?,
            )
        };
        if crc32fast::hash(&content) != entry.crc {
            return Err(format!(
                "{name:?} in the zip archive is damaged: its checksum does not fit"
            ));
        }
        if whole || content.len() as u64 <= limit {
            return Ok(content);
        }
        Ok(content.part(0..limit as usize))
    }
}

/// Number of entries, start and length of the central directory.
fn directory(bytes: &[u8]) -> Result<(u64, u64, u64), String> {
    const END: usize = 22;
    let last = bytes.len().checked_sub(END).ok_or(CUT)?;
    let first = last.saturating_sub(usize::from(u16::MAX));
    let is_end = |at: &usize| {
        u32_at(bytes, *at) == Some(0x0605_4b50)
            && u16_at(bytes, at + 20).is_some_and(|comment| at + END + usize::from(comment) == bytes.len())
    };
    let end = (first..=last).rev().find(is_end).ok_or(CUT)?;
    let small = (|| {
        Some((
            u64::from(u16_at(bytes, end + 10)?),
            u64::from(u32_at(bytes, end + 16)?),
            u64::from(u32_at(bytes, end + 12)?),
        ))
    })();
    let small = small.ok_or(BROKEN)?;
    if u16_at(bytes, end + 4) != Some(0) || u16_at(bytes, end + 6) != Some(0) {
        return Err("a zip archive over several disks".into());
    }
    let locator = end.checked_sub(20).filter(|&at| u32_at(bytes, at) == Some(0x0706_4b50));
    let Some(locator) = locator else {
        return Ok(small);
    };
    let large = u64_at(bytes, locator + 8).and_then(|at| usize::try_from(at).ok());
    let large = large
        .filter(|&at| at < locator && u32_at(bytes, at) == Some(0x0606_4b50))
        .ok_or(BROKEN)?;
    let numbers = (|| {
        Some((
            u64_at(bytes, large + 32)?,
            u64_at(bytes, large + 48)?,
            u64_at(bytes, large + 40)?,
        ))
    })();
    numbers.ok_or_else(|| BROKEN.to_owned())
}

/// An entry of the central directory, and where the next one is.
pub(super) fn entry(directory: &[u8], at: usize) -> Option<(Entry, usize)> {
    let header = directory.get(at..)?;
    if u32_at(header, 0)? != 0x0201_4b50 {
        return None;
    }
    let lens = [u16_at(header, 28)?, u16_at(header, 30)?, u16_at(header, 32)?].map(usize::from);
    let name = header.get(46..46 + lens[0])?;
    let mut extra = header.get(46 + lens[0]..46 + lens[0] + lens[1])?;
    let next = at + 46 + lens.iter().sum::<usize>();
    let [mut compressed, mut size, mut offset] =
        [u32_at(header, 20)?, u32_at(header, 24)?, u32_at(header, 42)?].map(u64::from);
    while let (Some(kind), Some(len)) = (u16_at(extra, 0), u16_at(extra, 2)) {
        let mut field = extra.get(4..4 + usize::from(len))?;
        extra = &extra[4 + usize::from(len)..];
        if kind != 1 {
            continue;
        }
        for value in [&mut size, &mut compressed, &mut offset] {
            if *value == u64::from(u32::MAX) {
                *value = u64_at(field, 0)?;
                field = &field[8..];
            }
        }
    }
    let entry = Entry {
        name: String::from_utf8_lossy(name).into_owned(),
        flags: u16_at(header, 8)?,
        method: u16_at(header, 10)?,
        crc: u32_at(header, 16)?,
        compressed,
        size,
        offset,
    };
    Some((entry, next))
}

/// Decompresses to exactly so many bytes.
fn inflate(content: &[u8], size: usize) -> Option<Vec<u8>> {
    // No stream of deflate is shorter than a thousandth of its content.
    if size / 1100 > content.len() {
        return None;
    }
    let mut out = Vec::with_capacity(size + 1);
    let mut stream = Decompress::new(false);
    let status = stream.decompress_vec(content, &mut out, FlushDecompress::Finish);
    (matches!(status, Ok(Status::StreamEnd)) && out.len() == size).then_some(out)
}
