//! One dimension in five numbers, and what is no number in an array.

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
    pub(super) fn of(name: &str, values: impl Iterator<Item = f64> + Clone) -> Self {
        let finite = || values.clone().filter(|x| x.is_finite());
        let count = finite().count() as f64;
        let (min, max) = finite().fold((f64::INFINITY, f64::NEG_INFINITY), |(min, max), x| {
            (min.min(x), max.max(x))
        });
        let mean = finite().sum::<f64>() / count;
        let variance = finite().map(|x| (x - mean).powi(2)).sum::<f64>() / count;
        Self {
            name: name.into(),
            // The mean of equal numbers may be rounded away from them.
            mean: if min == max { min } else { mean },
            std: if min == max { 0.0 } else { variance.sqrt() },
            min,
            max,
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

/// NaN and infinities of an array.
#[derive(Debug, Serialize)]
pub(super) struct NonFinite {
    array: &'static str,
    nan: usize,
    infinite: usize,
    /// Rows that have any.
    rows: usize,
    /// The first row and column.
    first: (usize, usize),
}

impl NonFinite {
    /// Of rows of `columns` values; none where all are finite.
    pub(super) fn of(array: &'static str, columns: usize, values: impl Iterator<Item = f64>) -> Option<Self> {
        let mut found: Option<Self> = None;
        let mut last_row = usize::MAX;
        for (i, value) in values.enumerate().filter(|(_, value)| !value.is_finite()) {
            let place = (i / columns, i % columns);
            let found = found.get_or_insert(Self {
                array,
                nan: 0,
                infinite: 0,
                rows: 0,
                first: place,
            });
            if value.is_nan() {
                found.nan += 1;
            } else {
                found.infinite += 1;
            }
            found.rows += usize::from(place.0 != last_row);
            last_row = place.0;
        }
        found
    }

    pub(super) fn text(&self) -> String {
        let Self {
            array,
            nan,
            infinite,
            rows,
            first: (row, column),
        } = self;
        format!(
            "{array}: {nan} NaN and {infinite} infinite values in {rows} rows, the first in row {row}, column {column}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_finite_is_left_out_and_counted() {
        let values = [1.0, f64::NAN, 3.0, f64::INFINITY, f64::NAN, 2.0];
        let dimension = Dimension::of("x", values.into_iter());
        assert_eq!((dimension.mean, dimension.min, dimension.max), (2.0, 1.0, 3.0));
        assert!((dimension.std - (2.0_f64 / 3.0).sqrt()).abs() < 1e-15);
        let found = NonFinite::of("observations", 2, values.into_iter()).unwrap();
        assert_eq!((found.nan, found.infinite, found.rows, found.first), (2, 1, 3, (0, 1)));
        assert!(NonFinite::of("observations", 2, [1.0, 2.0].into_iter()).is_none());
    }

    #[test]
    fn a_constant_has_no_spread() {
        let dimension = Dimension::of("x", [0.1; 1000].into_iter());
        assert_eq!((dimension.mean, dimension.std), (0.1, 0.0));
    }

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
