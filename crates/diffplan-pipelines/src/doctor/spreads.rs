//! Statistics of any kind as a place and a width.

use diffplan_data::NormalizerConfig;

/// Where each dimension lies, and how far it spreads from there.
pub(super) fn spreads(config: &NormalizerConfig) -> Vec<(f32, f32)> {
    let limits = |min: f32, max: f32| (min / 2.0 + max / 2.0, (max - min) / 2.0);
    match config {
        NormalizerConfig::Gaussian { mean, std } => mean.iter().copied().zip(std.iter().copied()).collect(),
        NormalizerConfig::ScalarGaussian { mean, std } => vec![(*mean, *std)],
        NormalizerConfig::Limits { min, max } | NormalizerConfig::SafeLimits { min, max } => {
            min.iter().zip(max).map(|(&min, &max)| limits(min, max)).collect()
        }
        NormalizerConfig::Cdf { quantiles, .. } => {
            let ends = |q: &Vec<f32>| Some(limits(*q.first()?, *q.last()?));
            quantiles.iter().filter_map(ends).collect()
        }
        _ => Vec::new(),
    }
}
