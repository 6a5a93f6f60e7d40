//! [`Dataset`]: the steps of all episodes one after the other, as D4RL keeps them, and where each episode begins and ends.
//!
//! An episode ends in the row in which `terminals` or `timeouts` is set, and that row belongs to it. Files without
//! `timeouts` (the first version of D4RL), or with none set, are cut after `max_episode_steps` rows as well. Rows after the last end belong to no
//! finished episode: their return is not known, so they are left out, as in the original's `sequence_dataset`
//! (jannerm/diffuser, `diffuser/datasets/d4rl.py`).

use std::ops::Range;

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, s};

use crate::transitions::check_range;
use crate::{Error, Key, RecordedEnv, Transitions};

/// One episode of a [`Dataset`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EpisodeRange {
    /// Its first row.
    pub start: usize,
    /// The row after its last.
    pub end: usize,
    /// Whether it ended in a terminal state, rather than being cut off by a time limit.
    pub terminated: bool,
}

impl EpisodeRange {
    /// The number of steps, at least one.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "an episode has at least one step")]
    pub fn len(&self) -> usize {
        self.end - self.start
    }
}

/// Where episodes end, as files tell it.
#[derive(Debug, Clone, Copy, Default)]
pub struct EpisodeEnds<'a> {
    /// One a row.
    pub terminals: Option<&'a [bool]>,
    /// One a row.
    pub timeouts: Option<&'a [bool]>,
    /// After how many rows an episode ends where there are no `timeouts`, or none is set.
    pub max_episode_steps: Option<usize>,
}

/// Offline data.
#[derive(Debug, Clone)]
pub struct Dataset {
    observations: Array2<f32>,
    actions: Array2<f32>,
    rewards: Array1<f64>,
    episodes: Vec<EpisodeRange>,
    left_out: usize,
    env: Option<RecordedEnv>,
}

impl Dataset {
    /// Cuts rows into episodes.
    ///
    /// # Shapes
    /// `observations` (rows, observation dimensions), `actions` (rows, action dimensions), `rewards` (rows).
    ///
    /// # Errors
    /// [`Error::EmptyDataset`], [`Error::DatasetRows`] where arrays differ in their rows, [`Error::NonFiniteData`], and
    /// [`Error::NoEpisodeEnd`].
    pub fn new(
        observations: Array2<f32>,
        actions: Array2<f32>,
        rewards: Array1<f64>,
        ends: EpisodeEnds<'_>,
    ) -> Result<Self, Error> {
        let rows = observations.nrows();
        for (key, actual) in [("actions", actions.nrows()), ("rewards", rewards.len())]
            .into_iter()
            .chain(ends.terminals.map(|flags| ("terminals", flags.len())))
            .chain(ends.timeouts.map(|flags| ("timeouts", flags.len())))
        {
            if actual != rows {
                return Err(Error::DatasetRows {
                    key,
                    expected: rows,
                    actual,
                });
            }
        }
        check_finite(Key::Observations, observations.view())?;
        check_finite(Key::Actions, actions.view())?;
        if let Some(row) = rewards.iter().position(|x| !x.is_finite()) {
            return Err(Error::NonFiniteData {
                key: "rewards",
                row,
                column: 0,
                value: rewards[row],
            });
        }
        let episodes = split(rows, ends)?;
        let left_out = rows - episodes.last().map_or(0, |last| last.end);
        Ok(Self {
            observations,
            actions,
            rewards,
            episodes,
            left_out,
            env: None,
        })
    }

    /// With the environment that the data is of.
    #[must_use]
    pub fn with_env(self, env: Option<String>) -> Self {
        self.with_recorded_env(env.map(RecordedEnv::new))
    }

    /// With the environment that the data is of, and what it was made with.
    #[must_use]
    pub fn with_recorded_env(mut self, env: Option<RecordedEnv>) -> Self {
        self.env = env;
        self
    }

    /// (rows, observation dimensions).
    #[must_use]
    pub fn observations(&self) -> ArrayView2<'_, f32> {
        self.observations.view()
    }

    /// (rows, action dimensions).
    #[must_use]
    pub fn actions(&self) -> ArrayView2<'_, f32> {
        self.actions.view()
    }

    /// (rows).
    #[must_use]
    pub fn rewards(&self) -> ArrayView1<'_, f64> {
        self.rewards.view()
    }

    /// In the order of the file, at least one.
    #[must_use]
    pub fn episodes(&self) -> &[EpisodeRange] {
        &self.episodes
    }

    /// Rows after the last episode's end, which belong to none.
    #[must_use]
    pub fn left_out(&self) -> usize {
        self.left_out
    }

    /// The environment, where it is known.
    #[must_use]
    pub fn env(&self) -> Option<&str> {
        self.env.as_ref().map(|env| env.id.as_str())
    }

    /// The environment, and what it was made with, where that is known.
    #[must_use]
    pub fn recorded_env(&self) -> Option<&RecordedEnv> {
        self.env.as_ref()
    }

    /// The sum of rewards of every episode.
    #[must_use]
    pub fn returns(&self) -> Vec<f64> {
        let sum = |e: &EpisodeRange| self.rewards.iter().skip(e.start).take(e.len()).sum();
        self.episodes.iter().map(sum).collect()
    }
}

impl Transitions for Dataset {
    fn observation_dim(&self) -> usize {
        self.observations.ncols()
    }

    fn action_dim(&self) -> usize {
        self.actions.ncols()
    }

    fn episodes(&self) -> &[EpisodeRange] {
        &self.episodes
    }

    fn recorded_env(&self) -> Option<&RecordedEnv> {
        self.env.as_ref()
    }

    fn read_rows(&self, rows: Range<usize>, to: &mut [f32]) -> Result<(), Error> {
        let (actions, width) = (self.actions.ncols(), self.transition_dim());
        check_range(&rows, self.rewards.len(), width, to.len())?;
        for (key, at) in [(&self.actions, 0), (&self.observations, actions)] {
            let columns = key.ncols();
            let to = to.chunks_exact_mut(width).map(|row| &mut row[at..at + columns]);
            match key.as_slice() {
                Some(values) => {
                    let values = &values[rows.start * columns..rows.end * columns];
                    to.zip(values.chunks_exact(columns))
                        .for_each(|(to, row)| to.copy_from_slice(row));
                }
                None => to.zip(rows.clone()).for_each(|(to, row)| {
                    to.iter_mut().zip(key.row(row)).for_each(|(to, x)| *to = *x);
                }),
            }
        }
        Ok(())
    }

    fn read_rewards(&self, rows: Range<usize>, to: &mut [f64]) -> Result<(), Error> {
        check_range(&rows, self.rewards.len(), 1, to.len())?;
        to.iter_mut()
            .zip(self.rewards.slice(s![rows]))
            .for_each(|(to, reward)| *to = *reward);
        Ok(())
    }
}

pub(crate) fn check_finite(key: Key, data: ArrayView2<'_, f32>) -> Result<(), Error> {
    if data.is_empty() {
        return Err(Error::EmptyDataset {
            key,
            rows: data.nrows(),
            columns: data.ncols(),
        });
    }
    match data.indexed_iter().find(|(_, value)| !value.is_finite()) {
        None => Ok(()),
        Some(((row, column), &value)) => Err(Error::NonFiniteData {
            key: key.name(),
            row,
            column,
            value: f64::from(value),
        }),
    }
}

/// The rows in which flags are set, where there are such flags.
#[cfg(feature = "hdf5")]
#[derive(Debug, Default)]
pub(crate) struct Sets {
    pub(crate) rows: usize,
    pub(crate) terminals: Option<Vec<usize>>,
    pub(crate) timeouts: Option<Vec<usize>>,
}

#[cfg(feature = "hdf5")]
impl Sets {
    /// Adds those of the rows that follow.
    pub(crate) fn append(&mut self, rows: usize, terminals: Option<Vec<usize>>, timeouts: Option<Vec<usize>>) {
        let before = self.rows;
        for (all, more) in [(&mut self.terminals, terminals), (&mut self.timeouts, timeouts)] {
            if let Some(more) = more {
                all.get_or_insert_default()
                    .extend(more.into_iter().map(|row| before + row));
            }
        }
        self.rows += rows;
    }

    /// Rows in which both are set.
    pub(crate) fn both(&self) -> usize {
        let (Some(terminals), Some(timeouts)) = (&self.terminals, &self.timeouts) else {
            return 0;
        };
        let both = terminals.iter().filter(|row| timeouts.binary_search(row).is_ok());
        both.count()
    }
}

/// # Errors
/// [`Error::NoEpisodeEnd`], and [`ReadError::ZeroEpisodeSteps`](crate::ReadError::ZeroEpisodeSteps).
#[cfg(feature = "hdf5")]
pub(crate) fn split_sets(sets: &Sets, max_episode_steps: Option<usize>) -> Result<Vec<EpisodeRange>, Error> {
    if max_episode_steps == Some(0) {
        return Err(crate::ReadError::ZeroEpisodeSteps.into());
    }
    cut(
        sets.rows,
        sets.terminals.as_deref(),
        sets.timeouts.as_deref(),
        max_episode_steps,
    )
}

pub(crate) fn split(rows: usize, ends: EpisodeEnds<'_>) -> Result<Vec<EpisodeRange>, Error> {
    let set = |flags: Option<&[bool]>| -> Option<Vec<usize>> {
        let rows = flags?.iter().enumerate().filter(|(_, set)| **set);
        Some(rows.map(|(row, _)| row).collect())
    };
    let (terminals, timeouts) = (set(ends.terminals), set(ends.timeouts));
    cut(rows, terminals.as_deref(), timeouts.as_deref(), ends.max_episode_steps)
}

/// Episodes from the rows in which flags are set.
fn cut(
    rows: usize,
    terminals: Option<&[usize]>,
    timeouts: Option<&[usize]>,
    max_episode_steps: Option<usize>,
) -> Result<Vec<EpisodeRange>, Error> {
    // Timeouts that are never set say as little as none.
    let limit = max_episode_steps.filter(|_| timeouts.is_none_or(<[usize]>::is_empty));
    let (mut episodes, mut start) = (Vec::new(), 0);
    let mut push = |end: usize, terminated: bool| {
        // Rows before the one in which a flag is set, or after the last.
        while limit.is_some_and(|limit| end - start > limit) {
            let end = start + limit.unwrap_or(1).max(1);
            episodes.push(EpisodeRange {
                start,
                end,
                terminated: false,
            });
            start = end;
        }
        episodes.push(EpisodeRange { start, end, terminated });
        start = end;
        start
    };
    let (mut terminals_left, mut timeouts_left) = (terminals.unwrap_or_default(), timeouts.unwrap_or_default());
    let mut last = 0;
    loop {
        let (row, terminated) = match (terminals_left.first(), timeouts_left.first()) {
            (None, None) => break,
            (Some(&terminal), other) if other.is_none_or(|timeout| terminal <= *timeout) => (terminal, true),
            (_, Some(&timeout)) => (timeout, false),
            (Some(&terminal), None) => (terminal, true),
        };
        for left in [&mut terminals_left, &mut timeouts_left] {
            *left = left.strip_prefix(&[row]).unwrap_or(left);
        }
        last = push(row + 1, terminated);
    }
    if let Some(limit) = limit {
        let whole = (rows - last) / limit.max(1) * limit;
        if whole > 0 {
            push(last + whole, false);
        }
    }
    if episodes.is_empty() {
        return Err(Error::NoEpisodeEnd {
            rows,
            looked_at: match (terminals, timeouts, limit) {
                (_, Some(_), Some(_)) => "no flag is set, and there are fewer rows than max_episode_steps",
                (None, None, None) => "there are neither terminals nor timeouts",
                (_, None, None) => "terminals is never set, and there are no timeouts",
                (None, ..) => "timeouts is never set, and there are no terminals",
                (_, None, Some(_)) => "terminals is never set, and there are fewer rows than max_episode_steps",
                _ => "terminals and timeouts are never set",
            },
        });
    }
    Ok(episodes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    fn dataset(rows: usize, ends: EpisodeEnds<'_>) -> Result<Dataset, Error> {
        let rewards = Array1::from_iter((0..rows).map(|i| i as f64));
        Dataset::new(Array2::zeros((rows, 2)), Array2::zeros((rows, 1)), rewards, ends)
    }

    fn flags(rows: usize, set: &[usize]) -> Vec<bool> {
        (0..rows).map(|i| set.contains(&i)).collect()
    }

    #[test]
    fn either_flag_ends_an_episode_in_its_own_row() {
        let (terminals, timeouts) = (flags(8, &[1, 5]), flags(8, &[2, 5]));
        let ends = EpisodeEnds {
            terminals: Some(&terminals),
            timeouts: Some(&timeouts),
            // Not looked at where there are timeouts.
            max_episode_steps: Some(1),
        };
        let dataset = dataset(8, ends).unwrap();
        let ranges: Vec<_> = dataset
            .episodes()
            .iter()
            .map(|e| (e.start, e.end, e.terminated))
            .collect();
        assert_eq!(ranges, [(0, 2, true), (2, 3, false), (3, 6, true)]);
        assert_eq!(dataset.left_out(), 2);
        assert_eq!(dataset.returns(), [1.0, 2.0, 12.0]);
    }

    #[test]
    fn without_timeouts_the_time_limit_ends_episodes() {
        let terminals = flags(8, &[1]);
        let ends = EpisodeEnds {
            terminals: Some(&terminals),
            timeouts: None,
            max_episode_steps: Some(3),
        };
        let ranges: Vec<_> = dataset(8, ends)
            .unwrap()
            .episodes()
            .iter()
            .map(|e| (e.start, e.end, e.terminated))
            .collect();
        assert_eq!(ranges, [(0, 2, true), (2, 5, false), (5, 8, false)]);
        let never = flags(8, &[]);
        let silent = EpisodeEnds {
            timeouts: Some(&never),
            ..ends
        };
        assert_eq!(dataset(8, silent).unwrap().episodes().len(), 3);
    }

    #[test]
    fn data_without_an_end_and_broken_data_are_refused() {
        let none = flags(4, &[]);
        let both = EpisodeEnds {
            terminals: Some(&none),
            timeouts: Some(&none),
            max_episode_steps: None,
        };
        let message = |result: Result<Dataset, Error>| result.unwrap_err().to_string();
        assert!(
            message(dataset(4, both))
                .starts_with("no episode ends within 4 rows: terminals and timeouts are never set")
        );
        assert!(message(dataset(4, EpisodeEnds::default())).contains("neither terminals nor timeouts"));
        let short = EpisodeEnds {
            terminals: Some(&none[..3]),
            ..EpisodeEnds::default()
        };
        assert_eq!(
            message(dataset(4, short)),
            "terminals has 3 rows, but observations has 4"
        );
        let rewards = array![0.0, f64::NAN];
        let result = Dataset::new(
            Array2::zeros((2, 1)),
            Array2::zeros((2, 1)),
            rewards,
            EpisodeEnds::default(),
        );
        assert_eq!(
            message(result),
            "rewards: row 1, column 0 of the dataset is NaN, expected a finite number"
        );
    }
}
