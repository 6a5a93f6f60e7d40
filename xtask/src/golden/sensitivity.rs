//! Comparisons of what float32 may not determine.
//!
//! Where a group of a normalisation holds a channel or two over a few time steps, its variance can come close to zero, and
//! what follows is then so steep that rounding errors decide: PyTorch in float32 misses its own reference by as much, and
//! its own recording as soon as it runs other kernels. So where something is off by more than the tolerance, the same is
//! computed again with inputs that are changed by 1e-6, the size of a network's rounding error, and the tolerance becomes
//! twice what that changes, if this is more. The report says so.

use super::case::CaseError;
use super::compare::{Measure, Report};
use ndarray::{Array, ArrayD, Dimension};

/// How often inputs are changed.
const CHANGES: u32 = 8;
/// By how much of themselves, up or down.
const CHANGE: f32 = 1e-6;

/// Results under the names of the reference's tensors.
pub(super) type Arrays = Vec<(String, ArrayD<f32>)>;

/// Compares each array with the reference of its name. `again` computes them with the k-th change of the inputs, in the same
/// order; `how` goes behind the names in the report.
pub(super) fn compare(
    report: &mut Report,
    how: &str,
    arrays: &Arrays,
    expected: &dyn Fn(&str) -> Result<ArrayD<f64>, CaseError>,
    (measure, tolerance): (Measure, f64),
    again: &dyn Fn(u32) -> Result<Arrays, CaseError>,
) -> Result<(), CaseError> {
    let mut found = Report::default();
    for (name, actual) in arrays {
        found.compare(
            format!("{name}{how}"),
            actual.view(),
            &expected(name)?,
            measure,
            tolerance,
        )?;
    }
    if found.failure().is_some() {
        let mut changes = Report::default();
        for k in 0..CHANGES {
            for ((name, own), (_, other)) in arrays.iter().zip(&again(k)?) {
                changes.compare(name.as_str(), other.view(), &own.mapv(f64::from), measure, tolerance)?;
            }
        }
        for (i, comparison) in found.comparisons.iter_mut().enumerate() {
            let spread = changes
                .comparisons
                .iter()
                .skip(i)
                .step_by(arrays.len())
                .map(|c| c.error)
                .fold(0.0, f64::max);
            comparison.tolerance = tolerance.max(2.0 * spread);
        }
        let wide = found
            .comparisons
            .iter()
            .filter(|comparison| comparison.tolerance > tolerance)
            .count();
        if wide > 0 {
            report.notes.push(format!(
                "float32 does not determine {wide} results{how} to {tolerance:.0e}"
            ));
        }
    }
    report.comparisons.append(&mut found.comparisons);
    Ok(())
}

/// The k-th change of an array: every value a little larger or smaller, by xorshift.
pub(super) fn changed<D: Dimension>(array: &Array<f32, D>, k: u32) -> Array<f32, D> {
    let mut bits = 0x9e37_79b9 ^ (k + 1).wrapping_mul(0x85eb_ca6b);
    array.mapv(|value| {
        bits ^= bits << 13;
        bits ^= bits >> 17;
        bits ^= bits << 5;
        value * if bits & 1 == 0 { 1.0 + CHANGE } else { 1.0 - CHANGE }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array1, arr1};

    /// x ↦ slope · x for x = 1, by whoever computes with this error.
    fn report(slope: f32, error: f32) -> Report {
        let x: Array1<f32> = arr1(&[1.0]);
        let compute = |x: &Array1<f32>| vec![("y".to_owned(), x.mapv(|x| slope * x + error).into_dyn())];
        let expected = |_: &str| Ok(arr1(&[f64::from(slope)]).into_dyn());
        let again = |k| Ok(compute(&changed(&x, k)));
        let mut report = Report::default();
        compare(
            &mut report,
            "",
            &compute(&x),
            &expected,
            (Measure::Absolute, 1e-3),
            &again,
        )
        .unwrap();
        report
    }

    #[test]
    fn an_error_is_excused_only_by_steepness() {
        assert_eq!(report(1.0, 5e-4).failure(), None);
        assert!(report(1.0, 5e-4).notes.is_empty());
        assert!(report(1.0, 2e-3).failure().is_some());
        assert!(report(1e2, 2e-3).failure().is_some());
        // Steep: a change of 1e-6 moves it by 1e-2.
        let steep = report(1e4, 1e-2);
        assert_eq!(steep.failure(), None);
        assert_eq!(steep.notes, ["float32 does not determine 1 results to 1e-3"]);
        assert!(report(1e4, 4e-2).failure().is_some());
        assert!(report(1e4, f32::NAN).failure().is_some());
    }
}
