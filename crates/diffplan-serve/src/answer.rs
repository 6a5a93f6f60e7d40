//! Plans as they are answered: every number whole, so that they are the bits of the library.

use crate::plan::Wanted;
use diffplan_pipelines::Plan;
use ndarray::{ArrayView2, Axis};
use serde::Serialize;

/// A plan.
#[derive(Serialize)]
pub(crate) struct Answer {
    /// What to do now.
    action: Vec<f32>,
    /// Of the candidate that the action is from; null where nothing valued it.
    value: Option<f32>,
    /// Its place among the candidates.
    chosen: usize,
    /// Of all candidates, best first; null where nothing valued them.
    #[serde(skip_serializing_if = "Option::is_none")]
    values: Option<Option<Vec<f32>>>,
    /// The candidate that the action is from.
    #[serde(skip_serializing_if = "Option::is_none")]
    best: Option<Trajectory>,
    /// All of them, best first.
    #[serde(skip_serializing_if = "Option::is_none")]
    candidates: Option<Vec<Trajectory>>,
    /// Of each constraint by its name how far every candidate is from satisfying it, where there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    violations: Option<Vec<Violated>>,
}

/// (horizon, dimensions) each.
#[derive(Serialize)]
struct Trajectory {
    observations: Vec<Vec<f32>>,
    actions: Vec<Vec<f32>>,
}

#[derive(Serialize)]
struct Violated {
    constraint: String,
    by: Vec<f32>,
}

pub(crate) fn rows(of: ArrayView2<f32>) -> Vec<Vec<f32>> {
    of.outer_iter().map(|row| row.to_vec()).collect()
}

fn trajectory(plan: &Plan, candidate: usize) -> Trajectory {
    Trajectory {
        observations: rows(plan.observations().index_axis(Axis(0), candidate)),
        actions: rows(plan.actions().index_axis(Axis(0), candidate)),
    }
}

impl Answer {
    pub(crate) fn of(plan: &Plan, wanted: Wanted) -> Self {
        let violations = plan.violations.as_ref().map(|violations| {
            let each = violations.names.iter().zip(violations.after.outer_iter());
            each.map(|(name, by)| Violated {
                constraint: name.clone(),
                by: by.to_vec(),
            })
            .collect()
        });
        Self {
            action: plan.action.to_vec(),
            value: plan.values.as_ref().and_then(|values| values.get(plan.chosen).copied()),
            chosen: plan.chosen,
            values: wanted
                .values
                .then(|| plan.values.as_ref().map(|values| values.to_vec())),
            best: wanted.best.then(|| trajectory(plan, plan.chosen)),
            candidates: wanted.candidates.then(|| {
                (0..plan.order.len())
                    .map(|candidate| trajectory(plan, candidate))
                    .collect()
            }),
            violations,
        }
    }
}
