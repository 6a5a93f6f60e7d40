//! Discounted returns to go, the value function's target.

use crate::{Dataset, NormalizerConfig, SequenceDataset};

/// From every row of a dataset to the end of its episode, `Σ discountᵏ reward`, in the rewards' units.
#[derive(Debug, Clone)]
pub struct DiscountedReturns {
    to_go: Vec<f64>,
}

impl DiscountedReturns {
    /// `termination_penalty` is added to the last reward of an episode that ended in a terminal state (-100 in the original's
    /// locomotion configuration, 0 for none). Rows of no episode have a return of 0.
    #[must_use]
    pub fn new(dataset: &Dataset, discount: f64, termination_penalty: f64) -> Self {
        let rewards = dataset.rewards();
        let mut to_go = vec![0.0; rewards.len()];
        for episode in dataset.episodes() {
            let mut after = 0.0;
            for row in (episode.start..episode.end).rev() {
                let is_end = episode.terminated && row + 1 == episode.end;
                let penalty = if is_end { termination_penalty } else { 0.0 };
                after = rewards[row] + penalty + discount * after;
                to_go[row] = after;
            }
        }
        Self { to_go }
    }

    /// From row `row` on.
    ///
    /// # Panics
    /// If there is no such row.
    #[must_use]
    pub fn from_row(&self, row: usize) -> f64 {
        self.to_go[row]
    }

    /// The smallest and the largest over the beginnings of all windows: what scales the value function's target to \[-1, 1\],
    /// as the original's `ValueDataset(normed=True)`.
    #[must_use]
    pub fn limits(&self, sequences: &SequenceDataset) -> NormalizerConfig {
        let values = || sequences.windows().iter().map(|window| self.to_go[window.start]);
        NormalizerConfig::Limits {
            min: vec![values().fold(f64::INFINITY, f64::min) as f32],
            max: vec![values().fold(f64::NEG_INFINITY, f64::max) as f32],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{EpisodeEnds, Normalizers, SequenceOptions};
    use ndarray::{Array1, Array2};

    /// The twin sums `(discounts * rewards).sum()` from every row on, as the original does.
    #[test]
    fn returns_are_sums_of_discounted_rewards() {
        let rewards: Vec<f64> = (0..9).map(|i| f64::from(i * i % 7) - 2.0).collect();
        let terminals: Vec<bool> = (0..9).map(|i| i == 3).collect();
        let timeouts: Vec<bool> = (0..9).map(|i| i == 7).collect();
        let ends = EpisodeEnds {
            terminals: Some(&terminals),
            timeouts: Some(&timeouts),
            max_episode_steps: None,
        };
        let observations = Array2::from_shape_fn((9, 1), |(i, _)| i as f32);
        let dataset = Dataset::new(
            observations.clone(),
            observations.clone(),
            Array1::from(rewards.clone()),
            ends,
        )
        .unwrap();
        for (discount, penalty) in [(0.9, -100.0), (1.0, 0.0), (0.5, 3.0), (0.0, 1.0)] {
            let returns = DiscountedReturns::new(&dataset, discount, penalty);
            for (start, end) in [(0, 4), (4, 8)] {
                for row in start..end {
                    let mut expected = 0.0;
                    for (k, reward) in rewards.iter().enumerate().take(end).skip(row) {
                        let reward = reward + if k == 3 { penalty } else { 0.0 };
                        expected += discount.powi((k - row) as i32) * reward;
                    }
                    let actual = returns.from_row(row);
                    assert!(
                        (actual - expected).abs() < 1e-12 * expected.abs().max(1.0),
                        "row {row}: {actual}, {expected}"
                    );
                }
            }
            assert_eq!(returns.from_row(8), 0.0);
            let gaussian = || NormalizerConfig::Gaussian {
                mean: vec![0.0],
                std: vec![1.0],
            };
            let normalizers = Normalizers::new(gaussian(), gaussian(), None).unwrap();
            let sequences = SequenceDataset::new(&dataset, &normalizers, &SequenceOptions::new(2)).unwrap();
            let NormalizerConfig::Limits { min, max } = returns.limits(&sequences) else {
                panic!("limits")
            };
            // The last row of an episode begins no window.
            let of_windows = [0, 1, 2, 4, 5, 6].map(|row| returns.from_row(row) as f32);
            assert_eq!(min[0], of_windows.into_iter().fold(f32::INFINITY, f32::min));
            assert_eq!(max[0], of_windows.into_iter().fold(f32::NEG_INFINITY, f32::max));
        }
    }
}
