//! [`CostModel`]: seconds of a plan's parts, measured rung by rung.

use super::Rung;
use super::pace::Window;
use serde::{Deserialize, Serialize};

/// What a rung costs, in seconds: of a visit the median of what was measured at the start, of the rest, of which there are few, the lower
/// quartile. What other processes add is not in it, but in the pace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RungCost {
    /// From the call to the first visit: handing over to the pool, conditions, the first noise.
    pub begin: f64,
    /// A visit: guide, network and scheduler.
    pub visit: f64,
    /// From the last visit to the plan in the caller's hand: values where they are asked for, sorting, units.
    pub finish: f64,
    /// The same for the plan as the network sees it before the last visit.
    pub estimate: f64,
}

impl RungCost {
    /// Seconds of a plan of so many visits.
    pub fn whole(&self, visits: usize) -> f64 {
        self.begin + visits as f64 * self.visit + self.finish
    }

    pub(super) fn times(self, factor: f64) -> Self {
        Self {
            begin: factor * self.begin,
            visit: factor * self.visit,
            finish: factor * self.finish,
            estimate: factor * self.estimate,
        }
    }
}

/// A visit by what it is made of.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct VisitCost {
    /// Candidates of a query.
    pub candidates: usize,
    /// Seconds of network and scheduler.
    pub network: f64,
    /// Seconds of the guide on top of that; `None` where no rung with so many candidates is guided.
    pub guide: Option<f64>,
}

/// What every rung costs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CostModel {
    /// For every rung, in the ladder's order.
    pub rungs: Vec<RungCost>,
    /// Queries at a time that it was measured with; more are taken to cost in proportion.
    pub queries: usize,
}

impl CostModel {
    /// Seconds of a visit by the number of candidates, most first, of rungs without gradient and what the guide adds.
    pub fn visits<'a>(&self, rungs: impl IntoIterator<Item = &'a Rung>) -> Vec<VisitCost> {
        let all: Vec<(&Rung, f64)> = rungs
            .into_iter()
            .zip(&self.rungs)
            .map(|(rung, cost)| (rung, cost.visit))
            .collect();
        let mut visits: Vec<VisitCost> = Vec::new();
        for (rung, network) in all.iter().filter(|(rung, _)| rung.options.n_guide_steps == 0) {
            let candidates = rung.options.batch_size;
            if visits.iter().any(|visit| visit.candidates == candidates) {
                continue;
            }
            let same = |rung: &Rung| rung.options.batch_size == candidates && rung.options.n_guide_steps > 0;
            let guided = all.iter().find(|(rung, _)| same(rung));
            visits.push(VisitCost {
                candidates,
                network: *network,
                guide: guided.map(|(_, guided)| (guided - network).max(0.0)),
            });
        }
        visits
    }
}

/// Seconds of the parts of a few plans.
#[derive(Debug, Default)]
pub(super) struct Samples {
    pub(super) begin: Window<16>,
    pub(super) visit: Window<128>,
    pub(super) finish: Window<16>,
    pub(super) estimate: Window<16>,
}

impl Samples {
    pub(super) fn cost(&self) -> RungCost {
        // Nothing takes no time at all: ratios are taken of these.
        let of = |seconds: Option<f64>| seconds.unwrap_or(0.0).max(1e-9);
        RungCost {
            begin: of(self.begin.quantile(0.25)),
            visit: of(self.visit.quantile(0.5)),
            finish: of(self.finish.quantile(0.25)),
            estimate: of(self.estimate.quantile(0.25)),
        }
    }
}
