//! The original sample that a model's output stands for: predicted, then clipped or thresholded. Common to the classes that predict it.

use ndarray::{ArrayViewD, ArrayViewMutD, Zip};

use crate::shape::{check_shape, check_step};
use crate::threshold::threshold_in_place;
use crate::{Error, PredictionType, Result, SamplerStep, Visit};

/// What is done to a predicted original sample.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Bounded {
    /// Nothing.
    Free,
    /// Clipped to `-limit..=limit`.
    Clipped(f32),
    /// Thresholded dynamically by a quantile, at most `max`.
    Thresholded { ratio: f32, max: f32 },
}

impl Bounded {
    /// By the options of a file. Thresholding goes before clipping, as in the reference.
    pub(crate) fn new(clip: Option<f64>, threshold: Option<(f64, f64)>) -> Self {
        match (threshold, clip) {
            (Some((ratio, max)), _) => Self::Thresholded {
                ratio: ratio as f32,
                max: max as f32,
            },
            (None, Some(limit)) => Self::Clipped(limit as f32),
            (None, None) => Self::Free,
        }
    }
}

/// Writes the predicted original sample to `out` (Ho et al. 2020, equation 15, for `epsilon`), bounded. `[sqrt_alpha, sqrt_beta]` are
/// the roots of the shares of signal and noise at the timestep. All arrays have the same shape.
///
/// # Errors
/// [`Error::NotFinite`] where bounding would make a finite number of an infinite one.
pub(crate) fn predict_original(
    prediction_type: PredictionType,
    [sqrt_alpha, sqrt_beta]: [f32; 2],
    bounded: Bounded,
    timestep: f32,
    model_output: &ArrayViewD<'_, f32>,
    sample: &ArrayViewD<'_, f32>,
    out: &mut ArrayViewMutD<'_, f32>,
) -> Result<()> {
    let limit = match bounded {
        Bounded::Clipped(limit) => limit,
        _ => f32::INFINITY,
    };
    // The largest magnitude before bounding, as bits: infinity and NaN are above all finite ones.
    let mut largest = 0_u32;
    let mut bound = |x: f32| {
        largest = largest.max(x.to_bits() & 0x7fff_ffff);
        x.clamp(-limit, limit)
    };
    let zip = Zip::from(&mut *out).and(model_output);
    match prediction_type {
        PredictionType::Epsilon => zip.and(sample).for_each(|out, &model_output, &sample| {
            *out = bound((sample - sqrt_beta * model_output) / sqrt_alpha);
        }),
        PredictionType::Sample => zip.for_each(|out, &model_output| *out = bound(model_output)),
        PredictionType::VPrediction => zip.and(sample).for_each(|out, &model_output, &sample| {
            *out = bound(sqrt_alpha * sample - sqrt_beta * model_output);
        }),
    }
    if largest >= f32::INFINITY.to_bits() && !matches!(bounded, Bounded::Free) {
        return Err(Error::NotFinite {
            timestep: timestep as usize,
        });
    }
    if let Bounded::Thresholded { ratio, max } = bounded {
        threshold_in_place(out, ratio, max);
    }
    Ok(())
}

/// The roots to give [`predict_original`] for a sample to which noise of this level was added without shrinking the signal
/// (arXiv:2206.00364, table 1).
pub(crate) fn exploding_roots(prediction_type: PredictionType, sigma: f32) -> [f32; 2] {
    let variance = sigma * sigma + 1.0;
    match prediction_type {
        PredictionType::VPrediction => [1.0 / variance, sigma / variance.sqrt()],
        _ => [1.0, sigma],
    }
}

/// How a step begins in the classes that need nothing of the model's output but the original sample it stands for: the arrays are checked, that
/// sample is written to `prev_sample`, and to `pred_original` if somebody wants it. Gives the noise that the visit takes.
///
/// # Errors
/// Arrays of wrong shapes, [`Error::MissingNoise`]; what [`predict_original`] gives.
pub(crate) fn original_of_step<'a>(
    step: &mut SamplerStep<'a>,
    at: &Visit,
    prediction_type: PredictionType,
    roots: [f32; 2],
    bounded: Bounded,
) -> Result<Option<ArrayViewD<'a, f32>>> {
    let SamplerStep {
        model_output,
        sample,
        noise,
        prev_sample,
        pred_original,
    } = step;
    check_shape("model_output", model_output.shape(), sample.shape())?;
    let noise = check_step(at, sample, noise.take(), prev_sample, pred_original.as_ref())?;
    predict_original(
        prediction_type,
        roots,
        bounded,
        at.timestep,
        model_output,
        sample,
        prev_sample,
    )?;
    if let Some(pred_original) = pred_original {
        pred_original.assign(prev_sample);
    }
    Ok(noise)
}
