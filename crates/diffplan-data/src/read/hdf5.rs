//! HDF5 files as sources of arrays.

use std::sync::Arc;

use hdf5_reader::{Attribute, ByteOrder, Dataset, Datatype, Hdf5File, OpenOptions, VarLenKind};

use super::array::{Element, Header, Order, Source};
use super::memory::Budget;
use super::{ArrayInfo, Content, ReadError};

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

/// A group of a file.
#[derive(Clone)]
pub(super) struct Group(hdf5_reader::group::Group);

impl File {
    /// Opens a file and reads its header.
    pub(super) fn open(content: &Content, budget: Budget) -> Result<Self, ReadError> {
        let options = OpenOptions::default()
            // Every chunk is read once.
            .with_chunk_cache_bytes(0)
            .with_max_read_bytes(budget.limit())
            .with_max_chunk_bytes(budget.limit());
        let file = match content {
            Content::File(path) => Hdf5File::open_with_options(path, options),
            Content::Bytes(bytes) => Hdf5File::from_shared_bytes_with_options(Arc::clone(bytes), options),
        };
        let root = file.and_then(|file| file.root_group());
        let root = root.map_err(unreadable("HDF5 file"))?;
        Ok(Self { root: Group(root) })
    }

    /// The group at the top.
    pub(super) fn root(&self) -> Group {
        self.root.clone()
    }

    /// The strings of the group `metadata` and the string attributes of the file, as far as they can be read: nothing
    /// depends on them.
    pub(super) fn metadata(&self) -> Vec<(String, String)> {
        let mut found = Vec::new();
        for attribute in self.root.0.attributes().unwrap_or_default() {
            if let Ok(value) = attribute.read_string() {
                found.push((attribute.name, value));
            }
        }
        if let Some(group) = self.root.group("metadata") {
            walk(&group, "", DEPTH, &mut |name, dataset| {
                let short = dataset.raw_byte_len().is_ok_and(|length| length as u64 <= STRING);
                let scalar = dataset.num_elements().is_ok_and(|count| count == 1);
                if let (true, true, Ok(value)) = (short, scalar, dataset.read_string()) {
                    found.push((name.into(), value));
                }
                found.len() < LISTED
            });
        }
        found
    }
}

impl Group {
    /// Its name in the group that it was found in.
    pub(super) fn name(&self) -> &str {
        self.0.name()
    }

    /// A group of this group; none where there is no such group.
    pub(super) fn group(&self, name: &str) -> Option<Self> {
        self.0.group(name).ok().map(Self)
    }

    /// All groups of this group, in the order of the file.
    pub(super) fn groups(&self) -> Result<Vec<Self>, ReadError> {
        let groups = self.0.groups().map_err(unreadable("HDF5 groups"))?;
        Ok(groups.into_iter().map(Self).collect())
    }

    /// The names of all groups and of all arrays.
    pub(super) fn member_names(&self) -> Result<(Vec<String>, Vec<String>), ReadError> {
        let shown = if self.name().is_empty() {
            "HDF5 file"
        } else {
            self.name()
        };
        self.0.member_names().map_err(unreadable(shown))
    }

    /// An attribute; none where it is not there or cannot be read.
    pub(super) fn attribute(&self, name: &str) -> Option<Attribute> {
        self.0.attribute(name).ok()
    }

    /// An array of strings, of so many bytes at most.
    pub(super) fn strings(&self, name: &str, most: u64) -> Result<Vec<String>, ReadError> {
        let dataset = self.0.dataset(name).map_err(unreadable(name))?;
        let bytes = dataset.raw_byte_len().map_err(unreadable(name))?;
        if bytes as u64 > most {
            return Err(ReadError::Unreadable {
                place: name.into(),
                reason: format!("{bytes} bytes of strings, expected {most} at most"),
            });
        }
        dataset.read_strings().map_err(unreadable(name))
    }
}

/// All arrays of a group, by their paths.
pub(super) fn list(group: &Group, prefix: &str) -> Vec<ArrayInfo> {
    let mut found = Vec::new();
    walk(group, prefix, DEPTH, &mut |name, dataset| {
        let header = header(dataset);
        found.push(ArrayInfo {
            name: name.into(),
            shape: header.shape,
            dtype: header.element.name(),
        });
        found.len() < LISTED
    });
    found
}

/// Shows every dataset with its path, until told to stop.
fn walk(group: &Group, prefix: &str, depth: usize, show: &mut dyn FnMut(&str, &Dataset) -> bool) -> bool {
    let Ok((groups, datasets)) = group.member_names() else {
        return true;
    };
    for name in datasets {
        // One that cannot be opened is not shown. Where it matters, reading it says why.
        if let Ok(dataset) = group.0.dataset(&name)
            && !show(&format!("{prefix}{name}"), &dataset)
        {
            return false;
        }
    }
    for name in groups {
        let Some(depth) = depth.checked_sub(1) else { break };
        if let Some(inner) = group.group(&name)
            && !walk(&inner, &format!("{prefix}{name}/"), depth, show)
        {
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

    fn dataset(&self, key: &str) -> Result<Dataset, ReadError> {
        self.group.0.dataset(key).map_err(unreadable(&self.place(key)))
    }
}

impl Source for Arrays {
    fn place(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    fn header(&mut self, key: &str) -> Result<Option<Header>, ReadError> {
        if self.datasets.iter().any(|name| name == key) {
            return Ok(Some(header(&self.dataset(key)?)));
        }
        if !self.groups.iter().any(|name| name == key) {
            return Ok(None);
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
        let dataset = self.dataset(key)?;
        dataset.read_raw_bytes().map_err(unreadable(&self.place(key)))
    }
}

fn header(dataset: &Dataset) -> Header {
    let (element, order) = element(dataset.dtype());
    Header {
        shape: dataset.shape().to_vec(),
        element,
        order,
    }
}

fn element(datatype: &Datatype) -> (Element, Order) {
    let order = |order: &ByteOrder| match order {
        ByteOrder::LittleEndian => Order::Little,
        ByteOrder::BigEndian => Order::Big,
    };
    let other = |name: &str| (Element::Other(name.into()), Order::Little);
    match datatype {
        Datatype::FloatingPoint { size: 4, byte_order } => (Element::Float32, order(byte_order)),
        Datatype::FloatingPoint { size: 8, byte_order } => (Element::Float64, order(byte_order)),
        Datatype::FloatingPoint { size, .. } => other(&format!("float{}", 8 * usize::from(*size))),
        Datatype::FixedPoint {
            size: size @ (1 | 2 | 4 | 8),
            signed,
            byte_order,
        } => {
            let integer = Element::Integer {
                size: usize::from(*size),
                signed: *signed,
            };
            (integer, order(byte_order))
        }
        Datatype::FixedPoint { size, .. } => other(&format!("{size}-byte integers")),
        // As h5py writes NumPy's bool.
        Datatype::Enum { base, members } if matches!(**base, Datatype::FixedPoint { size: 1, .. }) => {
            let value = |name: &str| {
                members
                    .iter()
                    .find(|member| member.name == name)
                    .map(|member| &member.value[..])
            };
            match (members.len(), value("FALSE"), value("TRUE")) {
                (2, Some([0]), Some([1])) => (Element::Bool, Order::Little),
                _ => other("an enumeration"),
            }
        }
        Datatype::Enum { .. } => other("an enumeration"),
        Datatype::String { .. } => other("strings"),
        Datatype::Compound { .. } => other("a compound type"),
        Datatype::Array { .. } => other("arrays"),
        Datatype::VarLen {
            kind: VarLenKind::String,
            ..
        } => other("strings"),
        Datatype::VarLen { .. } => other("sequences of variable length"),
        Datatype::Opaque { .. } => other("opaque bytes"),
        Datatype::Reference { .. } => other("references"),
        Datatype::Bitfield { .. } => other("bit fields"),
    }
}

fn unreadable(place: &str) -> impl FnOnce(hdf5_reader::error::Error) -> ReadError {
    move |error| ReadError::Unreadable {
        place: place.into(),
        reason: match innermost(error) {
            hdf5_reader::error::Error::UnsupportedFilter(filter) if filter.contains("32000") => {
                "compressed with LZF, which is not supported: write it with gzip".into()
            }
            other => other.to_string(),
        },
    }
}

/// Without the paths around it: places are said in our own words.
fn innermost(mut error: hdf5_reader::error::Error) -> hdf5_reader::error::Error {
    while let hdf5_reader::error::Error::Context { source, .. } = error {
        error = *source;
    }
    error
}
