//! [`SoftLimits`] and [`SoftSpeed`]: limits that cost something to break.

use super::Cost;
use crate::error::Result;
use crate::layout::SampleLayout;
use crate::limits::{check_channels, check_numbers, check_order, check_positive};
use ndarray::{ArrayView2, ArrayViewMut2};

/// Squares of what channels are below low or above high limits, summed over steps.
#[derive(Clone, Debug)]
pub struct SoftLimits {
    name: String,
    channels: Vec<usize>,
    low: Vec<f64>,
    high: Vec<f64>,
}

impl SoftLimits {
    /// One `low` and one `high` for each of `channels`; infinity for none.
    ///
    /// # Errors
    /// [`Error::Parts`](crate::Error::Parts) if they are not as many, one is NaN, or a low one is above its high one.
    pub fn new(name: impl Into<String>, channels: Vec<usize>, low: &[f64], high: &[f64]) -> Result<Self> {
        let name = name.into();
        check_numbers(&name, "low", low, channels.len(), true)?;
        check_numbers(&name, "high", high, channels.len(), true)?;
        check_order(&name, low, high)?;
        Ok(Self {
            name,
            channels,
            low: low.to_vec(),
            high: high.to_vec(),
        })
    }
}

impl Cost for SoftLimits {
    fn name(&self) -> &str {
        &self.name
    }

    fn check(&self, _: usize, layout: &SampleLayout) -> Result<()> {
        check_channels(&self.name, &self.channels, layout)
    }

    fn cost(&self, plan: ArrayView2<f64>, mut gradient: Option<ArrayViewMut2<f64>>) -> f64 {
        let mut cost = 0.0;
        for (index, &channel) in self.channels.iter().enumerate() {
            for (step, &x) in plan.column(channel).iter().enumerate() {
                // Negative below, positive above.
                let beyond = (x - self.high[index]).max(0.0) + (x - self.low[index]).min(0.0);
                cost += beyond * beyond;
                if let Some(gradient) = &mut gradient {
                    gradient[[step, channel]] += 2.0 * beyond;
                }
            }
        }
        cost
    }
}

/// Squares of what a position moves faster than a speed, summed over steps, in units of speed.
#[derive(Clone, Debug)]
pub struct SoftSpeed {
    name: String,
    channels: Vec<usize>,
    speed: f64,
    dt: f64,
}

impl SoftSpeed {
    /// More than `speed` in the environment's units a second, where a step takes `dt` seconds; both above 0.
    ///
    /// # Errors
    /// [`Error::Parts`](crate::Error::Parts) if they are not.
    pub fn new(name: impl Into<String>, channels: Vec<usize>, speed: f64, dt: f64) -> Result<Self> {
        let name = name.into();
        check_positive(&name, "speed", speed)?;
        check_positive(&name, "dt", dt)?;
        Ok(Self {
            name,
            channels,
            speed,
            dt,
        })
    }
}

impl Cost for SoftSpeed {
    fn name(&self) -> &str {
        &self.name
    }

    fn check(&self, _: usize, layout: &SampleLayout) -> Result<()> {
        check_channels(&self.name, &self.channels, layout)
    }

    fn cost(&self, plan: ArrayView2<f64>, mut gradient: Option<ArrayViewMut2<f64>>) -> f64 {
        let mut cost = 0.0;
        for step in 1..plan.nrows() {
            let way = |channel: usize| plan[[step, channel]] - plan[[step - 1, channel]];
            let length = self
                .channels
                .iter()
                .map(|&channel| way(channel).powi(2))
                .sum::<f64>()
                .sqrt();
            let beyond = length / self.dt - self.speed;
            if beyond <= 0.0 {
                continue;
            }
            cost += beyond * beyond;
            if let Some(gradient) = &mut gradient {
                for &channel in &self.channels {
                    let part = 2.0 * beyond * way(channel) / (length * self.dt);
                    gradient[[step, channel]] += part;
                    gradient[[step - 1, channel]] -= part;
                }
            }
        }
        cost
    }
}
