//! [`Packed`]: weights in the order in which the product kernels read them.

use crate::buffer::Buffer;

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

    /// Element (i, j).
    #[inline]
    pub(crate) fn at(&self, i: usize, j: usize) -> f32 {
        self.data[i * self.row_stride + j * self.col_stride]
    }
}

/// Several matrices of one size, `taps` × (depth × cols), cut into panels of [`Packed::PANEL`] columns: numbers lie as
/// `[panel][tap][depth][column of the panel]`, the last panel filled up with zeros. A product then streams through a panel
/// once, from its first number to its last.
#[derive(Clone, Debug)]
pub struct Packed {
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
        let panels = cols.div_ceil(Self::PANEL);
        Self {
            taps,
            depth,
            cols,
            data: Buffer::zeros(panels * taps * depth * Self::PANEL),
        }
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
        let (depth, cols, block) = (self.depth, self.cols, self.depth * Self::PANEL);
        for panel in 0..cols.div_ceil(Self::PANEL) {
            let to = &mut self.data[(panel * self.taps + tap) * block..][..block];
            let first = panel * Self::PANEL;
            let width = (cols - first).min(Self::PANEL);
            // Sixteen rows at a time, so that a transposed matrix is read along its memory too.
            for k in (0..depth).step_by(16) {
                for j in 0..width {
                    for k in k..(k + 16).min(depth) {
                        to[k * Self::PANEL + j] = matrix.at(k, first + j);
                    }
                }
            }
        }
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
