//! Whether observations jump where they should: from an episode's last to the next one's first, and nowhere else. Flags
//! that are a row off show themselves like this. Distances are in standard deviations.

use std::fmt;

use ndarray::ArrayView2;

use super::median;
use crate::{EpisodeRange, Moments};

/// How the ends of episodes and the jumps of observations differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Boundary {
    /// Jumps are a row before ends.
    Late,
    /// Jumps are a row after ends.
    Early,
    /// An episode begins where the one before ended.
    Repeated,
    /// There are no jumps.
    GoesOn,
}

impl fmt::Display for Boundary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Late => "observations jump one row before episodes end: the flags seem to be one row late",
            Self::Early => "observations jump one row after episodes end: the flags seem to be one row early",
            Self::Repeated => "most episodes begin with the observation that the one before ended with",
            Self::GoesOn => {
                "observations do not jump from one episode to the next: they seem to go on across their ends"
            }
        })
    }
}

/// Fewer joints say nothing.
const FEWEST: usize = 5;
/// Of the distance of unrelated rows; from one row to the next it is far less where observations say anything of each other.
const SMOOTH: f64 = 0.5;
/// Rows that are looked at inside of episodes.
const ROWS: usize = 100_000;

/// Bytes of the differences that are kept of each kind.
const KEPT: usize = 1 << 26;

/// Which rows are looked at, each with the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Inside,
    Across,
    Last,
    First,
}

/// Differences of rows from the next, of the rows that are looked at: in units of deviations that are known at the end.
#[derive(Debug)]
pub(super) struct Jumps {
    columns: usize,
    /// In the order of rows.
    wanted: Vec<(usize, Kind)>,
    next: usize,
    differences: Vec<(Kind, Vec<f64>)>,
    /// The last row that was seen.
    carried: Option<(usize, Vec<f32>)>,
    joints: usize,
}

impl Jumps {
    pub(super) fn new(rows: usize, columns: usize, episodes: &[EpisodeRange]) -> Self {
        let joints = || {
            episodes
                .iter()
                .zip(episodes.iter().skip(1))
                .filter(|(a, b)| a.len() > 2 && b.len() > 2)
        };
        let (count, most) = (joints().count(), ROWS.min(KEPT / (8 * columns.max(1))).max(1));
        let mut wanted = Vec::new();
        if count >= FEWEST {
            for (a, b) in joints().step_by(count.div_ceil(most)) {
                wanted.extend([
                    (a.end - 1, Kind::Across),
                    (a.end - 2, Kind::Last),
                    (b.start, Kind::First),
                ]);
            }
            let step = rows.div_ceil(most).max(1);
            let mut passed = 0;
            for episode in episodes {
                // Of all rows but the last of their episodes, every so many.
                let pairs = episode.len() - 1;
                let first = (step - passed % step) % step;
                wanted.extend(
                    (first..pairs)
                        .step_by(step)
                        .map(|at| (episode.start + at, Kind::Inside)),
                );
                passed += pairs;
            }
        }
        wanted.sort_unstable();
        Self {
            columns,
            wanted,
            next: 0,
            differences: Vec::new(),
            carried: None,
            joints: count,
        }
    }

    pub(super) fn add(&mut self, first_row: usize, observations: ArrayView2<'_, f32>) {
        let end = first_row + observations.nrows();
        while let Some(&(row, kind)) = self.wanted.get(self.next).filter(|(row, _)| row + 1 < end) {
            self.next += 1;
            let Some(after) = (row + 1).checked_sub(first_row) else {
                continue;
            };
            let after = observations.row(after);
            let difference = |(a, b): (&f32, &f32)| f64::from(*a) - f64::from(*b);
            let differences = match (row.checked_sub(first_row), &self.carried) {
                (Some(at), _) => observations.row(at).iter().zip(&after).map(difference).collect(),
                (None, Some((carried, values))) if *carried == row => {
                    values.iter().zip(&after).map(difference).collect()
                }
                (None, _) => continue,
            };
            self.differences.push((kind, differences));
        }
        if let Some(last) = observations.nrows().checked_sub(1) {
            self.carried = Some((end - 1, observations.row(last).to_vec()));
        }
    }

    /// The median distance of rows of a kind, in deviations.
    fn median(&self, kind: Kind, stds: &[f64]) -> f64 {
        let own = self.differences.iter().filter(|(own, _)| *own == kind);
        let distances = own.map(|(_, differences)| {
            let each = differences.iter().zip(stds).filter(|(_, std)| **std > 0.0);
            each.map(|(difference, std)| (difference / std).powi(2))
                .sum::<f64>()
                .sqrt()
        });
        median(distances.filter(|d| d.is_finite()).collect())
    }
}

pub(super) fn check(jumps: &Jumps, observations: &Moments) -> Option<Boundary> {
    if jumps.joints < FEWEST {
        return None;
    }
    let stds: Vec<f64> = (0..jumps.columns).map(|column| observations.std(column)).collect();
    let [inside, across, last, first] =
        [Kind::Inside, Kind::Across, Kind::Last, Kind::First].map(|kind| jumps.median(kind, &stds));
    // Rows that have nothing to do with each other are as far apart, whether an episode ends between them or not.
    let unrelated = (2.0 * stds.iter().filter(|std| **std > 0.0).count() as f64).sqrt();
    let goes_on = across <= 2.0 * inside;
    if goes_on && last > 5.0 * inside {
        Some(Boundary::Late)
    } else if goes_on && first > 5.0 * inside {
        Some(Boundary::Early)
    } else if across == 0.0 && inside > 0.0 {
        Some(Boundary::Repeated)
    } else if goes_on && inside > 0.0 && inside < SMOOTH * unrelated {
        Some(Boundary::GoesOn)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, s};

    /// Ramps that begin anew every ten rows, and flags that are `late` rows late.
    fn found(late: usize, ramp: usize) -> Option<Boundary> {
        let observations = Array2::from_shape_fn((200, 1), |(row, _)| (row % ramp) as f32);
        let episodes: Vec<EpisodeRange> = (0..15)
            .map(|i| EpisodeRange {
                start: 10 * i + late,
                end: 10 * i + late + 10,
                terminated: false,
            })
            .collect();
        let mut found = Vec::new();
        for rows in [200, 7, 1] {
            let (mut jumps, mut moments) = (Jumps::new(200, 1, &episodes), Moments::new(1));
            for start in (0..200).step_by(rows) {
                let block = observations.slice(s![start..200.min(start + rows), ..]);
                jumps.add(start, block);
                moments.push(block.as_slice().unwrap());
            }
            found.push(check(&jumps, &moments));
        }
        // However the rows are cut.
        assert!(found.iter().all(|one| *one == found[0]));
        found[0]
    }

    #[test]
    fn flags_that_are_a_row_off_are_noticed() {
        assert_eq!(found(0, 10), None);
        assert_eq!(found(1, 10), Some(Boundary::Late));
        assert_eq!(found(9, 10), Some(Boundary::Early));
        assert_eq!(found(0, 1000), Some(Boundary::GoesOn));
        // Nothing ever moves.
        assert_eq!(found(0, 1), None);
        // Nothing in it is smooth, so nothing is missing at its ends.
        assert_eq!(found(0, 2), None);
    }
}
