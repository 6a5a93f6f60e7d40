//! Which of the training timesteps a sampler visits: table 2 of Lin et al. 2023 (arXiv:2305.08891), with the arithmetic and the
//! half-to-even rounding of diffusers 0.42.1 (`DDPMScheduler.set_timesteps`, NumPy in float64).
//!
//! One departure: for some pairs of counts (15 training, 13 inference steps) rounding makes the reference's `trailing` list
//! one too long, ending in timestep -1, which then indexes the betas from the back. That entry is left out here; the
//! timesteps before it, and their steps, are the same.

use crate::{Error, Result, TimestepSpacing};

/// Evenly spread timesteps, strictly descending. Shape: `(num_inference_steps,)`.
///
/// `steps_offset` counts for [`TimestepSpacing::Leading`] only.
///
/// # Errors
///
/// [`Error::NumInferenceSteps`] unless `num_inference_steps` is in `1..=num_train_timesteps`, and
/// [`Error::TimestepOutOfRange`] where the offset moves the first timestep out of the schedule.
pub(crate) fn spaced_timesteps(
    spacing: TimestepSpacing,
    num_train_timesteps: usize,
    num_inference_steps: usize,
    steps_offset: usize,
) -> Result<Vec<usize>> {
    let (train, n) = (num_train_timesteps, num_inference_steps);
    if !(1..=train).contains(&n) {
        return Err(Error::NumInferenceSteps {
            actual: n,
            num_train_timesteps: train,
        });
    }
    let timesteps: Vec<usize> = match spacing {
        TimestepSpacing::Linspace if n == 1 => vec![0],
        TimestepSpacing::Linspace => {
            let step = (train - 1) as f64 / (n - 1) as f64;
            let at = |i| {
                if i == n - 1 {
                    train - 1
                } else {
                    (i as f64 * step).round_ties_even() as usize
                }
            };
            (0..n).rev().map(at).collect()
        }
        TimestepSpacing::Leading => {
            let ratio = train / n;
            (0..n).rev().map(|i| (i * ratio).saturating_add(steps_offset)).collect()
        }
        TimestepSpacing::Trailing => {
            let start = train as f64;
            // `numpy.arange` takes its step from the difference of its first two values.
            let step = (start - start / n as f64) - start;
            (0..n)
                .map(|i| (start + i as f64 * step).round_ties_even() as usize - 1)
                .collect()
        }
    };
    match timesteps.first() {
        Some(&first) if first >= train => Err(Error::TimestepOutOfRange {
            timestep: first,
            num_train_timesteps: train,
        }),
        _ => Ok(timesteps),
    }
}

/// Checks timesteps of the caller's choice: at least one, strictly descending, within the schedule.
pub(crate) fn check_custom_timesteps(timesteps: &[usize], num_train_timesteps: usize) -> Result<()> {
    let &first = timesteps.first().ok_or(Error::NoTimesteps)?;
    if first >= num_train_timesteps {
        return Err(Error::TimestepOutOfRange {
            timestep: first,
            num_train_timesteps,
        });
    }
    for (i, pair) in timesteps.windows(2).enumerate() {
        if pair[1] >= pair[0] {
            return Err(Error::TimestepsNotDescending {
                index: i + 1,
                previous: pair[0],
                actual: pair[1],
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use TimestepSpacing::{Leading, Linspace, Trailing};

    /// Recorded from diffusers 0.42.1 with NumPy 2.4.6; in the row of 15 and 13 without the reference's last entry, -1.
    #[test]
    fn timesteps_equal_recorded_ones() {
        let rows: [(TimestepSpacing, usize, usize, usize, &[usize]); 12] = [
            (Linspace, 100, 7, 0, &[99, 82, 66, 50, 33, 16, 0]),
            (Linspace, 6, 3, 0, &[5, 2, 0]),
            (Linspace, 20, 1, 0, &[0]),
            (Linspace, 1, 1, 0, &[0]),
            (Leading, 100, 7, 0, &[84, 70, 56, 42, 28, 14, 0]),
            (Leading, 100, 7, 1, &[85, 71, 57, 43, 29, 15, 1]),
            (Leading, 20, 1, 3, &[3]),
            (Trailing, 100, 7, 0, &[99, 85, 70, 56, 42, 28, 13]),
            (Trailing, 9, 6, 0, &[8, 7, 5, 3, 2, 1]),
            (Trailing, 20, 1, 0, &[19]),
            (Trailing, 1, 1, 0, &[0]),
            (Trailing, 15, 13, 0, &[14, 13, 12, 11, 9, 8, 7, 6, 5, 4, 2, 1, 0]),
        ];
        for (spacing, train, n, offset, expected) in rows {
            let actual = spaced_timesteps(spacing, train, n, offset).unwrap();
            assert_eq!(actual, expected, "{spacing}, {n} of {train}, offset {offset}");
        }
    }

    #[test]
    fn every_count_gives_that_many_descending_timesteps() {
        for spacing in [Linspace, Leading, Trailing] {
            for train in (1..=130).chain([1000]) {
                for n in 1..=train {
                    let timesteps = spaced_timesteps(spacing, train, n, 0).unwrap();
                    assert_eq!(timesteps.len(), n, "{spacing}, {n} of {train}");
                    check_custom_timesteps(&timesteps, train)
                        .unwrap_or_else(|error| panic!("{spacing}, {n} of {train}: {error}"));
                }
            }
        }
    }
}
