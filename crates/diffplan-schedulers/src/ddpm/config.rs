//! `scheduler_config.json` of a DDPM scheduler, keys and defaults of diffusers 0.42.1 `DDPMScheduler.__init__`.

use crate::config::{check, scheduler_config};
use crate::schedule::ScheduleOptions;
use crate::{BetaSchedule, PredictionType, Result, TimestepSpacing, VarianceType};

scheduler_config! {
    /// The options of a [`DdpmScheduler`](crate::DdpmScheduler), with the defaults of diffusers.
    ///
    /// Numbers are `f64`, as Python holds them; they are rounded to `f32` where the reference does. With serde it reads and writes
    /// the file's object. A missing key takes its default, keys that start with `_` are ignored. The legacy key `predict_epsilon`
    /// (diffusers before 0.13) is read as `prediction_type` `epsilon` (true) or `sample` (false), and may not contradict that key.
    DdpmConfig of "DDPMScheduler" {
        /// Length of the beta schedule, 1 to 1 000 000.
        num_train_timesteps: usize = 1000,
        /// First beta, in 0..=1; not used by the squared cosine and Laplace schedules.
        beta_start: f64 = 0.0001,
        /// Last beta, in 0..=1; not used by the squared cosine and Laplace schedules.
        beta_end: f64 = 0.02,
        /// How beta grows.
        beta_schedule: BetaSchedule = BetaSchedule::Linear,
        /// The betas themselves, instead of a schedule. Shape: `(num_train_timesteps,)`.
        trained_betas: Option<Vec<f64>> = None,
        /// Variance of the noise of a step.
        variance_type: VarianceType = VarianceType::FixedSmall,
        /// Whether the predicted original sample is clipped; `thresholding` goes before it.
        clip_sample: bool = true,
        /// What the model predicts.
        prediction_type: PredictionType = PredictionType::Epsilon,
        /// Whether the predicted original sample is thresholded dynamically (arXiv:2205.11487).
        thresholding: bool = false,
        /// The quantile of the absolute values that becomes the threshold, in 0..=1.
        dynamic_thresholding_ratio: f64 = 0.995,
        /// Clips to `-clip_sample_range..=clip_sample_range`.
        clip_sample_range: f64 = 1.0,
        /// The largest threshold.
        sample_max_value: f64 = 1.0,
        /// Which timesteps are visited.
        timestep_spacing: TimestepSpacing = TimestepSpacing::Leading,
        /// Added to the timesteps of [`TimestepSpacing::Leading`].
        steps_offset: usize = 0,
        /// Whether betas are rescaled so that the last timestep is noise alone (arXiv:2305.08891).
        rescale_betas_zero_snr: bool = false,
    }
}

impl DdpmConfig {
    /// Checks every value on its own, and the length of `trained_betas`.
    ///
    /// The betas that follow from the values are checked by [`DdpmScheduler::new`](crate::DdpmScheduler::new).
    ///
    /// # Errors
    /// [`Error::UnsupportedValue`](crate::Error::UnsupportedValue), [`Error::TrainedBetasLength`](crate::Error::TrainedBetasLength).
    pub fn validate(&self) -> Result<()> {
        self.schedule().validate()?;
        check::unit("dynamic_thresholding_ratio", self.dynamic_thresholding_ratio)?;
        check::positive("clip_sample_range", self.clip_sample_range)?;
        check::positive("sample_max_value", self.sample_max_value)
    }

    pub(super) fn schedule(&self) -> ScheduleOptions<'_> {
        ScheduleOptions {
            num_train_timesteps: self.num_train_timesteps,
            beta_start: self.beta_start,
            beta_end: self.beta_end,
            beta_schedule: self.beta_schedule,
            trained_betas: self.trained_betas.as_deref(),
            rescale_betas_zero_snr: self.rescale_betas_zero_snr,
            prediction_type: self.prediction_type,
        }
    }
}
