//! Discounted returns to go, the value function's target.

use std::sync::Arc;

use crate::{EpisodeRange, Error, NormalizerConfig, SequenceDataset, Transitions};

/// Rows from one return that is kept to the next, of rewards that are in a file.
const APART: usize = if cfg!(test) { 4 } else { 1024 };

/// From every row of a dataset to the end of its episode, `Σ discountᵏ reward`, in the rewards' units.
///
/// Of a dataset in memory all are kept. Of one in a file, every 1024th is: the others follow from the rewards between, in the same
/// bits, since each is computed from the next one either way.
#[derive(Debug, Clone)]
pub struct DiscountedReturns {
    rule: Rule,
    to_go: ToGo,
}

#[derive(Debug, Clone, Copy)]
struct Rule {
    discount: f64,
    termination_penalty: f64,
}

#[derive(Debug, Clone)]
enum ToGo {
    Kept(Arc<Vec<f64>>),
    OnDemand {
        data: Arc<dyn Transitions>,
        /// Of rows 0, 1024, 2048 and so on.
        kept: Arc<[f64]>,
    },
}

impl Rule {
    /// The return of a row from that of the row after it, 0 of the last.
    fn step(self, episode: &EpisodeRange, row: usize, reward: f64, after: f64) -> f64 {
        let is_end = episode.terminated && row + 1 == episode.end;
        let penalty = if is_end { self.termination_penalty } else { 0.0 };
        reward + penalty + self.discount * after
    }

    /// Shows the return of every row of every episode, from the last row to the first, with the episode's number.
    fn backwards(self, data: &dyn Transitions, show: &mut dyn FnMut(usize, usize, f64)) -> Result<(), Error> {
        let episodes = data.episodes();
        let mut block = vec![0.0; crate::transitions::block_rows(2).min(data.rows())];
        let (mut end, mut after) = (data.rows(), 0.0);
        let mut at = episodes.len();
        while end > 0 {
            let start = end.saturating_sub(block.len());
            let rewards = &mut block[..end - start];
            data.read_rewards(start..end, rewards)?;
            for (row, &reward) in (start..end).zip(&*rewards).rev() {
                if at > 0 && row + 1 == episodes[at - 1].end {
                    (at, after) = (at - 1, 0.0);
                }
                let Some(episode) = episodes.get(at) else { continue };
                after = self.step(episode, row, reward, after);
                show(at, row, after);
            }
            end = start;
        }
        Ok(())
    }
}

impl DiscountedReturns {
    /// `termination_penalty` is added to the last reward of an episode that ended in a terminal state (-100 in the original's
    /// locomotion configuration, 0 for none). Rows of no episode have a return of 0.
    ///
    /// # Errors
    /// Those of reading rewards; none of a dataset in memory.
    pub fn new(dataset: &dyn Transitions, discount: f64, termination_penalty: f64) -> Result<Self, Error> {
        let rule = Rule {
            discount,
            termination_penalty,
        };
        let mut to_go = vec![0.0; dataset.rows()];
        rule.backwards(dataset, &mut |_, row, value| to_go[row] = value)?;
        Ok(Self {
            rule,
            to_go: ToGo::Kept(Arc::new(to_go)),
        })
    }

    /// The same, of which few are kept where the dataset is not in memory.
    ///
    /// # Errors
    /// Those of reading rewards.
    pub fn on_demand(data: &Arc<dyn Transitions>, discount: f64, termination_penalty: f64) -> Result<Self, Error> {
        if data.in_memory() {
            return Self::new(&**data, discount, termination_penalty);
        }
        let rule = Rule {
            discount,
            termination_penalty,
        };
        let mut kept = vec![0.0; data.rows().div_ceil(APART)];
        rule.backwards(&**data, &mut |_, row, value| {
            if row % APART == 0 {
                kept[row / APART] = value;
            }
        })?;
        Ok(Self {
            rule,
            to_go: ToGo::OnDemand {
                data: Arc::clone(data),
                kept: kept.into(),
            },
        })
    }

    /// From row `row` on; 0 of a row of no episode.
    ///
    /// # Errors
    /// Those of reading rewards; none of a dataset in memory.
    pub fn from_row(&self, row: usize) -> Result<f64, Error> {
        let (data, kept) = match &self.to_go {
            ToGo::Kept(to_go) => return Ok(to_go.get(row).copied().unwrap_or(0.0)),
            ToGo::OnDemand { data, kept } => (data, kept),
        };
        let episodes = data.episodes();
        let Some(episode) = episodes.get(episodes.partition_point(|episode| episode.end <= row)) else {
            return Ok(0.0);
        };
        let next = (row / APART + 1) * APART;
        let (end, mut after) = match kept.get(next / APART) {
            Some(after) if next < episode.end => (next, *after),
            _ => (episode.end, 0.0),
        };
        let mut rewards = [0.0; APART];
        let rewards = &mut rewards[..end - row];
        data.read_rewards(row..end, rewards)?;
        for (row, &reward) in (row..end).zip(&*rewards).rev() {
            after = self.rule.step(episode, row, reward, after);
        }
        Ok(after)
    }

    /// The smallest and the largest over the beginnings of all windows: what scales the value function's target to \[-1, 1\],
    /// as the original's `ValueDataset(normed=True)`.
    ///
    /// # Errors
    /// Those of reading rewards; none of a dataset in memory.
    pub fn limits(&self, sequences: &SequenceDataset) -> Result<NormalizerConfig, Error> {
        let (mut min, mut max) = (f64::INFINITY, f64::NEG_INFINITY);
        let mut take = |value: f64| (min, max) = (min.min(value), max.max(value));
        match &self.to_go {
            ToGo::Kept(to_go) => sequences.windows().for_each(|window| take(to_go[window.start])),
            ToGo::OnDemand { data, .. } => self.rule.backwards(&**data, &mut |episode, row, value| {
                if sequences.begins(episode, row) {
                    take(value);
                }
            })?,
        }
        Ok(NormalizerConfig::Limits {
            min: vec![min as f32],
            max: vec![max as f32],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Dataset, EpisodeEnds, Normalizers, SequenceOptions};
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
            let returns = DiscountedReturns::new(&dataset, discount, penalty).unwrap();
            for (start, end) in [(0, 4), (4, 8)] {
                for row in start..end {
                    let mut expected = 0.0;
                    for (k, reward) in rewards.iter().enumerate().take(end).skip(row) {
                        let reward = reward + if k == 3 { penalty } else { 0.0 };
                        expected += discount.powi((k - row) as i32) * reward;
                    }
                    let actual = returns.from_row(row).unwrap();
                    assert!(
                        (actual - expected).abs() < 1e-12 * expected.abs().max(1.0),
                        "row {row}: {actual}, {expected}"
                    );
                }
            }
            assert_eq!(returns.from_row(8).unwrap(), 0.0);
            let gaussian = || NormalizerConfig::Gaussian {
                mean: vec![0.0],
                std: vec![1.0],
            };
            let normalizers = Normalizers::new(gaussian(), gaussian(), None).unwrap();
            let sequences = SequenceDataset::new(&dataset, &normalizers, &SequenceOptions::new(2)).unwrap();
            let NormalizerConfig::Limits { min, max } = returns.limits(&sequences).unwrap() else {
                panic!("limits")
            };
            // The last row of an episode begins no window.
            let of_windows = [0, 1, 2, 4, 5, 6].map(|row| returns.from_row(row).unwrap() as f32);
            assert_eq!(min[0], of_windows.into_iter().fold(f32::INFINITY, f32::min));
            assert_eq!(max[0], of_windows.into_iter().fold(f32::NEG_INFINITY, f32::max));
        }
    }
}
