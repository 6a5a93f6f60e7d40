//! One key's normaliser, ready to be applied to arrays and slices.

use ndarray::{Array, ArrayView, ArrayViewMut, Dimension};

use crate::transform::{Map, Transform};
use crate::{Error, Key, NormalizerConfig, Warning};

/// Checked statistics of one key, ready to be applied.
#[derive(Debug, Clone, PartialEq)]
pub struct Normalizer {
    key: Key,
    config: NormalizerConfig,
    transform: Transform,
    warnings: Vec<Warning>,
}

impl Normalizer {
    /// Checks the statistics of one key.
    ///
    /// A dimension whose `std`, or `max - min`, is 0 is not an error, nor is one whose distribution has a single knot: it is
    /// centred and not scaled, and [`Normalizer::warnings`] names it.
    ///
    /// # Errors
    /// [`Error::StatisticLength`] where two statistics differ in length, or `values` have more than one dimension;
    /// [`Error::NoDimensions`]; [`Error::InvalidStatistic`] for NaN, infinity, `std < 0`, `max < min`, or limits whose
    /// difference overflows; [`Error::KnotCount`] and [`Error::InvalidKnot`] for a distribution that does not rise from knot to
    /// knot.
    pub fn new(key: Key, config: NormalizerConfig) -> Result<Self, Error> {
        let mut warnings = Vec::new();
        let transform = config.check(key, &mut warnings)?;
        Ok(Self {
            key,
            config,
            transform,
            warnings,
        })
    }

    /// What is normalised.
    #[must_use]
    pub fn key(&self) -> Key {
        self.key
    }

    /// The statistics, as they were given.
    #[must_use]
    pub fn config(&self) -> &NormalizerConfig {
        &self.config
    }

    /// Dimensions that are constant in the data, in order.
    #[must_use]
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// How long a row must be; none where one number holds for rows of any length.
    #[must_use]
    pub fn dimensions(&self) -> Option<usize> {
        self.transform.dimensions()
    }

    /// From the environment's units to the network's. `values`: any rank, the last axis of [`Normalizer::dimensions`]
    /// length (an array of rank 0 is a row of one value).
    ///
    /// # Errors
    /// [`Error::RowLength`].
    pub fn normalize<D: Dimension>(&self, values: ArrayView<'_, f32, D>) -> Result<Array<f32, D>, Error> {
        let mut normalized = values.to_owned();
        self.transform.apply(self.key, normalized.view_mut(), Map::normalize)?;
        Ok(normalized)
    }

    /// From the network's units to the environment's. `values` as for [`Normalizer::normalize`].
    ///
    /// # Errors
    /// [`Error::RowLength`].
    pub fn denormalize<D: Dimension>(&self, values: ArrayView<'_, f32, D>) -> Result<Array<f32, D>, Error> {
        let mut denormalized = values.to_owned();
        self.transform
            .apply(self.key, denormalized.view_mut(), Map::denormalize)?;
        Ok(denormalized)
    }

    /// [`Normalizer::normalize`] in place, without allocation, in any memory layout: a column range of trajectories, say.
    ///
    /// # Errors
    /// [`Error::RowLength`]; `values` are then as they were.
    pub fn normalize_inplace<D: Dimension>(&self, values: ArrayViewMut<'_, f32, D>) -> Result<(), Error> {
        self.transform.apply(self.key, values, Map::normalize)
    }

    /// [`Normalizer::denormalize`] in place, without allocation, in any memory layout.
    ///
    /// # Errors
    /// [`Error::RowLength`]; `values` are then as they were.
    pub fn denormalize_inplace<D: Dimension>(&self, values: ArrayViewMut<'_, f32, D>) -> Result<(), Error> {
        self.transform.apply(self.key, values, Map::denormalize)
    }

    /// The derivative of [`Normalizer::denormalize`], number by number, in place: how many of the environment's units one of the network's
    /// is worth at each of these normalised `values`. What a gradient by the environment's numbers is multiplied by for one by
    /// the network's.
    ///
    /// It is 0 where the way back clips, and between the knots of a `cdf` the slope of the piece (at a knot, that of the piece below it).
    /// Allocates nothing.
    ///
    /// # Errors
    /// [`Error::RowLength`]; `values` are then as they were.
    pub fn slope_inplace<D: Dimension>(&self, values: ArrayViewMut<'_, f32, D>) -> Result<(), Error> {
        self.transform.apply(self.key, values, Map::slope)
    }

    /// [`Normalizer::normalize`] in place on rows that lie one after the other, without allocation.
    ///
    /// # Errors
    /// [`Error::RowLength`] where the length is no multiple of [`Normalizer::dimensions`]; `rows` are then as they were.
    pub fn normalize_slice(&self, rows: &mut [f32]) -> Result<(), Error> {
        self.transform.apply_slice(self.key, rows, Map::normalize)
    }

    /// [`Normalizer::denormalize`] in place on rows that lie one after the other, without allocation.
    ///
    /// # Errors
    /// [`Error::RowLength`] where the length is no multiple of [`Normalizer::dimensions`]; `rows` are then as they were.
    pub fn denormalize_slice(&self, rows: &mut [f32]) -> Result<(), Error> {
        self.transform.apply_slice(self.key, rows, Map::denormalize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array3, Axis, arr0, array, s};

    fn gaussian(mean: &[f32], std: &[f32]) -> Result<Normalizer, Error> {
        Normalizer::new(
            Key::Observations,
            NormalizerConfig::Gaussian {
                mean: mean.into(),
                std: std.into(),
            },
        )
    }

    fn limits(min: &[f32], max: &[f32]) -> Result<Normalizer, Error> {
        Normalizer::new(
            Key::Actions,
            NormalizerConfig::Limits {
                min: min.into(),
                max: max.into(),
            },
        )
    }

    fn scalar(mean: f32, std: f32) -> Result<Normalizer, Error> {
        Normalizer::new(Key::Observations, NormalizerConfig::ScalarGaussian { mean, std })
    }

    /// NumPy 2.4.6: `(x - mean) / std` and back, all float32.
    #[test]
    fn gaussians_round_as_numpy_does() {
        let row = array![0.1, -3.7, 2.25];
        let (mean, std) = (0.264_032_3, 0.742_291);
        for normalizer in [gaussian(&[mean; 3], &[std; 3]).unwrap(), scalar(mean, std).unwrap()] {
            let normalized = normalizer.normalize(row.view()).unwrap();
            assert_eq!(normalized, array![-0.220_981_15, -5.340_267_7, 2.675_457]);
            assert_eq!(
                normalizer.denormalize(normalized.view()).unwrap(),
                array![0.099_999_994, -3.7, 2.25]
            );
        }
    }

    #[test]
    fn limits_go_to_minus_one_and_one_exactly() {
        let normalizer = limits(&[0.1, -295.409_03], &[0.7, -7.442_247_4e-5]).unwrap();
        let bounds = array![[0.1, -295.409_03], [0.7, -7.442_247_4e-5]];
        let normalized = normalizer.normalize(bounds.view()).unwrap();
        assert_eq!(normalized, array![[-1.0, -1.0], [1.0, 1.0]]);
        let back = normalizer.denormalize(normalized.view()).unwrap();
        // One rounding of 2 · scale and one of the sum: half a unit in the last place of max - min each.
        for ((x, expected), span) in back.iter().zip(&bounds).zip([0.6, 295.4].iter().cycle()) {
            assert!((x - expected).abs() <= f32::EPSILON * span, "{x} instead of {expected}");
        }
        // Outside the limits nothing is clipped.
        assert_eq!(
            limits(&[0.0], &[4.0])
                .unwrap()
                .normalize(array![6.0, -2.0].insert_axis(Axis(1)).view())
                .unwrap(),
            array![[2.0], [-2.0]]
        );
    }

    fn safe_limits(min: &[f32], max: &[f32]) -> Normalizer {
        let config = NormalizerConfig::SafeLimits {
            min: min.into(),
            max: max.into(),
        };
        Normalizer::new(Key::Actions, config).unwrap()
    }

    fn cdf(quantiles: &[&[f32]], cumulative_counts: &[&[u64]]) -> Normalizer {
        let config = NormalizerConfig::Cdf {
            quantiles: quantiles.iter().map(|knots| knots.to_vec()).collect(),
            cumulative_counts: cumulative_counts.iter().map(|knots| knots.to_vec()).collect(),
        };
        Normalizer::new(Key::Actions, config).unwrap()
    }

    /// NumPy 2.4.6: the original's `LimitsNormalizer`, all float32. It multiplies by 2 after dividing, so bits may differ.
    #[test]
    fn safe_limits_are_those_of_numpy() {
        let normalizer = safe_limits(&[-1.5, 0.1], &[2.5, 0.7]);
        let close = |a: &ndarray::Array2<f32>, b: ndarray::Array2<f32>| {
            assert!(
                a.iter().zip(&b).all(|(a, b)| (a - b).abs() <= 4.0 * f32::EPSILON),
                "{a} instead of {b}"
            );
        };
        let x = array![[-1.5, 0.1], [0.3, 0.2], [2.5, 0.7], [4.0, -1.0]];
        let y = array![
            [-1.0, -1.0],
            [-0.100_000_02, -0.666_666_6],
            [1.0, 1.0],
            [1.75, -4.666_667]
        ];
        close(&normalizer.normalize(x.view()).unwrap(), y);
        // What lies outside is clipped, on the way back alone.
        let y = array![[-1.0, -1.0], [0.3, -0.2], [1.0, 1.0], [1.7, -3.0]];
        let x = array![[-1.5, 0.1], [1.099_999_9, 0.34], [2.5, 0.7], [2.5, 0.1]];
        close(&normalizer.denormalize(y.view()).unwrap(), x);
        let normalizer = limits(&[-1.5], &[2.5]).unwrap();
        assert_eq!(normalizer.denormalize(array![1.5].view()).unwrap(), array![3.5]);
    }

    /// In place and out of place, slices and arrays, any rank and layout: one and the same map.
    #[test]
    fn all_ways_agree() {
        for normalizer in [
            gaussian(&[1.0, -2.0, 0.5], &[2.0, 0.25, 4.0]).unwrap(),
            limits(&[1.0, -2.0, 0.5], &[2.0, 0.25, 4.0]).unwrap(),
            scalar(0.3, 2.0).unwrap(),
            safe_limits(&[-3.5, -4.0, -3.0], &[6.0, 5.5, 7.0]),
            cdf(
                &[&[-3.5, 0.25, 6.0], &[-4.0, 6.0], &[-3.0, -1.0, 1.0, 7.0]],
                &[&[1, 5, 9], &[1, 2], &[2, 3, 4, 5]],
            ),
        ] {
            let values = Array3::from_shape_fn((4, 5, 3), |(b, t, d)| (b * 15 + t * 3 + d) as f32 / 7.0 - 3.0);
            let expected = normalizer.normalize(values.view()).unwrap();
            let back = normalizer.denormalize(expected.view()).unwrap();
            assert_ne!(expected, values);

            let mut slice = values.as_slice().unwrap().to_vec();
            normalizer.normalize_slice(&mut slice).unwrap();
            assert_eq!(slice, expected.as_slice().unwrap());
            normalizer.denormalize_slice(&mut slice).unwrap();
            assert_eq!(slice, back.as_slice().unwrap());
            // Two roundings of values of up to 20 each way.
            assert!(
                back.iter()
                    .zip(&values)
                    .all(|(x, y)| (x - y).abs() < 20.0 * 2.0 * f32::EPSILON)
            );

            // The middle columns of wider rows, every second row, dynamic rank; what lies around them stays.
            let mut wide = Array3::from_elem((8, 5, 6), 9.0);
            wide.slice_mut(s![..;2, .., 2..5]).assign(&values);
            normalizer
                .normalize_inplace(wide.slice_mut(s![..;2, .., 2..5]).into_dyn())
                .unwrap();
            assert_eq!(wide.slice(s![..;2, .., 2..5]), expected);
            normalizer
                .denormalize_inplace(wide.slice_mut(s![..;2, .., 2..5]))
                .unwrap();
            assert_eq!(wide.slice(s![..;2, .., 2..5]), back);
            assert_eq!(wide.iter().filter(|x| **x == 9.0).count(), 8 * 5 * 6 - 4 * 5 * 3);
        }
    }

    /// Against differences of the map itself, away from its knots and on both sides of where it is clipped.
    #[test]
    fn slopes_are_those_of_the_way_back() {
        let affine = [
            gaussian(&[1.0, -2.0], &[2.0, 0.25]).unwrap(),
            limits(&[1.0, -2.0], &[2.0, 0.25]).unwrap(),
            scalar(0.3, 2.0).unwrap(),
            // One dimension of it is constant.
            gaussian(&[1.0, -2.0], &[0.0, 0.25]).unwrap(),
        ];
        let clipped = [
            safe_limits(&[-3.5, -4.0], &[6.0, -4.0]),
            cdf(&[&[-3.5, 0.25, 6.0], &[-4.0, 6.0]], &[&[1, 5, 9], &[1, 2]]),
        ];
        let places = [-1.7, -0.9, -0.3, 0.05, 0.4, 0.97, 1.3];
        for (clips, normalizer) in affine
            .iter()
            .map(|n| (false, n))
            .chain(clipped.iter().map(|n| (true, n)))
        {
            let at = ndarray::Array2::from_shape_fn((places.len(), 2), |(i, _)| places[i]);
            let mut slopes = at.clone();
            normalizer.slope_inplace(slopes.view_mut()).unwrap();
            let step = 1.0 / 64.0;
            let [below, above] = [-step, step].map(|step| normalizer.denormalize((&at + step).view()).unwrap());
            let expected = (&above - &below) / (2.0 * step);
            for (slope, expected) in slopes.iter().zip(&expected) {
                assert!(
                    (slope - expected).abs() <= 1e-4 * expected.abs(),
                    "{slope} instead of {expected}"
                );
            }
            assert_eq!(slopes.iter().any(|&slope| slope == 0.0), clips, "{normalizer:?}");
        }
        // At both ends, where nothing is clipped yet, the way in has a slope.
        for normalizer in &clipped {
            let mut ends = array![[1.0, 1.0]];
            normalizer.slope_inplace(ends.view_mut()).unwrap();
            assert!(ends.iter().all(|&slope| slope > 0.0), "{ends}");
        }
        let mut row = array![1.0, 2.0, 3.0];
        assert!(affine[0].slope_inplace(row.view_mut()).is_err());
        assert_eq!(row, array![1.0, 2.0, 3.0]);
    }

    #[test]
    fn constant_dimensions_are_centred_and_reported() {
        // 0, -0 and the largest subnormal; 3e7 + 1 is no f32.
        for std in [0.0, -0.0, f32::MIN_POSITIVE.next_down()] {
            let normalizer = gaussian(&[1.0, 3e7], &[0.5, std]).unwrap();
            assert_eq!(normalizer.normalize(array![2.0, 3e7].view()).unwrap(), array![2.0, 0.0]);
            assert_eq!(
                normalizer.normalize(array![2.0, 3e7 + 4.0].view()).unwrap(),
                array![2.0, 4.0]
            );
            assert_eq!(
                normalizer.denormalize(array![2.0, 4.0].view()).unwrap(),
                array![2.0, 3e7 + 4.0]
            );
            let warning = Warning::Constant {
                key: Key::Observations,
                name: "std",
                dimension: Some(1),
            };
            assert_eq!(normalizer.warnings(), [warning]);
        }
        let normalizer = limits(&[3e7, 0.0], &[3e7, 2.0]).unwrap();
        assert_eq!(normalizer.normalize(array![3e7, 2.0].view()).unwrap(), array![0.0, 1.0]);
        assert_eq!(
            normalizer.denormalize(array![-8.0, -1.0].view()).unwrap(),
            array![3e7 - 8.0, 0.0]
        );
        let shown = "actions: (max - min)[0] is 0, values are centred and not scaled";
        assert_eq!(normalizer.warnings()[0].to_string(), shown);
        // Within a dimension of its own: the other one is not made wider, as it is in the original.
        let normalizer = safe_limits(&[3.0, 0.0], &[3.0, 2.0]);
        let x = array![[3.0, 2.0], [3.5, 1.0], [2.0, 0.0]];
        let y = array![[0.0, 1.0], [0.5, 0.0], [-1.0, -1.0]];
        assert_eq!(normalizer.normalize(x.view()).unwrap(), y);
        assert_eq!(normalizer.denormalize(y.view()).unwrap(), x);
        assert_eq!(
            normalizer.denormalize(array![-8.0, 8.0].view()).unwrap(),
            array![2.0, 2.0]
        );
        assert_eq!(normalizer.warnings()[0].to_string(), shown);
        let normalizer = cdf(&[&[3e7], &[0.0, 2.0]], &[&[4], &[1, 4]]);
        assert_eq!(
            normalizer.normalize(array![3e7 + 4.0, 2.0].view()).unwrap(),
            array![4.0, 1.0]
        );
        assert_eq!(
            normalizer.denormalize(array![0.0, -1.0].view()).unwrap(),
            array![3e7, 0.0]
        );
        assert_eq!(normalizer.warnings()[0].to_string(), shown);
        assert_eq!(normalizer.warnings().len(), 1);
        let normalizer = scalar(5.0, 0.0).unwrap();
        assert_eq!(normalizer.normalize(array![5.0, 6.5].view()).unwrap(), array![0.0, 1.5]);
        assert_eq!(
            normalizer.warnings()[0].to_string(),
            "observations: std is 0, values are centred and not scaled"
        );
        assert_eq!(scalar(5.0, f32::MIN_POSITIVE).unwrap().warnings(), []);
    }

    #[test]
    fn rows_of_another_length_are_refused_and_left_alone() {
        let normalizer = gaussian(&[1.0; 3], &[2.0; 3]).unwrap();
        assert_eq!(normalizer.dimensions(), Some(3));
        let message = "observations: expected rows of 3 values, got 4 values";
        assert_eq!(
            normalizer
                .normalize(array![[0.0; 4], [0.0; 4]].view())
                .unwrap_err()
                .to_string(),
            message
        );
        assert_eq!(
            normalizer.denormalize(arr0(0.0).view()).unwrap_err().to_string(),
            message.replace("got 4", "got 1")
        );
        let mut slice = [0.0; 4];
        assert_eq!(normalizer.normalize_slice(&mut slice).unwrap_err().to_string(), message);
        assert_eq!(slice, [0.0; 4]);
        normalizer.normalize_slice(&mut []).unwrap();

        // One dimension takes a rank of 0, and scalar statistics take rows of any length.
        let value = Normalizer::new(
            Key::Values,
            NormalizerConfig::Limits {
                min: vec![0.0],
                max: vec![4.0],
            },
        )
        .unwrap();
        assert_eq!(value.denormalize(arr0(0.5).view()).unwrap(), arr0(3.0));
        let normalizer = scalar(1.0, 2.0).unwrap();
        assert_eq!(normalizer.dimensions(), None);
        assert_eq!(
            normalizer.normalize(array![3.0, 1.0, 5.0, 1.0].view()).unwrap(),
            array![1.0, 0.0, 2.0, 0.0]
        );
    }
}
