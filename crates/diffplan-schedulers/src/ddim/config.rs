//! `scheduler_config.json` of a DDIM scheduler, keys and defaults of diffusers 0.42.1 `DDIMScheduler.__init__`.

use crate::config::{check, scheduler_config};
use crate::schedule::ScheduleOptions;
use crate::{BetaSchedule, PredictionType, Result, TimestepSpacing};

scheduler_config! {
    /// The options of a [`DdimScheduler`](crate::DdimScheduler), with the defaults of diffusers. All that is said of
    /// [`DdpmConfig`](crate::DdpmConfig) holds.
    DdimConfig of "DDIMScheduler" {
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
        /// Whether the predicted original sample is clipped; `thresholding` goes before it.
        clip_sample: bool = true,
        /// Whether the last step ends without any noise; otherwise at the noise of the first training timestep.
        set_alpha_to_one: bool = true,
        /// Added to the timesteps of [`TimestepSpacing::Leading`].
        steps_offset: usize = 0,
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
        /// Whether betas are rescaled so that the last timestep is noise alone (arXiv:2305.08891).
        rescale_betas_zero_snr: bool = false,
    }
}

impl DdimConfig {
    /// Checks every value on its own, and the length of `trained_betas`.
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
