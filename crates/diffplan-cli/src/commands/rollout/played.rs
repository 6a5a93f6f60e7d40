//! [`Played`]: the episodes, and the plans of the first.

use crate::error::Result;
use diffplan_eval::{Episode, Made, liveliest, moments};
use diffplan_pipelines::Plan;
use ndarray::{Array2, Axis};

/// What was played: every episode, and the plans of the first.
#[derive(Debug, Default)]
pub(super) struct Played {
    pub(super) episodes: Vec<Episode>,
    /// Of every step what was planned from it on, where the policy plans: of a plan that was made some steps before what is left of it,
    /// filled up with its last step.
    pub(super) plans: Vec<Array2<f32>>,
    /// What each of the plans was made of.
    pub(super) made: Vec<Made>,
}

/// What is left of the chosen candidate of a plan that was made `age` steps ago, as many steps as it had.
pub(super) fn left_of(plan: &Plan, age: usize) -> Array2<f32> {
    let chosen = plan.trajectories.index_axis(Axis(0), plan.chosen);
    let last = chosen.nrows().saturating_sub(1);
    let rows: Vec<usize> = (0..chosen.nrows()).map(|row| (row + age).min(last)).collect();
    chosen.select(Axis(0), &rows)
}

impl Played {
    /// The steps of the first episode whose plans are shown and saved.
    pub(super) fn moments(&self) -> Vec<usize> {
        match self.plans.first() {
            Some(plan) => moments(self.plans.len(), plan.nrows()),
            None => Vec::new(),
        }
    }

    /// What the plan that is followed at a step of the first episode was made of.
    pub(super) fn made_at(&self, step: usize) -> Option<&Made> {
        self.made.iter().rev().find(|made| made.step <= step)
    }

    /// The step of the first episode within whose horizon most happens: its plan is the one to watch.
    pub(super) fn liveliest(&self) -> Result<usize> {
        let horizon = self.plans.first().map_or(1, Array2::nrows);
        Ok(liveliest(self.first()?, horizon))
    }

    /// The first episode.
    pub(super) fn first(&self) -> Result<&Episode> {
        let none = || diffplan_eval::Error::Parts("no episode was played".into());
        Ok(self.episodes.first().ok_or_else(none)?)
    }
}
