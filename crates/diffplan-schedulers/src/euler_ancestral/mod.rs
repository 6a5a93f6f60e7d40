//! Euler's method with as much noise as an ancestral sampler's (k-diffusion's `sample_euler_ancestral`): the twin of diffusers 0.42.1
//! `EulerAncestralDiscreteScheduler` (`schedulers/scheduling_euler_ancestral_discrete.py`), in its float32 arithmetic.
//!
//! As [`EulerDiscreteScheduler`](crate::EulerDiscreteScheduler), but a step from level `sigma` to `sigma'` goes further down and comes back up by noise:
//!
//! ```text
//! up²   = sigma'² (sigma² - sigma'²) / sigma²        the posterior variance in levels (Ho et al. 2020, equation 7)
//! down² = sigma'² - up²
//! x'    = x + (down - sigma) (x - x_0) / sigma  +  up z
//! ```

mod config;

pub use config::EulerAncestralDiscreteConfig;
use ndarray::Zip;

use crate::original::{Bounded, exploding_roots, original_of_step};
use crate::scheduler::scheduler;
use crate::sigmas::{Grid, LEAST_SIGNAL, Ladder, Spacing, TrainLevels, exploding_visit, start_level};
use crate::{Error, Prediction, PredictionType, Result, Sampler, SamplerStep, Steps, Visit};

scheduler! {
    /// The ancestral Euler scheduler.
    ///
    /// Where the reference is odd: it refuses `prediction_type` `sample`, which is as good here as anywhere; it draws noise for the last step too,
    /// and takes none of it.
    EulerAncestralDiscreteScheduler of EulerAncestralDiscreteConfig, |config| Ok(config
        .schedule()
        .build()?
        .with_some_signal(LEAST_SIGNAL))
}

impl EulerAncestralDiscreteScheduler {}

impl EulerAncestralDiscreteScheduler {
    /// A run: [`Scheduler::sampler`](crate::Scheduler::sampler).
    fn run(&self, steps: &Steps) -> Result<Box<dyn Sampler>> {
        steps.check_plain(EulerAncestralDiscreteConfig::CLASS_NAME)?;
        let spacing = Spacing {
            grid: Grid::Whole,
            kind: self.config.timestep_spacing,
            num_train_timesteps: self.config.num_train_timesteps,
            visited: self.config.num_train_timesteps,
            steps_offset: self.config.steps_offset,
        };
        let levels = TrainLevels::new(&self.schedule);
        let timesteps = spacing.timesteps(&steps.timesteps)?;
        let sigmas: Vec<f64> = timesteps.iter().map(|&t| levels.at(t)).collect();
        let ladder = Ladder::new(timesteps, &sigmas, 0.0);
        let visits = (0..ladder.timesteps.len()).map(|visit| {
            let step = ladder.step(visit);
            let mut seen = exploding_visit(ladder.timesteps[visit], step, true);
            seen.draws_noise = up(step) > 0.0;
            seen
        });
        Ok(Box::new(EulerAncestralSampler {
            prediction_type: self.config.prediction_type,
            start: start_level(self.config.timestep_spacing, &ladder.sigmas),
            visits: visits.collect(),
            sigmas: ladder.sigmas,
        }))
    }
}

/// How much noise a step between two levels adds.
fn up([from, to]: [f32; 2]) -> f32 {
    let variance = to * to * (from * from - to * to) / (from * from);
    variance.max(0.0).sqrt()
}

/// A run of the ancestral method.
#[derive(Debug)]
struct EulerAncestralSampler {
    prediction_type: PredictionType,
    start: f32,
    visits: Vec<Visit>,
    sigmas: Vec<f32>,
}

impl Sampler for EulerAncestralSampler {
    fn visits(&self) -> &[Visit] {
        &self.visits
    }

    fn init_noise_sigma(&self) -> f32 {
        self.start
    }

    fn sigmas(&self) -> &[f32] {
        &self.sigmas
    }

    fn prediction(&self, visit: usize) -> Option<Prediction> {
        let (kind, &sigma) = (self.prediction_type, self.sigmas.get(visit)?);
        Prediction::new(kind, exploding_roots(kind, sigma), Bounded::Free)
    }

    fn step_into(&mut self, visit: usize, mut step: SamplerStep<'_>) -> Result<()> {
        let visits = self.visits.len();
        let Some(&at) = self.visits.get(visit) else {
            return Err(Error::NoSuchVisit { visit, visits });
        };
        let (sigma, to) = (self.sigmas[visit], self.sigmas[visit + 1]);
        let kind = self.prediction_type;
        let noise = original_of_step(&mut step, &at, kind, exploding_roots(kind, sigma), Bounded::Free)?;
        let SamplerStep {
            sample,
            mut prev_sample,
            ..
        } = step;
        let up = up([sigma, to]);
        let down = (to * to - up * up).max(0.0).sqrt();
        let dt = down - sigma;
        let zip = Zip::from(&mut prev_sample).and(&sample);
        match noise {
            None => zip.for_each(|out, &sample| *out = sample + (sample - *out) / sigma * dt),
            Some(noise) => zip.and(&noise).for_each(|out, &sample, &noise| {
                *out = sample + (sample - *out) / sigma * dt + noise * up;
            }),
        }
        Ok(())
    }
}
