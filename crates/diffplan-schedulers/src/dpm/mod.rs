//! DPM-Solver and DPM-Solver++ of several steps (Lu et al. 2022, arXiv:2206.00927 and arXiv:2211.01095): the twin of diffusers 0.42.1
//! `DPMSolverMultistepScheduler` (`schedulers/scheduling_dpmsolver_multistep.py`).
//!
//! The diffusion's ordinary differential equation is linear in the sample but for the model's answer; the linear part is solved exactly,
//! the answer is taken for a polynomial in half the logarithm of signal to noise, through the answers of the last visits. `rule` has
//! the equations.
//!
//! Multiples are computed in float64 from the levels and rounded once, where the reference computes them in float32; results agree to
//! what the reference loses by that.

mod config;
mod rule;

use std::sync::Arc;

pub use config::DpmSolverMultistepConfig;
use ndarray::Zip;

use crate::config::check;
use crate::multistep::{History, Level, Mixture};
use crate::original::{Bounded, predict_original};
use crate::scheduler::scheduler;
use crate::shape::{check_step, split_model_output};
use crate::sigmas::{Grid, LEAST_SIGNAL, Ladder, Origin, Spacing, Spread, TrainLevels, preserving_visit};
use crate::{
    BetaSchedule, Error, FinalSigmasType, Prediction, PredictionType, Result, Sampler, SamplerStep, Steps,
    VarianceType, Visit,
};

scheduler! {
    /// The DPM-Solver scheduler.
    ///
    /// Where the reference is odd:
    ///
    /// - It has no timesteps until it is told their number; here they are all training timesteps until then.
    /// - Where two levels are the same, steps of higher order divide by zero there, and where the first two timesteps are it runs past the end;
    ///   here a run with them is refused.
    /// - A variance that is learned is passed over there behind the third channel, here in the second half of the channels.
    /// - `solver_order` 3 with `sde-dpmsolver` fails there at the third step; here it is refused.
    DpmSolverMultistepScheduler of DpmSolverMultistepConfig, |config| Ok(config
        .schedule()
        .build()?
        .with_some_signal(LEAST_SIGNAL))
}

impl DpmSolverMultistepScheduler {
    /// How many training timesteps have no less signal than `lambda_min_clipped`.
    fn visited(&self) -> Result<usize> {
        let least = self.config.lambda_min_clipped as f32;
        let ln = |x: f32| f64::from(x.sqrt()).ln() as f32;
        let alphas = self.schedule.alphas_cumprod().iter().rev();
        let clipped = alphas.take_while(|&&a| ln(a) - ln(1.0 - a) < least).count();
        let visited = self.config.num_train_timesteps - clipped;
        check::that(
            visited > 0,
            "lambda_min_clipped",
            format!("{:?}", self.config.lambda_min_clipped),
            "a number that leaves a timestep: most are about -5",
        )?;
        Ok(visited)
    }

    fn ladder(&self, steps: &Steps, origin: Origin) -> Result<Ladder> {
        let (config, levels) = (&*self.config, TrainLevels::new(&self.schedule));
        let spacing = Spacing {
            grid: Grid::Inner,
            kind: config.timestep_spacing,
            num_train_timesteps: config.num_train_timesteps,
            visited: self.visited()?,
            steps_offset: config.steps_offset,
        };
        let end = match config.final_sigmas_type {
            FinalSigmasType::Zero => 0.0,
            FinalSigmasType::SigmaMin => levels.least(),
        };
        let rounds = origin.spread != Spread::Exponential && config.beta_schedule != BetaSchedule::SquaredcosCapV2;
        let whole = |t: f64| if rounds { t.round_ties_even() } else { t.trunc() };
        let range = [levels.most(), levels.least()].map(f64::from);
        origin.ladder(spacing, &steps.timesteps, &levels, range, |_| end, whole)
    }
}

impl DpmSolverMultistepConfig {
    /// The order of the step of `visit` out of `visits`, with `made` visits before it in the run.
    fn order(&self, visit: usize, visits: usize, made: usize) -> usize {
        let few = self.lower_order_final && visits < 15;
        let to_end = visits - visit;
        let last = to_end == 1 && (self.euler_at_final || few || self.final_sigmas_type == FinalSigmasType::Zero);
        let most = match to_end {
            _ if last => 1,
            2 if few => 2,
            _ => 3,
        };
        self.solver_order.min(made + 1).min(most)
    }
}

impl DpmSolverMultistepScheduler {
    /// A run: [`Scheduler::sampler`](crate::Scheduler::sampler).
    fn run(&self, steps: &Steps) -> Result<Box<dyn Sampler>> {
        let config = &*self.config;
        steps.check_plain(DpmSolverMultistepConfig::CLASS_NAME)?;
        let origin = Origin {
            class: DpmSolverMultistepConfig::CLASS_NAME,
            spread: config.spread(),
            spacing: config.timestep_spacing,
            end: config.final_sigmas_type,
        };
        let ladder = self.ladder(steps, origin)?;
        let levels: Vec<Level> = ladder.sigmas.iter().map(|&sigma| Level::new(sigma)).collect();
        let visits = ladder.timesteps.len();
        let (mut all, mut steps) = (Vec::with_capacity(visits), Vec::with_capacity(visits));
        for visit in 0..visits {
            let orders = 1..=config.order(visit, visits, visit);
            let step = |order: usize| {
                let mut from = [levels[visit]; 3];
                (0..order).for_each(|i| from[i] = levels[visit - i]);
                rule::mixture(
                    config.algorithm_type,
                    config.solver_type,
                    levels[visit + 1],
                    &from[..order],
                )
            };
            let own: Vec<Mixture> = orders.map(step).collect();
            if !own.iter().all(Mixture::is_finite) {
                let order = (
                    "solver_order",
                    config.solver_order.to_string(),
                    "1, or more num_inference_steps",
                );
                return Err(origin.no_step(&ladder, visit, order));
            }
            let stochastic = config.algorithm_type.is_stochastic();
            let mut seen = preserving_visit(ladder.timesteps[visit], ladder.step(visit), stochastic);
            seen.draws_noise = own.iter().any(|step| step.noise > 0.0);
            all.push(seen);
            steps.push(own);
        }
        let threshold = config
            .thresholding
            .then_some((config.dynamic_thresholding_ratio, config.sample_max_value));
        Ok(Box::new(DpmSolverSampler {
            config: Arc::clone(&self.config),
            bounded: Bounded::new(None, threshold),
            visits: all,
            sigmas: ladder.sigmas,
            steps,
            history: History::new(config.solver_order),
        }))
    }
}

/// A run of DPM-Solver.
#[derive(Debug)]
struct DpmSolverSampler {
    config: Arc<DpmSolverMultistepConfig>,
    bounded: Bounded,
    visits: Vec<Visit>,
    sigmas: Vec<f32>,
    /// Of every visit, of every order from the first up.
    steps: Vec<Vec<Mixture>>,
    history: History,
}

impl Sampler for DpmSolverSampler {
    fn visits(&self) -> &[Visit] {
        &self.visits
    }

    fn sigmas(&self) -> &[f32] {
        &self.sigmas
    }

    fn begin(&mut self, shape: [usize; 3], from: usize) {
        self.history.restart(&shape, from);
    }

    fn prediction(&self, visit: usize) -> Option<Prediction> {
        let at = self.visits.get(visit)?;
        if self.config.variance_type.is_some_and(VarianceType::is_learned) {
            return None;
        }
        Prediction::new(self.config.prediction_type, at.shares?, self.bounded)
    }

    fn step_into(&mut self, visit: usize, step: SamplerStep<'_>) -> Result<()> {
        let visits = self.visits.len();
        let (Some(&at), Some(orders)) = (self.visits.get(visit), self.steps.get(visit)) else {
            return Err(Error::NoSuchVisit { visit, visits });
        };
        let SamplerStep {
            model_output,
            sample,
            noise,
            mut prev_sample,
            pred_original,
        } = step;
        let learned = self.config.variance_type.is_some_and(VarianceType::is_learned);
        let (model_output, _) = split_model_output(learned, model_output, &sample)?;
        let noise = check_step(&at, &sample, noise, &prev_sample, pred_original.as_ref())?;
        let made = self.history.enter(sample.shape(), visit);
        let roots @ [alpha, sigma] = at.shares.unwrap_or([1.0, 0.0]);
        let mut answer = self.history.push();
        let kind = self.config.prediction_type;
        predict_original(
            kind,
            roots,
            self.bounded,
            at.timestep,
            &model_output,
            &sample,
            &mut answer,
        )?;
        if let Some(mut pred_original) = pred_original {
            pred_original.assign(&answer);
        }
        if !self.config.algorithm_type.predicts_sample() {
            let bounded = self.config.thresholding;
            let zip = Zip::from(&mut answer).and(&model_output).and(&sample);
            match kind {
                PredictionType::Epsilon if !bounded => zip.for_each(|answer, &output, _| *answer = output),
                PredictionType::VPrediction if !bounded => {
                    zip.for_each(|answer, &output, &sample| *answer = alpha * output + sigma * sample);
                }
                _ => zip.for_each(|answer, _, &sample| *answer = (sample - alpha * *answer) / sigma),
            }
        }
        let order = self.config.order(visit, visits, made).min(orders.len());
        orders[order - 1].write(&sample, self.history.answers(), noise.as_ref(), &mut prev_sample);
        self.history.done(visit);
        Ok(())
    }
}
