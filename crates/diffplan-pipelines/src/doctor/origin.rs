//! Statistics of another dataset, settings of another environment.

use super::spreads::spreads;
use super::{Code, Finding};
use diffplan_data::{Normalizer, Normalizers};

/// Statistics of the same data by another program differ in the last digits, or by the rows of an unfinished episode: less than a
/// hundredth. Datasets of other policies in the same environment (medium, expert) differ by about half a standard deviation in some
/// dimension.
const SHIFT: f32 = 0.25;
const RATIO: f32 = 1.5;

/// Compares a checkpoint's statistics with those of the dataset it is said to be from, fitted by the same kind.
///
/// Told where a dimension's middle is off by more than a quarter of its spread, or its spread by more than a factor of 1.5; spread is the standard
/// deviation, or half of max - min. The network sees its input moved by that much, as does what it plans. Values are left out: their
/// target is not in a dataset.
pub fn other_dataset(checkpoint: &Normalizers, dataset: &Normalizers) -> Vec<Finding> {
    let keys = [
        (checkpoint.observations(), dataset.observations()),
        (checkpoint.actions(), dataset.actions()),
    ];
    keys.into_iter()
        .filter_map(|(ours, theirs)| differ(ours, theirs))
        .collect()
}

fn differ(ours: &Normalizer, theirs: &Normalizer) -> Option<Finding> {
    let key = ours.key().name();
    let say = |what: String| {
        Finding::warning(
            Code::OtherDataset,
            &format!("normalizer.json, {key}"),
            what,
            "give the dataset that the networks were trained on; if this is the one: `diffplan normalizer --dataset FILE --overwrite`".into(),
        )
    };
    let (a, b) = (spreads(ours.config()), spreads(theirs.config()));
    if a.len() != b.len() {
        return Some(say(format!(
            "statistics of {} dimensions, and the dataset has {}",
            a.len(),
            b.len()
        )));
    }
    let off = |i: usize| {
        let ((ours, spread), (theirs, other)) = (a[i], b[i]);
        let shift = (ours - theirs).abs() / spread.max(other).max(f32::MIN_POSITIVE);
        let ratio = match spread.max(other) < f32::MIN_POSITIVE {
            true => 1.0,
            false => spread.max(other) / spread.min(other).max(f32::MIN_POSITIVE),
        };
        // Constants that differ by rounding are the same.
        let same =
            (ours - theirs).abs() <= 1e-5 * theirs.abs().max(1.0) && spread.max(other) <= 1e-5 * theirs.abs().max(1.0);
        (!same && (shift > SHIFT || ratio > RATIO)).then_some((i, (ours, spread), (theirs, other)))
    };
    let off: Vec<_> = (0..a.len()).filter_map(off).collect();
    let (i, (middle, spread), (there, around)) = *off.first()?;
    let more = match off.len() {
        1 => String::new(),
        n => format!(", and {} more of {} dimensions differ", n - 1, a.len()),
    };
    Some(say(format!(
        "they are not the dataset's: dimension {i} is {middle:.4} ± {spread:.4}, in the dataset {there:.4} ± {around:.4}{more}"
    )))
}

/// The environment that a run's own settings (`training.toml`) name, where planning_config.json names another: one of the two came from
/// elsewhere. Names must be the environment's own: a dataset's id stands for its environment.
pub fn other_environment(trained: Option<&str>, planned: Option<&str>) -> Option<Finding> {
    let (trained, planned) = trained.zip(planned)?;
    (trained != planned).then(|| {
        Finding::warning(
            Code::OtherDataset,
            "planning_config.json, env",
            format!("plans are for {planned}, but training.toml says that the networks were trained in {trained}"),
            format!("set env to {trained:?}, or give the folder that belongs to {planned}"),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{gaussian, limits, normalizers};
    use super::*;
    use diffplan_data::NormalizerConfig;

    fn of(mean: f32, std: f32) -> Normalizers {
        let config = NormalizerConfig::Gaussian {
            mean: vec![0.0, mean],
            std: vec![1.0, std],
        };
        normalizers(config.clone(), config)
    }

    #[test]
    fn another_mean_or_spread_is_another_dataset() {
        for other in [of(0.5, 1.0), of(0.0, 2.0), of(0.0, 0.0)] {
            let findings = other_dataset(&of(0.0, 1.0), &other);
            assert_eq!(findings.len(), 2, "{findings:?}");
            assert_eq!(findings[0].code, Code::OtherDataset);
            assert!(
                findings[0].what.contains("dimension 1 is 0.0000 ± 1.0000"),
                "{}",
                findings[0]
            );
        }
        let more = other_dataset(&gaussian(3, 1), &gaussian(4, 1));
        assert!(
            more[0].what.contains("3 dimensions, and the dataset has 4"),
            "{}",
            more[0]
        );
        assert_eq!(more.len(), 1);
    }

    #[test]
    fn the_same_by_another_program_is_the_same() {
        assert_eq!(other_dataset(&of(0.0, 1.0), &of(0.01, 1.01)), []);
        assert_eq!(other_dataset(&of(7.0, 0.0), &of(7.000_001, 1e-7)), []);
        assert_eq!(other_dataset(&limits(3, 1), &limits(3, 1)), []);
    }

    #[test]
    fn another_environment() {
        let finding = other_environment(Some("Hopper-v5"), Some("Pendulum-v1")).unwrap();
        assert!(finding.remedy.contains("\"Hopper-v5\""), "{finding}");
        assert_eq!(other_environment(Some("Hopper-v5"), Some("Hopper-v5")), None);
        assert_eq!(other_environment(None, Some("Hopper-v5")), None);
    }
}
