//! `scheduler_config.json` of Euler's method, keys and defaults of diffusers 0.42.1 `EulerDiscreteScheduler.__init__`.

use crate::config::{check, scheduler_config};
use crate::schedule::ScheduleOptions;
use crate::sigmas::Spread;
use crate::{BetaSchedule, FinalSigmasType, InterpolationType, PredictionType, Result, TimestepSpacing, TimestepType};

scheduler_config! {
    /// The options of an [`EulerDiscreteScheduler`](crate::EulerDiscreteScheduler), with the defaults of diffusers. All that is said of
    /// [`DdpmConfig`](crate::DdpmConfig) holds.
    EulerDiscreteConfig of "EulerDiscreteScheduler" {
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
        /// How levels lie between those of the training timesteps.
        interpolation_type: InterpolationType = InterpolationType::Linear,
        /// Whether levels are spread evenly in their seventh root (arXiv:2206.00364).
        use_karras_sigmas: bool = false,
        /// Whether levels are spread evenly in their logarithm.
        use_exponential_sigmas: bool = false,
        /// Whether levels are spread by a beta distribution: not supported.
        use_beta_sigmas: bool = false,
        /// The smallest level of those that are spread, above 0; that of the last timestep if not given.
        sigma_min: Option<f64> = None,
        /// The largest level of those that are spread, above 0; that of the first timestep if not given.
        sigma_max: Option<f64> = None,
        /// Which timesteps are visited.
        timestep_spacing: TimestepSpacing = TimestepSpacing::Linspace,
        /// What the model is told of a level.
        timestep_type: TimestepType = TimestepType::Discrete,
        /// Added to the timesteps of [`TimestepSpacing::Leading`].
        steps_offset: usize = 0,
        /// Whether betas are rescaled so that the last timestep is noise, but for 2⁻²⁴ of signal (arXiv:2305.08891).
        rescale_betas_zero_snr: bool = false,
        /// At which level the last step ends.
        final_sigmas_type: FinalSigmasType = FinalSigmasType::Zero,
    }
}

impl EulerDiscreteConfig {
    /// Checks every value on its own, and the length of `trained_betas`.
    ///
    /// # Errors
    /// [`Error::UnsupportedValue`](crate::Error::UnsupportedValue), [`Error::TrainedBetasLength`](crate::Error::TrainedBetasLength).
    pub fn validate(&self) -> Result<()> {
        self.schedule().validate()?;
        for (key, value) in [("sigma_min", self.sigma_min), ("sigma_max", self.sigma_max)] {
            value.map_or(Ok(()), |value| check::positive(key, value))?;
        }
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
            rescale_betas_zero_snr: self.rescale_betas_zero_snr,
            prediction_type: self.prediction_type,
        }
    }
}
