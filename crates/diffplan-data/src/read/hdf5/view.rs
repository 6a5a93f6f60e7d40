//! One object of a file, opened by its address.
//!
//! `hdf5-reader` opens objects by their paths, keeps what it has opened as long as the file is open (20 KB an episode of a
//! Minari file), and lists a group only if it understands all of it. So it is shown a file in which nothing is but the
//! object that is wanted: the same bytes, with another superblock before them and, for a dataset, behind them a group with
//! one link.

use std::sync::Arc;

use hdf5_reader::checksum::jenkins_lookup3;
use hdf5_reader::error::Error;
use hdf5_reader::group::Group;
use hdf5_reader::messages::MSG_LINK;
use hdf5_reader::storage::{DynStorage, Storage, StorageBuffer};
use hdf5_reader::{Dataset, ExternalFileResolver, FileStorage, FilterRegistry, Hdf5File, OpenOptions};

use super::core::Core;
use super::links::Place;

/// Name of the one link.
const NAME: &str = "x";

struct View {
    inner: DynStorage,
    /// Instead of the first bytes.
    head: Vec<u8>,
    /// After the last.
    tail: Vec<u8>,
}

impl View {
    fn new(core: &Core, object: u64, is_group: bool) -> Self {
        let address = |value: u64| value.to_le_bytes()[..usize::from(core.offset_size)].to_vec();
        let (mut tail, mut root) = (Vec::new(), object);
        if !is_group {
            root = core.has();
            // Version, no flags, the name's length, the name, the object's address.
            let link = [&[1, 0, NAME.len() as u8], NAME.as_bytes(), &address(object)].concat();
            tail.extend(b"OHDR\x02\0");
            tail.push((4 + link.len()) as u8);
            tail.extend([MSG_LINK as u8, link.len() as u8, 0, 0]);
            tail.extend(link);
            tail.extend(jenkins_lookup3(&tail).to_le_bytes());
        }
        let mut head = b"\x89HDF\r\n\x1a\n".to_vec();
        head.extend([2, core.offset_size, core.length_size, 0]);
        let undefined = u64::MAX;
        for value in [
            0,
            core.extension.unwrap_or(undefined),
            core.has() + tail.len() as u64,
            root,
        ] {
            head.extend(address(value));
        }
        head.extend(jenkins_lookup3(&head).to_le_bytes());
        Self {
            inner: Arc::clone(&core.storage),
            head,
            tail,
        }
    }
}

impl Storage for View {
    fn len(&self) -> u64 {
        self.inner.len() + self.tail.len() as u64
    }

    fn read_range(&self, offset: u64, length: usize) -> Result<StorageBuffer, Error> {
        let whole = self.inner.len();
        let end = offset.saturating_add(length as u64);
        if offset >= self.head.len() as u64 && end <= whole {
            return self.inner.read_range(offset, length);
        }
        if end > self.len() {
            return Err(Error::UnexpectedEof {
                offset,
                needed: length as u64,
                available: self.len().saturating_sub(offset),
            });
        }
        let within = whole.saturating_sub(offset).min(length as u64) as usize;
        let mut bytes = self.inner.read_range(offset.min(whole), within)?.to_vec();
        if let Some(head) = usize::try_from(offset).ok().and_then(|at| self.head.get(at..)) {
            let count = head.len().min(bytes.len());
            bytes[..count].copy_from_slice(&head[..count]);
        }
        let from = offset.max(whole) - whole;
        bytes.extend_from_slice(&self.tail[from as usize..][..length - within]);
        Ok(StorageBuffer::from_vec(bytes))
    }
}

/// Finds the files that hold an array's bytes.
struct Beside(Arc<Core>);

impl ExternalFileResolver for Beside {
    fn resolve_external_file(&self, name: &str) -> Result<Option<DynStorage>, Error> {
        let storage = FileStorage::open(self.0.beside(name)?)?;
        Ok(Some(Arc::new(storage)))
    }
}

fn open(place: &Place, is_group: bool, filters: FilterRegistry) -> Result<Group, Error> {
    let limit = place.core.budget.limit();
    let mut options = OpenOptions::default()
        // Every chunk is read once.
        .with_chunk_cache_bytes(0)
        .with_max_read_bytes(limit)
        .with_max_chunk_bytes(limit)
        .with_filter_registry(filters)
        .with_external_file_resolver(Arc::new(Beside(Arc::clone(&place.core))));
    options.chunk_cache_slots = 1;
    let view = View::new(&place.core, place.address, is_group);
    Hdf5File::from_storage_with_options(Arc::new(view), options)?.root_group()
}

/// A group, for its attributes.
pub(super) fn group(place: &Place) -> Result<Group, Error> {
    open(place, true, FilterRegistry::new())
}

/// A dataset, for its content.
pub(super) fn dataset(place: &Place, filters: FilterRegistry) -> Result<Dataset, Error> {
    open(place, false, filters)?.dataset(NAME)
}
