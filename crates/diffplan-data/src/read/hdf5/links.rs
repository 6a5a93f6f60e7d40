//! The links of a group, in whichever of HDF5's three forms they are kept.

use std::sync::Arc;

use hdf5_reader::btree_v1::collect_btree_v1_leaves_storage;
use hdf5_reader::btree_v2::{BTreeV2Header, BTreeV2Record, collect_btree_v2_records_storage};
use hdf5_reader::error::Error;
use hdf5_reader::io::Cursor;
use hdf5_reader::local_heap::LocalHeap;
use hdf5_reader::messages::link::{self, LinkTarget};
use hdf5_reader::messages::{MSG_LINK, MSG_LINK_INFO, MSG_SYMBOL_TABLE, link_info, symbol_table_msg};
use hdf5_reader::symbol_table::SymbolTableNode;

use super::core::Core;
use super::heap::Heap;
use super::objects::Object;

/// Links that are followed on the way to one object.
const MOST_STEPS: u32 = 64;
/// Of an entry of a table of symbols that is a soft link.
const SOFT: u32 = 2;

pub(super) struct Link {
    pub(super) name: String,
    target: LinkTarget,
    order: Option<u64>,
}

/// The links of a group, in the order that they were made in, if the file knows it.
pub(super) struct Links {
    all: Vec<Link>,
    by_name: Vec<u32>,
}

/// An object of a file.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) core: Arc<Core>,
    pub(super) address: u64,
}

impl Links {
    /// The links of a group; none of what is no group.
    pub(super) fn of(core: &Core, address: u64) -> Result<Arc<Self>, Error> {
        if let Some(links) = core.remembered(address) {
            return Ok(links);
        }
        let object = Object::at(core, address)?;
        let mut all = Vec::new();
        for message in object.all(MSG_LINK) {
            push(core, message, &mut all)?;
        }
        if let Some(message) = object.all(MSG_LINK_INFO).next() {
            dense(core, message, &mut all)?;
        }
        if let Some(message) = object.all(MSG_SYMBOL_TABLE).next() {
            symbols(core, message, &mut all)?;
        }
        if all.iter().all(|link| link.order.is_some()) {
            all.sort_by_key(|link| link.order);
        }
        let count = u32::try_from(all.len()).map_err(|_| Error::InvalidData("too many links".into()))?;
        let mut by_name: Vec<u32> = (0..count).collect();
        by_name.sort_by(|a, b| all[*a as usize].name.cmp(&all[*b as usize].name));
        let links = Arc::new(Self { all, by_name });
        core.remember(address, &links);
        Ok(links)
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Link> {
        self.all.iter()
    }

    pub(super) fn find(&self, name: &str) -> Option<&Link> {
        let at = self
            .by_name
            .binary_search_by(|at| self.all[*at as usize].name.as_str().cmp(name));
        at.ok().map(|at| &self.all[self.by_name[at] as usize])
    }
}

impl Place {
    /// What a link of this group leads to.
    ///
    /// # Errors
    /// If it leads nowhere.
    pub(super) fn follow(&self, link: &Link) -> Result<Self, Error> {
        self.step(link, &mut 0)
    }

    fn step(&self, link: &Link, steps: &mut u32) -> Result<Self, Error> {
        *steps += 1;
        if *steps > MOST_STEPS {
            return Err(Error::InvalidData("it is a link that leads to itself".into()));
        }
        let nowhere = |path: &str| Error::InvalidData(format!("it is a link to {path:?}, which is not there"));
        match &link.target {
            LinkTarget::Hard { address } => Ok(Self {
                core: Arc::clone(&self.core),
                address: *address,
            }),
            LinkTarget::Soft { path } => self.walk(path, steps)?.ok_or_else(|| nowhere(path)),
            LinkTarget::External { filename, path } => {
                let core = self.core.file(filename)?;
                let root = Self {
                    address: core.root,
                    core,
                };
                let found = root.walk(path, steps)?;
                found.ok_or_else(|| nowhere(&format!("{filename}:{path}")))
            }
        }
    }

    /// What is at a path from this group, or from the top.
    pub(super) fn walk(&self, path: &str, steps: &mut u32) -> Result<Option<Self>, Error> {
        let mut at = self.clone();
        if path.starts_with('/') {
            at.address = self.core.root;
        }
        for name in path.split('/').filter(|name| !name.is_empty() && *name != ".") {
            let links = Links::of(&at.core, at.address)?;
            match links.find(name) {
                Some(link) => at = at.step(link, steps)?,
                None => return Ok(None),
            }
        }
        Ok(Some(at))
    }
}

/// One link from its message.
fn push(core: &Core, message: &[u8], to: &mut Vec<Link>) -> Result<(), Error> {
    let mut cursor = Cursor::new(message);
    match link::parse(&mut cursor, core.offset_size, core.length_size, message.len()) {
        Ok(link) => {
            to.push(Link {
                name: link.name,
                target: link.target,
                order: link.creation_order,
            });
            Ok(())
        }
        // A kind that some library has made up.
        Err(Error::UnsupportedLinkType(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Many links: the messages in a heap, and a tree of where they are.
fn dense(core: &Core, message: &[u8], to: &mut Vec<Link>) -> Result<(), Error> {
    let (offsets, lengths) = (core.offset_size, core.length_size);
    let info = link_info::parse(&mut Cursor::new(message), offsets, lengths, message.len())?;
    if Cursor::is_undefined_offset(info.fractal_heap_address, offsets) {
        return Ok(());
    }
    let heap = Heap::at(core, info.fractal_heap_address)?;
    let storage = core.storage.as_ref();
    let tree = BTreeV2Header::parse_at_storage(storage, info.btree_name_index_address, offsets, lengths)?;
    for record in collect_btree_v2_records_storage(storage, &tree, offsets, lengths, None, &[], None)? {
        if let BTreeV2Record::LinkNameHash { heap_id, .. } | BTreeV2Record::CreationOrder { heap_id, .. } = record {
            push(core, &heap.object(core, &heap_id)?, to)?;
        }
    }
    Ok(())
}

/// Links of HDF5 before 1.8.
fn symbols(core: &Core, message: &[u8], to: &mut Vec<Link>) -> Result<(), Error> {
    let (offsets, lengths) = (core.offset_size, core.length_size);
    let storage = core.storage.as_ref();
    let table = symbol_table_msg::parse(&mut Cursor::new(message), offsets, lengths, message.len())?;
    let heap = LocalHeap::parse_at_storage(storage, table.heap_address, offsets, lengths)?;
    let length = usize::try_from(heap.data_segment_size).map_err(|_| Error::InvalidLocalHeapSignature)?;
    let names = storage.read_range(heap.data_segment_address, length)?;
    let name = |at: u64| {
        let bytes = usize::try_from(at).ok().and_then(|at| names.get(at..));
        let bytes = bytes.and_then(|bytes| bytes.split(|byte| *byte == 0).next());
        bytes
            .map(|bytes| String::from_utf8_lossy(bytes).into_owned())
            .ok_or_else(|| Error::InvalidData("a link's name is not in the file".into()))
    };
    // An entry: two addresses, two numbers of four bytes, sixteen bytes of what kind it is.
    let entry = 2 * u64::from(offsets) + 24;
    let most = core.has() / entry;
    for (_, node) in collect_btree_v1_leaves_storage(storage, table.btree_address, offsets, lengths, None, &[], None)? {
        let head = storage.read_range(node, 8)?;
        let count = u64::from(u16::from_le_bytes([head[6], head[7]]));
        if (to.len() as u64).saturating_add(count) > most {
            return Err(Error::InvalidData("more links than the file has bytes for".into()));
        }
        let bytes = storage.read_range(node, (8 + count * entry) as usize)?;
        for symbol in SymbolTableNode::parse(&mut Cursor::new(&bytes), offsets, lengths)?.entries {
            let [a, b, c, d, ..] = symbol.scratch;
            let target = match symbol.cache_type {
                SOFT => LinkTarget::Soft {
                    path: name(u64::from(u32::from_le_bytes([a, b, c, d])))?,
                },
                _ => LinkTarget::Hard {
                    address: symbol.object_header_address,
                },
            };
            to.push(Link {
                name: name(symbol.link_name_offset)?,
                target,
                order: None,
            });
        }
    }
    Ok(())
}
