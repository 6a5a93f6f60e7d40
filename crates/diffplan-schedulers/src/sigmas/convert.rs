//! Levels that are spread in other ways than by the timestep, and which timestep a level is.

/// How the levels of a run are spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spread {
    /// Those of the timesteps.
    Timesteps,
    /// Evenly in the seventh root (Karras et al. 2022, arXiv:2206.00364, equation 5).
    Karras,
    /// Evenly in the logarithm.
    Exponential,
    /// Evenly in lambda, as `Exponential` but in the arithmetic of float32's logarithms (arXiv:2206.00927, section 3.2).
    Lu,
}

impl Spread {
    /// The key that asks for it.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::Timesteps => "timestep_spacing",
            Self::Karras => "use_karras_sigmas",
            Self::Exponential => "use_exponential_sigmas",
            Self::Lu => "use_lu_lambdas",
        }
    }

    /// By the switches of a file, of which at most one is on.
    pub(crate) fn new(karras: bool, exponential: bool, lu: bool) -> Self {
        match (karras, exponential, lu) {
            (true, ..) => Self::Karras,
            (_, true, _) => Self::Exponential,
            (.., true) => Self::Lu,
            _ => Self::Timesteps,
        }
    }

    /// `count` levels from the largest to the smallest; `None` where they are those of the timesteps.
    pub(crate) fn levels(self, [most, least]: [f64; 2], count: usize) -> Option<Vec<f64>> {
        const RHO: f64 = 7.0;
        let between = |from: f64, to: f64| linspace(from, to, count);
        match self {
            Self::Timesteps => None,
            Self::Karras => {
                let (from, to) = (most.powf(1.0 / RHO), least.powf(1.0 / RHO));
                let ramp = linspace(0.0, 1.0, count);
                Some(ramp.map(|at| (from + at * (to - from)).powf(RHO)).collect())
            }
            Self::Exponential => Some(between(most.ln(), least.ln()).map(f64::exp).collect()),
            Self::Lu => {
                let [from, to] = [most, least].map(|sigma| f64::from(sigma.ln() as f32));
                let ramp = linspace(0.0, 1.0, count);
                Some(ramp.map(|at| (from + at * (to - from)).exp()).collect())
            }
        }
    }
}

/// `numpy.linspace`: `count` numbers, both ends among them; the first alone where it is one.
pub(crate) fn linspace(from: f64, to: f64, count: usize) -> impl DoubleEndedIterator<Item = f64> + ExactSizeIterator {
    let parts = count.saturating_sub(1);
    let step = (to - from) / parts as f64;
    (0..count).map(move |i| match i {
        0 => from,
        i if i == parts => to,
        i => i as f64 * step + from,
    })
}

/// The timestep of a level: between the training timesteps whose levels are nearest, by the logarithm.
///
/// `logs` are the logarithms of the levels at the training timesteps, two at least.
pub(crate) fn timestep_of(sigma: f64, logs: &[f32]) -> f64 {
    let log = sigma.max(1e-10).ln();
    let below = logs.iter().rposition(|&at| log - f64::from(at) >= 0.0).unwrap_or(0);
    let below = below.min(logs.len().saturating_sub(2));
    let (Some(&low), Some(&high)) = (logs.get(below), logs.get(below + 1)) else {
        return 0.0;
    };
    let part = ((f64::from(low) - log) / f64::from(low - high)).clamp(0.0, 1.0);
    (1.0 - part) * below as f64 + part * (below + 1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_even_in_what_they_are_even_in() {
        let even = |levels: &[f64], f: &dyn Fn(f64) -> f64| {
            let at: Vec<f64> = levels.iter().map(|&level| f(level)).collect();
            let step = at[1] - at[0];
            at.windows(2).all(|pair| (pair[1] - pair[0] - step).abs() < 1e-6)
        };
        let levels = |spread: Spread| spread.levels([80.0, 0.02], 9).unwrap();
        assert!(even(&levels(Spread::Karras), &|level| level.powf(1.0 / 7.0)));
        assert!(even(&levels(Spread::Exponential), &f64::ln));
        assert!(even(&levels(Spread::Lu), &f64::ln));
        for spread in [Spread::Karras, Spread::Exponential, Spread::Lu] {
            let levels = levels(spread);
            assert!(
                (levels[0] - 80.0).abs() < 1e-4 && (levels[8] - 0.02).abs() < 1e-6,
                "{spread:?}"
            );
            assert!((spread.levels([80.0, 0.02], 1).unwrap()[0] - 80.0).abs() < 1e-4);
        }
        assert_eq!(Spread::Timesteps.levels([80.0, 0.02], 9), None);
    }

    #[test]
    fn a_level_leads_to_its_timestep_and_one_between_to_one_between() {
        let sigmas = [0.1_f32, 0.2, 0.4, 1.6];
        let logs = sigmas.map(f32::ln);
        for (i, &sigma) in sigmas.iter().enumerate() {
            assert!((timestep_of(f64::from(sigma), &logs) - i as f64).abs() < 1e-6);
        }
        assert!((timestep_of(0.8, &logs) - 2.5).abs() < 1e-6);
        assert_eq!((timestep_of(0.01, &logs), timestep_of(9.0, &logs)), (0.0, 3.0));
        assert_eq!(timestep_of(1.0, &[0.0]), 0.0);
    }
}
