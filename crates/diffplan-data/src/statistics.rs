//! What normalisers are fitted to: mean and standard deviation of a dataset's arrays (population, `ddof = 0`), in the two ways that
//! planners use, limits, and distributions.
//!
//! Per dimension: float64, in one pass ([`Moments`]); a constant column has a standard deviation of exactly 0. (NumPy's float32 mean over the
//! rows of a large dataset is off in its 4th or 5th digit.)
//!
//! Scalar: what `array.mean()` and `array.std()` of NumPy give for the whole float32 array, in the same bits, since that is
//! what `ValueGuidedRLPipeline` divides by. NumPy sums a contiguous array pairwise (`pairwise_sum` in
//! `numpy/_core/src/umath/loops_utils.h.src`): below 8 values one after the other, up to 128 values in 8 interleaved sums, and
//! longer ones in two halves, the first a multiple of 8 long. The standard deviation is the root of the mean of the
//! squared differences from the mean, each step rounded to float32. The one exception is an array in which all values
//! are the same: its standard deviation is 0 here, where NumPy may leave a rounding error. Which values are summed with which
//! depends on their number alone, so that they may come one after the other out of a file.
//!
//! Data in memory and data in a file go the same way, as [`Rows`] of columns, and have the same bits.

use std::ops::Range;

use ndarray::ArrayView2;

use crate::cdf::{self, MOST_KNOTS};
use crate::dataset::check_finite;
use crate::transitions::each_block;
use crate::{Error, Key, Moments, NormalizerConfig, NormalizerKind, Transitions};

/// Bytes of the columns that are sorted at a time.
const SORTED: usize = 1 << 28;

/// Numbers in rows, wherever they are.
trait Rows {
    fn count(&self) -> usize;
    fn columns(&self) -> usize;
    /// Shows some columns of all rows, row by row, in blocks of whole rows.
    fn each(&self, columns: Range<usize>, show: &mut dyn FnMut(&[f32])) -> Result<(), Error>;
    /// What is known without reading them.
    fn moments(&self) -> Option<Moments>;
}

impl Rows for ArrayView2<'_, f32> {
    fn count(&self) -> usize {
        self.nrows()
    }

    fn columns(&self) -> usize {
        self.ncols()
    }

    fn each(&self, columns: Range<usize>, show: &mut dyn FnMut(&[f32])) -> Result<(), Error> {
        match self.as_slice() {
            Some(all) if columns.len() == self.ncols() => show(all),
            _ => {
                let mut own = Vec::with_capacity(columns.len());
                for row in self.rows() {
                    own.clear();
                    own.extend(columns.clone().map(|column| row[column]));
                    show(&own);
                }
            }
        }
        Ok(())
    }

    fn moments(&self) -> Option<Moments> {
        None
    }
}

/// Actions or observations of transitions.
struct Part<'a> {
    data: &'a dyn Transitions,
    key: Key,
    columns: Range<usize>,
}

impl Rows for Part<'_> {
    fn count(&self) -> usize {
        self.data.rows()
    }

    fn columns(&self) -> usize {
        self.columns.len()
    }

    fn each(&self, columns: Range<usize>, show: &mut dyn FnMut(&[f32])) -> Result<(), Error> {
        let width = self.data.transition_dim();
        let columns = self.columns.start + columns.start..self.columns.start + columns.end;
        let mut own = Vec::new();
        each_block(self.data, &mut |first, block| {
            own.clear();
            for (row, values) in (first..).zip(block.chunks_exact(width)) {
                let values = &values[columns.clone()];
                // In memory this was looked at before; a file may be damaged.
                if let Some(column) = values.iter().position(|x| !x.is_finite()) {
                    return Err(Error::NonFiniteData {
                        key: self.key.name(),
                        row,
                        column,
                        value: f64::from(values[column]),
                    });
                }
                own.extend_from_slice(values);
            }
            show(&own);
            Ok(())
        })
    }

    fn moments(&self) -> Option<Moments> {
        self.data.known().map(|known| known.moments.part(self.columns.clone()))
    }
}

/// The statistics of `data` (rows, dimensions), which are not checked for having overflowed.
pub(crate) fn fit(kind: NormalizerKind, key: Key, data: ArrayView2<'_, f32>) -> Result<NormalizerConfig, Error> {
    check_finite(key, data)?;
    of_rows(kind, &data)
}

/// The statistics of observations or actions of all episodes.
pub(crate) fn of_transitions(
    kind: NormalizerKind,
    key: Key,
    data: &dyn Transitions,
) -> Result<NormalizerConfig, Error> {
    let columns = match key {
        Key::Actions => 0..data.action_dim(),
        _ => data.action_dim()..data.transition_dim(),
    };
    if columns.is_empty() || data.rows() == 0 {
        return Err(Error::EmptyDataset {
            key,
            rows: data.rows(),
            columns: columns.len(),
        });
    }
    of_rows(kind, &Part { data, key, columns })
}

fn of_rows(kind: NormalizerKind, data: &dyn Rows) -> Result<NormalizerConfig, Error> {
    let all = 0..data.columns();
    let each = |of: &dyn Fn(usize) -> f64| all.clone().map(|column| of(column) as f32).collect::<Vec<f32>>();
    Ok(match kind {
        NormalizerKind::Gaussian => {
            let moments = moments(data)?;
            NormalizerConfig::Gaussian {
                mean: each(&|column| moments.mean(column)),
                std: each(&|column| moments.std(column)),
            }
        }
        NormalizerKind::ScalarGaussian => {
            let (mean, std) = scalar(data)?;
            NormalizerConfig::ScalarGaussian { mean, std }
        }
        NormalizerKind::Limits => {
            let (min, max) = limits(data)?;
            NormalizerConfig::Limits { min, max }
        }
        NormalizerKind::SafeLimits => {
            let (min, max) = limits(data)?;
            NormalizerConfig::SafeLimits { min, max }
        }
        NormalizerKind::Cdf => {
            let (quantiles, cumulative_counts) = distributions(data)?;
            NormalizerConfig::Cdf {
                quantiles,
                cumulative_counts,
            }
        }
    })
}

fn moments(data: &dyn Rows) -> Result<Moments, Error> {
    if let Some(known) = data.moments() {
        return Ok(known);
    }
    let mut moments = Moments::new(data.columns());
    data.each(0..data.columns(), &mut |block| moments.push(block))?;
    Ok(moments)
}

fn limits(data: &dyn Rows) -> Result<(Vec<f32>, Vec<f32>), Error> {
    let moments = moments(data)?;
    let columns = 0..data.columns();
    Ok((
        columns.clone().map(|column| moments.min(column) as f32).collect(),
        columns.map(|column| moments.max(column) as f32).collect(),
    ))
}

/// Quantiles and cumulative counts of every column.
type Knots = (Vec<Vec<f32>>, Vec<Vec<u64>>);

/// Knots of every column: as many columns at a time as memory is given for, at least one.
fn distributions(data: &dyn Rows) -> Result<Knots, Error> {
    let at_a_time = (SORTED / (4 * data.count().max(1))).clamp(1, data.columns().max(1));
    let (mut quantiles, mut counts) = (Vec::new(), Vec::new());
    for start in (0..data.columns()).step_by(at_a_time) {
        let columns = start..data.columns().min(start + at_a_time);
        let mut values: Vec<Vec<f32>> = columns.clone().map(|_| Vec::with_capacity(data.count())).collect();
        data.each(columns.clone(), &mut |block| {
            for row in block.chunks_exact(columns.len()) {
                values.iter_mut().zip(row).for_each(|(values, x)| values.push(*x));
            }
        })?;
        for column in values {
            let (own, cumulative) = cdf::fit(column, MOST_KNOTS);
            quantiles.push(own);
            counts.push(cumulative);
        }
    }
    Ok((quantiles, counts))
}

fn scalar(data: &dyn Rows) -> Result<(f32, f32), Error> {
    let columns = 0..data.columns();
    let (low, high) = limits(data)?;
    if low.iter().chain(&high).all(|x| *x == low[0]) {
        // The first one's own sign, of zeros.
        let mut first = None;
        data.each(columns, &mut |block| first = first.or(block.first().copied()))?;
        return Ok((first.unwrap_or(low[0]), 0.0));
    }
    let count = data.count() * data.columns();
    let mut sum = Pairwise::new(count);
    data.each(columns.clone(), &mut |block| block.iter().for_each(|x| sum.push(*x)))?;
    let mean = sum.finish() / count as f32;
    let mut squares = Pairwise::new(count);
    data.each(columns, &mut |block| {
        block.iter().for_each(|x| squares.push((*x - mean) * (*x - mean)));
    })?;
    Ok((mean, (squares.finish() / count as f32).sqrt()))
}

/// [`pairwise_sum`] of values that come one after the other, of which there will be so many.
struct Pairwise {
    /// Halves that are not begun, the next one last; none where two sums are to be added.
    ahead: Vec<Option<usize>>,
    sums: Vec<f32>,
    leaf: [f32; LEAF],
    held: usize,
    /// Values of the leaf that is being filled.
    wanted: usize,
}

impl Pairwise {
    fn new(count: usize) -> Self {
        let mut sum = Self {
            ahead: vec![Some(count)],
            sums: Vec::new(),
            leaf: [0.0; LEAF],
            held: 0,
            wanted: 0,
        };
        sum.begin();
        sum
    }

    /// Adds what can be added, and goes down to the next leaf.
    fn begin(&mut self) {
        while let Some(next) = self.ahead.pop() {
            match next {
                None => {
                    let (second, first) = (self.sums.pop().unwrap_or(0.0), self.sums.pop().unwrap_or(0.0));
                    self.sums.push(first + second);
                }
                Some(length) if length <= LEAF => {
                    (self.held, self.wanted) = (0, length);
                    return;
                }
                Some(length) => {
                    let first = length / 2 / 8 * 8;
                    self.ahead.extend([None, Some(length - first), Some(first)]);
                }
            }
        }
    }

    fn push(&mut self, value: f32) {
        if let Some(place) = self.leaf.get_mut(self.held) {
            *place = value;
            self.held += 1;
        }
        if self.held == self.wanted {
            self.sums.push(pairwise_sum(&self.leaf[..self.held]));
            self.begin();
        }
    }

    fn finish(self) -> f32 {
        self.sums.first().copied().unwrap_or(0.0)
    }
}

/// Values that are summed without halves.
const LEAF: usize = 128;

fn pairwise_sum(values: &[f32]) -> f32 {
    match values.len() {
        0..8 => values.iter().fold(0.0, |sum, x| sum + x),
        8..=LEAF => {
            let (chunks, rest) = values.as_chunks::<8>();
            let mut sums = [0.0; 8];
            for chunk in chunks {
                sums.iter_mut().zip(chunk).for_each(|(sum, x)| *sum += x);
            }
            let [a, b, c, d, e, f, g, h] = sums;
            let sum: f32 = ((a + b) + (c + d)) + ((e + f) + (g + h));
            rest.iter().fold(sum, |sum, x| sum + x)
        }
        length => {
            let (first, second) = values.split_at(length / 2 / 8 * 8);
            pairwise_sum(first) + pairwise_sum(second)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Normalizer;
    use ndarray::{Array2, ArrayView1, ShapeBuilder, array};

    /// A linear congruential generator's output, spread over [-2, 4): the same values in any language.
    fn dataset(rows: usize, columns: usize) -> Array2<f32> {
        let mut state = (rows * 100 + columns) as u32;
        Array2::from_shape_simple_fn((rows, columns), || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 * (6.0 / 16_777_216.0) - 2.0
        })
    }

    fn statistics(data: &Array2<f32>, kind: NormalizerKind) -> NormalizerConfig {
        NormalizerConfig::fit(kind, Key::Actions, data.view()).unwrap()
    }

    /// NumPy 2.4.6: `array.mean()` and `array.std()` of the same arrays, as bits. Sizes on both sides of 8 and 128, with and
    /// without a rest, and with uneven halves.
    #[test]
    fn scalar_statistics_have_the_bits_of_numpy() {
        for (rows, columns, mean, std) in [
            (1, 3, 0x3ef7_52ad, 0x3f65_1e90),
            (5, 3, 0x3f73_177c, 0x3fd6_e6d2),
            (12, 10, 0x3f57_1171, 0x3fd5_a5f4),
            (43, 3, 0x3f60_5a85, 0x3fd6_0295),
            (1000, 11, 0x3f82_10c6, 0x3fdf_8590),
            (3001, 17, 0x3f7d_e4ef, 0x3fdd_e9c9_u32),
        ] {
            let expected = NormalizerConfig::ScalarGaussian {
                mean: f32::from_bits(mean),
                std: f32::from_bits(std),
            };
            let data = dataset(rows, columns);
            assert_eq!(
                statistics(&data, NormalizerKind::ScalarGaussian),
                expected,
                "{rows} x {columns}"
            );
            // Values count in logical order, whatever the memory layout.
            let mut transposed = Array2::zeros((rows, columns).f());
            transposed.assign(&data);
            assert_eq!(
                statistics(&transposed, NormalizerKind::ScalarGaussian),
                expected,
                "{rows} x {columns}, column-major"
            );
        }
    }

    /// NumPy 2.4.6: mean and std of columns 0 and 10 of the 1000 x 11 array, in float64, rounded to float32.
    #[test]
    fn statistics_per_dimension_are_those_of_float64() {
        let NormalizerConfig::Gaussian { mean, std } = statistics(&dataset(1000, 11), NormalizerKind::Gaussian) else {
            panic!("the statistics are not per dimension");
        };
        assert_eq!((mean.len(), std.len()), (11, 11));
        assert_eq!([mean[0], mean[10]], [1.122_523_1, 1.117_892_4]);
        assert_eq!([std[0], std[10]], [1.771_859_9, 1.757_186]);
    }

    #[test]
    fn a_constant_has_a_standard_deviation_of_exactly_zero() {
        let data = Array2::from_elem((1001, 2), 0.1);
        let expected = NormalizerConfig::Gaussian {
            mean: vec![0.1; 2],
            std: vec![0.0; 2],
        };
        assert_eq!(statistics(&data, NormalizerKind::Gaussian), expected);
        let expected = NormalizerConfig::ScalarGaussian { mean: 0.1, std: 0.0 };
        assert_eq!(statistics(&data, NormalizerKind::ScalarGaussian), expected);
    }

    #[test]
    fn data_that_has_no_statistics_is_refused() {
        let check = |data: ArrayView2<'_, f32>, message: &str| {
            for kind in NormalizerKind::ALL {
                let result = NormalizerConfig::fit(kind, Key::Actions, data);
                assert_eq!(result.unwrap_err().to_string(), message, "{kind}");
            }
        };
        let empty: [f32; 0] = [];
        check(
            ArrayView2::from_shape((0, 3), &empty).unwrap(),
            "actions: the dataset is empty: 0 rows of 3 values",
        );
        check(
            ArrayView2::from_shape((3, 0), &empty).unwrap(),
            "actions: the dataset is empty: 3 rows of 0 values",
        );
        for (bad, shown) in [(f32::NAN, "NaN"), (f32::INFINITY, "inf"), (f32::NEG_INFINITY, "-inf")] {
            let data = array![[0.0, 1.0], [2.0, 3.0], [4.0, bad]];
            let message = format!("actions: row 2, column 1 of the dataset is {shown}, expected a finite number");
            check(data.view(), &message);
        }
    }

    #[test]
    fn limits_and_distributions_are_of_each_dimension() {
        let data = array![[1.0, 7.0, -0.5], [-3.0, 7.0, 2.0], [1.0, 7.0, 0.0]];
        let (min, max) = (vec![-3.0, 7.0, -0.5], vec![1.0, 7.0, 2.0]);
        let (quantiles, cumulative_counts) = (
            vec![vec![-3.0, 1.0], vec![7.0], vec![-0.5, 0.0, 2.0]],
            vec![vec![1, 3], vec![3], vec![1, 2, 3]],
        );
        let limits = NormalizerConfig::Limits {
            min: min.clone(),
            max: max.clone(),
        };
        assert_eq!(statistics(&data, NormalizerKind::Limits), limits);
        let limits = NormalizerConfig::SafeLimits { min, max };
        assert_eq!(statistics(&data, NormalizerKind::SafeLimits), limits);
        let cdf = NormalizerConfig::Cdf {
            quantiles,
            cumulative_counts,
        };
        assert_eq!(statistics(&data, NormalizerKind::Cdf), cdf);
        for kind in NormalizerKind::ALL {
            assert_eq!(statistics(&data, kind).kind(), kind);
        }
        let result = NormalizerConfig::fit(NormalizerKind::Cdf, Key::Values, data.view());
        assert_eq!(
            result.unwrap_err().to_string(),
            "values: quantiles holds 3 dimension(s), expected 1"
        );
    }

    /// NumPy 2.4.6 and SciPy 1.17.1: the original's `CDFNormalizer` of column 3 of the 1000 x 11 array, of which
    /// all values are kept.
    #[test]
    fn distributions_are_those_of_scipy() {
        let there = [
            (-1.9, -0.963_063_1),
            (-1.0, -0.633_325_46),
            (0.0, -0.303_434_25),
            (0.5, -0.143_637_21),
            (1.25, 0.093_234_8),
            (3.9, 0.963_917_9),
        ];
        let back = [
            (-0.99, -1.978_894_6),
            (-0.5, -0.588_011_15),
            (0.0, 0.968_694),
            (0.25, 1.731_234_6),
            (0.8, 3.404_769_7),
            (0.999, 3.986_195),
        ];
        let config = statistics(&dataset(1000, 11), NormalizerKind::Cdf);
        let normalizer = Normalizer::new(Key::Actions, config).unwrap();
        let in_column_3 = |map: &dyn Fn(&mut [f32]), x: f32| {
            let mut row = [x; 11];
            map(&mut row);
            row[3]
        };
        for (x, y) in there {
            let actual = in_column_3(&|row| normalizer.normalize_slice(row).unwrap(), x);
            assert!((actual - y).abs() <= f32::EPSILON, "{x}: {actual}, not {y}");
        }
        for (y, x) in back {
            // The rounding of y, times slopes of up to 10 in the middle of so few values, beside that of x.
            let actual = in_column_3(&|row| normalizer.denormalize_slice(row).unwrap(), y);
            assert!((actual - x).abs() <= 1e-6, "{y}: {actual}, not {x}");
        }
    }

    /// The twin of `pairwise_sum`, exact on integers that float32 holds.
    #[test]
    fn every_value_is_summed_once() {
        for length in 0..1100 {
            let values: Vec<f32> = (0..length).map(|i| (i % 61) as f32 - 20.0).collect();
            assert_eq!(
                pairwise_sum(&values),
                ArrayView1::from(&values).fold(0.0, |sum, x| sum + x),
                "{length} values"
            );
            let mut streamed = Pairwise::new(values.len());
            values.iter().for_each(|x| streamed.push(*x));
            if length > 0 {
                assert_eq!(streamed.finish(), pairwise_sum(&values), "{length} values, one by one");
            }
        }
    }
}
