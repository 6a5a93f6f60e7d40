//! `scheduler_config.json` of Euler's ancestral method, keys and defaults of diffusers 0.42.1 `EulerAncestralDiscreteScheduler.__init__`.

use crate::config::scheduler_config;
use crate::schedule::ScheduleOptions;
use crate::{BetaSchedule, PredictionType, Result, TimestepSpacing};

scheduler_config! {
    /// The options of an [`EulerAncestralDiscreteScheduler`](crate::EulerAncestralDiscreteScheduler), with the defaults of diffusers. All that is said of
    /// [`DdpmConfig`](crate::DdpmConfig) holds.
    EulerAncestralDiscreteConfig of "EulerAncestralDiscreteScheduler" {
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
        /// What the model predicts.
        prediction_type: PredictionType = PredictionType::Epsilon,
        /// Which timesteps are visited.
        timestep_spacing: TimestepSpacing = TimestepSpacing::Linspace,
        /// Added to the timesteps of [`TimestepSpacing::Leading`].
        steps_offset: usize = 0,
        /// Whether betas are rescaled so that the last timestep is noise, but for 2⁻²⁴ of signal (arXiv:2305.08891).
        rescale_betas_zero_snr: bool = false,
    }
}

impl EulerAncestralDiscreteConfig {
    /// Checks every value on its own, and the length of `trained_betas`.
    ///
    /// # Errors
    /// [`Error::UnsupportedValue`](crate::Error::UnsupportedValue), [`Error::TrainedBetasLength`](crate::Error::TrainedBetasLength).
    pub fn validate(&self) -> Result<()> {
        self.schedule().validate()
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
