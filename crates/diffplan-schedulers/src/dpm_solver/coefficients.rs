//! The coefficients of a step, in float64.
//!
//! With x = α x₀ + σ ε, λ = ln(α / σ), h = λ_t − λ_s from noise level s to t, and m₀, m₁, m₂ the predictions of x₀ (of ε for DPM-Solver)
//! at s and the two visits before, D₀ = m₀, D₁ and D₂ their differences (arXiv:2211.01095, equations 8 and 13; arXiv:2206.00927, appendix B):
//!
//! ```text
//! DPM-Solver++    x_t = σ_t/σ_s x − α_t (e^−h − 1) D₀ + α_t φ₁ D₁ − α_t φ₂ D₂         φ₁ = (e^−h − 1)/h + 1,  φ₂ = (e^−h − 1 + h)/h² − ½
//! DPM-Solver      x_t = α_t/α_s x − σ_t (e^h − 1) D₀ − σ_t ((e^h − 1)/h − 1) D₁ − σ_t ((e^h − 1 − h)/h² − ½) D₂
//! SDE             the same with 2h, and σ_t √(1 − e^−2h) of noise
//! ```
//!
//! A midpoint step of second order has half the coefficient of D₀ in place of that of D₁. Third order is that of diffusers, whose D₂ has half
//! the weight with which it would be exact for quadratic predictions.

use super::{DpmAlgorithm, SolverType};

/// Weights of a step: of the sample, of the predictions at this visit and the two before, of the noise.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Coefficients {
    pub(super) sample: f32,
    pub(super) predictions: [f32; 3],
    pub(super) noise: f32,
}

/// α and σ of x = α x₀ + σ ε at a noise level σ / α.
pub(super) fn signal_and_noise(level: f64) -> (f64, f64) {
    let alpha = 1.0 / (level * level + 1.0).sqrt();
    (alpha, level * alpha)
}

impl Coefficients {
    /// Of a step of this order, from `levels[2]` to `levels[3]`, with those of the visits before in `levels[1]` and `levels[0]`; `None` where
    /// they are not finite, since two levels are the same.
    pub(super) fn new(algorithm: DpmAlgorithm, kind: SolverType, order: usize, levels: [f64; 4]) -> Option<Self> {
        let lambda = levels.map(|level| -level.ln());
        let ((alpha_s, sigma_s), (alpha_t, sigma_t)) = (signal_and_noise(levels[2]), signal_and_noise(levels[3]));
        let h = lambda[3] - lambda[2];
        let heun = kind == SolverType::Heun;
        // Weights of the sample and of D₀, D₁, D₂.
        let (sample, d0, d1, d2, noise) = match algorithm {
            DpmAlgorithm::DpmSolverPlusPlus => {
                let e = (-h).exp_m1();
                let d0 = -alpha_t * e;
                let first = alpha_t * (e / h + 1.0);
                let d1 = if order == 2 && !heun { 0.5 * d0 } else { first };
                (sigma_t / sigma_s, d0, d1, -alpha_t * ((e + h) / (h * h) - 0.5), 0.0)
            }
            DpmAlgorithm::DpmSolver => {
                let e = h.exp_m1();
                let d0 = -sigma_t * e;
                let first = -sigma_t * (e / h - 1.0);
                let d1 = if order == 2 && !heun { 0.5 * d0 } else { first };
                (alpha_t / alpha_s, d0, d1, -sigma_t * ((e - h) / (h * h) - 0.5), 0.0)
            }
            DpmAlgorithm::SdeDpmSolverPlusPlus => {
                let e = -(-2.0 * h).exp_m1();
                let d0 = alpha_t * e;
                let first = alpha_t * (e / (-2.0 * h) + 1.0);
                let d1 = if order == 2 && !heun { 0.5 * d0 } else { first };
                let d2 = alpha_t * ((e - 2.0 * h) / (4.0 * h * h) - 0.5);
                (sigma_t / sigma_s * (-h).exp(), d0, d1, d2, sigma_t * e.sqrt())
            }
            DpmAlgorithm::SdeDpmSolver => {
                let e = h.exp_m1();
                let d0 = -2.0 * sigma_t * e;
                let first = -2.0 * sigma_t * (e / h - 1.0);
                let d1 = if order == 2 && !heun { 0.5 * d0 } else { first };
                (alpha_t / alpha_s, d0, d1, 0.0, sigma_t * (2.0 * h).exp_m1().sqrt())
            }
        };
        let r0 = (lambda[2] - lambda[1]) / h;
        let r1 = (lambda[1] - lambda[0]) / h;
        let predictions = match order {
            1 => [d0, 0.0, 0.0],
            2 => [d0 + d1 / r0, -d1 / r0, 0.0],
            _ => {
                // D₁ = a + r0/(r0 + r1) (a − b), D₂ = (a − b)/(r0 + r1), where a = (m₀ − m₁)/r0 and b = (m₁ − m₂)/r1.
                let a = d1 * (1.0 + r0 / (r0 + r1)) + d2 / (r0 + r1);
                let b = -d1 * r0 / (r0 + r1) - d2 / (r0 + r1);
                [d0 + a / r0, -a / r0 + b / r1, -b / r1]
            }
        };
        let finite = [sample, noise]
            .iter()
            .chain(&predictions)
            .all(|value| value.is_finite());
        finite.then(|| Self {
            sample: sample as f32,
            predictions: predictions.map(|weight| weight as f32),
            noise: noise as f32,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where the prediction of x₀ is a polynomial of λ of degree n − 1, a step of order n must agree with the integral
    /// x_t = σ_t/σ_s x + σ_t ∫ e^λ x₀(λ) dλ; but the reference's third order has half of the quadratic term.
    #[test]
    fn orders_are_exact_for_polynomials() {
        let levels = [3.0, 2.1, 1.3, 0.9f64];
        let lambda = levels.map(|level| -level.ln());
        let (_, sigma_s) = signal_and_noise(levels[2]);
        let (_, sigma_t) = signal_and_noise(levels[3]);
        for degree in 0..3 {
            let prediction = |at: f64| at.powi(degree);
            let steps = 20_000;
            let width = (lambda[3] - lambda[2]) / f64::from(steps);
            let integral: f64 = (0..steps)
                .map(|i| lambda[2] + (f64::from(i) + 0.5) * width)
                .map(|at| at.exp() * prediction(at) * width)
                .sum();
            let exact = sigma_t / sigma_s * 0.7 + sigma_t * integral;
            let made = Coefficients::new(
                DpmAlgorithm::DpmSolverPlusPlus,
                SolverType::Heun,
                degree as usize + 1,
                levels,
            )
            .unwrap();
            let predictions = [lambda[2], lambda[1], lambda[0]].map(prediction);
            let step = f64::from(made.sample) * 0.7
                + made
                    .predictions
                    .iter()
                    .zip(predictions)
                    .map(|(w, m)| f64::from(*w) * m)
                    .sum::<f64>();
            let h = lambda[3] - lambda[2];
            let (alpha_t, _) = signal_and_noise(levels[3]);
            let half = match degree {
                2 => -alpha_t * (((-h).exp_m1() + h) / (h * h) - 0.5) * h * h,
                _ => 0.0,
            };
            assert!(
                (step + half - exact).abs() < 1e-6,
                "degree {degree}: {step}, {half}, {exact}"
            );
        }
    }

    #[test]
    fn equal_levels_are_no_step_of_second_order() {
        let new =
            |order, levels| Coefficients::new(DpmAlgorithm::DpmSolverPlusPlus, SolverType::Midpoint, order, levels);
        assert!(new(2, [3.0, 2.0, 2.0, 1.0]).is_none());
        assert!(new(1, [3.0, 2.0, 2.0, 1.0]).is_some());
        // To no noise at all: the prediction itself.
        let last = new(1, [3.0, 2.0, 1.0, 0.0]).unwrap();
        assert_eq!((last.sample, last.predictions, last.noise), (0.0, [1.0, 0.0, 0.0], 0.0));
    }
}
