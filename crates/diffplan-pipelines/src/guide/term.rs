//! [`GuideTerm`]: a guide with its weight, and when in a plan's making its gradient counts.

use super::Guide;
use std::sync::Arc;

/// How the length of a guide's gradient step goes with the timesteps, beside its weight and the option `scale`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GuideSchedule {
    /// By the option `guidance`: about 1 everywhere as in diffusers, the posterior's variance as in the paper's code.
    #[default]
    Guidance,
    /// The same at every visit.
    Constant,
    /// From 0 at the first visit to 1 at the last.
    Rising,
    /// No gradient: it judges candidates and bends none.
    Judge,
}

/// A guide among others.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct GuideTerm {
    /// The guide.
    pub guide: Arc<dyn Guide>,
    /// What reports call it, where that is not the guide's own name.
    pub name: Option<String>,
    /// What its values and gradients are multiplied by.
    pub weight: f32,
    /// How long its gradient step is at which timestep.
    pub schedule: GuideSchedule,
    /// The part of the visits at which it has a gradient step, from 0 (before the first) to 1 (after the last).
    pub range: [f32; 2],
}

impl GuideTerm {
    /// With this weight, at every visit.
    pub fn new(weight: f32, guide: Arc<dyn Guide>) -> Self {
        Self {
            guide,
            name: None,
            weight,
            schedule: GuideSchedule::default(),
            range: [0.0, 1.0],
        }
    }

    /// What reports call it.
    pub fn name(&self) -> &str {
        self.name.as_deref().unwrap_or_else(|| self.guide.name())
    }

    /// With this schedule.
    #[must_use]
    pub fn schedule(mut self, schedule: GuideSchedule) -> Self {
        self.schedule = schedule;
        self
    }

    /// In this part of the visits alone.
    #[must_use]
    pub fn range(mut self, range: [f32; 2]) -> Self {
        self.range = range;
        self
    }

    /// What its gradient is multiplied by at visit `at` of `visits`, where the option `guidance` gives `guided` (0 where there is no
    /// guidance at all).
    pub(crate) fn step(&self, at: usize, visits: usize, guided: f32) -> f32 {
        if guided == 0.0 || !within(self.range, at, visits) {
            return 0.0;
        }
        self.weight
            * match self.schedule {
                GuideSchedule::Guidance => guided,
                GuideSchedule::Constant => 1.0,
                GuideSchedule::Rising => (at + 1) as f32 / visits as f32,
                GuideSchedule::Judge => 0.0,
            }
    }
}

/// Whether visit `at` of `visits` lies in a part of them, as diffusers' `control_guidance_start` and `…_end` have it.
pub(crate) fn within([from, to]: [f32; 2], at: usize, visits: usize) -> bool {
    let (begins, ends) = (at as f32 / visits as f32, (at + 1) as f32 / visits as f32);
    begins >= from && ends <= to
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_the_visits() {
        let in_part = |range| (0..10).map(|at| within(range, at, 10)).collect::<Vec<_>>();
        assert_eq!(in_part([0.0, 1.0]), [true; 10]);
        let half = in_part([0.5, 1.0]);
        assert_eq!(half.iter().position(|&inside| inside), Some(5));
        assert!(half[5..].iter().all(|&inside| inside));
        assert_eq!(in_part([0.2, 0.4]).iter().filter(|&&inside| inside).count(), 2);
        assert_eq!(in_part([0.6, 0.6]), [false; 10]);
    }
}
