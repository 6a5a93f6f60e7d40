//! Heun's method on the diffusion's ordinary differential equation in noise levels (Karras et al. 2022, arXiv:2206.00364, algorithm 1,
//! without churn): the twin of diffusers 0.42.1 `HeunDiscreteScheduler` (`schedulers/scheduling_heun_discrete.py`), in its float32
//! arithmetic.
//!
//! As [`EulerDiscreteScheduler`](crate::EulerDiscreteScheduler), but a step is two visits: one that goes to the next level as Euler's does, and a second look
//! there, which goes again from where the first began, by the mean of both slopes. So every timestep but the first comes twice, and the
//! last step is Euler's.
//!
//! ```text
//! visit 2k       d  = (x - x_0) / sigma          x'  = x + (sigma' - sigma) d
//! visit 2k + 1   d' = (x' - x_0') / sigma'       x'' = x + (sigma' - sigma) (d + d') / 2
//! ```

mod config;

pub use config::HeunDiscreteConfig;
use ndarray::{ArrayD, IxDyn, Zip};

use crate::original::{Bounded, exploding_roots, original_of_step};
use crate::scheduler::scheduler;
use crate::sigmas::{
    Grid, LEAST_SIGNAL, Ladder, Origin, Spacing, TrainLevels, exploding_visit, start_level, timestep_of,
};
use crate::{Error, FinalSigmasType, Prediction, PredictionType, Result, Sampler, SamplerStep, Steps, Visit};

scheduler! {
    /// The Heun scheduler.
    ///
    /// A run that begins at a second look has no slope to take the mean with: the sample stays, and the visit after, of the same timestep, is
    /// the first look of its step.
    HeunDiscreteScheduler of HeunDiscreteConfig, |config| Ok(config
        .schedule()
        .build()?
        .with_some_signal(LEAST_SIGNAL))
}

impl HeunDiscreteScheduler {
    fn ladder(&self, steps: &Steps) -> Result<Ladder> {
        let (config, levels) = (&*self.config, TrainLevels::new(&self.schedule));
        let origin = Origin {
            class: HeunDiscreteConfig::CLASS_NAME,
            spread: config.spread(),
            spacing: config.timestep_spacing,
            end: FinalSigmasType::Zero,
        };
        origin.check(&steps.timesteps, &levels)?;
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

impl HeunDiscreteScheduler {
    /// A run: [`Scheduler::sampler`](crate::Scheduler::sampler).
    fn run(&self, steps: &Steps) -> Result<Box<dyn Sampler>> {
        steps.check_plain(HeunDiscreteConfig::CLASS_NAME)?;
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

    fn prediction(&self, visit: usize) -> Option<Prediction> {
        let (kind, &sigma) = (self.prediction_type, self.sigmas.get(visit)?);
        Prediction::new(kind, exploding_roots(kind, sigma), self.bounded)
    }

    fn step_into(&mut self, visit: usize, mut step: SamplerStep<'_>) -> Result<()> {
        let visits = self.visits.len();
        let Some(&at) = self.visits.get(visit) else {
            return Err(Error::NoSuchVisit { visit, visits });
        };
        let looked = self.looked.take();
        let (sigma, kind) = (self.sigmas[visit], self.prediction_type);
        original_of_step(&mut step, &at, kind, exploding_roots(kind, sigma), self.bounded)?;
        let SamplerStep {
            sample,
            mut prev_sample,
            ..
        } = step;
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
