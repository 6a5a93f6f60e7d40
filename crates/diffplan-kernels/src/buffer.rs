//! [`Buffer`]: float32 numbers on cache-line boundaries.

use std::ops::{Deref, DerefMut};

/// As many numbers as a cache line holds; its alignment is what the buffer is for.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(C, align(64))]
struct Line([f32; Buffer::LINE]);

/// A growable run of float32 numbers that begins on a cache line, so that vectors of any width load without straddling two.
#[derive(Clone, Debug, Default)]
pub struct Buffer {
    lines: Vec<Line>,
    len: usize,
}

impl Buffer {
    /// Numbers in a cache line.
    const LINE: usize = 16;

    /// As many zeros.
    pub fn zeros(len: usize) -> Self {
        let mut buffer = Self::default();
        buffer.resize(len);
        buffer
    }

    /// Takes on a length. Numbers that were there stay as they were, up to the shorter length; allocates only if the buffer was
    /// never as long.
    pub fn resize(&mut self, len: usize) {
        self.lines.resize(len.div_ceil(Self::LINE), Line([0.0; Self::LINE]));
        self.len = len;
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        // SAFETY: a `Line` is 16 numbers without padding, and lines lie side by side, so `len` ≤ 16 · lines are initialised.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.len) }
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        // SAFETY: as for `deref`; the borrow of `self` is exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.len) }
    }
}

impl PartialEq for Buffer {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

#[cfg(test)]
mod tests {
    use super::Buffer;

    #[test]
    fn a_buffer_is_aligned_and_keeps_its_place() {
        let mut buffer = Buffer::zeros(37);
        assert_eq!((buffer.len(), buffer.as_ptr() as usize % 64), (37, 0));
        buffer[36] = 5.0;
        let place = buffer.as_ptr();
        buffer.resize(3);
        assert_eq!(buffer.len(), 3);
        buffer.resize(37);
        assert_eq!(buffer.as_ptr(), place);
        buffer.resize(1000);
        assert!(buffer.iter().skip(48).all(|&x| x == 0.0));
        assert_eq!(Buffer::default().len(), 0);
    }
}
