//! [`Transitions`]: the steps of episodes, wherever they are: in memory, in a packed file, in several of them.

use std::fmt;
use std::ops::Range;

use crate::{EpisodeRange, Error, Moments, RecordedEnv};

/// Steps of episodes, read by rows. A row is a step: its action, then its observation, in the data's own units.
///
/// All episodes lie one after the other, from row 0 on, so that a window of an episode is a range of rows.
pub trait Transitions: fmt::Debug + Send + Sync {
    /// Dimensions of an observation.
    fn observation_dim(&self) -> usize;
    /// Dimensions of an action.
    fn action_dim(&self) -> usize;
    /// In their order, at least one.
    fn episodes(&self) -> &[EpisodeRange];
    /// The environment, where it is known.
    fn recorded_env(&self) -> Option<&RecordedEnv>;

    /// Copies rows to `to` (rows, action + observation dimensions, action first).
    ///
    /// # Errors
    /// [`Error::Io`] where they are in a file that cannot be read; [`Error::NoRows`] for rows that there are not, or of another number
    /// than `to` has room for.
    fn read_rows(&self, rows: Range<usize>, to: &mut [f32]) -> Result<(), Error>;

    /// Copies rewards to `to` (rows).
    ///
    /// # Errors
    /// As [`read_rows`](Self::read_rows).
    fn read_rewards(&self, rows: Range<usize>, to: &mut [f64]) -> Result<(), Error>;

    /// Whether reading costs no more than copying, so that all rows may be copied at once.
    fn in_memory(&self) -> bool {
        true
    }

    /// What is known of all rows of all episodes without reading them.
    fn known(&self) -> Option<&Known> {
        None
    }

    /// Dimensions of action and observation.
    fn transition_dim(&self) -> usize {
        self.action_dim() + self.observation_dim()
    }

    /// Rows of all episodes.
    fn rows(&self) -> usize {
        self.episodes().last().map_or(0, |last| last.end)
    }
}

/// What was found when a dataset was packed.
#[derive(Debug, Clone, PartialEq)]
pub struct Known {
    /// Of actions, then observations.
    pub moments: Moments,
    /// Of rewards.
    pub rewards: Moments,
    /// Of the content: [`content_hash`](crate::content_hash).
    pub hash: u64,
}

/// Bytes of rows that are read at a time; few in tests, so that small files come in many blocks.
const BLOCK: usize = if cfg!(test) { 1 << 7 } else { 1 << 20 };

/// Rows of a block of so many columns.
pub(crate) fn block_rows(columns: usize) -> usize {
    (BLOCK / (4 * columns.max(1))).max(1)
}

/// Who is shown numbers, with the row of the first.
pub(crate) type Show<'a, T> = &'a mut dyn FnMut(usize, &[T]) -> Result<(), Error>;

/// Shows all rows of all episodes, a block at a time, with the number of the first.
pub(crate) fn each_block(data: &dyn Transitions, show: Show<'_, f32>) -> Result<(), Error> {
    let (rows, width) = (data.rows(), data.transition_dim());
    let mut block = vec![0.0; block_rows(width).min(rows) * width];
    for start in (0..rows).step_by(block_rows(width)) {
        let end = rows.min(start + block_rows(width));
        let block = &mut block[..(end - start) * width];
        data.read_rows(start..end, block)?;
        show(start, block)?;
    }
    Ok(())
}

/// As [`each_block`] of rewards.
pub(crate) fn each_rewards(data: &dyn Transitions, show: Show<'_, f64>) -> Result<(), Error> {
    let rows = data.rows();
    let most = block_rows(2);
    let mut block = vec![0.0; most.min(rows)];
    for start in (0..rows).step_by(most) {
        let end = rows.min(start + most);
        let block = &mut block[..end - start];
        data.read_rewards(start..end, block)?;
        show(start, block)?;
    }
    Ok(())
}

/// The sum of rewards of every episode.
pub(crate) fn returns(data: &dyn Transitions) -> Result<Vec<f64>, Error> {
    let episodes = data.episodes();
    let mut returns = Vec::with_capacity(episodes.len());
    each_rewards(data, &mut |start, rewards| {
        for (row, &reward) in (start..).zip(rewards) {
            let begins = episodes.get(returns.len()).is_some_and(|next| next.start == row);
            match returns.last_mut() {
                Some(sum) if !begins => *sum += reward,
                // Not from 0 on: that of negative zeros is one.
                _ => returns.push(reward),
            }
        }
        Ok(())
    })?;
    Ok(returns)
}

/// What tells the content of one dataset from that of another: FNV-1a over the number of columns and the bits of observations, of
/// actions, the bits of rewards, and every episode's end and whether it is terminal, all little-endian.
///
/// # Errors
/// If it cannot be read.
#[cfg(feature = "hdf5")]
pub fn content_hash(data: &dyn Transitions) -> Result<u64, Error> {
    if let Some(known) = data.known() {
        return Ok(known.hash);
    }
    let mut hash = ContentHash::default();
    let (actions, width) = (data.action_dim(), data.transition_dim());
    for columns in [actions..width, 0..actions] {
        hash.columns(columns.len());
        each_block(data, &mut |_, block| {
            hash.values(block, width, columns.clone());
            Ok(())
        })?;
    }
    each_rewards(data, &mut |_, rewards| {
        hash.rewards(rewards);
        Ok(())
    })?;
    Ok(hash.finish(data.episodes()))
}

/// [`content_hash`] in its parts.
#[cfg(feature = "hdf5")]
#[derive(Default)]
pub(crate) struct ContentHash(fnv::FnvHasher);

#[cfg(feature = "hdf5")]
impl ContentHash {
    pub(crate) fn columns(&mut self, columns: usize) {
        use std::hash::Hasher;
        self.0.write(&(columns as u64).to_le_bytes());
    }

    /// Some columns of rows.
    pub(crate) fn values(&mut self, rows: &[f32], width: usize, columns: Range<usize>) {
        use std::hash::Hasher;
        for row in rows.chunks_exact(width) {
            row[columns.clone()]
                .iter()
                .for_each(|x| self.0.write(&x.to_bits().to_le_bytes()));
        }
    }

    /// As they stand in a file.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        use std::hash::Hasher;
        self.0.write(bytes);
    }

    pub(crate) fn rewards(&mut self, rewards: &[f64]) {
        use std::hash::Hasher;
        rewards.iter().for_each(|x| self.0.write(&x.to_bits().to_le_bytes()));
    }

    pub(crate) fn finish(mut self, episodes: &[EpisodeRange]) -> u64 {
        use std::hash::Hasher;
        for episode in episodes {
            self.0.write(&(episode.end as u64).to_le_bytes());
            self.0.write(&[episode.terminated.into()]);
        }
        self.0.finish()
    }
}

/// The place of rows in an array of so many, where they are there and `to` has room for just them.
pub(crate) fn check_range(rows: &Range<usize>, count: usize, width: usize, room: usize) -> Result<(), Error> {
    let fits = rows.start <= rows.end && rows.end <= count && (rows.end - rows.start).checked_mul(width) == Some(room);
    match fits {
        true => Ok(()),
        false => Err(Error::NoRows {
            start: rows.start,
            end: rows.end,
            rows: count,
        }),
    }
}
