//! Whether float32, in which observations and actions are kept, is enough for a column's numbers.
//!
//! Numbers that are large for how much they differ (time stamps, coordinates of a map) lose their differences: in steps of
//! 1 at 1e9 all that is left are multiples of 64. Compared are the standard deviation and the mean of a column before and
//! after, for both go into normalisers.

use super::note::FileNote;

/// Relative difference from which on it is said.
const TOO_MUCH: f64 = 1e-3;
/// Relative to the mean, a deviation that is of rounding in float64.
const SAME: f64 = 1e-13;

/// Means and variances of columns, from sums of distances to the first number: sums of the numbers' own squares would lose what is to
/// be measured.
#[derive(Debug, Clone, Default)]
struct Sums {
    first: Vec<f64>,
    sum: Vec<f64>,
    squares: Vec<f64>,
}

impl Sums {
    fn new(columns: usize) -> Self {
        Self {
            first: vec![0.0; columns],
            sum: vec![0.0; columns],
            squares: vec![0.0; columns],
        }
    }

    fn push(&mut self, column: usize, value: f64) {
        let off = value - self.first[column];
        self.sum[column] += off;
        self.squares[column] += off * off;
    }

    fn push_row(&mut self, row: impl Iterator<Item = f64>) {
        let columns = self.first.iter().zip(&mut self.sum).zip(&mut self.squares);
        for (value, ((first, sum), squares)) in row.zip(columns) {
            let off = value - first;
            *sum += off;
            *squares += off * off;
        }
    }

    fn mean(&self, column: usize, count: f64) -> f64 {
        self.first[column] + self.sum[column] / count
    }

    fn deviation(&self, column: usize, count: f64) -> f64 {
        let off = self.sum[column] / count;
        (self.squares[column] / count - off * off).max(0.0).sqrt()
    }
}

/// The numbers of an array's columns, as they are in the file and as they are kept.
#[derive(Debug, Clone, Default)]
pub(super) struct Rounding {
    /// Finite numbers of each column.
    counts: Vec<f64>,
    file: Sums,
    kept: Sums,
    /// Whether every column has a number.
    begun: bool,
}

impl Rounding {
    /// Numbers of whole rows. What is not finite is an error elsewhere.
    pub(super) fn push(&mut self, columns: usize, wide: &[f64]) {
        let kept = |value: f64| f64::from(value as f32);
        if self.counts.len() != columns {
            *self = Self {
                counts: vec![0.0; columns],
                file: Sums::new(columns),
                kept: Sums::new(columns),
                begun: false,
            };
        }
        for row in wide.chunks_exact(columns.max(1)) {
            if self.begun && row.iter().all(|value| value.is_finite()) {
                self.counts.iter_mut().for_each(|count| *count += 1.0);
                self.file.push_row(row.iter().copied());
                self.kept.push_row(row.iter().map(|value| kept(*value)));
                continue;
            }
            for (column, &value) in row.iter().enumerate().filter(|(_, value)| value.is_finite()) {
                if self.counts[column] == 0.0 {
                    (self.file.first[column], self.kept.first[column]) = (value, kept(value));
                }
                self.counts[column] += 1.0;
                self.file.push(column, value);
                self.kept.push(column, kept(value));
            }
            self.begun = self.counts.iter().all(|count| *count > 0.0);
        }
    }

    /// The columns that lose too much.
    pub(super) fn notes(&self, key: &str) -> impl Iterator<Item = FileNote> {
        let columns = self.counts.iter().enumerate();
        columns.filter_map(move |(column, &count)| {
            let (file, kept) = (self.file.deviation(column, count), self.kept.deviation(column, count));
            let (mean, mean_kept) = (self.file.mean(column, count), self.kept.mean(column, count));
            // What differs by the last bits alone is constant, however it was computed.
            let constant = file <= SAME * mean.abs();
            let allowed = TOO_MUCH * file;
            let (deviation, off) = (file - kept, mean - mean_kept);
            (!constant && (deviation.abs() > allowed || off.abs() > allowed)).then(|| FileNote::Rounded {
                key: key.into(),
                column,
                in_file: file,
                kept,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_columns_that_lose_their_differences_are_said() {
        let column = |value: fn(f64) -> f64| (0..1000).map(move |i| value(f64::from(i)));
        for (name, values, lost) in [
            ("small", column(|i| i / 7.0), false),
            ("constant", column(|_| 0.1), false),
            (
                "constant but for its last bit",
                column(|i| if i > 9.0 { 0.1 + 0.2 } else { 0.3 }),
                false,
            ),
            ("constant and large", column(|_| 1e9 + 0.1), false),
            ("around zero", column(|i| (i - 499.5) / 3.0), false),
            ("with an offset", column(|i| 1e4 + i / 7.0), false),
            ("a time stamp", column(|i| 1.7e9 + i), true),
            ("all the same as float32", column(|i| 1e9 + i * 1e-3), true),
        ] {
            let mut rounding = Rounding::default();
            rounding.push(1, &values.collect::<Vec<f64>>());
            assert_eq!(rounding.notes("observations").count() > 0, lost, "{name}");
        }
    }
}
