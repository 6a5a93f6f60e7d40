//! Beta schedules, as diffusers 0.42.1 `scheduling_ddpm.py` computes them with PyTorch 2.15 on a CPU with AVX2.
//!
//! Everything is float32 unless said otherwise, and equals the reference bit for bit where PyTorch uses its AVX2 kernels:
//!
//! - `linspace` counts from both ends, and its multiply-add is fused (the compiler contracted it there);
//! - `sigmoid` takes blocks of 16 through SLEEF's `expf` and the rest through libm's;
//! - `cumprod` accumulates in float64 and rounds each product;
//! - the schedules defined by a product of alphas are computed in float64 and rounded once.
//!
//! Betas rescaled to zero terminal signal-to-noise ratio are the exception: PyTorch takes the square root of an array
//! from MKL, whose last bit is not the correctly rounded one used here. The difference grows where a beta is small: up to
//! 5.4e-6 of the largest beta, measured over the five schedules with 2 to 2000 timesteps.
//!
//! On a CPU where PyTorch falls back to its baseline kernels, or takes AVX-512 ones, its own last bits differ.
//! Sources: Ho et al. 2020 (arXiv:2006.11239), Nichol and Dhariwal 2021 (arXiv:2102.09672), Lin et al. 2023
//! (arXiv:2305.08891, algorithm 1, zero terminal signal-to-noise ratio).

use std::f64::consts::PI;

use crate::BetaSchedule;

/// The betas of a schedule. Shape: `(num_train_timesteps,)`.
pub(crate) fn betas(schedule: BetaSchedule, beta_start: f64, beta_end: f64, num_train_timesteps: usize) -> Vec<f32> {
    let n = num_train_timesteps;
    match schedule {
        BetaSchedule::Linear => linspace(beta_start, beta_end, n),
        BetaSchedule::ScaledLinear => {
            let mut betas = linspace(beta_start.sqrt(), beta_end.sqrt(), n);
            betas.iter_mut().for_each(|beta| *beta *= *beta);
            betas
        }
        BetaSchedule::SquaredcosCapV2 => betas_for_alpha_bar(n, cosine_alpha_bar),
        BetaSchedule::Laplace => betas_for_alpha_bar(n, laplace_alpha_bar),
        BetaSchedule::Sigmoid => {
            let mut betas = linspace(-6.0, 6.0, n);
            sigmoid(&mut betas);
            let (scale, shift) = ((beta_end - beta_start) as f32, beta_start as f32);
            betas.iter_mut().for_each(|beta| *beta = *beta * scale + shift);
            betas
        }
    }
}

/// The running product of `1 - beta`. Shape: that of `betas`.
pub(crate) fn alphas_cumprod(betas: &[f32]) -> Vec<f32> {
    let mut product = 1.0_f64;
    betas
        .iter()
        .map(|&beta| {
            product *= f64::from(1.0 - beta);
            product as f32
        })
        .collect()
}

/// Shifts and scales `sqrt(alphas_cumprod)` so that its last value is 0 and its first stays.
///
/// Gives a NaN where that is impossible (a single beta); the caller checks the values it gets.
pub(crate) fn rescale_zero_terminal_snr(betas: &[f32]) -> Vec<f32> {
    let mut bar_sqrt: Vec<f32> = alphas_cumprod(betas).into_iter().map(f32::sqrt).collect();
    let (Some(&first), Some(&last)) = (bar_sqrt.first(), bar_sqrt.last()) else {
        return Vec::new();
    };
    let scale = first / (first - last);
    bar_sqrt.iter_mut().for_each(|value| *value = (*value - last) * scale);
    let mut previous = 1.0;
    bar_sqrt
        .into_iter()
        .map(|value| {
            let bar = value * value;
            let beta = 1.0 - bar / previous;
            previous = bar;
            beta
        })
        .collect()
}

/// `torch.linspace(start, end, steps, dtype=torch.float32)`.
pub(crate) fn linspace(start: f64, end: f64, steps: usize) -> Vec<f32> {
    let (start, end) = (start as f32, end as f32);
    if steps == 1 {
        return vec![start];
    }
    let step = (end - start) / (steps as f32 - 1.0);
    (0..steps)
        .map(|i| {
            if i < steps / 2 {
                step.mul_add(i as f32, start)
            } else {
                (-step).mul_add((steps - i - 1) as f32, end)
            }
        })
        .collect()
}

/// Discretises a product of alphas `alpha_bar(t)`, t in 0..=1, with betas of at most 0.999.
fn betas_for_alpha_bar(n: usize, alpha_bar: fn(f64) -> f64) -> Vec<f32> {
    (0..n)
        .map(|i| {
            let (from, to) = (i as f64 / n as f64, (i + 1) as f64 / n as f64);
            (1.0 - alpha_bar(to) / alpha_bar(from)).min(0.999) as f32
        })
        .collect()
}

fn cosine_alpha_bar(t: f64) -> f64 {
    let cos = ((t + 0.008) / 1.008 * PI / 2.0).cos();
    cos * cos
}

fn laplace_alpha_bar(t: f64) -> f64 {
    let centred = 0.5 - t;
    let log_snr = -0.5 * 1.0_f64.copysign(centred) * (1.0 - 2.0 * centred.abs() + 1e-6).ln();
    let snr = log_snr.exp();
    (snr / (1.0 + snr)).sqrt()
}

/// `torch.sigmoid` in place.
fn sigmoid(values: &mut [f32]) {
    const BLOCK: usize = 16;
    let vectorised = values.len() / BLOCK * BLOCK;
    for (i, value) in values.iter_mut().enumerate() {
        let exp = if i < vectorised {
            sleef_expf(-*value)
        } else {
            f64::from(-*value).exp() as f32
        };
        *value = 1.0 / (1.0 + exp);
    }
}

/// SLEEF 3's `expf` (1.0 ULP variant, fused multiply-adds), for arguments far from over- and underflow.
///
/// Splits `x = q ln 2 + r` with `ln 2` in two parts, then a degree-6 polynomial in `r`, scaled by `2^q`.
fn sleef_expf(x: f32) -> f32 {
    const LN_2_HIGH: f32 = 0.693_145_75;
    const LN_2_LOW: f32 = 1.428_606_8e-6;
    const COEFFICIENTS: [f32; 6] = [
        0.000_198_527_62,
        0.001_393_043_6,
        0.008_333_361,
        0.041_666_485,
        0.166_666_67,
        0.5,
    ];
    let q = (x * std::f32::consts::LOG2_E).round_ties_even();
    let r = q.mul_add(-LN_2_LOW, q.mul_add(-LN_2_HIGH, x));
    let polynomial = COEFFICIENTS
        .into_iter()
        .reduce(|sum, c| sum.mul_add(r, c))
        .unwrap_or(0.0);
    (1.0 + (r * r).mul_add(polynomial, r)) * q.exp2()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Betas 0, 1, 9, 10 and 19 of 20 from 1e-4 to 0.02, recorded from diffusers 0.42.1 on PyTorch 2.15.0 (AVX2).
    #[test]
    fn betas_equal_recorded_ones_bit_for_bit() {
        let rows: [(BetaSchedule, [f32; 5]); 5] = [
            (
                BetaSchedule::Linear,
                [1e-4, 0.0011473683, 0.009526315, 0.010573684, 0.02],
            ),
            (
                BetaSchedule::ScaledLinear,
                [1e-4, 0.00028618198, 0.0052203834, 0.0062677525, 0.020000001],
            ),
            (
                BetaSchedule::SquaredcosCapV2,
                [0.007992721, 0.020074995, 0.13592206, 0.15699708, 0.999],
            ),
            (
                BetaSchedule::Laplace,
                [0.12793018, 0.046327412, 0.012912532, 0.0132546015, 0.93551666],
            ),
            (
                BetaSchedule::Sigmoid,
                [0.0001492052, 0.00019233316, 0.008491874, 0.011608127, 0.019950796],
            ),
        ];
        for (schedule, expected) in rows {
            let betas = betas(schedule, 1e-4, 0.02, 20);
            assert_eq!(betas.len(), 20);
            let picked = [0, 1, 9, 10, 19].map(|i| betas[i]);
            assert_eq!(
                picked.map(f32::to_bits),
                expected.map(f32::to_bits),
                "{schedule}: {picked:?}"
            );
        }
    }

    /// Recorded as above: 10 betas, linear from 1e-4 to 0.2, rescaled.
    ///
    /// Not bit for bit: PyTorch's square root of an array comes from MKL, which is off by up to 0.75 units in the last place
    /// here, and `1 - ratio` magnifies that for small betas. Measured maximum relative difference 1.4e-6; times 4.
    #[test]
    fn rescaled_betas_are_near_recorded_ones() {
        let expected: [f32; 10] = [
            0.000100016594,
            0.05307597,
            0.10670185,
            0.16374367,
            0.22760469,
            0.3034593,
            0.40025312,
            0.5352669,
            0.7433744,
            1.0,
        ];
        let rescaled = rescale_zero_terminal_snr(&betas(BetaSchedule::Linear, 1e-4, 0.2, 10));
        assert_eq!(rescaled.len(), 10);
        for (actual, expected) in rescaled.iter().zip(expected) {
            let error = (actual - expected).abs() / expected;
            assert!(error <= 5.6e-6, "{actual} is not {expected}: relative error {error}");
        }
    }

    /// Exact values in between are within one unit in the last place, SLEEF's own bound.
    #[test]
    fn sleef_expf_is_within_its_documented_bound() {
        for i in -600..=600 {
            let x = i as f32 * 0.01;
            let exact = f64::from(x).exp();
            let ulp = f64::from((exact as f32).next_up() - exact as f32);
            let error = (f64::from(sleef_expf(x)) - exact).abs();
            assert!(error <= ulp, "exp({x}): error of {} units", error / ulp);
        }
    }

    #[test]
    fn a_single_beta_cannot_be_rescaled() {
        assert!(rescale_zero_terminal_snr(&[0.1])[0].is_nan());
        assert!(rescale_zero_terminal_snr(&[]).is_empty());
    }
}
