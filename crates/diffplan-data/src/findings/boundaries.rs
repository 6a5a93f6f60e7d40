//! Whether observations jump where they should: from an episode's last to the next one's first, and nowhere else. Flags
//! that are a row off show themselves like this. Distances are in standard deviations.

use std::fmt;

use ndarray::ArrayView2;

use super::{Finding, Steps, dimensions, median};
use crate::EpisodeRange;

/// How the ends of episodes and the jumps of observations differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

pub(super) fn check(steps: &Steps<'_>) -> Option<Finding> {
    let joints: Vec<(&EpisodeRange, &EpisodeRange)> = steps
        .episodes
        .iter()
        .zip(steps.episodes.iter().skip(1))
        .filter(|(a, b)| a.len() > 2 && b.len() > 2)
        .collect();
    if joints.len() < FEWEST {
        return None;
    }
    let stds = dimensions::stds(steps.observations);
    let median = |rows: Vec<usize>| {
        let distances = rows.into_iter().map(|row| distance(steps.observations, &stds, row));
        median(distances.filter(|d| d.is_finite()).collect())
    };
    let inside = steps.episodes.iter().flat_map(|episode| episode.start..episode.end - 1);
    let inside = median(inside.step_by(steps.observations.nrows().div_ceil(ROWS)).collect());
    let across = median(joints.iter().map(|(a, _)| a.end - 1).collect());
    let last = median(joints.iter().map(|(a, _)| a.end - 2).collect());
    let first = median(joints.iter().map(|(_, b)| b.start).collect());
    // Rows that have nothing to do with each other are as far apart, whether an episode ends between them or not.
    let unrelated = (2.0 * stds.iter().filter(|std| **std > 0.0).count() as f64).sqrt();
    let goes_on = across <= 2.0 * inside;
    let boundary = if goes_on && last > 5.0 * inside {
        Boundary::Late
    } else if goes_on && first > 5.0 * inside {
        Boundary::Early
    } else if across == 0.0 && inside > 0.0 {
        Boundary::Repeated
    } else if goes_on && inside > 0.0 && inside < SMOOTH * unrelated {
        Boundary::GoesOn
    } else {
        return None;
    };
    Some(Finding::Boundaries(boundary))
}

/// From a row to the next, in standard deviations.
fn distance(observations: ArrayView2<'_, f32>, stds: &[f64], row: usize) -> f64 {
    let (a, b) = (observations.row(row), observations.row(row + 1));
    let each = a.iter().zip(b).zip(stds).filter(|(_, std)| **std > 0.0);
    let squares = each.map(|((&a, &b), std)| ((f64::from(a) - f64::from(b)) / std).powi(2));
    squares.sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array1, Array2};

    /// Ramps that begin anew every ten rows, and flags that are `late` rows late.
    fn found(late: usize, ramp: usize) -> Option<Finding> {
        let observations = Array2::from_shape_fn((200, 1), |(row, _)| (row % ramp) as f32);
        let episodes: Vec<EpisodeRange> = (0..15)
            .map(|i| EpisodeRange {
                start: 10 * i + late,
                end: 10 * i + late + 10,
                terminated: false,
            })
            .collect();
        check(&Steps {
            observations: observations.view(),
            actions: observations.view(),
            rewards: Array1::zeros(200).view(),
            episodes: &episodes,
        })
    }

    #[test]
    fn flags_that_are_a_row_off_are_noticed() {
        assert_eq!(found(0, 10), None);
        assert_eq!(found(1, 10), Some(Finding::Boundaries(Boundary::Late)));
        assert_eq!(found(9, 10), Some(Finding::Boundaries(Boundary::Early)));
        assert_eq!(found(0, 1000), Some(Finding::Boundaries(Boundary::GoesOn)));
        // Nothing ever moves.
        assert_eq!(found(0, 1), None);
        // Nothing in it is smooth, so nothing is missing at its ends.
        assert_eq!(found(0, 2), None);
    }
}
