//! Heun's method on the diffusion's ordinary differential equation in noise levels (Karras et al. 2022, arXiv:2206.00364, algorithm 1,
//! without churn): the twin of diffusers 0.42.1 `HeunDiscreteScheduler` (`schedulers/scheduling_heun_discrete.py`), in its float32
//! arithmetic.
//!
//! As [`EulerScheduler`](crate::EulerScheduler), but a step is two visits: one that goes to the next level as Euler's does, and a second look
//! there, which goes again from where the first began, by the mean of both slopes. So every timestep but the first comes twice, and the
//! last step is Euler's.
//!
//! ```text
//! visit 2k       d  = (x - x_0) / sigma          x'  = x + (sigma' - sigma) d
//! visit 2k + 1   d' = (x' - x_0') / sigma'       x'' = x + (sigma' - sigma) (d + d') / 2
//! ```

mod config;

use std::sync::Arc;

use ndarray::{ArrayD, IxDyn, Zip};
use serde_json::{Map, Value};

pub use config::HeunConfig;

use crate::original::{Bounded, exploding_roots, predict_original};
use crate::shape::{check_shape, check_step};
use crate::sigmas::{
    Grid, LEAST_SIGNAL, Ladder, Origin, Spacing, TrainLevels, exploding_visit, start_level, timestep_of,
};
use crate::{
    Error, FinalSigmasType, NoiseSchedule, PredictionType, Result, Sampler, SamplerStep, Scheduler, Steps, Visit,
};

/// The Heun scheduler.
///
/// A run that begins at a second look has no slope to take the mean with: the sample stays, and the visit after, of the same timestep, is
/// the first look of its step.
#[derive(Clone, Debug)]
pub struct HeunScheduler {
    config: Arc<HeunConfig>,
    schedule: Arc<NoiseSchedule>,
    levels: TrainLevels,
    notes: Vec<String>,
}

impl HeunScheduler {
    /// Builds the schedule.
    ///
    /// # Errors
    /// What [`HeunConfig::validate`] gives; [`Error::BetaOutOfRange`] and [`Error::DegenerateSchedule`].
    pub fn new(config: HeunConfig) -> Result<Self> {
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
    /// As [`HeunScheduler::new`], and [`Error::UnknownKey`].
    pub fn from_map(map: &Map<String, Value>) -> Result<Self> {
        let (config, notes) = HeunConfig::from_map(map)?;
        Ok(Self {
            notes,
            ..Self::new(config)?
        })
    }

    /// The options.
    pub fn config(&self) -> &HeunConfig {
        &self.config
    }

    fn ladder(&self, steps: &Steps) -> Result<Ladder> {
        let (config, levels) = (&*self.config, &self.levels);
        let origin = Origin {
            class: HeunConfig::CLASS_NAME,
            spread: config.spread(),
            spacing: config.timestep_spacing,
            end: FinalSigmasType::Zero,
        };
        origin.check(&steps.timesteps, levels)?;
        let spacing = Spacing {
            grid: Grid::Whole,
            kind: config.timestep_spacing,
            num_train_timesteps: config.num_train_timesteps,
            visited: config.num_train_timesteps,
            steps_offset: config.steps_offset,
        };
        let timesteps = spacing.timesteps(&steps.timesteps)?;
        let sigmas: Vec<f64> = timesteps.iter().map(|&t| levels.at(t)).collect();
        let ends = [sigmas.first(), sigmas.last()].map(|end| end.copied().unwrap_or_default());
        Ok(match origin.spread.levels(ends, timesteps.len()) {
            None => Ladder::new(timesteps, &sigmas, 0.0),
            Some(sigmas) => {
                let timesteps = sigmas.iter().map(|&sigma| timestep_of(sigma, &levels.logs));
                Ladder::new(timesteps, &sigmas, 0.0)
            }
        })
    }
}

impl Scheduler for HeunScheduler {
    fn class_name(&self) -> &'static str {
        HeunConfig::CLASS_NAME
    }

    fn schedule(&self) -> &NoiseSchedule {
        &self.schedule
    }

    fn sampler(&self, steps: &Steps) -> Result<Box<dyn Sampler>> {
        steps.check_plain(HeunConfig::CLASS_NAME)?;
        let ladder = self.ladder(steps)?;
        let last = ladder.timesteps.len() - 1;
        let (mut visits, mut sigmas) = (Vec::with_capacity(2 * last + 1), Vec::with_capacity(2 * last + 2));
        for (i, &timestep) in ladder.timesteps.iter().enumerate() {
            let step @ [sigma, _] = ladder.step(i);
            if i > 0 {
                let mut second = exploding_visit(timestep, [sigma, sigma], false);
                second.guidance = 0.0;
                visits.push(second);
                sigmas.push(sigma);
            }
            visits.push(exploding_visit(timestep, step, false));
            sigmas.push(sigma);
        }
        sigmas.push(ladder.sigmas[last + 1]);
        let clip = self.config.clip_sample.then_some(self.config.clip_sample_range);
        Ok(Box::new(HeunSampler {
            prediction_type: self.config.prediction_type,
            bounded: Bounded::new(clip, None),
            start: start_level(self.config.timestep_spacing, &sigmas),
            visits,
            sigmas,
            slope: ArrayD::zeros(IxDyn(&[0])),
            origin: ArrayD::zeros(IxDyn(&[0])),
            looked: None,
        }))
    }

    fn to_map(&self) -> Map<String, Value> {
        self.config.to_map()
    }

    fn notes(&self) -> &[String] {
        &self.notes
    }
}

/// A run of Heun's method.
#[derive(Debug)]
struct HeunSampler {
    prediction_type: PredictionType,
    bounded: Bounded,
    start: f32,
    visits: Vec<Visit>,
    /// Of every visit, and the end.
    sigmas: Vec<f32>,
    /// Of the first look, and where it began.
    slope: ArrayD<f32>,
    origin: ArrayD<f32>,
    /// The visit that was the first look, if the last was one.
    looked: Option<usize>,
}

impl HeunSampler {
    fn resize(&mut self, shape: &[usize]) {
        for array in [&mut self.slope, &mut self.origin] {
            if array.shape() != shape {
                *array = ArrayD::zeros(shape);
            }
        }
    }
}

impl Sampler for HeunSampler {
    fn visits(&self) -> &[Visit] {
        &self.visits
    }

    fn init_noise_sigma(&self) -> f32 {
        self.start
    }

    fn sigmas(&self) -> &[f32] {
        &self.sigmas
    }

    fn begin(&mut self, shape: [usize; 3], _from: usize) {
        self.looked = None;
        self.resize(&shape);
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
        check_step(&at, &sample, noise, &prev_sample, pred_original.as_ref())?;
        let looked = self.looked.take();
        let sigma = self.sigmas[visit];
        predict_original(
            self.prediction_type,
            exploding_roots(self.prediction_type, sigma),
            self.bounded,
            at.timestep,
            &model_output,
            &sample,
            &mut prev_sample,
        )?;
        if let Some(mut pred_original) = pred_original {
            pred_original.assign(&prev_sample);
        }
        if visit.is_multiple_of(2) {
            let dt = self.sigmas[visit + 1] - sigma;
            self.resize(sample.shape());
            self.origin.assign(&sample);
            Zip::from(&mut self.slope)
                .and(&sample)
                .and(&mut prev_sample)
                .for_each(|slope, &sample, out| {
                    *slope = (sample - *out) / sigma;
                    *out = sample + *slope * dt;
                });
            self.looked = Some(visit);
        } else if looked == Some(visit - 1) && self.origin.shape() == sample.shape() {
            let dt = sigma - self.sigmas[visit - 1];
            Zip::from(&mut prev_sample)
                .and(&sample)
                .and(&self.slope)
                .and(&self.origin)
                .for_each(|out, &sample, &slope, &origin| {
                    *out = origin + (slope + (sample - *out) / sigma) / 2.0 * dt;
                });
        } else {
            prev_sample.assign(&sample);
        }
        Ok(())
    }
}
