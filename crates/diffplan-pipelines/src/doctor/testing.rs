//! Parts of pipelines for the tests of the checks.

use diffplan_data::{NormalizerConfig, Normalizers};
use diffplan_schedulers::{DdpmConfig, DdpmScheduler};

pub(crate) fn ddpm(config: DdpmConfig) -> DdpmScheduler {
    DdpmScheduler::new(config).unwrap()
}

pub(crate) fn normalizers(observations: NormalizerConfig, actions: NormalizerConfig) -> Normalizers {
    Normalizers::new(observations, actions, None).unwrap()
}

/// Mean 0 and standard deviation 1.
pub(crate) fn gaussian(observations: usize, actions: usize) -> Normalizers {
    let unit = |dims| NormalizerConfig::Gaussian {
        mean: vec![0.0; dims],
        std: vec![1.0; dims],
    };
    normalizers(unit(observations), unit(actions))
}

/// From -1 to 1.
pub(crate) fn limits(observations: usize, actions: usize) -> Normalizers {
    let unit = |dims| NormalizerConfig::Limits {
        min: vec![-1.0; dims],
        max: vec![1.0; dims],
    };
    normalizers(unit(observations), unit(actions))
}
