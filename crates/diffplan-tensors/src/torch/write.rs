//! Files that `torch.load` reads, its `weights_only=True` among them: the zip format since PyTorch 1.6, of a state dict.
//!
//! ```text
//! archive/data.pkl      a pickle of protocol 2: OrderedDict{name: _rebuild_tensor_v2(("storage", FloatStorage, "0", "cpu", count), 0, shape, strides)}
//! archive/byteorder     little
//! archive/data/0, 1, …  the elements of each tensor, row-major, from a multiple of 64 bytes on
//! archive/version       3
//! ```
//!
//! Entries are stored as they are, so that readers can map the file into memory. The directory always ends in the form for large archives
//! (PKWARE's APPNOTE, 4.3.14), as torch's do; offsets that 32 bits do not hold stand in the extra field of that form.

use crate::dtype::Dtype;
use crate::tensor::Tensor;
use diffplan_files::{FileError, Result};
use std::collections::HashSet;
use std::path::Path;

/// torch begins the content of every entry at a multiple of this.
const ALIGNMENT: usize = 64;
const LOCAL_HEADER: usize = 30;
/// What a field of 32 bits holds where the number stands elsewhere.
const ELSEWHERE: u32 = u32::MAX;

/// A state dict as `torch.save` writes it: what PyTorch since 1.6 loads, and [`TorchFile`](crate::TorchFile) here. `path` is for
/// messages alone.
///
/// ```
/// use diffplan_tensors::{Dtype, NamedTensors, Tensor, torch_bytes};
///
/// let ones = Tensor::from_bytes(Dtype::F32, &[2], [1f32, 1.0].map(f32::to_le_bytes).concat()).expect("two numbers");
/// let bytes = torch_bytes([("bias", &ones)], "ones.bin".as_ref())?;
/// let back = NamedTensors::from_bytes(bytes, "ones.bin".as_ref())?;
/// assert_eq!(back.get("bias").and_then(Tensor::to_f32), Some(vec![1.0, 1.0]));
/// # Ok::<(), diffplan_files::FileError>(())
/// ```
///
/// # Errors
/// If two tensors have one name, or one has a type that torch has no class of storages for, or more than 4 GiB.
pub fn torch_bytes<'a>(tensors: impl IntoIterator<Item = (&'a str, &'a Tensor)>, path: &Path) -> Result<Vec<u8>> {
    let refuse = |what: String| FileError::malformed(path, what);
    let (mut names, mut pickle, mut contents) = (HashSet::new(), Pickle::begin(), Vec::new());
    for (name, tensor) in tensors {
        if !names.insert(name) {
            return Err(refuse(format!("two tensors of the name {name}")));
        }
        let class = tensor.dtype().storage().ok_or_else(|| {
            let dtype = tensor.dtype();
            refuse(format!(
                "{name} is a tensor of {dtype}, which torch has no class of storages for"
            ))
        })?;
        let content = tensor.to_bytes();
        if u32::try_from(content.len()).is_err() {
            return Err(refuse(format!(
                "{name} has {} bytes, expected at most 4 GiB",
                content.len()
            )));
        }
        pickle.tensor(name, &class, contents.len(), tensor);
        contents.push(content);
    }
    let mut zip = Zip::default();
    zip.entry("archive/data.pkl", &pickle.end());
    zip.entry("archive/byteorder", b"little");
    for (key, content) in contents.iter().enumerate() {
        zip.entry(&format!("archive/data/{key}"), content);
    }
    zip.entry("archive/version", b"3\n");
    Ok(zip.end())
}

impl Dtype {
    /// The class of its storages in torch, for the types that have one.
    fn storage(self) -> Option<String> {
        let without = matches!(self, Self::F8E4M3 | Self::F8E5M2 | Self::U64 | Self::U32 | Self::U16);
        (!without).then(|| format!("{}Storage", self.storage_name()))
    }
}

/// The dictionary's pickle in the making.
struct Pickle(Vec<u8>);

impl Pickle {
    fn begin() -> Self {
        let mut pickle = Self(b"\x80\x02".to_vec());
        pickle.empty_dict();
        pickle.op(b"(");
        pickle
    }

    fn end(mut self) -> Vec<u8> {
        self.op(b"u.");
        self.0
    }

    fn op(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn global(&mut self, module: &str, name: &str) {
        self.op(format!("c{module}\n{name}\n").as_bytes());
    }

    fn empty_dict(&mut self) {
        self.global("collections", "OrderedDict");
        self.op(b")R");
    }

    fn text(&mut self, text: &str) {
        self.op(b"X");
        // A name is part of a file that was read or of a network's fields: never of gigabytes.
        self.op(&(text.len() as u32).to_le_bytes());
        self.op(text.as_bytes());
    }

    fn number(&mut self, number: usize) {
        match (u8::try_from(number), i32::try_from(number)) {
            (Ok(byte), _) => self.op(&[b'K', byte]),
            (_, Ok(number)) => {
                self.op(b"J");
                self.op(&number.to_le_bytes());
            }
            // Eight bytes and a ninth of zero, for the sign.
            _ => {
                self.op(b"\x8a\x09");
                self.op(&(number as u64).to_le_bytes());
                self.op(b"\0");
            }
        }
    }

    fn tuple(&mut self, numbers: &[usize]) {
        self.op(b"(");
        numbers.iter().for_each(|&number| self.number(number));
        self.op(b"t");
    }

    fn tensor(&mut self, name: &str, class: &str, key: usize, tensor: &Tensor) {
        self.text(name);
        self.global("torch._utils", "_rebuild_tensor_v2");
        self.op(b"((");
        self.text("storage");
        self.global("torch", class);
        self.text(&key.to_string());
        self.text("cpu");
        self.number(tensor.len());
        self.op(b"tQ");
        self.number(0);
        self.tuple(tensor.shape());
        let mut strides = vec![1; tensor.shape().len()];
        for axis in (1..strides.len()).rev() {
            // Where there are no elements torch counts an axis of none as one.
            strides[axis - 1] = strides[axis] * tensor.shape()[axis].max(1);
        }
        self.tuple(&strides);
        // No gradient is required, and no hooks are there.
        self.op(b"\x89");
        self.empty_dict();
        self.op(b"tR");
    }
}

/// An archive in the making.
#[derive(Default)]
struct Zip {
    bytes: Vec<u8>,
    directory: Vec<u8>,
    count: u64,
}

impl Zip {
    /// Adds an entry of at most 4 GiB.
    fn entry(&mut self, name: &str, content: &[u8]) {
        let offset = self.bytes.len();
        let start = offset + LOCAL_HEADER + name.len();
        // A field of torch's own, "FB", fills up what lies before the content; it takes four bytes itself.
        let padding = (start + 4).next_multiple_of(ALIGNMENT) - start;
        let common = common_header(name, content);
        self.bytes.extend_from_slice(b"PK\x03\x04");
        self.bytes.extend_from_slice(&common);
        self.bytes.extend_from_slice(&(padding as u16).to_le_bytes());
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.extend_from_slice(b"FB");
        self.bytes.extend_from_slice(&(padding as u16 - 4).to_le_bytes());
        self.bytes.resize(start + padding, b'Z');
        self.bytes.extend_from_slice(content);
        self.directory
            .extend_from_slice(&central_header(name, &common, offset as u64));
        self.count += 1;
    }

    fn end(mut self) -> Vec<u8> {
        let (start, len) = (self.bytes.len() as u64, self.directory.len() as u64);
        self.bytes.append(&mut self.directory);
        let end = self.bytes.len() as u64;
        let mut put = |parts: &[&[u8]]| parts.iter().for_each(|part| self.bytes.extend_from_slice(part));
        let (count, disk) = (self.count.to_le_bytes(), [0; 4]);
        // 44 bytes follow; made by and needs version 4.5, the first with this record.
        put(&[b"PK\x06\x06", &44u64.to_le_bytes(), &[45, 0, 45, 0], &disk, &disk]);
        put(&[&count, &count, &len.to_le_bytes(), &start.to_le_bytes()]);
        put(&[b"PK\x06\x07", &disk, &end.to_le_bytes(), &1u32.to_le_bytes()]);
        let short = |number: u64| u32::try_from(number).unwrap_or(ELSEWHERE).to_le_bytes();
        let count = u16::try_from(self.count).unwrap_or(u16::MAX).to_le_bytes();
        put(&[
            b"PK\x05\x06",
            &disk,
            &count,
            &count,
            &short(len),
            &short(start),
            &[0; 2],
        ]);
        self.bytes
    }
}

/// What both headers of an entry have: from the version that is needed to the length of the name.
fn common_header(name: &str, content: &[u8]) -> Vec<u8> {
    let len = (content.len() as u32).to_le_bytes();
    // Version 2.0, no flags, stored, on the first day of a zip file's calendar: the same tensors make the same bytes.
    let fixed = [20, 0, 0, 0, 0, 0, 0, 0, 0x21, 0];
    let crc = crc32fast::hash(content).to_le_bytes();
    [&fixed[..], &crc, &len, &len, &(name.len() as u16).to_le_bytes()].concat()
}

/// An entry's header in the directory.
fn central_header(name: &str, common: &[u8], offset: u64) -> Vec<u8> {
    let (short, extra) = match u32::try_from(offset) {
        Ok(short) if short != ELSEWHERE => (short, Vec::new()),
        _ => (ELSEWHERE, [&[1, 0, 8, 0][..], &offset.to_le_bytes()].concat()),
    };
    let extra_len = (extra.len() as u16).to_le_bytes();
    // Made by version 2.0; no comment, first disk, no attributes.
    let parts: [&[u8]; 7] = [
        b"PK\x01\x02",
        &[20, 0],
        common,
        &extra_len,
        &[0; 10],
        &short.to_le_bytes(),
        name.as_bytes(),
    ];
    [&parts.concat()[..], &extra].concat()
}

#[cfg(test)]
mod tests {
    use super::super::zip::entry;
    use super::*;

    /// Archives of more than 4 GiB are not made for a test; their headers are.
    #[test]
    fn entries_beyond_four_gigabytes_are_found() {
        for offset in [0, 7 << 20, u64::from(u32::MAX) - 1, u64::from(u32::MAX), 5 << 30] {
            let common = common_header("archive/data/7", b"content");
            let header = central_header("archive/data/7", &common, offset);
            let (read, next) = entry(&header, 0).unwrap();
            assert_eq!(
                (read.name.as_str(), read.offset, read.size, next),
                ("archive/data/7", offset, 7, header.len())
            );
        }
    }

    #[test]
    fn numbers_of_any_size_are_pickled() {
        for (number, bytes) in [
            (255, &b"K\xff"[..]),
            (256, b"J\0\x01\0\0"),
            ((1 << 31) - 1, b"J\xff\xff\xff\x7f"),
            (1 << 31, b"\x8a\x09\0\0\0\x80\0\0\0\0\0"),
        ] {
            let mut pickle = Pickle(Vec::new());
            pickle.number(number);
            assert_eq!(pickle.0, bytes);
        }
    }
}
