//! Kind `scheduler`: the schedule, the forward process, and every step of the reverse process.

use super::case::{Case, CaseError};
use super::compare::{Measure, Report};
use diffplan_schedulers::{PredictionType, Registry, Sampler, Scheduler, Steps, Timesteps, Visit};
use ndarray::{ArrayD, ArrayView1};
use std::path::Path;

/// The last bit or two of float32: measured 3e-7 at most where the predicted original is not a large difference.
const TOLERANCE: f64 = 1e-6;
/// Betas that are rescaled to a zero signal at the end are differences of square roots whose last bit depends on PyTorch's
/// build. Relative to the largest beta they differ by 5.4e-6 at most (diffplan-schedulers, `betas`), and what is computed
/// from them by a little more: measured 1.2e-5.
const RESCALED: f64 = 5e-5;

pub(super) fn check(case: &Case, report: &mut Report) -> Result<(), CaseError> {
    let class = case.text("class")?;
    let registry = Registry::builtin();
    if !registry.classes().any(|known| known == class) {
        return Err(CaseError::NotSupported(class.to_owned()));
    }
    let serde_json::Value::Object(mut config) = case.value("config").clone() else {
        return Err(case.wrong_key("config", "an object"));
    };
    config.insert("_class_name".into(), class.into());
    let text = serde_json::Value::Object(config).to_string();
    let scheduler = registry
        .read(text.as_bytes(), Path::new("config"))
        .map_err(CaseError::refused)?;
    let timesteps = match (case.optional_count("num_inference_steps")?, custom_timesteps(case)?) {
        (None, None) => Timesteps::All,
        (Some(count), None) => Timesteps::Count(count),
        (None, Some(timesteps)) => Timesteps::Custom(timesteps),
        (Some(_), Some(_)) => return Err(case.wrong_key("num_inference_steps", "null beside custom_timesteps")),
    };
    let eta = match case.value("eta").is_null() {
        true => 0.0,
        false => case.number("eta")? as f32,
    };
    let steps = Steps::new(timesteps).with_eta(eta);
    let mut check = Check {
        case,
        scheduler: &*scheduler,
        sampler: scheduler.sampler(&steps).map_err(CaseError::refused)?,
        eta,
    };
    check.schedule(report)?;
    check.levels(report)?;
    check.forward_process(report)?;
    check.reverse_process(report)
}

fn custom_timesteps(case: &Case) -> Result<Option<Vec<usize>>, CaseError> {
    let key = "custom_timesteps";
    let Some(timesteps) = case.optional_numbers(key)? else {
        return Ok(None);
    };
    let count = |t: &f64| {
        if *t as usize as f64 == *t {
            Some(*t as usize)
        } else {
            None
        }
    };
    let timesteps: Option<_> = timesteps.iter().map(count).collect();
    timesteps
        .map(Some)
        .ok_or_else(|| case.wrong_key(key, "whole numbers from 0 up"))
}

struct Check<'a> {
    case: &'a Case,
    scheduler: &'a dyn Scheduler,
    sampler: Box<dyn Sampler>,
    eta: f32,
}

impl Check<'_> {
    fn is_rescaled(&self) -> bool {
        self.scheduler.to_map().get("rescale_betas_zero_snr") == Some(&true.into())
    }

    fn tolerance(&self) -> f64 {
        if self.is_rescaled() { RESCALED } else { TOLERANCE }
    }

    /// How, and how near, what `name` stands for has to be. Cases with a `float32_error` were recorded with what the reference itself
    /// loses in float32: relative to the norm, the larger of 1e-5 and five times that.
    fn allowed(&self, name: &str, otherwise: (Measure, f64)) -> (Measure, f64) {
        let errors = self.case.value("float32_error");
        let lost = |error: &serde_json::Value| 1e-5_f64.max(5.0 * error.as_f64().unwrap_or(0.0));
        match errors.is_object() {
            true => (Measure::Norm, errors.get(name).map_or(1e-5, lost)),
            false => otherwise,
        }
    }

    /// The levels of the visits, and what a run starts from.
    fn levels(&self, report: &mut Report) -> Result<(), CaseError> {
        let start = [self.sampler.init_noise_sigma()];
        for (name, actual) in [("sigmas", self.sampler.sigmas()), ("init_noise_sigma", &start[..])] {
            if self.case.has(name) {
                let (measure, tolerance) = self.allowed(name, (Measure::Relative, self.tolerance()));
                let expected = self.case.tensor(name)?;
                report.compare(name, ArrayView1::from(actual), &expected, measure, tolerance)?;
            }
        }
        Ok(())
    }

    fn schedule(&self, report: &mut Report) -> Result<(), CaseError> {
        let (case, schedule) = (self.case, self.scheduler.schedule());
        // Betas are 1e-4 and less: they have to agree one by one, unless they are rescaled.
        let measure = if self.is_rescaled() {
            Measure::Scaled
        } else {
            Measure::Relative
        };
        let mut compare = |name: &str, actual: &[f32]| {
            let (measure, tolerance) = self.allowed(name, (measure, self.tolerance()));
            report.compare(name, ArrayView1::from(actual), &case.tensor(name)?, measure, tolerance)
        };
        compare("betas", schedule.betas())?;
        compare("alphas_cumprod", schedule.alphas_cumprod())?;
        if case.has("variance") {
            let variances = self.sampler.visits().iter().map(|visit| visit.variance);
            compare(
                "variance",
                &variances.map(|v| v.unwrap_or(f32::NAN)).collect::<Vec<_>>(),
            )?;
        }
        let timesteps: Vec<f64> = self.sampler.timesteps().into_iter().map(f64::from).collect();
        let expected = case.tensor("timesteps")?;
        // Whole ones are the same; one of a level in between is as near as the level.
        let whole = expected.iter().all(|t| t.fract() == 0.0);
        let (measure, tolerance) = match whole {
            true => (Measure::Absolute, 0.0),
            false => self.allowed("timesteps", (Measure::Absolute, 0.0)),
        };
        report.compare("timesteps", ArrayView1::from(&timesteps), &expected, measure, tolerance)
    }

    fn forward_process(&self, report: &mut Report) -> Result<(), CaseError> {
        let (case, schedule) = (self.case, self.scheduler.schedule());
        let x0: ArrayD<f32> = case.tensor_f32("add_noise_x0")?;
        let noise: ArrayD<f32> = case.tensor_f32("add_noise_noise")?;
        let noisy = match self.shares(&case.tensor("add_noise_t")?)? {
            Some(shares) => {
                let mut noisy = x0.clone();
                for ((mut noisy, noise), [signal, drawn]) in noisy.outer_iter_mut().zip(noise.outer_iter()).zip(shares)
                {
                    noisy.zip_mut_with(&noise, |x, noise| *x = signal * *x + drawn * noise);
                }
                noisy
            }
            None => schedule
                .add_noise(x0.view(), noise.view(), &case.counts("add_noise_t")?)
                .map_err(CaseError::refused)?,
        };
        self.compare(report, "add_noise_out", &noisy)?;
        if case.has("velocity_out") {
            let timesteps = case.counts("add_noise_t")?;
            let velocity = schedule
                .get_velocity(x0.view(), noise.view(), &timesteps)
                .map_err(CaseError::refused)?;
            self.compare(report, "velocity_out", &velocity)?;
        }
        Ok(())
    }

    /// Shares of signal and noise of the visits of these timesteps; of equal ones the second, as the reference takes it. None where the
    /// class has those of its schedule.
    fn shares(&self, timesteps: &ArrayD<f64>) -> Result<Option<Vec<[f32; 2]>>, CaseError> {
        let visits = self.sampler.visits();
        if visits.iter().all(|visit| visit.shares.is_none()) {
            return Ok(None);
        }
        let nearest = |t: &f64| {
            let distance = |visit: &Visit| (f64::from(visit.timestep) - t).abs();
            let least = visits.iter().map(distance).fold(f64::INFINITY, f64::min);
            let mut equal = visits.iter().filter(|visit| distance(visit) == least);
            let first = equal.next();
            equal.next().or(first).and_then(|visit| visit.shares)
        };
        let shares: Option<Vec<_>> = timesteps.iter().map(nearest).collect();
        shares
            .map(Some)
            .ok_or_else(|| CaseError::refused("a timestep that is not visited"))
    }

    /// What the model sees of a sample, where the case has it.
    fn scaled(&self, report: &mut Report, visit: usize, sample: &ArrayD<f32>) -> Result<(), CaseError> {
        let name = format!("step{visit}.scaled");
        if !self.case.has(&name) {
            return Ok(());
        }
        let Ok(sample) = sample.view().into_dimensionality() else {
            return Err(CaseError::refused("a sample that has not three axes"));
        };
        let mut scaled = sample.to_owned();
        self.sampler.scale_input(visit, sample, scaled.view_mut());
        let (measure, tolerance) = self.allowed("scaled", (Measure::Scaled, self.tolerance()));
        let expected = self.case.tensor(&name)?;
        report.compare(name, scaled.view(), &expected, measure, tolerance)
    }

    fn reverse_process(&mut self, report: &mut Report) -> Result<(), CaseError> {
        let case = self.case;
        for i in 0..self.sampler.visits().len() {
            let visit = self.sampler.visits()[i];
            let name = |what: &str| format!("step{i}.{what}");
            let model_output: ArrayD<f32> = case.tensor_f32(&name("model_output"))?;
            let sample: ArrayD<f32> = case.tensor_f32(&name("sample"))?;
            if let (0, &[batch, horizon, dims]) = (i, sample.shape()) {
                self.sampler.begin([batch, horizon, dims], 0);
            }
            self.scaled(report, i, &sample)?;
            // Recorded for the steps that add none as well.
            let recorded = visit.draws_noise || case.has(&name("noise"));
            let noise: Option<ArrayD<f32>> = if recorded {
                Some(case.tensor_f32(&name("noise"))?)
            } else {
                None
            };
            let noise = noise.as_ref().map(|noise| noise.view());
            let output = self
                .sampler
                .step(i, model_output.view(), sample.view(), noise)
                .map_err(CaseError::refused)?;
            let rounding = self.rounding_of_original(visit.timestep as usize, &model_output);
            let tolerance = self.tolerance().max(rounding).max(self.rounding_of_direction(&visit));
            for (what, actual) in [
                ("prev_sample", &output.prev_sample),
                ("pred_original_sample", &output.pred_original_sample),
            ] {
                // Solvers of several steps do not tell theirs in the reference.
                if what == "pred_original_sample" && !case.has(&name(what)) {
                    continue;
                }
                let expected = case.tensor(&name(what))?;
                let (measure, tolerance) = self.allowed(what, (Measure::Scaled, tolerance));
                report.compare(name(what), actual.view(), &expected, measure, tolerance)?;
            }
        }
        Ok(())
    }

    /// What a last bit of √(1 − ᾱ), which PyTorch takes from MKL, does to the original sample that is predicted from noise,
    /// (x − √(1 − ᾱ) ε) / √ᾱ: clipping may leave the error and take the size.
    fn rounding_of_original(&self, timestep: usize, model_output: &ArrayD<f32>) -> f64 {
        let schedule = self.scheduler.schedule();
        if schedule.prediction_type() != PredictionType::Epsilon {
            return 0.0;
        }
        let largest = model_output
            .iter()
            .fold(0.0_f64, |largest, value| largest.max(f64::from(value.abs())));
        let alphas = schedule.alphas_cumprod();
        f64::from(f32::EPSILON) * largest / f64::from(alphas[timestep.min(alphas.len() - 1)]).sqrt()
    }

    /// What that last bit, of √v, does to the direction √(1 − p − η² v) of a step of DDIM to the share of signal p: with η = 1 it is
    /// what two nearly equal numbers differ by.
    fn rounding_of_direction(&self, visit: &Visit) -> f64 {
        let alphas = self.scheduler.schedule().alphas_cumprod();
        let stride = alphas.len() / self.sampler.visits().len().max(1);
        let to = (visit.timestep as usize).saturating_sub(stride);
        let variance = f64::from(self.eta * self.eta) * f64::from(visit.variance.unwrap_or(0.0));
        let direction = (1.0 - f64::from(alphas[to]) - variance).max(f64::from(f32::EPSILON));
        f64::from(f32::EPSILON) * variance / direction.sqrt()
    }

    fn compare(&self, report: &mut Report, name: &str, actual: &ArrayD<f32>) -> Result<(), CaseError> {
        let (measure, tolerance) = self.allowed(name, (Measure::Scaled, self.tolerance()));
        report.compare(name, actual.view(), &self.case.tensor(name)?, measure, tolerance)
    }
}
