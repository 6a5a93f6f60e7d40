//! `scheduler_config.json` of a multistep DPM-Solver, keys and defaults of diffusers 0.42.1 `DPMSolverMultistepScheduler.__init__`.

use serde_json::{Map, Value};

use crate::config::{check, scheduler_config};
use crate::schedule::ScheduleOptions;
use crate::{
    BetaSchedule, DpmAlgorithm, FinalSigmas, PredictionType, Result, SolverType, TimeShift, TimestepSpacing,
    VarianceType,
};

scheduler_config! {
    /// The options of a [`DpmSolverMultistepScheduler`](crate::DpmSolverMultistepScheduler), with the defaults of diffusers. All that is
    /// said of [`DdpmConfig`](crate::DdpmConfig) holds. Those of flow matching and beta sigmas have their defaults alone.
    DpmSolverMultistepConfig of "DPMSolverMultistepScheduler" {
        /// Length of the beta schedule, 1 to 1 000 000.
        num_train_timesteps: usize = 1000,
        /// First beta, in 0..=1; not used by the squared cosine schedule.
        beta_start: f64 = 0.0001,
        /// Last beta, in 0..=1; not used by the squared cosine schedule.
        beta_end: f64 = 0.02,
        /// How beta grows: linear, scaled_linear or squaredcos_cap_v2.
        beta_schedule: BetaSchedule = BetaSchedule::Linear,
        /// The betas themselves, instead of a schedule. Shape: `(num_train_timesteps,)`.
        trained_betas: Option<Vec<f64>> = None,
        /// How many predictions a step is made of, 1 to 3; fewer at the beginning, and as `lower_order_final` says at the end.
        solver_order: usize = 2,
        /// What the model predicts.
        prediction_type: PredictionType = PredictionType::Epsilon,
        /// Whether the predicted original sample is thresholded dynamically (arXiv:2205.11487).
        thresholding: bool = false,
        /// The quantile of the absolute values that becomes the threshold, in 0..=1.
        dynamic_thresholding_ratio: f64 = 0.995,
        /// The largest threshold.
        sample_max_value: f64 = 1.0,
        /// Which equation is solved, and of which prediction.
        algorithm_type: DpmAlgorithm = DpmAlgorithm::DpmSolverPlusPlus,
        /// How a step of second order is put together.
        solver_type: SolverType = SolverType::Midpoint,
        /// Whether the last steps of a run of fewer than 15 are of lower order.
        lower_order_final: bool = true,
        /// Whether the last step is of first order whatever the number of steps.
        euler_at_final: bool = false,
        /// Whether noise levels are spread as Karras et al. do (arXiv:2206.00364, equation 5).
        use_karras_sigmas: bool = false,
        /// Whether they are spread evenly by logarithm.
        use_exponential_sigmas: bool = false,
        /// Of a distribution that needs SciPy; false alone.
        use_beta_sigmas: bool = false,
        /// Whether they are spread evenly in λ (Lu et al. 2022, arXiv:2206.00927).
        use_lu_lambdas: bool = false,
        /// Of flow matching; false alone.
        use_flow_sigmas: bool = false,
        /// Of flow matching; without a meaning here.
        flow_shift: f64 = 1.0,
        /// Where the last step ends.
        final_sigmas_type: FinalSigmas = FinalSigmas::Zero,
        /// Timesteps with λ below this are not visited; the squared cosine schedule has such.
        lambda_min_clipped: f64 = f64::NEG_INFINITY,
        /// A learned variance is not supported; any other changes nothing.
        variance_type: Option<VarianceType> = None,
        /// Which timesteps are visited.
        timestep_spacing: TimestepSpacing = TimestepSpacing::Linspace,
        /// Added to the timesteps of [`TimestepSpacing::Leading`].
        steps_offset: usize = 0,
        /// Whether betas are rescaled so that the last timestep is noise alone (arXiv:2305.08891).
        rescale_betas_zero_snr: bool = false,
        /// Of flow matching; false alone.
        use_dynamic_shifting: bool = false,
        /// Of flow matching; without a meaning here.
        time_shift_type: TimeShift = TimeShift::Exponential,
    }
}

impl DpmSolverMultistepConfig {
    /// Checks every value on its own and with the others, and the length of `trained_betas`.
    ///
    /// # Errors
    /// [`Error::UnsupportedValue`](crate::Error::UnsupportedValue), [`Error::TrainedBetasLength`](crate::Error::TrainedBetasLength).
    pub fn validate(&self) -> Result<()> {
        self.schedule().validate()?;
        check::unit("dynamic_thresholding_ratio", self.dynamic_thresholding_ratio)?;
        check::positive("sample_max_value", self.sample_max_value)?;
        let order = self.solver_order;
        check::that((1..=3).contains(&order), "solver_order", order.to_string(), "1, 2 or 3")?;
        let betas = [
            BetaSchedule::Linear,
            BetaSchedule::ScaledLinear,
            BetaSchedule::SquaredcosCapV2,
        ];
        check::that(
            self.trained_betas.is_some() || betas.contains(&self.beta_schedule),
            "beta_schedule",
            self.beta_schedule.to_string(),
            "linear, scaled_linear or squaredcos_cap_v2, which diffusers has for this class",
        )?;
        for (key, value) in [
            ("use_beta_sigmas", self.use_beta_sigmas),
            ("use_flow_sigmas", self.use_flow_sigmas),
            ("use_dynamic_shifting", self.use_dynamic_shifting),
        ] {
            check::that(!value, key, "true".into(), "false: it is not supported")?;
        }
        let spread = [self.use_karras_sigmas, self.use_exponential_sigmas, self.use_lu_lambdas];
        check::that(
            spread.iter().filter(|&&spread| spread).count() <= 1,
            "use_karras_sigmas",
            self.use_karras_sigmas.to_string(),
            "one of use_karras_sigmas, use_exponential_sigmas and use_lu_lambdas",
        )?;
        check::that(
            !self.variance_type.is_some_and(VarianceType::is_learned),
            "variance_type",
            self.variance_type.map_or(String::new(), |kind| kind.to_string()),
            "null, or one that is not learned",
        )?;
        check::that(
            self.algorithm_type.predicts_original() || self.final_sigmas_type == FinalSigmas::SigmaMin,
            "final_sigmas_type",
            self.final_sigmas_type.to_string(),
            "sigma_min, since algorithm_type is of noise: only dpmsolver++ and sde-dpmsolver++ end without noise",
        )?;
        check::that(
            self.algorithm_type != DpmAlgorithm::SdeDpmSolver || order < 3,
            "solver_order",
            order.to_string(),
            "1 or 2, since algorithm_type is sde-dpmsolver, of which there is no third order",
        )?;
        check::that(
            !self.lambda_min_clipped.is_nan(),
            "lambda_min_clipped",
            "NaN".into(),
            "a number",
        )
    }

    /// The object of a file, with names of other solvers in place of which diffusers takes its own.
    pub(super) fn renamed(map: &Map<String, Value>) -> Map<String, Value> {
        let mut map = map.clone();
        for (key, others, own) in [
            ("algorithm_type", &["deis"][..], "dpmsolver++"),
            ("solver_type", &["logrho", "bh1", "bh2"], "midpoint"),
        ] {
            if let Some(value) = map.get_mut(key)
                && value.as_str().is_some_and(|value| others.contains(&value))
            {
                *value = own.into();
            }
        }
        map
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
