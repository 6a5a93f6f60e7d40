//! The learning rate over a run.

use std::f64::consts::PI;

use crate::error::{Error, Result};

/// What becomes of the learning rate after warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RateSchedule {
    /// It stays.
    #[default]
    Constant,
    /// It falls to 0 along half a cosine.
    Cosine,
}

/// The learning rate of every step: linear warm-up to `lr`, which stays, or falls along a cosine to 0 at the end.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LearningRate {
    /// The highest.
    pub lr: f64,
    /// Steps of linear warm-up: step `n` of them takes `lr (n + 1) / warmup_steps`.
    pub warmup_steps: u64,
    /// After warm-up.
    pub schedule: RateSchedule,
    /// The step at which the cosine begins, if that is after warm-up.
    pub cosine_from: u64,
    /// Steps of the whole run, where the cosine reaches 0.
    pub total_steps: u64,
}

impl LearningRate {
    /// The same rate at every step.
    #[must_use]
    pub fn constant(lr: f64) -> Self {
        Self {
            lr,
            warmup_steps: 0,
            schedule: RateSchedule::Constant,
            cosine_from: 0,
            total_steps: 0,
        }
    }

    pub(crate) fn check(&self) -> Result<()> {
        if !(self.lr.is_finite() && self.lr > 0.0) {
            return Err(Error::option("lr", self.lr, "a finite number above 0"));
        }
        let begins = self.warmup_steps.max(self.cosine_from);
        if self.schedule == RateSchedule::Cosine && begins >= self.total_steps {
            let expected = format!("below the {} steps of the run", self.total_steps);
            return Err(Error::option("warmup_steps or cosine_from", begins, expected));
        }
        Ok(())
    }

    /// The rate of step `step`, from 0.
    #[must_use]
    pub fn at(&self, step: u64) -> f64 {
        if step < self.warmup_steps {
            return self.lr * (step + 1) as f64 / self.warmup_steps as f64;
        }
        let begins = self.warmup_steps.max(self.cosine_from);
        match self.schedule {
            RateSchedule::Cosine if step >= begins => {
                let done = (step - begins) as f64 / self.total_steps.saturating_sub(begins).max(1) as f64;
                self.lr * 0.5 * (1.0 + (PI * done.min(1.0)).cos())
            }
            _ => self.lr,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_rises_stays_and_falls() {
        let rate = LearningRate {
            lr: 2e-4,
            warmup_steps: 4,
            schedule: RateSchedule::Cosine,
            cosine_from: 10,
            total_steps: 20,
        };
        rate.check().unwrap();
        let close = |step, expected: f64| {
            assert!(
                (rate.at(step) - expected).abs() < 1e-12,
                "step {step}: {}",
                rate.at(step)
            )
        };
        close(0, 0.5e-4);
        close(3, 2e-4);
        close(9, 2e-4);
        close(10, 2e-4);
        close(15, 1e-4);
        close(20, 0.0);
        close(100, 0.0);
        assert_eq!(LearningRate::constant(0.1).at(1_000_000), 0.1);
    }

    #[test]
    fn impossible_rates_are_refused() {
        for lr in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(LearningRate::constant(lr).check().is_err(), "{lr}");
        }
        let late = LearningRate {
            schedule: RateSchedule::Cosine,
            warmup_steps: 10,
            total_steps: 10,
            ..LearningRate::constant(1.0)
        };
        assert!(late.check().unwrap_err().to_string().contains("below the 10 steps"));
    }
}
