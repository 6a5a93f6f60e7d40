//! The scheduler of a run: the cosine schedule of the original, or the betas that a state holds where they are others.
//!
//! A state holds twelve buffers, all of them functions of the betas. They are checked against the schedule that is written, so that
//! leaving them out loses nothing.

use super::state::{BUFFERS, State};
use crate::error::{Error, Result};
use diffplan_schedulers::{BetaSchedule, DdpmConfig, DdpmScheduler, PredictionType, Scheduler, VarianceType};

/// Rounding: the original computes the buffers in float32, so that 1 - a product of alphas is off by a rounding of 1.
const ROUNDING: f64 = 4e-7;
/// Everything else, with room.
const TOLERANCE: f64 = 1e-4;

/// What a scheduler has to know beside the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Prediction {
    /// Whether the network predicts noise rather than the trajectory.
    pub epsilon: bool,
    /// Whether the trajectory that it predicts is clipped to [-1, 1].
    pub clip: bool,
}

/// The scheduler of a state, and whether its betas are the cosine schedule's.
///
/// # Errors
/// If the state has no betas, or its buffers do not fit each other.
pub(super) fn scheduler(state: &State, prediction: Prediction) -> Result<(DdpmScheduler, bool)> {
    let wrong = |what: String| Error::source(&state.path, what);
    let numbers = |name: &str| -> Result<Vec<f64>> {
        let tensor = state.buffers.get(name);
        let numbers = tensor.and_then(|tensor| match tensor.shape() {
            [_] => tensor.to_f64(),
            _ => None,
        });
        numbers.filter(|numbers| !numbers.is_empty()).ok_or_else(|| {
            let found = tensor.map_or("is not there".to_owned(), |tensor| format!("is {tensor:?}"));
            wrong(format!(
                "`{name}` {found}, expected one number a timestep: the schedule that it was trained with"
            ))
        })
    };
    let betas = numbers("betas")?;
    let config = DdpmConfig {
        num_train_timesteps: betas.len(),
        beta_schedule: BetaSchedule::SquaredcosCapV2,
        variance_type: VarianceType::FixedSmallLog,
        clip_sample: prediction.clip,
        prediction_type: if prediction.epsilon {
            PredictionType::Epsilon
        } else {
            PredictionType::Sample
        },
        ..DdpmConfig::default()
    };
    let cosine = DdpmScheduler::new(config.clone())?;
    let near = |own: &f64, other: f64| (own - other).abs() <= 1e-6 * other.abs().max(1e-3);
    let same = cosine.schedule().betas().iter().zip(&betas);
    let is_cosine = same.into_iter().all(|(&own, beta)| near(beta, f64::from(own)));
    let scheduler = match is_cosine {
        true => cosine,
        false => DdpmScheduler::new(DdpmConfig {
            trained_betas: Some(betas.clone()),
            ..config
        })
        .map_err(|error| wrong(format!("`betas`: {error}")))?,
    };
    check(state, &betas, &numbers)?;
    Ok((scheduler, is_cosine))
}

/// That every buffer there is is what the betas make of it.
fn check(state: &State, betas: &[f64], numbers: &dyn Fn(&str) -> Result<Vec<f64>>) -> Result<()> {
    let mut product = 1.0;
    let (mut bars, mut before) = (Vec::new(), Vec::new());
    for beta in betas {
        before.push(product);
        product *= 1.0 - beta;
        bars.push(product);
    }
    for name in BUFFERS {
        if !state.buffers.contains_key(name) {
            continue;
        }
        let own = numbers(name)?;
        if own.len() != betas.len() {
            let what = format!("`{name}` has {} timesteps, `betas` {}", own.len(), betas.len());
            return Err(Error::source(&state.path, what));
        }
        for (t, &own) in own.iter().enumerate() {
            let (beta, bar, prev) = (betas[t], bars[t], before[t]);
            let variance = beta * (1.0 - prev) / (1.0 - bar);
            let expected = match name {
                "betas" => beta,
                "alphas_cumprod" => bar,
                "alphas_cumprod_prev" => prev,
                "sqrt_alphas_cumprod" => bar.sqrt(),
                "sqrt_one_minus_alphas_cumprod" => (1.0 - bar).sqrt(),
                "log_one_minus_alphas_cumprod" => (1.0 - bar).ln(),
                "sqrt_recip_alphas_cumprod" => (1.0 / bar).sqrt(),
                "sqrt_recipm1_alphas_cumprod" => (1.0 / bar - 1.0).sqrt(),
                "posterior_variance" => variance,
                "posterior_log_variance_clipped" => variance.max(1e-20).ln(),
                "posterior_mean_coef1" => beta * prev.sqrt() / (1.0 - bar),
                _ => (1.0 - prev) * (1.0 - beta).sqrt() / (1.0 - bar),
            };
            let lost = |share: f64| if share > 0.0 { ROUNDING / share } else { 0.0 };
            let tolerance = TOLERANCE + lost(1.0 - bar) + lost(1.0 - prev) + lost(bar);
            let near = (own - expected).abs() <= tolerance * expected.abs().max(1e-3);
            // NaN is near to nothing.
            if !near {
                let what = format!(
                    "`{name}` is {own} at timestep {t}, but {expected} follows from `betas`: the file is damaged"
                );
                return Err(Error::source(&state.path, what));
            }
        }
    }
    Ok(())
}
