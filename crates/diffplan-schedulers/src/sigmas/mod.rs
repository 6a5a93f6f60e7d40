//! Noise levels, which the classes that solve the diffusion's ordinary differential equation count in: what they share.
//!
//! With `a` the share of signal in the variance, a level is noise over signal, `sigma = sqrt((1 - a) / a)` (Karras et al. 2022,
//! arXiv:2206.00364), its logarithm is `-lambda` (Lu et al. 2022, arXiv:2206.00927), and the signal of a sample of unit variance at
//! that level is `1 / sqrt(sigma² + 1)`, its noise `sigma / sqrt(sigma² + 1)`.
//!
//! [`TrainLevels`] are those of the training timesteps; `spacing` says which timesteps are visited, `convert` spreads levels in other
//! ways and leads from a level back to a timestep. The arithmetic is NumPy's in the reference: float64 between values that are
//! float32.

mod convert;
mod spacing;

pub(crate) use convert::Spread;
pub(crate) use spacing::{Grid, Spacing};

pub(crate) use convert::timestep_of;

use crate::config::check;
use crate::{Error, FinalSigmasType, NoiseSchedule, Result, TimestepSpacing, Timesteps, Visit};

/// The share of signal in the variance that is left at the last training timestep where rescaling leaves none: a level needs some.
pub(crate) const LEAST_SIGNAL: f32 = 1.0 / 16_777_216.0;

/// The levels of the training timesteps. Shapes: `(num_train_timesteps,)`.
#[derive(Clone, Debug)]
pub(crate) struct TrainLevels {
    pub(crate) sigmas: Vec<f32>,
    pub(crate) logs: Vec<f32>,
}

impl TrainLevels {
    pub(crate) fn new(schedule: &NoiseSchedule) -> Self {
        let alphas = schedule.alphas_cumprod().iter();
        let sigmas: Vec<f32> = alphas.map(|&a| ((1.0 - a) / a).sqrt()).collect();
        let logs = sigmas.iter().map(|&sigma| f64::from(sigma).ln() as f32).collect();
        Self { sigmas, logs }
    }

    /// The smallest.
    pub(crate) fn least(&self) -> f32 {
        self.sigmas.first().copied().unwrap_or(0.0)
    }

    /// The largest.
    pub(crate) fn most(&self) -> f32 {
        self.sigmas.last().copied().unwrap_or(0.0)
    }

    /// At a timestep between the training timesteps, in a straight line; beyond the ends, what is at the end.
    pub(crate) fn at(&self, timestep: f64) -> f64 {
        let last = self.sigmas.len().saturating_sub(1);
        if timestep >= last as f64 {
            return f64::from(self.most());
        }
        let below = timestep.max(0.0).floor();
        let (low, high) = (self.sigmas[below as usize], self.sigmas[below as usize + 1]);
        let (low, high) = (f64::from(low), f64::from(high));
        (high - low) * (timestep.max(0.0) - below) + low
    }
}

/// What a run visits: a level a visit, and behind them the one that the last step ends at.
#[derive(Clone, Debug)]
pub(crate) struct Ladder {
    pub(crate) timesteps: Vec<f32>,
    pub(crate) sigmas: Vec<f32>,
}

impl Ladder {
    /// Levels of float64, rounded once, and the last.
    pub(crate) fn new(timesteps: impl IntoIterator<Item = f64>, sigmas: &[f64], end: f32) -> Self {
        let rounded = sigmas.iter().map(|&sigma| sigma as f32);
        Self {
            timesteps: timesteps.into_iter().map(|timestep| timestep as f32).collect(),
            sigmas: rounded.chain([end]).collect(),
        }
    }

    /// The levels that the step of a visit leads between.
    pub(crate) fn step(&self, visit: usize) -> [f32; 2] {
        [self.sigmas[visit], self.sigmas[visit + 1]]
    }
}

/// What the levels of a run hang on, for the errors of steps that are not defined.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin {
    pub(crate) class: &'static str,
    pub(crate) spread: Spread,
    pub(crate) spacing: TimestepSpacing,
    pub(crate) end: FinalSigmasType,
}

impl Origin {
    /// That levels that are spread are those of a count, and that there are two training timesteps to find them between.
    ///
    /// # Errors
    /// [`Error::UnsupportedValue`].
    pub(crate) fn check(&self, timesteps: &Timesteps, levels: &TrainLevels) -> Result<()> {
        let (key, spread) = (self.spread.key(), self.spread != Spread::Timesteps);
        let custom = matches!(timesteps, Timesteps::Custom(_));
        check::that(
            !(spread && custom),
            key,
            "true".to_owned(),
            "false where the timesteps are given one by one",
        )?;
        let too_few = spread && levels.sigmas.len() < 2;
        check::that(!too_few, key, "true".to_owned(), "false with num_train_timesteps 1")
    }

    /// That the first timestep comes once: the reference begins at the second of equal ones, and ends with an error of its index.
    ///
    /// # Errors
    /// [`Error::NoSuchStep`].
    fn check_first(&self, ladder: &Ladder) -> Result<()> {
        match ladder.timesteps[..] {
            [first, second, ..] if first == second => Err(self.repeated(first, "comes twice")),
            _ => Ok(()),
        }
    }

    /// What a run of a class visits that solves by several steps: by timesteps, or by levels that are spread over `range`, whose timesteps become
    /// integers by `whole`. `end` says where the last step ends, of the level of the last visit or where it is by timesteps the least.
    ///
    /// # Errors
    /// As [`Origin::check`], [`Origin::check_first`] and [`Spacing::timesteps`].
    pub(crate) fn ladder(
        &self,
        spacing: Spacing,
        asked: &Timesteps,
        levels: &TrainLevels,
        range: [f64; 2],
        end: impl Fn(f32) -> f32,
        whole: impl Fn(f64) -> f64,
    ) -> Result<Ladder> {
        self.check(asked, levels)?;
        let ladder = match self.spread.levels(range, spacing.count(asked)?) {
            None => {
                let timesteps = spacing.timesteps(asked)?;
                let sigmas: Vec<f64> = timesteps.iter().map(|&t| levels.at(t)).collect();
                Ladder::new(timesteps, &sigmas, end(levels.least()))
            }
            Some(sigmas) => {
                let timesteps = sigmas.iter().map(|&sigma| whole(timestep_of(sigma, &levels.logs)));
                let last = sigmas.last().map_or(0.0, |&last| last as f32);
                Ladder::new(timesteps, &sigmas, end(last))
            }
        };
        self.check_first(&ladder)?;
        Ok(ladder)
    }

    fn repeated(&self, timestep: f32, reason: &'static str) -> Error {
        let (value, allowed) = match self.spread {
            Spread::Timesteps => (
                self.spacing.to_string(),
                "fewer num_inference_steps, all of the timesteps, or timestep_spacing trailing",
            ),
            _ => (
                "true".to_owned(),
                "false, or num_inference_steps with which timesteps differ",
            ),
        };
        Error::NoSuchStep {
            class: self.class,
            key: self.spread.key(),
            value,
            timestep,
            reason,
            allowed: allowed.to_owned(),
        }
    }

    /// Why the step of `visit` is not defined: because levels are equal, or else `(key, value, allowed)`.
    pub(crate) fn no_step(&self, ladder: &Ladder, visit: usize, otherwise: (&'static str, String, &str)) -> Error {
        const REASON: &str = "divides by zero";
        let timestep = ladder.timesteps[visit];
        let [from, to] = ladder.step(visit);
        let ends = visit + 1 == ladder.timesteps.len();
        if (0..visit).any(|i| ladder.sigmas[i] == ladder.sigmas[i + 1]) || (from == to && !ends) {
            return self.repeated(timestep, REASON);
        }
        let (key, value, allowed) = match from == to {
            true => ("final_sigmas_type", self.end.to_string(), "zero"),
            false => otherwise,
        };
        Error::NoSuchStep {
            class: self.class,
            key,
            value,
            timestep,
            reason: REASON,
            allowed: allowed.to_owned(),
        }
    }
}

/// Shares `[signal, noise]` of a sample of unit variance at a level.
pub(crate) fn shares(sigma: f32) -> [f32; 2] {
    let sigma = f64::from(sigma);
    let signal = 1.0 / (sigma * sigma + 1.0).sqrt();
    [signal as f32, (sigma * signal) as f32]
}

/// Variance of the posterior over a step between two levels, of a sample of unit variance (Ho et al. 2020, equation 7, in levels).
pub(crate) fn posterior_variance([from, to]: [f32; 2]) -> f32 {
    let [from, to] = [from, to].map(|sigma| f64::from(sigma).powi(2));
    let variance = to * (from - to) / (from * (1.0 + to));
    (variance as f32).max(1e-20)
}

/// A visit of a sampler whose samples have unit variance.
pub(crate) fn preserving_visit(timestep: f32, step: [f32; 2], stochastic: bool) -> Visit {
    Visit {
        shares: Some(shares(step[0])),
        guidance: if stochastic { 1.0 } else { 0.5 },
        ..Visit::new(timestep, posterior_variance(step))
    }
}

/// A visit of a sampler that adds noise without shrinking the signal.
pub(crate) fn exploding_visit(timestep: f32, step: [f32; 2], stochastic: bool) -> Visit {
    Visit {
        scale: (step[0] * step[0] + 1.0).sqrt(),
        shares: Some([1.0, step[0]]),
        ..preserving_visit(timestep, step, stochastic)
    }
}

/// Standard deviation of the noise that a run starts from whose samples have the signal unshrunk: what the reference takes for it.
pub(crate) fn start_level(spacing: TimestepSpacing, sigmas: &[f32]) -> f32 {
    let most = sigmas.iter().copied().fold(0.0, f32::max);
    match spacing {
        TimestepSpacing::Linspace | TimestepSpacing::Trailing => most,
        TimestepSpacing::Leading => (most * most + 1.0).sqrt(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PredictionType;

    fn levels() -> TrainLevels {
        let schedule = NoiseSchedule::new(vec![0.1, 0.2, 0.4, 0.8], PredictionType::Epsilon).unwrap();
        TrainLevels::new(&schedule)
    }

    #[test]
    fn levels_are_noise_over_signal() {
        let levels = levels();
        for (i, signal) in [0.9_f64, 0.72, 0.432, 0.0864].into_iter().enumerate() {
            let expected = ((1.0 - signal) / signal).sqrt();
            assert!((f64::from(levels.sigmas[i]) - expected).abs() < 1e-6 * expected);
            assert!((f64::from(levels.logs[i]) - expected.ln()).abs() < 1e-6);
            let [alpha, noise] = shares(levels.sigmas[i]).map(f64::from);
            assert!((alpha * alpha - signal).abs() < 1e-6 && (noise * noise - (1.0 - signal)).abs() < 1e-6);
        }
    }

    #[test]
    fn between_timesteps_a_level_is_on_a_straight_line_and_beyond_them_at_the_end() {
        let levels = levels();
        let sigma = |i: usize| f64::from(levels.sigmas[i]);
        assert_eq!(levels.at(2.0), sigma(2));
        assert!((levels.at(1.25) - (0.75 * sigma(1) + 0.25 * sigma(2))).abs() < 1e-9);
        assert_eq!((levels.at(-1.0), levels.at(9.0)), (sigma(0), sigma(3)));
    }

    #[test]
    fn the_posterior_is_that_of_ddpm() {
        let levels = levels();
        let transition = crate::ddpm::Transition::new(0.432, 0.72);
        let variance = posterior_variance([levels.sigmas[2], levels.sigmas[1]]);
        assert!((variance - transition.posterior_variance()).abs() < 1e-6);
        assert_eq!(posterior_variance([1.0, 0.0]), 1e-20);
        assert_eq!(posterior_variance([1.0, 1.0]), 1e-20);
    }
}
