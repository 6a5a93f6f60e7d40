//! [`Equal`]: channels that have a number.

use super::{check_channels, check_numbers, slack};
use crate::constraint::Constraint;
use crate::error::{Error, Result};
use crate::layout::SampleLayout;
use ndarray::{ArrayView2, ArrayViewMut2};
use std::ops::Range;

/// Channels of a plan that have one number each, at every step or at some: a joint that is locked, a goal of every plan.
#[derive(Clone, Debug)]
pub struct Equal {
    name: String,
    channels: Vec<usize>,
    values: Vec<f32>,
    steps: Option<Range<usize>>,
}

impl Equal {
    /// One of `values` for each of `channels`, in the environment's units.
    ///
    /// # Errors
    /// [`Error::Parts`] if they are not as many, or one is not finite.
    pub fn new(name: impl Into<String>, channels: Vec<usize>, values: &[f64]) -> Result<Self> {
        let name = name.into();
        check_numbers(&name, "values", values, channels.len(), false)?;
        Ok(Self {
            name,
            channels,
            values: values.iter().map(|&value| value as f32).collect(),
            steps: None,
        })
    }

    /// At these steps alone.
    #[must_use]
    pub fn steps(mut self, steps: Range<usize>) -> Self {
        self.steps = Some(steps);
        self
    }

    fn steps_of(&self, horizon: usize) -> Range<usize> {
        let all = 0..horizon;
        self.steps
            .as_ref()
            .map_or(all, |steps| steps.start.min(horizon)..steps.end.min(horizon))
    }
}

impl Constraint for Equal {
    fn name(&self) -> &str {
        &self.name
    }

    fn check(&self, horizon: usize, layout: &SampleLayout) -> Result<()> {
        check_channels(&self.name, &self.channels, layout)?;
        match &self.steps {
            Some(steps) if steps.is_empty() || steps.end > horizon => Err(Error::Parts(format!(
                "{}: steps {} to {}, expected some below the horizon, {horizon}",
                self.name, steps.start, steps.end
            ))),
            _ => Ok(()),
        }
    }

    fn violation(&self, trajectory: ArrayView2<f32>, fixed: ArrayView2<bool>) -> f32 {
        let mut worst = 0.0;
        for step in self.steps_of(trajectory.nrows()) {
            for (&channel, &value) in self.channels.iter().zip(&self.values) {
                let (x, fixed) = (trajectory[[step, channel]], fixed[[step, channel]]);
                let beyond = (x - value).abs();
                if beyond > slack(fixed, value) && !(fixed && step == 0) {
                    worst = f32::max(worst, beyond);
                }
            }
        }
        worst
    }

    fn project(&self, mut trajectory: ArrayViewMut2<f32>, fixed: ArrayView2<bool>) {
        for step in self.steps_of(trajectory.nrows()) {
            for (&channel, &value) in self.channels.iter().zip(&self.values) {
                if !fixed[[step, channel]] {
                    trajectory[[step, channel]] = value;
                }
            }
        }
    }

    fn bounds(&self, channel: usize) -> [f32; 2] {
        let own = self.channels.iter().position(|&own| own == channel);
        match own {
            // Others may have another number at other steps.
            Some(own) if self.steps.is_none() => [self.values[own]; 2],
            _ => [f32::NEG_INFINITY, f32::INFINITY],
        }
    }
}
