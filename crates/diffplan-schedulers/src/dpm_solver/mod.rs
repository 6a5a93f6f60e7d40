//! DPM-Solver and DPM-Solver++, multistep (Lu et al. 2022, arXiv:2206.00927 and arXiv:2211.01095): the twin of diffusers 0.42.1
//! `DPMSolverMultistepScheduler` (`schedulers/scheduling_dpmsolver_multistep.py`).
//!
//! A step is a weighted sum of the sample, the predictions of the last one to three visits, and of the SDE noise; [`coefficients`] has the weights.
//! Good plans need a third to a quarter of DDPM's steps. Timesteps and noise levels are those of the reference to the last bit where its arithmetic is
//! float32; the weights are float64 and nearer to the equations than its own.

mod coefficients;
mod config;
mod spacing;

use std::sync::Arc;

use ndarray::{ArrayD, ArrayViewD, ArrayViewMutD, Zip};
use serde_json::{Map, Value};

use coefficients::{Coefficients, signal_and_noise};
pub use config::DpmSolverMultistepConfig;

use crate::ddpm::Transition;
use crate::original::{Bounded, predict_original};
use crate::shape::{check_shape, check_step};
use crate::sigmas::Sigmas;
use crate::{
    DpmAlgorithm, Error, FinalSigmas, NoiseSchedule, PredictionType, Result, Sampler, SamplerStep, Scheduler,
    SolverType, Steps, Visit,
};

/// The multistep DPM-Solver.
///
/// Where the reference is odd:
///
/// - It has no timesteps until it is told their number; here they are all training timesteps until then.
/// - Timesteps that repeat (linspace, as many steps as training timesteps) give NaN there, or begin at the second of them; here they are an
///   error where a step of higher order would be between equal noise levels, and otherwise all are visited.
#[derive(Clone, Debug)]
pub struct DpmSolverMultistepScheduler {
    config: Arc<DpmSolverMultistepConfig>,
    schedule: Arc<NoiseSchedule>,
    sigmas: Sigmas,
    notes: Vec<String>,
}

impl DpmSolverMultistepScheduler {
    /// Builds the schedule.
    ///
    /// # Errors
    /// What [`DpmSolverMultistepConfig::validate`] gives; [`Error::BetaOutOfRange`] and [`Error::DegenerateSchedule`].
    pub fn new(config: DpmSolverMultistepConfig) -> Result<Self> {
        config.validate()?;
        let schedule = config.schedule().build()?;
        let divides = config.prediction_type == PredictionType::Epsilon && schedule.alphas_cumprod().contains(&0.0);
        // DDPM and DDIM, which would divide by zero, refuse it.
        let note = "rescale_betas_zero_snr leaves no signal at the last timestep, where prediction_type epsilon says nothing of the sample: \
                    as in diffusers, 2^-24 of it is taken to be left";
        Ok(Self {
            sigmas: Sigmas::of(&schedule),
            config: config.into(),
            schedule: schedule.into(),
            notes: divides.then(|| note.to_owned()).into_iter().collect(),
        })
    }

    /// Builds it from the object of a file.
    ///
    /// # Errors
    /// As [`DpmSolverMultistepScheduler::new`], and [`Error::UnknownKey`].
    pub fn from_map(map: &Map<String, Value>) -> Result<Self> {
        let (config, notes) = DpmSolverMultistepConfig::from_map(&DpmSolverMultistepConfig::renamed(map))?;
        let mut scheduler = Self::new(config)?;
        scheduler.notes.extend(notes);
        Ok(scheduler)
    }

    /// The options.
    pub fn config(&self) -> &DpmSolverMultistepConfig {
        &self.config
    }

    /// The order of the step from visit `at` of so many, where all before were made.
    fn order_at(&self, at: usize, count: usize) -> usize {
        let config = &self.config;
        let few = config.lower_order_final && count < 15;
        let last = at + 1 == count && (config.euler_at_final || few || config.final_sigmas_type == FinalSigmas::Zero);
        match () {
            () if last => 1,
            () if at + 2 == count && few => config.solver_order.min(2),
            () => config.solver_order,
        }
    }
}

impl Scheduler for DpmSolverMultistepScheduler {
    fn class_name(&self) -> &'static str {
        DpmSolverMultistepConfig::CLASS_NAME
    }

    fn schedule(&self) -> &NoiseSchedule {
        &self.schedule
    }

    fn sampler(&self, steps: &Steps) -> Result<Box<dyn Sampler>> {
        let config = &*self.config;
        steps.expect_defaults(DpmSolverMultistepConfig::CLASS_NAME)?;
        let (timesteps, mut levels) = spacing::timesteps_and_levels(config, &self.sigmas, &steps.timesteps)?;
        levels.push(match config.final_sigmas_type {
            FinalSigmas::Zero => 0.0,
            FinalSigmas::SigmaMin => self.sigmas.least(),
        });
        let count = timesteps.len();
        let level = |at: usize, back: usize| f64::from(levels[at.saturating_sub(back)]);
        let mut visits = Vec::with_capacity(count);
        let mut steps = Vec::with_capacity(count);
        for (at, &timestep) in timesteps.iter().enumerate() {
            let [signal, next] =
                [level(at, 0), f64::from(levels[at + 1])].map(|level| (1.0 / (level * level + 1.0)) as f32);
            let mut visit = Visit::new(timestep as f32, Transition::new(signal, next).posterior_variance());
            visit.draws_noise = config.algorithm_type.draws_noise();
            visits.push(visit);
            // By how many visits were made before: a run may begin anywhere.
            let mut by_history = [None; 3];
            for (before, made) in by_history.iter_mut().enumerate() {
                let order = self.order_at(at, count).min(before + 1);
                if before > at {
                    continue;
                }
                let four = [level(at, 2), level(at, 1), level(at, 0), f64::from(levels[at + 1])];
                let made_now = Coefficients::new(config.algorithm_type, config.solver_type, order, four);
                *made = Some(made_now.ok_or_else(|| self.equal_levels(timestep, count))?);
            }
            steps.push(by_history);
        }
        Ok(Box::new(DpmSolverSampler {
            bounded: Bounded::new(
                None,
                config
                    .thresholding
                    .then_some((config.dynamic_thresholding_ratio, config.sample_max_value)),
            ),
            config: Arc::clone(&self.config),
            visits,
            levels,
            steps,
            history: Vec::new(),
            made: 0,
            next: 0,
        }))
    }

    fn to_map(&self) -> Map<String, Value> {
        self.config.to_map()
    }

    fn notes(&self) -> &[String] {
        &self.notes
    }
}

impl DpmSolverMultistepScheduler {
    /// That two visits around this one are of one noise level.
    fn equal_levels(&self, timestep: usize, count: usize) -> Error {
        Error::EqualLevels {
            class: DpmSolverMultistepConfig::CLASS_NAME,
            timestep,
            steps: count,
        }
    }
}

/// A run: the predictions of the last visits.
#[derive(Debug)]
struct DpmSolverSampler {
    config: Arc<DpmSolverMultistepConfig>,
    bounded: Bounded,
    visits: Vec<Visit>,
    /// σ of every visit, and of where the last step ends.
    levels: Vec<f32>,
    /// Of every visit, by the number of visits made before it, at most two.
    steps: Vec<[Option<Coefficients>; 3]>,
    /// The predictions of the last visits, the newest at `made` modulo its length.
    history: Vec<ArrayD<f32>>,
    made: usize,
    /// The visit that goes on from the last one.
    next: usize,
}

impl DpmSolverSampler {
    /// Forgets the last run, and makes room for samples of this shape.
    fn forget(&mut self, shape: &[usize], from: usize) {
        if self.history.first().is_none_or(|first| first.shape() != shape) {
            self.history = vec![ArrayD::zeros(shape); self.config.solver_order];
        }
        (self.made, self.next) = (0, from);
    }
}

impl Sampler for DpmSolverSampler {
    fn visits(&self) -> &[Visit] {
        &self.visits
    }

    fn sigmas(&self) -> &[f32] {
        &self.levels
    }

    fn level(&self, visit: usize) -> Option<[f32; 2]> {
        let (alpha, sigma) = signal_and_noise(f64::from(*self.levels.get(visit)?));
        Some([alpha as f32, sigma as f32])
    }

    fn begin(&mut self, shape: [usize; 3], from: usize) {
        self.forget(&shape, from);
    }

    fn step_into(&mut self, visit: usize, step: SamplerStep<'_>) -> Result<()> {
        let visits = self.visits.len();
        let (Some(&at), Some(by_history)) = (self.visits.get(visit), self.steps.get(visit).copied()) else {
            return Err(Error::NoSuchVisit { visit, visits });
        };
        let SamplerStep {
            model_output,
            sample,
            noise,
            mut prev_sample,
            pred_original,
        } = step;
        let noise = check_step(&at, &sample, noise, &prev_sample, pred_original.as_ref())?;
        check_shape("model_output", model_output.shape(), sample.shape())?;
        // Another sample, or a visit that does not follow the last one: there is nothing to remember.
        if visit != self.next || visit == 0 || self.history.first().is_none_or(|first| first.shape() != sample.shape())
        {
            self.forget(sample.shape(), visit);
        }
        let (alpha, sigma) = signal_and_noise(f64::from(self.levels[visit]));
        let roots = [alpha as f32, sigma as f32];
        let kind = self.config.prediction_type;
        predict_original(
            kind,
            roots,
            self.bounded,
            at.timestep,
            &model_output,
            &sample,
            &mut prev_sample,
        )?;
        if let Some(mut pred_original) = pred_original {
            pred_original.assign(&prev_sample);
        }
        let order = self.history.len();
        let newest = &mut self.history[self.made % order];
        if self.config.algorithm_type.predicts_original() {
            newest.assign(&prev_sample);
        } else if kind == PredictionType::Epsilon && !self.config.thresholding {
            newest.assign(&model_output);
        } else {
            let [alpha, sigma] = roots;
            Zip::from(newest)
                .and(&sample)
                .and(&prev_sample)
                .for_each(|epsilon, &x, &original| {
                    *epsilon = (x - alpha * original) / sigma;
                });
        }
        let Some(weights) = by_history[self.made.min(2)] else {
            return Err(Error::NoSuchVisit { visit, visits });
        };
        let past = |back: usize| self.history[(self.made + order * 3 - back.min(self.made)) % order].view();
        sum(
            weights,
            &sample,
            [past(0), past(1), past(2)],
            noise.as_ref(),
            &mut prev_sample,
        );
        (self.made, self.next) = (self.made + 1, visit + 1);
        Ok(())
    }
}

/// The weighted sum that a step is. All arrays have the same shape.
fn sum(
    weights: Coefficients,
    sample: &ArrayViewD<'_, f32>,
    predictions: [ArrayViewD<'_, f32>; 3],
    noise: Option<&ArrayViewD<'_, f32>>,
    out: &mut ArrayViewMutD<'_, f32>,
) {
    let [m0, m1, m2] = predictions;
    let [w0, w1, w2] = weights.predictions;
    Zip::from(&mut *out)
        .and(sample)
        .and(&m0)
        .for_each(|out, &x, &m| *out = weights.sample * x + w0 * m);
    // Only what takes part: a prediction that overflowed must not become NaN by a weight of zero.
    for (weight, prediction) in [(w1, m1), (w2, m2)] {
        if weight != 0.0 {
            Zip::from(&mut *out)
                .and(&prediction)
                .for_each(|out, &m| *out += weight * m);
        }
    }
    if let Some(noise) = noise {
        Zip::from(out)
            .and(noise)
            .for_each(|out, &noise| *out += weights.noise * noise);
    }
}
