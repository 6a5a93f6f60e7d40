//! What is observed after an episode's last action, for those who write it elsewhere: planning and training do without.
//!
//! Layouts have it in one of two ways: observations with a row more than actions, or an array of next observations beside them.

use super::RawDataset;
use crate::EpisodeRange;
use ndarray::{ArrayView1, ArrayView2, Axis};

/// What is kept of it while files are read.
#[derive(Debug, Default)]
pub(super) struct After {
    /// As many rows as observations, NaN where nothing is known; empty where nothing is known at all.
    pub(super) next: Vec<f32>,
    /// What every group was reset with.
    pub(super) seeds: Vec<Option<u64>>,
}

impl After {
    /// Nothing is known of the rows up to `values` numbers.
    pub(super) fn skip_to(&mut self, values: usize) {
        self.next.resize(values, f32::NAN);
    }

    /// The row that ends at `values` numbers.
    pub(super) fn put_last(&mut self, values: usize, row: &[f32]) {
        self.skip_to(values - row.len());
        self.next.extend_from_slice(row);
    }
}

/// The arrays of next observations, by the names of those of observations: `next_observations`, `next_obs/…`.
pub(super) fn next_keys(observations: &[String]) -> Option<Vec<String>> {
    let next = |key: &String| match key.split_once('/') {
        None if key == "observations" => Some("next_observations".to_owned()),
        Some(("obs", rest)) => Some(format!("next_obs/{rest}")),
        _ => None,
    };
    observations.iter().map(next).collect()
}

impl RawDataset {
    /// What was observed after an episode's last action; none where the file does not have it, or it was not asked for
    /// ([`ReadOptions::after_last`](super::ReadOptions::after_last)).
    #[must_use]
    pub fn after_last(&self, episode: &EpisodeRange) -> Option<ArrayView1<'_, f32>> {
        let next = self.next()?;
        let row = episode.end.checked_sub(1).filter(|row| *row < next.nrows())?;
        let row = next.index_axis_move(Axis(0), row);
        row.iter().all(|x| x.is_finite()).then_some(row)
    }

    /// Rows within episodes whose next observation, in an array of its own, is not that of the next row.
    #[must_use]
    pub fn next_differs(&self, episodes: &[EpisodeRange]) -> usize {
        let Some(next) = self.next() else { return 0 };
        let differs = |row: usize| {
            let (own, other) = (next.row(row), self.observations.row(row + 1));
            let known = own.iter().any(|x| !x.is_nan());
            known && own.iter().zip(other).any(|(a, b)| a.to_bits() != b.to_bits())
        };
        let within = |episode: &EpisodeRange| {
            (episode.start..episode.end.saturating_sub(1))
                .filter(|row| differs(*row))
                .count()
        };
        episodes.iter().map(within).sum()
    }

    /// The seed that an episode was reset with, by its number in the file's order, where a file of episodes says it and it was asked for.
    #[must_use]
    pub fn seed(&self, episode: usize) -> Option<u64> {
        self.after.seeds.get(episode).copied().flatten()
    }

    fn next(&self) -> Option<ArrayView2<'_, f32>> {
        let shape = self.observations.dim();
        // Shorter where the last rows are of no episode.
        let rows = self.after.next.len() / shape.1.max(1);
        (rows > 0).then(|| ArrayView2::from_shape((rows, shape.1), &self.after.next).ok())?
    }
}
