//! What a step is taken on: windows of the dataset in an order shuffled anew every epoch, timesteps and noise.
//!
//! Everything a batch holds depends on the seed and on the batch's number alone: each batch and each epoch's order has a stream
//! of its own of ChaCha, whose 2^64 streams are independent by design. A run that goes on from step `n` needs to know nothing
//! but `n`.

use diffplan_data::{DiscountedReturns, Error as DataError, Normalizer, SequenceDataset};
use ndarray::{Array1, Array3, Axis};
use ndarray_rand::rand::seq::SliceRandom;
use ndarray_rand::rand::{Rng, RngCore, SeedableRng};
use ndarray_rand::rand_distr::StandardNormal;
use rand_chacha::ChaCha8Rng;
use std::ops::Range;
use std::sync::Arc;

/// Which observations of a trajectory are known, and imposed on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Conditions {
    /// The first one.
    #[default]
    Current,
    /// The first and the last (`GoalDataset` in the original).
    Goal,
}

impl Conditions {
    /// The steps whose observations are known.
    pub(crate) fn times(self, horizon: usize) -> impl Iterator<Item = usize> {
        let goal = (self == Self::Goal).then(|| horizon - 1);
        [0].into_iter().chain(goal)
    }
}

/// A batch of samples, and what is drawn for them.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// Clean trajectories, (batch, horizon, action + observation dimensions), normalised, action first.
    pub trajectories: Array3<f32>,
    /// Standard normal, of the same shape.
    pub noise: Array3<f32>,
    /// One a trajectory.
    pub timesteps: Vec<usize>,
    /// The target of a value function, one a trajectory; empty for a planner.
    pub values: Array1<f32>,
}

/// What a stream of random numbers is for.
#[derive(Debug, Clone, Copy)]
enum Purpose {
    Init = 0,
    Order = 1,
    Batch = 2,
}

/// Stream `number` of a purpose.
fn stream(seed: u64, purpose: Purpose, number: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream((purpose as u64) << 60 | number);
    rng
}

/// Draws batches of a dataset.
#[derive(Debug)]
pub struct Batches {
    sequences: Arc<SequenceDataset>,
    /// The target of every window, and how it is normalised; none for a planner.
    values: Option<(DiscountedReturns, Option<Normalizer>)>,
    batch_size: usize,
    num_train_timesteps: usize,
    seed: u64,
    /// At least one.
    groups: Vec<Drawn>,
    /// Those of a step.
    batches: Vec<Batch>,
}

impl Batches {
    /// For a planner.
    #[must_use]
    pub fn new(sequences: Arc<SequenceDataset>, batch_size: usize, num_train_timesteps: usize, seed: u64) -> Self {
        let windows = sequences.len();
        Self {
            sequences,
            values: None,
            batch_size,
            num_train_timesteps,
            seed,
            groups: vec![Drawn::new(0..windows, 1.0)],
            batches: vec![Batch::default()],
        }
    }

    /// With so many batches a step, over which the gradient is averaged (`gradient_accumulate_every`); 1 for none.
    #[must_use]
    pub fn accumulating(mut self, batches_a_step: usize) -> Self {
        self.batches.resize_with(batches_a_step.max(1), Batch::default);
        self
    }

    /// With windows drawn from groups of them, by their weights: of the first n draws, a group of weight w has n · w, to the next whole
    /// number, and within a group every window comes once an epoch of its own. None are as all windows together.
    #[must_use]
    pub fn weighted(mut self, groups: &[(Range<usize>, f64)]) -> Self {
        if !groups.is_empty() {
            self.groups = groups
                .iter()
                .map(|(windows, weight)| Drawn::new(windows.clone(), *weight))
                .collect();
        }
        self
    }

    /// For a value function: with the return of every window, normalised where there is a normaliser.
    ///
    /// # Errors
    /// If the normaliser is one of more than a single dimension.
    pub fn with_values(
        mut self,
        returns: &DiscountedReturns,
        normalizer: Option<&Normalizer>,
    ) -> std::result::Result<Self, DataError> {
        // What is wrong with it is said here, and not at the first batch.
        normalizer.map_or(Ok(()), |normalizer| normalizer.normalize_slice(&mut [0.0]))?;
        self.values = Some((returns.clone(), normalizer.cloned()));
        Ok(self)
    }

    /// The windows that batches are drawn from.
    #[must_use]
    pub fn sequences(&self) -> &SequenceDataset {
        &self.sequences
    }

    /// The random numbers that a network's parameters are drawn with.
    #[must_use]
    pub fn init_rng(&self) -> impl RngCore + use<> {
        stream(self.seed, Purpose::Init, 0)
    }

    /// The batches of step `step`, from 0.
    ///
    /// # Errors
    /// If the dataset is in a file that cannot be read; none of one in memory.
    pub fn of_step(&mut self, step: u64) -> std::result::Result<&[Batch], DataError> {
        let mut batches = std::mem::take(&mut self.batches);
        let first = step * batches.len() as u64;
        let drawn = (first..)
            .zip(&mut batches)
            .try_for_each(|(number, batch)| self.draw(number, batch));
        self.batches = batches;
        drawn.map(|()| &self.batches[..])
    }

    /// Writes batch `number`, from 0, to `batch`.
    fn draw(&mut self, number: u64, batch: &mut Batch) -> std::result::Result<(), DataError> {
        let shape = (
            self.batch_size,
            self.sequences.horizon(),
            self.sequences.transition_dim(),
        );
        if batch.trajectories.dim() != shape {
            (batch.trajectories, batch.noise) = (Array3::zeros(shape), Array3::zeros(shape));
        }
        let mut rng = stream(self.seed, Purpose::Batch, number);
        batch.timesteps.clear();
        batch
            .timesteps
            .extend((0..self.batch_size).map(|_| rng.random_range(0..self.num_train_timesteps)));
        batch
            .noise
            .iter_mut()
            .for_each(|noise| *noise = rng.sample(StandardNormal));
        let mut values = Vec::new();
        for (i, trajectory) in (0..).zip(batch.trajectories.axis_iter_mut(Axis(0))) {
            let window = self.window(number * self.batch_size as u64 + i);
            self.sequences.copy_into(window, trajectory)?;
            if let Some((returns, _)) = &self.values {
                values.push(returns.from_row(self.sequences.window(window).start)? as f32);
            }
        }
        if let Some((_, Some(normalizer))) = &self.values {
            normalizer.normalize_slice(&mut values)?;
        }
        batch.values = Array1::from(values);
        Ok(())
    }

    /// Which window is drawn as number `draw`: epochs follow each other without a gap, so that batches may span two.
    fn window(&mut self, draw: u64) -> usize {
        let (mut draw, mut left) = (draw, self.groups.iter().map(|group| group.weight).sum::<f64>());
        let last = self.groups.len() - 1;
        for (number, group) in self.groups.iter_mut().enumerate() {
            // Of the draws that earlier groups left, this one has every (left / weight)th.
            let share = group.weight / left;
            let before = (draw as f64 * share).floor() as u64;
            let after = ((draw + 1) as f64 * share).floor() as u64;
            if number == last || after > before {
                return group.window(self.seed, number as u64, if number == last { draw } else { before });
            }
            (draw, left) = (draw - before, left - group.weight);
        }
        0
    }
}

/// Windows that are drawn in epochs.
#[derive(Debug)]
struct Drawn {
    windows: Range<usize>,
    weight: f64,
    /// An epoch's number and order.
    order: Option<(u64, Vec<u32>)>,
}

/// Of a group's number, in the number of a stream; below it, epochs.
const GROUP: u32 = 48;

impl Drawn {
    fn new(windows: Range<usize>, weight: f64) -> Self {
        Self {
            windows,
            weight,
            order: None,
        }
    }

    /// The window of the group's own draw `draw`.
    fn window(&mut self, seed: u64, number: u64, draw: u64) -> usize {
        let count = self.windows.len() as u64;
        let (epoch, place) = (draw / count, (draw % count) as usize);
        if self.order.as_ref().is_none_or(|(current, _)| *current != epoch) {
            let mut order: Vec<u32> = (0..count as u32).collect();
            order.shuffle(&mut stream(seed, Purpose::Order, number << GROUP | epoch));
            self.order = Some((epoch, order));
        }
        let at = self.order.as_ref().map_or(0, |(_, order)| order[place] as usize);
        self.windows.start + at
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use diffplan_data::{Dataset, EpisodeEnds, NormalizerConfig, Normalizers, SequenceOptions};
    use ndarray::Array2;
    use std::collections::BTreeSet;

    fn sequences(rows: usize) -> Arc<SequenceDataset> {
        let timeouts: Vec<bool> = (0..rows).map(|i| i + 1 == rows).collect();
        let ends = EpisodeEnds {
            timeouts: Some(&timeouts),
            ..EpisodeEnds::default()
        };
        let numbers = Array2::from_shape_fn((rows, 1), |(i, _)| i as f32);
        let dataset = Dataset::new(numbers.clone(), numbers, Array1::zeros(rows), ends).unwrap();
        let identity = || NormalizerConfig::Gaussian {
            mean: vec![0.0],
            std: vec![1.0],
        };
        let normalizers = Normalizers::new(identity(), identity(), None).unwrap();
        Arc::new(SequenceDataset::new(&dataset, &normalizers, &SequenceOptions::new(2)).unwrap())
    }

    #[test]
    fn a_batch_depends_on_seed_and_number_alone() {
        let sequences = sequences(11);
        let new = |seed| Batches::new(sequences.clone(), 4, 20, seed);
        let draw = |batches: &mut Batches, number| {
            let mut batch = Batch::default();
            batches.draw(number, &mut batch).unwrap();
            batch
        };
        let mut all = new(3);
        let in_order: Vec<Batch> = (0..7).map(|n| draw(&mut all, n)).collect();
        for n in [6, 2, 0, 5] {
            let (alone, expected) = (draw(&mut new(3), n), &in_order[n as usize]);
            assert_eq!(alone.trajectories, expected.trajectories, "batch {n}");
            assert_eq!(alone.noise, expected.noise, "batch {n}");
            assert_eq!(alone.timesteps, expected.timesteps, "batch {n}");
        }
        assert_ne!(draw(&mut new(4), 0).noise, in_order[0].noise);
        assert_ne!(in_order[1].noise, in_order[0].noise);
    }

    #[test]
    fn every_epoch_has_every_window_once() {
        let mut batches = Batches::new(sequences(11), 4, 20, 0);
        let mut orders = BTreeSet::new();
        for epoch in 0..4 {
            let order: Vec<usize> = (0..10).map(|i| batches.window(epoch * 10 + i)).collect();
            assert_eq!(BTreeSet::from_iter(order.iter().copied()).len(), 10, "{order:?}");
            orders.insert(order);
        }
        assert_eq!(orders.len(), 4);
    }

    #[test]
    fn weights_are_shares_of_what_is_drawn() {
        // 60, 20 and 20 windows of weights 1, 2 and 1.
        let groups = [(0..60, 1.0), (60..80, 2.0), (80..100, 1.0)];
        let mut batches = Batches::new(sequences(101), 4, 20, 3).weighted(&groups);
        let drawn: Vec<usize> = (0..400).map(|draw| batches.window(draw)).collect();
        for (windows, weight) in &groups {
            for n in [4, 40, 101, 400] {
                let of_group = drawn[..n].iter().filter(|window| windows.contains(window)).count();
                let share = n as f64 * weight / 4.0;
                assert!(
                    (of_group as f64 - share).abs() <= 2.0,
                    "{of_group} of the first {n}, weight {weight}"
                );
            }
            // Within a group, every window once before any comes again.
            let own: Vec<usize> = drawn
                .iter()
                .copied()
                .filter(|window| windows.contains(window))
                .collect();
            let first = &own[..windows.len().min(own.len())];
            assert_eq!(BTreeSet::from_iter(first).len(), first.len());
        }
        // Any draw alone is what it was in order.
        for draw in [399, 3, 250, 0] {
            let mut alone = Batches::new(sequences(101), 4, 20, 3).weighted(&groups);
            assert_eq!(alone.window(draw), drawn[draw as usize]);
        }
        // One group of all windows is none.
        let mut one = Batches::new(sequences(11), 4, 20, 0).weighted(&[(0..10, 7.0)]);
        let mut none = Batches::new(sequences(11), 4, 20, 0);
        (0..50).for_each(|draw| assert_eq!(one.window(draw), none.window(draw)));
    }

    #[test]
    fn timesteps_are_uniform_and_noise_is_normal() {
        let mut batches = Batches::new(sequences(11), 500, 5, 1);
        let mut batch = Batch::default();
        batches.draw(0, &mut batch).unwrap();
        for t in 0..5 {
            let count = batch.timesteps.iter().filter(|&&timestep| timestep == t).count();
            assert!((60..140).contains(&count), "{count} of 500 are {t}"); // 100 ± 4.5 standard deviations
        }
        let (mean, variance) = (batch.noise.mean().unwrap(), batch.noise.var(0.0));
        assert!(mean.abs() < 0.1 && (variance - 1.0).abs() < 0.15, "{mean} {variance}");
    }
}
