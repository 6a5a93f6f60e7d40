//! A file's bytes and what its superblock says of them.

use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use hdf5_reader::error::Error;
use hdf5_reader::storage::{BlockCacheStorage, DynStorage, Storage, StorageBuffer};
use hdf5_reader::superblock::Superblock;
use hdf5_reader::{BytesStorage, FileStorage};

use super::links::Links;
use crate::read::memory::Budget;
use crate::read::{Content, ReadError};

/// Files that refer to files that refer to files.
const MOST_FILES_DEEP: u8 = 8;
/// Files beside it that a file refers to.
const MOST_FILES: usize = 4096;
/// Bytes of a block, and blocks that are kept.
const BLOCK: usize = 1 << 14;
const MOST_BLOCKS: usize = 64;
/// Groups whose links are remembered.
const RECENT: usize = 8;

/// An open file. What is found in it is not kept, but for the links of the last few groups, so that memory does not grow
/// with the number of objects.
pub(super) struct Core {
    /// From the superblock on: a file may begin with something else.
    pub(super) storage: DynStorage,
    pub(super) offset_size: u8,
    pub(super) length_size: u8,
    pub(super) root: u64,
    pub(super) extension: Option<u64>,
    pub(super) budget: Budget,
    /// Bytes that the file says it has.
    pub(super) says: u64,
    /// Whether a writer has marked the file as open and not as closed.
    pub(super) open_for_writing: bool,
    /// Where it lies.
    folder: Option<PathBuf>,
    depth: u8,
    recent: Mutex<Vec<(u64, Arc<Links>)>>,
    others: Mutex<HashMap<String, Arc<Core>>>,
}

/// The part of a storage that begins with the superblock.
struct Tail {
    whole: DynStorage,
    from: u64,
}

impl Storage for Tail {
    fn len(&self) -> u64 {
        self.whole.len().saturating_sub(self.from)
    }

    fn read_range(&self, offset: u64, length: usize) -> Result<StorageBuffer, Error> {
        let at = offset.checked_add(self.from).ok_or(Error::OffsetOutOfBounds(offset))?;
        self.whole.read_range(at, length)
    }
}

/// A file of which what is small (headers, links) is read by blocks that are kept for a while, and what is large at once.
struct Blocks {
    file: DynStorage,
    blocks: BlockCacheStorage,
}

impl Storage for Blocks {
    fn len(&self) -> u64 {
        self.file.len()
    }

    fn read_range(&self, offset: u64, length: usize) -> Result<StorageBuffer, Error> {
        match length < BLOCK {
            true => self.blocks.read_range(offset, length),
            false => self.file.read_range(offset, length),
        }
    }
}

fn by_blocks(path: &Path) -> Result<DynStorage, Error> {
    let file: DynStorage = Arc::new(FileStorage::open(path)?);
    let blocks = BlockCacheStorage::new(Arc::clone(&file), BLOCK, MOST_BLOCKS);
    Ok(Arc::new(Blocks { file, blocks }))
}

impl Core {
    pub(super) fn open(content: &Content, budget: Budget) -> Result<Arc<Self>, Error> {
        let (storage, folder): (DynStorage, _) = match content {
            Content::File(path) => {
                let folder = path.parent().map(|folder| match folder.as_os_str().is_empty() {
                    true => PathBuf::from("."),
                    false => folder.into(),
                });
                (by_blocks(path)?, folder)
            }
            Content::Bytes(bytes) => (Arc::new(BytesStorage::from_shared(Arc::clone(bytes))), None),
        };
        Self::of(storage, folder, budget, 0)
    }

    fn of(whole: DynStorage, folder: Option<PathBuf>, budget: Budget, depth: u8) -> Result<Arc<Self>, Error> {
        let superblock = Superblock::parse_from_storage(whole.as_ref())?;
        let storage: DynStorage = match superblock.base_address {
            0 => whole,
            from => Arc::new(Tail { whole, from }),
        };
        Ok(Arc::new(Self {
            storage,
            offset_size: superblock.offset_size,
            length_size: superblock.length_size,
            root: superblock.root_object_header_address()?,
            extension: superblock.extension_address,
            budget,
            says: superblock.eof_address,
            // Flags of the newest superblock alone; its first bit is set while a file is written, the third with readers.
            open_for_writing: superblock.version >= 3 && superblock.consistency_flags & 0b101 != 0,
            folder,
            depth,
            recent: Mutex::default(),
            others: Mutex::default(),
        }))
    }

    /// Bytes that the file has.
    pub(super) fn has(&self) -> u64 {
        self.storage.len()
    }

    /// Whether the end of the file is missing.
    pub(super) fn cut_off(&self) -> bool {
        // A file from memory that was never flushed has no end.
        self.says > self.has() && self.says != u64::MAX
    }

    /// The bytes of a range, or as many of them as the file has.
    pub(super) fn at_most(&self, address: u64, length: u64) -> Result<StorageBuffer, Error> {
        let length = self.has().saturating_sub(address).min(length);
        self.storage.read_range(address, length as usize)
    }

    /// The links of a group, remembered if they were read lately.
    pub(super) fn remembered(&self, address: u64) -> Option<Arc<Links>> {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent
            .iter()
            .find(|(of, _)| *of == address)
            .map(|(_, links)| Arc::clone(links))
    }

    pub(super) fn remember(&self, address: u64, links: &Arc<Links>) {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        // A large group stays: to read its links anew for each of them would take the square of their number.
        if recent.len() >= RECENT
            && let Some(smallest) = (0..recent.len()).min_by_key(|&at| recent[at].1.len())
        {
            recent.remove(smallest);
        }
        recent.push((address, Arc::clone(links)));
    }

    /// Another HDF5 file that this one refers to.
    pub(super) fn file(&self, name: &str) -> Result<Arc<Self>, Error> {
        let mut others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(other) = others.get(name) {
            return Ok(Arc::clone(other));
        }
        if self.depth >= MOST_FILES_DEEP || others.len() >= MOST_FILES {
            return Err(Error::InvalidData("too many files refer to each other".into()));
        }
        let path = self.beside(name)?;
        let storage = Arc::new(FileStorage::open(&path)?);
        let folder = path.parent().map(Path::to_path_buf);
        let other = Self::of(storage, folder, self.budget, self.depth + 1)?;
        others.insert(name.into(), Arc::clone(&other));
        Ok(other)
    }

    /// Where a file is that this one refers to: below its own folder, or in it where the path leads elsewhere. Such paths
    /// are those of another machine, or of someone who wants to read what is none of the dataset. Links of the file system
    /// are followed, for caches of downloads are made of them.
    pub(super) fn beside(&self, name: &str) -> Result<PathBuf, Error> {
        let Some(folder) = &self.folder else {
            return Err(Error::InvalidData(format!(
                "it refers to the file {name:?}, which cannot be found from bytes alone"
            )));
        };
        let named = Path::new(name);
        let inside = named
            .components()
            .all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        let last = named.file_name().map(|name| folder.join(name));
        let found = inside.then(|| folder.join(named)).into_iter().chain(last);
        let found = found.into_iter().find(|path| path.is_file());
        found.ok_or_else(|| {
            let beyond = if inside {
                ""
            } else {
                ": paths that lead out of a dataset's folder are not followed"
            };
            Error::InvalidData(format!(
                "it refers to the file {name:?}, which does not lie beside it{beyond}"
            ))
        })
    }

    /// An error of a part of this file.
    pub(super) fn unreadable(&self, place: &str) -> impl FnOnce(Error) -> ReadError + use<> {
        let cut_off = self
            .cut_off()
            .then(|| format!("; the file is cut off: it has {} bytes of {}", self.has(), self.says));
        let place = place.to_owned();
        move |error| ReadError::Unreadable {
            place,
            reason: format!("{}{}", innermost(error), cut_off.unwrap_or_default()),
        }
    }
}

/// Without the paths around it: places are said in our own words.
fn innermost(mut error: Error) -> Error {
    while let Error::Context { source, .. } = error {
        error = *source;
    }
    error
}
