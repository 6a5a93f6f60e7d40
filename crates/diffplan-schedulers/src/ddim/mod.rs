//! Denoising diffusion implicit models (Song et al. 2020, arXiv:2010.02502): the twin of diffusers 0.42.1 `DDIMScheduler`
//! (`schedulers/scheduling_ddim.py`), in its float32 arithmetic and order of operations.
//!
//! With `a` the share of signal at timestep `t`, `p` the one at the timestep that the step leads to:
//!
//! ```text
//! x_0  = the original sample the model output stands for, thresholded or clipped
//! e    = the noise it stands for
//! std  = eta sqrt((1 - p) / (1 - a) (1 - a / p))                                equation 16
//! x_p  = sqrt(p) x_0  +  sqrt(1 - p - std²) e  +  std noise                      equation 12
//! ```
//!
//! The reference takes a step of `num_train_timesteps // num_inference_steps` down from `t`, whatever timestep is visited next,
//! and so does this; only custom timesteps, which the reference does not have, lead from each to the next.

mod config;
mod step;

use std::sync::Arc;

pub use config::DdimConfig;
use step::Jump;

use crate::ddpm::Transition;
use crate::original::{Bounded, original_of_step};
use crate::scheduler::scheduler;
use crate::timesteps::{check_custom_timesteps, spaced_timesteps};
use crate::{Error, Prediction, Result, Sampler, SamplerStep, Steps, Timesteps, Visit};

scheduler! {
    /// The DDIM scheduler.
    ///
    /// Where the reference is odd:
    ///
    /// - It has no timesteps until it is told their number; here they are all training timesteps until then.
    /// - `1 - p - std²` may be a rounding below 0 with η = 1; here it is 0 then, there NaN.
    DdimScheduler of DdimConfig, |config| config.schedule().build()
}

impl DdimScheduler {
    /// The share of signal where a step from the first timestep ends.
    fn final_alpha_cumprod(&self) -> f32 {
        match self.config.set_alpha_to_one {
            true => 1.0,
            false => self.schedule.alphas_cumprod()[0],
        }
    }
}

impl DdimScheduler {
    /// A run: [`Scheduler::sampler`](crate::Scheduler::sampler).
    fn run(&self, steps: &Steps) -> Result<Box<dyn Sampler>> {
        let (config, train) = (&*self.config, self.config.num_train_timesteps);
        if !(0.0..=1.0).contains(&steps.eta) {
            return Err(Error::Eta { actual: steps.eta });
        }
        let spaced = |count| spaced_timesteps(config.timestep_spacing, train, count, config.steps_offset);
        // The timesteps, and how far down each leads, or `None` for to the next.
        let (timesteps, stride) = match &steps.timesteps {
            Timesteps::All => ((0..train).rev().collect(), Some(1)),
            Timesteps::Count(count) => (spaced(*count)?, Some(train / count)),
            Timesteps::Custom(timesteps) => {
                check_custom_timesteps(timesteps, train)?;
                (timesteps.clone(), None)
            }
        };
        self.schedule.check_signal(&timesteps)?;
        let mut visits = Vec::with_capacity(timesteps.len());
        let mut jumps = Vec::with_capacity(timesteps.len());
        for (i, &timestep) in timesteps.iter().enumerate() {
            let previous = match stride {
                Some(stride) => timestep.checked_sub(stride),
                None => timesteps.get(i + 1).copied(),
            };
            let alphas = self.schedule.alphas_cumprod();
            let alpha_prod_prev = previous.map_or(self.final_alpha_cumprod(), |previous| alphas[previous]);
            let jump = Jump::new(alphas[timestep], alpha_prod_prev, steps.eta);
            let mut visit = Visit::new(
                timestep as f32,
                Transition::new(alphas[timestep], alpha_prod_prev).posterior_variance(),
            );
            visit.draws_noise = steps.eta > 0.0;
            visit.guidance = 0.5 * (1.0 + steps.eta * steps.eta);
            visit.variance = Some(jump.variance());
            visits.push(visit);
            jumps.push(jump);
        }
        let threshold = config
            .thresholding
            .then_some((config.dynamic_thresholding_ratio, config.sample_max_value));
        Ok(Box::new(DdimSampler {
            config: Arc::clone(&self.config),
            bounded: Bounded::new(config.clip_sample.then_some(config.clip_sample_range), threshold),
            use_clipped_model_output: steps.use_clipped_model_output,
            visits,
            jumps,
        }))
    }
}

/// A run of DDIM: nothing but what was computed for the visits beforehand.
#[derive(Debug)]
struct DdimSampler {
    config: Arc<DdimConfig>,
    bounded: Bounded,
    use_clipped_model_output: bool,
    visits: Vec<Visit>,
    jumps: Vec<Jump>,
}

impl Sampler for DdimSampler {
    fn visits(&self) -> &[Visit] {
        &self.visits
    }

    fn prediction(&self, visit: usize) -> Option<Prediction> {
        let jump = self.jumps.get(visit)?;
        Prediction::new(
            self.config.prediction_type,
            [jump.sqrt_alpha, jump.sqrt_beta],
            self.bounded,
        )
    }

    fn step_into(&mut self, visit: usize, mut step: SamplerStep<'_>) -> Result<()> {
        let visits = self.visits.len();
        let (Some(&at), Some(&jump)) = (self.visits.get(visit), self.jumps.get(visit)) else {
            return Err(Error::NoSuchVisit { visit, visits });
        };
        let prediction_type = self.config.prediction_type;
        let roots = [jump.sqrt_alpha, jump.sqrt_beta];
        let noise = original_of_step(&mut step, &at, prediction_type, roots, self.bounded)?;
        let SamplerStep {
            model_output,
            sample,
            mut prev_sample,
            ..
        } = step;
        step::jump_in_place(
            jump,
            prediction_type,
            self.use_clipped_model_output,
            [&model_output, &sample],
            noise.as_ref(),
            &mut prev_sample,
        );
        Ok(())
    }
}
