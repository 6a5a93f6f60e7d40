//! What the environment would not show, or take.

use ndarray::ArrayView2;

use super::{Bounds, EnvFacts, Finding, Steps};
use crate::{Key, RecordedEnv};

/// Observations may lie this part of their range outside: noise of sensors, and rounding, are no other environment.
const SLACK: f64 = 0.01;

pub(super) fn check(steps: &Steps<'_>, env: &EnvFacts, recorded: Option<&RecordedEnv>) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(reason) = &env.refused {
        findings.push(Finding::EnvArguments {
            env: recorded.map_or_else(|| env.id.clone(), ToString::to_string),
            reason: reason.clone(),
        });
    }
    for (key, values, bounds, slack) in [
        (Key::Observations, steps.observations, &env.observations, SLACK),
        (Key::Actions, steps.actions, &env.actions, 0.0),
    ] {
        findings.extend(
            bounds
                .as_ref()
                .and_then(|bounds| of_key(key, values, bounds, slack, &env.id)),
        );
    }
    findings
}

fn of_key(key: Key, values: ArrayView2<'_, f32>, bounds: &Bounds, slack: f64, env: &str) -> Option<Finding> {
    let expected = bounds.low.len();
    if expected != values.ncols() {
        return Some(Finding::OtherDimensions {
            key,
            actual: values.ncols(),
            expected,
            env: env.to_owned(),
        });
    }
    let (mut rows, mut most) = (0, 0.0_f64);
    // What is not finite is a problem of its own.
    for row in values
        .rows()
        .into_iter()
        .filter(|row| row.iter().all(|x| x.is_finite()))
    {
        let each = row.iter().zip(bounds.low.iter().zip(&bounds.high));
        let excess = each.map(|(&x, (&low, &high))| {
            let x = f64::from(x);
            let excess = (low - x).max(x - high);
            // An infinite range has no hundredth.
            let allowed = if slack > 0.0 { slack * (high - low) } else { 0.0 };
            if excess > allowed { excess } else { 0.0 }
        });
        let excess = excess.fold(0.0, f64::max);
        rows += usize::from(excess > 0.0);
        most = most.max(excess);
    }
    (rows > 0).then(|| Finding::Outside {
        key,
        rows,
        most,
        env: env.to_owned(),
    })
}
