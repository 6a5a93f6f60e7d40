//! [`Timely`]: a plan within a deadline, and what it took.

use super::ladder::Rung;
use crate::plan::Plan;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// By how much of the budget an end may be late before it counts as missed.
pub(super) const TOLERANCE: f64 = 0.1;

/// How a plan came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// All visits were made.
    Whole,
    /// The next visit would not have been in time: the plans are those of the sample without noise that the last one predicted.
    Early,
    /// Cancelled: the plans are as for an early end; none before the first visit.
    Cancelled,
}

/// Plans, one a query, and what they took.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Timely {
    /// A plan a query; none if they were cancelled before the first visit.
    pub plans: Vec<Plan>,
    /// What they were made with, and what that gives up of what was wanted.
    pub rung: Arc<Rung>,
    /// Its place in the ladder; 0 is what was wanted.
    pub place: usize,
    /// How they ended.
    pub ended: Ended,
    /// Visits made, of the rung's.
    pub visits: usize,
    /// What was to be kept.
    pub budget: Duration,
    /// From the call to its end.
    pub took: Duration,
}

impl Timely {
    /// The first plan: that of the query, where there was one.
    pub fn plan(&self) -> Option<&Plan> {
        self.plans.first()
    }

    /// Whether it ended after the deadline.
    pub fn late(&self) -> bool {
        self.took > self.budget
    }

    /// Whether it ended later than the deadline by more than a tenth of the budget.
    pub fn missed(&self) -> bool {
        self.took.as_secs_f64() > (1.0 + TOLERANCE) * self.budget.as_secs_f64()
    }

    /// What was chosen, what was dropped for it, how it ended: a sentence.
    pub fn text(&self) -> String {
        let dropped = match self.rung.dropped.as_str() {
            "" => "as wanted".to_owned(),
            dropped => format!("without {dropped}"),
        };
        let ended = match self.ended {
            Ended::Whole => String::new(),
            Ended::Early => format!("; ended early, after visit {} of {}", self.visits, self.rung.visits),
            Ended::Cancelled => format!("; cancelled after {} of {} visits", self.visits, self.rung.visits),
        };
        let late = if self.late() { ", late" } else { "" };
        format!(
            "{}, {dropped}{ended}; {} of {}{late}",
            self.rung.text(),
            milliseconds(self.took),
            milliseconds(self.budget)
        )
    }
}

pub(super) fn milliseconds(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1e3)
}
