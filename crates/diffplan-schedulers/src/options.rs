//! The options that name one of a few choices, spelt as in diffusers' configuration files.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An enum whose variants have names in a configuration file.
pub(crate) trait Named: Sized + Copy + 'static {
    /// Every variant with its name.
    const NAMES: &'static [(&'static str, Self)];

    /// Other names that files have for them: what the classes of diffusers take for one of theirs.
    const ALIASES: &'static [(&'static str, Self)];

    /// This variant's name.
    fn name(self) -> &'static str;
}

macro_rules! named {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $text:literal $(| $alias:literal)*,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$doc])* #[serde(rename = $text $(, alias = $alias)*)] $variant,)+
        }

        impl $name {
            /// The name in a configuration file.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }

        impl Named for $name {
            const NAMES: &'static [(&'static str, Self)] = &[$(($text, Self::$variant),)+];
            const ALIASES: &'static [(&'static str, Self)] = &[$($(($alias, Self::$variant),)*)+];

            fn name(self) -> &'static str {
                self.as_str()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

named! {
    /// How `beta` grows over the training timesteps.
    BetaSchedule {
        /// Evenly spaced from `beta_start` to `beta_end` (Ho et al. 2020, arXiv:2006.11239).
        Linear = "linear",
        /// The squares of evenly spaced square roots (latent diffusion).
        ScaledLinear = "scaled_linear",
        /// From a squared-cosine product of alphas, capped at 0.999 (Nichol and Dhariwal 2021, arXiv:2102.09672).
        SquaredcosCapV2 = "squaredcos_cap_v2",
        /// From a log signal-to-noise ratio that follows a Laplace distribution (Hang et al. 2024, arXiv:2407.03297).
        Laplace = "laplace",
        /// A logistic curve from `beta_start` to `beta_end` (GeoDiff).
        Sigmoid = "sigmoid",
    }
}

named! {
    /// Which variance the noise of a step has.
    VarianceType {
        /// The posterior variance, clamped at 1e-20.
        FixedSmall = "fixed_small",
        /// As `FixedSmall`, with its square root taken in the log domain: Diffuser's choice (arXiv:2205.09991).
        FixedSmallLog = "fixed_small_log",
        /// The beta of the step.
        FixedLarge = "fixed_large",
        /// The logarithm of the beta of the step.
        FixedLargeLog = "fixed_large_log",
        /// The second half of the model output's channels.
        Learned = "learned",
        /// The second half of the model output's channels, in -1..=1, mixes the logarithms of posterior variance and beta
        /// (arXiv:2102.09672, equation 15).
        LearnedRange = "learned_range",
    }
}

impl VarianceType {
    /// Whether the model output has twice the channels of the sample, the second half for the variance.
    pub fn is_learned(self) -> bool {
        matches!(self, Self::Learned | Self::LearnedRange)
    }
}

named! {
    /// What the model predicts.
    PredictionType {
        /// The noise.
        Epsilon = "epsilon",
        /// The sample without noise.
        Sample = "sample",
        /// The velocity `sqrt(alpha_bar) * noise - sqrt(1 - alpha_bar) * sample` (arXiv:2202.00512).
        VPrediction = "v_prediction",
    }
}

named! {
    /// Which of the training timesteps are visited (arXiv:2305.08891, table 2).
    TimestepSpacing {
        /// Evenly spaced, from the last timestep to the first.
        Linspace = "linspace",
        /// Multiples of a whole number, from 0 (plus `steps_offset`).
        Leading = "leading",
        /// Evenly spaced, from the last timestep down.
        Trailing = "trailing",
    }
}

named! {
    /// Which integral DPM-Solver discretises, and whether it adds noise.
    AlgorithmType {
        /// Of the noise that is predicted (arXiv:2206.00927).
        DpmSolver = "dpmsolver",
        /// Of the sample that is predicted (arXiv:2211.01095).
        DpmSolverPlusPlus = "dpmsolver++" | "deis",
        /// As `DpmSolver`, of the stochastic equation.
        SdeDpmSolver = "sde-dpmsolver",
        /// As `DpmSolverPlusPlus`, of the stochastic equation.
        SdeDpmSolverPlusPlus = "sde-dpmsolver++",
    }
}

impl AlgorithmType {
    /// Whether a step takes noise.
    pub fn is_stochastic(self) -> bool {
        matches!(self, Self::SdeDpmSolver | Self::SdeDpmSolverPlusPlus)
    }

    /// Whether it works on the sample that is predicted, not on the noise.
    pub fn predicts_sample(self) -> bool {
        matches!(self, Self::DpmSolverPlusPlus | Self::SdeDpmSolverPlusPlus)
    }
}

named! {
    /// The second-order rule of DPM-Solver. The names of other classes' rules stand for `midpoint`, as in diffusers.
    SolverType {
        /// From the value in the middle of the step.
        Midpoint = "midpoint" | "logrho" | "bh1" | "bh2",
        /// From both ends of the step.
        Heun = "heun",
    }
}

named! {
    /// B(h) of UniPC (arXiv:2302.04867, section 3.2). The names of other classes' rules stand for `bh2`, as in diffusers.
    UniPcSolverType {
        /// h.
        Bh1 = "bh1",
        /// exp(h) - 1.
        Bh2 = "bh2" | "midpoint" | "heun" | "logrho",
    }
}

named! {
    /// At which noise level the last step ends.
    FinalSigmasType {
        /// At none.
        Zero = "zero",
        /// At that of the first training timestep.
        SigmaMin = "sigma_min",
    }
}

named! {
    /// How noise levels lie between those of the training timesteps.
    InterpolationType {
        /// By the timestep.
        Linear = "linear",
        /// Evenly in the logarithm, from the largest to the smallest.
        LogLinear = "log_linear",
    }
}

named! {
    /// What a model is told of the noise level.
    TimestepType {
        /// The training timestep.
        Discrete = "discrete",
        /// A quarter of the level's logarithm, where the prediction is the velocity.
        Continuous = "continuous",
    }
}

named! {
    /// How timesteps are shifted for flow matching, which none of the classes here does.
    TimeShiftType {
        /// By an exponential.
        Exponential = "exponential",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_names<T: Named + fmt::Display + PartialEq + fmt::Debug + for<'a> Deserialize<'a> + Serialize>() {
        for &(name, value) in T::NAMES {
            assert_eq!(value.to_string(), name);
            assert_eq!(serde_json::to_string(&value).unwrap(), format!("\"{name}\""));
            assert_eq!(serde_json::from_str::<T>(&format!("\"{name}\"")).unwrap(), value);
        }
        for &(name, value) in T::ALIASES {
            assert_eq!(serde_json::from_str::<T>(&format!("\"{name}\"")).unwrap(), value);
        }
    }

    #[test]
    fn names_agree_between_display_and_serde() {
        check_names::<BetaSchedule>();
        check_names::<VarianceType>();
        check_names::<PredictionType>();
        check_names::<TimestepSpacing>();
        check_names::<AlgorithmType>();
        check_names::<SolverType>();
        check_names::<UniPcSolverType>();
        check_names::<FinalSigmasType>();
        check_names::<InterpolationType>();
        check_names::<TimestepType>();
        check_names::<TimeShiftType>();
    }
}
