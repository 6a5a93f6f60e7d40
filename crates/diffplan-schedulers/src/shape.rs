//! Shape checks that build their error only when they fail.

use ndarray::{ArrayViewD, ArrayViewMutD, Axis};

use crate::{Error, Result, Visit};

/// Checks that argument `name` has the shape `expected`.
pub(crate) fn check_shape(name: &'static str, actual: &[usize], expected: &[usize]) -> Result<()> {
    if actual == expected {
        return Ok(());
    }
    Err(Error::ShapeMismatch {
        name,
        actual: actual.to_vec(),
        expected: expected.to_vec(),
    })
}

/// Checks the arrays of a step but the model's output, and gives the noise that the visit takes.
pub(crate) fn check_step<'a>(
    visit: &Visit,
    sample: &ArrayViewD<'_, f32>,
    noise: Option<ArrayViewD<'a, f32>>,
    prev_sample: &ArrayViewMutD<'_, f32>,
    pred_original: Option<&ArrayViewMutD<'_, f32>>,
) -> Result<Option<ArrayViewD<'a, f32>>> {
    check_shape("prev_sample", prev_sample.shape(), sample.shape())?;
    if let Some(pred_original) = pred_original {
        check_shape("pred_original", pred_original.shape(), sample.shape())?;
    }
    if let Some(noise) = &noise {
        check_shape("noise", noise.shape(), sample.shape())?;
    }
    match noise {
        None if visit.draws_noise => Err(Error::MissingNoise {
            timestep: visit.timestep as usize,
        }),
        noise => Ok(noise.filter(|_| visit.draws_noise)),
    }
}

/// The model's prediction, and behind it the variance where that is learned. Shapes: that of `sample`, or an error.
pub(crate) fn split_model_output<'a>(
    learned: bool,
    model_output: ArrayViewD<'a, f32>,
    sample: &ArrayViewD<'_, f32>,
) -> Result<(ArrayViewD<'a, f32>, Option<ArrayViewD<'a, f32>>)> {
    let &[batch, channels, ref rest @ ..] = sample.shape() else {
        return Err(Error::NoChannelAxis {
            name: "sample",
            actual: sample.shape().to_vec(),
        });
    };
    if !learned {
        check_shape("model_output", model_output.shape(), sample.shape())?;
        return Ok((model_output, None));
    }
    let doubled = channels.saturating_mul(2);
    match model_output.shape() {
        &[b, c, ref other @ ..] if b == batch && c == doubled && other == rest => {
            let (prediction, variance) = model_output.split_at(Axis(1), channels);
            Ok((prediction, Some(variance)))
        }
        actual => Err(Error::ShapeMismatch {
            name: "model_output",
            actual: actual.to_vec(),
            expected: [&[batch, doubled], rest].concat(),
        }),
    }
}
