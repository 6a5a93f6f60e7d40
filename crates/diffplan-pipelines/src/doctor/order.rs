//! Statistics in the order of observation, action.

use super::{Code, Finding};
use diffplan_data::{Normalizer, NormalizerConfig, Normalizers};

/// Largest magnitude that a bounded action is taken to have: most environments have 1, and rounding may add to it.
const ACTION: f32 = 1.05;

/// Diffuser puts actions first; many projects (CleanDiffuser, Decision Diffuser) put observations first, and statistics taken from them
/// may have each key's numbers under the other's name. The sizes fit the network then as well as the right ones do.
///
/// Told from the numbers alone: there are more "actions" than "observations", which no common environment has; every "observation" stays
/// within ±1, as actions do; and some "action" does not. All three must hold: a robot with many motors and few sensors has actions
/// within ±1. Where an environment is known, [`Dims`](super::Dims) tells it by its sizes.
pub fn order(normalizers: &Normalizers) -> Option<Finding> {
    let (observations, actions) = (normalizers.observations(), normalizers.actions());
    let (o, a) = (observations.dimensions()?, actions.dimensions()?);
    let swapped = a > o && reach(observations)? <= ACTION && reach(actions)? > 2.0 * ACTION;
    swapped.then(|| {
        Finding::warning(
            Code::ObservationFirst,
            "normalizer.json",
            format!(
                "the {a} dimensions of actions look like an observation's, and the {o} of observations like an action's, which stay \
                 within ±1: the statistics seem to stand observation first"
            ),
            "exchange `observations` and `actions`, or make it anew from the dataset: `diffplan normalizer`".into(),
        )
    })
}

/// How far from zero a key's values go in any dimension: its limits, or its mean and a standard deviation.
fn reach(normalizer: &Normalizer) -> Option<f32> {
    let furthest =
        |pairs: &mut dyn Iterator<Item = (f32, f32)>| pairs.map(|(a, b)| a.abs().max(b.abs())).reduce(f32::max);
    let both = |a: &[f32], b: &[f32]| furthest(&mut a.iter().copied().zip(b.iter().copied()));
    match normalizer.config() {
        NormalizerConfig::Gaussian { mean, std } => {
            furthest(&mut mean.iter().zip(std).map(|(mean, std)| (mean - std, mean + std)))
        }
        NormalizerConfig::Limits { min, max } | NormalizerConfig::SafeLimits { min, max } => both(min, max),
        NormalizerConfig::Cdf { quantiles, .. } => {
            furthest(&mut quantiles.iter().filter_map(|q| Some((*q.first()?, *q.last()?))))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::normalizers;
    use super::*;

    fn limits(bounds: &[f32]) -> NormalizerConfig {
        NormalizerConfig::Limits {
            min: bounds.iter().map(|b| -b).collect(),
            max: bounds.to_vec(),
        }
    }

    #[test]
    fn swapped_keys_are_told() {
        let swapped = normalizers(limits(&[1.0]), limits(&[1.0, 1.0, 8.0]));
        let finding = order(&swapped).unwrap();
        assert_eq!(finding.code, Code::ObservationFirst);
        assert!(finding.what.contains("the 3 dimensions of actions"), "{finding}");
        let gaussian = |std: &[f32]| NormalizerConfig::Gaussian {
            mean: vec![0.0; std.len()],
            std: std.to_vec(),
        };
        assert!(order(&normalizers(gaussian(&[0.6]), gaussian(&[0.7, 0.7, 3.0]))).is_some());
    }

    #[test]
    fn action_first_and_many_motors_are_fine() {
        assert_eq!(order(&normalizers(limits(&[1.0, 1.0, 8.0]), limits(&[2.0]))), None);
        assert_eq!(order(&normalizers(limits(&[1.0]), limits(&[1.0, 1.0, 1.0]))), None);
        assert_eq!(order(&normalizers(limits(&[5.0]), limits(&[1.0, 3.0]))), None);
        let scalar = NormalizerConfig::ScalarGaussian { mean: 0.0, std: 9.0 };
        assert_eq!(order(&normalizers(limits(&[1.0]), scalar)), None);
    }
}
