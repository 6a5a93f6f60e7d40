//! [`Played`]: the episodes, and the plans of the first.

use crate::error::Result;
use diffplan_eval::{Episode, liveliest, moments};
use diffplan_pipelines::RngNoise;
use ndarray::Array2;

/// What was played: every episode, and the plans of the first.
#[derive(Debug, Default)]
pub(super) struct Played {
    pub(super) episodes: Vec<Episode>,
    /// Of every step the trajectory whose first action was played, where the policy plans.
    pub(super) plans: Vec<Array2<f32>>,
    /// The noise that each of the plans was made from.
    pub(super) noise: Vec<RngNoise>,
}

impl Played {
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
