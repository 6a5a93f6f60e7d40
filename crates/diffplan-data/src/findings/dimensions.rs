//! Dimensions that never change, and those of which float32 keeps little.

use ndarray::{ArrayView2, Axis};

use super::{EnvFacts, Finding, Steps};
use crate::{Key, RawDataset};

/// A step of float32 of this part of the standard deviation, or more, shows in what is learned: it is noise of 0.3 % of the spread.
const COARSE: f64 = 0.01;

pub(super) fn check(raw: &RawDataset, steps: &Steps<'_>, env: Option<&EnvFacts>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut coarse = Vec::new();
    for (key, values) in [(Key::Observations, steps.observations), (Key::Actions, steps.actions)] {
        let spreads: Vec<Spread> = spreads(values);
        let named = |i: usize| EnvFacts::named(env, key, i, spreads.len());
        let rounded = rounds(raw, key);
        let is_coarse = |spread: &Spread| match spread.std > 0.0 {
            true => spread.step() > COARSE * spread.std,
            // All that was different may be gone. Up to 2^24 whole numbers are exact.
            false => rounded && spread.largest() > f64::from(1 << 24),
        };
        let here: Vec<_> = spreads
            .iter()
            .enumerate()
            .filter(|(_, spread)| is_coarse(spread))
            .collect();
        coarse.extend(here.iter().map(|(i, spread)| (named(*i), spread.step(), spread.std)));
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
    findings.extend((!coarse.is_empty()).then_some(Finding::Coarse { dimensions: coarse }));
    let mut rewards = steps.rewards.iter().filter(|reward| reward.is_finite());
    if let Some(&value) = rewards.next()
        && rewards.all(|reward| *reward == value)
    {
        findings.push(Finding::ConstantReward { value });
    }
    findings
}

/// Whether the file has more digits than float32 keeps.
fn rounds(raw: &RawDataset, key: Key) -> bool {
    let arrays = raw.arrays.iter().filter(|array| array.name.ends_with(key.name()));
    arrays
        .into_iter()
        .any(|array| ["float64", "int64", "uint64", "int32", "uint32"].contains(&array.dtype.as_str()))
}

/// Of one dimension's finite values.
struct Spread {
    min: f64,
    max: f64,
    /// Population; exactly 0 where all are the same.
    std: f64,
}

impl Spread {
    fn largest(&self) -> f64 {
        self.min.abs().max(self.max.abs())
    }

    /// The distance from the largest number to the next that float32 has.
    fn step(&self) -> f64 {
        let largest = self.largest() as f32;
        f64::from(largest.next_up()) - f64::from(largest)
    }
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
                max,
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
