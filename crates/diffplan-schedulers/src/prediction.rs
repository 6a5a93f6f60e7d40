//! [`Prediction`]: what a model's output at a visit says of the sample without noise, and which output would say something else.

use ndarray::{ArrayView3, ArrayViewMut3, Zip};

use crate::PredictionType;
use crate::original::Bounded;

/// The predicted original sample as a linear function of sample and model output, `sample x + output y`, clipped to ±`limit`: Ho et
/// al. 2020, equation 15, for a model that predicts noise.
///
/// It goes both ways, so what is known of finished samples (limits, obstacles, a cost) can be said of the prediction at any visit, and the
/// output be put in its place that a model would have given which knew it: the step is then that of any sampler.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Prediction {
    /// The factor of the sample.
    pub sample: f32,
    /// The factor of the model's output, never 0.
    pub output: f32,
    /// The largest magnitude; infinite where nothing is clipped.
    pub limit: f32,
}

impl Prediction {
    /// By the roots `[of alpha, of beta]` that [`predict_original`](crate::original::predict_original) takes; `None` where the output has no part in it.
    pub(crate) fn new(prediction_type: PredictionType, [signal, noise]: [f32; 2], bounded: Bounded) -> Option<Self> {
        let (sample, output) = match prediction_type {
            PredictionType::Epsilon => (1.0 / signal, -noise / signal),
            PredictionType::Sample => (0.0, 1.0),
            PredictionType::VPrediction => (signal, -noise),
        };
        let limit = match bounded {
            Bounded::Clipped(limit) => limit,
            Bounded::Thresholded { max, .. } => max,
            Bounded::Free => f32::INFINITY,
        };
        (output != 0.0 && sample.is_finite() && output.is_finite()).then_some(Self { sample, output, limit })
    }

    /// Writes the prediction to `original`; all arrays have one shape.
    pub fn original(&self, sample: ArrayView3<'_, f32>, output: ArrayView3<'_, f32>, original: ArrayViewMut3<'_, f32>) {
        Zip::from(original)
            .and(sample)
            .and(output)
            .for_each(|original, &x, &y| {
                *original = (self.sample * x + self.output * y).clamp(-self.limit, self.limit);
            });
    }

    /// Changes `output` to what predicts `wanted` wherever that is not what it predicts already, `original`.
    pub fn correct(
        &self,
        sample: ArrayView3<'_, f32>,
        original: ArrayView3<'_, f32>,
        wanted: ArrayView3<'_, f32>,
        output: ArrayViewMut3<'_, f32>,
    ) {
        Zip::from(output)
            .and(sample)
            .and(original)
            .and(wanted)
            .for_each(|output, &x, &original, &wanted| {
                if wanted != original {
                    *output = (wanted - self.sample * x) / self.output;
                }
            });
    }
}
