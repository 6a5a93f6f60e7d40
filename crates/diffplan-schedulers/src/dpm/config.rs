//! `scheduler_config.json` of DPM-Solver, keys and defaults of diffusers 0.42.1 `DPMSolverMultistepScheduler.__init__`.

use crate::config::{check, scheduler_config};
use crate::schedule::ScheduleOptions;
use crate::sigmas::Spread;
use crate::{
    AlgorithmType, BetaSchedule, FinalSigmasType, PredictionType, Result, SolverType, TimeShiftType, TimestepSpacing,
    VarianceType,
};

scheduler_config! {
    /// The options of a [`DpmSolverMultistepScheduler`](crate::DpmSolverMultistepScheduler), with the defaults of diffusers. All that is said of
    /// [`DdpmConfig`](crate::DdpmConfig) holds.
    DpmSolverMultistepConfig of "DPMSolverMultistepScheduler" {
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
        /// Order of the steps, 1 to 3.
        solver_order: usize = 2,
        /// What the model predicts.
        prediction_type: PredictionType = PredictionType::Epsilon,
        /// Whether the predicted original sample is thresholded dynamically (arXiv:2205.11487).
        thresholding: bool = false,
        /// The quantile of the absolute values that becomes the threshold, in 0..=1.
        dynamic_thresholding_ratio: f64 = 0.995,
        /// The largest threshold.
        sample_max_value: f64 = 1.0,
        /// What is integrated, and whether steps take noise.
        algorithm_type: AlgorithmType = AlgorithmType::DpmSolverPlusPlus,
        /// The rule of second order.
        solver_type: SolverType = SolverType::Midpoint,
        /// Whether the last steps are of lower order.
        lower_order_final: bool = true,
        /// Whether the last step is of first order.
        euler_at_final: bool = false,
        /// Whether levels are spread evenly in their seventh root (arXiv:2206.00364).
        use_karras_sigmas: bool = false,
        /// Whether levels are spread evenly in their logarithm.
        use_exponential_sigmas: bool = false,
        /// Whether levels are spread by a beta distribution: not supported.
        use_beta_sigmas: bool = false,
        /// Whether levels are spread evenly in half the logarithm of signal to noise (arXiv:2206.00927).
        use_lu_lambdas: bool = false,
        /// Whether levels are those of flow matching: not supported.
        use_flow_sigmas: bool = false,
        /// Shift of the timesteps of flow matching; means nothing without it.
        flow_shift: f64 = 1.0,
        /// At which level the last step ends.
        final_sigmas_type: FinalSigmasType = FinalSigmasType::Zero,
        /// Timesteps with less than this half logarithm of signal to noise are not visited.
        lambda_min_clipped: f64 = f64::NEG_INFINITY,
        /// Whether the model gives a variance too, which is passed over: `learned`, `learned_range`.
        variance_type: Option<VarianceType> = None,
        /// Which timesteps are visited.
        timestep_spacing: TimestepSpacing = TimestepSpacing::Linspace,
        /// Added to the timesteps of [`TimestepSpacing::Leading`].
        steps_offset: usize = 0,
        /// Whether betas are rescaled so that the last timestep is noise, but for 2⁻²⁴ of signal (arXiv:2305.08891).
        rescale_betas_zero_snr: bool = false,
        /// Whether the timesteps of flow matching are shifted: not supported.
        use_dynamic_shifting: bool = false,
        /// How they would be; means nothing without.
        time_shift_type: TimeShiftType = TimeShiftType::Exponential,
    }
}

impl DpmSolverMultistepConfig {
    /// Checks every value on its own, and the length of `trained_betas`.
    ///
    /// # Errors
    /// [`Error::UnsupportedValue`](crate::Error::UnsupportedValue), [`Error::TrainedBetasLength`](crate::Error::TrainedBetasLength).
    pub fn validate(&self) -> Result<()> {
        self.schedule().validate()?;
        let order = self.solver_order;
        check::that((1..=3).contains(&order), "solver_order", order.to_string(), "1, 2 or 3")?;
        check::that(
            !(order == 3 && self.algorithm_type == AlgorithmType::SdeDpmSolver),
            "solver_order",
            order.to_string(),
            "1 or 2 with algorithm_type sde-dpmsolver, or algorithm_type sde-dpmsolver++",
        )?;
        check::that(
            self.algorithm_type.predicts_sample() || self.final_sigmas_type == FinalSigmasType::SigmaMin,
            "final_sigmas_type",
            self.final_sigmas_type.to_string(),
            &format!(
                "sigma_min with algorithm_type {}, whose last step divides by the noise",
                self.algorithm_type
            ),
        )?;
        check::that(
            !self.lambda_min_clipped.is_nan(),
            "lambda_min_clipped",
            "NaN".to_owned(),
            "a number",
        )?;
        check::off("use_beta_sigmas", self.use_beta_sigmas)?;
        check::off("use_flow_sigmas", self.use_flow_sigmas)?;
        check::off("use_dynamic_shifting", self.use_dynamic_shifting)?;
        check::at_most_one(&[
            ("use_karras_sigmas", self.use_karras_sigmas),
            ("use_exponential_sigmas", self.use_exponential_sigmas),
            ("use_lu_lambdas", self.use_lu_lambdas),
        ])?;
        check::unit("dynamic_thresholding_ratio", self.dynamic_thresholding_ratio)?;
        check::positive("sample_max_value", self.sample_max_value)
    }

    /// How levels are spread.
    pub(super) fn spread(&self) -> Spread {
        Spread::new(self.use_karras_sigmas, self.use_exponential_sigmas, self.use_lu_lambdas)
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
