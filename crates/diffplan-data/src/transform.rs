//! Normalisation: `y = (x - offset) / scale - shift` in each dimension, and back `x = (y + shift) · scale + offset`; or along a
//! curve.
//!
//! | type | normalised | offset | scale | shift |
//! | --- | --- | --- | --- | --- |
//! | gaussian | `(x - mean) / std`, per dimension | mean | std | 0 |
//! | scalar_gaussian | the same with one mean and one std for all dimensions | mean | std | 0 |
//! | limits | `2 (x - min) / (max - min) - 1`, per dimension: min is -1, max is 1 | min | (max - min) / 2 | 1 |
//! | safe_limits | the same, and on the way back y is clipped to [-1, 1] | min | (max - min) / 2 | 1 |
//! | cdf | `2 F(x) - 1` with the cumulative distribution F of each dimension: [`Curve`] | | | |
//!
//! A dimension that is constant in the data has nothing to be divided by: it is centred, with a scale of 1 and a shift of 0.
//!
//! The Gaussian forms round as NumPy's float32 does in `ValueGuidedRLPipeline.normalize` and `de_normalize`. Against the original
//! Diffuser (Janner et al. 2022; jannerm/diffuser, `diffuser/datasets/normalization.py`):
//!
//! - its `GaussianNormalizer` and `LimitsNormalizer` divide by zero where a dimension is constant, and its `CDFNormalizer`
//!   gives NaN there;
//! - its `LimitsNormalizer` clips on the way back to [-1, 1], where any number is out of that by more than 1e-4. `limits` does not
//!   clip: what a plan says beyond the data's limits is for the environment to judge;
//! - its `SafeLimitsNormalizer` makes every dimension wider by 1 on both sides, once for each that is constant. `safe_limits` does
//!   so to the constant ones alone (which is what centring comes to), and always clips on the way back.

use ndarray::{ArrayViewMut, Dimension};

use crate::cdf::Curve;
use crate::{Error, Key};

/// What statistics come to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Transform {
    PerDimension(Vec<Map>),
    Scalar(Map),
}

/// One dimension.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Map {
    Affine(Affine),
    /// Clipped to [-1, 1] on the way back.
    Clipped(Affine),
    Curve(Curve),
}

impl Map {
    pub(crate) fn normalize(&self, x: f32) -> f32 {
        match self {
            Self::Affine(affine) | Self::Clipped(affine) => affine.normalize(x),
            Self::Curve(curve) => curve.normalize(x),
        }
    }

    pub(crate) fn denormalize(&self, y: f32) -> f32 {
        match self {
            Self::Affine(affine) => affine.denormalize(y),
            Self::Clipped(affine) => affine.denormalize(y.clamp(-1.0, 1.0)),
            Self::Curve(curve) => curve.denormalize(y),
        }
    }

    /// The derivative of [`Map::denormalize`].
    pub(crate) fn slope(&self, y: f32) -> f32 {
        match self {
            Self::Affine(affine) => affine.scale,
            Self::Clipped(_) if !(-1.0..=1.0).contains(&y) => 0.0,
            Self::Clipped(affine) => affine.scale,
            Self::Curve(curve) => curve.slope(y),
        }
    }
}

/// An affine row of the table above.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Affine {
    offset: f32,
    scale: f32,
    shift: f32,
}

impl Affine {
    /// `None` where nothing can be divided by `scale`; [`Affine::centred`] is then right.
    pub(crate) fn new(offset: f32, scale: f32, shift: f32) -> Option<Self> {
        (scale >= f32::MIN_POSITIVE).then_some(Self { offset, scale, shift })
    }

    /// For a dimension that is constant in the data.
    pub(crate) fn centred(offset: f32) -> Self {
        Self {
            offset,
            scale: 1.0,
            shift: 0.0,
        }
    }

    fn normalize(self, x: f32) -> f32 {
        (x - self.offset) / self.scale - self.shift
    }

    fn denormalize(self, y: f32) -> f32 {
        (y + self.shift) * self.scale + self.offset
    }
}

impl Transform {
    /// How long a row must be; none where it may have any length.
    pub(crate) fn dimensions(&self) -> Option<usize> {
        match self {
            Self::PerDimension(maps) => Some(maps.len()),
            Self::Scalar(_) => None,
        }
    }

    /// Maps every value of an array, rows along its last axis, in place. A row length that is wrong is an error about `key`.
    pub(crate) fn apply<D: Dimension>(
        &self,
        key: Key,
        mut values: ArrayViewMut<'_, f32, D>,
        map: impl Fn(&Map, f32) -> f32,
    ) -> Result<(), Error> {
        match self {
            Self::Scalar(one) => values.mapv_inplace(|x| map(one, x)),
            Self::PerDimension(maps) => {
                let actual = values.shape().last().copied().unwrap_or(1);
                if actual != maps.len() {
                    return Err(Error::RowLength {
                        key,
                        expected: maps.len(),
                        actual,
                    });
                }
                for row in values.rows_mut() {
                    row.into_iter().zip(maps).for_each(|(x, one)| *x = map(one, *x));
                }
            }
        }
        Ok(())
    }

    /// Maps rows that lie one after the other, in place.
    pub(crate) fn apply_slice(&self, key: Key, rows: &mut [f32], map: impl Fn(&Map, f32) -> f32) -> Result<(), Error> {
        match self {
            Self::Scalar(one) => rows.iter_mut().for_each(|x| *x = map(one, *x)),
            Self::PerDimension(maps) => {
                if !rows.len().is_multiple_of(maps.len()) {
                    return Err(Error::RowLength {
                        key,
                        expected: maps.len(),
                        actual: rows.len(),
                    });
                }
                for row in rows.chunks_exact_mut(maps.len()) {
                    row.iter_mut().zip(maps).for_each(|(x, one)| *x = map(one, *x));
                }
            }
        }
        Ok(())
    }
}
