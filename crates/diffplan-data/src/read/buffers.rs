//! [`Buffers`]: steps as they are read, of one file or of several.

use super::after::After;
use super::array::{Planned, reserved, rows};
use super::assemble::Plan;
use super::origin::Origin;
use super::rounding::Rounding;
use super::tree::Scope;
use super::{FileNote, LayoutNote, ReadError};
use ndarray::Array2;

pub(super) fn extend(flags: &mut Option<Vec<bool>>, before: usize, steps: usize, more: Option<Vec<bool>>) {
    match (flags.as_mut(), more) {
        (None, None) => {}
        (Some(flags), None) => flags.resize(before + steps, false),
        (None, Some(more)) if before == 0 => *flags = Some(more),
        (None, Some(more)) => {
            let mut all = vec![false; before];
            all.extend(more);
            *flags = Some(all);
        }
        (Some(flags), Some(more)) => flags.extend(more),
    }
}

/// Steps as they are read, of one file or of several.
pub(super) struct Buffers {
    dimensions: (u64, u64),
    pub(super) observations: Vec<f32>,
    pub(super) actions: Vec<f32>,
    pub(super) rewards: Vec<f64>,
    pub(super) terminals: Option<Vec<bool>>,
    pub(super) timeouts: Option<Vec<bool>>,
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
    unfinished: usize,
}

impl Buffers {
    /// Room for what is planned.
    pub(super) fn of<'a>(plans: impl Iterator<Item = &'a Plan> + Clone) -> Result<Self, ReadError> {
        let dimensions = plans.clone().next().map_or((0, 0), Plan::dimensions);
        let steps = plans.clone().map(Plan::steps).fold(0, u64::saturating_add);
        let observed = plans.map(Plan::observed).fold(0, u64::saturating_add);
        Ok(Self {
            dimensions,
            observations: reserved(observed.saturating_mul(dimensions.0), "observations")?,
            actions: reserved(steps.saturating_mul(dimensions.1), "actions")?,
            rewards: reserved(steps, "rewards")?,
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
        })
    }

    /// Rewards of so many steps; zero where there are none.
    pub(super) fn append_rewards(
        &mut self,
        rewards: Option<&Planned>,
        steps: u64,
        scope: &mut Scope<'_>,
    ) -> Result<(), ReadError> {
        match rewards {
            Some(rewards) => rewards.append_f64(scope, &mut self.rewards),
            None => {
                self.rewards.resize(self.rewards.len() + steps as usize, 0.0);
                Ok(())
            }
        }
    }

    /// Ends the episode that a file of several ends in: a file without any end is one episode; rows after the last end are of
    /// no finished episode, and must not run into those of the next file.
    pub(super) fn close(&mut self, first_row: usize) {
        let rows = self.rewards.len();
        let set = |flags: &Option<Vec<bool>>| {
            let last = flags
                .as_ref()
                .and_then(|flags| flags[first_row..].iter().rposition(|flag| *flag));
            last.map(|at| first_row + at + 1)
        };
        match set(&self.terminals).max(set(&self.timeouts)) {
            Some(end) => {
                self.unfinished += rows - end;
                self.observations.truncate(end * self.dimensions.0 as usize);
                self.after.next.truncate(end * self.dimensions.0 as usize);
                self.actions.truncate(end * self.dimensions.1 as usize);
                self.rewards.truncate(end);
                for flags in [&mut self.terminals, &mut self.timeouts].into_iter().flatten() {
                    flags.truncate(end);
                }
            }
            None if rows > first_row => {
                let timeouts = self.timeouts.get_or_insert_with(|| vec![false; rows]);
                timeouts[rows - 1] = true;
            }
            None => {}
        }
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
