//! HDF5 files as sources of arrays.
//!
//! What is in a chunk, an index of chunks, an attribute, is read by `hdf5-reader`. What leads to it is read here, from the
//! bytes of the format: links and types, and virtual datasets. An object is opened when it is asked for, by name, and
//! nothing is kept of it, so that one that nobody needs neither takes memory nor makes a file unreadable.

mod array;
mod core;
mod filters;
mod heap;
mod links;
mod objects;
mod reading;
mod types;
mod view;
mod virtual_dataset;

use std::ops::Range;
use std::sync::Arc;

use hdf5_reader::Attribute;
use hdf5_reader::error::Error;

use super::array::{Element, Header, Source};
use super::memory::Budget;
use super::note::FileNote;
use super::{ArrayInfo, Content, ReadError};
use array::Stored;
use core::Core;
use links::{Links, Place};
use objects::{Kind, Object};
pub(super) use reading::Reading;
use types::Numbers;
#[cfg(test)]
use types::Type;

/// Groups of groups are followed this far down; a damaged file may hold a group that holds itself.
const DEPTH: usize = 4;
/// Arrays that are listed at most.
const LISTED: usize = 500;
/// Bytes of a string that is read at most.
const STRING: u64 = 1 << 16;

/// An open file.
pub(super) struct File {
    root: Group,
}

/// A group of a file: where it is, and nothing else, so that there may be one an episode.
#[derive(Clone)]
pub(super) struct Group {
    place: Place,
    name: String,
}

/// What a link leads to.
enum Member {
    Group(Place),
    Array(Stored),
}

impl File {
    /// Opens a file and reads its superblock.
    pub(super) fn open(content: &Content, budget: Budget) -> Result<Self, ReadError> {
        let core = Core::open(content, budget).map_err(|error| ReadError::Unreadable {
            place: "HDF5 file".into(),
            reason: error.to_string(),
        })?;
        let root = Group {
            place: Place {
                address: core.root,
                core,
            },
            name: String::new(),
        };
        // A damaged root is an error here and not where something is missed.
        Links::of(&root.place.core, root.place.address).map_err(root.place.core.unreadable("HDF5 file"))?;
        Ok(Self { root })
    }

    /// The group at the top.
    pub(super) fn root(&self) -> Group {
        self.root.clone()
    }

    /// The strings of the group `metadata` and the string attributes of the file, as far as they can be read: nothing
    /// depends on them.
    pub(super) fn metadata(&self) -> Vec<(String, String)> {
        let mut found = Vec::new();
        for attribute in self.root.attributes() {
            if let Ok(value) = attribute.read_string() {
                found.push((attribute.name, value));
            }
        }
        if let Some(group) = self.root.group("metadata") {
            walk(&group, "", DEPTH, &mut |name, stored| {
                let dataset = (stored.len() == 1).then(|| stored.open().ok()).flatten();
                let short =
                    |dataset: &hdf5_reader::Dataset| dataset.raw_byte_len().is_ok_and(|length| length as u64 <= STRING);
                if let Some(value) = dataset.filter(short).and_then(|dataset| dataset.read_string().ok()) {
                    found.push((name.into(), value));
                }
                found.len() < LISTED
            });
        }
        found
    }

    /// What is odd about the file as a whole.
    pub(super) fn notes(&self) -> Vec<FileNote> {
        let core = &self.root.place.core;
        let not_closed = core.open_for_writing.then_some(FileNote::NotClosed);
        let cut_off = core.cut_off().then(|| FileNote::CutOff {
            has: core.has(),
            says: core.says,
        });
        not_closed.into_iter().chain(cut_off).collect()
    }
}

impl Group {
    /// Its name in the group that it was found in.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    fn links(&self) -> Result<Arc<Links>, Error> {
        Links::of(&self.place.core, self.place.address)
    }

    /// What is there by a name.
    fn member(&self, name: &str) -> Result<Option<Member>, Error> {
        let links = self.links()?;
        let Some(link) = links.find(name) else {
            return Ok(None);
        };
        let place = self.place.follow(link)?;
        let object = Object::at(&place.core, place.address)?;
        match object.kind() {
            Kind::Group => Ok(Some(Member::Group(place))),
            Kind::Dataset => Stored::of(place, object).map(|stored| Some(Member::Array(stored))),
            Kind::Other => Ok(None),
        }
    }

    /// A group of this group; none where there is no such group.
    pub(super) fn group(&self, name: &str) -> Option<Self> {
        match self.member(name) {
            Ok(Some(Member::Group(place))) => Some(Self {
                place,
                name: name.into(),
            }),
            _ => None,
        }
    }

    /// All groups of this group, in the order of the file.
    pub(super) fn groups(&self) -> Result<Vec<Self>, ReadError> {
        let links = self.links().map_err(self.place.core.unreadable(self.shown()))?;
        let groups = links.iter().filter_map(|link| {
            let place = self.place.follow(link).ok()?;
            let kind = Object::at(&place.core, place.address).ok()?.kind();
            let name = link.name.clone();
            (kind == Kind::Group).then_some(Self { place, name })
        });
        Ok(groups.collect())
    }

    /// The names of all groups and of all arrays. What cannot be opened counts as an array: to read it says why.
    pub(super) fn member_names(&self) -> Result<(Vec<String>, Vec<String>), ReadError> {
        let links = self.links().map_err(self.place.core.unreadable(self.shown()))?;
        let (mut groups, mut arrays) = (Vec::new(), Vec::new());
        for link in links.iter() {
            let place = self.place.follow(link);
            let kind = place.and_then(|place| Ok(Object::at(&place.core, place.address)?.kind()));
            match kind {
                Ok(Kind::Group) => groups.push(link.name.clone()),
                Ok(Kind::Dataset) | Err(_) => arrays.push(link.name.clone()),
                Ok(Kind::Other) => {}
            }
        }
        Ok((groups, arrays))
    }

    /// An array of strings, of so many bytes at most.
    pub(super) fn strings(&self, name: &str, most: u64) -> Result<Vec<String>, ReadError> {
        let unreadable = || self.place.core.unreadable(name);
        let Some(Member::Array(stored)) = self.member(name).map_err(unreadable())? else {
            return Err(unreadable()(Error::DatasetNotFound(name.into())));
        };
        let dataset = stored.open().map_err(unreadable())?;
        let bytes = dataset.raw_byte_len().map_err(unreadable())? as u64;
        if bytes > most {
            return Err(ReadError::Unreadable {
                place: name.into(),
                reason: format!("{bytes} bytes of strings, expected {most} at most"),
            });
        }
        dataset.read_strings().map_err(unreadable())
    }

    fn shown(&self) -> &str {
        if self.name.is_empty() { "HDF5 file" } else { &self.name }
    }

    /// All attributes that can be read.
    pub(super) fn attributes(&self) -> Vec<Attribute> {
        let group = view::group(&self.place);
        group.and_then(|group| group.attributes()).unwrap_or_default()
    }

    /// An attribute; none where it is not there or cannot be read.
    pub(super) fn attribute(&self, name: &str) -> Option<Attribute> {
        self.attributes().into_iter().find(|attribute| attribute.name == name)
    }
}

/// All arrays of a group, by their paths.
pub(super) fn list(group: &Group, prefix: &str) -> Vec<ArrayInfo> {
    let mut found = Vec::new();
    walk(group, prefix, DEPTH, &mut |name, stored| {
        let header = header(stored, &stored.of.numbers());
        found.push(ArrayInfo {
            name: name.into(),
            shape: header.shape,
            dtype: header.element.name(),
        });
        found.len() < LISTED
    });
    found
}

/// Shows every array with its path, until told to stop.
fn walk(group: &Group, prefix: &str, depth: usize, show: &mut dyn FnMut(&str, &Stored) -> bool) -> bool {
    let Ok(links) = group.links() else { return true };
    let mut groups = Vec::new();
    for link in links.iter() {
        match group.member(&link.name) {
            Ok(Some(Member::Array(stored))) if !show(&format!("{prefix}{}", link.name), &stored) => return false,
            Ok(Some(Member::Group(place))) if groups.len() < LISTED => groups.push(Group {
                place,
                name: link.name.clone(),
            }),
            // One that cannot be opened is not shown. Where it matters, reading it says why.
            _ => {}
        }
    }
    for group in groups {
        let Some(depth) = depth.checked_sub(1) else { break };
        if !walk(&group, &format!("{prefix}{}/", group.name), depth, show) {
            return false;
        }
    }
    true
}

/// The arrays of a group.
pub(super) struct Arrays {
    group: Group,
    prefix: String,
    groups: Vec<String>,
    datasets: Vec<String>,
}

impl Arrays {
    pub(super) fn of(group: Group, prefix: &str) -> Result<Self, ReadError> {
        let (groups, datasets) = group.member_names()?;
        Ok(Self {
            group,
            prefix: prefix.into(),
            groups,
            datasets,
        })
    }

    /// The array by a name, or a column of a table as `table.column`; none where there is neither.
    fn open(&self, key: &str) -> Result<Option<(Stored, Numbers)>, Error> {
        if let Some(Member::Array(stored)) = self.group.member(key)? {
            let numbers = stored.of.numbers();
            return Ok(Some((stored, numbers)));
        }
        for (at, _) in key.match_indices('.') {
            let (table, column) = (&key[..at], &key[at + 1..]);
            if let Some(Member::Array(stored)) = self.group.member(table)? {
                let numbers = stored.of.field(column).map(|(offset, of)| of.numbers_at(offset));
                return Ok(numbers.map(|numbers| (stored, numbers)));
            }
        }
        Ok(None)
    }

    fn unreadable(&self, key: &str) -> impl FnOnce(Error) -> ReadError + use<> {
        self.group.place.core.unreadable(&self.place(key))
    }

    /// An array that is read some rows at a time.
    pub(super) fn reading(&self, key: &str) -> Result<Reading, ReadError> {
        let opened = self.open(key).map_err(self.unreadable(key))?;
        let Some((stored, numbers)) = opened else {
            return Err(self.unreadable(key)(Error::DatasetNotFound(key.into())));
        };
        Reading::new(stored, numbers, self.place(key))
    }
}

impl Source for Arrays {
    fn place(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    fn header(&mut self, key: &str) -> Result<Option<Header>, ReadError> {
        if !self.groups.iter().any(|name| name == key) {
            let opened = self.open(key).map_err(self.unreadable(key))?;
            return Ok(opened.map(|(stored, numbers)| header(&stored, &numbers)));
        }
        let place = self.place(key);
        let inner = self.group.group(key).map(|group| group.member_names());
        let (mut members, datasets) = inner.transpose()?.unwrap_or_default();
        members.extend(datasets);
        members.sort();
        Err(ReadError::Group { key: place, members })
    }

    fn keys(&self) -> Vec<String> {
        let mut keys: Vec<String> = self.datasets.clone();
        keys.extend(self.groups.iter().map(|name| format!("{name}/")));
        keys
    }

    fn bytes(&mut self, key: &str, _: &Header) -> Result<Vec<u8>, ReadError> {
        let opened = self.open(key).map_err(self.unreadable(key))?;
        let Some((stored, numbers)) = opened else {
            return Err(self.unreadable(key)(Error::DatasetNotFound(key.into())));
        };
        let raw = stored.len().saturating_mul(u64::from(stored.of.size));
        let budget = self.group.place.core.budget;
        budget.check(raw.saturating_add(numbers.converted(stored.len())))?;
        let raw = stored.raw(array::MOST_DEPTH);
        raw.and_then(|raw| numbers.convert(raw, stored.of.size))
            .map_err(self.unreadable(key))
    }

    fn range(&mut self, key: &str, _: &Header, rows: Range<u64>) -> Result<Vec<u8>, ReadError> {
        let mut reading = self.reading(key)?;
        reading.rows(rows)
    }
}

fn header(stored: &Stored, numbers: &Numbers) -> Header {
    let shape = [stored.shape.clone(), numbers.dims.clone()].concat();
    let (element, order) = match &numbers.element {
        // The sizes of what is no number are not needed.
        other @ Element::Other(_) => (other.clone(), super::array::Order::Little),
        element => (element.clone(), numbers.order),
    };
    Header { shape, element, order }
}

#[cfg(test)]
mod tests;
