//! Dynamic thresholding (Saharia et al. 2022, arXiv:2205.11487, section 2.3; diffusers 0.42.1 `_threshold_sample`).
//!
//! For each sample of the batch, `s` is a quantile of its absolute values, clamped to `1..=max`; the sample is clipped to
//! `-s..=s` and divided by `s`.
//!
//! The quantile needs two order statistics. They are found digit by digit: the bits of non-negative floats sort as
//! integers do, so four passes that count the next eight bits fix one value. That reads the data four times, and needs
//! neither a sorted copy nor any memory beside the counters.

use ndarray::{ArrayViewD, ArrayViewMutD, Axis};

/// Thresholds every sample, `sample[i, ..]`, in place. Shape: `(batch, ...)`.
///
/// A sample with a NaN becomes NaN altogether, as in the reference.
pub(crate) fn threshold_in_place(sample: &mut ArrayViewMutD<'_, f32>, ratio: f32, max: f32) {
    for mut row in sample.axis_iter_mut(Axis(0)) {
        let Some(quantile) = abs_quantile(row.view(), ratio) else {
            continue;
        };
        // `torch.clamp`: the upper bound wins over the lower one, and NaN stays.
        let s = if quantile < 1.0 { 1.0 } else { quantile };
        let s = if s > max { max } else { s };
        row.mapv_inplace(|x| if x < -s { -s } else if x > s { s } else { x } / s);
    }
}

/// The `ratio` quantile of the absolute values, interpolated linearly; `None` without values, NaN with one.
///
/// The arithmetic is that of `torch.quantile`: rank in float32, and a `lerp` that starts from the nearer end.
fn abs_quantile(values: ArrayViewD<'_, f32>, ratio: f32) -> Option<f32> {
    let last = values.len().checked_sub(1)?;
    let keys = values.iter().map(|x| x.abs().to_bits());
    if keys.clone().any(|key| key > f32::INFINITY.to_bits()) {
        return Some(f32::NAN);
    }
    let rank = ratio * last as f32;
    let weight = rank - rank.floor();
    // In float32 the rank can be rounded above the last index once there are more than 2^24 values.
    let below = f32::from_bits(nth_smallest(keys.clone(), (rank.floor() as usize).min(last)));
    let above = f32::from_bits(nth_smallest(keys, (rank.ceil() as usize).min(last)));
    Some(if weight < 0.5 {
        below + weight * (above - below)
    } else {
        above - (above - below) * (1.0 - weight)
    })
}

/// The `n`-th smallest key, counted from 0, below the number of keys.
fn nth_smallest(keys: impl Iterator<Item = u32> + Clone, mut n: usize) -> u32 {
    let (mut prefix, mut known) = (0_u32, 0_u32);
    for shift in [24, 16, 8, 0] {
        let mut counts = [0_usize; 256];
        for key in keys.clone().filter(|key| key & known == prefix) {
            counts[(key >> shift) as usize & 0xff] += 1;
        }
        for (digit, &count) in (0_u32..).zip(&counts) {
            if n < count {
                prefix |= digit << shift;
                break;
            }
            n -= count;
        }
        known |= 0xff << shift;
    }
    prefix
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{ArrayD, array};

    /// Numbers spread over many orders of magnitude, both signs, with repetitions.
    fn spread(n: usize) -> Vec<f32> {
        let mut state = 1_u32;
        (0..n)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let exponent = (state >> 28) as i32 - 8;
                let sign = if state & 1 == 0 { 1.0 } else { -1.0 };
                sign * ((state >> 8) % 50) as f32 * 2.0_f32.powi(exponent)
            })
            .collect()
    }

    #[test]
    fn selection_equals_sorting() {
        for n in [1, 2, 3, 100, 1001] {
            let keys: Vec<u32> = spread(n).iter().map(|x| x.abs().to_bits()).collect();
            let mut sorted = keys.clone();
            sorted.sort_unstable();
            for (i, &expected) in sorted.iter().enumerate() {
                assert_eq!(nth_smallest(keys.iter().copied(), i), expected, "{i} of {n}");
            }
        }
    }

    #[test]
    fn quantile_interpolates_between_neighbours() {
        let values = array![-4.0_f32, 1.0, 2.0, -3.0, 0.0].into_dyn();
        for (ratio, expected) in [
            (0.0, 0.0),
            (1.0, 4.0),
            (0.5, 2.0),
            (0.25, 1.0),
            (0.3125, 1.25),
            (0.4375, 1.75),
        ] {
            assert_eq!(abs_quantile(values.view(), ratio), Some(expected), "{ratio}");
        }
    }

    #[test]
    fn rows_are_thresholded_on_their_own() {
        let mut sample = array![
            [0.5_f32, -0.25, 0.0, 0.75],
            [1.0, -2.0, 0.5, 8.0],
            [0.0, f32::NAN, 1.0, 1.0]
        ]
        .into_dyn();
        threshold_in_place(&mut sample.view_mut(), 1.0, 4.0);
        let row = |i| sample.index_axis(Axis(0), i).iter().copied().collect::<Vec<f32>>();
        assert_eq!(row(0), [0.5, -0.25, 0.0, 0.75], "a quantile below 1 clips to 1");
        assert_eq!(
            row(1),
            [0.25, -0.5, 0.125, 1.0],
            "a quantile above the largest threshold counts as that"
        );
        assert!(row(2).iter().all(|x| x.is_nan()));
    }

    #[test]
    fn an_empty_sample_stays_empty() {
        let mut sample = ArrayD::<f32>::zeros(vec![2, 0, 3]);
        threshold_in_place(&mut sample.view_mut(), 0.5, 1.0);
        assert!(sample.is_empty());
    }
}
