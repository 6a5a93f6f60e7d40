//! Observations far from all that the statistics have seen.

use super::{Code, Finding};
use diffplan_data::{Normalizer, NormalizerConfig, Normalizers};
use ndarray::ArrayView1;

/// Standard deviations. Of heavy-tailed dimensions, velocities at a robot's contacts, datasets themselves have 8 at times.
const DEVIATIONS: f32 = 10.0;

/// By how much of max - min a value may be beyond one of them.
const OVERSHOOT: f32 = 0.5;

/// Watches observations for one that a planner cannot have learned from: more than 10 standard deviations from the mean, or beyond the
/// limits by more than half their width. The network has then never seen anything like it: statistics are of another dataset, units are others
/// (degrees, millimetres), or dimensions stand in another order. Said of the first such observation and never again.
///
/// Constant dimensions are left out: any difference is infinitely many deviations of them, and [`constant`](super::constant) tells of them.
#[derive(Clone, Debug)]
pub struct Outside {
    /// Lowest and highest of each dimension that nothing is said of; empty where nothing is known.
    bounds: Vec<(f32, f32)>,
    /// Whether one for all dimensions.
    scalar: bool,
    words: &'static str,
    found: Option<Finding>,
}

impl Outside {
    /// Watches by these statistics.
    pub fn of(normalizers: &Normalizers) -> Self {
        Self::of_normalizer(normalizers.observations())
    }

    fn of_normalizer(normalizer: &Normalizer) -> Self {
        let open = (f32::NEG_INFINITY, f32::INFINITY);
        let gaussian = |mean: f32, std: f32| match std < f32::MIN_POSITIVE || std < mean.abs() * 1e-4 {
            true => open,
            false => (mean - DEVIATIONS * std, mean + DEVIATIONS * std),
        };
        let limits = |min: f32, max: f32| {
            let width = max - min;
            match width < f32::MIN_POSITIVE || width < min.abs() * 1e-4 {
                true => open,
                false => (min - OVERSHOOT * width, max + OVERSHOOT * width),
            }
        };
        let deviations = "more than 10 standard deviations from the mean of the statistics";
        let beyond = "beyond the limits of the statistics by more than half their width";
        let (bounds, scalar, words) = match normalizer.config() {
            NormalizerConfig::Gaussian { mean, std } => {
                let bounds = mean.iter().zip(std).map(|(&mean, &std)| gaussian(mean, std));
                (bounds.collect(), false, deviations)
            }
            NormalizerConfig::ScalarGaussian { mean, std } => (vec![gaussian(*mean, *std)], true, deviations),
            NormalizerConfig::Limits { min, max } | NormalizerConfig::SafeLimits { min, max } => {
                let bounds = min.iter().zip(max).map(|(&min, &max)| limits(min, max));
                (bounds.collect(), false, beyond)
            }
            NormalizerConfig::Cdf { quantiles, .. } => {
                let ends = |q: &Vec<f32>| q.first().zip(q.last()).map_or(open, |(&min, &max)| limits(min, max));
                (quantiles.iter().map(ends).collect(), false, beyond)
            }
            _ => (Vec::new(), false, deviations),
        };
        Self {
            bounds,
            scalar,
            words,
            found: None,
        }
    }

    /// Looks at an observation (observation dimensions), in the environment's units. What is not finite, or of another length, is for
    /// the planner to refuse.
    pub fn see(&mut self, observation: ArrayView1<'_, f32>) {
        if self.found.is_some() {
            return;
        }
        let bound = |i: usize| self.bounds.get(if self.scalar { 0 } else { i }).copied();
        let out = |&(i, &x): &(usize, &f32)| x.is_finite() && bound(i).is_some_and(|(low, high)| x < low || x > high);
        if let Some((i, x)) = observation.iter().enumerate().find(out) {
            let (low, high) = bound(i).unwrap_or_default();
            self.found = Some(Finding::warning(
                Code::FarObservation,
                "normalizer.json, observations",
                format!("dimension {i} of an observation is {x}, {} (expected {low:.4} to {high:.4})", self.words),
                "see that units and order of the observation are those of the dataset, and that the statistics are its own: `diffplan inspect \
                 CHECKPOINT --dataset FILE`"
                    .into(),
            ));
        }
    }

    /// What was found, once there was something.
    pub fn finding(&self) -> Option<&Finding> {
        self.found.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{gaussian, limits, normalizers};
    use super::*;

    fn told(normalizers: &Normalizers, observation: &[f32]) -> Option<String> {
        let mut outside = Outside::of(normalizers);
        outside.see(observation.into());
        outside.finding().map(ToString::to_string)
    }

    #[test]
    fn far_observations_are_told_once() {
        let text = told(&gaussian(3, 1), &[0.0, 11.0, 12.0]).unwrap();
        assert!(text.contains("dimension 1 of an observation is 11"), "{text}");
        assert!(text.contains("(expected -10.0000 to 10.0000)"), "{text}");
        let text = told(&limits(3, 1), &[0.0, 0.0, -2.5]).unwrap();
        assert!(text.contains("half their width"), "{text}");
        let scalar = NormalizerConfig::ScalarGaussian { mean: 0.0, std: 1.0 };
        assert!(told(&normalizers(scalar.clone(), scalar), &[0.0, 0.0, 20.0]).is_some());
        let mut outside = Outside::of(&gaussian(1, 1));
        outside.see([11.0].as_slice().into());
        outside.see([99.0].as_slice().into());
        assert!(outside.finding().unwrap().what.contains("is 11"));
    }

    #[test]
    fn ordinary_ones_and_constant_dimensions_are_fine() {
        assert_eq!(told(&gaussian(3, 1), &[9.0, -9.0, 0.0]), None);
        assert_eq!(told(&limits(3, 1), &[1.9, -1.9, 0.0]), None);
        let constant = NormalizerConfig::Gaussian {
            mean: vec![5.0, 5.0],
            std: vec![0.0, 1e-9],
        };
        assert_eq!(told(&normalizers(constant.clone(), constant), &[7.0, 7.0]), None);
        assert_eq!(told(&gaussian(1, 1), &[f32::NAN]), None);
        assert_eq!(told(&gaussian(1, 1), &[f32::NEG_INFINITY]), None);
    }
}
