//! [`GoalDistance`]: how far a plan stays from a goal.

use super::Cost;
use crate::error::{Error, Result};
use crate::layout::SampleLayout;
use crate::limits::{check_channels, check_numbers};
use ndarray::{ArrayView2, ArrayViewMut2};
use serde::{Deserialize, Serialize};

/// When a goal is to be reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GoalTime {
    /// At the last step.
    #[default]
    End,
    /// At this step.
    At(usize),
    /// At any: where the plan is nearest to it. The gradient is of that step alone.
    Nearest,
}

/// The squared Euclidean distance of some channels to a goal.
#[derive(Clone, Debug)]
pub struct GoalDistance {
    name: String,
    channels: Vec<usize>,
    goal: Vec<f64>,
    time: GoalTime,
}

impl GoalDistance {
    /// To `goal`, a number for each of `channels`, at the end.
    ///
    /// # Errors
    /// [`Error::Parts`] if they are not as many, or one is not finite.
    pub fn new(name: impl Into<String>, channels: Vec<usize>, goal: &[f64]) -> Result<Self> {
        let name = name.into();
        check_numbers(&name, "goal", goal, channels.len(), false)?;
        Ok(Self {
            name,
            channels,
            goal: goal.to_vec(),
            time: GoalTime::End,
        })
    }

    /// At this time.
    #[must_use]
    pub fn at(mut self, time: GoalTime) -> Self {
        self.time = time;
        self
    }

    fn squared(&self, plan: ArrayView2<f64>, step: usize) -> f64 {
        let parts = self.channels.iter().zip(&self.goal);
        parts
            .map(|(&channel, goal)| (plan[[step, channel]] - goal).powi(2))
            .sum()
    }
}

impl Cost for GoalDistance {
    fn name(&self) -> &str {
        &self.name
    }

    fn check(&self, horizon: usize, layout: &SampleLayout) -> Result<()> {
        check_channels(&self.name, &self.channels, layout)?;
        match self.time {
            GoalTime::At(step) if step >= horizon => Err(Error::Parts(format!(
                "{}: a goal at step {step}, expected below the horizon, {horizon}",
                self.name
            ))),
            _ => Ok(()),
        }
    }

    fn cost(&self, plan: ArrayView2<f64>, gradient: Option<ArrayViewMut2<f64>>) -> f64 {
        let last = plan.nrows().saturating_sub(1);
        let step = match self.time {
            GoalTime::End => last,
            GoalTime::At(step) => step.min(last),
            GoalTime::Nearest => {
                let squared = |&a: &usize, &b: &usize| self.squared(plan, a).total_cmp(&self.squared(plan, b));
                (0..=last).min_by(squared).unwrap_or(last)
            }
        };
        if let Some(mut gradient) = gradient {
            for (&channel, goal) in self.channels.iter().zip(&self.goal) {
                gradient[[step, channel]] += 2.0 * (plan[[step, channel]] - goal);
            }
        }
        self.squared(plan, step)
    }
}
