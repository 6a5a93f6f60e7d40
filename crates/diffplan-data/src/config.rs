//! The statistics of one key as `normalizer.json` holds them, and the checks they must pass before anything is divided by them.

use crate::transform::{Affine, Transform};
use crate::{Error, Warning};

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
}

impl NormalizerConfig {
    /// The map that these statistics stand for; dimensions that are constant are added to `warnings`.
    pub(crate) fn check(&self, key: Key, warnings: &mut Vec<Warning>) -> Result<Transform, Error> {
        let mut gaussian = |dimension, mean, std| {
            finite(key, "mean", dimension, mean)?;
            finite(key, "std", dimension, std)?;
            require(std >= 0.0, key, "std", dimension, std, "0 or more")?;
            Ok(Affine::new(mean, std, 0.0).unwrap_or_else(|| {
                let name = "std";
                warnings.push(Warning::Constant { key, name, dimension });
                Affine::centred(mean)
            }))
        };
        Ok(match self {
            Self::Gaussian { mean, std } => {
                same_length(key, "mean", mean, "std", std)?;
                let dimensions = mean.iter().zip(std).enumerate();
                let affine = dimensions.map(|(i, (&mean, &std))| gaussian(Some(i), mean, std));
                Transform::PerDimension(affine.collect::<Result<_, Error>>()?)
            }
            Self::ScalarGaussian { mean, std } => Transform::Scalar(gaussian(None, *mean, *std)?),
            Self::Limits { min, max } => {
                same_length(key, "min", min, "max", max)?;
                let mut limits = |(i, (&min, &max))| {
                    let dimension = Some(i);
                    finite(key, "min", dimension, min)?;
                    finite(key, "max", dimension, max)?;
                    require(max >= min, key, "max", dimension, max, "min or more")?;
                    finite(key, "max - min", dimension, max - min)?;
                    Ok(Affine::new(min, (max - min) / 2.0, 1.0).unwrap_or_else(|| {
                        let name = "max - min";
                        warnings.push(Warning::Constant { key, name, dimension });
                        Affine::centred(min)
                    }))
                };
                let affine = min.iter().zip(max).enumerate().map(&mut limits);
                Transform::PerDimension(affine.collect::<Result<_, Error>>()?)
            }
        })
    }
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
fn same_length(key: Key, first: &'static str, a: &[f32], second: &'static str, b: &[f32]) -> Result<(), Error> {
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
            check(key, NormalizerConfig::Limits { min, max }, message);
        }
    }
}
