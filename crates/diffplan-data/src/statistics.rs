//! What normalisers are fitted to: mean and standard deviation of a dataset's arrays (population, `ddof = 0`), in the two ways that
//! planners use, limits, and distributions.
//!
//! Per dimension: float64 sums over the rows, of differences from the first row, so that a constant column has a standard
//! deviation of exactly 0. Two passes. (NumPy's float32 mean over the rows of a large dataset is off in its 4th or 5th digit.)
//!
//! Scalar: what `array.mean()` and `array.std()` of NumPy give for the whole float32 array, in the same bits, since that is
//! what `ValueGuidedRLPipeline` divides by. NumPy sums a contiguous array pairwise (`pairwise_sum` in
//! `numpy/_core/src/umath/loops_utils.h.src`): below 8 values one after the other, up to 128 values in 8 interleaved sums, and
//! longer ones in two halves, the first a multiple of 8 long. The standard deviation is the root of the mean of the
//! squared differences from the mean, each step rounded to float32. The one exception is an array in which all values
//! are the same: its standard deviation is 0 here, where NumPy may leave a rounding error.

use ndarray::ArrayView2;

use crate::cdf::{self, MOST_KNOTS};
use crate::dataset::check_finite;
use crate::{Error, Key, NormalizerConfig, NormalizerKind};

/// The statistics of `data` (rows, dimensions), which are not checked for having overflowed.
pub(crate) fn fit(kind: NormalizerKind, key: Key, data: ArrayView2<'_, f32>) -> Result<NormalizerConfig, Error> {
    check_finite(key, data)?;
    Ok(match kind {
        NormalizerKind::Gaussian => {
            let (mean, std) = per_dimension(data);
            NormalizerConfig::Gaussian { mean, std }
        }
        NormalizerKind::ScalarGaussian => {
            let (mean, std) = scalar(data);
            NormalizerConfig::ScalarGaussian { mean, std }
        }
        NormalizerKind::Limits => {
            let (min, max) = limits(data);
            NormalizerConfig::Limits { min, max }
        }
        NormalizerKind::SafeLimits => {
            let (min, max) = limits(data);
            NormalizerConfig::SafeLimits { min, max }
        }
        NormalizerKind::Cdf => {
            let columns = data.columns().into_iter();
            let (quantiles, cumulative_counts) = columns.map(|column| cdf::fit(column.to_vec(), MOST_KNOTS)).unzip();
            NormalizerConfig::Cdf {
                quantiles,
                cumulative_counts,
            }
        }
    })
}

fn limits(data: ArrayView2<'_, f32>) -> (Vec<f32>, Vec<f32>) {
    let of = |pick: fn(f32, f32) -> f32| {
        data.rows().into_iter().fold(data.row(0).to_vec(), |mut limits, row| {
            limits
                .iter_mut()
                .zip(row)
                .for_each(|(limit, &x)| *limit = pick(*limit, x));
            limits
        })
    };
    (of(f32::min), of(f32::max))
}

fn per_dimension(data: ArrayView2<'_, f32>) -> (Vec<f32>, Vec<f32>) {
    let rows = data.nrows() as f64;
    let first: Vec<f64> = data.row(0).iter().map(|&x| f64::from(x)).collect();
    let mut mean = vec![0.0; first.len()];
    for row in data.rows() {
        for ((sum, &x), first) in mean.iter_mut().zip(row).zip(&first) {
            *sum += f64::from(x) - first;
        }
    }
    for (mean, first) in mean.iter_mut().zip(&first) {
        *mean = first + *mean / rows;
    }
    let mut squares = vec![0.0; first.len()];
    for row in data.rows() {
        for ((sum, &x), mean) in squares.iter_mut().zip(row).zip(&mean) {
            *sum += (f64::from(x) - mean).powi(2);
        }
    }
    let std = squares.iter().map(|sum: &f64| (sum / rows).sqrt() as f32);
    (mean.iter().map(|mean| *mean as f32).collect(), std.collect())
}

fn scalar(data: ArrayView2<'_, f32>) -> (f32, f32) {
    let mut values: Vec<f32> = data.iter().copied().collect();
    if values.iter().all(|x| *x == values[0]) {
        return (values[0], 0.0);
    }
    let count = values.len() as f32;
    let mean = pairwise_sum(&values) / count;
    values.iter_mut().for_each(|x| *x = (*x - mean) * (*x - mean));
    (mean, (pairwise_sum(&values) / count).sqrt())
}

fn pairwise_sum(values: &[f32]) -> f32 {
    match values.len() {
        0..8 => values.iter().fold(0.0, |sum, x| sum + x),
        8..=128 => {
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
        }
    }
}
