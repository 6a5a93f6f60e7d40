//! [`Played`]: the episodes, and the plans of the first.

use crate::error::Result;
use diffplan_eval::{Episode, liveliest, moments};
use diffplan_pipelines::{Plan, RngNoise};
use ndarray::{Array2, Array3, Axis};

/// What was played: every episode, and the plans of the first.
#[derive(Debug, Default)]
pub(super) struct Played {
    pub(super) episodes: Vec<Episode>,
    /// Of every step the trajectory whose first action was played, where the policy plans.
    pub(super) plans: Vec<Array2<f32>>,
    /// Of every step up to [`MOST_OTHERS`] of the candidates that were not chosen, spread over their ranks, the best first: where
    /// pictures are asked for.
    pub(super) others: Vec<Array3<f32>>,
    /// The noise that each of the plans was made from.
    pub(super) noise: Vec<RngNoise>,
}

/// More candidates than this are not told apart in a picture.
const MOST_OTHERS: usize = 16;

impl Played {
    /// Keeps what a picture of a step shows of its plan.
    pub(super) fn keep(&mut self, plan: &Plan, with_others: bool) {
        self.plans
            .push(plan.trajectories.index_axis(Axis(0), plan.chosen).to_owned());
        if with_others {
            let others: Vec<usize> = (0..plan.order.len()).filter(|&i| i != plan.chosen).collect();
            let shown = others.len().min(MOST_OTHERS);
            let spread: Vec<usize> = (0..shown).map(|i| others[i * others.len() / shown]).collect();
            self.others.push(plan.trajectories.select(Axis(0), &spread));
        }
    }

    /// The steps of the first episode whose plans are shown and saved.
    pub(super) fn moments(&self) -> Vec<usize> {
        match self.plans.first() {
            Some(plan) => moments(self.plans.len(), plan.nrows()),
            None => Vec::new(),
        }
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
