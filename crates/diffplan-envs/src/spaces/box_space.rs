//! Vectors within bounds, each of which may be infinite; after `gymnasium.spaces.Box`.

use ndarray::{Array1, ArrayView1, Zip};
use ndarray_rand::rand::{Rng, RngCore};
use ndarray_rand::rand_distr::{Exp1, StandardNormal};

use crate::{Error, Result};

/// The precision of the numbers in a [`BoxSpace`]. They are always handed over as `f64`; `Float32` says that they have
/// been rounded to `f32`, as Gymnasium's have where a space's dtype is `float32`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dtype {
    /// Single precision.
    Float32,
    /// Double precision.
    Float64,
}

impl Dtype {
    fn round(self, value: f64) -> f64 {
        match self {
            Self::Float32 => f64::from(value as f32),
            Self::Float64 => value,
        }
    }

    fn overflows(self, value: f64) -> bool {
        value.is_finite() && self.round(value).is_infinite()
    }
}

/// The vectors `x` with `low[i] <= x[i] <= high[i]`; a bound may be infinite.
///
/// ```
/// use diffplan_envs::{BoxSpace, Dtype, NumpyRng};
/// use ndarray::array;
///
/// let space = BoxSpace::new(array![-2.0, 0.0], array![2.0, f64::INFINITY], Dtype::Float32)?;
/// let x = space.sample(&mut NumpyRng::new(0));
/// assert!(space.contains(x.view()));
/// assert!(!space.contains(array![0.0, -1.0].view()));
/// # Ok::<(), diffplan_envs::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct BoxSpace {
    low: Array1<f64>,
    high: Array1<f64>,
    dtype: Dtype,
}

impl BoxSpace {
    /// The box between two bounds, both of shape `(dim,)`, rounded to `dtype`.
    ///
    /// # Errors
    ///
    /// [`Error::BoundsLength`] if they differ in length; [`Error::Bounds`] where one is NaN, `low > high`, both are
    /// the same infinity, or `dtype` cannot hold one.
    pub fn new(low: Array1<f64>, high: Array1<f64>, dtype: Dtype) -> Result<Self> {
        if low.len() != high.len() {
            return Err(Error::BoundsLength {
                low: low.len(),
                high: high.len(),
            });
        }
        for (index, (&low, &high)) in low.iter().zip(&high).enumerate() {
            // Written so that NaN fails it.
            let holds_a_number = low <= high && low < f64::INFINITY && high > f64::NEG_INFINITY;
            if !holds_a_number || [low, high].into_iter().any(|bound| dtype.overflows(bound)) {
                return Err(Error::Bounds { index, low, high });
            }
        }
        let (low, high) = (low.mapv_into(|x| dtype.round(x)), high.mapv_into(|x| dtype.round(x)));
        Ok(Self { low, high, dtype })
    }

    /// The box between the same two bounds in each of `dim` dimensions, as `Box(low, high, shape=(dim,))` of Gymnasium.
    ///
    /// # Errors
    ///
    /// As [`BoxSpace::new`].
    pub fn uniform(low: f64, high: f64, dim: usize, dtype: Dtype) -> Result<Self> {
        Self::new(Array1::from_elem(dim, low), Array1::from_elem(dim, high), dtype)
    }

    /// All vectors of `dim` elements.
    pub fn unbounded(dim: usize, dtype: Dtype) -> Self {
        let high = Array1::from_elem(dim, f64::INFINITY);
        Self {
            low: -&high,
            high,
            dtype,
        }
    }

    /// The number of elements of a vector.
    pub fn dim(&self) -> usize {
        self.low.len()
    }

    /// The lower bounds, shape `(dim,)`.
    pub fn low(&self) -> ArrayView1<'_, f64> {
        self.low.view()
    }

    /// The upper bounds, shape `(dim,)`.
    pub fn high(&self) -> ArrayView1<'_, f64> {
        self.high.view()
    }

    /// The precision of the numbers.
    pub fn dtype(&self) -> Dtype {
        self.dtype
    }

    /// Whether a vector of `f64` or `f32`, of any length, lies in the space. NaN never does.
    pub fn contains<T: Copy + Into<f64>>(&self, x: ArrayView1<'_, T>) -> bool {
        x.len() == self.dim()
            && Zip::from(x)
                .and(&self.low)
                .and(&self.high)
                .all(|&x, &low, &high| (low..=high).contains(&x.into()))
    }

    /// A random element, shape `(dim,)`.
    ///
    /// By Gymnasium's rule: uniform where both bounds are finite, exponential with rate 1 away from the bound where one
    /// is, standard normal where none is. The elements are drawn in its order too (those without bounds first, then
    /// those with a lower bound only, with an upper bound only, with both), so from a box with finite bounds
    /// `NumpyRng::new(seed)` draws the numbers of `space.seed(seed); space.sample()` in Gymnasium.
    pub fn sample<R: RngCore + ?Sized>(&self, rng: &mut R) -> Array1<f64> {
        let mut sample = Array1::zeros(self.dim());
        for interval in [Interval::Unbounded, Interval::Below, Interval::Above, Interval::Both] {
            let elements = sample.iter_mut().zip(self.low.iter().zip(&self.high));
            for (x, (&low, &high)) in elements.filter(|(_, (low, high))| Interval::of(**low, **high) == interval) {
                let value = match interval {
                    Interval::Unbounded => rng.sample(StandardNormal),
                    Interval::Below => low + rng.sample::<f64, _>(Exp1),
                    Interval::Above => high - rng.sample::<f64, _>(Exp1),
                    Interval::Both => between(low, high, rng.random()),
                };
                *x = self.dtype.round(value);
            }
        }
        sample
    }
}

/// On which sides an element has finite bounds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Interval {
    Unbounded,
    Below,
    Above,
    Both,
}

impl Interval {
    fn of(low: f64, high: f64) -> Self {
        match (low.is_finite(), high.is_finite()) {
            (false, false) => Self::Unbounded,
            (true, false) => Self::Below,
            (false, true) => Self::Above,
            (true, true) => Self::Both,
        }
    }
}

/// The point a fraction of the way from `low` to `high`, also where their distance overflows.
fn between(low: f64, high: f64, fraction: f64) -> f64 {
    let range = high - low;
    if range.is_finite() {
        low + range * fraction
    } else {
        low * (1.0 - fraction) + high * fraction
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;
    use crate::NumpyRng;

    const INF: f64 = f64::INFINITY;

    fn space(low: Array1<f64>, high: Array1<f64>) -> BoxSpace {
        BoxSpace::new(low, high, Dtype::Float64).unwrap()
    }

    #[test]
    fn bounds_belong_to_the_space_and_nothing_beyond_does() {
        let space = space(array![-1.0, -INF], array![2.0, 0.5]);
        for (x, expected) in [
            (array![-1.0, 0.5], true),
            (array![2.0, -1e300], true),
            (array![2.0_f64.next_up(), 0.0], false),
            (array![(-1.0_f64).next_up(), 0.0], true),
            (array![(-1.0_f64).next_down(), 0.0], false),
            (array![0.0, 0.6], false),
            (array![f64::NAN, 0.0], false),
            (array![0.0, f64::NAN], false),
            (array![0.0], false),
            (array![0.0, 0.0, 0.0], false),
        ] {
            assert_eq!(space.contains(x.view()), expected, "{x}");
        }
        assert!(space.contains(array![1.5_f32, 0.25].view()));
    }

    #[test]
    fn bounds_are_rounded_to_the_dtype() {
        let space = BoxSpace::new(array![-1.2], array![0.6], Dtype::Float32).unwrap();
        assert_eq!(
            (space.low()[0], space.high()[0]),
            (-1.2000000476837158, 0.6000000238418579)
        );
        assert_eq!((space.dim(), space.dtype()), (1, Dtype::Float32));
    }

    #[test]
    fn bounds_that_enclose_nothing_are_refused() {
        for (low, high) in [(1.0, 0.0), (f64::NAN, 1.0), (0.0, f64::NAN), (INF, INF), (-INF, -INF)] {
            let error = BoxSpace::new(array![0.0, low], array![0.0, high], Dtype::Float64).unwrap_err();
            assert!(
                matches!(error, Error::Bounds { index: 1, .. }),
                "{low}, {high}: {error}"
            );
        }
        let beyond_f32 = (array![0.0], array![1e39]);
        assert!(BoxSpace::new(beyond_f32.0.clone(), beyond_f32.1.clone(), Dtype::Float64).is_ok());
        assert_eq!(
            BoxSpace::new(beyond_f32.0, beyond_f32.1, Dtype::Float32),
            Err(Error::Bounds {
                index: 0,
                low: 0.0,
                high: 1e39
            })
        );
        assert_eq!(
            BoxSpace::new(array![0.0], array![1.0, 2.0], Dtype::Float64),
            Err(Error::BoundsLength { low: 1, high: 2 })
        );
    }

    #[test]
    fn samples_of_finite_boxes_are_those_of_gymnasium() {
        // gymnasium 1.4.0: s = Box(low, high, dtype=dtype); s.seed(5); s.sample()
        let (low, high) = (array![-2.0, 0.1, 3.0], array![2.0, 0.3, 3.0]);
        for (dtype, expected) in [
            (Dtype::Float32, array![1.2200117111206055, 0.2615881562232971, 3.0]),
            (Dtype::Float64, array![1.2200116949815207, 0.2615881579472987, 3.0]),
        ] {
            let space = BoxSpace::new(low.clone(), high.clone(), dtype).unwrap();
            assert_eq!(space.sample(&mut NumpyRng::new(5)), expected, "{dtype:?}");
        }
    }

    #[test]
    fn samples_lie_in_the_space_and_have_the_moments_of_their_distribution() {
        let space = space(
            array![-2.0, -1.0, -INF, -INF, -f64::MAX],
            array![4.0, INF, 3.0, INF, f64::MAX],
        );
        let (n, mut rng) = (20_000, NumpyRng::new(11));
        let (mut mean, mut square) = (Array1::<f64>::zeros(5), Array1::<f64>::zeros(5));
        for _ in 0..n {
            let mut x = space.sample(&mut rng);
            assert!(space.contains(x.view()), "{x}");
            x[4] /= f64::MAX;
            mean += &(&x / f64::from(n));
            square += &(&x * &x / f64::from(n));
        }
        let variance = square - &mean * &mean;
        // Uniform: variance (high - low)² / 12; exponential and normal: 1. Five standard errors: the mean's is
        // sqrt(variance / n), at most 0.012 here; the variance's at most sqrt(8 / n) = 0.02 (exponential), 0.019 (uniform).
        for (i, (m, v)) in [(1.0, 3.0), (0.0, 1.0), (2.0, 1.0), (0.0, 1.0), (0.0, 1.0 / 3.0)]
            .into_iter()
            .enumerate()
        {
            assert!((mean[i] - m).abs() <= 0.06, "mean of element {i}: {}", mean[i]);
            assert!(
                (variance[i] - v).abs() <= 0.1,
                "variance of element {i}: {}",
                variance[i]
            );
        }
    }

    #[test]
    fn a_space_without_bounds_holds_every_vector_of_its_length() {
        let space = BoxSpace::unbounded(2, Dtype::Float32);
        assert!(space.contains(array![f64::MAX, -INF].view()));
        assert!(!space.contains(array![0.0].view()));
    }
}
