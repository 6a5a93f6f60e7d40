use std::fmt::Debug;

use ndarray::{ArrayD, ArrayViewD, ArrayViewMutD};

use crate::{Result, forward};

/// What one step of the reverse process gives.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SchedulerOutput {
    /// The sample at the previous timestep, the next input of the model. Shape: that of the sample.
    pub prev_sample: ArrayD<f32>,
    /// The sample without noise that the model output stands for, after clipping or thresholding. Same shape.
    pub pred_original_sample: ArrayD<f32>,
}

impl SchedulerOutput {
    /// Puts the two arrays together; both have the shape of the sample.
    pub fn new(prev_sample: ArrayD<f32>, pred_original_sample: ArrayD<f32>) -> Self {
        Self {
            prev_sample,
            pred_original_sample,
        }
    }
}

/// A noise schedule with a rule that takes a sample one timestep back.
///
/// Samples are float32 of shape `(batch, channels, ...)`: at least two axes, channels on axis 1; `(batch, channels,
/// horizon)` for diffplan's models, and `(batch, horizon, dims)` is just as good where no variance is learned. Views may have
/// any strides. Noise is an argument everywhere, drawn from a standard normal distribution by the caller.
///
/// The trait is usable as `dyn Scheduler`.
pub trait Scheduler: Debug + Send + Sync {
    /// A copy, so that each planner can choose timesteps of its own.
    fn clone_boxed(&self) -> Box<dyn Scheduler>;

    /// Length of the beta schedule; a timestep is below it.
    fn num_train_timesteps(&self) -> usize;

    /// The product of `1 - beta` up to each timestep. Shape: `(num_train_timesteps,)`.
    fn alphas_cumprod(&self) -> &[f32];

    /// The timesteps to visit, strictly descending: all of them until [`set_timesteps`](Self::set_timesteps).
    fn timesteps(&self) -> &[usize];

    /// Standard deviation of the initial sample.
    fn init_noise_sigma(&self) -> f32;

    /// Chooses `num_inference_steps` of the training timesteps.
    ///
    /// # Errors
    ///
    /// [`Error::NumInferenceSteps`](crate::Error::NumInferenceSteps) unless it is in `1..=num_train_timesteps`, and
    /// [`Error::TimestepOutOfRange`](crate::Error::TimestepOutOfRange) where an offset leads out of the schedule. The
    /// timesteps stay as they were.
    fn set_timesteps(&mut self, num_inference_steps: usize) -> Result<()>;

    /// Whether the step at `timestep` adds noise: whether one has to be drawn for it.
    fn needs_noise(&self, timestep: usize) -> bool;

    /// What the reference's `_get_variance(timestep)` gives, which scales the guidance of `ValueGuidedRLPipeline`.
    ///
    /// Despite its name this is not always a variance: it is a standard deviation for `fixed_small_log` and a logarithm for
    /// `fixed_large_log`.
    ///
    /// # Errors
    ///
    /// [`Error::VarianceIsLearned`](crate::Error::VarianceIsLearned) where there is none without a model output, and
    /// [`Error::TimestepNotSet`](crate::Error::TimestepNotSet).
    fn variance(&self, timestep: usize) -> Result<f32>;

    /// Variance of the sample at the previous timestep given the one at `timestep` and the original, at least 1e-20: the
    /// guidance weight of Diffuser (arXiv:2205.09991).
    ///
    /// # Errors
    ///
    /// [`Error::TimestepNotSet`](crate::Error::TimestepNotSet).
    fn posterior_variance(&self, timestep: usize) -> Result<f32>;

    /// One step of the reverse process, from `sample` at `timestep` to `prev_sample`, which is overwritten.
    ///
    /// Allocates nothing for arrays of up to four axes.
    ///
    /// # Shapes
    ///
    /// `sample`, `noise` and `prev_sample`: `(batch, channels, ...)`. `model_output`: the same, or twice the channels
    /// where the variance is learned. `noise` is read only where [`needs_noise`](Self::needs_noise) says so.
    ///
    /// # Errors
    ///
    /// [`Error::TimestepNotSet`](crate::Error::TimestepNotSet), [`Error::MissingNoise`](crate::Error::MissingNoise),
    /// [`Error::NoChannelAxis`](crate::Error::NoChannelAxis) and [`Error::ShapeMismatch`](crate::Error::ShapeMismatch);
    /// `prev_sample` is untouched then.
    fn step_into(
        &self,
        model_output: ArrayViewD<'_, f32>,
        timestep: usize,
        sample: ArrayViewD<'_, f32>,
        noise: Option<ArrayViewD<'_, f32>>,
        prev_sample: ArrayViewMutD<'_, f32>,
    ) -> Result<()>;

    /// As [`step_into`](Self::step_into), with new arrays for the result and the predicted original sample.
    ///
    /// # Errors
    ///
    /// Those of [`step_into`](Self::step_into).
    fn step(
        &self,
        model_output: ArrayViewD<'_, f32>,
        timestep: usize,
        sample: ArrayViewD<'_, f32>,
        noise: Option<ArrayViewD<'_, f32>>,
    ) -> Result<SchedulerOutput>;

    /// The forward process: `sqrt(alpha_bar) * original + sqrt(1 - alpha_bar) * noise`, written to `noisy`.
    ///
    /// # Shapes
    ///
    /// `original`, `noise` and `noisy`: `(batch, ...)`; `timesteps`: one for each sample, or one for all.
    ///
    /// # Errors
    ///
    /// [`Error::NoBatchAxis`](crate::Error::NoBatchAxis), [`Error::ShapeMismatch`](crate::Error::ShapeMismatch),
    /// [`Error::TimestepCount`](crate::Error::TimestepCount) and
    /// [`Error::TimestepOutOfRange`](crate::Error::TimestepOutOfRange); `noisy` is untouched then.
    fn add_noise_into(
        &self,
        original: ArrayViewD<'_, f32>,
        noise: ArrayViewD<'_, f32>,
        timesteps: &[usize],
        noisy: ArrayViewMutD<'_, f32>,
    ) -> Result<()> {
        forward::add_noise_into(self.alphas_cumprod(), original, noise, timesteps, noisy)
    }

    /// As [`add_noise_into`](Self::add_noise_into), with a new array for the result.
    ///
    /// # Errors
    ///
    /// Those of [`add_noise_into`](Self::add_noise_into).
    fn add_noise(
        &self,
        original: ArrayViewD<'_, f32>,
        noise: ArrayViewD<'_, f32>,
        timesteps: &[usize],
    ) -> Result<ArrayD<f32>> {
        let mut noisy = ArrayD::zeros(original.raw_dim());
        self.add_noise_into(original, noise, timesteps, noisy.view_mut())?;
        Ok(noisy)
    }

    /// The target of `v_prediction`: `sqrt(alpha_bar) * noise - sqrt(1 - alpha_bar) * sample`, with the shapes and errors
    /// of [`add_noise_into`](Self::add_noise_into).
    ///
    /// # Errors
    ///
    /// Those of [`add_noise_into`](Self::add_noise_into).
    fn get_velocity_into(
        &self,
        sample: ArrayViewD<'_, f32>,
        noise: ArrayViewD<'_, f32>,
        timesteps: &[usize],
        velocity: ArrayViewMutD<'_, f32>,
    ) -> Result<()> {
        forward::get_velocity_into(self.alphas_cumprod(), sample, noise, timesteps, velocity)
    }

    /// As [`get_velocity_into`](Self::get_velocity_into), with a new array for the result.
    ///
    /// # Errors
    ///
    /// Those of [`add_noise_into`](Self::add_noise_into).
    fn get_velocity(
        &self,
        sample: ArrayViewD<'_, f32>,
        noise: ArrayViewD<'_, f32>,
        timesteps: &[usize],
    ) -> Result<ArrayD<f32>> {
        let mut velocity = ArrayD::zeros(sample.raw_dim());
        self.get_velocity_into(sample, noise, timesteps, velocity.view_mut())?;
        Ok(velocity)
    }
}
