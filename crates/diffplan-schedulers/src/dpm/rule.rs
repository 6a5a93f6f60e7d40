//! The multiples of a DPM-Solver step, in float64: from the signal `alpha`, noise `sigma` and half log ratio `lambda` of where the step
//! leads to (`t`), where it begins (`s0`) and where those before began, with `h = lambda_t - lambda_s0`. `m` are the samples (`++`) or
//! noises that were predicted.
//!
//! ```text
//! dpmsolver++       x_t = sigma_t / sigma_s0 x  -  alpha_t (e^-h - 1) m0              arXiv:2211.01095, equation 8
//! dpmsolver         x_t = alpha_t / alpha_s0 x  -  sigma_t (e^h - 1) m0               arXiv:2206.00927, equation 3.7
//! sde-dpmsolver++   x_t = sigma_t / sigma_s0 e^-h x  +  alpha_t (1 - e^-2h) m0  +  sigma_t sqrt(1 - e^-2h) z
//! sde-dpmsolver     x_t = alpha_t / alpha_s0 x  -  2 sigma_t (e^h - 1) m0  +  sigma_t sqrt(e^2h - 1) z
//! ```
//!
//! Those are of first order. The second and third add differences of the answers over the steps between them, by the Taylor expansion
//! of the same integrals (arXiv:2211.01095, algorithm 2 and appendix A; arXiv:2206.00927, appendix B).

use crate::multistep::{Level, Mixture};
use crate::{AlgorithmType, SolverType};

/// The multiples of the differences of the answers, and of what is there without.
struct Weights {
    sample: f64,
    answer: f64,
    /// Of the first difference, by either rule; the third order takes Heun's.
    midpoint: f64,
    heun: f64,
    /// Of the second.
    second: f64,
    noise: f64,
}

impl Weights {
    fn new(algorithm: AlgorithmType, to: Level, from: Level) -> Self {
        let h = to.lambda - from.lambda;
        let (alpha, sigma) = (to.alpha, to.sigma);
        match algorithm {
            AlgorithmType::DpmSolverPlusPlus => {
                let grown = (-h).exp_m1();
                Self {
                    sample: sigma / from.sigma,
                    answer: -alpha * grown,
                    midpoint: -0.5 * alpha * grown,
                    heun: alpha * (grown / h + 1.0),
                    second: -alpha * ((grown + h) / (h * h) - 0.5),
                    noise: 0.0,
                }
            }
            AlgorithmType::DpmSolver => {
                let grown = h.exp_m1();
                Self {
                    sample: alpha / from.alpha,
                    answer: -sigma * grown,
                    midpoint: -0.5 * sigma * grown,
                    heun: -sigma * (grown / h - 1.0),
                    second: -sigma * ((grown - h) / (h * h) - 0.5),
                    noise: 0.0,
                }
            }
            AlgorithmType::SdeDpmSolverPlusPlus => {
                let (shrunk, twice) = (-(-2.0 * h).exp_m1(), 2.0 * h);
                Self {
                    sample: sigma / from.sigma * (-h).exp(),
                    answer: alpha * shrunk,
                    midpoint: 0.5 * alpha * shrunk,
                    heun: alpha * (1.0 - shrunk / twice),
                    second: alpha * ((shrunk - twice) / (twice * twice) - 0.5),
                    noise: sigma * shrunk.sqrt(),
                }
            }
            AlgorithmType::SdeDpmSolver => {
                let grown = h.exp_m1();
                Self {
                    sample: alpha / from.alpha,
                    answer: -2.0 * sigma * grown,
                    midpoint: -sigma * grown,
                    heun: -2.0 * sigma * (grown / h - 1.0),
                    second: f64::NAN,
                    noise: sigma * (2.0 * h).exp_m1().sqrt(),
                }
            }
        }
    }
}

/// The step to `to` from the first of `from`, which are where it begins and where the steps before began, as many as the order is: one to
/// three.
pub(super) fn mixture(algorithm: AlgorithmType, rule: SolverType, to: Level, from: &[Level]) -> Mixture {
    let start = from[0];
    let of = Weights::new(algorithm, to, start);
    let h = to.lambda - start.lambda;
    match *from {
        [_, before] => {
            // D1 = (m0 - m1) / r
            let r = (start.lambda - before.lambda) / h;
            let first = match rule {
                SolverType::Midpoint => of.midpoint,
                SolverType::Heun => of.heun,
            } / r;
            Mixture::new(of.sample, &[of.answer + first, -first], of.noise)
        }
        [_, before, earlier] => {
            // D1 = D + r0 / (r0 + r1) (D - E), D2 = (D - E) / (r0 + r1) with D = (m0 - m1) / r0, E = (m1 - m2) / r1
            let (r0, r1) = ((start.lambda - before.lambda) / h, (before.lambda - earlier.lambda) / h);
            let bent = (r0 * of.heun + of.second) / (r0 + r1);
            let (near, far) = ((of.heun + bent) / r0, -bent / r1);
            Mixture::new(of.sample, &[of.answer + near, far - near, -far], of.noise)
        }
        _ => Mixture::new(of.sample, &[of.answer], of.noise),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALGORITHMS: [AlgorithmType; 4] = [
        AlgorithmType::DpmSolverPlusPlus,
        AlgorithmType::DpmSolver,
        AlgorithmType::SdeDpmSolverPlusPlus,
        AlgorithmType::SdeDpmSolver,
    ];

    /// Where every answer is the same, every order makes the step of the first, which is exact: of a sample `a x0 + s e` it makes one at
    /// the new level of the same x0, and, without noise, the same e.
    #[test]
    fn a_constant_answer_is_integrated_exactly_by_every_order() {
        let levels = [3.0, 2.0, 1.5, 1.2].map(Level::new);
        let [earlier, before, start, to] = levels;
        let (x0, e) = (0.7, -1.3);
        let x = start.alpha * x0 + start.sigma * e;
        for algorithm in ALGORITHMS {
            let answer = if algorithm.predicts_sample() { x0 } else { e };
            for rule in [SolverType::Midpoint, SolverType::Heun] {
                for from in [&[start][..], &[start, before], &[start, before, earlier]] {
                    if from.len() == 3 && algorithm == AlgorithmType::SdeDpmSolver {
                        continue;
                    }
                    let step = mixture(algorithm, rule, to, from);
                    let answers: f64 = step.answers.iter().map(|&of| f64::from(of)).sum();
                    let made = f64::from(step.sample) * x + answers * answer;
                    let noise = f64::from(step.noise);
                    assert_eq!(noise > 0.0, algorithm.is_stochastic());
                    if algorithm.is_stochastic() {
                        // What is left of the noise and the new noise make up that of the level.
                        let kept = match algorithm.predicts_sample() {
                            true => (made - to.alpha * x0) / e,
                            false => f64::from(step.sample) * start.sigma + answers,
                        };
                        let var = match algorithm.predicts_sample() {
                            true => kept * kept + noise * noise,
                            // The other predicts the noise, whose mean it moves by twice the score's.
                            false => to.sigma * to.sigma,
                        };
                        assert!((var - to.sigma * to.sigma).abs() < 1e-6, "{algorithm} {rule}");
                    } else {
                        let expected = to.alpha * x0 + to.sigma * e;
                        assert!((made - expected).abs() < 1e-6, "{algorithm} {rule} {}", from.len());
                    }
                }
            }
        }
    }

    /// Against the integral of equation 3.4 of arXiv:2211.01095 by a fine sum: of answers on a straight line in lambda the second order by
    /// Heun's rule and the third make it exactly. Of a parabola the third makes half of what the bend adds, as in the reference: the paper's
    /// own code takes the bend once where its Taylor expansion has it twice.
    #[test]
    fn higher_orders_integrate_what_is_straight() {
        let [earlier, before, start, to] = [3.0, 2.0, 1.5, 1.2].map(Level::new);
        let algorithm = AlgorithmType::DpmSolverPlusPlus;
        let integral = |answer: &dyn Fn(f64) -> f64| -> f64 {
            let parts = 200_000;
            let width = (to.lambda - start.lambda) / f64::from(parts);
            let points = (0..parts).map(|i| start.lambda + (f64::from(i) + 0.5) * width);
            to.sigma * points.map(|l| l.exp() * answer(l) * width).sum::<f64>()
        };
        let made = |from: &[Level], answer: &dyn Fn(f64) -> f64| -> f64 {
            let step = mixture(algorithm, SolverType::Heun, to, from);
            let answers = step.answers.iter().zip(from);
            answers.map(|(&of, level)| f64::from(of) * answer(level.lambda)).sum()
        };
        let line = |lambda: f64| 0.3 + 1.7 * (lambda - start.lambda);
        for from in [&[start, before][..], &[start, before, earlier]] {
            assert!((made(from, &line) - integral(&line)).abs() < 2e-6);
        }
        let bend = |lambda: f64| 0.8 * (lambda - start.lambda).powi(2);
        let third = made(&[start, before, earlier], &bend);
        assert!((third - 0.5 * integral(&bend)).abs() < 2e-6, "{third}");
    }
}
