//! One dimension in five numbers, and what is no number in an array.

use diffplan_data::Moments;
use diffplan_data::findings::NonFinite;
use serde::Serialize;

/// Of all finite values, in float64.
#[derive(Debug, Serialize)]
pub(super) struct Dimension {
    pub(super) name: String,
    pub(super) mean: f64,
    /// Population.
    pub(super) std: f64,
    pub(super) min: f64,
    pub(super) max: f64,
}

impl Dimension {
    pub(super) fn of(name: &str, moments: &Moments, column: usize) -> Self {
        Self {
            name: name.into(),
            mean: moments.mean(column),
            std: moments.std(column),
            min: moments.min(column),
            max: moments.max(column),
        }
    }

    pub(super) fn cells(&self) -> Vec<String> {
        let numbers = [self.mean, self.std, self.min, self.max].map(number);
        [self.name.clone()].into_iter().chain(numbers).collect()
    }
}

/// Five digits, where there are as many.
pub(super) fn number(value: f64) -> String {
    match value.abs() {
        0.0 => "0".into(),
        size if !(1e-3..1e6).contains(&size) => format!("{value:.3e}"),
        size => format!("{value:.*}", (4.0 - size.log10().floor()).clamp(1.0, 5.0) as usize),
    }
}

/// What is no number in an array.
pub(super) fn text(found: &NonFinite) -> String {
    let (row, column) = found.first;
    format!(
        "{}: {} NaN and {} infinite values in {} rows, the first in row {row}, column {column}",
        found.array, found.nan, found.infinite, found.rows
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_five_digits() {
        for (value, text) in [
            (0.0, "0"),
            (1.234567, "1.2346"),
            (-0.001234567, "-0.00123"),
            (123.4567, "123.46"),
            (-12345.67, "-12345.7"),
            (1.5e-7, "1.500e-7"),
            (2e9, "2.000e9"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(number(value), text);
        }
    }
}
