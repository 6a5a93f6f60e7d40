//! A network of the original: output, and the gradients of ⟨output, cotangent⟩, by the original's names and shapes.

use super::super::case::{Case, CaseError};
use super::super::compare::Report;
use super::{compare, tolerance};
use diffplan_files::Folder;
use diffplan_import::jannerm::NetworkKind;
use diffplan_models::{UNet1dModel, named_params};
use ndarray::{Array3, ArrayD, Axis};
use std::collections::BTreeMap;

/// (batch, horizon, channels) and (batch, channels, horizon), one to the other.
fn turned(x: &Array3<f32>) -> Array3<f32> {
    x.view().permuted_axes([0, 2, 1]).as_standard_layout().into_owned()
}

pub(super) fn check(case: &Case, report: &mut Report, folder: &Folder, name: &str) -> Result<(), CaseError> {
    let model = UNet1dModel::from_folder(folder).map_err(CaseError::refused)?;
    let at = |what: &str| format!("{name}.{what}");
    let sample = turned(&case.tensor_f32(&at("sample"))?);
    let timesteps: Vec<f32> = case.tensor(&at("timestep"))?.iter().map(|t| *t as f32).collect();
    let cotangent: ArrayD<f32> = case.tensor_f32(&at("cotangent"))?;
    let is_value = model.is_value_function();
    let cotangent = match is_value {
        true => cotangent,
        false => cotangent.permuted_axes(vec![0, 2, 1]).as_standard_layout().into_owned(),
    };
    let back = |x: ArrayD<f32>| match x.ndim() {
        3 => x.permuted_axes(vec![0, 2, 1]).as_standard_layout().into_owned(),
        _ => x,
    };
    let forward = model.forward(sample.view(), &timesteps).map_err(CaseError::refused)?;
    compare(case, report, &at("output"), back(forward))?;
    if is_value {
        // As a plan asks for it: a sample's gradient is its own, so it can be multiplied afterwards.
        let (values, mut grad) = model
            .value_and_grad(sample.view(), &timesteps)
            .map_err(CaseError::refused)?;
        compare(case, report, &at("output"), values.insert_axis(Axis(1)).into_dyn())?;
        grad.outer_iter_mut()
            .zip(&cotangent)
            .for_each(|(mut grad, c)| grad *= *c);
        compare(case, report, &at("sample_grad"), turned(&grad).into_dyn())?;
    }
    let vjp = model
        .vjp(sample.view(), &timesteps, cotangent.view())
        .map_err(CaseError::refused)?;
    compare(case, report, &at("sample_grad"), turned(&vjp.sample_grad).into_dyn())?;
    parameters(case, report, name, &vjp.param_grad)
}

/// What the case has of a parameter's gradient: every so many numbers of it, and the norm of the whole.
struct Expected {
    step: usize,
    numbers: ArrayD<f64>,
    norm: f64,
}

fn norm<'a>(values: impl IntoIterator<Item = &'a f64>) -> f64 {
    values.into_iter().map(|v| v * v).sum::<f64>().sqrt()
}

/// The gradients of all parameters, each relative to a thousandth of the largest at least: some are zero.
fn parameters(case: &Case, report: &mut Report, network: &str, grads: &UNet1dModel) -> Result<(), CaseError> {
    let mut expected = BTreeMap::new();
    let whole = format!("{network}.param_grad.");
    let some = format!("{network}.param_grad_every");
    for name in case.names() {
        if let Some(own) = name.strip_prefix(&whole) {
            let numbers = case.tensor(&name)?;
            let norm = norm(&numbers);
            expected.insert(own.to_owned(), Expected { step: 1, numbers, norm });
        } else if let Some((step, own)) = name.strip_prefix(&some).and_then(|rest| rest.split_once('.')) {
            let wrong = || CaseError::NoTensor(name.clone());
            let step = step.parse().ok().filter(|step| *step > 0).ok_or_else(wrong)?;
            let norm = case
                .tensor(&format!("{network}.param_grad_norm.{own}"))?
                .iter()
                .copied()
                .fold(0.0, f64::max);
            let numbers = case.tensor(&name)?;
            expected.insert(own.to_owned(), Expected { step, numbers, norm });
        }
    }
    let largest = expected.values().map(|expected| expected.norm).fold(0.0, f64::max);
    let allowed = tolerance(case, &format!("{network}.param_grad"));
    let kind = NetworkKind::of(expected.keys().map(String::as_str));
    let kind = kind.ok_or_else(|| CaseError::Refused(format!("{network}: gradients of no network of the original")))?;
    for (ours, grad) in named_params(grads) {
        let name = kind
            .theirs(&ours)
            .ok_or_else(|| CaseError::Refused(format!("the original has no name for {ours}")))?;
        let own: Vec<f64> = grad.iter().map(|x| f64::from(*x)).collect();
        let full = format!("{network}.param_grad.{name}");
        // Parameters without an entry get no gradient.
        let Some(expected) = expected.remove(&name) else {
            report.record(full, norm(&own), 0.0);
            continue;
        };
        let picked: Vec<f64> = own.iter().copied().step_by(expected.step).collect();
        if picked.len() != expected.numbers.len() {
            return Err(CaseError::Shape {
                name: full,
                actual: vec![picked.len()],
                expected: vec![expected.numbers.len()],
            });
        }
        let differences: Vec<f64> = picked
            .iter()
            .zip(&expected.numbers)
            .map(|(own, other)| own - other)
            .collect();
        let share = (picked.len() as f64 / own.len() as f64).sqrt();
        let size = norm(&expected.numbers).max(1e-3 * largest * share);
        report.record(&full, norm(&differences) / size, allowed);
        if expected.step > 1 {
            let size = expected.norm.max(1e-3 * largest);
            report.record(
                format!("norm of {full}"),
                (norm(&own) - expected.norm).abs() / size,
                allowed,
            );
        }
    }
    match expected.keys().next() {
        Some(name) => Err(CaseError::Refused(format!(
            "the network has no parameter for the reference's {name}"
        ))),
        None => Ok(()),
    }
}
