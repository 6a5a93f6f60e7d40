//! [`ObstacleCost`]: how deep a plan goes into what is in the way.

use super::Cost;
use crate::error::Result;
use crate::layout::SampleLayout;
use crate::limits::{Shape, check_channels, check_not_negative};
use ndarray::{ArrayView2, ArrayViewMut2};

/// Squared depth inside of shapes that are `margin` wider all around, summed over shapes and steps: it begins softly at the margin, and its
/// gradient leads straight away from a shape, from inside too.
#[derive(Clone, Debug)]
pub struct ObstacleCost {
    name: String,
    channels: [usize; 2],
    shapes: Vec<Shape>,
    margin: f64,
}

impl ObstacleCost {
    /// `channels` are the position, in the units of `shapes`; `margin`, 0 or more: the mover's radius, and how far it should stay away.
    ///
    /// # Errors
    /// [`Error::Parts`](crate::Error::Parts) if a shape or the margin is none.
    pub fn new(name: impl Into<String>, channels: [usize; 2], shapes: Vec<Shape>, margin: f64) -> Result<Self> {
        let name = name.into();
        check_not_negative(&name, "margin", margin)?;
        shapes.iter().try_for_each(|shape| shape.check(&name))?;
        Ok(Self {
            name,
            channels,
            shapes,
            margin,
        })
    }
}

impl Cost for ObstacleCost {
    fn name(&self) -> &str {
        &self.name
    }

    fn check(&self, _: usize, layout: &SampleLayout) -> Result<()> {
        check_channels(&self.name, &self.channels, layout)
    }

    fn cost(&self, plan: ArrayView2<f64>, mut gradient: Option<ArrayViewMut2<f64>>) -> f64 {
        let mut cost = 0.0;
        for (step, row) in plan.outer_iter().enumerate() {
            let at = self.channels.map(|channel| row[channel]);
            for shape in &self.shapes {
                let (distance, direction) = shape.distance(at);
                let depth = self.margin - distance;
                if depth <= 0.0 {
                    continue;
                }
                cost += depth * depth;
                if let Some(gradient) = &mut gradient {
                    for (channel, direction) in self.channels.into_iter().zip(direction) {
                        gradient[[step, channel]] -= 2.0 * depth * direction;
                    }
                }
            }
        }
        cost
    }
}
