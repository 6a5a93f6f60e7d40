//! Comparisons with the reference, and what came of them.
//!
//! NaN passes no comparison, on either side. Infinity is equal to itself and to nothing else.

use super::case::CaseError;
use ndarray::{ArrayD, ArrayView, Dimension};
use std::fmt;

/// How far a result is from the reference. a: ours, e: the reference's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// ‖a − e‖ / ‖e‖; infinite where e is zero and a is not.
    Norm,
    /// max |a − e|.
    Absolute,
    /// max |a − e| / |e| element by element; infinite where e is zero and a is not.
    Relative,
    /// max |a − e| / max(1, |e|) element by element.
    Mixed,
    /// max |a − e| / max(1, max |e|): relative to the largest element, for arrays whose elements are sums of one another.
    Scaled,
}

impl Measure {
    fn of(self, actual: &ArrayD<f64>, expected: &ArrayD<f64>) -> f64 {
        let pairs = || actual.iter().zip(expected).map(|(a, e)| (distance(*a, *e), e.abs()));
        let largest = |errors: &mut dyn Iterator<Item = f64>| errors.fold(0.0, max_or_nan);
        match self {
            Measure::Norm => {
                let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
                ratio(norm(&mut pairs().map(|(d, _)| d)), norm(&mut pairs().map(|(_, e)| e)))
            }
            Measure::Absolute => largest(&mut pairs().map(|(d, _)| d)),
            Measure::Relative => largest(&mut pairs().map(|(d, e)| ratio(d, e))),
            Measure::Mixed => largest(&mut pairs().map(|(d, e)| ratio(d, e.max(1.0)))),
            Measure::Scaled => {
                let finite = pairs().map(|(_, e)| e).filter(|e| e.is_finite());
                ratio(largest(&mut pairs().map(|(d, _)| d)), finite.fold(1.0, f64::max))
            }
        }
    }
}

/// |a − e|, with infinity at no distance from itself.
fn distance(a: f64, e: f64) -> f64 {
    if a == e { 0.0 } else { (a - e).abs() }
}

/// error / size, with 0 for no error, and no less than infinity for an infinite one.
fn ratio(error: f64, size: f64) -> f64 {
    if error == 0.0 || error == f64::INFINITY {
        error
    } else {
        error / size
    }
}

/// The larger; NaN if either is.
fn max_or_nan(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() { f64::NAN } else { a.max(b) }
}

/// One comparison.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// What was compared.
    pub name: String,
    /// How far it is from the reference.
    pub error: f64,
    /// How far it may be.
    pub tolerance: f64,
}

impl Comparison {
    /// Whether the error is within the tolerance; NaN is not.
    pub fn passes(&self) -> bool {
        self.error <= self.tolerance
    }

    /// The error in tolerances: above 1, or NaN, where the comparison fails.
    fn share(&self) -> f64 {
        ratio(self.error, self.tolerance)
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, error, tolerance } = self;
        match (*error, *tolerance) {
            (0.0, _) => write!(f, "no difference"),
            (error, 0.0) => write!(f, "error {error:.2e} in {name}, none allowed"),
            (error, tolerance) => write!(f, "error {error:.2e} of {tolerance:.1e} in {name}"),
        }
    }
}

/// All comparisons of a case.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// In the order they were made.
    pub comparisons: Vec<Comparison>,
    /// What else there is to know about them.
    pub notes: Vec<String>,
    /// Tensors of the case that nothing was compared with.
    pub unread: Vec<String>,
}

impl Report {
    /// Notes a comparison that was made elsewhere.
    pub fn record(&mut self, name: impl Into<String>, error: f64, tolerance: f64) {
        self.comparisons.push(Comparison {
            name: name.into(),
            error,
            tolerance,
        });
    }

    /// Compares arrays, and notes how far apart they are.
    ///
    /// # Errors
    /// If their shapes differ.
    pub fn compare<A: Copy + Into<f64>, D: Dimension>(
        &mut self,
        name: impl Into<String>,
        actual: ArrayView<A, D>,
        expected: &ArrayD<f64>,
        measure: Measure,
        tolerance: f64,
    ) -> Result<(), CaseError> {
        let name = name.into();
        if actual.shape() != expected.shape() {
            let (actual, expected) = (actual.shape().to_vec(), expected.shape().to_vec());
            return Err(CaseError::Shape { name, actual, expected });
        }
        let actual = actual.map(|a| (*a).into()).into_dyn();
        self.record(name, measure.of(&actual, expected), tolerance);
        Ok(())
    }

    /// Compares bits, and notes how many values differ in any; none may.
    pub fn same_bits(&mut self, name: impl Into<String>, actual: &[f32], expected: &[f32]) {
        let differ = actual
            .iter()
            .zip(expected)
            .filter(|(a, e)| a.to_bits() != e.to_bits())
            .count();
        self.record(name, (differ + actual.len().abs_diff(expected.len())) as f64, 0.0);
    }

    /// The comparison that is nearest to its tolerance, or furthest beyond it.
    pub fn worst(&self) -> Option<&Comparison> {
        let rank = |c: &Comparison| if c.share().is_nan() { f64::INFINITY } else { c.share() };
        self.comparisons.iter().max_by(|a, b| rank(a).total_cmp(&rank(b)))
    }

    /// Why the case has failed; none if it has not. One in which nothing was compared has.
    pub fn failure(&self) -> Option<String> {
        let failing = self.comparisons.iter().filter(|c| !c.passes()).count();
        match self.worst() {
            None => Some("there is nothing to compare in it".to_owned()),
            Some(worst) if failing > 0 => Some(format!(
                "{worst} ({failing} of {} comparisons fail)",
                self.comparisons.len()
            )),
            Some(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{ArrayView1, arr1};

    const ALL: [Measure; 5] = [
        Measure::Norm,
        Measure::Absolute,
        Measure::Relative,
        Measure::Mixed,
        Measure::Scaled,
    ];

    fn error(measure: Measure, actual: &[f64], expected: &[f64]) -> f64 {
        let mut report = Report::default();
        report
            .compare("x", ArrayView1::from(actual), &arr1(expected).into_dyn(), measure, 1.0)
            .unwrap();
        report.comparisons[0].error
    }

    #[test]
    fn equal_arrays_have_no_error_and_others_one_in_proportion() {
        for measure in ALL {
            for equal in [&[0.0, -3.0][..], &[0.0, 0.0], &[f64::INFINITY, 1.0], &[]] {
                assert_eq!(error(measure, equal, equal), 0.0, "{measure:?} {equal:?}");
            }
        }
        let (actual, expected) = ([3.0, -40.5, 0.125], [3.0, -40.0, 0.0625]);
        let norm = (0.5f64.powi(2) + 0.0625f64.powi(2)).sqrt() / (9.0 + 1600.0 + 0.0625f64.powi(2)).sqrt();
        let rows = [norm, 0.5, 1.0, 0.0625, 0.0125];
        for (measure, expected_error) in ALL.into_iter().zip(rows) {
            assert_eq!(error(measure, &actual, &expected), expected_error, "{measure:?}");
        }
    }

    #[test]
    fn nan_on_either_side_passes_no_tolerance() {
        for measure in ALL {
            for (actual, expected) in [
                ([f64::NAN, 1.0], [1.0, 1.0]),
                ([1.0, 1.0], [1.0, f64::NAN]),
                ([f64::NAN; 2], [f64::NAN; 2]),
            ] {
                let mut report = Report::default();
                let expected = arr1(&expected).into_dyn();
                report
                    .compare("x", arr1(&actual).view(), &expected, measure, f64::INFINITY)
                    .unwrap();
                assert!(!report.comparisons[0].passes(), "{measure:?} {actual:?} {expected}");
                assert!(report.failure().is_some());
            }
        }
    }

    #[test]
    fn infinity_is_far_from_all_else() {
        for measure in ALL {
            for (actual, expected) in [
                (f64::INFINITY, 1.0),
                (1.0, f64::INFINITY),
                (f64::INFINITY, f64::NEG_INFINITY),
            ] {
                let error = error(measure, &[actual, 0.0], &[expected, 0.0]);
                assert!(
                    error.is_nan() || error > 1e300,
                    "{measure:?}: {error} for {actual}, {expected}"
                );
            }
        }
    }

    #[test]
    fn an_expected_zero_is_compared_all_the_same() {
        let rows = [f64::INFINITY, 1e-3, f64::INFINITY, 1e-3, 1e-3];
        for (measure, expected_error) in ALL.into_iter().zip(rows) {
            assert_eq!(
                error(measure, &[0.0, -1e-3], &[0.0, 0.0]),
                expected_error,
                "{measure:?}"
            );
        }
    }

    #[test]
    fn other_shapes_are_refused() {
        let mut report = Report::default();
        let expected = arr1(&[1.0, 1.0]).into_dyn();
        for actual in [
            arr1(&[1.0]).into_dyn(),
            arr1(&[]).into_dyn(),
            ndarray::arr2(&[[1.0, 1.0]]).into_dyn(),
        ] {
            let error = report
                .compare("x", actual.view(), &expected, Measure::Absolute, 1.0)
                .unwrap_err();
            assert!(matches!(error, CaseError::Shape { .. }), "{error}");
        }
    }

    #[test]
    fn bits_differ_in_sign_of_zero_and_in_length() {
        let mut report = Report::default();
        report.same_bits("zero", &[0.0, 1.0], &[-0.0, 1.0]);
        report.same_bits("short", &[1.0], &[1.0, 1.0, 1.0]);
        report.same_bits("same", &[-0.0, f32::NAN], &[-0.0, f32::NAN]);
        assert_eq!(
            report.comparisons.iter().map(|c| c.error).collect::<Vec<_>>(),
            [1.0, 2.0, 0.0]
        );
        assert_eq!(
            report.failure().unwrap(),
            "error 2.00e0 in short, none allowed (2 of 3 comparisons fail)"
        );
    }

    #[test]
    fn the_worst_is_measured_in_tolerances() {
        let mut report = Report::default();
        assert_eq!(report.failure().unwrap(), "there is nothing to compare in it");
        report.record("wide", 1e-3, 1e-2);
        report.record("narrow", 1e-6, 2e-6);
        report.record("exact", 0.0, 0.0);
        assert_eq!(report.failure(), None);
        assert_eq!(report.worst().unwrap().to_string(), "error 1.00e-6 of 2.0e-6 in narrow");
        report.record("late", f64::NAN, 1.0);
        assert_eq!(
            report.failure().unwrap(),
            "error NaN of 1.0e0 in late (1 of 4 comparisons fail)"
        );
    }
}
