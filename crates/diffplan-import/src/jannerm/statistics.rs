//! Normalisers by the original's own rules, those of `diffuser/datasets/normalization.py`, in the arithmetic that it has: what a network
//! was trained with, not what would be more exact.
//!
//! | class | here |
//! | --- | --- |
//! | `GaussianNormalizer` | mean and deviation of NumPy's float32 over the rows: sums one row after the other (of one column, pairwise). On a million rows that is off by 1e-4, and the network was trained with it |
//! | `LimitsNormalizer` | `safe_limits`: what is denormalised is clipped to the data's limits. The original clips a whole array where any number of it is out by more than 1e-4 |
//! | `SafeLimitsNormalizer` | `safe_limits` with **all** dimensions wider by 1 on both sides if one is constant |
//! | `CDFNormalizer` | `cdf` |
//! | `DebugNormalizer` | mean 0, deviation 1 |
//!
//! They are of the rows of finished episodes, one after the other.

use diffplan_data::{Dataset, Error, Key, NormalizerConfig, NormalizerKind};
use ndarray::{Array2, ArrayView2, Axis};

/// A class of normaliser of the original.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NormalizerClass {
    /// `GaussianNormalizer`.
    Gaussian,
    /// `LimitsNormalizer`.
    Limits,
    /// `SafeLimitsNormalizer`.
    SafeLimits,
    /// `CDFNormalizer`.
    Cdf,
    /// `DebugNormalizer`: nothing is changed.
    Debug,
}

impl NormalizerClass {
    /// The names of all.
    pub const NAMES: [&str; 5] = [
        "GaussianNormalizer",
        "LimitsNormalizer",
        "SafeLimitsNormalizer",
        "CDFNormalizer",
        "DebugNormalizer",
    ];

    /// By the name that a configuration has for it.
    pub fn of(name: &str) -> Option<Self> {
        Some(match name {
            "GaussianNormalizer" => Self::Gaussian,
            "LimitsNormalizer" => Self::Limits,
            "SafeLimitsNormalizer" => Self::SafeLimits,
            "CDFNormalizer" => Self::Cdf,
            "DebugNormalizer" => Self::Debug,
            _ => return None,
        })
    }

    /// The one that is a kind of ours.
    pub fn of_kind(kind: NormalizerKind) -> Option<Self> {
        Some(match kind {
            NormalizerKind::Gaussian => Self::Gaussian,
            NormalizerKind::Limits => Self::Limits,
            NormalizerKind::SafeLimits => Self::SafeLimits,
            NormalizerKind::Cdf => Self::Cdf,
            _ => return None,
        })
    }

    /// Its name in the original.
    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }

    /// The statistics of (rows, dimensions).
    ///
    /// # Errors
    /// If the data is empty or not finite.
    pub fn fit(self, key: Key, data: ArrayView2<'_, f32>) -> Result<NormalizerConfig, Error> {
        match self {
            Self::Gaussian => {
                // Which is checked on the way.
                let exact = NormalizerConfig::fit(NormalizerKind::Gaussian, key, data)?;
                let (mean, mut std) = numpy_moments(data)?;
                if let NormalizerConfig::Gaussian { std: exact, .. } = exact {
                    // Rounding of a constant is no deviation to divide by.
                    std.iter_mut()
                        .zip(exact)
                        .filter(|(_, exact)| *exact == 0.0)
                        .for_each(|(std, _)| *std = 0.0);
                }
                Ok(NormalizerConfig::Gaussian { mean, std })
            }
            Self::Limits | Self::SafeLimits => {
                let limits = NormalizerConfig::fit(NormalizerKind::SafeLimits, key, data)?;
                Ok(if self == Self::SafeLimits {
                    widened(limits)
                } else {
                    limits
                })
            }
            Self::Cdf => NormalizerConfig::fit(NormalizerKind::Cdf, key, data),
            Self::Debug => Ok(NormalizerConfig::Gaussian {
                mean: vec![0.0; data.ncols()],
                std: vec![1.0; data.ncols()],
            }),
        }
    }

    /// The statistics of observations and of actions.
    ///
    /// # Errors
    /// As [`NormalizerClass::fit`].
    pub fn of_dataset(self, dataset: &Dataset) -> Result<[NormalizerConfig; 2], Error> {
        // Rows after the last end are of no episode.
        let rows = dataset.episodes().last().map_or(0, |last| last.end);
        let (own, _) = dataset.observations().split_at(Axis(0), rows);
        let observations = self.fit(Key::Observations, own)?;
        let (own, _) = dataset.actions().split_at(Axis(0), rows);
        Ok([observations, self.fit(Key::Actions, own)?])
    }
}

/// All dimensions wider by 1 on both sides, once for each that is found constant on the way.
pub(crate) fn widened(limits: NormalizerConfig) -> NormalizerConfig {
    let NormalizerConfig::SafeLimits { mut min, mut max } = limits else {
        return limits;
    };
    for i in 0..min.len() {
        if min[i] == max[i] {
            min.iter_mut().for_each(|x| *x -= 1.0);
            max.iter_mut().for_each(|x| *x += 1.0);
        }
    }
    NormalizerConfig::SafeLimits { min, max }
}

/// `x.mean(axis=0)` and `x.std(axis=0)` of NumPy for a float32 array, in its bits: sums of float32 one row after the other.
fn numpy_moments(data: ArrayView2<'_, f32>) -> Result<(Vec<f32>, Vec<f32>), Error> {
    if data.ncols() == 1 {
        // NumPy sees one long row then, and sums it in pairs.
        let config = NormalizerConfig::fit(NormalizerKind::ScalarGaussian, Key::Observations, data)?;
        if let NormalizerConfig::ScalarGaussian { mean, std } = config {
            return Ok((vec![mean], vec![std]));
        }
    }
    let count = data.nrows() as f32;
    let mean_of = |data: &Array2<f32>| -> Vec<f32> {
        let mut sums = vec![0.0f32; data.ncols()];
        for row in data.rows() {
            sums.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
        }
        sums.iter().map(|sum| sum / count).collect()
    };
    let mut data = data.to_owned();
    let mean = mean_of(&data);
    for mut row in data.rows_mut() {
        row.iter_mut()
            .zip(&mean)
            .for_each(|(x, mean)| *x = (*x - mean) * (*x - mean));
    }
    let std = mean_of(&data).into_iter().map(f32::sqrt).collect();
    Ok((mean, std))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    fn dataset(rows: usize, columns: usize) -> Array2<f32> {
        let mut state = (rows * 100 + columns) as u32;
        Array2::from_shape_simple_fn((rows, columns), || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 * (6.0 / 16_777_216.0) - 2.0
        })
    }

    /// NumPy 2.4.6: `x.mean(0)[0]`, `x.std(0)[0]` of the same arrays, as bits.
    #[test]
    fn gaussians_have_the_bits_of_numpy() {
        for (rows, columns, mean, std) in [
            (1000, 11, 0x3f8faed5, 0x3fe2cc4b),
            (3001, 17, 0x3f788cfa, 0x3fdefe94),
            (43, 3, 0x3f6a744d, 0x3fe3c89c),
            (300, 1, 0x3f818b72, 0x3fe55c86),
        ] {
            let config = NormalizerClass::Gaussian
                .fit(Key::Observations, dataset(rows, columns).view())
                .unwrap();
            let NormalizerConfig::Gaussian {
                mean: own,
                std: deviation,
            } = config
            else {
                panic!("no gaussian")
            };
            assert_eq!(
                (own[0].to_bits(), deviation[0].to_bits()),
                (mean, std),
                "{rows} x {columns}"
            );
        }
    }

    #[test]
    fn a_constant_dimension_widens_all() {
        let data = array![[1.0f32, 7.0, 3.0], [2.0, 7.0, 3.0]];
        let config = NormalizerClass::SafeLimits.fit(Key::Observations, data.view()).unwrap();
        // Once: after that no dimension is constant any more.
        let expected = NormalizerConfig::SafeLimits {
            min: vec![0.0, 6.0, 2.0],
            max: vec![3.0, 8.0, 4.0],
        };
        assert_eq!(config, expected);
        let config = NormalizerClass::Gaussian.fit(Key::Observations, data.view()).unwrap();
        let NormalizerConfig::Gaussian { std, .. } = config else {
            panic!("no gaussian")
        };
        assert_eq!(std, [0.5, 0.0, 0.0]);
    }

    #[test]
    fn classes_have_names() {
        for name in NormalizerClass::NAMES {
            assert_eq!(NormalizerClass::of(name).unwrap().name(), name);
        }
        assert_eq!(NormalizerClass::of("Gaussian"), None);
    }
}
