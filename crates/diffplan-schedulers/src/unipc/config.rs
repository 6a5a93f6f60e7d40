//! `scheduler_config.json` of UniPC, keys and defaults of diffusers 0.42.1 `UniPCMultistepScheduler.__init__`.

use crate::config::{check, scheduler_config};
use crate::schedule::ScheduleOptions;
use crate::sigmas::Spread;
use crate::{
    Absent, BetaSchedule, FinalSigmasType, PredictionType, Result, TimeShiftType, TimestepSpacing, UniPcSolverType,
};

scheduler_config! {
    /// The options of a [`UniPcMultistepScheduler`](crate::UniPcMultistepScheduler), with the defaults of diffusers. All that is said of
    /// [`DdpmConfig`](crate::DdpmConfig) holds.
    UniPcMultistepConfig of "UniPCMultistepScheduler" {
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
        /// Order of the steps, 1 to 6.
        solver_order: usize = 2,
        /// What the model predicts.
        prediction_type: PredictionType = PredictionType::Epsilon,
        /// Whether the predicted original sample is thresholded dynamically (arXiv:2205.11487).
        thresholding: bool = false,
        /// The quantile of the absolute values that becomes the threshold, in 0..=1.
        dynamic_thresholding_ratio: f64 = 0.995,
        /// The largest threshold.
        sample_max_value: f64 = 1.0,
        /// Whether the sample that is predicted is integrated, not the noise.
        predict_x0: bool = true,
        /// The B(h) of the method.
        solver_type: UniPcSolverType = UniPcSolverType::Bh2,
        /// Whether the last steps are of lower order.
        lower_order_final: bool = true,
        /// Visits after whose step the sample is not corrected.
        disable_corrector: Vec<usize> = Vec::new(),
        /// Another scheduler to predict with: not supported.
        solver_p: Absent = Absent,
        /// Whether levels are spread evenly in their seventh root (arXiv:2206.00364).
        use_karras_sigmas: bool = false,
        /// Whether levels are spread evenly in their logarithm.
        use_exponential_sigmas: bool = false,
        /// Whether levels are spread by a beta distribution: not supported.
        use_beta_sigmas: bool = false,
        /// Whether levels are those of flow matching: not supported.
        use_flow_sigmas: bool = false,
        /// Shift of the timesteps of flow matching; means nothing without it.
        flow_shift: f64 = 1.0,
        /// Which timesteps are visited.
        timestep_spacing: TimestepSpacing = TimestepSpacing::Linspace,
        /// Added to the timesteps of [`TimestepSpacing::Leading`].
        steps_offset: usize = 0,
        /// At which level the last step ends.
        final_sigmas_type: FinalSigmasType = FinalSigmasType::Zero,
        /// Whether betas are rescaled so that the last timestep is noise, but for 2⁻²⁴ of signal (arXiv:2305.08891).
        rescale_betas_zero_snr: bool = false,
        /// Whether the timesteps of flow matching are shifted: not supported.
        use_dynamic_shifting: bool = false,
        /// How they would be; means nothing without.
        time_shift_type: TimeShiftType = TimeShiftType::Exponential,
        /// The smallest level of those that are spread, above 0; that of the last timestep if not given.
        sigma_min: Option<f64> = None,
        /// The largest level of those that are spread, above 0; that of the first timestep if not given.
        sigma_max: Option<f64> = None,
        /// Where the timesteps of flow matching end: not supported.
        shift_terminal: Option<f64> = None,
    }
}

impl UniPcMultistepConfig {
    /// Checks every value on its own, and the length of `trained_betas`.
    ///
    /// # Errors
    /// [`Error::UnsupportedValue`](crate::Error::UnsupportedValue), [`Error::TrainedBetasLength`](crate::Error::TrainedBetasLength).
    pub fn validate(&self) -> Result<()> {
        self.schedule().validate()?;
        let order = self.solver_order;
        check::that(
            (1..=6).contains(&order),
            "solver_order",
            order.to_string(),
            "an integer in 1..=6",
        )?;
        check::that(
            self.shift_terminal.is_none(),
            "shift_terminal",
            format!("{:?}", self.shift_terminal.unwrap_or_default()),
            "null: it is of flow matching, which is not supported",
        )?;
        for (key, value) in [("sigma_min", self.sigma_min), ("sigma_max", self.sigma_max)] {
            value.map_or(Ok(()), |value| check::positive(key, value))?;
        }
        check::off("use_beta_sigmas", self.use_beta_sigmas)?;
        check::off("use_flow_sigmas", self.use_flow_sigmas)?;
        check::off("use_dynamic_shifting", self.use_dynamic_shifting)?;
        check::at_most_one(&[
            ("use_karras_sigmas", self.use_karras_sigmas),
            ("use_exponential_sigmas", self.use_exponential_sigmas),
        ])?;
        check::unit("dynamic_thresholding_ratio", self.dynamic_thresholding_ratio)?;
        check::positive("sample_max_value", self.sample_max_value)
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
