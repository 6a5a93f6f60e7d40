//! Euler's method on the diffusion's ordinary differential equation in noise levels (Karras et al. 2022, arXiv:2206.00364, algorithm 1):
//! the twin of diffusers 0.42.1 `EulerDiscreteScheduler` (`schedulers/scheduling_euler_discrete.py`), in its float32 arithmetic.
//!
//! A sample is signal plus `sigma` times noise, without shrinking the signal; a model sees it divided by `sqrt(sigma² + 1)`.
//!
//! ```text
//! x_0 = x - sigma e                                            where the model predicts noise
//! x_0 = x / (sigma² + 1)  -  sigma / sqrt(sigma² + 1) v        where it predicts the velocity
//! x'  = x + (sigma' - sigma) (x - x_0) / sigma
//! ```

mod config;

pub use config::EulerDiscreteConfig;
use ndarray::Zip;

use crate::config::check;
use crate::original::{Bounded, exploding_roots, original_of_step};
use crate::schedule::betas;
use crate::scheduler::scheduler;
use crate::sigmas::{
    Grid, LEAST_SIGNAL, Ladder, Origin, Spacing, TrainLevels, exploding_visit, start_level, timestep_of,
};
use crate::{
    Error, FinalSigmasType, InterpolationType, Prediction, PredictionType, Result, Sampler, SamplerStep, Steps,
    TimestepType, Timesteps, Visit,
};

scheduler! {
    /// The Euler scheduler, without churn, which is an argument of the reference's step.
    ///
    /// With [`InterpolationType::LogLinear`] the reference has a level too many: the last step ends at the smallest, not at `final_sigmas_type`;
    /// and so here.
    EulerDiscreteScheduler of EulerDiscreteConfig, |config| Ok(config
        .schedule()
        .build()?
        .with_some_signal(LEAST_SIGNAL))
}

impl EulerDiscreteScheduler {
    fn is_continuous(&self) -> bool {
        let config = &self.config;
        config.timestep_type == TimestepType::Continuous && config.prediction_type == PredictionType::VPrediction
    }

    fn ladder(&self, steps: &Steps) -> Result<Ladder> {
        let (config, levels) = (&*self.config, TrainLevels::new(&self.schedule));
        let origin = Origin {
            class: EulerDiscreteConfig::CLASS_NAME,
            spread: config.spread(),
            spacing: config.timestep_spacing,
            end: config.final_sigmas_type,
        };
        origin.check(&steps.timesteps, &levels)?;
        let custom = matches!(steps.timesteps, Timesteps::Custom(_));
        check::that(
            !(custom && self.is_continuous()),
            "timestep_type",
            config.timestep_type.to_string(),
            "discrete where the timesteps are given one by one",
        )?;
        let spacing = Spacing {
            grid: Grid::Whole,
            kind: config.timestep_spacing,
            num_train_timesteps: config.num_train_timesteps,
            visited: config.num_train_timesteps,
            steps_offset: config.steps_offset,
        };
        let timesteps = spacing.timesteps(&steps.timesteps)?;
        let count = timesteps.len();
        let sigmas: Vec<f64> = match config.interpolation_type {
            InterpolationType::Linear => timesteps.iter().map(|&t| levels.at(t)).collect(),
            InterpolationType::LogLinear => {
                let [from, to] = [levels.most(), levels.least()].map(|sigma| f64::from(f64::from(sigma).ln() as f32));
                let logs = betas::linspace(from, to, count + 1).into_iter();
                logs.map(|log| f64::from(f64::from(log).exp() as f32)).collect()
            }
        };
        let ends = [
            config.sigma_max.or(sigmas.first().copied()),
            config.sigma_min.or(sigmas.last().copied()),
        ];
        let end = match config.final_sigmas_type {
            FinalSigmasType::Zero => 0.0,
            FinalSigmasType::SigmaMin => levels.least(),
        };
        let mut ladder = match origin.spread.levels(ends.map(Option::unwrap_or_default), count) {
            None => Ladder::new(timesteps, &sigmas, end),
            Some(sigmas) => {
                let timesteps = sigmas.iter().map(|&sigma| timestep_of(sigma, &levels.logs));
                Ladder::new(timesteps, &sigmas, end)
            }
        };
        if self.is_continuous() {
            let logs = ladder.sigmas.iter().map(|&sigma| 0.25 * f64::from(sigma).ln() as f32);
            ladder.timesteps = logs.take(count).collect();
        }
        Ok(ladder)
    }
}

impl EulerDiscreteScheduler {
    /// A run: [`Scheduler::sampler`](crate::Scheduler::sampler).
    fn run(&self, steps: &Steps) -> Result<Box<dyn Sampler>> {
        steps.check_plain(EulerDiscreteConfig::CLASS_NAME)?;
        let ladder = self.ladder(steps)?;
        let visits = (0..ladder.timesteps.len())
            .map(|visit| exploding_visit(ladder.timesteps[visit], ladder.step(visit), false))
            .collect();
        Ok(Box::new(EulerSampler {
            prediction_type: self.config.prediction_type,
            start: start_level(self.config.timestep_spacing, &ladder.sigmas),
            visits,
            sigmas: ladder.sigmas,
        }))
    }
}

/// A run of Euler's method.
#[derive(Debug)]
struct EulerSampler {
    prediction_type: PredictionType,
    start: f32,
    visits: Vec<Visit>,
    sigmas: Vec<f32>,
}

impl Sampler for EulerSampler {
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
        original_of_step(&mut step, &at, kind, exploding_roots(kind, sigma), Bounded::Free)?;
        let SamplerStep {
            sample,
            mut prev_sample,
            ..
        } = step;
        let dt = to - sigma;
        Zip::from(&mut prev_sample)
            .and(&sample)
            .for_each(|out, &sample| *out = sample + (sample - *out) / sigma * dt);
        Ok(())
    }
}
