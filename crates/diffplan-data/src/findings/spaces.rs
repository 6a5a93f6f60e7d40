//! What the environment would not show, or take.

use ndarray::ArrayView2;

use super::{Bounds, EnvFacts, Finding};
use crate::{Key, Moments, RecordedEnv};

/// Observations may lie this part of their range outside: noise of sensors, and rounding, are no other environment.
const SLACK: f64 = 0.01;

/// Counts rows outside the bounds of a space.
#[derive(Debug)]
pub(super) struct Outside {
    bounds: Bounds,
    slack: f64,
    rows: usize,
    most: f64,
}

/// For observations and actions, where their bounds are known and are of as many dimensions.
pub(super) fn counters(env: Option<&EnvFacts>, observations: usize, actions: usize) -> [Option<Outside>; 2] {
    let of = |bounds: Option<&Bounds>, dimensions: usize, slack: f64| {
        let bounds = bounds.filter(|bounds| bounds.low.len() == dimensions)?.clone();
        Some(Outside {
            bounds,
            slack,
            rows: 0,
            most: 0.0,
        })
    };
    [
        of(env.and_then(|env| env.observations.as_ref()), observations, SLACK),
        of(env.and_then(|env| env.actions.as_ref()), actions, 0.0),
    ]
}

impl Outside {
    /// Whether all of these numbers are within the bounds.
    pub(super) fn has(&self, moments: &Moments) -> bool {
        let each = self.bounds.low.iter().zip(&self.bounds.high).enumerate();
        each.into_iter()
            .all(|(column, (low, high))| moments.min(column) >= *low && moments.max(column) <= *high)
    }

    pub(super) fn add(&mut self, values: ArrayView2<'_, f32>) {
        for row in values.rows() {
            let each = || {
                row.iter()
                    .map(|x| f64::from(*x))
                    .zip(self.bounds.low.iter().zip(&self.bounds.high))
            };
            if each().all(|(x, (low, high))| x >= *low && x <= *high) {
                continue;
            }
            // What is not finite is a problem of its own.
            if !row.iter().all(|x| x.is_finite()) {
                continue;
            }
            let excess = each().map(|(x, (&low, &high))| {
                let excess = (low - x).max(x - high);
                // An infinite range has no hundredth.
                let allowed = if self.slack > 0.0 {
                    self.slack * (high - low)
                } else {
                    0.0
                };
                if excess > allowed { excess } else { 0.0 }
            });
            let excess = excess.fold(0.0, f64::max);
            self.rows += usize::from(excess > 0.0);
            self.most = self.most.max(excess);
        }
    }
}

/// `outside` is of observations and of actions, of so many dimensions.
pub(super) fn check(
    dimensions: [usize; 2],
    outside: &[Option<Outside>; 2],
    env: &EnvFacts,
    recorded: Option<&RecordedEnv>,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(reason) = &env.refused {
        findings.push(Finding::EnvArguments {
            env: recorded.map_or_else(|| env.id.clone(), ToString::to_string),
            reason: reason.clone(),
        });
    }
    let keys = [Key::Observations, Key::Actions];
    let bounds = [&env.observations, &env.actions];
    for (((key, bounds), actual), outside) in keys.into_iter().zip(bounds).zip(dimensions).zip(outside) {
        let expected = bounds.as_ref().map_or(actual, |bounds| bounds.low.len());
        if actual != expected {
            findings.push(Finding::OtherDimensions {
                key,
                actual,
                expected,
                env: env.id.clone(),
            });
        }
        findings.extend(
            outside
                .as_ref()
                .filter(|outside| outside.rows > 0)
                .map(|outside| Finding::Outside {
                    key,
                    rows: outside.rows,
                    most: outside.most,
                    env: env.id.clone(),
                }),
        );
    }
    findings
}
