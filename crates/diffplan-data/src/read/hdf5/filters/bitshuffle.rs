//! Bitshuffle: the first bits of all elements, then the second, and so on.

use super::{Broken, Bytes, codecs, zeros};

/// Elements of a block are a multiple of this.
const GROUP: usize = 8;
/// Bytes of a block unless it is said.
const BLOCK: usize = 8192;
/// Elements of a block at least.
const FEWEST: usize = 128;

/// The filter's parameters: two of its version, bytes of an element, elements of a block, the codec.
pub(super) fn decode(data: &[u8], parameters: &[u32], most: usize) -> Result<Vec<u8>, Broken> {
    let parameter = |at: usize| parameters.get(at).copied().unwrap_or(0) as usize;
    let size = parameter(2);
    if size == 0 || size > most {
        return Err(Broken("elements of an impossible size"));
    }
    let default = (BLOCK / size / GROUP * GROUP).max(FEWEST);
    let codec = match parameter(4) {
        0 => {
            let elements = if parameter(3) == 0 { default } else { parameter(3) };
            return plain(data, size, elements, most);
        }
        2 => codecs::lz4,
        3 => codecs::zstd,
        _ => return Err(Broken("an unknown codec")),
    };
    let mut input = Bytes(data);
    let total = usize::try_from(u64::from_be_bytes(input.array()?)).unwrap_or(usize::MAX);
    let block = u32::from_be_bytes(input.array()?) as usize;
    let elements = if block == 0 { default } else { block / size };
    if total > most || elements == 0 || !elements.is_multiple_of(GROUP) {
        return Err(Broken("impossible sizes"));
    }
    let mut output = zeros(total)?;
    let whole = total / size / GROUP * GROUP * size;
    let (blocks, rest) = output.split_at_mut(whole);
    for block in blocks.chunks_mut(elements.saturating_mul(size)) {
        let length = u32::from_be_bytes(input.array()?) as usize;
        let planes = codec(input.take(length)?, block.len())?;
        if planes.len() != block.len() {
            return Err(Broken("a block of another size"));
        }
        unshuffle(&planes, size, block);
    }
    // Fewer elements than a group are stored as they are.
    rest.copy_from_slice(input.take(rest.len())?);
    Ok(output)
}

/// Without a codec.
fn plain(data: &[u8], size: usize, elements: usize, most: usize) -> Result<Vec<u8>, Broken> {
    if data.len() > most || !elements.is_multiple_of(GROUP) {
        return Err(Broken("impossible sizes"));
    }
    let mut output = zeros(data.len())?;
    let whole = data.len() / size / GROUP * GROUP * size;
    let block = elements.saturating_mul(size);
    for (planes, block) in data[..whole].chunks(block).zip(output[..whole].chunks_mut(block)) {
        unshuffle(planes, size, block);
    }
    output[whole..].copy_from_slice(&data[whole..]);
    Ok(output)
}

/// Puts the bits of a block, whose elements are a multiple of eight, where they belong.
pub(super) fn unshuffle(planes: &[u8], size: usize, output: &mut [u8]) {
    let row = output.len() / size / 8;
    if row == 0 {
        return;
    }
    output.fill(0);
    // Of every byte of an element eight rows, one a bit; a byte of a row has the bit of eight elements.
    for (plane, bits) in planes.chunks_exact(row).enumerate() {
        let (byte, bit) = (plane / 8, plane % 8);
        for (group, bits) in bits.iter().enumerate() {
            for element in 0..8 {
                if let Some(to) = output.get_mut((8 * group + element) * size + byte) {
                    *to |= (bits >> element & 1) << bit;
                }
            }
        }
    }
}
