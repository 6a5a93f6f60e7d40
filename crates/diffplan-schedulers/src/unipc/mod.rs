//! UniPC (Zhao et al. 2023, arXiv:2302.04867), a predictor that each visit corrects before it goes on: the twin of diffusers 0.42.1
//! `UniPCMultistepScheduler` (`schedulers/scheduling_unipc_multistep.py`).
//!
//! The answer at a visit is that at the predicted sample. It corrects the sample, by the step that was made there made again with one
//! answer more (UniC), and from the corrected sample the next is predicted (UniP), without asking the model twice. `rule` has the
//! equations.
//!
//! A correction begins at the sample of the visit before, so that what was done to the predicted sample in between would be lost: guidance,
//! and conditions. The sampler remembers what it gave, and moves the corrected sample by what was done to that. The reference does
//! not; where nothing was done they are the same.

mod config;
mod rule;

use std::sync::Arc;

pub use config::UniPcMultistepConfig;
use ndarray::{ArrayD, IxDyn, Zip};

use crate::multistep::{History, Level, Mixture};
use crate::original::{Bounded, predict_original};
use crate::scheduler::scheduler;
use crate::shape::{check_shape, check_step};
use crate::sigmas::{Grid, LEAST_SIGNAL, Ladder, Origin, Spacing, Spread, TrainLevels, preserving_visit};
use crate::{Error, FinalSigmasType, Prediction, PredictionType, Result, Sampler, SamplerStep, Steps, Visit};

scheduler! {
    /// The UniPC scheduler.
    ///
    /// Where the reference is odd:
    ///
    /// - It has no timesteps until it is told their number; here they are all training timesteps until then.
    /// - Steps to no noise at all give NaN with `bh1` and, of higher order, with `lower_order_final` off; so do those of third
    ///   order between equal levels, as the last is with levels that are spread and `final_sigmas_type` `sigma_min`. Here a run with them is refused.
    /// - `thresholding` means nothing with `predict_x0` off; and so here.
    UniPcMultistepScheduler of UniPcMultistepConfig, |config| Ok(config
        .schedule()
        .build()?
        .with_some_signal(LEAST_SIGNAL))
}

impl UniPcMultistepScheduler {
    fn ladder(&self, steps: &Steps, origin: Origin) -> Result<Ladder> {
        let (config, levels) = (&*self.config, TrainLevels::new(&self.schedule));
        let spacing = Spacing {
            grid: Grid::Inner,
            kind: config.timestep_spacing,
            num_train_timesteps: config.num_train_timesteps,
            visited: config.num_train_timesteps,
            steps_offset: config.steps_offset,
        };
        let [most, least] = [levels.most(), levels.least()].map(f64::from);
        let range = [config.sigma_max.unwrap_or(most), config.sigma_min.unwrap_or(least)];
        let end = |last: f32| match config.final_sigmas_type {
            FinalSigmasType::Zero => 0.0,
            FinalSigmasType::SigmaMin => last,
        };
        let karras = origin.spread == Spread::Karras;
        let whole = |t: f64| if karras { t.round_ties_even() } else { t.trunc() };
        origin.ladder(spacing, &steps.timesteps, &levels, range, end, whole)
    }
}

impl UniPcMultistepConfig {
    /// The order of the step of `visit` out of `visits`, with `made` visits before it in the run.
    fn order(&self, visit: usize, visits: usize, made: usize) -> usize {
        let order = self.solver_order.min(made + 1);
        match self.lower_order_final {
            true => order.min(visits - visit),
            false => order,
        }
    }

    fn corrects(&self, visit: usize) -> bool {
        visit > 0 && !self.disable_corrector.contains(&(visit - 1))
    }
}

impl UniPcMultistepScheduler {
    /// A run: [`Scheduler::sampler`](crate::Scheduler::sampler).
    fn run(&self, steps: &Steps) -> Result<Box<dyn Sampler>> {
        steps.check_plain(UniPcMultistepConfig::CLASS_NAME)?;
        let config = &*self.config;
        let origin = Origin {
            class: UniPcMultistepConfig::CLASS_NAME,
            spread: config.spread(),
            spacing: config.timestep_spacing,
            end: config.final_sigmas_type,
        };
        let ladder = self.ladder(steps, origin)?;
        let levels: Vec<Level> = ladder.sigmas.iter().map(|&sigma| Level::new(sigma)).collect();
        let rule = rule::Rule {
            kind: config.solver_type,
            predicts_sample: config.predict_x0,
        };
        // Where steps begin, from the one of a visit back.
        let back = |visit: usize, order: usize| -> Vec<Level> { (0..order).map(|i| levels[visit - i]).collect() };
        let visits = ladder.timesteps.len();
        let (mut predictors, mut correctors) = (Vec::with_capacity(visits), Vec::with_capacity(visits));
        for visit in 0..visits {
            let orders = 1..=config.order(visit, visits, visit);
            let predicts = |order| rule.predictor(levels[visit + 1], &back(visit, order));
            let own: Vec<Mixture> = orders.map(predicts).collect();
            let mut corrects: Vec<Mixture> = Vec::new();
            if config.corrects(visit) {
                let orders = 1..=config.order(visit - 1, visits, visit - 1);
                corrects = orders
                    .map(|order| rule.corrector(levels[visit], &back(visit - 1, order)))
                    .collect();
            }
            if !own.iter().chain(&corrects).all(Mixture::is_finite) {
                let end = (
                    "final_sigmas_type",
                    config.final_sigmas_type.to_string(),
                    "sigma_min, or solver_type bh2 with predict_x0 and lower_order_final true",
                );
                return Err(origin.no_step(&ladder, visit, end));
            }
            predictors.push(own);
            correctors.push(corrects);
        }
        let seen = |visit| preserving_visit(ladder.timesteps[visit], ladder.step(visit), false);
        let threshold = config
            .thresholding
            .then_some((config.dynamic_thresholding_ratio, config.sample_max_value));
        let nothing = || ArrayD::zeros(IxDyn(&[0]));
        Ok(Box::new(UniPcSampler {
            config: Arc::clone(&self.config),
            bounded: Bounded::new(None, threshold.filter(|_| config.predict_x0)),
            visits: (0..visits).map(seen).collect(),
            sigmas: ladder.sigmas,
            predictors,
            correctors,
            history: History::new(config.solver_order + 1),
            start: nothing(),
            given: nothing(),
            order: 0,
        }))
    }
}

/// A run of UniPC.
#[derive(Debug)]
struct UniPcSampler {
    config: Arc<UniPcMultistepConfig>,
    bounded: Bounded,
    visits: Vec<Visit>,
    sigmas: Vec<f32>,
    /// Of every visit, of every order from the first up.
    predictors: Vec<Vec<Mixture>>,
    /// Of every visit, by the order of the step before it.
    correctors: Vec<Vec<Mixture>>,
    /// One more than the order: a correction has the answer at its own visit too.
    history: History,
    /// Where the last step began, corrected.
    start: ArrayD<f32>,
    /// What it gave.
    given: ArrayD<f32>,
    /// Its order.
    order: usize,
}

impl UniPcSampler {
    fn resize(&mut self, shape: &[usize]) {
        for array in [&mut self.start, &mut self.given] {
            if array.shape() != shape {
                *array = ArrayD::zeros(shape);
            }
        }
    }
}

impl Sampler for UniPcSampler {
    fn visits(&self) -> &[Visit] {
        &self.visits
    }

    fn sigmas(&self) -> &[f32] {
        &self.sigmas
    }

    fn begin(&mut self, shape: [usize; 3], from: usize) {
        self.history.restart(&shape, from);
        self.resize(&shape);
    }

    fn prediction(&self, visit: usize) -> Option<Prediction> {
        let at = self.visits.get(visit)?;
        Prediction::new(self.config.prediction_type, at.shares?, self.bounded)
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
        let made = self.history.enter(sample.shape(), visit);
        self.resize(sample.shape());
        let roots @ [alpha, sigma] = at.shares.unwrap_or([1.0, 0.0]);
        let (config, kind) = (&*self.config, self.config.prediction_type);
        let mut answer = self.history.push();
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
        if !config.predict_x0 {
            let zip = Zip::from(&mut answer).and(&model_output).and(&sample);
            match kind {
                PredictionType::Epsilon => zip.for_each(|answer, &output, _| *answer = output),
                PredictionType::Sample => {
                    zip.for_each(|answer, &output, &sample| *answer = (sample - alpha * output) / sigma);
                }
                PredictionType::VPrediction => {
                    zip.for_each(|answer, &output, &sample| *answer = alpha * output + sigma * sample);
                }
            }
        }
        let corrector = self.correctors[visit].get(self.order.wrapping_sub(1));
        match corrector.filter(|_| made > 0) {
            None => self.start.assign(&sample),
            Some(corrector) => {
                // What was done to the sample since it was given.
                Zip::from(&mut self.given)
                    .and(&sample)
                    .for_each(|given, &sample| *given = sample - *given);
                let corrected = &mut prev_sample;
                corrector.write(&self.start.view(), self.history.answers(), None, corrected);
                Zip::from(&mut self.start)
                    .and(corrected)
                    .and(&self.given)
                    .for_each(|start, &mut corrected, &moved| *start = corrected + moved);
            }
        }
        let predictors = &self.predictors[visit];
        self.order = config.order(visit, visits, made).min(predictors.len());
        predictors[self.order - 1].write(&self.start.view(), self.history.answers(), None, &mut prev_sample);
        self.given.assign(&prev_sample);
        self.history.done(visit);
        Ok(())
    }
}
