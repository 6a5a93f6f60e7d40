//! NumPy's `.npz` archives as sources of arrays.
//!
//! An array's header is read before the array is, and its bytes are decoded like those of HDF5: a header that claims too
//! much must not be believed, and `ndarray-npy` reads header and array in one go.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs;
use std::io::{self, BufReader, Cursor, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use flate2::Crc;
use flate2::read::DeflateDecoder;
use py_literal::Value;
use zip::{CompressionMethod, ZipArchive};

use super::array::{Element, Header, Order, Source, Whole, reserved};
use super::memory::Budget;
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
    content: Own,
    /// Arrays that are read some rows at a time.
    reading: HashMap<String, Reading>,
    whole: Whole,
}

/// What it is read from, to be opened again.
enum Own {
    File(PathBuf),
    Bytes(Arc<[u8]>),
}

impl Own {
    fn open(&self) -> Result<Box<dyn ReadSeek>, ReadError> {
        Ok(match self {
            Self::File(path) => Box::new(BufReader::new(fs::File::open(path).map_err(unreadable("npz file"))?)),
            Self::Bytes(bytes) => Box::new(Cursor::new(Arc::clone(bytes))),
        })
    }
}

/// An array that is read from its first row to its last.
struct Reading {
    bytes: Box<dyn Read>,
    /// The row that comes next.
    next: u64,
    sum: Crc,
    expected: u32,
}

impl Reading {
    fn rows(&mut self, key: &str, row: u64, rows: Range<u64>, last: bool) -> Result<Vec<u8>, ReadError> {
        let length = (rows.end - rows.start).saturating_mul(row);
        let mut bytes = reserved(length, key)?;
        self.bytes
            .by_ref()
            .take(length)
            .read_to_end(&mut bytes)
            .map_err(unreadable(key))?;
        self.next = rows.end;
        self.sum.update(&bytes);
        if last {
            let mut more = [0];
            let ends = self.bytes.read(&mut more).map_err(unreadable(key))? == 0;
            if !ends || self.sum.sum() != self.expected {
                return Err(unreadable(key)(
                    "the checksum or the length is another than the archive says",
                ));
            }
        }
        Ok(bytes)
    }
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
        let content = match content {
            Content::File(path) => Own::File(path.to_path_buf()),
            Content::Bytes(bytes) => Own::Bytes(Arc::clone(bytes)),
        };
        let zip = ZipArchive::new(content.open()?).map_err(unreadable("npz file"))?;
        let keys = zip.file_names().filter_map(|name| name.strip_suffix(".npy"));
        let mut keys: Vec<String> = keys.map(str::to_owned).collect();
        keys.sort();
        Ok(Self {
            zip: RefCell::new(zip),
            keys,
            content,
            reading: HashMap::new(),
            whole: Whole::default(),
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

    /// Begins to read an array; none where it cannot be read in parts.
    fn begin(&mut self, key: &str) -> Result<Option<Reading>, ReadError> {
        let entry = self
            .zip
            .get_mut()
            .by_name(&format!("{key}.npy"))
            .map_err(unreadable(key))?;
        let (start, length, expected) = (entry.data_start(), entry.compressed_size(), entry.crc32());
        let method = entry.compression();
        let encrypted = entry.encrypted();
        drop(entry);
        let mut file = self.content.open()?;
        file.seek(SeekFrom::Start(start)).map_err(unreadable(key))?;
        let stored = file.take(length);
        let mut bytes: Box<dyn Read> = match method {
            CompressionMethod::Stored if !encrypted => Box::new(stored),
            CompressionMethod::Deflated if !encrypted => Box::new(DeflateDecoder::new(stored)),
            _ => return Ok(None),
        };
        // The checksum is of what stands before the numbers too.
        let mut sum = Summed {
            inner: &mut bytes,
            sum: Crc::new(),
        };
        let Npy { header, fortran, .. } = npy(key, &mut sum)?;
        let sum = sum.sum;
        let in_order = !fortran || header.shape.len() < 2;
        Ok(in_order.then_some(Reading {
            bytes,
            next: 0,
            sum,
            expected,
        }))
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

    fn range(&mut self, key: &str, header: &Header, rows: Range<u64>) -> Result<Vec<u8>, ReadError> {
        if rows.start == 0
            && let Some(reading) = self.begin(key)?
        {
            self.reading.insert(key.to_owned(), reading);
        }
        let last = rows.end >= header.rows();
        match self.reading.get_mut(key) {
            Some(reading) if reading.next == rows.start => {
                let bytes = reading.rows(key, header.row_bytes(), rows, last)?;
                if last {
                    self.reading.remove(key);
                }
                Ok(bytes)
            }
            _ => {
                let mut whole = std::mem::take(&mut self.whole);
                let bytes = whole.range(key, header, rows, || {
                    Budget::new(None).check(header.bytes())?;
                    self.bytes(key, header)
                });
                self.whole = whole;
                bytes
            }
        }
    }
}

/// What is read, and its checksum.
struct Summed<'a> {
    inner: &'a mut dyn Read,
    sum: Crc,
}

impl Read for Summed<'_> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(to)?;
        self.sum.update(&to[..count]);
        Ok(count)
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
