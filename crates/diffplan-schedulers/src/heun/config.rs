//! `scheduler_config.json` of Heun's method, keys and defaults of diffusers 0.42.1 `HeunDiscreteScheduler.__init__`.

use crate::config::{check, scheduler_config};
use crate::schedule::ScheduleOptions;
use crate::sigmas::Spread;
use crate::{BetaSchedule, PredictionType, Result, TimestepSpacing};

scheduler_config! {
    /// The options of a [`HeunDiscreteScheduler`](crate::HeunDiscreteScheduler), with the defaults of diffusers. All that is said of
    /// [`DdpmConfig`](crate::DdpmConfig) holds.
    HeunDiscreteConfig of "HeunDiscreteScheduler" {
        /// Length of the beta schedule, 1 to 1 000 000.
        num_train_timesteps: usize = 1000,
        /// First beta, in 0..=1; not used by the squared cosine and Laplace schedules.
        beta_start: f64 = 0.00085,
        /// Last beta, in 0..=1; not used by the squared cosine and Laplace schedules.
        beta_end: f64 = 0.012,
        /// How beta grows.
        beta_schedule: BetaSchedule = BetaSchedule::Linear,
        /// The betas themselves, instead of a schedule. Shape: `(num_train_timesteps,)`.
        trained_betas: Option<Vec<f64>> = None,
        /// What the model predicts.
        prediction_type: PredictionType = PredictionType::Epsilon,
        /// Whether levels are spread evenly in their seventh root (arXiv:2206.00364).
        use_karras_sigmas: bool = false,
        /// Whether levels are spread evenly in their logarithm.
        use_exponential_sigmas: bool = false,
        /// Whether levels are spread by a beta distribution: not supported.
        use_beta_sigmas: bool = false,
        /// Whether the predicted original sample is clipped.
        clip_sample: bool = false,
        /// Clips to `-clip_sample_range..=clip_sample_range`.
        clip_sample_range: f64 = 1.0,
        /// Which timesteps are visited.
        timestep_spacing: TimestepSpacing = TimestepSpacing::Linspace,
        /// Added to the timesteps of [`TimestepSpacing::Leading`].
        steps_offset: usize = 0,
    }
}

impl HeunDiscreteConfig {
    /// Checks every value on its own, and the length of `trained_betas`.
    ///
    /// # Errors
    /// [`Error::UnsupportedValue`](crate::Error::UnsupportedValue), [`Error::TrainedBetasLength`](crate::Error::TrainedBetasLength).
    pub fn validate(&self) -> Result<()> {
        self.schedule().validate()?;
        check::positive("clip_sample_range", self.clip_sample_range)?;
        check::off("use_beta_sigmas", self.use_beta_sigmas)?;
        check::at_most_one(&[
            ("use_karras_sigmas", self.use_karras_sigmas),
            ("use_exponential_sigmas", self.use_exponential_sigmas),
        ])
    }

    /// How levels are spread.
    pub(super) fn spread(&self) -> Spread {
        Spread::new(self.use_karras_sigmas, self.use_exponential_sigmas, false)
    }

    pub(super) fn schedule(&self) -> ScheduleOptions<'_> {
        ScheduleOptions {
            num_train_timesteps: self.num_train_timesteps,
            beta_start: self.beta_start,
            beta_end: self.beta_end,
            beta_schedule: self.beta_schedule,
            trained_betas: self.trained_betas.as_deref(),
            rescale_betas_zero_snr: false,
            prediction_type: self.prediction_type,
        }
    }
}
