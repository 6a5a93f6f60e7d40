//! Dimensions that never change.

use super::{EnvFacts, Finding};
use crate::{Key, Moments};

pub(super) fn check(
    observations: &Moments,
    actions: &Moments,
    rewards: &Moments,
    env: Option<&EnvFacts>,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (key, moments) in [(Key::Observations, observations), (Key::Actions, actions)] {
        let columns = moments.columns();
        let constant: Vec<(String, f64)> = (0..columns)
            .filter(|column| moments.std(*column) == 0.0)
            .map(|column| (EnvFacts::named(env, key, column, columns), moments.min(column)))
            .collect();
        findings.extend((!constant.is_empty()).then_some(Finding::Constant {
            key,
            dimensions: constant,
        }));
    }
    if rewards.std(0) == 0.0 {
        findings.push(Finding::ConstantReward { value: rewards.min(0) });
    }
    findings
}
