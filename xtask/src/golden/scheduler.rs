//! Kind `scheduler`: the schedule, the forward process, and every step of the reverse process.

use super::case::{Case, CaseError};
use super::compare::{Measure, Report};
use diffplan_schedulers::{PredictionType, Registry, Sampler, Scheduler, Steps, Timesteps, Visit};
use ndarray::{ArrayD, ArrayView1, Axis};
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

    /// Where the case says how far its own float32 is from float64: five times that, 1e-5 at least.
    fn tolerance_of(&self, name: &str) -> f64 {
        match self.case.value("float32_error")[name].as_f64() {
            Some(error) => (5.0 * error)
                .max(1e-5)
                .max(if self.is_rescaled() { RESCALED } else { 0.0 }),
            None => self.tolerance(),
        }
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
            report.compare(
                name,
                ArrayView1::from(actual),
                &case.tensor(name)?,
                measure,
                self.tolerance_of(name),
            )
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
        if case.has("sigmas") && !self.sampler.sigmas().is_empty() {
            report.compare(
                "sigmas",
                ArrayView1::from(self.sampler.sigmas()),
                &case.tensor("sigmas")?,
                Measure::Mixed,
                self.tolerance_of("sigmas"),
            )?;
            let sigma = ArrayView1::from(std::slice::from_ref(&self.sampler.init_noise_sigma())).to_owned();
            let expected = case.tensor("init_noise_sigma")?;
            let expected =
                ArrayD::from_shape_vec(vec![1], expected.iter().copied().collect()).map_err(CaseError::refused)?;
            report.compare(
                "init_noise_sigma",
                sigma.view(),
                &expected,
                Measure::Mixed,
                self.tolerance_of("init_noise_sigma"),
            )?;
        }
        let timesteps: Vec<f64> = self.sampler.timesteps().into_iter().map(f64::from).collect();
        let expected = case.tensor("timesteps")?;
        report.compare(
            "timesteps",
            ArrayView1::from(&timesteps),
            &expected,
            Measure::Absolute,
            0.0,
        )
    }

    fn forward_process(&self, report: &mut Report) -> Result<(), CaseError> {
        let (case, schedule) = (self.case, self.scheduler.schedule());
        let x0: ArrayD<f32> = case.tensor_f32("add_noise_x0")?;
        let noise: ArrayD<f32> = case.tensor_f32("add_noise_noise")?;
        let timesteps = case.counts("add_noise_t")?;
        // A class that counts by noise levels noises to those of its visits.
        if !self.sampler.sigmas().is_empty() {
            return self.noise_to_visits(report, &x0, &noise, &timesteps);
        }
        let noisy = schedule
            .add_noise(x0.view(), noise.view(), &timesteps)
            .map_err(CaseError::refused)?;
        self.compare(report, "add_noise_out", &noisy)?;
        if case.has("velocity_out") {
            let velocity = schedule
                .get_velocity(x0.view(), noise.view(), &timesteps)
                .map_err(CaseError::refused)?;
            self.compare(report, "velocity_out", &velocity)?;
        }
        Ok(())
    }

    fn noise_to_visits(
        &self,
        report: &mut Report,
        x0: &ArrayD<f32>,
        noise: &ArrayD<f32>,
        timesteps: &[usize],
    ) -> Result<(), CaseError> {
        let visited = self.sampler.timesteps();
        let mut noisy = x0.clone();
        for (i, &timestep) in timesteps.iter().enumerate() {
            let mut found = visited
                .iter()
                .enumerate()
                .filter(|(_, t)| **t == timestep as f32)
                .map(|(visit, _)| visit);
            let first = found.next().unwrap_or(visited.len() - 1);
            // The reference takes the second where there are two.
            let visit = found.next().unwrap_or(first);
            let [signal, share] = self.sampler.level(visit).unwrap_or([f32::NAN; 2]);
            let mut row = noisy.index_axis_mut(Axis(0), i);
            row.zip_mut_with(&noise.index_axis(Axis(0), i), |x, noise| {
                *x = signal * *x + share * noise
            });
        }
        report.compare(
            "add_noise_out",
            noisy.view(),
            &self.case.tensor("add_noise_out")?,
            Measure::Scaled,
            self.tolerance_of("add_noise_out"),
        )
    }

    fn reverse_process(&mut self, report: &mut Report) -> Result<(), CaseError> {
        let case = self.case;
        for i in 0..self.sampler.visits().len() {
            let visit = self.sampler.visits()[i];
            let name = |what: &str| format!("step{i}.{what}");
            let model_output: ArrayD<f32> = case.tensor_f32(&name("model_output"))?;
            let sample: ArrayD<f32> = case.tensor_f32(&name("sample"))?;
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
            let tolerance = self
                .tolerance_of("prev_sample")
                .max(rounding)
                .max(self.rounding_of_direction(&visit));
            for (what, actual) in [
                ("prev_sample", &output.prev_sample),
                ("pred_original_sample", &output.pred_original_sample),
            ] {
                if !case.has(&name(what)) && what != "prev_sample" {
                    continue;
                }
                let expected = case.tensor(&name(what))?;
                report.compare(name(what), actual.view(), &expected, Measure::Scaled, tolerance)?;
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
        f64::from(f32::EPSILON) * largest / f64::from(schedule.alphas_cumprod()[timestep]).sqrt()
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
        report.compare(
            name,
            actual.view(),
            &self.case.tensor(name)?,
            Measure::Scaled,
            self.tolerance(),
        )
    }
}
