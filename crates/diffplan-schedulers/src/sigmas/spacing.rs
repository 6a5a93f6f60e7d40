//! Which timesteps are visited by the classes that count in levels: table 2 of Lin et al. 2023 (arXiv:2305.08891), with the arithmetic
//! and the half-to-even rounding of their `set_timesteps` in diffusers 0.42.1.
//!
//! As for DDPM, an entry of -1, which rounding appends to the reference's `trailing` list for some counts, is left out.

use super::convert::linspace;
use crate::timesteps::check_custom_timesteps;
use crate::{Error, Result, TimestepSpacing, Timesteps};

/// Of which points the timesteps are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Grid {
    /// All points from end to end (Euler, Heun); `linspace` is not rounded.
    Whole,
    /// All but the last of one more, which is where the last step ends (DPM-Solver, UniPC); whole timesteps.
    Inner,
}

/// How the timesteps of a run are found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spacing {
    pub(crate) grid: Grid,
    pub(crate) kind: TimestepSpacing,
    pub(crate) num_train_timesteps: usize,
    /// How many of the training timesteps are visited at all, from the first; at least 1.
    pub(crate) visited: usize,
    pub(crate) steps_offset: usize,
}

impl Spacing {
    /// How many visits there are to be, where that does not hang on rounding.
    ///
    /// # Errors
    /// [`Error::NumInferenceSteps`]; what is wrong with custom timesteps.
    pub(crate) fn count(&self, timesteps: &Timesteps) -> Result<usize> {
        let train = self.num_train_timesteps;
        match timesteps {
            Timesteps::All => Ok(self.visited),
            &Timesteps::Count(count) if (1..=train).contains(&count) => Ok(count),
            &Timesteps::Count(actual) => Err(Error::NumInferenceSteps {
                actual,
                num_train_timesteps: train,
            }),
            Timesteps::Custom(timesteps) => {
                check_custom_timesteps(timesteps, train)?;
                Ok(timesteps.len())
            }
        }
    }

    /// The timesteps, from the noisiest.
    ///
    /// # Errors
    /// As [`Spacing::count`], and [`Error::TimestepOutOfRange`] where the offset leads out of the schedule.
    pub(crate) fn timesteps(&self, timesteps: &Timesteps) -> Result<Vec<f64>> {
        let count = self.count(timesteps)?;
        let timesteps: Vec<f64> = match timesteps {
            Timesteps::All => (0..self.visited).rev().map(|t| t as f64).collect(),
            Timesteps::Custom(timesteps) => timesteps.iter().map(|&t| t as f64).collect(),
            Timesteps::Count(_) => self.spaced(count),
        };
        match timesteps.first() {
            Some(&first) if first >= self.num_train_timesteps as f64 => Err(Error::TimestepOutOfRange {
                timestep: first as usize,
                num_train_timesteps: self.num_train_timesteps,
            }),
            _ => Ok(timesteps),
        }
    }

    fn spaced(&self, count: usize) -> Vec<f64> {
        let last = self.visited.saturating_sub(1) as f64;
        match (self.kind, self.grid) {
            (TimestepSpacing::Linspace, Grid::Whole) => {
                let points = linspace(0.0, last, count).rev();
                points.map(|t| f64::from(t as f32)).collect()
            }
            (TimestepSpacing::Linspace, Grid::Inner) => {
                let points = linspace(0.0, last, count + 1).rev();
                points.take(count).map(f64::round_ties_even).collect()
            }
            (TimestepSpacing::Leading, grid) => {
                let points = count + usize::from(grid == Grid::Inner);
                let ratio = self.visited / points;
                let first = points - count;
                let at = |i: usize| (i * ratio).saturating_add(self.steps_offset) as f64;
                (first..points).rev().map(at).collect()
            }
            (TimestepSpacing::Trailing, _) => {
                let (start, ratio) = (self.visited as f64, self.num_train_timesteps as f64 / count as f64);
                // `numpy.arange` takes its step from the difference of its first two values.
                let step = (start - ratio) - start;
                let points = (start / ratio).ceil() as usize;
                let points = (0..points).map(|i| (start + i as f64 * step).round_ties_even() - 1.0);
                points.filter(|&t| t >= 0.0).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Grid::{Inner, Whole};
    use TimestepSpacing::{Leading, Linspace, Trailing};

    fn spacing(grid: Grid, kind: TimestepSpacing, visited: usize, steps_offset: usize) -> Spacing {
        Spacing {
            grid,
            kind,
            num_train_timesteps: 100,
            visited,
            steps_offset,
        }
    }

    #[test]
    fn timesteps_are_those_of_the_table() {
        let rows: [(Grid, TimestepSpacing, usize, usize, &[f64]); 7] = [
            (Whole, Linspace, 100, 0, &[99.0, 74.25, 49.5, 24.75, 0.0]),
            (Inner, Linspace, 100, 0, &[99.0, 79.0, 59.0, 40.0, 20.0]),
            (Whole, Leading, 100, 1, &[81.0, 61.0, 41.0, 21.0, 1.0]),
            (Inner, Leading, 100, 1, &[81.0, 65.0, 49.0, 33.0, 17.0]),
            (Whole, Trailing, 100, 0, &[99.0, 79.0, 59.0, 39.0, 19.0]),
            (Inner, Trailing, 50, 0, &[49.0, 29.0, 9.0]),
            (Inner, Linspace, 51, 0, &[50.0, 40.0, 30.0, 20.0, 10.0]),
        ];
        for (grid, kind, visited, offset, expected) in rows {
            let actual = spacing(grid, kind, visited, offset)
                .timesteps(&Timesteps::Count(5))
                .unwrap();
            assert_eq!(actual, expected, "{grid:?} {kind} {visited} {offset}");
        }
    }

    #[test]
    fn any_count_gives_timesteps_of_the_schedule() {
        for grid in [Whole, Inner] {
            for kind in [Linspace, Leading, Trailing] {
                for visited in [1, 2, 37, 100] {
                    for count in 1..=100 {
                        let spacing = spacing(grid, kind, visited, 0);
                        let timesteps = spacing.timesteps(&Timesteps::Count(count)).unwrap();
                        assert!(!timesteps.is_empty() && timesteps.len() <= count);
                        assert!(timesteps.iter().all(|t| (0.0..100.0).contains(t)), "{timesteps:?}");
                        assert!(timesteps.windows(2).all(|pair| pair[0] >= pair[1]), "{timesteps:?}");
                    }
                }
            }
        }
        let all = spacing(Whole, Leading, 3, 0).timesteps(&Timesteps::All).unwrap();
        assert_eq!(all, [2.0, 1.0, 0.0]);
        let beyond = spacing(Whole, Leading, 100, 1).timesteps(&Timesteps::Count(100));
        assert!(matches!(beyond, Err(Error::TimestepOutOfRange { timestep: 100, .. })));
        for count in [0, 101] {
            assert!(
                spacing(Whole, Leading, 100, 0)
                    .timesteps(&Timesteps::Count(count))
                    .is_err()
            );
        }
    }
}
