//! [`NoiseSchedule`]: the forward process, which is all that training needs to know of a scheduler.

pub(crate) mod betas;
mod forward;

use ndarray::{ArrayD, ArrayViewD, ArrayViewMutD};

use crate::config::check;
use crate::{BetaSchedule, Error, PredictionType, Result};

/// Far above any schedule in use; keeps a broken file from asking for all memory.
const MAX_TRAIN_TIMESTEPS: usize = 1_000_000;

/// How much noise there is at each timestep, and what a model predicts of it.
#[derive(Clone, Debug, PartialEq)]
pub struct NoiseSchedule {
    betas: Vec<f32>,
    alphas_cumprod: Vec<f32>,
    prediction_type: PredictionType,
}

/// The options of every scheduler's file that say what its schedule is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ScheduleOptions<'a> {
    pub(crate) num_train_timesteps: usize,
    pub(crate) beta_start: f64,
    pub(crate) beta_end: f64,
    pub(crate) beta_schedule: BetaSchedule,
    pub(crate) trained_betas: Option<&'a [f64]>,
    pub(crate) rescale_betas_zero_snr: bool,
    pub(crate) prediction_type: PredictionType,
}

impl ScheduleOptions<'_> {
    /// Checks every value on its own, and the length of `trained_betas`.
    pub(crate) fn validate(&self) -> Result<()> {
        let train = self.num_train_timesteps;
        check::that(
            (1..=MAX_TRAIN_TIMESTEPS).contains(&train),
            "num_train_timesteps",
            train.to_string(),
            "an integer in 1..=1000000",
        )?;
        check::unit("beta_start", self.beta_start)?;
        check::unit("beta_end", self.beta_end)?;
        if let Some(betas) = self.trained_betas {
            for &beta in betas {
                check::unit("trained_betas", beta)?;
            }
            if betas.len() != train {
                return Err(Error::TrainedBetasLength {
                    actual: betas.len(),
                    expected: train,
                });
            }
        }
        Ok(())
    }

    /// The schedule.
    ///
    /// # Errors
    /// What [`ScheduleOptions::validate`] gives; [`Error::BetaOutOfRange`] and [`Error::DegenerateSchedule`].
    pub(crate) fn build(&self) -> Result<NoiseSchedule> {
        self.validate()?;
        let mut betas = match self.trained_betas {
            Some(betas) => betas.iter().map(|&beta| beta as f32).collect(),
            None => betas::betas(
                self.beta_schedule,
                self.beta_start,
                self.beta_end,
                self.num_train_timesteps,
            ),
        };
        if self.rescale_betas_zero_snr {
            betas = betas::rescale_zero_terminal_snr(&betas);
        }
        NoiseSchedule::new(betas, self.prediction_type)
    }
}

impl NoiseSchedule {
    /// A schedule from its betas, the noise variances of the forward process. Shape: `(num_train_timesteps,)`.
    ///
    /// # Errors
    /// [`Error::BetaOutOfRange`] and [`Error::DegenerateSchedule`] for betas with which a step would divide by zero.
    pub fn new(betas: Vec<f32>, prediction_type: PredictionType) -> Result<Self> {
        let alphas_cumprod = betas::alphas_cumprod(&betas);
        check_schedule(&betas, &alphas_cumprod)?;
        Ok(Self {
            betas,
            alphas_cumprod,
            prediction_type,
        })
    }

    /// With this share of signal at the last timestep where there is none.
    pub(crate) fn with_some_signal(mut self, share: f32) -> Self {
        if let Some(last) = self.alphas_cumprod.last_mut().filter(|last| **last == 0.0) {
            *last = share;
        }
        self
    }

    /// The noise variances of the forward process. Shape: `(num_train_timesteps,)`.
    pub fn betas(&self) -> &[f32] {
        &self.betas
    }

    /// The running product of `1 - beta`, the share of signal in the variance. Shape: `(num_train_timesteps,)`.
    pub fn alphas_cumprod(&self) -> &[f32] {
        &self.alphas_cumprod
    }

    /// How many timesteps there are.
    pub fn num_train_timesteps(&self) -> usize {
        self.betas.len()
    }

    /// What the model predicts.
    pub fn prediction_type(&self) -> PredictionType {
        self.prediction_type
    }

    /// Noises samples: `sqrt(a) original + sqrt(1 - a) noise` with `a = alphas_cumprod[t]`.
    ///
    /// Shapes: `(batch, ...)`, all three the same; `timesteps` one for all, or one a sample.
    ///
    /// # Errors
    /// Other shapes, and timesteps out of the schedule.
    pub fn add_noise_into(
        &self,
        original: ArrayViewD<'_, f32>,
        noise: ArrayViewD<'_, f32>,
        timesteps: &[usize],
        noisy: ArrayViewMutD<'_, f32>,
    ) -> Result<()> {
        forward::add_noise_into(&self.alphas_cumprod, original, noise, timesteps, noisy)
    }

    /// As [`NoiseSchedule::add_noise_into`], into a new array.
    ///
    /// # Errors
    /// As there.
    pub fn add_noise(
        &self,
        original: ArrayViewD<'_, f32>,
        noise: ArrayViewD<'_, f32>,
        timesteps: &[usize],
    ) -> Result<ArrayD<f32>> {
        let mut noisy = ArrayD::zeros(original.raw_dim());
        self.add_noise_into(original, noise, timesteps, noisy.view_mut())?;
        Ok(noisy)
    }

    /// The velocity that [`PredictionType::VPrediction`] stands for: `sqrt(a) noise - sqrt(1 - a) sample`. Shapes as for
    /// [`NoiseSchedule::add_noise_into`].
    ///
    /// # Errors
    /// As there.
    pub fn get_velocity_into(
        &self,
        sample: ArrayViewD<'_, f32>,
        noise: ArrayViewD<'_, f32>,
        timesteps: &[usize],
        velocity: ArrayViewMutD<'_, f32>,
    ) -> Result<()> {
        forward::get_velocity_into(&self.alphas_cumprod, sample, noise, timesteps, velocity)
    }

    /// As [`NoiseSchedule::get_velocity_into`], into a new array.
    ///
    /// # Errors
    /// As there.
    pub fn get_velocity(
        &self,
        sample: ArrayViewD<'_, f32>,
        noise: ArrayViewD<'_, f32>,
        timesteps: &[usize],
    ) -> Result<ArrayD<f32>> {
        let mut velocity = ArrayD::zeros(sample.raw_dim());
        self.get_velocity_into(sample, noise, timesteps, velocity.view_mut())?;
        Ok(velocity)
    }

    /// That no step from these timesteps divides by a signal that is not there.
    ///
    /// # Errors
    /// [`Error::NoSignal`].
    pub(crate) fn check_signal(&self, timesteps: &[usize]) -> Result<()> {
        let lost = timesteps.iter().find(|&&t| self.alphas_cumprod[t] == 0.0);
        match (self.prediction_type, lost) {
            (PredictionType::Epsilon, Some(&timestep)) => Err(Error::NoSignal { timestep }),
            _ => Ok(()),
        }
    }
}

/// Checks that every transition is defined: betas in range, some noise from the first timestep on, and some signal up to the
/// last but one.
fn check_schedule(betas: &[f32], alphas_cumprod: &[f32]) -> Result<()> {
    let last = betas.len().saturating_sub(1);
    for (timestep, (&beta, &product)) in betas.iter().zip(alphas_cumprod).enumerate() {
        let in_range = (0.0..1.0).contains(&beta) || (beta == 1.0 && timestep == last);
        if !in_range {
            return Err(Error::BetaOutOfRange { timestep, value: beta });
        }
        if product >= 1.0 || (product == 0.0 && timestep != last) {
            return Err(Error::DegenerateSchedule {
                timestep,
                value: product,
            });
        }
    }
    Ok(())
}
