//! [`Rows`] and [`RowsMut`]: matrices within a slice, rows contiguous and a stride apart.

use std::marker::PhantomData;
use std::ops::Range;

/// A matrix to read. Row i is `data[i · stride..][..cols]`.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a> {
    data: &'a [f32],
    rows: usize,
    cols: usize,
    stride: usize,
}

/// A matrix to write, which can be cut into columns that different threads write.
#[derive(Debug)]
pub struct RowsMut<'a> {
    /// The matrix owns, for 'a, exactly the numbers of its rows: what lies between them may be another matrix's.
    data: *mut f32,
    rows: usize,
    cols: usize,
    stride: usize,
    marker: PhantomData<&'a mut [f32]>,
}

// SAFETY: a `RowsMut` is an exclusive borrow of its rows' numbers, and no two that exist at a time share one.
unsafe impl Send for RowsMut<'_> {}

fn extent(rows: usize, cols: usize, stride: usize) -> usize {
    if rows == 0 { 0 } else { (rows - 1) * stride + cols }
}

impl<'a> Rows<'a> {
    /// Rows without gaps.
    ///
    /// # Panics
    /// If `data` does not hold whole rows of `cols`.
    pub fn new(data: &'a [f32], cols: usize) -> Self {
        assert!(cols > 0 && data.len().is_multiple_of(cols), "not whole rows");
        Self {
            data,
            rows: data.len() / cols,
            cols,
            stride: cols,
        }
    }

    /// Some of the columns.
    ///
    /// # Panics
    /// If there are not as many.
    pub fn columns(self, columns: Range<usize>) -> Self {
        assert!(columns.start <= columns.end && columns.end <= self.cols);
        let data = self.data.get(columns.start..).unwrap_or(&[]);
        Self {
            data,
            cols: columns.len(),
            ..self
        }
    }

    /// Some of the rows.
    ///
    /// # Panics
    /// If there are not as many.
    pub fn range(self, rows: Range<usize>) -> Self {
        assert!(rows.start <= rows.end && rows.end <= self.rows);
        let data = self.data.get(rows.start * self.stride..).unwrap_or(&[]);
        Self {
            data,
            rows: rows.len(),
            ..self
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

    /// One row.
    ///
    /// # Panics
    /// If there is none of that number.
    pub fn row(&self, i: usize) -> &'a [f32] {
        assert!(i < self.rows);
        &self.data[i * self.stride..][..self.cols]
    }

    pub(crate) fn stride(&self) -> usize {
        self.stride
    }

    pub(crate) fn as_ptr(&self) -> *const f32 {
        debug_assert!(extent(self.rows, self.cols, self.stride) <= self.data.len());
        self.data.as_ptr()
    }
}

impl<'a> RowsMut<'a> {
    /// Rows without gaps.
    ///
    /// # Panics
    /// If `data` does not hold whole rows of `cols`.
    pub fn new(data: &'a mut [f32], cols: usize) -> Self {
        assert!(cols > 0 && data.len().is_multiple_of(cols), "not whole rows");
        Self {
            rows: data.len() / cols,
            data: data.as_mut_ptr(),
            cols,
            stride: cols,
            marker: PhantomData,
        }
    }

    /// The same matrix for a shorter while.
    pub fn reborrow(&mut self) -> RowsMut<'_> {
        RowsMut {
            marker: PhantomData,
            ..*self
        }
    }

    /// The first `cols` columns, and the rest.
    ///
    /// # Panics
    /// If there are not as many.
    pub fn split_columns(self, cols: usize) -> (Self, Self) {
        assert!(cols <= self.cols);
        // Not past the end of the slice, where there is no row to say that it goes on.
        let offset = if self.rows == 0 { 0 } else { cols };
        // SAFETY: the offset is within the first row; the two share no number.
        let rest = unsafe { self.data.add(offset) };
        (
            Self { cols, ..self },
            Self {
                data: rest,
                cols: self.cols - cols,
                ..self
            },
        )
    }

    /// Some of the rows.
    ///
    /// # Panics
    /// If there are not as many.
    pub fn range(self, rows: Range<usize>) -> Self {
        assert!(rows.start <= rows.end && rows.end <= self.rows);
        let offset = if rows.is_empty() { 0 } else { rows.start * self.stride };
        Self {
            // SAFETY: row `rows.start` is one of the matrix's where the range is not empty.
            data: unsafe { self.data.add(offset) },
            rows: rows.len(),
            ..self
        }
    }

    /// Every `step`-th row, `rows` of them.
    ///
    /// # Panics
    /// If there are not as many.
    pub fn every(self, step: usize, rows: usize) -> Self {
        // The last row's place: there is none of no rows, and none in a matrix without rows.
        let last = rows.checked_sub(1).map(|last| last.checked_mul(step));
        assert!(
            step > 0 && last.is_none_or(|last| last.is_some_and(|last| last < self.rows)),
            "rows beyond the last"
        );
        // Below the numbers there are, so that the product exists, wherever there is a second row.
        let stride = if rows > 1 { self.stride * step } else { self.stride };
        Self { rows, stride, ..self }
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The number of columns.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// One row.
    ///
    /// # Panics
    /// If there is none of that number.
    pub fn row(&mut self, i: usize) -> &mut [f32] {
        assert!(i < self.rows);
        // SAFETY: the row is this matrix's own, and the borrow of `self` is exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.data.add(i * self.stride), self.cols) }
    }

    pub(crate) fn stride(&self) -> usize {
        self.stride
    }

    pub(crate) fn as_mut_ptr(&mut self) -> *mut f32 {
        self.data
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_rows_and_steps_are_where_they_should_be() {
        let numbers: Vec<f32> = (0..24).map(|i| i as f32).collect();
        let rows = Rows::new(&numbers, 4);
        assert_eq!((rows.rows(), rows.cols()), (6, 4));
        assert_eq!(rows.columns(1..3).range(2..5).row(2), [17.0, 18.0]);
        let mut numbers = numbers;
        let (mut left, right) = RowsMut::new(&mut numbers, 4).split_columns(3);
        let mut right = right.range(1..6).every(2, 3);
        left.row(5).fill(-1.0);
        right.row(2).fill(-2.0);
        assert_eq!(numbers[20..], [-1.0, -1.0, -1.0, -2.0]);
        assert_eq!(RowsMut::new(&mut [], 3).split_columns(1).1.range(0..0).rows(), 0);
    }

    #[test]
    #[should_panic(expected = "rows beyond the last")]
    fn more_rows_than_there_are_is_refused() {
        RowsMut::new(&mut [0.0; 6], 1).every(3, 3);
    }

    #[test]
    fn an_empty_matrix_has_no_first_row_and_absurd_steps_do_not_wrap() {
        let refused = |numbers: usize, step: usize, rows: usize| {
            let every = move || RowsMut::new(&mut vec![0.0; numbers], 1).every(step, rows).rows();
            std::panic::catch_unwind(every).is_err()
        };
        assert!(refused(0, 1, 1));
        assert!(refused(6, usize::MAX / 2 + 1, 3));
        assert!(refused(6, 2, usize::MAX));
        assert!(!refused(0, 1, 0));
        assert!(!refused(6, usize::MAX, 1));
        assert!(!refused(6, 5, 2));
    }
}
