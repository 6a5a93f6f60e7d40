//! Finitely many integers in a row; after `gymnasium.spaces.Discrete`.

use ndarray_rand::rand::RngCore;

use crate::{Error, Result};

/// The integers `start`, `start + 1`, …, `start + n - 1`.
///
/// ```
/// use diffplan_envs::{Discrete, NumpyRng};
///
/// let space = Discrete::new(3, -1)?;
/// assert!(space.contains(-1) && space.contains(1) && !space.contains(2));
/// assert!(space.contains(space.sample(&mut NumpyRng::new(0))));
/// # Ok::<(), diffplan_envs::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Discrete {
    n: u64,
    start: i64,
}

impl Discrete {
    /// The `n` integers from `start` on.
    ///
    /// # Errors
    ///
    /// [`Error::DiscreteRange`] if `n` is 0 or the last of them is beyond `i64`.
    pub fn new(n: u64, start: i64) -> Result<Self> {
        n.checked_sub(1)
            .and_then(|last| start.checked_add_unsigned(last))
            .map(|_| Self { n, start })
            .ok_or(Error::DiscreteRange { n, start })
    }

    /// The number of elements.
    pub fn n(&self) -> u64 {
        self.n
    }

    /// The smallest element.
    pub fn start(&self) -> i64 {
        self.start
    }

    /// Whether an integer lies in the space.
    pub fn contains(&self, x: i64) -> bool {
        x >= self.start && x.abs_diff(self.start) < self.n
    }

    /// A random element, each as likely as any other.
    ///
    /// Drawn as NumPy's `Generator.integers` draws, so `NumpyRng::new(seed)` gives the numbers of
    /// `space.seed(seed); space.sample()` in Gymnasium.
    pub fn sample<R: RngCore + ?Sized>(&self, rng: &mut R) -> i64 {
        self.start.wrapping_add_unsigned(below(self.n, rng))
    }
}

/// A number from `0..n`: the high half of the product of `n` and a random word, words that would favour some numbers
/// left out (D. Lemire, "Fast random integer generation in an interval", arXiv:1805.10941). A word has 32 bits where
/// `n` fits, else 64.
fn below<R: RngCore + ?Sized>(n: u64, rng: &mut R) -> u64 {
    const WORDS_32: u64 = 1 << 32;
    if n == 1 {
        0
    } else if n == WORDS_32 {
        u64::from(rng.next_u32())
    } else if n < WORDS_32 {
        let rejected = WORDS_32 % n;
        loop {
            let product = u64::from(rng.next_u32()) * n;
            if product % WORDS_32 >= rejected {
                return product >> 32;
            }
        }
    } else {
        let rejected = (1_u128 << 64) % u128::from(n);
        loop {
            let product = u128::from(rng.next_u64()) * u128::from(n);
            if u128::from(product as u64) >= rejected {
                return (product >> 64) as u64;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NumpyRng;

    #[test]
    fn the_ends_belong_to_the_space_and_their_neighbours_do_not() {
        let space = Discrete::new(4, -2).unwrap();
        assert_eq!((space.n(), space.start()), (4, -2));
        let inside: Vec<i64> = (-10..10).filter(|&x| space.contains(x)).collect();
        assert_eq!(inside, [-2, -1, 0, 1]);
        assert!(!space.contains(i64::MIN) && !space.contains(i64::MAX));
        let all_but_one = Discrete::new(u64::MAX, i64::MIN).unwrap();
        assert!(all_but_one.contains(i64::MIN) && all_but_one.contains(i64::MAX - 1));
        assert!(!all_but_one.contains(i64::MAX));
    }

    #[test]
    fn an_empty_or_overflowing_space_is_refused() {
        for (n, start) in [(0, 5), (2, i64::MAX), (u64::MAX, 0)] {
            assert_eq!(Discrete::new(n, start), Err(Error::DiscreteRange { n, start }));
        }
        assert!(Discrete::new(1, i64::MAX).is_ok());
    }

    #[test]
    fn samples_are_those_of_gymnasium() {
        // gymnasium 1.4.0: s = Discrete(n, start=start); s.seed(9); [s.sample() for _ in range(5)]
        let rows: [(u64, i64, [i64; 5]); 6] = [
            (1, 7, [7, 7, 7, 7, 7]),
            (2, 0, [0, 1, 1, 0, 0]),
            (10, -3, [1, 5, 6, -1, -2]),
            (3 << 30, 0, [1357899096, 2803268902, 368376526, 1942876184, 2504612592]),
            (1 << 32, 0, [1810532129, 3737691870, 4127654944, 1231870532, 491168702]),
            (
                (1 << 62) + (1 << 61),
                -5,
                [
                    6019974129744605863,
                    4172294835949698402,
                    4953467036239998956,
                    6332168554818677315,
                    6351935453217137859,
                ],
            ),
        ];
        for (n, start, expected) in rows {
            let (space, mut rng) = (Discrete::new(n, start).unwrap(), NumpyRng::new(9));
            assert_eq!(
                [(); 5].map(|()| space.sample(&mut rng)),
                expected,
                "n {n}, start {start}"
            );
        }
    }

    #[test]
    fn every_element_is_as_likely_as_any_other() {
        let (space, mut rng) = (Discrete::new(5, 10).unwrap(), NumpyRng::new(1));
        let mut counts = [0_u32; 5];
        for _ in 0..10_000 {
            counts[usize::try_from(space.sample(&mut rng) - 10).unwrap()] += 1;
        }
        // Binomial with mean 2000 and standard deviation sqrt(10000 · 0.2 · 0.8) = 40: five of them.
        assert!(counts.iter().all(|&count| count.abs_diff(2000) <= 200), "{counts:?}");
    }
}
