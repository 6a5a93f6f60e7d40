//! [`Buffers`]: steps as they are read, of one file or of several.

use super::after::After;
use super::array::{Planned, reserved, rows};
use super::assemble::Plan;
use super::origin::Origin;
use super::rounding::Rounding;
use super::tree::Scope;
use super::{FileNote, LayoutNote, ReadError, RewardRule};
use ndarray::{Array2, ArrayView1, ArrayView2};
use std::ops::Range;

/// Some rows of a dataset that is read in blocks.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Block<'a> {
    /// The number of its first row in the dataset.
    pub first_row: usize,
    /// (rows, observation dimensions).
    pub observations: ArrayView2<'a, f32>,
    /// (rows, action dimensions).
    pub actions: ArrayView2<'a, f32>,
    /// (rows).
    pub rewards: ArrayView1<'a, f64>,
}

/// Steps as they are read, of one file or of several.
pub(super) struct Buffers {
    dimensions: (u64, u64),
    pub(super) observations: Vec<f32>,
    pub(super) actions: Vec<f32>,
    pub(super) rewards: Vec<f64>,
    /// Rows that were read, whether they are still here or not.
    pub(super) rows: usize,
    /// The rows in which the flag is set, where there is such a flag.
    pub(super) terminals: Option<Vec<usize>>,
    pub(super) timeouts: Option<Vec<usize>>,
    pub(super) groups: Vec<(u64, usize)>,
    pub(super) flags_within: usize,
    pub(super) origins: Vec<Origin>,
    pub(super) notes: Vec<LayoutNote>,
    pub(super) file_notes: Vec<FileNote>,
    /// Of observations and of actions, by array.
    pub(super) rounding: [Vec<(String, Rounding)>; 2],
    pub(super) empty: usize,
    pub(super) short: usize,
    pub(super) after: After,
    /// Rows after the last end of a file of several.
    pub(super) unfinished: usize,
}

impl Buffers {
    /// Room for what is planned.
    pub(super) fn of<'a>(plans: impl Iterator<Item = &'a Plan> + Clone) -> Result<Self, ReadError> {
        let dimensions = plans.clone().next().map_or((0, 0), Plan::dimensions);
        let steps = plans.clone().map(Plan::steps).fold(0, u64::saturating_add);
        let observed = plans.map(Plan::observed).fold(0, u64::saturating_add);
        Ok(Self::with_room(
            dimensions,
            reserved(observed.saturating_mul(dimensions.0), "observations")?,
            reserved(steps.saturating_mul(dimensions.1), "actions")?,
            reserved(steps, "rewards")?,
        ))
    }

    fn with_room(dimensions: (u64, u64), observations: Vec<f32>, actions: Vec<f32>, rewards: Vec<f64>) -> Self {
        Self {
            dimensions,
            observations,
            actions,
            rewards,
            rows: 0,
            terminals: None,
            timeouts: None,
            groups: Vec::new(),
            flags_within: 0,
            origins: Vec::new(),
            notes: Vec::new(),
            file_notes: Vec::new(),
            rounding: Default::default(),
            empty: 0,
            short: 0,
            after: After::default(),
            unfinished: 0,
        }
    }

    /// Rewards of some rows; zero where there are none.
    pub(super) fn append_rewards(
        &mut self,
        rewards: Option<&Planned>,
        rows: Range<u64>,
        scope: &mut Scope<'_>,
    ) -> Result<(), ReadError> {
        match rewards {
            Some(rewards) => rewards.append_f64(scope, rows, &mut self.rewards),
            None => {
                let count = (rows.end - rows.start) as usize;
                self.rewards.resize(self.rewards.len() + count, 0.0);
                Ok(())
            }
        }
    }

    /// Rewards by a rule, in place of those that were read.
    pub(super) fn replace_rewards(&mut self, rule: &RewardRule) -> Result<(), ReadError> {
        let columns = self.dimensions.0 as usize;
        let shape = (self.rewards.len(), columns);
        let observations =
            ArrayView2::from_shape(shape, &self.observations).map_err(|error| ReadError::Unreadable {
                place: "observations".into(),
                reason: error.to_string(),
            })?;
        self.rewards = rule.rewards(observations)?.into_iter().collect();
        Ok(())
    }

    /// Dimensions of observations and actions.
    pub(super) fn width(&self) -> usize {
        (self.dimensions.0 + self.dimensions.1) as usize
    }

    /// Room for a few rows of such dimensions, whose reader empties them.
    pub(super) fn emptied(dimensions: (u64, u64)) -> Self {
        Self::with_room(dimensions, Vec::new(), Vec::new(), Vec::new())
    }

    /// The rows that are here, which then are not.
    pub(super) fn drain(&mut self, show: &mut dyn FnMut(&Block<'_>) -> Result<(), ReadError>) -> Result<(), ReadError> {
        let rows = self.rewards.len();
        let (observations, actions) = (self.dimensions.0 as usize, self.dimensions.1 as usize);
        let view = |key: &str, columns, values| {
            ArrayView2::from_shape((rows, columns), values).map_err(|error| ReadError::Unreadable {
                place: key.into(),
                reason: error.to_string(),
            })
        };
        if rows > 0 {
            show(&Block {
                first_row: self.rows - rows,
                observations: view("observations", observations, &self.observations)?,
                actions: view("actions", actions, &self.actions)?,
                rewards: ArrayView1::from(&self.rewards),
            })?;
        }
        self.observations.clear();
        self.actions.clear();
        self.rewards.clear();
        Ok(())
    }

    pub(super) fn notes(&self) -> Vec<LayoutNote> {
        let unfinished = (self.unfinished > 0).then_some(LayoutNote::UnfinishedRows { count: self.unfinished });
        self.notes.iter().cloned().chain(unfinished).collect()
    }

    /// What is odd about the files, and the columns that float32 does not hold well.
    pub(super) fn file_notes(&mut self) -> Vec<FileNote> {
        let rounded = self
            .rounding
            .iter()
            .flatten()
            .flat_map(|(key, rounding)| rounding.notes(key));
        let rounded: Vec<FileNote> = rounded.collect();
        let mut notes = std::mem::take(&mut self.file_notes);
        notes.extend(rounded);
        notes
    }

    /// Observations and actions, as rows.
    pub(super) fn vectors(&mut self) -> Result<[Array2<f32>; 2], ReadError> {
        let take = std::mem::take::<Vec<f32>>;
        Ok([
            rows("observations", self.dimensions.0, take(&mut self.observations))?,
            rows("actions", self.dimensions.1, take(&mut self.actions))?,
        ])
    }
}
