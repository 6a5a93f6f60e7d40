//! Euler's method with as much noise as an ancestral sampler's (k-diffusion's `sample_euler_ancestral`): the twin of diffusers 0.42.1
//! `EulerAncestralDiscreteScheduler` (`schedulers/scheduling_euler_ancestral_discrete.py`), in its float32 arithmetic.
//!
//! As [`EulerScheduler`](crate::EulerScheduler), but a step from level `sigma` to `sigma'` goes further down and comes back up by noise:
//!
//! ```text
//! up²   = sigma'² (sigma² - sigma'²) / sigma²        the posterior variance in levels (Ho et al. 2020, equation 7)
//! down² = sigma'² - up²
//! x'    = x + (down - sigma) (x - x_0) / sigma  +  up z
//! ```

mod config;

use std::sync::Arc;

use ndarray::Zip;
use serde_json::{Map, Value};

pub use config::EulerAncestralConfig;

use crate::original::{Bounded, exploding_roots, predict_original};
use crate::shape::{check_shape, check_step};
use crate::sigmas::{Grid, LEAST_SIGNAL, Ladder, Spacing, TrainLevels, exploding_visit, start_level};
use crate::{Error, NoiseSchedule, PredictionType, Result, Sampler, SamplerStep, Scheduler, Steps, Visit};

/// The ancestral Euler scheduler.
///
/// Where the reference is odd: it refuses `prediction_type` `sample`, which is as good here as anywhere; it draws noise for the last step too,
/// and takes none of it.
#[derive(Clone, Debug)]
pub struct EulerAncestralScheduler {
    config: Arc<EulerAncestralConfig>,
    schedule: Arc<NoiseSchedule>,
    levels: TrainLevels,
    notes: Vec<String>,
}

impl EulerAncestralScheduler {
    /// Builds the schedule.
    ///
    /// # Errors
    /// What [`EulerAncestralConfig::validate`] gives; [`Error::BetaOutOfRange`] and [`Error::DegenerateSchedule`].
    pub fn new(config: EulerAncestralConfig) -> Result<Self> {
        config.validate()?;
        let schedule = config.schedule().build()?.with_some_signal(LEAST_SIGNAL);
        Ok(Self {
            config: config.into(),
            levels: TrainLevels::new(&schedule),
            schedule: schedule.into(),
            notes: Vec::new(),
        })
    }

    /// Builds it from the object of a file.
    ///
    /// # Errors
    /// As [`EulerAncestralScheduler::new`], and [`Error::UnknownKey`].
    pub fn from_map(map: &Map<String, Value>) -> Result<Self> {
        let (config, notes) = EulerAncestralConfig::from_map(map)?;
        Ok(Self {
            notes,
            ..Self::new(config)?
        })
    }

    /// The options.
    pub fn config(&self) -> &EulerAncestralConfig {
        &self.config
    }
}

impl Scheduler for EulerAncestralScheduler {
    fn class_name(&self) -> &'static str {
        EulerAncestralConfig::CLASS_NAME
    }

    fn schedule(&self) -> &NoiseSchedule {
        &self.schedule
    }

    fn sampler(&self, steps: &Steps) -> Result<Box<dyn Sampler>> {
        steps.check_plain(EulerAncestralConfig::CLASS_NAME)?;
        let spacing = Spacing {
            grid: Grid::Whole,
            kind: self.config.timestep_spacing,
            num_train_timesteps: self.config.num_train_timesteps,
            visited: self.config.num_train_timesteps,
            steps_offset: self.config.steps_offset,
        };
        let timesteps = spacing.timesteps(&steps.timesteps)?;
        let sigmas: Vec<f64> = timesteps.iter().map(|&t| self.levels.at(t)).collect();
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

    fn to_map(&self) -> Map<String, Value> {
        self.config.to_map()
    }

    fn notes(&self) -> &[String] {
        &self.notes
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

    fn step_into(&mut self, visit: usize, step: SamplerStep<'_>) -> Result<()> {
        let visits = self.visits.len();
        let Some(&at) = self.visits.get(visit) else {
            return Err(Error::NoSuchVisit { visit, visits });
        };
        let SamplerStep {
            model_output,
            sample,
            noise,
            mut prev_sample,
            pred_original,
        } = step;
        check_shape("model_output", model_output.shape(), sample.shape())?;
        let noise = check_step(&at, &sample, noise, &prev_sample, pred_original.as_ref())?;
        let (sigma, to) = (self.sigmas[visit], self.sigmas[visit + 1]);
        predict_original(
            self.prediction_type,
            exploding_roots(self.prediction_type, sigma),
            Bounded::Free,
            at.timestep,
            &model_output,
            &sample,
            &mut prev_sample,
        )?;
        if let Some(mut pred_original) = pred_original {
            pred_original.assign(&prev_sample);
        }
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
