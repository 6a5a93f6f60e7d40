//! Kind `unet`: output, and the gradients of ⟨output, cotangent⟩ with respect to the sample and to every parameter.

use super::case::{Case, CaseError};
use super::compare::{Measure, Report};
use super::sensitivity::{Arrays, changed, compare};
use diffplan_models::{Algorithm, Compute, UNet1dModel, Workspace, named_params};
use ndarray::{Array1, Array3, ArrayD, Axis};
use std::collections::BTreeMap;

/// Norm-wise relative error of float32 against the float64 reference.
const TOLERANCE: f64 = 1e-4;

/// A parameter whose gradient is below this share of the whole gradient's norm has gradient zero: what the reference recorded
/// is the rounding of float64. So it is with the bias of a convolution before a normalisation of one channel a group.
const ZERO: f64 = 1e-10;
/// Such a gradient may be this share of the whole: measured 1.1e-7 at most, and as much in PyTorch's own float32.
const ZERO_TOLERANCE: f64 = 1e-6;

/// The frequencies of a Fourier embedding and the kernels of resamplers: saved with the model, but not trained.
fn is_frozen(name: &str) -> bool {
    name == "param_grad.time_proj.weight" || name.ends_with(".kernel")
}

pub(super) fn check(case: &Case, report: &mut Report) -> Result<(), CaseError> {
    let call = Call {
        model: UNet1dModel::from_pretrained(case.folder().join("model")).map_err(CaseError::refused)?,
        timesteps: case.tensor("timestep")?.iter().map(|t| *t as f32).collect(),
        cotangent: case.tensor_f32("cotangent")?,
    };
    let sample: Array3<f32> = case.tensor_f32("sample")?;
    let sampled = case.names().iter().any(|name| name.starts_with("param_grad_every"));
    if sampled || !case.value("meaning").is_null() {
        return check_sampled(case, &call, &sample, report);
    }
    let (mut results, again) = (call.results(&sample)?, |k| call.results(&changed(&sample, k)));

    let mut expected = BTreeMap::new();
    for name in case.names().into_iter().filter(|name| name.starts_with("param_grad.")) {
        expected.insert(name.clone(), case.tensor(&name)?);
    }
    if let Some(name) = expected.keys().find(|name| results.iter().all(|(own, _)| own != *name)) {
        return Err(CaseError::Refused(format!(
            "the model has no parameter for the reference's {name}"
        )));
    }
    let whole = norm(expected.values().flatten());
    let is_zero = |name: &str| match expected.get(name) {
        Some(grad) => norm(grad) < ZERO * whole,
        None => is_frozen(name),
    };
    for (name, grad) in results.extract_if(.., |(name, _)| is_zero(name)) {
        let share = norm(&grad.mapv(f64::from)) / whole;
        match expected.get(&name) {
            None => report.record(name, norm(&grad.mapv(f64::from)), 0.0),
            Some(expected) if expected.shape() == grad.shape() => report.record(name, share, ZERO_TOLERANCE),
            Some(expected) => {
                let (actual, expected) = (grad.shape().to_vec(), expected.shape().to_vec());
                return Err(CaseError::Shape { name, actual, expected });
            }
        }
    }
    let again = |k| {
        let mut results: Arrays = again(k)?;
        results.retain(|(name, _)| !is_zero(name));
        Ok(results)
    };
    // "output of vjp" is compared with `output`.
    let expected = |name: &str| case.tensor(name.split(' ').next().unwrap_or(name));
    compare(report, "", &results, &expected, (Measure::Norm, TOLERANCE), &again)
}

/// A case that says how far float32 is, and has every K-th number of large gradients, and their norms. The tolerance is 20 times what float32 makes of the original,
/// and 2e-5 at least; of a gradient it is relative to a thousandth of the largest at least, since some are zero.
fn check_sampled(case: &Case, call: &Call, sample: &Array3<f32>, report: &mut Report) -> Result<(), CaseError> {
    if !case.value("meaning").is_null() {
        let own = serde_json::to_value(call.model.config()).map_err(CaseError::refused)?;
        let expected = case.value("config").as_object().into_iter().flatten();
        for (key, value) in expected {
            let same = match (own[key].as_f64(), value.as_f64()) {
                (Some(own), Some(value)) => own == value,
                _ => own[key] == *value,
            };
            if !same {
                return Err(CaseError::Refused(format!("{key} is {}, expected {value}", own[key])));
            }
        }
        if call.model.notes().is_empty() {
            return Err(CaseError::Refused("nothing is said of what was assumed".into()));
        }
    }
    let tolerance = |name: &str| {
        let error = case.value("float32_error")[name].as_f64().unwrap_or(0.0);
        (20.0 * error).max(2e-5)
    };
    let prefixes = |name: &str| -> Option<(usize, String)> {
        let rest = name.strip_prefix("param_grad_every")?;
        let (every, name) = rest.split_once('.')?;
        Some((every.parse().ok()?, name.to_owned()))
    };
    let mut every = BTreeMap::new();
    for (step, name) in case.names().iter().filter_map(|name| prefixes(name)) {
        every.insert(name, step);
    }
    let mut expected: BTreeMap<String, (ArrayD<f64>, f64)> = BTreeMap::new();
    for (name, _) in named_params(&call.model) {
        let whole = format!("param_grad.{name}");
        if let Some(step) = every.get(&name) {
            let numbers = case.tensor(&format!("param_grad_every{step}.{name}"))?;
            let norm = case
                .tensor(&format!("param_grad_norm.{name}"))?
                .iter()
                .copied()
                .fold(0.0, f64::max);
            expected.insert(whole, (numbers, norm));
        } else if case.has(&whole) {
            let numbers = case.tensor(&whole)?;
            let own = norm(&numbers);
            expected.insert(whole, (numbers, own));
        }
    }
    let largest = expected.values().map(|(_, norm)| *norm).fold(0.0, f64::max);
    for (name, array) in call.results(sample)? {
        let own = array.mapv(f64::from);
        let Some(param) = name.strip_prefix("param_grad.") else {
            let of = if name.starts_with("output") {
                "output"
            } else {
                "sample_grad"
            };
            let allowed = match name.ends_with("ToomCook") {
                true => tolerance(of).max(TOLERANCE),
                false => tolerance(of),
            };
            report.compare(name.clone(), array.view(), &case.tensor(of)?, Measure::Norm, allowed)?;
            continue;
        };
        // Parameters without an entry get no gradient.
        let Some((numbers, whole)) = expected.get(&name) else {
            report.record(name, norm(&own), 0.0);
            continue;
        };
        let step = every.get(param).copied().unwrap_or(1);
        let picked: Vec<f64> = own.iter().step_by(step).copied().collect();
        if picked.len() != numbers.len() {
            return Err(CaseError::Shape {
                name,
                actual: vec![picked.len()],
                expected: vec![numbers.len()],
            });
        }
        let differences: Vec<f64> = picked.iter().zip(numbers).map(|(own, other)| own - other).collect();
        let share = (numbers.len() as f64 / own.len() as f64).sqrt();
        let size = norm(numbers).max(1e-3 * largest * share);
        report.record(name.clone(), norm(&differences) / size, tolerance("param_grad"));
        if step > 1 {
            let size = whole.max(1e-3 * largest);
            report.record(
                format!("norm of {name}"),
                (norm(&own) - whole).abs() / size,
                tolerance("param_grad"),
            );
        }
    }
    Ok(())
}

fn norm<'a>(values: impl IntoIterator<Item = &'a f64>) -> f64 {
    values.into_iter().map(|v| v * v).sum::<f64>().sqrt()
}

struct Call {
    model: UNet1dModel,
    timesteps: Vec<f32>,
    cotangent: ArrayD<f32>,
}

impl Call {
    /// Everything the model gives, from all of its functions.
    fn results(&self, sample: &Array3<f32>) -> Result<Arrays, CaseError> {
        let Self {
            model,
            timesteps,
            cotangent,
        } = self;
        let mut results = Arrays::new();
        let mut push = |name: &str, array: ArrayD<f32>| results.push((name.to_owned(), array));
        push(
            "output",
            model.forward(sample.view(), timesteps).map_err(CaseError::refused)?,
        );
        let vjp = model
            .vjp(sample.view(), timesteps, cotangent.view())
            .map_err(CaseError::refused)?;
        push("output of vjp", vjp.output);
        push("sample_grad", vjp.sample_grad.into_dyn());
        // Small networks take the direct sum of themselves; both algorithms must be right on any.
        let time = model.time_features(timesteps);
        for algorithm in [Algorithm::Direct, Algorithm::ToomCook] {
            let mut workspace = Workspace::with(Compute {
                threads: rayon::current_num_threads(),
                algorithm,
                ..Compute::default()
            });
            let shape = model
                .output_shape(sample.dim().0, sample.dim().2)
                .map_err(CaseError::refused)?;
            let mut output = ArrayD::zeros(shape);
            model
                .forward_into(sample.view(), &time, output.view_mut(), &mut workspace)
                .map_err(CaseError::refused)?;
            push(&format!("output by {algorithm:?}"), output);
            if model.is_value_function() {
                let (mut values, mut grad) = (Array1::zeros(sample.dim().0), Array3::zeros(sample.dim()));
                model
                    .value_and_grad_into(sample.view(), &time, values.view_mut(), grad.view_mut(), &mut workspace)
                    .map_err(CaseError::refused)?;
                // A sample's value depends on that sample alone, so its gradient can be multiplied afterwards.
                grad.outer_iter_mut()
                    .zip(cotangent)
                    .for_each(|(mut grad, c)| grad *= *c);
                push(
                    &format!("output of value_and_grad by {algorithm:?}"),
                    values.insert_axis(Axis(1)).into_dyn(),
                );
                push(
                    &format!("sample_grad of value_and_grad by {algorithm:?}"),
                    grad.into_dyn(),
                );
            }
        }
        for (name, grad) in named_params(&vjp.param_grad) {
            push(&format!("param_grad.{name}"), grad.to_owned());
        }
        Ok(results)
    }
}
