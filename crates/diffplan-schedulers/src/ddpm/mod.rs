//! Denoising diffusion probabilistic models (Ho et al. 2020, arXiv:2006.11239): the twin of diffusers 0.42.1
//! `DDPMScheduler` (`schedulers/scheduling_ddpm.py`), in its float32 arithmetic and order of operations.
//!
//! A step goes from timestep `t` to the one after it in [`Scheduler::timesteps`], `p`, or to the end from the last:
//!
//! ```text
//! x_0     = the original sample the model output stands for, thresholded or clipped
//! x_p     = mean(x_0, x_t) + std noise            the noise only where t > 0
//! ```
//!
//! It departs from the reference where that gives NaN, an index error or a step too many: [`DdpmScheduler`] lists where.

mod config;
mod step;
mod transition;

use std::path::Path;

use ndarray::{ArrayD, ArrayViewD, ArrayViewMutD, Axis};

pub use config::DdpmConfig;
use transition::Transition;

use crate::betas::{alphas_cumprod, betas, rescale_zero_terminal_snr};
use crate::shape::check_shape;
use crate::threshold::threshold_in_place;
use crate::timesteps::{check_custom_timesteps, spaced_timesteps};
use crate::{Error, Result, Scheduler, SchedulerOutput};

/// The DDPM scheduler.
///
/// Where the reference is odd:
///
/// - With `fixed_large_log` the reference scales noise by the square root of a negative logarithm, NaN; here the noise has
///   variance beta, as the name says. [`Scheduler::variance`] is the reference's logarithm all the same.
/// - With `rescale_betas_zero_snr` and `epsilon` the last training timestep divides by zero, here as there: the predicted
///   original sample is infinite, or at the clipping range.
/// - [`TimestepSpacing::Trailing`](crate::TimestepSpacing::Trailing) never visits timestep -1.
#[derive(Clone, Debug)]
pub struct DdpmScheduler {
    config: DdpmConfig,
    betas: Vec<f32>,
    alphas_cumprod: Vec<f32>,
    timesteps: Vec<usize>,
}

impl DdpmScheduler {
    /// Builds the schedule; the timesteps are all training timesteps, descending.
    ///
    /// # Errors
    ///
    /// What [`DdpmConfig::validate`] gives; [`Error::BetaOutOfRange`] and [`Error::DegenerateSchedule`] for betas with
    /// which a step would divide by zero.
    pub fn new(config: DdpmConfig) -> Result<Self> {
        config.validate()?;
        let mut betas = match &config.trained_betas {
            Some(betas) => betas.iter().map(|&beta| beta as f32).collect(),
            None => betas(
                config.beta_schedule,
                config.beta_start,
                config.beta_end,
                config.num_train_timesteps,
            ),
        };
        if config.rescale_betas_zero_snr {
            betas = rescale_zero_terminal_snr(&betas);
        }
        let alphas_cumprod = alphas_cumprod(&betas);
        check_schedule(&betas, &alphas_cumprod)?;
        let timesteps = (0..config.num_train_timesteps).rev().collect();
        Ok(Self {
            config,
            betas,
            alphas_cumprod,
            timesteps,
        })
    }

    /// Reads `scheduler_config.json` in `folder` and builds the schedule.
    ///
    /// # Errors
    ///
    /// [`Error::Io`]; [`Error::InFile`] around what is wrong with the file or its values.
    pub fn from_pretrained(folder: impl AsRef<Path>) -> Result<Self> {
        let folder = folder.as_ref();
        let config = DdpmConfig::from_pretrained(folder)?;
        Self::new(config).map_err(|source| Error::InFile {
            path: folder.join(DdpmConfig::CONFIG_NAME),
            source: Box::new(source),
        })
    }

    /// Writes `scheduler_config.json` in `folder`: [`DdpmConfig::save_pretrained`].
    ///
    /// # Errors
    ///
    /// [`Error::Io`].
    pub fn save_pretrained(&self, folder: impl AsRef<Path>) -> Result<()> {
        self.config.save_pretrained(folder)
    }

    /// The options.
    pub fn config(&self) -> &DdpmConfig {
        &self.config
    }

    /// The noise variances of the forward process. Shape: `(num_train_timesteps,)`.
    pub fn betas(&self) -> &[f32] {
        &self.betas
    }

    /// Chooses the timesteps to visit one by one.
    ///
    /// # Errors
    ///
    /// [`Error::NoTimesteps`], [`Error::TimestepsNotDescending`], [`Error::TimestepOutOfRange`]; the timesteps stay as they
    /// were.
    pub fn set_custom_timesteps(&mut self, timesteps: &[usize]) -> Result<()> {
        check_custom_timesteps(timesteps, self.config.num_train_timesteps)?;
        self.timesteps = timesteps.to_vec();
        Ok(())
    }

    /// The timestep that a step at `timestep` leads to; `None` from the last of [`Scheduler::timesteps`].
    ///
    /// # Errors
    ///
    /// [`Error::TimestepNotSet`] where it is not one of [`Scheduler::timesteps`].
    pub fn previous_timestep(&self, timestep: usize) -> Result<Option<usize>> {
        let position = self
            .timesteps
            .binary_search_by(|other| timestep.cmp(other))
            .map_err(|_| Error::TimestepNotSet {
                timestep,
                num_inference_steps: self.timesteps.len(),
            })?;
        Ok(self.timesteps.get(position + 1).copied())
    }

    fn transition(&self, timestep: usize) -> Result<Transition> {
        let previous = self.previous_timestep(timestep)?;
        let alpha_prod_prev = previous.map_or(1.0, |previous| self.alphas_cumprod[previous]);
        Ok(Transition::new(self.alphas_cumprod[timestep], alpha_prod_prev))
    }

    /// The step of both [`Scheduler::step_into`] and [`Scheduler::step`].
    fn denoise(
        &self,
        model_output: ArrayViewD<'_, f32>,
        timestep: usize,
        sample: ArrayViewD<'_, f32>,
        noise: Option<ArrayViewD<'_, f32>>,
        mut prev_sample: ArrayViewMutD<'_, f32>,
        pred_original_sample: Option<ArrayViewMutD<'_, f32>>,
    ) -> Result<()> {
        let transition = self.transition(timestep)?;
        let (model_output, predicted_variance) = self.split_model_output(model_output, &sample)?;
        check_shape("prev_sample", prev_sample.shape(), sample.shape())?;
        if let Some(noise) = &noise {
            check_shape("noise", noise.shape(), sample.shape())?;
        }
        let noise = match noise {
            None if self.needs_noise(timestep) => return Err(Error::MissingNoise { timestep }),
            noise => noise.filter(|_| self.needs_noise(timestep)),
        };

        let config = &self.config;
        let clip = config.clip_sample && !config.thresholding;
        let limit = if clip {
            config.clip_sample_range as f32
        } else {
            f32::INFINITY
        };
        step::predict_original(
            config.prediction_type,
            transition,
            limit,
            &model_output,
            &sample,
            &mut prev_sample,
        );
        if config.thresholding {
            let (ratio, max) = (config.dynamic_thresholding_ratio as f32, config.sample_max_value as f32);
            threshold_in_place(&mut prev_sample, ratio, max);
        }
        if let Some(mut pred_original_sample) = pred_original_sample {
            pred_original_sample.assign(&prev_sample);
        }
        match noise {
            None => step::mean_in_place(transition, &sample, &mut prev_sample),
            Some(noise) => {
                let scale = transition.noise_scale(config.variance_type);
                let predicted = predicted_variance.as_ref();
                step::noisy_mean_in_place(transition, scale, predicted, &sample, &noise, &mut prev_sample);
            }
        }
        Ok(())
    }

    /// The model's prediction, and the variance where it is learned. Shapes: that of `sample`, or an error.
    fn split_model_output<'a>(
        &self,
        model_output: ArrayViewD<'a, f32>,
        sample: &ArrayViewD<'_, f32>,
    ) -> Result<(ArrayViewD<'a, f32>, Option<ArrayViewD<'a, f32>>)> {
        let &[batch, channels, ref rest @ ..] = sample.shape() else {
            return Err(Error::NoChannelAxis {
                name: "sample",
                actual: sample.shape().to_vec(),
            });
        };
        if !self.config.variance_type.is_learned() {
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
}

impl Scheduler for DdpmScheduler {
    fn clone_boxed(&self) -> Box<dyn Scheduler> {
        Box::new(self.clone())
    }

    fn num_train_timesteps(&self) -> usize {
        self.config.num_train_timesteps
    }

    fn alphas_cumprod(&self) -> &[f32] {
        &self.alphas_cumprod
    }

    fn timesteps(&self) -> &[usize] {
        &self.timesteps
    }

    fn init_noise_sigma(&self) -> f32 {
        1.0
    }

    fn set_timesteps(&mut self, num_inference_steps: usize) -> Result<()> {
        let config = &self.config;
        let (train, offset) = (config.num_train_timesteps, config.steps_offset);
        self.timesteps = spaced_timesteps(config.timestep_spacing, train, num_inference_steps, offset)?;
        Ok(())
    }

    fn needs_noise(&self, timestep: usize) -> bool {
        timestep > 0
    }

    fn variance(&self, timestep: usize) -> Result<f32> {
        let variance_type = self.config.variance_type;
        self.transition(timestep)?
            .variance(variance_type)
            .ok_or(Error::VarianceIsLearned { variance_type })
    }

    fn posterior_variance(&self, timestep: usize) -> Result<f32> {
        Ok(self.transition(timestep)?.posterior_variance())
    }

    fn step_into(
        &self,
        model_output: ArrayViewD<'_, f32>,
        timestep: usize,
        sample: ArrayViewD<'_, f32>,
        noise: Option<ArrayViewD<'_, f32>>,
        prev_sample: ArrayViewMutD<'_, f32>,
    ) -> Result<()> {
        self.denoise(model_output, timestep, sample, noise, prev_sample, None)
    }

    fn step(
        &self,
        model_output: ArrayViewD<'_, f32>,
        timestep: usize,
        sample: ArrayViewD<'_, f32>,
        noise: Option<ArrayViewD<'_, f32>>,
    ) -> Result<SchedulerOutput> {
        let mut prev_sample = ArrayD::zeros(sample.raw_dim());
        let mut pred_original_sample = prev_sample.clone();
        let outputs = (prev_sample.view_mut(), pred_original_sample.view_mut());
        self.denoise(model_output, timestep, sample, noise, outputs.0, Some(outputs.1))?;
        Ok(SchedulerOutput::new(prev_sample, pred_original_sample))
    }
}

/// Checks that every transition is defined: betas in range, some noise from the first timestep on, and some signal up to the
/// last but one.
fn check_schedule(betas: &[f32], alphas_cumprod: &[f32]) -> Result<()> {
    let last = betas.len().saturating_sub(1);
    for (timestep, (&beta, &product)) in betas.iter().zip(alphas_cumprod).enumerate() {
        let in_range = (0.0..1.0).contains(&beta) || (beta == 1.0 && timestep == last);
        if !in_range {
            return Err(Error::BetaOutOfRange { timestep, value: beta });
        }
        if product >= 1.0 || (product == 0.0 && timestep != last) {
            return Err(Error::DegenerateSchedule {
                timestep,
                value: product,
            });
        }
    }
    Ok(())
}
