//! [`Packed`]: weights in the order in which the product kernels read them.

use crate::buffer::Buffer;
use crate::isa::{Isa, dispatch};
use crate::simd::Simd;

/// A matrix to pack: `rows x cols` numbers of a slice, with a stride an axis.
#[derive(Clone, Copy, Debug)]
pub struct MatRef<'a> {
    data: &'a [f32],
    rows: usize,
    cols: usize,
    row_stride: usize,
    col_stride: usize,
}

impl<'a> MatRef<'a> {
    /// A row-major matrix without gaps.
    ///
    /// # Panics
    /// If `data` has another size.
    pub fn row_major(data: &'a [f32], rows: usize, cols: usize) -> Self {
        assert_eq!(data.len(), rows * cols, "size of a matrix");
        Self {
            data,
            rows,
            cols,
            row_stride: cols,
            col_stride: 1,
        }
    }

    /// The same numbers, rows as columns.
    pub fn t(self) -> Self {
        Self {
            rows: self.cols,
            cols: self.rows,
            row_stride: self.col_stride,
            col_stride: self.row_stride,
            data: self.data,
        }
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The number of columns.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// Copies `width` columns from `first` on into rows of a panel.
    fn copy_columns(&self, first: usize, width: usize, panel: &mut [f32]) {
        const STRIP: usize = 16;
        if self.col_stride == 1 {
            let rows = panel.chunks_exact_mut(Packed::PANEL);
            for (to, from) in rows.zip(self.data.chunks_exact(self.row_stride)) {
                to[..width].copy_from_slice(&from[first..first + width]);
            }
            return;
        }
        // Transposed: a column lies along memory. Strips of sixteen numbers of each keep what is written in the cache.
        for (strip, to) in panel.chunks_mut(STRIP * Packed::PANEL).enumerate() {
            for j in 0..width {
                let from = &self.data[(first + j) * self.col_stride..][..self.rows][strip * STRIP..];
                for (row, from) in to.chunks_exact_mut(Packed::PANEL).zip(from) {
                    row[j] = *from;
                }
            }
        }
    }

    /// Element (i, j).
    #[inline]
    pub(crate) fn at(&self, i: usize, j: usize) -> f32 {
        self.data[i * self.row_stride + j * self.col_stride]
    }
}

/// How numbers lie in [`Packed`] and in the rows that meet it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    F32,
    /// Rounded to bfloat16, each as a float32 number: for instruction sets without products of bfloat16.
    Bf16Widened,
    /// Rounded to bfloat16, two rows of the matrix (two numbers of a row that meets it) in the place of one float32 number.
    Bf16Pairs,
}

/// `x` rounded to bfloat16, to nearest, ties to even; NaN stays NaN.
#[inline(always)]
fn round_to_bf16(x: f32) -> f32 {
    let bits = x.to_bits();
    let odd = (bits >> 16) & 1;
    let rounded = bits.wrapping_add(0x7fff + odd) & 0xffff_0000;
    f32::from_bits(if x.is_nan() { bits | 0x0040_0000 } else { rounded })
}

/// Two numbers rounded to bfloat16 in one place, the first in the low half.
#[inline(always)]
fn pair(low: f32, high: f32) -> f32 {
    f32::from_bits(round_to_bf16(low).to_bits() >> 16 | round_to_bf16(high).to_bits() & 0xffff_0000)
}

/// Rounds rows of `depth` numbers: a plain loop, compiled for each instruction set.
///
/// # Safety
/// The CPU must have the instruction set.
#[inline(always)]
unsafe fn round_body<S: Simd>(format: Format, depth: usize, x: &[f32], rounded: &mut [f32]) {
    if format != Format::Bf16Pairs {
        rounded.iter_mut().zip(x).for_each(|(to, x)| *to = round_to_bf16(*x));
        return;
    }
    for (to, row) in rounded.chunks_exact_mut(depth.div_ceil(2)).zip(x.chunks_exact(depth)) {
        let (pairs, rest) = row.as_chunks::<2>();
        to.iter_mut().zip(pairs).for_each(|(to, p)| *to = pair(p[0], p[1]));
        if let ([last], Some(to)) = (rest, to.last_mut()) {
            *to = pair(*last, 0.0);
        }
    }
}
dispatch!(unsafe fn round_with(format: Format, depth: usize, x: &[f32], rounded: &mut [f32]) => round_body);

/// Several matrices of one size, `taps` × (depth × cols), cut into panels of [`Packed::PANEL`] columns: numbers lie as
/// `[panel][tap][depth][column of the panel]`, the last panel filled up with zeros. A product then streams through a panel
/// once, from its first number to its last.
#[derive(Clone, Debug)]
pub struct Packed {
    format: Format,
    taps: usize,
    depth: usize,
    cols: usize,
    data: Buffer,
}

impl Packed {
    /// Columns of a panel: two vectors of 512 bits.
    pub const PANEL: usize = 32;

    /// All zeros.
    pub fn zeros(taps: usize, depth: usize, cols: usize) -> Self {
        Self::in_format(Format::F32, taps, depth, cols)
    }

    /// All zeros, for weights rounded to bfloat16; products with them are summed in float32. Where the active instruction set
    /// multiplies bfloat16 numbers, they take half the memory and half the time; elsewhere they gain nothing.
    pub fn zeros_bf16(taps: usize, depth: usize, cols: usize) -> Self {
        let format = match Isa::active() {
            Isa::Avx512Bf16 => Format::Bf16Pairs,
            _ => Format::Bf16Widened,
        };
        Self::in_format(format, taps, depth, cols)
    }

    pub(crate) fn in_format(format: Format, taps: usize, depth: usize, cols: usize) -> Self {
        let mut packed = Self {
            format,
            taps,
            depth,
            cols,
            data: Buffer::default(),
        };
        let numbers = [taps, packed.row_len(), Self::PANEL]
            .into_iter()
            .try_fold(cols.div_ceil(Self::PANEL), usize::checked_mul);
        packed
            .data
            .resize(numbers.expect("more numbers than there are addresses"));
        packed
    }

    /// Sets one of the matrices, (depth, cols).
    ///
    /// # Panics
    /// If it has another size, or there are not as many.
    pub fn set(&mut self, tap: usize, matrix: MatRef) {
        assert!(
            tap < self.taps && (matrix.rows(), matrix.cols()) == (self.depth, self.cols),
            "size of a tap"
        );
        let (depth, cols, places) = (self.depth, self.cols, self.row_len());
        let block = places * Self::PANEL;
        for panel in 0..cols.div_ceil(Self::PANEL) {
            let to = &mut self.data[(panel * self.taps + tap) * block..][..block];
            let first = panel * Self::PANEL;
            let width = (cols - first).min(Self::PANEL);
            match self.format {
                Format::F32 => matrix.copy_columns(first, width, to),
                _ => {
                    for k in 0..places {
                        for j in 0..width {
                            let at = |k: usize| if k < depth { matrix.at(k, first + j) } else { 0.0 };
                            to[k * Self::PANEL + j] = match self.format {
                                Format::F32 | Format::Bf16Widened => round_to_bf16(at(k)),
                                Format::Bf16Pairs => pair(at(2 * k), at(2 * k + 1)),
                            };
                        }
                    }
                }
            }
        }
    }

    /// Rows of `depth` numbers as they must be to meet these weights, rounded to bfloat16; the rows in `rounded` are
    /// [`row_len`](Self::row_len) long.
    ///
    /// # Panics
    /// If `x` does not hold whole rows, or the weights are not bfloat16.
    pub fn round_rows(&self, x: &[f32], rounded: &mut Buffer) {
        assert!(x.len().is_multiple_of(self.depth), "not whole rows");
        assert!(
            self.format != Format::F32,
            "the weights are not rounded, so rows must not be"
        );
        rounded.resize(x.len() / self.depth * self.row_len());
        // SAFETY: the active instruction set is an available one; the body asks for nothing else.
        unsafe { round_with(Isa::active(), self.format, self.depth, x, rounded) };
    }

    /// How many columns there are from a panel on.
    pub(crate) fn cols_from(&self, panel: usize) -> usize {
        let before = panel.checked_mul(Self::PANEL);
        before.map_or(0, |before| self.cols.saturating_sub(before))
    }

    /// How many float32 places a row that meets the weights takes.
    pub fn row_len(&self) -> usize {
        match self.format {
            Format::Bf16Pairs => self.depth.div_ceil(2),
            Format::F32 | Format::Bf16Widened => self.depth,
        }
    }

    pub(crate) fn format(&self) -> Format {
        self.format
    }

    /// How many matrices.
    pub fn taps(&self) -> usize {
        self.taps
    }

    /// Rows of each matrix: the inner size of products.
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// Columns of each matrix.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// The numbers, as the type's documentation has them.
    pub fn data(&self) -> &[f32] {
        &self.data
    }

    /// The numbers, to be changed.
    pub(crate) fn data_mut(&mut self) -> &mut [f32] {
        &mut self.data
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_is_to_nearest_and_ties_to_even() {
        for (x, expected) in [
            (1.0, 1.0),
            (1.0 + 2f32.powi(-8), 1.0),                       // a tie, to even
            (1.0 + 3.0 * 2f32.powi(-8), 1.0 + 2f32.powi(-6)), // a tie, to even
            (1.0 + 1.01 * 2f32.powi(-8), 1.0 + 2f32.powi(-7)),
            (f32::MAX, f32::INFINITY),
            (f32::NEG_INFINITY, f32::NEG_INFINITY),
            (0.0, 0.0),
        ] {
            assert_eq!(round_to_bf16(x), expected, "{x}");
            assert_eq!(half::bf16::from_f32(x).to_f32(), expected, "{x}");
        }
        assert!(round_to_bf16(f32::NAN).is_nan() && round_to_bf16(f32::from_bits(0x7f80_0001)).is_nan());
    }

    #[test]
    fn panels_hold_the_columns_and_zeros_behind_them() {
        let (depth, cols) = (19, 37);
        let matrix: Vec<f32> = (0..depth * cols).map(|i| 1.0 + i as f32).collect();
        for transposed in [false, true] {
            let mut packed = Packed::zeros(2, depth, cols);
            let view = match transposed {
                false => MatRef::row_major(&matrix, depth, cols),
                true => MatRef::row_major(&matrix, cols, depth).t(),
            };
            packed.set(1, view);
            for panel in 0..2 {
                for k in 0..depth {
                    for j in 0..32 {
                        let got = packed.data()[((panel * 2 + 1) * depth + k) * 32 + j];
                        let column = panel * 32 + j;
                        assert_eq!(got, if column < cols { view.at(k, column) } else { 0.0 });
                    }
                }
            }
            assert!(packed.data()[..depth * 32].iter().all(|&x| x == 0.0));
        }
    }
}
