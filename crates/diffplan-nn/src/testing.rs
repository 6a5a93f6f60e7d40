//! What the layers' tests share. Compiled for tests alone.

use crate::params::{Params, named_params_mut};
use ndarray::{Array, ArrayViewD, Dimension};

/// Numbers in (-1, 1) without a pattern, the same for the same seed.
pub(crate) fn numbers(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed
        .wrapping_mul(0x9E37_79B9_7F4A_7C15)
        .wrapping_add(0xD1B5_4A32_D192_ED03);
    (0..count)
        .map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
        })
        .collect()
}

/// Sets every parameter to numbers without a pattern.
pub(crate) fn fill(layer: &mut impl Params, seed: u64) {
    for (i, (_, mut view)) in named_params_mut(layer).into_iter().enumerate() {
        let values = numbers(view.len(), seed + i as u64);
        view.iter_mut().zip(values).for_each(|(p, v)| *p = v);
    }
}

/// The gradient of ⟨f(x), cotangent⟩ by central differences in float64, an element at a time.
pub(crate) fn cotangent_slope<D: Dimension, E: Dimension>(
    x: &Array<f64, D>,
    cotangent: &Array<f64, E>,
    f: impl Fn(&Array<f64, D>) -> Array<f64, E>,
) -> Array<f64, D> {
    let h = 1e-5;
    let mut slope = x.clone();
    let mut nudged = x.clone();
    for (i, slope) in slope.iter_mut().enumerate() {
        let mut at = |offset: f64| {
            let old = nudged.iter().nth(i).copied().unwrap();
            *nudged.iter_mut().nth(i).unwrap() = old + offset;
            let value = (&f(&nudged) * cotangent).sum();
            *nudged.iter_mut().nth(i).unwrap() = old;
            value
        };
        *slope = (at(h) - at(-h)) / (2.0 * h);
    }
    slope
}

/// Fails unless every element agrees to 2e-5 of the largest expected one, plus 1e-6; a NaN fails.
///
/// Layers under test add up to about a hundred products of numbers below 1: rounding is below 1e-5 of the result's scale.
pub(crate) fn assert_close(name: &str, actual: ArrayViewD<f32>, expected: ArrayViewD<f64>) {
    assert_eq!(actual.shape(), expected.shape(), "{name}: shape");
    let scale = expected.iter().fold(0f64, |m, e| m.max(e.abs()));
    let wrong: Vec<_> = actual
        .indexed_iter()
        .zip(&expected)
        .filter(|((_, a), e)| {
            let error = (**a as f64 - **e).abs();
            error.is_nan() || error > 2e-5 * scale + 1e-6
        })
        .collect();
    if let Some(((index, a), e)) = wrong.first() {
        panic!(
            "{name}: {} of {} elements differ, first at {index:?}: {a}, expected {e}",
            wrong.len(),
            actual.len()
        );
    }
}

#[test]
#[should_panic(expected = "1 of 2 elements differ")]
fn nan_is_not_close() {
    let expected = Array::zeros(2).into_dyn();
    assert_close(
        "nan",
        ndarray::arr1(&[0.0, f32::NAN]).into_dyn().view(),
        expected.view(),
    );
}

#[test]
#[should_panic(expected = "1 of 1 elements differ")]
fn something_is_not_close_to_zero() {
    assert_close(
        "zero",
        ndarray::arr1(&[-1e-3]).into_dyn().view(),
        Array::zeros(1).into_dyn().view(),
    );
}
