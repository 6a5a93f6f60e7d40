//! Denoising diffusion probabilistic models (Ho et al. 2020, arXiv:2006.11239): the twin of diffusers 0.42.1
//! `DDPMScheduler` (`schedulers/scheduling_ddpm.py`), in its float32 arithmetic and order of operations.
//!
//! A step goes from timestep `t` to the one visited next, `p`, or to the end from the last:
//!
//! ```text
//! x_0     = the original sample the model output stands for, thresholded or clipped
//! x_p     = mean(x_0, x_t) + std noise            the noise only where t > 0
//! ```
//!
//! It departs from the reference where that gives NaN, an index error or a step too many: [`DdpmScheduler`] lists where.

mod config;
mod step;
mod transition;

use std::sync::Arc;

pub use config::DdpmConfig;
pub(crate) use transition::Transition;

use crate::original::{Bounded, predict_original};
use crate::scheduler::scheduler;
use crate::shape::{check_step, split_model_output};
use crate::timesteps::{check_custom_timesteps, spaced_timesteps};
use crate::{Error, Prediction, Result, Sampler, SamplerStep, Steps, Timesteps, Visit};

scheduler! {
    /// The DDPM scheduler.
    ///
    /// Where the reference is odd:
    ///
    /// - With `fixed_large_log` the reference scales noise by the square root of a negative logarithm, NaN; here the noise has
    ///   variance beta, as the name says. [`Visit::variance`] is the reference's logarithm all the same.
    /// - With `rescale_betas_zero_snr` and `epsilon` the last training timestep divides by zero there; here a run that visits it is
    ///   refused.
    /// - [`TimestepSpacing::Trailing`](crate::TimestepSpacing::Trailing) never visits timestep -1.
    DdpmScheduler of DdpmConfig, |config| config.schedule().build()
}

impl DdpmScheduler {}

impl DdpmScheduler {
    /// A run: [`Scheduler::sampler`](crate::Scheduler::sampler).
    fn run(&self, steps: &Steps) -> Result<Box<dyn Sampler>> {
        let (config, train) = (&*self.config, self.config.num_train_timesteps);
        steps.check_plain(DdpmConfig::CLASS_NAME)?;
        let timesteps: Vec<usize> = match &steps.timesteps {
            Timesteps::All => (0..train).rev().collect(),
            Timesteps::Count(count) => spaced_timesteps(config.timestep_spacing, train, *count, config.steps_offset)?,
            Timesteps::Custom(timesteps) => {
                check_custom_timesteps(timesteps, train)?;
                timesteps.clone()
            }
        };
        self.schedule.check_signal(&timesteps)?;
        let alphas = self.schedule.alphas_cumprod();
        let transitions: Vec<Transition> = timesteps
            .iter()
            .enumerate()
            .map(|(i, &timestep)| {
                let previous = timesteps.get(i + 1);
                Transition::new(alphas[timestep], previous.map_or(1.0, |&previous| alphas[previous]))
            })
            .collect();
        let visits = timesteps.iter().zip(&transitions).map(|(&timestep, transition)| {
            let mut visit = Visit::new(timestep as f32, transition.posterior_variance());
            visit.draws_noise = timestep > 0;
            visit.variance = transition.variance(config.variance_type);
            visit
        });
        let threshold = config
            .thresholding
            .then_some((config.dynamic_thresholding_ratio, config.sample_max_value));
        Ok(Box::new(DdpmSampler {
            bounded: Bounded::new(config.clip_sample.then_some(config.clip_sample_range), threshold),
            config: Arc::clone(&self.config),
            visits: visits.collect(),
            transitions,
        }))
    }
}

/// A run of DDPM: nothing but what was computed for the visits beforehand.
#[derive(Debug)]
struct DdpmSampler {
    config: Arc<DdpmConfig>,
    bounded: Bounded,
    visits: Vec<Visit>,
    transitions: Vec<Transition>,
}

impl Sampler for DdpmSampler {
    fn visits(&self) -> &[Visit] {
        &self.visits
    }

    fn prediction(&self, visit: usize) -> Option<Prediction> {
        let transition = self.transitions.get(visit)?;
        // An output of twice the channels is not of the sample's shape.
        if self.config.variance_type.is_learned() {
            return None;
        }
        let roots = [transition.sqrt_alpha_prod(), transition.sqrt_beta_prod()];
        Prediction::new(self.config.prediction_type, roots, self.bounded)
    }

    fn step_into(&mut self, visit: usize, step: SamplerStep<'_>) -> Result<()> {
        let visits = self.visits.len();
        let (Some(&at), Some(&transition)) = (self.visits.get(visit), self.transitions.get(visit)) else {
            return Err(Error::NoSuchVisit { visit, visits });
        };
        let SamplerStep {
            model_output,
            sample,
            noise,
            mut prev_sample,
            pred_original,
        } = step;
        let variance_type = self.config.variance_type;
        let (model_output, predicted_variance) = split_model_output(variance_type.is_learned(), model_output, &sample)?;
        let noise = check_step(&at, &sample, noise, &prev_sample, pred_original.as_ref())?;
        predict_original(
            self.config.prediction_type,
            [transition.sqrt_alpha_prod(), transition.sqrt_beta_prod()],
            self.bounded,
            at.timestep,
            &model_output,
            &sample,
            &mut prev_sample,
        )?;
        if let Some(mut pred_original) = pred_original {
            pred_original.assign(&prev_sample);
        }
        match noise {
            None => step::mean_in_place(transition, &sample, &mut prev_sample),
            Some(noise) => {
                let scale = transition.noise_scale(variance_type);
                let predicted = predicted_variance.as_ref();
                step::noisy_mean_in_place(transition, scale, predicted, &sample, &noise, &mut prev_sample);
            }
        }
        Ok(())
    }
}
