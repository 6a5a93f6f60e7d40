//! Where a plan's randomness comes from: a source that is handed in, never a global generator.
//!
//! `ValueGuidedRLPipeline` calls `torch.randn` once for the initial trajectories and once in every `scheduler.step` with
//! `t > 0`. [`NoiseSource::fill_standard_normal`] stands for exactly one such call, so a source that has torch's stream
//! ([`TorchRng`](crate::torch_rng::TorchRng)) or a recording of it ([`RecordedNoise`]) gives the reference's plan, and one
//! with a Rust generator ([`RngNoise`]) gives plans that are the same for the same seed on every machine.

use ndarray::{ArrayView, Dimension};
use ndarray_rand::rand::{Rng, SeedableRng};
use ndarray_rand::rand_distr::StandardNormal;
use rand_chacha::ChaCha8Rng;

/// Why a noise source could not give what was asked of it. Draws and picks are counted from 0.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum NoiseError {
    /// A recorded draw has another number of elements than was asked for.
    #[error("recorded noise, draw {draw}: expected {expected} values, it holds {actual}")]
    WrongLength {
        /// Which draw, from 0.
        draw: usize,
        /// The number of values asked for.
        expected: usize,
        /// The number of values recorded.
        actual: usize,
    },
    /// More draws were asked for than were recorded.
    #[error("recorded noise, draw {draw}: expected {expected} values, but the recording ends after {recorded} draw(s)")]
    Exhausted {
        /// Which draw, from 0.
        draw: usize,
        /// The number of values asked for.
        expected: usize,
        /// How many draws were recorded.
        recorded: usize,
    },
    /// A recorded value is NaN or infinite.
    #[error("recorded noise, draw {draw}: value {index} is {value}, expected a finite number")]
    NonFinite {
        /// Which draw, from 0.
        draw: usize,
        /// Which value of the draw, from 0, in memory order of (batch, horizon, dimension).
        index: usize,
        /// The value.
        value: f32,
    },
    /// More picks were asked for than were recorded.
    #[error("recorded noise, pick {pick} of {n} candidates: the recording ends after {recorded} pick(s)")]
    PicksExhausted {
        /// Which pick, from 0.
        pick: usize,
        /// The number of candidates.
        n: usize,
        /// How many picks were recorded.
        recorded: usize,
    },
    /// A recorded pick is not one of the candidates.
    #[error("recorded noise, pick {pick}: expected an index below {n}, {actual} was recorded")]
    PickOutOfRange {
        /// Which pick, from 0.
        pick: usize,
        /// The number of candidates.
        n: usize,
        /// The index recorded.
        actual: usize,
    },
    /// A pick from no candidates at all.
    #[error("cannot pick one of 0 candidates, expected at least 1")]
    NothingToPick,
}

/// A stream of standard normal noise. Object safe: pipelines take `&mut dyn NoiseSource`, and draw on a thread of their pool.
pub trait NoiseSource: Send {
    /// Overwrites `out` with independent draws from the normal distribution of mean 0 and variance 1: one call of
    /// `torch.randn` with `out.len()` elements, in (batch, horizon, dimension) order, the last axis fastest.
    ///
    /// The split into calls matters: two calls of 20 values need not give what one call of 40 gives.
    ///
    /// # Errors
    /// Where the source is a recording that does not hold this draw. Generators do not fail.
    fn fill_standard_normal(&mut self, out: &mut [f32]) -> Result<(), NoiseError>;

    /// One index below `n`, uniformly: which candidate is played where none has a value to be ranked by.
    ///
    /// # Errors
    /// [`NoiseError::NothingToPick`] for `n = 0`; a recording that does not hold this pick.
    fn pick_index(&mut self, n: usize) -> Result<usize, NoiseError>;
}

/// Noise from any generator of the `rand` crates.
///
/// [`RngNoise::seed`] takes ChaCha with 8 rounds: `rand_chacha` documents its values as reproducible, on every platform and
/// across patch releases, where `rand`'s `StdRng` and `SmallRng` may change with any release; and a fork has a key of 256
/// bits of its own, so that no two of them meet.
#[derive(Debug, Clone)]
pub struct RngNoise<R = ChaCha8Rng> {
    rng: R,
}

impl RngNoise<ChaCha8Rng> {
    /// A value-stable source from a seed: the same seed gives the same noise on every machine.
    #[must_use]
    pub fn seed(seed: u64) -> Self {
        Self::new(ChaCha8Rng::seed_from_u64(seed))
    }
}

impl<R: Rng> RngNoise<R> {
    /// Noise from `rng`, which goes on from where it stands.
    #[must_use]
    pub fn new(rng: R) -> Self {
        Self { rng }
    }
}

impl<R: Rng + SeedableRng> RngNoise<R> {
    /// A new source, independent of this one and of its other forks; this one moves on by one seed.
    ///
    /// For a batch of observations, fork one source for each, in order, before planning: the noise of the i-th then
    /// depends neither on how many others there are nor on the threads they are planned on.
    #[must_use]
    pub fn fork(&mut self) -> Self {
        Self::new(R::from_rng(&mut self.rng))
    }
}

impl<R: Rng + Send> NoiseSource for RngNoise<R> {
    fn fill_standard_normal(&mut self, out: &mut [f32]) -> Result<(), NoiseError> {
        out.fill_with(|| self.rng.sample(StandardNormal));
        Ok(())
    }

    fn pick_index(&mut self, n: usize) -> Result<usize, NoiseError> {
        if n == 0 {
            return Err(NoiseError::NothingToPick);
        }
        Ok(self.rng.random_range(0..n))
    }
}

/// Draws that were recorded elsewhere, given back one a call in order: how a plan of the reference is replayed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RecordedNoise {
    draws: Vec<Vec<f32>>,
    picks: Vec<usize>,
    next_draw: usize,
    next_pick: usize,
}

impl RecordedNoise {
    /// One inner vector for each draw, values in (batch, horizon, dimension) order.
    #[must_use]
    pub fn new(draws: Vec<Vec<f32>>) -> Self {
        Self {
            draws,
            ..Self::default()
        }
    }

    /// One array for each draw, of any shape and memory layout; values are taken in logical order, last axis fastest.
    ///
    /// A recording stacked as `(draws, batch, horizon, dimension)` goes in as `RecordedNoise::from_arrays(noise.outer_iter())`.
    #[must_use]
    pub fn from_arrays<'a, D: Dimension>(draws: impl IntoIterator<Item = ArrayView<'a, f32, D>>) -> Self {
        Self::new(draws.into_iter().map(|draw| draw.iter().copied().collect()).collect())
    }

    /// Adds what [`NoiseSource::pick_index`] gives back, one index a call in order.
    #[must_use]
    pub fn with_picks(mut self, picks: Vec<usize>) -> Self {
        self.picks = picks;
        self
    }

    /// How many recorded draws have not been asked for yet: 0 after a plan that used them all.
    #[must_use]
    pub fn remaining_draws(&self) -> usize {
        self.draws.len() - self.next_draw
    }
}

impl NoiseSource for RecordedNoise {
    /// A draw that fails leaves `out` as it was, and is the next one still.
    fn fill_standard_normal(&mut self, out: &mut [f32]) -> Result<(), NoiseError> {
        let (draw, expected) = (self.next_draw, out.len());
        let Some(recorded) = self.draws.get(draw) else {
            return Err(NoiseError::Exhausted {
                draw,
                expected,
                recorded: self.draws.len(),
            });
        };
        if recorded.len() != expected {
            return Err(NoiseError::WrongLength {
                draw,
                expected,
                actual: recorded.len(),
            });
        }
        if let Some((index, &value)) = recorded.iter().enumerate().find(|(_, value)| !value.is_finite()) {
            return Err(NoiseError::NonFinite { draw, index, value });
        }
        out.copy_from_slice(recorded);
        self.next_draw += 1;
        Ok(())
    }

    fn pick_index(&mut self, n: usize) -> Result<usize, NoiseError> {
        if n == 0 {
            return Err(NoiseError::NothingToPick);
        }
        let pick = self.next_pick;
        let Some(&actual) = self.picks.get(pick) else {
            return Err(NoiseError::PicksExhausted {
                pick,
                n,
                recorded: self.picks.len(),
            });
        };
        if actual >= n {
            return Err(NoiseError::PickOutOfRange { pick, n, actual });
        }
        self.next_pick += 1;
        Ok(actual)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array3;

    fn draw(source: &mut dyn NoiseSource, len: usize) -> Vec<f32> {
        let mut out = vec![f32::NAN; len];
        source.fill_standard_normal(&mut out).unwrap();
        out
    }

    /// What `RngNoise::seed(0)` gave when this was written: a change here changes every seeded plan.
    #[test]
    fn seeded_noise_is_value_stable() {
        let mut noise = RngNoise::seed(0);
        assert_eq!(
            draw(&mut noise, 4),
            [0.699_960_77, -0.144_061_64, 0.302_886_28, -1.374_513_9]
        );
        assert_eq!([noise.pick_index(64).unwrap(), noise.pick_index(64).unwrap()], [12, 56]);
        assert_eq!(
            draw(&mut noise.fork(), 4),
            [0.816_041_8, -0.932_017_7, -0.063_134_864, -0.357_092]
        );
    }

    #[test]
    fn seeded_noise_is_standard_normal() {
        let values = draw(&mut RngNoise::seed(1), 100_000);
        let moment = |power| values.iter().map(|&x| f64::from(x).powi(power)).sum::<f64>() / 1e5;
        // Four standard errors of each moment: the variances of x, x², x³ and x⁴ are 1, 2, 15 and 96.
        for (power, expected, variance) in [(1, 0.0, 1.0), (2, 1.0, 2.0), (3, 0.0, 15.0), (4, 3.0, 96.0)] {
            let error: f64 = moment(power) - expected;
            assert!(
                error.abs() < 4.0 * f64::sqrt(variance / 1e5),
                "moment {power} is off by {error}"
            );
        }
    }

    #[test]
    fn forks_are_independent_of_each_other_and_of_how_many_follow() {
        let mut parent = RngNoise::seed(3);
        let forks: Vec<_> = (0..4).map(|_| draw(&mut parent.fork(), 64)).collect();
        assert_eq!(draw(&mut RngNoise::seed(3).fork(), 64), forks[0]);
        let all = [forks, vec![draw(&mut parent, 64), draw(&mut RngNoise::seed(3), 64)]].concat();
        for (i, a) in all.iter().enumerate() {
            for b in &all[i + 1..] {
                assert!(a.iter().zip(b).all(|(x, y)| x != y));
            }
        }
    }

    #[test]
    fn picks_reach_every_index_and_no_other() {
        let mut noise = RngNoise::seed(0);
        let mut counts = [0; 5];
        for _ in 0..1000 {
            counts[noise.pick_index(5).unwrap()] += 1;
        }
        // 200 each are expected; five standard deviations of a count are 63.
        assert!(counts.iter().all(|count| (137..=263).contains(count)), "{counts:?}");
        assert_eq!(noise.pick_index(0), Err(NoiseError::NothingToPick));
    }

    #[test]
    fn recorded_noise_gives_back_its_draws_in_logical_order() {
        let stacked = Array3::from_shape_fn((2, 3, 4), |(k, i, j)| (100 * k + 10 * i + j) as f32);
        let mut noise = RecordedNoise::from_arrays(stacked.outer_iter().map(|draw| draw.reversed_axes()));
        assert_eq!(noise.remaining_draws(), 2);
        let first = [0., 10., 20., 1., 11., 21., 2., 12., 22., 3., 13., 23.];
        assert_eq!(draw(&mut noise, 12), first);
        assert_eq!(draw(&mut noise, 12), first.map(|x| x + 100.0));
        assert_eq!(noise.remaining_draws(), 0);
    }

    #[test]
    fn a_recording_that_does_not_fit_says_which_draw() {
        let mut noise = RecordedNoise::new(vec![vec![1.0], vec![2.0, f32::NAN], vec![3.0]]);
        let mut check = |len, expected: Result<(), NoiseError>, message: &str| {
            let mut out = vec![-7.0; len];
            let result = noise.fill_standard_normal(&mut out);
            if let Err(error) = &result {
                assert_eq!(error.to_string(), message);
                assert_eq!(out, vec![-7.0; len], "a failed draw must leave the output as it was");
            }
            match (&result, &expected) {
                // NaN is not equal to itself; the message has been compared.
                (Err(NoiseError::NonFinite { .. }), Err(NoiseError::NonFinite { .. })) => {}
                _ => assert_eq!(result, expected),
            }
        };
        check(1, Ok(()), "");
        check(
            3,
            Err(NoiseError::WrongLength {
                draw: 1,
                expected: 3,
                actual: 2,
            }),
            "recorded noise, draw 1: expected 3 values, it holds 2",
        );
        check(
            2,
            Err(NoiseError::NonFinite {
                draw: 1,
                index: 1,
                value: f32::NAN,
            }),
            "recorded noise, draw 1: value 1 is NaN, expected a finite number",
        );
        let mut noise = RecordedNoise::new(vec![vec![1.0]]);
        assert_eq!(draw(&mut noise, 1), [1.0]);
        let error = noise.fill_standard_normal(&mut [0.0; 6]).unwrap_err();
        assert_eq!(
            error,
            NoiseError::Exhausted {
                draw: 1,
                expected: 6,
                recorded: 1
            }
        );
        assert_eq!(
            error.to_string(),
            "recorded noise, draw 1: expected 6 values, but the recording ends after 1 draw(s)"
        );
    }

    #[test]
    fn recorded_picks_are_checked_against_the_candidates() {
        let mut noise = RecordedNoise::new(vec![]).with_picks(vec![4, 9]);
        assert_eq!(noise.pick_index(0), Err(NoiseError::NothingToPick));
        assert_eq!(noise.pick_index(5), Ok(4));
        assert_eq!(
            noise.pick_index(9),
            Err(NoiseError::PickOutOfRange {
                pick: 1,
                n: 9,
                actual: 9
            })
        );
        assert_eq!(noise.pick_index(10), Ok(9));
        assert_eq!(
            noise.pick_index(10),
            Err(NoiseError::PicksExhausted {
                pick: 2,
                n: 10,
                recorded: 2
            })
        );
    }
}
