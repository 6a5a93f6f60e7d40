//! The format before PyTorch 1.6: pickles one after the other, then the storages as they are.
//!
//! magic number, protocol version, system, the value, the keys of the storages; then for each of these its number of elements, 8 bytes, and them.

use super::{Read, is_dict, storage_len};
use crate::pickle::{Kind, Pickle, Run, run};
use crate::tensor::Bytes;
use std::collections::HashMap;

const MAGIC: &str = "119547037146038801333356";
const PROTOCOL: i64 = 1001;

/// Whether a file begins with the magic number, in whatever protocol.
pub(super) fn is_magic(bytes: &[u8]) -> bool {
    let start = &bytes[..bytes.len().min(64)];
    matches!(start.first(), Some(b'L' | 0x8a | 0x80))
        && run(start, false).is_ok_and(|run| is(&Pickle::new(run.table, run.root), MAGIC))
}

fn is(pickle: &Pickle, big: &str) -> bool {
    matches!(pickle.root().kind(), Kind::BigInt(number) if number == big)
}

pub(super) fn read(bytes: &Bytes) -> Read {
    let mut at = 0;
    let mut next = |torch: bool| -> Result<(Pickle, usize), String> {
        let Run { table, root, len } = run(&bytes[at..], torch)?;
        at += len;
        Ok((Pickle::new(table, root), at))
    };
    let (magic, _) = next(false)?;
    if !is(&magic, MAGIC) {
        return Err("a pickle that torch.save did not write: it has no tensors to be read".into());
    }
    let (protocol, _) = next(false)?;
    if protocol.root().as_int() != Some(PROTOCOL) {
        return Err(format!(
            "the format's version is {:?}, expected {PROTOCOL}",
            protocol.root().kind()
        ));
    }
    let (system, _) = next(false)?;
    if !is_dict(&system) {
        return Err("it does not say of which system it is".into());
    }
    if system.root().get("little_endian").and_then(|little| little.as_bool()) == Some(false) {
        return Err("it is of a big-endian machine, which is not read".into());
    }
    let (pickle, _) = next(true)?;
    let (keys, mut at) = next(false)?;
    let Kind::List(keys) = keys.root().kind() else {
        return Err("it has no list of storages".into());
    };
    // Storages by key: an old file may name one several times.
    let mut wanted: HashMap<&str, usize> = HashMap::new();
    for (_, storage) in pickle.table().storages() {
        let size = storage.dtype.map_or(1, crate::Dtype::size);
        let len = storage_len(storage)?;
        let before = wanted.insert(&storage.key, size);
        if before.is_some_and(|before| before != size) {
            return Err(format!("storage {:?} is of {len} bytes and of two types", storage.key));
        }
    }
    let mut found: HashMap<&str, Bytes> = HashMap::new();
    for key in &keys {
        let key = key.as_str().ok_or("a storage whose key is no string")?;
        let size = *wanted
            .get(key)
            .ok_or_else(|| format!("the storage {key:?}, which nobody names"))?;
        let head = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>());
        let head = head.ok_or_else(|| format!("it ends before the storage {key:?}: the file is cut off"))?;
        let numel = i64::from_le_bytes(*head);
        at += 8;
        let len = usize::try_from(numel).ok().and_then(|numel| numel.checked_mul(size));
        let len = len.filter(|&len| len <= bytes.len() - at);
        let len = len.ok_or_else(|| {
            format!(
                "storage {key:?} has {numel} elements of {size} bytes, and {} bytes are left: the file is cut off",
                bytes.len() - at
            )
        })?;
        if found.insert(key, bytes.part(at..at + len)).is_some() {
            return Err(format!("the storage {key:?} twice"));
        }
        at += len;
    }
    if at != bytes.len() {
        return Err(format!("{} bytes after the last storage", bytes.len() - at));
    }
    let mut storages = HashMap::new();
    for (id, storage) in pickle.table().storages() {
        let bytes = found.get(storage.key.as_str());
        let bytes = bytes.ok_or_else(|| format!("the storage {:?} is not there", storage.key))?;
        let len = storage_len(storage)?;
        if bytes.len() != len {
            return Err(format!(
                "storage {:?} has {} bytes, expected {len}",
                storage.key,
                bytes.len()
            ));
        }
        storages.insert(id, bytes.clone());
    }
    Ok((pickle, storages))
}
