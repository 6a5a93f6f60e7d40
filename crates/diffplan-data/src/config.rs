//! The statistics of one key as `normalizer.json` holds them, and the checks they must pass before anything is divided by them.

use ndarray::ArrayView2;

use crate::cdf::Curve;
use crate::transform::{Affine, Map, Transform};
use crate::{Error, NormalizerKind, Warning, statistics};

/// What is normalised, by its name in D4RL datasets and in `normalizer.json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Key {
    /// What the environment shows.
    Observations,
    /// What the agent does.
    Actions,
    /// The value function's target.
    Values,
}

impl Key {
    /// `observations`, `actions` or `values`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Observations => "observations",
            Self::Actions => "actions",
            Self::Values => "values",
        }
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

/// The statistics of one key, as `normalizer.json` holds them. Plain data; [`Normalizer::new`](crate::Normalizer::new) checks it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum NormalizerConfig {
    /// `(x - mean) / std`: mean 0 and standard deviation 1 in each dimension.
    Gaussian {
        /// One a dimension.
        mean: Vec<f32>,
        /// One a dimension, population (`ddof = 0`).
        std: Vec<f32>,
    },
    /// `2 (x - min) / (max - min) - 1`: from \[min, max\] to \[-1, 1\] in each dimension, not clipped.
    Limits {
        /// One a dimension.
        min: Vec<f32>,
        /// One a dimension.
        max: Vec<f32>,
    },
    /// `(x - mean) / std` with one mean and one standard deviation for all dimensions, however many there are: the
    /// statistics of diffusers' `ValueGuidedRLPipeline`.
    ScalarGaussian {
        /// Of all values of the key.
        mean: f32,
        /// Of all values of the key, population (`ddof = 0`).
        std: f32,
    },
    /// `2 (x - min) / (max - min) - 1` as for `Limits`; denormalised, what lies outside \[-1, 1\] is clipped to it, so that
    /// nothing leaves \[min, max\]. A constant dimension counts as \[min - 1, max + 1\]: it is 0.
    SafeLimits {
        /// One a dimension.
        min: Vec<f32>,
        /// One a dimension.
        max: Vec<f32>,
    },
    /// `2 F(x) - 1` with the cumulative distribution F of each dimension, which makes it uniform. F is linear between knots
    /// (quantile, cumulative count / number of rows), which is the last count; x is clipped to the quantiles' range, and so
    /// is what is denormalised. A dimension of a single knot is constant, and centred.
    Cdf {
        /// The knots' values, strictly increasing; a list a dimension.
        quantiles: Vec<Vec<f32>>,
        /// How many rows are not above each, from 1 on, strictly increasing; a list a dimension.
        cumulative_counts: Vec<Vec<u64>>,
    },
}

impl NormalizerConfig {
    /// The statistics of `data` (rows, dimensions), any memory layout.
    ///
    /// Means and standard deviations are float64 sums, but those of `ScalarGaussian`, which have the bits of NumPy's float32. A
    /// distribution of more than 1,024 different values keeps so many at most, evenly spaced in probability. That moves
    /// normalised values by 1.0e-3 in Hopper's data and 1.2e-3 in a million normal numbers where it is most, and never by more
    /// than 4e-3.
    ///
    /// # Errors
    /// [`Error::EmptyDataset`]; [`Error::NonFiniteData`]; those of [`Normalizer::new`](crate::Normalizer::new): where the data is
    /// so large that its float32 statistics overflow, or [`Key::Values`] has several columns.
    pub fn fit(kind: NormalizerKind, key: Key, data: ArrayView2<'_, f32>) -> Result<Self, Error> {
        let config = statistics::fit(kind, key, data)?;
        config.check(key, &mut Vec::new())?;
        Ok(config)
    }

    /// Which type it is.
    #[must_use]
    pub fn kind(&self) -> NormalizerKind {
        match self {
            Self::Gaussian { .. } => NormalizerKind::Gaussian,
            Self::ScalarGaussian { .. } => NormalizerKind::ScalarGaussian,
            Self::Limits { .. } => NormalizerKind::Limits,
            Self::SafeLimits { .. } => NormalizerKind::SafeLimits,
            Self::Cdf { .. } => NormalizerKind::Cdf,
        }
    }

    /// The map that these statistics stand for; dimensions that are constant are added to `warnings`.
    pub(crate) fn check(&self, key: Key, warnings: &mut Vec<Warning>) -> Result<Transform, Error> {
        let mut constant = |name, dimension, offset| {
            warnings.push(Warning::Constant { key, name, dimension });
            Affine::centred(offset)
        };
        let mut gaussian = |dimension, mean, std| {
            finite(key, "mean", dimension, mean)?;
            finite(key, "std", dimension, std)?;
            require(std >= 0.0, key, "std", dimension, std, "0 or more")?;
            let affine = Affine::new(mean, std, 0.0);
            Ok(Map::Affine(affine.unwrap_or_else(|| constant("std", dimension, mean))))
        };
        Ok(match self {
            Self::Gaussian { mean, std } => {
                same_length(key, "mean", mean, "std", std)?;
                let dimensions = mean.iter().zip(std).enumerate();
                let maps = dimensions.map(|(i, (&mean, &std))| gaussian(Some(i), mean, std));
                Transform::PerDimension(maps.collect::<Result<_, Error>>()?)
            }
            Self::ScalarGaussian { mean, std } => Transform::Scalar(gaussian(None, *mean, *std)?),
            Self::Limits { min, max } | Self::SafeLimits { min, max } => {
                same_length(key, "min", min, "max", max)?;
                let map = match self {
                    Self::Limits { .. } => Map::Affine,
                    _ => Map::Clipped,
                };
                let mut limits = |(i, (&min, &max))| {
                    let dimension = Some(i);
                    finite(key, "min", dimension, min)?;
                    finite(key, "max", dimension, max)?;
                    require(max >= min, key, "max", dimension, max, "min or more")?;
                    finite(key, "max - min", dimension, max - min)?;
                    let affine = Affine::new(min, (max - min) / 2.0, 1.0);
                    Ok(map(affine.unwrap_or_else(|| constant("max - min", dimension, min))))
                };
                let maps = min.iter().zip(max).enumerate().map(&mut limits);
                Transform::PerDimension(maps.collect::<Result<_, Error>>()?)
            }
            Self::Cdf {
                quantiles,
                cumulative_counts,
            } => {
                same_length(key, "quantiles", quantiles, "cumulative_counts", cumulative_counts)?;
                let mut curve = |(dimension, (quantiles, counts)): (usize, (&Vec<f32>, &Vec<u64>))| {
                    check_knots(key, dimension, quantiles, counts)?;
                    Ok(match quantiles[..] {
                        [offset] => Map::Affine(constant("max - min", Some(dimension), offset)),
                        _ => Map::Curve(Curve::new(quantiles, counts)),
                    })
                };
                let maps = quantiles.iter().zip(cumulative_counts).enumerate().map(&mut curve);
                Transform::PerDimension(maps.collect::<Result<_, Error>>()?)
            }
        })
    }
}

/// At least one knot, as many counts, and both rise from knot to knot.
fn check_knots(key: Key, dimension: usize, quantiles: &[f32], counts: &[u64]) -> Result<(), Error> {
    let count = |name, actual, expected| Error::KnotCount {
        key,
        name,
        dimension,
        expected,
        actual,
    };
    if quantiles.is_empty() {
        return Err(count("quantiles", 0, counts.len().max(1)));
    }
    if quantiles.len() != counts.len() {
        return Err(count("cumulative_counts", counts.len(), quantiles.len()));
    }
    let bad = |name, knot, value, expected| Error::InvalidKnot {
        key,
        name,
        dimension,
        knot,
        value,
        expected,
    };
    if let Some(i) = quantiles.iter().position(|q| !q.is_finite()) {
        return Err(bad("quantiles", i, quantiles[i].into(), "a finite number"));
    }
    if counts[0] == 0 {
        return Err(bad("cumulative_counts", 0, 0.0, "1 or more"));
    }
    let more = "more than the one before it";
    if let Some(i) = (1..quantiles.len()).find(|&i| quantiles[i] <= quantiles[i - 1]) {
        return Err(bad("quantiles", i, quantiles[i].into(), more));
    }
    if let Some(i) = (1..counts.len()).find(|&i| counts[i] <= counts[i - 1]) {
        return Err(bad("cumulative_counts", i, counts[i] as f64, more));
    }
    Ok(())
}

fn finite(key: Key, name: &'static str, dimension: Option<usize>, value: f32) -> Result<(), Error> {
    require(value.is_finite(), key, name, dimension, value, "a finite number")
}

fn require(
    holds: bool,
    key: Key,
    name: &'static str,
    dimension: Option<usize>,
    value: f32,
    expected: &'static str,
) -> Result<(), Error> {
    if holds {
        return Ok(());
    }
    Err(Error::InvalidStatistic {
        key,
        name,
        dimension,
        value: f64::from(value),
        expected,
    })
}

/// Both statistics have the same dimensions, at least one, and `values` (one output of one network) exactly one.
fn same_length<A, B>(key: Key, first: &'static str, a: &[A], second: &'static str, b: &[B]) -> Result<(), Error> {
    if a.is_empty() {
        return Err(Error::NoDimensions { key, name: first });
    }
    if key == Key::Values && a.len() != 1 {
        return Err(Error::StatisticLength {
            key,
            name: first,
            expected: 1,
            actual: a.len(),
        });
    }
    if a.len() != b.len() {
        return Err(Error::StatisticLength {
            key,
            name: second,
            expected: a.len(),
            actual: b.len(),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(key: Key, config: NormalizerConfig, message: &str) {
        let error = config.check(key, &mut Vec::new()).expect_err(message);
        assert_eq!(error.to_string(), format!("{key}: {message}"));
    }

    #[test]
    fn impossible_gaussians_are_refused() {
        let rows: [(&[f32], &[f32], &str); 8] = [
            (
                &[0.0, f32::NAN],
                &[1.0, 1.0],
                "mean[1] is NaN, expected a finite number",
            ),
            (&[0.0, 0.0], &[f32::NAN, 1.0], "std[0] is NaN, expected a finite number"),
            (&[0.0], &[f32::INFINITY], "std[0] is inf, expected a finite number"),
            (&[0.0], &[-0.5], "std[0] is -0.5, expected 0 or more"),
            (&[0.0, 0.0], &[1.0], "std holds 1 dimension(s), expected 2"),
            (&[], &[], "mean is empty, expected at least 1 dimension"),
            (&[], &[1.0], "mean is empty, expected at least 1 dimension"),
            (&[0.0], &[], "std holds 0 dimension(s), expected 1"),
        ];
        for (mean, std, message) in rows {
            let (mean, std) = (mean.to_vec(), std.to_vec());
            check(Key::Observations, NormalizerConfig::Gaussian { mean, std }, message);
        }
        let rows = [
            (f32::NAN, 1.0, "mean is NaN, expected a finite number"),
            (0.0, f32::NAN, "std is NaN, expected a finite number"),
            (0.0, -1.0, "std is -1, expected 0 or more"),
        ];
        for (mean, std, message) in rows {
            check(Key::Values, NormalizerConfig::ScalarGaussian { mean, std }, message);
        }
    }

    #[test]
    fn impossible_limits_are_refused() {
        let rows: [(Key, &[f32], &[f32], &str); 7] = [
            (
                Key::Actions,
                &[0.0, f32::NAN],
                &[1.0, 1.0],
                "min[1] is NaN, expected a finite number",
            ),
            (
                Key::Actions,
                &[0.0, 0.0],
                &[1.0, -f32::INFINITY],
                "max[1] is -inf, expected a finite number",
            ),
            (
                Key::Actions,
                &[0.0, 2.0],
                &[1.0, 1.0],
                "max[1] is 1, expected min or more",
            ),
            (
                Key::Actions,
                &[-3e38],
                &[3e38],
                "(max - min)[0] is inf, expected a finite number",
            ),
            (
                Key::Actions,
                &[0.0],
                &[1.0, 2.0],
                "max holds 2 dimension(s), expected 1",
            ),
            (Key::Actions, &[], &[], "min is empty, expected at least 1 dimension"),
            (
                Key::Values,
                &[0.0, 0.0],
                &[1.0, 1.0],
                "min holds 2 dimension(s), expected 1",
            ),
        ];
        for (key, min, max, message) in rows {
            let (min, max) = (min.to_vec(), max.to_vec());
            let safe = NormalizerConfig::SafeLimits {
                min: min.clone(),
                max: max.clone(),
            };
            check(key, safe, message);
            check(key, NormalizerConfig::Limits { min, max }, message);
        }
    }

    #[test]
    fn impossible_distributions_are_refused() {
        let good: (&[f32], &[u64]) = (&[0.0, 1.0], &[1, 2]);
        let rows: [(&[f32], &[u64], &str); 9] = [
            (&[], &[], "quantiles[1] holds 0 knot(s), expected 1"),
            (&[], &[1, 2], "quantiles[1] holds 0 knot(s), expected 2"),
            (&[0.0, 1.0], &[1], "cumulative_counts[1] holds 1 knot(s), expected 2"),
            (
                &[0.0, f32::NAN],
                &[1, 2],
                "quantiles[1][1] is NaN, expected a finite number",
            ),
            (
                &[0.0, 2.0, 2.0],
                &[1, 2, 3],
                "quantiles[1][2] is 2, expected more than the one before it",
            ),
            (
                &[0.0, -0.5],
                &[1, 2],
                "quantiles[1][1] is -0.5, expected more than the one before it",
            ),
            (&[0.0, 1.0], &[0, 2], "cumulative_counts[1][0] is 0, expected 1 or more"),
            (
                &[0.0, 1.0],
                &[2, 2],
                "cumulative_counts[1][1] is 2, expected more than the one before it",
            ),
            (
                &[0.0, 1.0, 2.0],
                &[3, 4, 1],
                "cumulative_counts[1][2] is 1, expected more than the one before it",
            ),
        ];
        for (quantiles, counts, message) in rows {
            let config = NormalizerConfig::Cdf {
                quantiles: vec![good.0.to_vec(), quantiles.to_vec()],
                cumulative_counts: vec![good.1.to_vec(), counts.to_vec()],
            };
            check(Key::Observations, config, message);
        }
        let of = |quantiles: usize, counts: usize| NormalizerConfig::Cdf {
            quantiles: vec![good.0.to_vec(); quantiles],
            cumulative_counts: vec![good.1.to_vec(); counts],
        };
        check(
            Key::Actions,
            of(0, 0),
            "quantiles is empty, expected at least 1 dimension",
        );
        check(
            Key::Actions,
            of(2, 1),
            "cumulative_counts holds 1 dimension(s), expected 2",
        );
        check(Key::Values, of(2, 2), "quantiles holds 2 dimension(s), expected 1");
    }
}
