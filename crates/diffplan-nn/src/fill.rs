//! [`fill_params`]: the parameters of a model from named tensors, all of them and nothing else.

use crate::error::{Error, ParameterReport, Result};
use crate::params::{Params, named_params, named_params_mut};
use diffplan_tensors::NamedTensors;
use ndarray::{ArrayViewD, ArrayViewMutD, Ix3};
use std::collections::BTreeMap;

/// What wrappers put before every name of the network that they wrap.
const PREFIXES: [&str; 4] = ["_orig_mod.", "module.", "model.", "ema_model."];

/// Sets every parameter of `model` from tensors of float32, float64, float16 or bfloat16. A prefix that all of their names have and
/// the model's do not, as `torch.compile` ("_orig_mod.") and `DataParallel` ("module.") leave it, is taken off; what was odd and
/// harmless is returned, a sentence each.
///
/// The model is unchanged if anything is wrong.
///
/// # Errors
/// If they are not exactly the model's parameters: all that are missing, unexpected, of another shape or type, or not finite are named.
pub fn fill_params(model: &mut impl Params, tensors: NamedTensors) -> Result<Vec<String>> {
    let path = tensors.path().to_owned();
    let others = tensors.others().to_vec();
    let mut in_file: BTreeMap<String, _> = tensors.into_tensors().collect();
    let mut notes = Vec::new();
    let wanted = named_params(model);
    while let Some(prefix) = prefix_of_all(in_file.keys(), &wanted) {
        notes.push(format!(
            "{}: the names begin with `{prefix}`, which was taken off",
            path.display()
        ));
        let names = in_file.into_iter();
        in_file = names
            .map(|(name, tensor)| (name[prefix.len()..].to_owned(), tensor))
            .collect();
    }
    let mut report = ParameterReport::default();
    let mut values = Vec::new();
    for (name, view) in wanted {
        let Some(tensor) = in_file.remove(&name) else {
            match others.iter().find(|(other, _)| *other == name) {
                Some((_, what)) => report.wrong_dtype.push((name, what.clone())),
                None => report.missing.push(name),
            }
            continue;
        };
        if tensor.shape() != view.shape() {
            report
                .mismatched
                .push((name, tensor.shape().to_vec(), view.shape().to_vec()));
            continue;
        }
        let Some(numbers) = tensor.to_f32() else {
            report.wrong_dtype.push((name, tensor.dtype().to_string()));
            continue;
        };
        if let Some(index) = numbers.iter().position(|v| !v.is_finite()) {
            report.not_finite.push((name, index));
        }
        values.push(numbers);
    }
    report.unexpected = in_file.into_keys().collect();
    if !report.is_empty() {
        return Err(Error::Parameters {
            path,
            report: Box::new(report),
        });
    }
    if let Some((name, what)) = others.first() {
        notes.push(format!(
            "{}: {} beside the parameters that are no tensors of numbers were passed over, `{name}` ({what}) the first",
            path.display(),
            others.len()
        ));
    }
    for ((_, view), numbers) in named_params_mut(model).into_iter().zip(values) {
        fill(view, &numbers);
    }
    Ok(notes)
}

/// The prefix that every name of a file has, if one does that is none of the model's.
fn prefix_of_all<'a>(
    in_file: impl ExactSizeIterator<Item = &'a String> + Clone,
    wanted: &[(String, ArrayViewD<f32>)],
) -> Option<&'static str> {
    PREFIXES.into_iter().find(|prefix| {
        in_file.len() > 0
            && in_file.clone().all(|name| name.starts_with(prefix))
            && !wanted.iter().any(|(name, _)| name.starts_with(prefix))
    })
}

/// Sets a parameter to numbers in the order of its axes, whatever its order in memory.
fn fill(mut view: ArrayViewMutD<f32>, numbers: &[f32]) {
    let standard = view.is_standard_layout();
    if let (false, Ok(mut weight)) = (standard, view.view_mut().into_dimensionality::<Ix3>()) {
        // A convolution's weight lies the other way round in memory: by squares of the first two axes, so that neither side
        // is walked through in steps of a page.
        const SIDE: usize = 16;
        let (rows, cols, depth) = weight.dim();
        let starts = (0..rows)
            .step_by(SIDE)
            .flat_map(|row| (0..cols).step_by(SIDE).map(move |col| (row, col)));
        for (row, col) in starts {
            for i in row..rows.min(row + SIDE) {
                for j in col..cols.min(col + SIDE) {
                    let from = &numbers[(i * cols + j) * depth..][..depth];
                    (0..depth).for_each(|k| weight[[i, j, k]] = from[k]);
                }
            }
        }
        return;
    }
    view.iter_mut().zip(numbers).for_each(|(to, from)| *to = *from);
}
