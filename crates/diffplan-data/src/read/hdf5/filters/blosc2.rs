//! Blosc2: a frame with a chunk in it, whose array may be cut into blocks of several dimensions.

use super::{Broken, Bytes, blosc, zeros};

/// Dimensions at most.
const MOST_RANK: usize = 8;
/// The header's length stands after the frame's name.
const START: &[u8] = b"\x9e\xa8b2frame\0\xd2";

pub(super) fn decode(data: &[u8], most: usize) -> Result<Vec<u8>, Broken> {
    if !data.starts_with(START) {
        // A chunk without a frame.
        return blosc::decode(data, most);
    }
    let mut input = Bytes(&data[START.len()..]);
    let header = u32::from_be_bytes(input.array()?) as usize;
    // The frame's length, its flags.
    input.take(1 + 8 + 1 + 4)?;
    let number = |input: &mut Bytes| {
        input.byte()?;
        Ok(u64::from_be_bytes(input.array()?))
    };
    let (total, compressed) = (number(&mut input)?, number(&mut input)?);
    let total = usize::try_from(total).unwrap_or(usize::MAX);
    let shape = shape(data.get(..header).ok_or(Broken("it ends too early"))?)?;
    // Blocks at the end of an axis are filled up.
    let room = match &shape {
        Some(shape) => shape.filled()?.min(most.saturating_mul(1 << MOST_RANK)),
        None => most,
    };
    if total > room {
        return Err(Broken("more comes out than there is room for"));
    }
    let body = data.get(header..).ok_or(Broken("it ends too early"))?;
    let chunk = if compressed == 0 {
        // Only the list of chunks is there, and says that all numbers are the same.
        special(body, total)?
    } else {
        blosc::decode(body, room)?
    };
    match shape {
        Some(shape) => shape.unblock(&chunk, most),
        None => Ok(chunk),
    }
}

/// A chunk that is nothing but a mark in the list of chunks.
fn special(list: &[u8], total: usize) -> Result<Vec<u8>, Broken> {
    let list = blosc::decode(list, 8)?;
    let mark = list.last_chunk::<8>().map(|mark| u64::from_le_bytes(*mark));
    match mark.map(|mark| mark >> 56) {
        // The highest bit, and what all numbers are.
        Some(0x81 | 0x84) => zeros(total),
        _ => Err(Broken("a shortcut that is not known")),
    }
}

/// Of an array of several dimensions.
struct Shape {
    /// Elements of the chunk and of its blocks, by axis.
    chunk: Vec<usize>,
    block: Vec<usize>,
    size: usize,
}

/// What the header says of dimensions, if it does.
fn shape(header: &[u8]) -> Result<Option<Shape>, Broken> {
    // Its name stands in a list of what is there, with the place.
    const NAME: &[u8] = b"\xa4b2nd\xd2";
    let Some(at) = header.windows(NAME.len()).position(|bytes| bytes == NAME) else {
        return Ok(None);
    };
    let place = u32::from_be_bytes(Bytes(&header[at + NAME.len()..]).array()?) as usize;
    let mut input = Bytes(header.get(place..).ok_or(Broken("it ends too early"))?);
    // Bytes, their count; a list of at least five; its version; the rank.
    input.take(1 + 4)?;
    let [list, version, rank] = input.array()?;
    let rank = usize::from(rank);
    if list & 0xf0 != 0x90 || version > 1 || rank > MOST_RANK {
        return Err(Broken("dimensions in a form that is not read"));
    }
    let axes = |input: &mut Bytes, width: usize| {
        input.byte()?;
        let axes = (0..rank).map(|_| {
            input.byte()?;
            let bytes = input.take(width)?;
            Ok(bytes.iter().fold(0, |wide, byte| wide << 8 | usize::from(*byte)))
        });
        axes.collect::<Result<Vec<usize>, Broken>>()
    };
    axes(&mut input, 8)?;
    let (chunk, block) = (axes(&mut input, 4)?, axes(&mut input, 4)?);
    // Bytes of an element stand in the fixed part, after the frame's sizes.
    let size = Bytes(header.get(48..).unwrap_or_default())
        .array()
        .map(u32::from_be_bytes)? as usize;
    if size == 0 || block.contains(&0) || chunk.contains(&0) {
        return Err(Broken("impossible sizes"));
    }
    Ok(Some(Shape { chunk, block, size }))
}

impl Shape {
    /// Blocks along an axis, by axis.
    fn counts(&self) -> Vec<usize> {
        let axes = self.chunk.iter().zip(&self.block);
        axes.map(|(all, one)| all.div_ceil(*one)).collect()
    }

    /// Bytes of all blocks.
    fn filled(&self) -> Result<usize, Broken> {
        let mut sizes = self.counts().into_iter().chain(self.block.iter().copied());
        let total = sizes.try_fold(self.size, |all, one| all.checked_mul(one));
        total.ok_or(Broken("impossible sizes"))
    }

    /// From blocks one after the other, the last of an axis filled up, to the whole.
    fn unblock(&self, blocks: &[u8], most: usize) -> Result<Vec<u8>, Broken> {
        let impossible = Broken("impossible sizes");
        let product = |sizes: &[usize]| sizes.iter().try_fold(self.size, |all, one| all.checked_mul(*one));
        let (Some(total), Some(each)) = (product(&self.chunk), product(&self.block)) else {
            return Err(impossible);
        };
        let counts = self.counts();
        if total > most || self.filled()? > blocks.len() {
            return Err(impossible);
        }
        let (Some(width), Some(line)) = (self.block.last(), self.chunk.last()) else {
            return Ok(blocks.to_vec());
        };
        let mut output = zeros(total)?;
        // One row of a block at a time.
        for (number, row) in blocks.chunks_exact(width * self.size).enumerate() {
            let rows = each / (width * self.size);
            let (block, mut within) = (number / rows, number % rows);
            let mut block = block;
            let (mut start, mut stride) = (0, 1);
            let mut inside = true;
            let mut length = 0;
            for axis in (0..self.chunk.len()).rev() {
                let corner = block % counts[axis] * self.block[axis];
                block /= counts[axis];
                let at = if axis + 1 == self.chunk.len() {
                    length = (*width).min(line.saturating_sub(corner));
                    corner
                } else {
                    let at = corner + within % self.block[axis];
                    within /= self.block[axis];
                    at
                };
                inside &= at < self.chunk[axis];
                start += at * stride;
                stride *= self.chunk[axis];
            }
            // Of the blocks that are there, not of what stands behind them.
            if inside && block == 0 {
                let (from, to) = (start * self.size, (start + length) * self.size);
                if let Some(to) = output.get_mut(from..to) {
                    to.copy_from_slice(&row[..length * self.size]);
                }
            }
        }
        Ok(output)
    }
}
