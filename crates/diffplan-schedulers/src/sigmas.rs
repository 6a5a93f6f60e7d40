//! Noise levels σ = √((1 − ᾱ) / ᾱ), by which the solvers of differential equations count: one for every training timestep, and the ways to
//! spread those of a run (Karras et al. 2022, arXiv:2206.00364, equation 5; Lu et al. 2022, arXiv:2206.00927, section 3.4).
//!
//! The table is float32, as in diffusers; what is spread between its ends is float64.

use crate::NoiseSchedule;

/// The share of signal that diffusers leaves at the last timestep of a schedule that is rescaled to none: σ stays finite.
const LEAST_SIGNAL: f32 = 1.0 / (1 << 24) as f32;

/// σ of every training timestep, ascending.
#[derive(Clone, Debug)]
pub(crate) struct Sigmas {
    table: Vec<f32>,
}

impl Sigmas {
    pub(crate) fn of(schedule: &NoiseSchedule) -> Self {
        let sigma = |&alpha: &f32| {
            let alpha = if alpha == 0.0 { LEAST_SIGNAL } else { alpha };
            ((1.0 - alpha) / alpha).sqrt()
        };
        Self {
            table: schedule.alphas_cumprod().iter().map(sigma).collect(),
        }
    }

    /// That of the first timestep, the least.
    pub(crate) fn least(&self) -> f32 {
        self.table[0]
    }

    fn ends(&self) -> (f64, f64) {
        (f64::from(self.table[self.table.len() - 1]), f64::from(self.table[0]))
    }

    /// How many training timesteps have λ = −ln σ of at least this.
    pub(crate) fn count_from_lambda(&self, lambda_min: f64) -> usize {
        let lambda = |sigma: f32| {
            let alpha = 1.0 / (sigma * sigma + 1.0).sqrt();
            f64::from(alpha.ln() - (sigma * alpha).ln())
        };
        self.table.iter().filter(|&&sigma| lambda(sigma) >= lambda_min).count()
    }

    /// σ at timesteps that need not be whole, interpolated; beyond the ends it is that of the end.
    pub(crate) fn at(&self, timestep: f64) -> f64 {
        let last = self.table.len() - 1;
        let below = (timestep.max(0.0).floor() as usize).min(last);
        let above = (below + 1).min(last);
        let (low, high) = (f64::from(self.table[below]), f64::from(self.table[above]));
        low + (high - low) * (timestep - below as f64).clamp(0.0, 1.0)
    }

    /// So many, descending, evenly spaced in the seventh root.
    pub(crate) fn karras(&self, count: usize) -> Vec<f64> {
        const RHO: f64 = 7.0;
        let (most, least) = self.ends();
        let (from, to) = (most.powf(1.0 / RHO), least.powf(1.0 / RHO));
        ramp(count)
            .map(|share| (from + share * (to - from)).powf(RHO))
            .collect()
    }

    /// So many, descending, evenly spaced in the logarithm: "exponential", and with an exponent of 1 Lu's.
    pub(crate) fn exponential(&self, count: usize) -> Vec<f64> {
        let (most, least) = self.ends();
        let (from, to) = (most.ln(), least.ln());
        ramp(count).map(|share| (from + share * (to - from)).exp()).collect()
    }

    /// The timestep of a σ, interpolated between those of the table by logarithm.
    pub(crate) fn timestep(&self, sigma: f64) -> f64 {
        let log = |sigma: f32| f64::from(sigma.ln());
        let wanted = sigma.max(1e-10).ln();
        let last = self.table.len() - 1;
        if last == 0 {
            return 0.0;
        }
        let below = self.table.partition_point(|&sigma| log(sigma) <= wanted);
        let below = below.saturating_sub(1).min(last - 1);
        let (low, high) = (log(self.table[below]), log(self.table[below + 1]));
        let share = if low == high {
            0.0
        } else {
            ((low - wanted) / (low - high)).clamp(0.0, 1.0)
        };
        below as f64 + share
    }
}

/// From 0 to 1 in so many values; 0 if it is one.
fn ramp(count: usize) -> impl Iterator<Item = f64> {
    let step = 1.0 / count.saturating_sub(1).max(1) as f64;
    (0..count).map(move |i| if i > 0 && i + 1 == count { 1.0 } else { i as f64 * step })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DdpmConfig, DdpmScheduler, Scheduler};

    fn sigmas() -> Sigmas {
        let config = DdpmConfig {
            num_train_timesteps: 100,
            ..DdpmConfig::default()
        };
        Sigmas::of(DdpmScheduler::new(config).unwrap().schedule())
    }

    #[test]
    fn timesteps_and_levels_are_inverse_to_each_other() {
        let sigmas = sigmas();
        for t in 0..100 {
            let there = sigmas.at(f64::from(t));
            assert!((sigmas.timestep(there) - f64::from(t)).abs() < 1e-4, "{t}");
        }
        assert_eq!(sigmas.timestep(0.0), 0.0);
        assert_eq!(sigmas.timestep(1e9), 99.0);
        assert_eq!(sigmas.at(1e9), sigmas.at(99.0));
    }

    #[test]
    fn what_is_spread_goes_from_end_to_end() {
        let sigmas = sigmas();
        let (most, least) = sigmas.ends();
        for spread in [sigmas.karras(7), sigmas.exponential(7)] {
            assert_eq!(spread.len(), 7);
            assert!(spread.windows(2).all(|pair| pair[0] > pair[1]));
            assert!((spread[0] / most - 1.0).abs() < 1e-12 && (spread[6] / least - 1.0).abs() < 1e-12);
        }
        assert_eq!(sigmas.karras(1).len(), 1);
        let ratios: Vec<f64> = sigmas.exponential(5).windows(2).map(|pair| pair[1] / pair[0]).collect();
        assert!(ratios.iter().all(|ratio| (ratio / ratios[0] - 1.0).abs() < 1e-9));
    }

    #[test]
    fn levels_below_a_bound_of_lambda_are_counted() {
        let sigmas = sigmas();
        assert_eq!(sigmas.count_from_lambda(f64::NEG_INFINITY), 100);
        let lambda = -sigmas.at(49.0).ln();
        assert_eq!(sigmas.count_from_lambda(lambda - 1e-4), 50);
    }
}
