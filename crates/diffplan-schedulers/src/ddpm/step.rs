//! The arithmetic of a step on whole arrays, in two passes: the predicted original sample, then the previous sample.
//!
//! The first pass writes where the second reads and writes, so a step needs no memory of its own. Both are plain
//! element-wise loops: over arrays of the same memory order they run along memory and vectorise. No multiply-add is fused, as
//! in PyTorch's element-wise kernels, so results are the same bits on every CPU, but for the exponential of a learned range.

use ndarray::{ArrayViewD, ArrayViewMutD, Zip};

use super::transition::{NoiseScale, Transition};

/// Turns the predicted original sample in `out` into the mean of the previous sample.
pub(super) fn mean_in_place(transition: Transition, sample: &ArrayViewD<'_, f32>, out: &mut ArrayViewMutD<'_, f32>) {
    let (original, current) = (
        transition.pred_original_sample_coeff(),
        transition.current_sample_coeff(),
    );
    Zip::from(out)
        .and(sample)
        .for_each(|out, &sample| *out = original * *out + current * sample);
}

/// As [`mean_in_place`], with noise on top.
///
/// `predicted_variance` is there exactly where `scale` asks for it; all arrays have the same shape.
pub(super) fn noisy_mean_in_place(
    transition: Transition,
    scale: NoiseScale,
    predicted_variance: Option<&ArrayViewD<'_, f32>>,
    sample: &ArrayViewD<'_, f32>,
    noise: &ArrayViewD<'_, f32>,
    out: &mut ArrayViewMutD<'_, f32>,
) {
    let (original, current) = (
        transition.pred_original_sample_coeff(),
        transition.current_sample_coeff(),
    );
    let zip = Zip::from(out).and(sample).and(noise);
    match (scale, predicted_variance) {
        (NoiseScale::Std(std), _) => zip.for_each(|out, &sample, &noise| {
            *out = original * *out + current * sample + std * noise;
        }),
        (NoiseScale::PredictedVariance, Some(predicted)) => {
            zip.and(predicted).for_each(|out, &sample, &noise, &predicted| {
                *out = original * *out + current * sample + predicted.sqrt() * noise;
            });
        }
        (NoiseScale::PredictedMixture { min_log, max_log }, Some(predicted)) => {
            zip.and(predicted).for_each(|out, &sample, &noise, &predicted| {
                let fraction = (predicted + 1.0) / 2.0;
                let log = fraction * max_log + (1.0 - fraction) * min_log;
                *out = original * *out + current * sample + (0.5 * log).exp() * noise;
            });
        }
        (NoiseScale::PredictedVariance | NoiseScale::PredictedMixture { .. }, None) => {
            unreachable!("a learned variance type splits the model output")
        }
    }
}
