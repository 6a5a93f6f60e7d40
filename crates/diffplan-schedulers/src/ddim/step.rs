//! The arithmetic of a DDIM step on whole arrays, each operation rounded to float32 in the reference's order.

use ndarray::{ArrayViewD, ArrayViewMutD, Zip};

use crate::PredictionType;

/// The coefficients of one step.
#[derive(Clone, Copy, Debug)]
pub(super) struct Jump {
    pub(super) sqrt_alpha: f32,
    pub(super) sqrt_beta: f32,
    sqrt_alpha_prev: f32,
    direction: f32,
    std: f32,
    variance: f32,
}

impl Jump {
    /// From the share of signal at a timestep to another.
    pub(super) fn new(alpha_prod: f32, alpha_prod_prev: f32, eta: f32) -> Self {
        let (beta_prod, beta_prod_prev) = (1.0 - alpha_prod, 1.0 - alpha_prod_prev);
        // A last step that leads nowhere (`set_alpha_to_one` off) may be a rounding below 0.
        let variance = (beta_prod_prev / beta_prod) * (1.0 - alpha_prod / alpha_prod_prev);
        let variance = variance.max(0.0);
        let std = eta * variance.sqrt();
        Self {
            sqrt_alpha: alpha_prod.sqrt(),
            sqrt_beta: beta_prod.sqrt(),
            sqrt_alpha_prev: alpha_prod_prev.sqrt(),
            direction: (1.0 - alpha_prod_prev - std * std).max(0.0).sqrt(),
            std,
            variance,
        }
    }

    /// The reference's `_get_variance`.
    pub(super) fn variance(self) -> f32 {
        self.variance
    }
}

/// Turns the predicted original sample in `out` into the previous sample. All arrays have the same shape.
pub(super) fn jump_in_place(
    jump: Jump,
    prediction_type: PredictionType,
    use_clipped_model_output: bool,
    [model_output, sample]: [&ArrayViewD<'_, f32>; 2],
    noise: Option<&ArrayViewD<'_, f32>>,
    out: &mut ArrayViewMutD<'_, f32>,
) {
    let Jump {
        sqrt_alpha,
        sqrt_beta,
        sqrt_alpha_prev,
        direction,
        ..
    } = jump;
    let towards = |original: f32, epsilon: f32| sqrt_alpha_prev * original + direction * epsilon;
    let zip = Zip::from(&mut *out).and(model_output).and(sample);
    match prediction_type {
        _ if use_clipped_model_output => zip.for_each(|out, _, &sample| {
            *out = towards(*out, (sample - sqrt_alpha * *out) / sqrt_beta);
        }),
        PredictionType::Epsilon => zip.for_each(|out, &model_output, _| *out = towards(*out, model_output)),
        PredictionType::Sample => zip.for_each(|out, &model_output, &sample| {
            *out = towards(*out, (sample - sqrt_alpha * model_output) / sqrt_beta);
        }),
        PredictionType::VPrediction => zip.for_each(|out, &model_output, &sample| {
            *out = towards(*out, sqrt_alpha * model_output + sqrt_beta * sample);
        }),
    }
    if let Some(noise) = noise {
        Zip::from(out)
            .and(noise)
            .for_each(|out, &noise| *out += jump.std * noise);
    }
}
