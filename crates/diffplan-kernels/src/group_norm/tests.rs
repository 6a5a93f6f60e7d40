use super::*;
use crate::testing::{assert_close, numbers};

#[derive(Clone, Copy, Debug)]
struct Case {
    len: usize,
    batch: usize,
    channels: usize,
    group: usize,
}

/// The slow twin, in float64 and one group at a time: f(γ x̂ + β) for Mish; rows (length, batch).
fn twin(case: Case, x: &[f64], gamma: &[f64], beta: &[f64]) -> Vec<f64> {
    let Case {
        len,
        batch,
        channels,
        group,
    } = case;
    let mut y = vec![0.0; x.len()];
    for sample in 0..batch {
        for first in (0..channels).step_by(group) {
            let places: Vec<usize> = (0..len)
                .flat_map(|l| (first..first + group).map(move |c| (l * batch + sample) * channels + c))
                .collect();
            let count = places.len() as f64;
            let mean = places.iter().map(|&i| x[i]).sum::<f64>() / count;
            let var = places.iter().map(|&i| (x[i] - mean).powi(2)).sum::<f64>() / count;
            for &i in &places {
                let z = (x[i] - mean) / (var + 1e-5).sqrt() * gamma[i % channels] + beta[i % channels];
                y[i] = z * z.exp().ln_1p().tanh();
            }
        }
    }
    y
}

fn wide(x: &[f32]) -> Vec<f64> {
    x.iter().map(|&x| f64::from(x)).collect()
}

const CASES: [Case; 8] = [
    Case {
        len: 3,
        batch: 2,
        channels: 32,
        group: 4,
    },
    Case {
        len: 2,
        batch: 3,
        channels: 64,
        group: 32,
    },
    Case {
        len: 4,
        batch: 2,
        channels: 96,
        group: 16,
    },
    Case {
        len: 1,
        batch: 2,
        channels: 32,
        group: 8,
    },
    Case {
        len: 3,
        batch: 2,
        channels: 33,
        group: 1,
    },
    Case {
        len: 3,
        batch: 2,
        channels: 40,
        group: 5,
    },
    Case {
        len: 2,
        batch: 2,
        channels: 24,
        group: 8,
    },
    Case {
        len: 2,
        batch: 1,
        channels: 128,
        group: 64,
    },
];

#[test]
fn values_agree_with_the_slow_twin_on_every_instruction_set() {
    for isa in Isa::available() {
        for case in CASES {
            let Case {
                batch,
                channels,
                group,
                len,
            } = case;
            let name = format!("{} {case:?}", isa.name());
            let shape = GroupNormShape { batch, group };
            let x: Vec<f32> = numbers(len * batch * channels, 1)
                .iter()
                .map(|x| x * 2.0 + 0.5)
                .collect();
            let (gamma, beta) = (numbers(channels, 2), numbers(channels, 3));
            let expected = twin(case, &wide(&x), &wide(&gamma), &wide(&beta));
            let rows = numbers(batch * channels, 4);
            let old = numbers(x.len(), 5);
            for (after, keep) in [(0, true), (1, false), (2, true), (3, true)] {
                let (mut normalised, mut inv_std) = (x.clone(), vec![f32::NAN; batch * channels]);
                let mut y = if after == 3 {
                    old.clone()
                } else {
                    vec![f32::NAN; x.len()]
                };
                let then = match after {
                    0 => After::Overwrite,
                    1 => After::AddRow(Rows::new(&rows, channels)),
                    2 => After::AddRow(Rows::new(&rows[..channels], channels)),
                    _ => After::Accumulate,
                };
                let saved = keep.then(|| RowsMut::new(&mut inv_std, channels));
                let (x_rows, y_rows) = (RowsMut::new(&mut normalised, channels), RowsMut::new(&mut y, channels));
                group_norm_on(
                    isa,
                    shape,
                    1e-5,
                    &gamma,
                    &beta,
                    Activation::Mish,
                    x_rows,
                    saved,
                    y_rows,
                    then,
                );
                let expected: Vec<f64> = (0..x.len())
                    .map(|i| {
                        let (sample, c) = (i / channels % batch, i % channels);
                        expected[i]
                            + match after {
                                0 => 0.0,
                                1 => f64::from(rows[sample * channels + c]),
                                2 => f64::from(rows[c]),
                                _ => f64::from(old[i]),
                            }
                    })
                    .collect();
                assert_close(&name, &y, &expected, 3e-6);
                assert!(
                    !keep || inv_std.iter().all(|inv| inv.is_finite() && *inv > 0.0),
                    "{name}"
                );
            }
        }
    }
}

#[test]
fn gradients_agree_with_finite_differences_on_every_instruction_set() {
    for isa in Isa::available() {
        for case in CASES.into_iter().filter(|case| case.len * case.group > 1) {
            let Case {
                batch, channels, group, ..
            } = case;
            let shape = GroupNormShape { batch, group };
            let x = numbers(case.len * batch * channels, 1);
            let (gamma, beta) = (numbers(channels, 2), numbers(channels, 3));
            let dy = numbers(x.len(), 4);
            let (mut normalised, mut inv_std) = (x.clone(), vec![f32::NAN; batch * channels]);
            let mut y = vec![f32::NAN; x.len()];
            let saved = Some(RowsMut::new(&mut inv_std, channels));
            let (x_rows, y_rows) = (RowsMut::new(&mut normalised, channels), RowsMut::new(&mut y, channels));
            let f = Activation::Mish;
            group_norm_on(
                isa,
                shape,
                1e-5,
                &gamma,
                &beta,
                f,
                x_rows,
                saved,
                y_rows,
                After::Overwrite,
            );
            let mut dx = vec![f32::NAN; x.len()];
            let (mut d_gamma, mut d_beta) = (vec![1.0; channels], vec![2.0; channels]);
            let (normalised, inv_std) = (Rows::new(&normalised, channels), Rows::new(&inv_std, channels));
            for grads in [None, Some((&mut d_gamma[..], &mut d_beta[..]))] {
                let (dy, dx) = (Rows::new(&dy, channels), RowsMut::new(&mut dx, channels));
                group_norm_grad_on(isa, shape, &gamma, &beta, f, normalised, inv_std, dy, dx, grads);
            }

            // Central differences in float64, one number nudged at a time, beside the offset already accumulated.
            let slope = |which: usize, i: usize| -> f64 {
                let at = |h: f64| -> f64 {
                    let mut inputs = [wide(&x), wide(&gamma), wide(&beta)];
                    inputs[which][i] += h;
                    let y = twin(case, &inputs[0], &inputs[1], &inputs[2]);
                    y.iter().zip(&dy).map(|(y, d)| y * f64::from(*d)).sum()
                };
                (at(1e-5) - at(-1e-5)) / 2e-5
            };
            // The differences are good to 1e-9; what is left is rounding of numbers of the size of 1/√var, up to 30.
            let checks = [(&dx, 0.0), (&d_gamma, 1.0), (&d_beta, 2.0)];
            for (which, (grad, start)) in checks.into_iter().enumerate() {
                let expected: Vec<f64> = (0..grad.len()).map(|i| start + slope(which, i)).collect();
                let scale = expected.iter().fold(1f64, |m, e| m.max(e.abs()));
                assert_close(
                    &format!("{} {case:?} input {which}", isa.name()),
                    grad,
                    &expected,
                    1e-5 * scale,
                );
            }
        }
    }
}

/// Finite numbers whose squares overflow must not come out as finite numbers that have nothing to do with them.
#[test]
fn an_overflow_does_not_end_finite() {
    for isa in Isa::available() {
        for (channels, group) in [(64, 8), (64, 32), (12, 3), (40, 8)] {
            for large in [1e20f32, -1e25, 3e38] {
                let (batch, len) = (2, 5);
                let shape = GroupNormShape { batch, group };
                let mut x = numbers(len * batch * channels, 1);
                // In the second sample's last group.
                x[(2 * batch + 1) * channels + channels - 1] = large;
                let (gamma, beta) = (numbers(channels, 2), numbers(channels, 3));
                let mut y = vec![0.0; x.len()];
                let (rows, out) = (RowsMut::new(&mut x, channels), RowsMut::new(&mut y, channels));
                let f = Activation::Mish;
                group_norm_on(isa, shape, 1e-5, &gamma, &beta, f, rows, None, out, After::Overwrite);
                for (at, y) in y.iter().enumerate() {
                    let lost = at / channels % batch == 1 && at % channels >= channels - group;
                    assert_eq!(y.is_nan(), lost, "{} {channels} by {group}, {large}: {at}", isa.name());
                }
            }
        }
    }
}
