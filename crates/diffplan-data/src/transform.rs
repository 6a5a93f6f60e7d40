//! Normalisation: `y = (x - offset) / scale - shift` in each dimension, and back `x = (y + shift) · scale + offset`.
//!
//! | type | normalised | offset | scale | shift |
//! | --- | --- | --- | --- | --- |
//! | gaussian | `(x - mean) / std`, per dimension | mean | std | 0 |
//! | scalar_gaussian | the same with one mean and one std for all dimensions | mean | std | 0 |
//! | limits | `2 (x - min) / (max - min) - 1`, per dimension: min is -1, max is 1 | min | (max - min) / 2 | 1 |
//!
//! The Gaussian forms round as NumPy's float32 does in `ValueGuidedRLPipeline.normalize` and `de_normalize`. `limits` is the
//! `LimitsNormalizer` of Diffuser (Janner et al. 2022), without its clipping of what lies outside [-1, 1].

use ndarray::{ArrayViewMut, Dimension};

use crate::{Error, Key};

/// What statistics come to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Transform {
    PerDimension(Vec<Affine>),
    Scalar(Affine),
}

/// One dimension of the table above.
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

    pub(crate) fn normalize(self, x: f32) -> f32 {
        (x - self.offset) / self.scale - self.shift
    }

    pub(crate) fn denormalize(self, y: f32) -> f32 {
        (y + self.shift) * self.scale + self.offset
    }
}

impl Transform {
    /// How long a row must be; none where it may have any length.
    pub(crate) fn dimensions(&self) -> Option<usize> {
        match self {
            Self::PerDimension(affine) => Some(affine.len()),
            Self::Scalar(_) => None,
        }
    }

    /// Maps every value of an array, rows along its last axis, in place. A row length that is wrong is an error about `key`.
    pub(crate) fn apply<D: Dimension>(
        &self,
        key: Key,
        mut values: ArrayViewMut<'_, f32, D>,
        map: impl Fn(Affine, f32) -> f32,
    ) -> Result<(), Error> {
        match self {
            Self::Scalar(affine) => values.mapv_inplace(|x| map(*affine, x)),
            Self::PerDimension(affine) => {
                let actual = values.shape().last().copied().unwrap_or(1);
                if actual != affine.len() {
                    return Err(Error::RowLength {
                        key,
                        expected: affine.len(),
                        actual,
                    });
                }
                for row in values.rows_mut() {
                    row.into_iter()
                        .zip(affine)
                        .for_each(|(x, affine)| *x = map(*affine, *x));
                }
            }
        }
        Ok(())
    }

    /// Maps rows that lie one after the other, in place.
    pub(crate) fn apply_slice(
        &self,
        key: Key,
        rows: &mut [f32],
        map: impl Fn(Affine, f32) -> f32,
    ) -> Result<(), Error> {
        match self {
            Self::Scalar(affine) => rows.iter_mut().for_each(|x| *x = map(*affine, *x)),
            Self::PerDimension(affine) => {
                if !rows.len().is_multiple_of(affine.len()) {
                    return Err(Error::RowLength {
                        key,
                        expected: affine.len(),
                        actual: rows.len(),
                    });
                }
                for row in rows.chunks_exact_mut(affine.len()) {
                    row.iter_mut().zip(affine).for_each(|(x, affine)| *x = map(*affine, *x));
                }
            }
        }
        Ok(())
    }
}
