//! [`Limits`]: channels between two numbers.

use super::{check_channels, check_numbers, check_order, slack};
use crate::constraint::Constraint;
use crate::error::Result;
use crate::layout::SampleLayout;
use ndarray::{ArrayView2, ArrayViewMut2};

/// Channels of a plan that stay between two numbers each at every step: limits of states, of actions.
#[derive(Clone, Debug)]
pub struct Limits {
    name: String,
    channels: Vec<usize>,
    low: Vec<f32>,
    high: Vec<f32>,
}

impl Limits {
    /// One `low` and one `high` for each of `channels`, in the environment's units; infinity for none.
    ///
    /// # Errors
    /// [`Error::Parts`](crate::Error::Parts) if they are not as many, one is NaN, or a low one is above its high one.
    pub fn new(name: impl Into<String>, channels: Vec<usize>, low: &[f64], high: &[f64]) -> Result<Self> {
        let name = name.into();
        check_numbers(&name, "low", low, channels.len(), true)?;
        check_numbers(&name, "high", high, channels.len(), true)?;
        check_order(&name, low, high)?;
        let single = |numbers: &[f64]| numbers.iter().map(|&number| number as f32).collect();
        Ok(Self {
            name,
            channels,
            low: single(low),
            high: single(high),
        })
    }

    fn each(&self) -> impl Iterator<Item = (usize, f32, f32)> + '_ {
        let limits = self.low.iter().zip(&self.high);
        self.channels
            .iter()
            .zip(limits)
            .map(|(&channel, (&low, &high))| (channel, low, high))
    }
}

impl Constraint for Limits {
    fn name(&self) -> &str {
        &self.name
    }

    fn check(&self, _: usize, layout: &SampleLayout) -> Result<()> {
        check_channels(&self.name, &self.channels, layout)
    }

    fn violation(&self, trajectory: ArrayView2<f32>, fixed: ArrayView2<bool>) -> f32 {
        let mut worst = 0.0;
        for (channel, low, high) in self.each() {
            let steps = trajectory.column(channel).into_iter().zip(fixed.column(channel));
            for (step, (&x, &fixed)) in steps.enumerate() {
                let beyond = (low - x).max(x - high);
                if beyond > slack(fixed, x) && !(fixed && step == 0) {
                    worst = f32::max(worst, beyond);
                }
            }
        }
        worst
    }

    fn project(&self, mut trajectory: ArrayViewMut2<f32>, fixed: ArrayView2<bool>) {
        for (channel, low, high) in self.each() {
            let mut steps = trajectory.column_mut(channel);
            steps.zip_mut_with(&fixed.column(channel), |x, &fixed| {
                if !fixed {
                    *x = x.clamp(low, high);
                }
            });
        }
    }

    fn bounds(&self, channel: usize) -> [f32; 2] {
        let own = self.each().find(|&(own, ..)| own == channel);
        own.map_or([f32::NEG_INFINITY, f32::INFINITY], |(_, low, high)| [low, high])
    }
}
