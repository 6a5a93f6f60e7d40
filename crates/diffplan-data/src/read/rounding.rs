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

/// Mean and variance of what was seen, from sums of distances to the first number: sums of the numbers' own squares would lose what is to be
/// measured, and a running mean takes a division a number.
#[derive(Debug, Clone, Copy, Default)]
struct Moments {
    count: f64,
    first: f64,
    sum: f64,
    squares: f64,
}

impl Moments {
    fn push(&mut self, value: f64) {
        if self.count == 0.0 {
            self.first = value;
        }
        let off = value - self.first;
        self.count += 1.0;
        self.sum += off;
        self.squares += off * off;
    }

    fn mean(self) -> f64 {
        self.first + self.sum / self.count
    }

    fn deviation(self) -> f64 {
        let off = self.sum / self.count;
        (self.squares / self.count - off * off).max(0.0).sqrt()
    }
}

/// The numbers of an array's columns, as they are in the file and as they are kept.
#[derive(Debug, Clone, Default)]
pub(super) struct Rounding {
    columns: Vec<[Moments; 2]>,
}

impl Rounding {
    /// Numbers of whole rows. What is not finite is an error elsewhere.
    pub(super) fn push(&mut self, columns: usize, wide: impl Iterator<Item = f64>) {
        if self.columns.len() < columns {
            self.columns.resize(columns, Default::default());
        }
        let mut column = 0;
        for value in wide {
            if let Some([file, kept]) = self.columns.get_mut(column)
                && value.is_finite()
            {
                file.push(value);
                kept.push(f64::from(value as f32));
            }
            column = if column + 1 < columns { column + 1 } else { 0 };
        }
    }

    /// The columns that lose too much.
    pub(super) fn notes(&self, key: &str) -> impl Iterator<Item = FileNote> {
        let columns = self.columns.iter().enumerate();
        columns.filter_map(move |(column, [file, kept])| {
            // What differs by the last bits alone is constant, however it was computed.
            let constant = file.deviation() <= SAME * file.mean().abs();
            let allowed = TOO_MUCH * file.deviation();
            let (deviation, mean) = (file.deviation() - kept.deviation(), file.mean() - kept.mean());
            (!constant && (deviation.abs() > allowed || mean.abs() > allowed)).then(|| FileNote::Rounded {
                key: key.into(),
                column,
                in_file: file.deviation(),
                kept: kept.deviation(),
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
            rounding.push(1, values);
            assert_eq!(rounding.notes("observations").count() > 0, lost, "{name}");
        }
    }
}
