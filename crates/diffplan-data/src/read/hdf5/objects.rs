//! The messages of an object's header, as bytes.
//!
//! `hdf5-reader` reads headers too, but only whole: one message that it does not know (of a virtual dataset, say) and the
//! group that the object lies in cannot be listed. Here a message is taken apart when it is needed.

use std::collections::HashSet;

use hdf5_reader::checksum::jenkins_lookup3;
use hdf5_reader::error::Error;
use hdf5_reader::io::Cursor;
use hdf5_reader::messages::shared::{self, SharedMessage};
use hdf5_reader::messages::{
    MSG_ATTRIBUTE, MSG_CONTINUATION, MSG_DATA_LAYOUT, MSG_DATASPACE, MSG_GROUP_INFO, MSG_LINK, MSG_LINK_INFO, MSG_NIL,
    MSG_SHARED_TABLE, MSG_SYMBOL_TABLE,
};

use super::core::Core;
use super::heap::Heap;

/// Bytes of a header at most. Real ones take some hundred.
const MOST_BYTES: u64 = 1 << 24;
/// Parts of a header at most.
const MOST_PARTS: usize = 1024;
/// The message is elsewhere, and these bytes say where.
const SHARED: u8 = 2;

/// One message.
pub(super) struct Message {
    kind: u16,
    flags: u8,
    data: Vec<u8>,
}

/// An object's header.
pub(super) struct Object {
    messages: Vec<Message>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Group,
    Dataset,
    /// A named type, mostly.
    Other,
}

impl Object {
    pub(super) fn at(core: &Core, address: u64) -> Result<Self, Error> {
        let start = core.at_most(address, 16)?;
        let messages = match start[..] {
            [b'O', b'H', b'D', b'R', version, flags, ..] => newer(core, address, version, flags)?,
            _ => older(core, address, &start)?,
        };
        Ok(Self { messages })
    }

    pub(super) fn kind(&self) -> Kind {
        let has = |kinds: &[u16]| self.messages.iter().any(|message| kinds.contains(&message.kind));
        if has(&[MSG_SYMBOL_TABLE, MSG_LINK, MSG_LINK_INFO, MSG_GROUP_INFO]) {
            Kind::Group
        } else if has(&[MSG_DATASPACE, MSG_DATA_LAYOUT]) {
            Kind::Dataset
        } else if has(&[MSG_ATTRIBUTE]) {
            Kind::Group
        } else {
            Kind::Other
        }
    }

    /// The bytes of all messages of a kind that are in the header itself.
    pub(super) fn all(&self, kind: u16) -> impl Iterator<Item = &[u8]> {
        let of_kind = move |message: &&Message| message.kind == kind && message.flags & SHARED == 0;
        self.messages.iter().filter(of_kind).map(|message| &message.data[..])
    }

    /// The bytes of a message, wherever they are.
    pub(super) fn message(&self, core: &Core, kind: u16) -> Result<Option<Vec<u8>>, Error> {
        let Some(message) = self.messages.iter().find(|message| message.kind == kind) else {
            return Ok(None);
        };
        if message.flags & SHARED == 0 {
            return Ok(Some(message.data.clone()));
        }
        let length = message.data.len();
        match shared::parse(
            &mut Cursor::new(&message.data),
            kind,
            core.offset_size,
            core.length_size,
            length,
        )? {
            SharedMessage::SharedInOhdr { address, .. } => {
                let other = Self::at(core, address)?;
                Ok(other.all(kind).next().map(<[u8]>::to_vec))
            }
            SharedMessage::SharedInSohm { heap_id, .. } => in_table(core, kind, &heap_id).map(Some),
        }
    }
}

/// A message of the table of messages that a file's objects share.
fn in_table(core: &Core, kind: u16, id: &[u8]) -> Result<Vec<u8>, Error> {
    let missing = || Error::InvalidData("a shared message is not in the file's table".into());
    let extension = Object::at(core, core.extension.ok_or_else(missing)?)?;
    let table = extension.all(MSG_SHARED_TABLE).next().ok_or_else(missing)?;
    let mut cursor = Cursor::new(table);
    let _version = cursor.read_u8()?;
    let address = cursor.read_offset(core.offset_size)?;
    let indexes = cursor.read_u8()?;
    // Of an index: version, type, kinds of messages, three sizes, count, two addresses.
    let one = 14 + 2 + 2 * usize::from(core.offset_size);
    let bytes = core.at_most(address, 4 + (usize::from(indexes) * one) as u64)?;
    let mut cursor = Cursor::new(&bytes);
    if cursor.read_bytes(4)? != b"SMTB" {
        return Err(missing());
    }
    for _ in 0..indexes {
        cursor.skip(2)?;
        let kinds = cursor.read_u16_le()?;
        // The smallest message, two bounds on the form of the index, the count.
        cursor.skip(4 + 2 + 2 + 2)?;
        let _index = cursor.read_offset(core.offset_size)?;
        let heap = cursor.read_offset(core.offset_size)?;
        // Bit n stands for messages of kind n.
        if kind < 16 && kinds & (1 << kind) != 0 {
            return Heap::at(core, heap)?.object(core, id);
        }
    }
    Err(missing())
}

/// Reads messages until the bytes end.
fn split(
    core: &Core,
    mut bytes: &[u8],
    envelope: Envelope,
    messages: &mut Vec<Message>,
    more: &mut Vec<(u64, u64)>,
) -> Result<(), Error> {
    let length = envelope.length();
    while bytes.len() >= length {
        let (head, rest) = bytes.split_at(length);
        let (kind, size, flags) = match envelope {
            Envelope::Older => (
                u16::from_le_bytes([head[0], head[1]]),
                usize::from(u16::from_le_bytes([head[2], head[3]])),
                head[4],
            ),
            Envelope::Newer { .. } => (
                u16::from(head[0]),
                usize::from(u16::from_le_bytes([head[1], head[2]])),
                head[3],
            ),
        };
        if size > rest.len() {
            return Err(Error::InvalidData("a message is longer than its header".into()));
        }
        let (data, rest) = rest.split_at(size);
        match kind {
            MSG_NIL => {}
            MSG_CONTINUATION => {
                let mut cursor = Cursor::new(data);
                more.push((
                    cursor.read_offset(core.offset_size)?,
                    cursor.read_length(core.length_size)?,
                ));
            }
            _ => messages.push(Message {
                kind,
                flags,
                data: data.to_vec(),
            }),
        }
        bytes = rest;
    }
    Ok(())
}

#[derive(Clone, Copy)]
enum Envelope {
    Older,
    Newer { ordered: bool },
}

impl Envelope {
    fn length(self) -> usize {
        match self {
            Self::Older => 8,
            Self::Newer { ordered: false } => 4,
            Self::Newer { ordered: true } => 6,
        }
    }
}

/// The parts after the first.
fn follow(
    core: &Core,
    envelope: Envelope,
    messages: &mut Vec<Message>,
    mut more: Vec<(u64, u64)>,
) -> Result<(), Error> {
    let (mut seen, mut total) = (HashSet::new(), 0u64);
    while let Some((address, length)) = more.pop() {
        total = total.saturating_add(length);
        if !seen.insert(address) || seen.len() > MOST_PARTS || total > MOST_BYTES {
            return Err(Error::InvalidData("an object's header does not end".into()));
        }
        let part = core.storage.read_range(address, length as usize)?;
        let bytes = match envelope {
            Envelope::Older => &part[..],
            Envelope::Newer { .. } => {
                let bytes = checked(&part)?;
                bytes.strip_prefix(b"OCHK").ok_or(Error::InvalidObjectHeaderSignature)?
            }
        };
        split(core, bytes, envelope, messages, &mut more)?;
    }
    Ok(())
}

/// Bytes without the checksum behind them.
pub(super) fn checked(bytes: &[u8]) -> Result<&[u8], Error> {
    let Some((bytes, sum)) = bytes.split_last_chunk::<4>() else {
        return Err(Error::InvalidData("too short for its checksum".into()));
    };
    let (expected, actual) = (u32::from_le_bytes(*sum), jenkins_lookup3(bytes));
    match expected == actual {
        true => Ok(bytes),
        false => Err(Error::ChecksumMismatch { expected, actual }),
    }
}

/// The header of HDF5 before 1.8.
fn older(core: &Core, address: u64, start: &[u8]) -> Result<Vec<Message>, Error> {
    let mut cursor = Cursor::new(start);
    let version = cursor.read_u8()?;
    if version != 1 {
        return Err(Error::UnsupportedObjectHeaderVersion(version));
    }
    // A reserved byte, the number of messages, that of references.
    cursor.skip(1 + 2 + 4)?;
    let length = cursor.read_u32_le()?;
    if u64::from(length) > MOST_BYTES {
        return Err(Error::InvalidData("an object's header is too long".into()));
    }
    let part = core.storage.read_range(address.saturating_add(16), length as usize)?;
    let (mut messages, mut more) = (Vec::new(), Vec::new());
    split(core, &part, Envelope::Older, &mut messages, &mut more)?;
    follow(core, Envelope::Older, &mut messages, more)?;
    Ok(messages)
}

/// The header of HDF5 since 1.8.
fn newer(core: &Core, address: u64, version: u8, flags: u8) -> Result<Vec<Message>, Error> {
    if version != 2 {
        return Err(Error::UnsupportedObjectHeaderVersion(version));
    }
    let times = if flags & 0x20 != 0 { 16 } else { 0 };
    let bounds = if flags & 0x10 != 0 { 4 } else { 0 };
    let width = 1usize << (flags & 3);
    let prefix = core.storage.read_range(address, 6 + times + bounds + width)?;
    let mut cursor = Cursor::new(&prefix[6 + times + bounds..]);
    let length = cursor.read_uvar(width)?;
    if length > MOST_BYTES {
        return Err(Error::InvalidData("an object's header is too long".into()));
    }
    let part = core.storage.read_range(address, prefix.len() + length as usize + 4)?;
    let envelope = Envelope::Newer {
        ordered: flags & 4 != 0,
    };
    let (mut messages, mut more) = (Vec::new(), Vec::new());
    split(
        core,
        &checked(&part)?[prefix.len()..],
        envelope,
        &mut messages,
        &mut more,
    )?;
    follow(core, envelope, &mut messages, more)?;
    Ok(messages)
}
