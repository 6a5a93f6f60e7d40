//! What the kernels' tests share. Compiled for tests alone.

/// Numbers in (-1, 1) with no pattern a sum could hide, the same for the same seed.
pub(crate) fn numbers(count: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761) | 1;
    (0..count)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        })
        .collect()
}

/// Fails unless every number is within `tolerance` of the expected one; a NaN fails. Says how many are off, and the worst.
pub(crate) fn assert_close(name: &str, actual: &[f32], expected: &[f64], tolerance: f64) {
    assert_eq!(actual.len(), expected.len(), "{name}: lengths");
    let error = |i: usize| (f64::from(actual[i]) - expected[i]).abs();
    let wrong: Vec<usize> = (0..actual.len())
        .filter(|&i| error(i).is_nan() || error(i) > tolerance)
        .collect();
    if let Some(&worst) = wrong.iter().max_by(|&&a, &&b| error(a).total_cmp(&error(b))) {
        panic!(
            "{name}: {} of {} numbers are off by more than {tolerance:e}, the worst, number {worst}: {}, expected {}",
            wrong.len(),
            actual.len(),
            actual[worst],
            expected[worst]
        );
    }
}

#[test]
#[should_panic(expected = "1 of 2 numbers are off")]
fn nan_is_not_close() {
    assert_close("nan", &[0.0, f32::NAN], &[0.0, 0.0], 1.0);
}

#[test]
#[should_panic(expected = "1 of 1 numbers are off")]
fn something_is_not_close_to_zero() {
    assert_close("zero", &[-1e-3], &[0.0], 1e-4);
}
