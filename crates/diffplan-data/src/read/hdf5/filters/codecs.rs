//! Codecs that several filters have in common.

use std::io::Read;

use super::lzf::repeat;
use super::{Broken, Bytes};

/// Bytes that Zstandard may look back at most, whatever a frame says.
const WINDOW: u64 = 1 << 27;

const TOO_MUCH: Broken = Broken("more comes out than there is room for");

/// Reads to the end, which must come after so many bytes at most.
fn all(reader: impl Read, most: usize) -> Result<Vec<u8>, Broken> {
    let mut output = Vec::new();
    let mut reader = reader.take((most as u64).saturating_add(1));
    reader
        .read_to_end(&mut output)
        .map_err(|_| Broken("the compressed data is damaged"))?;
    if output.len() > most { Err(TOO_MUCH) } else { Ok(output) }
}

pub(super) fn bzip2(data: &[u8], most: usize) -> Result<Vec<u8>, Broken> {
    all(bzip2::read::MultiBzDecoder::new(data), most)
}

pub(super) fn zlib(data: &[u8], most: usize) -> Result<Vec<u8>, Broken> {
    all(flate2::read::ZlibDecoder::new(data), most)
}

pub(super) fn zstd(data: &[u8], most: usize) -> Result<Vec<u8>, Broken> {
    // A window is no larger than what it is of, give or take its rounding.
    let window = (most as u64).saturating_mul(2).clamp(1 << 20, WINDOW);
    let decoder = ruzstd::decoding::StreamingDecoder::new_with_max_window_size(data, window);
    all(decoder.map_err(|_| Broken("the compressed data is damaged"))?, most)
}

/// One block of LZ4.
pub(super) fn lz4(data: &[u8], most: usize) -> Result<Vec<u8>, Broken> {
    // A byte of LZ4 stands for 255 at most.
    let mut output = super::zeros(most.min(data.len().saturating_mul(255)))?;
    let length = lz4_flex::block::decompress_into(data, &mut output);
    let length = length.map_err(|_| Broken("the compressed data is damaged"))?;
    output.truncate(length);
    Ok(output)
}

/// The filter LZ4: the size of it all and of a block, and then of every block its compressed size.
pub(super) fn lz4_blocks(data: &[u8], most: usize) -> Result<Vec<u8>, Broken> {
    let mut input = Bytes(data);
    let total = usize::try_from(u64::from_be_bytes(input.array()?)).unwrap_or(usize::MAX);
    let block = u32::from_be_bytes(input.array()?) as usize;
    if total > most {
        return Err(TOO_MUCH);
    }
    let mut output = Vec::new();
    while output.len() < total {
        let length = block.min(total - output.len());
        let compressed = u32::from_be_bytes(input.array()?) as usize;
        let bytes = input.take(compressed)?;
        let before = output.len();
        // A block that does not become smaller is stored as it is.
        match bytes.len() == length {
            true => output.extend_from_slice(bytes),
            false => output.extend(lz4(bytes, length)?),
        }
        if output.len() - before != length || length == 0 {
            return Err(Broken("a block of another size"));
        }
    }
    Ok(output)
}

/// Snappy without frames.
pub(super) fn snappy(data: &[u8], most: usize) -> Result<Vec<u8>, Broken> {
    let mut input = Bytes(data);
    let (mut length, mut shift) = (0usize, 0);
    loop {
        let byte = input.byte()?;
        if shift > 28 {
            return Err(TOO_MUCH);
        }
        length |= usize::from(byte & 127) << shift;
        shift += 7;
        if byte < 128 {
            break;
        }
    }
    if length > most {
        return Err(TOO_MUCH);
    }
    let mut output = Vec::new();
    while !input.0.is_empty() {
        let tag = usize::from(input.byte()?);
        let upper = tag >> 2;
        match tag & 3 {
            0 => {
                let count = match upper {
                    60.. => {
                        let bytes = input.take(upper - 59)?;
                        bytes.iter().rev().fold(0, |wide, byte| wide << 8 | usize::from(*byte))
                    }
                    _ => upper,
                };
                output.extend_from_slice(input.take(count.saturating_add(1))?);
            }
            1 => {
                let back = (tag >> 5) << 8 | usize::from(input.byte()?);
                repeat(&mut output, back, 4 + (upper & 7))?;
            }
            2 => {
                let back = u16::from_le_bytes(input.array()?);
                repeat(&mut output, usize::from(back), upper + 1)?;
            }
            _ => {
                let back = u32::from_le_bytes(input.array()?);
                repeat(&mut output, back as usize, upper + 1)?;
            }
        }
        if output.len() > length {
            return Err(TOO_MUCH);
        }
    }
    Ok(output)
}

/// Blosc's own: literals, and copies of what came before, at most 8 KiB back, or 72 KiB in a longer form.
pub(super) fn blosclz(data: &[u8], most: usize) -> Result<Vec<u8>, Broken> {
    const NEAR: usize = 8191;
    let mut input = Bytes(data);
    let mut output = Vec::new();
    // The first is always literals; its upper bits say nothing.
    let mut control = usize::from(input.byte()?) & 31;
    loop {
        if control < 32 {
            output.extend_from_slice(input.take(control + 1)?);
        } else {
            let mut length = (control >> 5) - 1;
            if length == 6 {
                loop {
                    let more = usize::from(input.byte()?);
                    length += more;
                    if length > most {
                        return Err(TOO_MUCH);
                    }
                    if more < 255 {
                        break;
                    }
                }
            }
            let (high, low) = ((control & 31) << 8, usize::from(input.byte()?));
            let back = match (high, low) {
                (0x1f00, 255) => NEAR + usize::from(u16::from_be_bytes(input.array()?)),
                _ => high + low,
            };
            repeat(&mut output, back + 1, length + 3)?;
        }
        if output.len() > most {
            return Err(TOO_MUCH);
        }
        match input.byte() {
            Ok(next) => control = usize::from(next),
            Err(_) => return Ok(output),
        }
    }
}
