//! LZF: literals, and copies of what came before, at most 8 KiB back.

use super::{Broken, Bytes};

pub(super) fn decode(data: &[u8], most: usize) -> Result<Vec<u8>, Broken> {
    let mut input = Bytes(data);
    let mut output = Vec::new();
    while !input.0.is_empty() {
        let control = usize::from(input.byte()?);
        if control < 32 {
            output.extend_from_slice(input.take(control + 1)?);
        } else {
            let mut length = control >> 5;
            if length == 7 {
                length += usize::from(input.byte()?);
            }
            let back = (control & 31) << 8 | usize::from(input.byte()?);
            repeat(&mut output, back + 1, length + 2)?;
        }
        if output.len() > most {
            return Err(Broken("more comes out than there is room for"));
        }
    }
    Ok(output)
}

/// Appends what stands so far back, again and again where it is longer than that.
pub(super) fn repeat(output: &mut Vec<u8>, back: usize, length: usize) -> Result<(), Broken> {
    let start = output
        .len()
        .checked_sub(back)
        .filter(|_| back > 0)
        .ok_or(Broken("a copy of what is before the start"))?;
    if back >= length {
        output.extend_from_within(start..start + length);
    } else {
        for at in 0..length {
            output.push(output[start + at]);
        }
    }
    Ok(())
}
