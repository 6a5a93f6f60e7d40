//! Samples that are clamped to a box which the statistics do not keep them in.

use super::{Code, Finding};
use diffplan_data::{NormalizerKind, Normalizers};
use diffplan_schedulers::Scheduler;

/// From here on nothing is lost: a normal number is beyond four standard deviations once in 16,000 times.
const ENOUGH: f64 = 4.0;

/// `clip_sample` clamps every predicted sample to ±`clip_sample_range` (1 by default, and on by default in diffusers' DDPM and DDIM); so
/// does `thresholding`, to ±`sample_max_value` at most where it is 1. That is right where statistics are limits, which put all data into
/// \[-1, 1\]. Gaussian statistics put it at standard deviation 1: clamped to ±1, 32 % of a normal dimension's values cannot be planned, and
/// every plan stays near the mean. Diffuser's authors clip with limits, and do not with Gaussian statistics.
///
/// Said where a key that a plan is made of has Gaussian statistics and the box is within four standard deviations; nothing is said of
/// wider boxes.
pub fn clipping(scheduler: &dyn Scheduler, normalizers: &Normalizers) -> Option<Finding> {
    let map = scheduler.to_map();
    let on = |key: &str| map.get(key).and_then(serde_json::Value::as_bool) == Some(true);
    let number = |key: &str| map.get(key).and_then(serde_json::Value::as_f64).unwrap_or(1.0);
    // Classes that have no such key do no such thing; where both are on, thresholding is what is done.
    let (switch, range, bound) = if on("thresholding") {
        ("thresholding", "sample_max_value", number("sample_max_value"))
    } else if on("clip_sample") {
        ("clip_sample", "clip_sample_range", number("clip_sample_range"))
    } else {
        return None;
    };
    let gaussian = |normalizer: &diffplan_data::Normalizer| {
        let kind = normalizer.config().kind();
        matches!(kind, NormalizerKind::Gaussian | NormalizerKind::ScalarGaussian)
    };
    let keys = [normalizers.observations(), normalizers.actions()];
    let of: Vec<&str> = keys
        .into_iter()
        .filter(|normalizer| gaussian(normalizer))
        .map(|n| n.key().name())
        .collect();
    if of.is_empty() || bound >= ENOUGH {
        return None;
    }
    let deviations = match bound {
        1.0 => "one standard deviation".to_owned(),
        bound => format!("{bound} standard deviations"),
    };
    Some(Finding::warning(
        Code::ClippedGaussian,
        &format!("scheduler/scheduler_config.json, {switch}"),
        format!(
            "predicted samples are clamped to ±{bound} ({range}), which is {deviations} of the {} here, as normalizer.json has Gaussian \
             statistics: {:.2} % of a normal dimension's values cannot be planned",
            of.join(" and "),
            100.0 * beyond(bound)
        ),
        format!(
            "set {switch} to false if the network was trained with these statistics, or give it those of limits if it was trained with \
             them: `diffplan normalizer --kind limits`"
        ),
    ))
}

/// The share of a normal distribution beyond ±`bound` standard deviations, to 1e-6: Simpson's rule over the density.
fn beyond(bound: f64) -> f64 {
    let intervals = 100;
    let step = bound / f64::from(intervals);
    let sum: f64 = (0..=intervals)
        .map(|i| {
            let weight = match i {
                0 => 1.0,
                i if i == intervals => 1.0,
                i if i % 2 == 1 => 4.0,
                _ => 2.0,
            };
            weight * (-0.5 * (f64::from(i) * step).powi(2)).exp()
        })
        .sum();
    (1.0 - 2.0 * sum * step / 3.0 / std::f64::consts::TAU.sqrt()).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{ddpm, gaussian, limits};
    use super::*;
    use diffplan_schedulers::DdpmConfig;

    fn clipped(range: f64) -> impl Scheduler {
        ddpm(DdpmConfig {
            clip_sample: true,
            clip_sample_range: range,
            ..DdpmConfig::default()
        })
    }

    #[test]
    fn one_standard_deviation_is_told() {
        let finding = clipping(&clipped(1.0), &gaussian(3, 1)).unwrap();
        assert_eq!(finding.code, Code::ClippedGaussian);
        let text = finding.to_string();
        for words in [
            "scheduler_config.json, clip_sample: ",
            "one standard deviation of the observations and actions",
            "31.73 %",
            "set clip_sample to false",
        ] {
            assert!(text.contains(words), "no {words:?} in {text}");
        }
        let thresholding = ddpm(DdpmConfig {
            clip_sample: false,
            thresholding: true,
            ..DdpmConfig::default()
        });
        let text = clipping(&thresholding, &gaussian(3, 1)).unwrap().to_string();
        assert!(text.contains("sample_max_value"), "{text}");
    }

    #[test]
    fn limits_wide_boxes_and_no_clipping_are_fine() {
        assert_eq!(clipping(&clipped(1.0), &limits(3, 1)), None);
        assert_eq!(clipping(&clipped(5.0), &gaussian(3, 1)), None);
        let free = ddpm(DdpmConfig {
            clip_sample: false,
            ..DdpmConfig::default()
        });
        assert_eq!(clipping(&free, &gaussian(3, 1)), None);
    }

    /// From tables of the normal distribution.
    #[test]
    fn shares_of_the_normal_distribution() {
        for (bound, share) in [(1.0, 0.317_310_5), (2.0, 0.045_500_3), (4.0, 6.334e-5)] {
            assert!((beyond(bound) - share).abs() < 1e-6, "{bound}: {}", beyond(bound));
        }
    }
}
