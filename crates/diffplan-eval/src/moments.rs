//! Which steps of an episode are shown.

use crate::rollout::Episode;
use ndarray::{Axis, s};

/// The steps whose plans are shown and saved, of an episode of so many with plans of so long a horizon: at most six, evenly spaced,
/// and so far apart that one plan ends before the next begins where there is room for it.
pub fn moments(steps: usize, horizon: usize) -> Vec<usize> {
    const MOST: usize = 6;
    let count = (steps / horizon.max(1)).clamp(1, MOST);
    (0..count).map(|i| i * steps / count).collect()
}

/// The step of an episode within whose horizon most happens: its plan is the one to watch. What happens is the length of the way
/// through observations, each measured by how much it varies in the episode.
pub fn liveliest(episode: &Episode, horizon: usize) -> usize {
    let observations = &episode.observations;
    let spread = observations.std_axis(Axis(0), 0.0).mapv(|spread| spread.max(1e-9));
    let steps = &observations.slice(s![1.., ..]) - &observations.slice(s![..-1, ..]);
    let ways = steps
        .outer_iter()
        .map(|step| (&step / &spread).mapv(f64::abs).sum())
        .collect::<Vec<f64>>();
    let windows = ways.windows(horizon.clamp(1, ways.len().max(1)));
    let lengths = windows.map(|window| window.iter().sum::<f64>()).enumerate();
    lengths
        .reduce(|best, other| if other.1 > best.1 { other } else { best })
        .map_or(0, |(step, _)| step)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array1, Array2};

    #[test]
    fn the_liveliest_moment_is_where_observations_change_most() {
        let episode = |heights: &[f64]| Episode {
            observations: Array2::from_shape_fn((heights.len(), 2), |(row, column)| [heights[row], 7.0][column]),
            states: None,
            actions: Array2::zeros((heights.len() - 1, 1)),
            rewards: Array1::zeros(heights.len() - 1),
            terminated: false,
            truncated: true,
            plan_times: Vec::new(),
            success: None,
        };
        let hop = [0.0, 0.0, 0.1, 0.5, 1.0, 0.4, 0.4, 0.4, 0.5];
        assert_eq!(liveliest(&episode(&hop), 3), 2);
        assert_eq!(liveliest(&episode(&hop), 100), 0);
        assert_eq!(liveliest(&episode(&[1.0, 1.0]), 1), 0);
    }
}
