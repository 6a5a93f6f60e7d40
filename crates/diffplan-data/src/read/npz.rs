//! NumPy's `.npz` archives as sources of arrays.
//!
//! An array's header is read before the array is, and its bytes are decoded like those of HDF5: a header that claims too
//! much must not be believed, and `ndarray-npy` reads header and array in one go.

use std::cell::RefCell;
use std::fs;
use std::io::{BufReader, Cursor, Read, Seek};
use std::sync::Arc;

use py_literal::Value;
use zip::ZipArchive;

use super::array::{Element, Header, Order, Source, reserved};
use super::{ArrayInfo, Content, ReadError};

/// Bytes of a header's dictionary at most. That of an array of numbers takes some 120.
const DICTIONARY: u64 = 4096;

/// Characters of a string that is read at most.
const STRING: u64 = 1 << 16;

/// Brackets within brackets of a header: a dictionary, of it the list of a compound type's fields, of those each with a shape.
const MOST_DEPTH: usize = 5;

/// What an archive is read from.
trait ReadSeek: Read + Seek {}
impl<T: Read + Seek> ReadSeek for T {}

/// An open archive.
pub(super) struct Archive {
    zip: RefCell<ZipArchive<Box<dyn ReadSeek>>>,
    keys: Vec<String>,
}

/// What stands before the numbers.
struct Npy {
    header: Header,
    /// First axis fastest.
    fortran: bool,
    /// Of strings in Unicode: characters of each.
    characters: Option<u64>,
}

impl Archive {
    pub(super) fn open(content: &Content) -> Result<Self, ReadError> {
        let source: Box<dyn ReadSeek> = match content {
            Content::File(path) => Box::new(BufReader::new(fs::File::open(path).map_err(unreadable("npz file"))?)),
            Content::Bytes(bytes) => Box::new(Cursor::new(Arc::clone(bytes))),
        };
        let zip = ZipArchive::new(source).map_err(unreadable("npz file"))?;
        let keys = zip.file_names().filter_map(|name| name.strip_suffix(".npy"));
        let mut keys: Vec<String> = keys.map(str::to_owned).collect();
        keys.sort();
        Ok(Self {
            zip: RefCell::new(zip),
            keys,
        })
    }

    /// What the archive says of itself: strings named `metadata/…`, as far as they can be read.
    pub(super) fn metadata(&self) -> Vec<(String, String)> {
        let named = self
            .keys
            .iter()
            .filter_map(|key| Some((key, key.strip_prefix("metadata/")?)));
        let text = |(key, name): (&String, &str)| Some((name.to_owned(), self.text(key)?));
        named.filter_map(text).collect()
    }

    /// A single string.
    fn text(&self, key: &str) -> Option<String> {
        // Looking at an archive changes where it stands.
        let mut zip = self.zip.borrow_mut();
        let mut entry = zip.by_name(&format!("{key}.npy")).ok()?;
        let npy = npy(key, &mut entry).ok()?;
        let characters = npy
            .characters
            .filter(|count| *count <= STRING && matches!(npy.header.shape[..], [] | [1]))?;
        let mut bytes = Vec::new();
        entry.take(4 * characters).read_to_end(&mut bytes).ok()?;
        let (codes, _) = bytes.as_chunks::<4>();
        let text: Option<String> = codes
            .iter()
            .map(|code| char::from_u32(u32::from_le_bytes(*code)))
            .collect();
        Some(text?.trim_end_matches('\0').to_owned())
    }

    /// All arrays whose headers can be read.
    pub(super) fn list(&mut self) -> Vec<ArrayInfo> {
        let keys = self.keys.clone();
        let info = |key: String| {
            let header = self.header(&key).ok().flatten()?;
            Some(ArrayInfo {
                name: key,
                shape: header.shape,
                dtype: header.element.name(),
            })
        };
        keys.into_iter().filter_map(info).collect()
    }
}

impl Source for Archive {
    fn place(&self, key: &str) -> String {
        key.into()
    }

    fn header(&mut self, key: &str) -> Result<Option<Header>, ReadError> {
        if !self.keys.iter().any(|name| name == key) {
            return Ok(None);
        }
        let mut entry = self
            .zip
            .get_mut()
            .by_name(&format!("{key}.npy"))
            .map_err(unreadable(key))?;
        Ok(Some(npy(key, &mut entry)?.header))
    }

    fn keys(&self) -> Vec<String> {
        self.keys.clone()
    }

    fn bytes(&mut self, key: &str, header: &Header) -> Result<Vec<u8>, ReadError> {
        let mut entry = self
            .zip
            .get_mut()
            .by_name(&format!("{key}.npy"))
            .map_err(unreadable(key))?;
        let Npy { fortran, .. } = npy(key, &mut entry)?;
        let length = header.bytes();
        let mut bytes = reserved(length, key)?;
        // To the end and one more: what follows would be of another length, and the archive's checksum is compared at the end.
        entry
            .take(length.saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(unreadable(key))?;
        match header.shape[..] {
            [rows, columns] if fortran && bytes.len() as u64 == length => {
                Ok(transposed(&bytes, rows as usize, columns as usize))
            }
            _ => Ok(bytes),
        }
    }
}

/// From first axis fastest to last axis fastest.
fn transposed(bytes: &[u8], rows: usize, columns: usize) -> Vec<u8> {
    let size = bytes.len() / (rows * columns).max(1);
    let mut turned = Vec::with_capacity(bytes.len());
    for row in 0..rows {
        for column in 0..columns {
            let at = (column * rows + row) * size;
            turned.extend_from_slice(&bytes[at..at + size]);
        }
    }
    turned
}

/// Reads what stands before the numbers.
fn npy(key: &str, entry: &mut impl Read) -> Result<Npy, ReadError> {
    let broken = |reason: &str| ReadError::Unreadable {
        place: key.into(),
        reason: reason.into(),
    };
    let mut start = [0; 8];
    entry.read_exact(&mut start).map_err(unreadable(key))?;
    let length = match start {
        [0x93, b'N', b'U', b'M', b'P', b'Y', 1, _] => {
            let mut length = [0; 2];
            entry.read_exact(&mut length).map_err(unreadable(key))?;
            u64::from(u16::from_le_bytes(length))
        }
        [0x93, b'N', b'U', b'M', b'P', b'Y', 2 | 3, _] => {
            let mut length = [0; 4];
            entry.read_exact(&mut length).map_err(unreadable(key))?;
            u64::from(u32::from_le_bytes(length))
        }
        _ => return Err(broken("no array in NumPy's format, versions 1 to 3")),
    };
    if length > DICTIONARY {
        return Err(broken("the header is longer than that of an array of numbers"));
    }
    let mut text = Vec::new();
    entry.take(length).read_to_end(&mut text).map_err(unreadable(key))?;
    let text = String::from_utf8_lossy(&text);
    // The parser tries a bracket's content again and again, so that its time grows as a power of the depth.
    if depth(&text) > MOST_DEPTH {
        return Err(broken("the header is nested too deeply"));
    }
    let parsed = text.trim().parse::<Value>();
    dictionary(&parsed.map_err(|_| broken("the header is no Python dictionary"))?)
        .ok_or_else(|| broken("the header has no descr, fortran_order and shape"))
}

/// How deep the brackets of a text are nested.
fn depth(text: &str) -> usize {
    let (mut deepest, mut now) = (0usize, 0usize);
    for character in text.chars() {
        match character {
            '(' | '[' | '{' => now += 1,
            ')' | ']' | '}' => now = now.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(now);
    }
    deepest
}

fn dictionary(value: &Value) -> Option<Npy> {
    let entries = value.as_dict()?;
    let entry = |name: &str| {
        let is = |(key, _): &&(Value, Value)| key.as_string().is_some_and(|key| key == name);
        entries.iter().find(is).map(|(_, value)| value)
    };
    let sizes = entry("shape")?.as_tuple()?.iter();
    let shape = sizes.map(|size| u64::try_from(size.as_integer()?.clone()).ok());
    let (element, order, characters) = match entry("descr")? {
        Value::String(descr) => {
            let (element, order) = element(descr);
            (
                element,
                order,
                descr.strip_prefix("<U").and_then(|count| count.parse().ok()),
            )
        }
        _ => (Element::Other("a compound type".into()), Order::Little, None),
    };
    Some(Npy {
        header: Header {
            shape: shape.collect::<Option<_>>()?,
            element,
            order,
        },
        fortran: entry("fortran_order")?.as_boolean()?,
        characters,
    })
}

/// `<f4`, `|b1` and the like.
fn element(descr: &str) -> (Element, Order) {
    let order = if descr.starts_with('>') {
        Order::Big
    } else {
        Order::Little
    };
    let integer = |size, signed| Element::Integer { size, signed };
    let element = match descr.trim_start_matches(['<', '>', '|', '=']) {
        "f2" => Element::Float16,
        "f4" => Element::Float32,
        "f8" => Element::Float64,
        "b1" => Element::Bool,
        "i1" => integer(1, true),
        "i2" => integer(2, true),
        "i4" => integer(4, true),
        "i8" => integer(8, true),
        "u1" => integer(1, false),
        "u2" => integer(2, false),
        "u4" => integer(4, false),
        "u8" => integer(8, false),
        "f12" | "f16" => Element::Other("long double, which is another number on other machines".into()),
        "O" => Element::Other("Python objects".into()),
        other if other.starts_with(['U', 'S']) => Element::Other("strings".into()),
        _ => Element::Other(format!("{descr:?}")),
    };
    (element, order)
}

fn unreadable<E: std::fmt::Display>(place: &str) -> impl FnOnce(E) -> ReadError {
    move |error| ReadError::Unreadable {
        place: place.into(),
        reason: error.to_string(),
    }
}
