//! Dimensions that never change.

use ndarray::{ArrayView2, Axis};

use super::{EnvFacts, Finding, Steps};
use crate::Key;

pub(super) fn check(steps: &Steps<'_>, env: Option<&EnvFacts>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (key, values) in [(Key::Observations, steps.observations), (Key::Actions, steps.actions)] {
        let spreads: Vec<Spread> = spreads(values);
        let named = |i: usize| EnvFacts::named(env, key, i, spreads.len());
        let constant: Vec<(String, f64)> = spreads
            .iter()
            .enumerate()
            .filter(|(_, spread)| spread.std == 0.0)
            .map(|(i, spread)| (named(i), spread.min))
            .collect();
        findings.extend((!constant.is_empty()).then_some(Finding::Constant {
            key,
            dimensions: constant,
        }));
    }
    let mut rewards = steps.rewards.iter().filter(|reward| reward.is_finite());
    if let Some(&value) = rewards.next()
        && rewards.all(|reward| *reward == value)
    {
        findings.push(Finding::ConstantReward { value });
    }
    findings
}

/// Of one dimension's finite values.
struct Spread {
    min: f64,
    /// Population; exactly 0 where all are the same.
    std: f64,
}

fn spreads(values: ArrayView2<'_, f32>) -> Vec<Spread> {
    values
        .axis_iter(Axis(1))
        .map(|column| {
            let finite = || column.iter().filter(|x| x.is_finite()).map(|&x| f64::from(x));
            let (count, sum, min, max) = finite().fold((0_usize, 0.0, f64::INFINITY, f64::NEG_INFINITY), |all, x| {
                (all.0 + 1, all.1 + x, all.2.min(x), all.3.max(x))
            });
            let mean = sum / count as f64;
            let variance = finite().map(|x| (x - mean).powi(2)).sum::<f64>() / count as f64;
            Spread {
                min,
                // The mean of equal numbers may be rounded away from them.
                std: if min == max { 0.0 } else { variance.sqrt() },
            }
        })
        .collect()
}

/// The standard deviations of all dimensions.
pub(super) fn stds(values: ArrayView2<'_, f32>) -> Vec<f64> {
    spreads(values).iter().map(|spread| spread.std).collect()
}
