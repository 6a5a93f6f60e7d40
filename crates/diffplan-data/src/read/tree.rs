//! A whole file as a source of arrays by path: `data/demo_0/obs/object`. Groups are called by their path with a slash at
//! the end, the top by nothing.

use std::collections::HashMap;
use std::ops::Range;

use super::array::{Header, Source};
use super::hdf5::{self, Arrays, Group, Reading};
use super::npz::Archive;
use super::{ArrayInfo, FileNote, ReadError};

/// Groups whose names are kept at a time. A part of a file has few.
const OPEN: usize = 8;
/// Bytes of an array of strings that is read at most.
const STRINGS: u64 = 1 << 24;

/// The names in a group, sorted.
#[derive(Debug, Default, Clone)]
pub(super) struct Members {
    pub(super) groups: Vec<String>,
    pub(super) arrays: Vec<String>,
}

impl Members {
    pub(super) fn has(&self, array: &str) -> bool {
        self.arrays.iter().any(|name| name == array)
    }

    pub(super) fn has_group(&self, group: &str) -> bool {
        self.groups.iter().any(|name| name == group)
    }
}

/// A file that holds arrays by path.
pub(super) trait Tree: Source {
    /// What a group holds; none where there is no such group.
    fn members(&self, group: &str) -> Result<Option<Members>, ReadError>;
    /// Opens the groups in a group once for all, where each of them will be asked for.
    fn open_groups(&mut self, _group: &str) -> Result<(), ReadError> {
        Ok(())
    }
    /// A group's attribute that is a string.
    fn text(&self, _group: &str, _attribute: &str) -> Option<String> {
        None
    }
    /// A group's attribute that is a number.
    fn number(&self, _group: &str, _attribute: &str) -> Option<f64> {
        None
    }
    /// An array of strings.
    fn strings(&mut self, key: &str) -> Result<Vec<String>, ReadError>;
    /// All arrays of a group, by their paths.
    fn list(&mut self, group: &str) -> Vec<ArrayInfo>;
    /// What is odd about the file as a whole.
    fn notes(&self) -> Vec<FileNote> {
        Vec::new()
    }
    /// What the file says of itself in strings.
    fn metadata(&self) -> Vec<(String, String)> {
        Vec::new()
    }
}

/// Group and name of a path.
fn split(path: &str) -> (&str, &str) {
    path.rfind('/').map_or(("", path), |at| path.split_at(at + 1))
}

/// An HDF5 file.
pub(super) struct Hdf5 {
    file: hdf5::File,
    root: Group,
    /// The groups of groups that have many.
    opened: HashMap<String, Group>,
    /// The last one is the newest.
    listed: Vec<(String, Arrays)>,
    /// Arrays that are read some rows at a time.
    reading: HashMap<String, Reading>,
}

impl Hdf5 {
    pub(super) fn new(file: hdf5::File) -> Self {
        Self {
            root: file.root(),
            file,
            opened: HashMap::new(),
            listed: Vec::new(),
            reading: HashMap::new(),
        }
    }

    fn group(&self, path: &str) -> Result<Option<Group>, ReadError> {
        let Some(path) = path.strip_suffix('/') else {
            return Ok(Some(self.root.clone()));
        };
        if let Some(group) = self.opened.get(path) {
            return Ok(Some(group.clone()));
        }
        let (parent, name) = split(path);
        let Some(parent) = self.group(parent)? else {
            return Ok(None);
        };
        // By name alone: the names of a group with many members are listed once, in `open_groups`.
        Ok(parent.group(name))
    }

    fn arrays(&mut self, path: &str) -> Result<Option<&mut Arrays>, ReadError> {
        if let Some(at) = self.listed.iter().position(|(own, _)| own == path) {
            let found = self.listed.remove(at);
            self.listed.push(found);
        } else {
            let Some(group) = self.group(path)? else {
                return Ok(None);
            };
            let arrays = Arrays::of(group, path)?;
            if self.listed.len() == OPEN {
                self.listed.remove(0);
            }
            self.listed.push((path.to_owned(), arrays));
        }
        Ok(self.listed.last_mut().map(|(_, arrays)| arrays))
    }
}

impl Source for Hdf5 {
    fn place(&self, key: &str) -> String {
        key.into()
    }

    fn header(&mut self, key: &str) -> Result<Option<Header>, ReadError> {
        let (group, name) = split(key);
        match self.arrays(group)? {
            Some(arrays) => arrays.header(name),
            None => Ok(None),
        }
    }

    fn keys(&self) -> Vec<String> {
        keys(self, "")
    }

    fn bytes(&mut self, key: &str, header: &Header) -> Result<Vec<u8>, ReadError> {
        let (group, name) = split(key);
        match self.arrays(group)? {
            Some(arrays) => arrays.bytes(name, header),
            None => Err(gone(key)),
        }
    }

    fn range(&mut self, key: &str, header: &Header, rows: Range<u64>) -> Result<Vec<u8>, ReadError> {
        if self
            .reading
            .get(key)
            .is_none_or(|reading| !reading.goes_on_at(rows.start))
        {
            let (group, name) = split(key);
            let arrays = self.arrays(group)?.ok_or_else(|| gone(key))?;
            let reading = arrays.reading(name)?;
            self.reading.insert(key.to_owned(), reading);
        }
        let Some(reading) = self.reading.get_mut(key) else {
            return Err(gone(key));
        };
        let bytes = reading.rows(rows.clone())?;
        if rows.end >= header.rows() {
            self.reading.remove(key);
        }
        Ok(bytes)
    }
}

fn gone(key: &str) -> ReadError {
    ReadError::MissingKey {
        key: key.into(),
        present: Vec::new(),
    }
}

/// Arrays and groups of a group, as messages list them.
fn keys(tree: &dyn Tree, group: &str) -> Vec<String> {
    let Members { groups, mut arrays } = tree.members(group).ok().flatten().unwrap_or_default();
    arrays.extend(groups.into_iter().map(|name| format!("{name}/")));
    arrays
}

impl Tree for Hdf5 {
    fn members(&self, group: &str) -> Result<Option<Members>, ReadError> {
        let Some(found) = self.group(group)? else {
            return Ok(None);
        };
        let (mut groups, mut arrays) = found.member_names()?;
        groups.sort();
        arrays.sort();
        Ok(Some(Members { groups, arrays }))
    }

    fn open_groups(&mut self, path: &str) -> Result<(), ReadError> {
        let Some(group) = self.group(path)? else {
            return Ok(());
        };
        for group in group.groups()? {
            self.opened.insert(format!("{path}{}", group.name()), group);
        }
        Ok(())
    }

    fn text(&self, group: &str, attribute: &str) -> Option<String> {
        let group = self.group(group).ok().flatten()?;
        group.attribute(attribute)?.read_string().ok()
    }

    fn number(&self, group: &str, attribute: &str) -> Option<f64> {
        let group = self.group(group).ok().flatten()?;
        group.attribute(attribute)?.read_as_f64().ok()
    }

    fn strings(&mut self, key: &str) -> Result<Vec<String>, ReadError> {
        let (group, name) = split(key);
        let group = self.group(group)?.ok_or_else(|| gone(key))?;
        group.strings(name, STRINGS)
    }

    fn list(&mut self, group: &str) -> Vec<ArrayInfo> {
        match self.group(group) {
            Ok(Some(found)) => hdf5::list(&found, group),
            _ => Vec::new(),
        }
    }

    fn metadata(&self) -> Vec<(String, String)> {
        self.file.metadata()
    }

    fn notes(&self) -> Vec<FileNote> {
        self.file.notes()
    }
}

impl Tree for Archive {
    fn members(&self, group: &str) -> Result<Option<Members>, ReadError> {
        let mut members = Members::default();
        for name in self.keys() {
            match name.strip_prefix(group).map(|name| name.split_once('/')) {
                None => {}
                Some(Some((inner, _))) if members.has_group(inner) => {}
                Some(Some((inner, _))) => members.groups.push(inner.to_owned()),
                Some(None) => members.arrays.push(name[group.len()..].to_owned()),
            }
        }
        let empty = members.groups.is_empty() && members.arrays.is_empty();
        Ok((group.is_empty() || !empty).then_some(members))
    }

    fn strings(&mut self, key: &str) -> Result<Vec<String>, ReadError> {
        Err(ReadError::Unreadable {
            place: key.into(),
            reason: "strings of npz files are not read".into(),
        })
    }

    fn list(&mut self, _: &str) -> Vec<ArrayInfo> {
        Self::list(self)
    }

    fn metadata(&self) -> Vec<(String, String)> {
        Self::metadata(self)
    }
}

/// A group of a file, in which arrays are called by what is left of their path.
pub(super) struct Scope<'a> {
    pub(super) tree: &'a mut dyn Tree,
    pub(super) prefix: &'a str,
    /// Whether arrays of more than two dimensions are rows of as many values, and single numbers arrays of one.
    pub(super) flatten: bool,
}

impl Scope<'_> {
    fn path(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    /// What there is instead of an array that is not there: its neighbours, or all in the group.
    pub(super) fn near(&self, key: &str) -> Vec<String> {
        let (group, _) = split(key);
        let neighbours = keys(self.tree, &self.path(group));
        match neighbours.is_empty() {
            true => self.keys(),
            false => neighbours.into_iter().map(|name| format!("{group}{name}")).collect(),
        }
    }
}

impl Source for Scope<'_> {
    fn place(&self, key: &str) -> String {
        self.tree.place(&self.path(key))
    }

    fn header(&mut self, key: &str) -> Result<Option<Header>, ReadError> {
        let path = self.path(key);
        let mut header = self.tree.header(&path)?;
        if let (Some(header), true) = (&mut header, self.flatten) {
            match header.shape[..] {
                [] => header.shape = vec![1],
                [rows, ref inner @ ..] if inner.len() > 1 => {
                    let values = inner.iter().fold(1, |product: u64, &size| product.saturating_mul(size));
                    header.shape = vec![rows, values];
                }
                _ => {}
            }
        }
        Ok(header)
    }

    fn keys(&self) -> Vec<String> {
        keys(self.tree, self.prefix)
    }

    fn bytes(&mut self, key: &str, header: &Header) -> Result<Vec<u8>, ReadError> {
        let path = self.path(key);
        self.tree.bytes(&path, header)
    }

    fn range(&mut self, key: &str, header: &Header, rows: Range<u64>) -> Result<Vec<u8>, ReadError> {
        let path = self.path(key);
        self.tree.range(&path, header, rows)
    }
}
