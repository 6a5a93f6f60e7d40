//! Single-precision matrix products over strided views, by `matrixmultiply`.

/// Whether a product replaces the output or is added to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Write {
    /// The old contents are not read.
    Overwrite,
    /// The product is added to the old contents.
    Accumulate,
}

/// A matrix to read: `rows x cols` numbers of a slice, with a stride an axis.
#[derive(Clone, Copy, Debug)]
pub struct MatRef<'a> {
    data: &'a [f32],
    rows: usize,
    cols: usize,
    row_stride: usize,
    col_stride: usize,
}

/// A matrix to write; its strides are such that no two elements share a place.
#[derive(Debug)]
pub struct MatMut<'a> {
    data: &'a mut [f32],
    rows: usize,
    cols: usize,
    row_stride: usize,
    col_stride: usize,
}

/// The number of elements a slice must have to hold the matrix.
fn extent(rows: usize, cols: usize, row_stride: usize, col_stride: usize) -> usize {
    if rows == 0 || cols == 0 {
        0
    } else {
        (rows - 1) * row_stride + (cols - 1) * col_stride + 1
    }
}

impl<'a> MatRef<'a> {
    /// A row-major matrix without gaps.
    ///
    /// # Panics
    /// If `data` is too short.
    pub fn row_major(data: &'a [f32], rows: usize, cols: usize) -> Self {
        Self::strided(data, rows, cols, cols, 1)
    }

    /// Element (i, j) at `data[i * row_stride + j * col_stride]`.
    ///
    /// # Panics
    /// If `data` is too short.
    pub fn strided(data: &'a [f32], rows: usize, cols: usize, row_stride: usize, col_stride: usize) -> Self {
        assert!(extent(rows, cols, row_stride, col_stride) <= data.len());
        Self {
            data,
            rows,
            cols,
            row_stride,
            col_stride,
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
    ///
    /// # Panics
    /// If it lies beyond the slice.
    pub fn at(&self, i: usize, j: usize) -> f32 {
        self.data[i * self.row_stride + j * self.col_stride]
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
}

impl<'a> MatMut<'a> {
    /// A row-major matrix without gaps.
    ///
    /// # Panics
    /// If `data` is too short.
    pub fn row_major(data: &'a mut [f32], rows: usize, cols: usize) -> Self {
        Self::strided(data, rows, cols, cols, 1)
    }

    /// Element (i, j) at `data[i * row_stride + j * col_stride]`.
    ///
    /// # Panics
    /// If `data` is too short, or two elements would share a place.
    pub fn strided(data: &'a mut [f32], rows: usize, cols: usize, row_stride: usize, col_stride: usize) -> Self {
        assert!(extent(rows, cols, row_stride, col_stride) <= data.len());
        let apart = |outer: usize, inner: usize, count: usize| inner > 0 && outer > (count.max(1) - 1) * inner;
        assert!(
            rows <= 1 && (cols <= 1 || col_stride > 0)
                || cols <= 1 && row_stride > 0
                || apart(row_stride, col_stride, cols)
                || apart(col_stride, row_stride, rows),
            "elements of the output overlap"
        );
        Self {
            data,
            rows,
            cols,
            row_stride,
            col_stride,
        }
    }
}

/// `c = a b` or `c += a b`, single-threaded.
///
/// A row of `c` has the same bits whether it is computed alone or among others.
///
/// # Panics
/// If the sizes do not fit.
pub fn matmul(a: MatRef, b: MatRef, write: Write, c: MatMut) {
    assert_eq!(a.cols, b.rows, "inner sizes");
    assert_eq!((a.rows, b.cols), (c.rows, c.cols), "output size");
    if c.rows == 0 || c.cols == 0 {
        return;
    }
    let beta = match write {
        Write::Overwrite => 0.0,
        Write::Accumulate => 1.0,
    };
    // SAFETY: the constructors checked that every element lies inside its slice, and that those of `c` do not overlap;
    // `c` is borrowed mutably, so it overlaps neither `a` nor `b`. Slices are at most isize::MAX bytes, so the strides
    // fit. With beta = 0, `c` is not read.
    unsafe {
        matrixmultiply::sgemm(
            a.rows,
            a.cols,
            b.cols,
            1.0,
            a.data.as_ptr(),
            a.row_stride as isize,
            a.col_stride as isize,
            b.data.as_ptr(),
            b.row_stride as isize,
            b.col_stride as isize,
            beta,
            c.data.as_mut_ptr(),
            c.row_stride as isize,
            c.col_stride as isize,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers with no pattern a product could hide, the same on every run.
    fn numbers(count: usize, seed: u32) -> Vec<f32> {
        let mut state = seed.wrapping_mul(2_654_435_761) | 1;
        (0..count)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 8) as f32 / (1 << 23) as f32 - 1.0
            })
            .collect()
    }

    fn twin(a: &MatRef, b: &MatRef, i: usize, j: usize) -> f64 {
        (0..a.cols)
            .map(|k| {
                a.data[i * a.row_stride + k * a.col_stride] as f64 * b.data[k * b.row_stride + j * b.col_stride] as f64
            })
            .sum()
    }

    #[test]
    fn products_agree_with_the_slow_twin_over_sizes_and_strides() {
        for (m, k, n) in [
            (1, 1, 1),
            (1, 5, 7),
            (3, 0, 2),
            (8, 8, 8),
            (9, 17, 15),
            (33, 70, 31),
            (16, 260, 24),
        ] {
            for transposed in [false, true] {
                for write in [Write::Overwrite, Write::Accumulate] {
                    let (a, b) = (numbers(m * k, 1), numbers(k * n, 2));
                    let a = MatRef::row_major(&a, m, k);
                    let b = if transposed {
                        MatRef::row_major(&b, n, k).t()
                    } else {
                        MatRef::row_major(&b, k, n)
                    };
                    // One column of padding to the right of every row must stay as it is.
                    let mut c = vec![if write == Write::Overwrite { f32::NAN } else { 0.5 }; m * (n + 1)];
                    c.iter_mut().skip(n).step_by(n + 1).for_each(|gap| *gap = 42.0);
                    matmul(a, b, write, MatMut::strided(&mut c, m, n, n + 1, 1));
                    for i in 0..m {
                        for j in 0..n {
                            let expected = twin(&a, &b, i, j) + if write == Write::Accumulate { 0.5 } else { 0.0 };
                            let error = (c[i * (n + 1) + j] as f64 - expected).abs();
                            // Rounding of a sum of k products of numbers below 1.
                            assert!(
                                error <= 6e-8 * (k as f64 + 2.0),
                                "({m},{k},{n}) at ({i},{j}): {error:e}"
                            );
                        }
                        assert_eq!(c[i * (n + 1) + n], 42.0);
                    }
                }
            }
        }
    }

    #[test]
    fn a_row_has_the_same_bits_alone_and_among_others() {
        let (m, k, n) = (37, 300, 45);
        let (a, b) = (numbers(m * k, 3), numbers(k * n, 4));
        let mut whole = numbers(m * n, 5);
        let mut parts = whole.clone();
        let b = MatRef::row_major(&b, k, n);
        matmul(
            MatRef::row_major(&a, m, k),
            b,
            Write::Accumulate,
            MatMut::row_major(&mut whole, m, n),
        );
        for rows in [0..1, 1..4, 4..12, 12..37] {
            let count = rows.len();
            let a = MatRef::row_major(&a[rows.start * k..], count, k);
            let c = MatMut::row_major(&mut parts[rows.start * n..rows.end * n], count, n);
            matmul(a, b, Write::Accumulate, c);
        }
        assert!(whole == parts);
    }

    #[test]
    #[should_panic(expected = "overlap")]
    fn overlapping_output_is_refused() {
        MatMut::strided(&mut [0.0; 16], 3, 3, 1, 1);
    }
}
