//! The coefficients between a timestep and the one before it, from `a = alphas_cumprod[t]` and `p` at the previous timestep
//! (1 before the first), each operation rounded to float32 in the reference's order. Roots, logarithms and exponentials are
//! rounded correctly or nearly so; PyTorch takes them from MKL, and may be one unit in the last place away.
//!
//! ```text
//! beta  = 1 - a / p
//! mean  = sqrt(p) beta / (1 - a) x_0  +  sqrt(a / p) (1 - p) / (1 - a) x_t        Ho et al. 2020, equation 7
//! var   = (1 - p) / (1 - a) beta
//! ```

use crate::VarianceType;

/// From one timestep to the previous.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Transition {
    alpha_prod: f32,
    alpha_prod_prev: f32,
}

/// How a step scales its noise.
#[derive(Clone, Copy, Debug)]
pub(crate) enum NoiseScale {
    /// By one standard deviation.
    Std(f32),
    /// By the square root of the predicted variance.
    PredictedVariance,
    /// By the exponential of half a mixture of two logarithms, the predicted value from -1 to 1 mixing them.
    PredictedMixture { min_log: f32, max_log: f32 },
}

impl Transition {
    pub(crate) fn new(alpha_prod: f32, alpha_prod_prev: f32) -> Self {
        Self {
            alpha_prod,
            alpha_prod_prev,
        }
    }

    pub(crate) fn sqrt_alpha_prod(self) -> f32 {
        self.alpha_prod.sqrt()
    }

    pub(crate) fn sqrt_beta_prod(self) -> f32 {
        self.beta_prod().sqrt()
    }

    fn beta_prod(self) -> f32 {
        1.0 - self.alpha_prod
    }

    fn beta_prod_prev(self) -> f32 {
        1.0 - self.alpha_prod_prev
    }

    fn current_alpha(self) -> f32 {
        self.alpha_prod / self.alpha_prod_prev
    }

    fn current_beta(self) -> f32 {
        1.0 - self.current_alpha()
    }

    /// Weight of the predicted original sample in the mean.
    pub(crate) fn pred_original_sample_coeff(self) -> f32 {
        self.alpha_prod_prev.sqrt() * self.current_beta() / self.beta_prod()
    }

    /// Weight of the current sample in the mean.
    pub(crate) fn current_sample_coeff(self) -> f32 {
        self.current_alpha().sqrt() * self.beta_prod_prev() / self.beta_prod()
    }

    /// Variance of the posterior, at least 1e-20.
    pub(crate) fn posterior_variance(self) -> f32 {
        (self.beta_prod_prev() / self.beta_prod() * self.current_beta()).max(1e-20)
    }

    /// The reference's `_get_variance`; `None` where it is learned.
    pub(crate) fn variance(self, variance_type: VarianceType) -> Option<f32> {
        match variance_type {
            VarianceType::FixedSmall => Some(self.posterior_variance()),
            VarianceType::FixedSmallLog => Some(exp(0.5 * ln(self.posterior_variance()))),
            VarianceType::FixedLarge => Some(self.current_beta()),
            VarianceType::FixedLargeLog => Some(ln(self.current_beta())),
            VarianceType::Learned | VarianceType::LearnedRange => None,
        }
    }

    /// How the step scales its noise.
    ///
    /// The reference takes the square root of the logarithm that `fixed_large_log` stands for, which is NaN at every timestep.
    /// Here that logarithm is used as one.
    pub(crate) fn noise_scale(self, variance_type: VarianceType) -> NoiseScale {
        match variance_type {
            VarianceType::FixedSmall => NoiseScale::Std(self.posterior_variance().sqrt()),
            VarianceType::FixedSmallLog => NoiseScale::Std(exp(0.5 * ln(self.posterior_variance()))),
            VarianceType::FixedLarge => NoiseScale::Std(self.current_beta().sqrt()),
            VarianceType::FixedLargeLog => NoiseScale::Std(exp(0.5 * ln(self.current_beta()))),
            VarianceType::Learned => NoiseScale::PredictedVariance,
            VarianceType::LearnedRange => NoiseScale::PredictedMixture {
                min_log: ln(self.posterior_variance()),
                max_log: ln(self.current_beta()),
            },
        }
    }
}

/// The logarithm in float64, rounded once: nearly always the float32 nearest to the exact value, on every platform.
fn ln(x: f32) -> f32 {
    f64::from(x).ln() as f32
}

/// The exponential in float64, rounded once.
fn exp(x: f32) -> f32 {
    f64::from(x).exp() as f32
}
