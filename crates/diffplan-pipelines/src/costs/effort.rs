//! [`Effort`] and [`Smoothness`]: how much is done, and how abruptly.

use super::Cost;
use crate::error::{Error, Result};
use crate::layout::SampleLayout;
use crate::limits::check_channels;
use ndarray::{ArrayView2, ArrayViewMut2};

/// The squares of channels, summed over steps: of actions, the effort.
#[derive(Clone, Debug)]
pub struct Effort {
    name: String,
    channels: Vec<usize>,
}

impl Effort {
    /// Of these channels.
    pub fn new(name: impl Into<String>, channels: Vec<usize>) -> Self {
        Self {
            name: name.into(),
            channels,
        }
    }
}

impl Cost for Effort {
    fn name(&self) -> &str {
        &self.name
    }

    fn check(&self, _: usize, layout: &SampleLayout) -> Result<()> {
        check_channels(&self.name, &self.channels, layout)
    }

    fn cost(&self, plan: ArrayView2<f64>, mut gradient: Option<ArrayViewMut2<f64>>) -> f64 {
        let mut cost = 0.0;
        for step in 0..plan.nrows() {
            for &channel in &self.channels {
                let x = plan[[step, channel]];
                cost += x * x;
                if let Some(gradient) = &mut gradient {
                    gradient[[step, channel]] += 2.0 * x;
                }
            }
        }
        cost
    }
}

/// The squares of differences of channels from step to step, or of differences of those, summed over steps.
#[derive(Clone, Debug)]
pub struct Smoothness {
    name: String,
    channels: Vec<usize>,
    order: usize,
}

impl Smoothness {
    /// `order` 1: `x[t+1] - x[t]`; 2: `x[t+2] - 2 x[t+1] + x[t]`.
    ///
    /// # Errors
    /// [`Error::Parts`] if it is another.
    pub fn new(name: impl Into<String>, channels: Vec<usize>, order: usize) -> Result<Self> {
        let name = name.into();
        match order {
            1 | 2 => Ok(Self { name, channels, order }),
            _ => Err(Error::Parts(format!(
                "{name}: `order` is {order}, expected 1 (differences of steps) or 2 (differences of those)"
            ))),
        }
    }

    /// The factors of a step and those after it.
    fn stencil(&self) -> &'static [f64] {
        match self.order {
            1 => &[-1.0, 1.0],
            _ => &[1.0, -2.0, 1.0],
        }
    }
}

impl Cost for Smoothness {
    fn name(&self) -> &str {
        &self.name
    }

    fn check(&self, horizon: usize, layout: &SampleLayout) -> Result<()> {
        if horizon <= self.order {
            return Err(Error::Parts(format!(
                "{}: a horizon of {horizon}, expected more than {} for differences of order {}",
                self.name, self.order, self.order
            )));
        }
        check_channels(&self.name, &self.channels, layout)
    }

    fn cost(&self, plan: ArrayView2<f64>, mut gradient: Option<ArrayViewMut2<f64>>) -> f64 {
        let (stencil, mut cost) = (self.stencil(), 0.0);
        for step in 0..plan.nrows().saturating_sub(self.order) {
            for &channel in &self.channels {
                let terms = stencil.iter().enumerate();
                let difference: f64 = terms
                    .clone()
                    .map(|(i, factor)| factor * plan[[step + i, channel]])
                    .sum();
                cost += difference * difference;
                if let Some(gradient) = &mut gradient {
                    for (i, factor) in terms {
                        gradient[[step + i, channel]] += 2.0 * factor * difference;
                    }
                }
            }
        }
        cost
    }
}
