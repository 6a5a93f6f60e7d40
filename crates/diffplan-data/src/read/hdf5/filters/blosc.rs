//! Blosc: blocks, each shuffled and then compressed in one or several streams. Chunks of Blosc2 differ in their headers
//! and in a few shortcuts.

use super::{Broken, Bytes, bitshuffle, codecs, zeros};

/// Elements of a block at least, for their bytes to be compressed one stream each; and those bytes at most.
const SPLIT: (usize, usize) = (128, 16);
/// Version of chunks from which on they are those of Blosc2.
const SECOND: u8 = 3;
/// The last version that is known.
const LAST: u8 = 5;

/// Blosc2's steps before compression, as many as a chunk has room for.
const STEPS: usize = 6;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Bytes,
    Bits,
    Delta,
}

struct Chunk<'a> {
    data: &'a [u8],
    version: u8,
    flags: u8,
    size: usize,
    total: usize,
    block: usize,
    /// In the order of compression.
    steps: Vec<Step>,
    /// Where the header ends.
    start: usize,
}

/// Shortcut for a chunk of which all elements are the same.
enum Same {
    Zeros,
    Nans,
    Element,
    Anything,
}

pub(super) fn decode(data: &[u8], most: usize) -> Result<Vec<u8>, Broken> {
    let mut input = Bytes(data);
    let [version, _, flags, size] = input.array()?;
    let total = u32::from_le_bytes(input.array()?) as usize;
    let block = u32::from_le_bytes(input.array()?) as usize;
    let length = u32::from_le_bytes(input.array()?) as usize;
    if version > LAST || total > most {
        return Err(Broken("an unknown version, or more than there is room for"));
    }
    // What a chunk says of its length includes the header.
    let data = data.get(..length).unwrap_or(data);
    let (bytes, bits, delta) = (flags & 1 != 0, flags & 4 != 0, flags & 8 != 0);
    let mut chunk = Chunk {
        data,
        version,
        flags,
        size: usize::from(size).max(1),
        total,
        block,
        steps: Vec::new(),
        start: 16,
    };
    // Both kinds of shuffling at once stand for a longer header.
    if version >= SECOND && bytes && bits {
        let steps: [u8; STEPS] = input.array()?;
        input.take(2)?;
        input.take(STEPS + 1)?;
        let more = input.byte()?;
        chunk.start = 32;
        for step in steps {
            chunk.steps.extend(match step {
                0 => None,
                1 => Some(Step::Bytes),
                2 => Some(Step::Bits),
                3 => Some(Step::Delta),
                // Precision that was dropped stays dropped.
                4 => None,
                _ => return Err(Broken("shuffled in a way that is not read")),
            });
        }
        let same = match more >> 4 & 7 {
            0 => None,
            1 => Some(Same::Zeros),
            2 => Some(Same::Nans),
            3 => Some(Same::Element),
            4 => Some(Same::Anything),
            _ => return Err(Broken("a shortcut that is not known")),
        };
        if let Some(same) = same {
            return chunk.same(same);
        }
        if more & 1 != 0 {
            return Err(Broken("compressed with a dictionary, which is not read"));
        }
    } else {
        if version >= SECOND && delta {
            chunk.steps.push(Step::Delta);
        }
        if bytes {
            chunk.steps.push(Step::Bytes);
        } else if bits {
            chunk.steps.push(Step::Bits);
        }
    }
    chunk.decode()
}

impl Chunk<'_> {
    fn same(&self, same: Same) -> Result<Vec<u8>, Broken> {
        let mut output = zeros(self.total)?;
        let element: &[u8] = match (&same, self.size) {
            (Same::Zeros | Same::Anything, _) => return Ok(output),
            (Same::Nans, 4) => &f32::NAN.to_le_bytes(),
            (Same::Nans, 8) => &f64::NAN.to_le_bytes(),
            (Same::Nans, _) => return Err(Broken("not a number, of an impossible size")),
            (Same::Element, size) => self
                .data
                .get(self.start..self.start + size)
                .ok_or(Broken("it ends too early"))?,
        };
        for to in output.chunks_exact_mut(element.len()) {
            to.copy_from_slice(element);
        }
        Ok(output)
    }

    fn decode(&self) -> Result<Vec<u8>, Broken> {
        let mut output = zeros(self.total)?;
        if self.total == 0 {
            return Ok(output);
        }
        let body = self.data.get(self.start..).ok_or(Broken("it ends too early"))?;
        if self.flags & 2 != 0 {
            // Not compressed.
            output.copy_from_slice(Bytes(body).take(self.total)?);
            return Ok(output);
        }
        if self.block == 0 || self.block > self.total.max(1) {
            return Err(Broken("impossible sizes"));
        }
        let mut starts = Bytes(body);
        let mut first = Vec::new();
        let mut spare = zeros(self.block)?;
        for (number, block) in output.chunks_mut(self.block).enumerate() {
            let at = u32::from_le_bytes(starts.array()?) as usize;
            let streams = self.data.get(at..).ok_or(Broken("it ends too early"))?;
            self.streams(streams, block)?;
            for step in self.steps.iter().rev() {
                let spare = &mut spare[..block.len()];
                spare.copy_from_slice(block);
                match step {
                    Step::Bytes => unshuffle(spare, self.size, block),
                    Step::Bits => self.bits(spare, block),
                    Step::Delta if number > 0 => block.iter_mut().zip(&first).for_each(|(to, from)| *to ^= from),
                    Step::Delta => {
                        // Of the first block each element is compared with the one before it, of others with that of
                        // the first block.
                        let unit = match self.size {
                            unit @ (1 | 2 | 4 | 8) => unit,
                            size if size % 8 == 0 => 8,
                            _ => 1,
                        };
                        for at in unit..block.len() {
                            block[at] ^= block[at - unit];
                        }
                        first = block.to_vec();
                    }
                }
            }
        }
        Ok(output)
    }

    /// The bits of a block where they belong.
    fn bits(&self, planes: &[u8], block: &mut [u8]) {
        let elements = block.len() / self.size;
        // The first Blosc shuffled multiples of eight elements or nothing.
        let shuffled = match elements % 8 {
            0 => elements,
            _ if self.version < SECOND => 0,
            rest => elements - rest,
        };
        let length = shuffled * self.size;
        bitshuffle::unshuffle(&planes[..length], self.size, &mut block[..length]);
    }

    fn streams(&self, data: &[u8], block: &mut [u8]) -> Result<(), Broken> {
        let (fewest, widest) = SPLIT;
        let whole = block.len() == self.block;
        let split = self.flags & 0x10 == 0
            && whole
            && (self.version >= SECOND || self.size <= widest && self.block / self.size >= fewest);
        let count = if split { self.size } else { 1 };
        let length = block.len() / count;
        if length == 0 || length * count != block.len() {
            return Err(Broken("impossible sizes"));
        }
        let mut input = Bytes(data);
        for stream in block.chunks_exact_mut(length) {
            let size = i32::from_le_bytes(input.array()?);
            match size {
                0 if self.version >= SECOND => stream.fill(0),
                -255..0 if self.version >= SECOND => {
                    // The same byte again and again.
                    if input.byte()? & 1 == 0 {
                        return Err(Broken("a shortcut that is not known"));
                    }
                    stream.fill(size.unsigned_abs() as u8);
                }
                1.. => {
                    let bytes = input.take(size as usize)?;
                    if bytes.len() == length {
                        stream.copy_from_slice(bytes);
                        continue;
                    }
                    let decoded = self.codec(bytes, length)?;
                    if decoded.len() != length {
                        return Err(Broken("a block of another size"));
                    }
                    stream.copy_from_slice(&decoded);
                }
                _ => return Err(Broken("impossible sizes")),
            }
        }
        Ok(())
    }

    fn codec(&self, data: &[u8], most: usize) -> Result<Vec<u8>, Broken> {
        match self.flags >> 5 {
            0 => codecs::blosclz(data, most),
            1 => codecs::lz4(data, most),
            2 => codecs::snappy(data, most),
            3 => codecs::zlib(data, most),
            4 => codecs::zstd(data, most),
            _ => Err(Broken("a codec that is not read")),
        }
    }
}

/// From the first bytes of all elements, then the second, and so on.
fn unshuffle(planes: &[u8], size: usize, output: &mut [u8]) {
    let count = output.len() / size;
    if count == 0 {
        return;
    }
    for (byte, plane) in planes.chunks_exact(count).take(size).enumerate() {
        for (element, value) in plane.iter().enumerate() {
            output[element * size + byte] = *value;
        }
    }
    // What is no whole element stands where it stood.
}
