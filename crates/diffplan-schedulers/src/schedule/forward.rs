//! The forward process in closed form (Ho et al. 2020, arXiv:2006.11239, equation 4): with `a = alphas_cumprod[t]`,
//!
//! ```text
//! noisy    = sqrt(a) original + sqrt(1 - a) noise
//! velocity = sqrt(a) noise    - sqrt(1 - a) sample        (Salimans and Ho 2022, arXiv:2202.00512)
//! ```

use ndarray::{ArrayViewD, ArrayViewMutD, Axis, Zip};

use crate::shape::check_shape;
use crate::{Error, Result};

pub(crate) fn add_noise_into(
    alphas_cumprod: &[f32],
    original: ArrayViewD<'_, f32>,
    noise: ArrayViewD<'_, f32>,
    timesteps: &[usize],
    noisy: ArrayViewMutD<'_, f32>,
) -> Result<()> {
    check_shape("noise", noise.shape(), original.shape())?;
    check_shape("noisy", noisy.shape(), original.shape())?;
    combine_by_timestep(
        alphas_cumprod,
        timesteps,
        [original, noise],
        noisy,
        |signal, noise, [original, drawn]| signal * original + noise * drawn,
    )
}

pub(crate) fn get_velocity_into(
    alphas_cumprod: &[f32],
    sample: ArrayViewD<'_, f32>,
    noise: ArrayViewD<'_, f32>,
    timesteps: &[usize],
    velocity: ArrayViewMutD<'_, f32>,
) -> Result<()> {
    check_shape("noise", noise.shape(), sample.shape())?;
    check_shape("velocity", velocity.shape(), sample.shape())?;
    combine_by_timestep(
        alphas_cumprod,
        timesteps,
        [sample, noise],
        velocity,
        |signal, noise, [sample, drawn]| signal * drawn - noise * sample,
    )
}

/// Applies `f(sqrt(a), sqrt(1 - a), elements)` to every element, `a` by the sample's own timestep.
fn combine_by_timestep(
    alphas_cumprod: &[f32],
    timesteps: &[usize],
    [first, second]: [ArrayViewD<'_, f32>; 2],
    mut out: ArrayViewMutD<'_, f32>,
    f: impl Fn(f32, f32, [f32; 2]) -> f32,
) -> Result<()> {
    let batch = first
        .shape()
        .first()
        .copied()
        .ok_or(Error::NoBatchAxis { name: "sample" })?;
    if timesteps.len() != batch && timesteps.len() != 1 {
        return Err(Error::TimestepCount {
            actual: timesteps.len(),
            batch,
        });
    }
    let num_train_timesteps = alphas_cumprod.len();
    if let Some(&timestep) = timesteps.iter().find(|&&timestep| timestep >= num_train_timesteps) {
        return Err(Error::TimestepOutOfRange {
            timestep,
            num_train_timesteps,
        });
    }
    for (i, timestep) in timesteps.iter().cycle().take(batch).enumerate() {
        let alpha_prod = alphas_cumprod[*timestep];
        let (signal, noise) = (alpha_prod.sqrt(), (1.0 - alpha_prod).sqrt());
        Zip::from(out.index_axis_mut(Axis(0), i))
            .and(first.index_axis(Axis(0), i))
            .and(second.index_axis(Axis(0), i))
            .for_each(|out, &first, &second| *out = f(signal, noise, [first, second]));
    }
    Ok(())
}
