//! The multiples of UniPC's steps, in float64 (arXiv:2302.04867, section 3 and algorithms 5 to 8): with signal `alpha`, noise `sigma` and
//! half log ratio `lambda` of where the step leads to (`t`), where it begins (`s`) and where those before began (`i`),
//! `h = lambda_t - lambda_s`, answers `m` that are samples, `k = -h` (or noises, `k = h`, with signal and noise changed over):
//!
//! ```text
//! x_t = sigma_t / sigma_s x  -  alpha_t (e^k - 1) m_s  -  alpha_t B(h) sum_i rho_i (m_i - m_s) / r_i        r_i = (lambda_i - lambda_s) / h
//! ```
//!
//! `rho` solves `sum_i r_i^(n - 1) rho_i = b_n`, `b_n = n! phi_(n + 1)(k) k / B(h)` for as many n as there are differences. The corrector has one
//! more, that of the answer at t itself, with r = 1. Of second order the predictor takes 1/2, and of first the corrector.

use crate::UniPcSolverType;
use crate::multistep::{Level, Mixture};

/// Which of the two steps, in which way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rule {
    pub(super) kind: UniPcSolverType,
    /// Whether answers are samples, not noises.
    pub(super) predicts_sample: bool,
}

/// What both steps between two levels have in common.
struct Base {
    sample: f64,
    answer: f64,
    /// Of the sum of differences.
    differences: f64,
    k: f64,
    b: f64,
}

impl Rule {
    fn base(self, to: Level, start: Level) -> Base {
        let h = to.lambda - start.lambda;
        let k = if self.predicts_sample { -h } else { h };
        let (sample, scale) = match self.predicts_sample {
            true => (to.sigma / start.sigma, to.alpha),
            false => (to.alpha / start.alpha, to.sigma),
        };
        let b = match self.kind {
            UniPcSolverType::Bh1 => k,
            UniPcSolverType::Bh2 => k.exp_m1(),
        };
        Base {
            sample,
            answer: -scale * k.exp_m1(),
            differences: -scale * b,
            k,
            b,
        }
    }

    /// The step to `to` from the first of `from`, which are where it begins and where the steps before began, as many as the order is.
    pub(super) fn predictor(self, to: Level, from: &[Level]) -> Mixture {
        let base = self.base(to, from[0]);
        let ratios = ratios(to, from);
        let rhos = match ratios.len() {
            1 => vec![0.5],
            _ => solved(&ratios, &base),
        };
        let mut answers = vec![base.answer; 1];
        for (rho, ratio) in rhos.iter().zip(&ratios) {
            let of = base.differences * rho / ratio;
            answers.push(of);
            answers[0] -= of;
        }
        // Nothing of an infinite B(h), without differences, is undefined in the reference.
        if !base.differences.is_finite() {
            answers[0] = f64::NAN;
        }
        Mixture::new(base.sample, &answers, 0.0)
    }

    /// That step again, with the answer at `to`, which comes first.
    pub(super) fn corrector(self, to: Level, from: &[Level]) -> Mixture {
        let base = self.base(to, from[0]);
        let mut ratios = ratios(to, from);
        ratios.push(1.0);
        let rhos = match ratios.len() {
            1 => vec![0.5],
            _ => solved(&ratios, &base),
        };
        let own = base.differences * rhos[rhos.len() - 1];
        let mut answers = vec![own, base.answer - own];
        for (rho, ratio) in rhos.iter().zip(&ratios).take(ratios.len() - 1) {
            let of = base.differences * rho / ratio;
            answers.push(of);
            answers[1] -= of;
        }
        Mixture::new(base.sample, &answers, 0.0)
    }
}

/// How far back the steps before began, in steps forward.
fn ratios(to: Level, from: &[Level]) -> Vec<f64> {
    let start = from[0];
    let h = to.lambda - start.lambda;
    let back = from[1..].iter();
    back.map(|level| (level.lambda - start.lambda) / h).collect()
}

/// The rho of these ratios: Gauss's elimination with the largest pivot. NaN where there is no one solution.
fn solved(ratios: &[f64], base: &Base) -> Vec<f64> {
    let n = ratios.len();
    let mut phi = base.k.exp_m1() / base.k - 1.0;
    let mut factorial = 1.0;
    let mut rows: Vec<Vec<f64>> = Vec::with_capacity(n);
    for power in 0..n {
        let powers = ratios.iter().map(|ratio| ratio.powi(power as i32));
        rows.push(powers.chain([phi * factorial / base.b]).collect());
        factorial *= (power + 2) as f64;
        phi = phi / base.k - 1.0 / factorial;
    }
    for column in 0..n {
        let size = |row: &usize| rows[*row][column].abs();
        let pivot = (column..n).max_by(|a, b| size(a).total_cmp(&size(b))).unwrap_or(column);
        rows.swap(column, pivot);
        let pivot = rows[column].clone();
        for row in &mut rows[column + 1..] {
            let factor = row[column] / pivot[column];
            row.iter_mut().zip(&pivot).for_each(|(x, p)| *x -= factor * p);
        }
    }
    let mut rhos = vec![0.0; n];
    for row in (0..n).rev() {
        let known: f64 = (row + 1..n).map(|i| rows[row][i] * rhos[i]).sum();
        rhos[row] = (rows[row][n] - known) / rows[row][row];
    }
    rhos
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEVELS: [f32; 5] = [4.0, 3.0, 2.0, 1.5, 1.2];

    fn rules() -> impl Iterator<Item = Rule> {
        let kinds = [UniPcSolverType::Bh1, UniPcSolverType::Bh2].into_iter();
        kinds.flat_map(|kind| [true, false].map(|predicts_sample| Rule { kind, predicts_sample }))
    }

    /// x_t of the exact equation (arXiv:2302.04867, equation 2) for answers that are this function of lambda, beginning at x = 0.
    fn exact(rule: Rule, to: Level, start: Level, answer: &dyn Fn(f64) -> f64) -> f64 {
        let parts = 100_000;
        let width = (to.lambda - start.lambda) / f64::from(parts);
        let points = (0..parts).map(|i| start.lambda + (f64::from(i) + 0.5) * width);
        match rule.predicts_sample {
            true => to.sigma * points.map(|l| l.exp() * answer(l) * width).sum::<f64>(),
            false => -to.alpha * points.map(|l| (-l).exp() * answer(l) * width).sum::<f64>(),
        }
    }

    /// The corrector of order p is exact for polynomials of degree p in lambda, the predictor of degree p - 1; but for the orders at
    /// which 1/2 is taken.
    #[test]
    fn steps_are_exact_for_polynomials() {
        let levels = LEVELS.map(Level::new);
        let (to, start) = (levels[4], levels[3]);
        for rule in rules() {
            for order in [1_usize, 3, 4] {
                let from: Vec<Level> = levels[..4].iter().rev().take(order).copied().collect();
                let answer = |degree: usize| {
                    move |l: f64| {
                        (0..=degree)
                            .map(|n| 0.4 * (l - start.lambda + 0.1).powi(n as i32))
                            .sum()
                    }
                };
                let made = |step: &Mixture, at: &[Level], answer: &dyn Fn(f64) -> f64| -> f64 {
                    assert_eq!(step.answers.len(), at.len());
                    step.answers
                        .iter()
                        .zip(at)
                        .map(|(&of, level)| f64::from(of) * answer(level.lambda))
                        .sum()
                };
                let expected = exact(rule, to, start, &answer(order - 1));
                let actual = made(&rule.predictor(to, &from), &from, &answer(order - 1));
                assert!(
                    (actual - expected).abs() < 2e-6,
                    "{rule:?} predictor {order}: {actual} {expected}"
                );
                if order > 1 {
                    let at: Vec<Level> = [to].into_iter().chain(from.iter().copied()).collect();
                    let expected = exact(rule, to, start, &answer(order));
                    let actual = made(&rule.corrector(to, &from), &at, &answer(order));
                    assert!(
                        (actual - expected).abs() < 2e-6,
                        "{rule:?} corrector {order}: {actual} {expected}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_step_to_no_noise_is_defined_of_first_order_with_bh2() {
        let [end, start, before] = [0.0, 0.5, 0.8].map(Level::new);
        for rule in rules() {
            let bh2 = rule.kind == UniPcSolverType::Bh2;
            let defined = bh2 && rule.predicts_sample;
            assert_eq!(rule.predictor(end, &[start]).is_finite(), defined, "{rule:?}");
            assert!(!rule.predictor(end, &[start, before]).is_finite());
            assert!(!rule.corrector(start, &[start, before]).is_finite(), "no step");
        }
        let step = Rule {
            kind: UniPcSolverType::Bh2,
            predicts_sample: true,
        }
        .predictor(end, &[start]);
        assert_eq!((step.sample, &step.answers[..]), (0.0, &[1.0][..]));
    }
}
