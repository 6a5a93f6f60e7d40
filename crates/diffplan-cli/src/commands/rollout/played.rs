//! [`Played`]: the episodes, and the plans of the first.

use crate::error::Result;
use diffplan_eval::{Episode, Made, liveliest, moments};
use diffplan_pipelines::Plan;
use ndarray::{Array2, Array3, Axis};

/// What was played: every episode, and the plans of the first.
#[derive(Debug, Default)]
pub(super) struct Played {
    pub(super) episodes: Vec<Episode>,
    /// Of every step what was planned from it on, where the policy plans: of a plan that was made some steps before what is left of it,
    /// filled up with its last step.
    pub(super) plans: Vec<Array2<f32>>,
    /// Of every step up to [`MOST_OTHERS`] of the candidates that were not chosen, spread over their ranks, the best first: where
    /// pictures are asked for.
    pub(super) others: Vec<Array3<f32>>,
    /// What each of the plans was made of.
    pub(super) made: Vec<Made>,
}

/// More candidates than this are not told apart in a picture.
const MOST_OTHERS: usize = 16;

impl Played {
    /// Keeps what a picture of a step shows of the plan that is followed there, which was made `age` steps before.
    pub(super) fn keep(&mut self, plan: &Plan, age: usize, with_others: bool) {
        let last = plan.trajectories.len_of(Axis(1)).saturating_sub(1);
        let rows: Vec<usize> = (0..=last).map(|row| (row + age).min(last)).collect();
        let left = plan.trajectories.select(Axis(1), &rows);
        self.plans.push(left.index_axis(Axis(0), plan.chosen).to_owned());
        if with_others {
            let others: Vec<usize> = (0..plan.order.len()).filter(|&i| i != plan.chosen).collect();
            let shown = others.len().min(MOST_OTHERS);
            let spread: Vec<usize> = (0..shown).map(|i| others[i * others.len() / shown]).collect();
            self.others.push(left.select(Axis(0), &spread));
        }
    }

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
