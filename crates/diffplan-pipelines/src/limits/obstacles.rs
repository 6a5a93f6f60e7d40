//! [`Obstacles`]: where a plan may not be.

use super::{Shape, check_channels, check_not_negative, check_numbers, check_order, slack};
use crate::constraint::Constraint;
use crate::error::Result;
use crate::layout::SampleLayout;
use ndarray::{ArrayView2, ArrayViewMut2};

/// Two channels of a plan that keep out of shapes, at every step.
///
/// A step that is inside is moved out the nearest way that leads to a free place: straight away from a shape or along one of the axes, through as many
/// shapes as lie there. It looks at steps and not at the way between them: of a thin wall and a fast mover it sees nothing, and a
/// [`SpeedLimit`](super::SpeedLimit) helps.
#[derive(Clone, Debug)]
pub struct Obstacles {
    name: String,
    channels: [usize; 2],
    shapes: Vec<Shape>,
    margin: f64,
    within: Option<[[f64; 2]; 2]>,
}

/// Steps of a way out.
const TRIES: usize = 64;

const AXES: [[f64; 2]; 4] = [[-1.0, 0.0], [1.0, 0.0], [0.0, -1.0], [0.0, 1.0]];

impl Obstacles {
    /// `channels` are the position, in the units of `shapes`; it stays `margin` (0 or more) away from them: the mover's radius.
    ///
    /// # Errors
    /// [`Error::Parts`](crate::Error::Parts) if a shape or the margin is none.
    pub fn new(name: impl Into<String>, channels: [usize; 2], shapes: Vec<Shape>, margin: f64) -> Result<Self> {
        let name = name.into();
        check_not_negative(&name, "radius", margin)?;
        shapes.iter().try_for_each(|shape| shape.check(&name))?;
        Ok(Self {
            name,
            channels,
            shapes,
            margin,
            within: None,
        })
    }

    /// And within this box, from `low` to `high`: no way out leads beyond it, out of a maze through its wall.
    ///
    /// # Errors
    /// [`Error::Parts`](crate::Error::Parts) if a number is NaN, or low is above high.
    pub fn within(mut self, low: [f64; 2], high: [f64; 2]) -> Result<Self> {
        check_numbers(&self.name, "within", &low, 2, true)?;
        check_numbers(&self.name, "within", &high, 2, true)?;
        check_order(&self.name, &low, &high)?;
        self.within = Some([low, high]);
        Ok(self)
    }

    /// How deep a point is inside of any; 0 or less where it is free, or NaN.
    fn depth(&self, at: [f64; 2]) -> f64 {
        let depth = |shape: &Shape| self.margin - shape.distance(at).0;
        let outside = self.within.map_or(f64::NEG_INFINITY, |[low, high]| {
            let beyond = |dim: usize| (low[dim] - at[dim]).max(at[dim] - high[dim]);
            beyond(0).max(beyond(1))
        });
        self.shapes.iter().map(depth).fold(outside, f64::max)
    }

    fn leaves(&self, at: [f64; 2]) -> bool {
        self.within
            .is_some_and(|[low, high]| (0..2).any(|dim| at[dim] < low[dim] || at[dim] > high[dim]))
    }

    /// The first free place from `at` along `direction`, as single precision has it, and how far that is.
    fn out(&self, at: [f64; 2], direction: [f64; 2]) -> Option<(f64, [f32; 2])> {
        let mut far = 0.0;
        for _ in 0..TRIES {
            let to = [0, 1].map(|dim| (at[dim] + far * direction[dim]) as f32);
            let rounded = to.map(f64::from);
            if self.leaves(rounded) {
                return None;
            }
            let depth = self.depth(rounded);
            if depth <= 0.0 {
                return Some((far, to));
            }
            far += depth + 1e-6 * (1.0 + rounded[0].abs().max(rounded[1].abs()));
        }
        None
    }

    /// The nearest free place that can be found, moving along what is `free` alone.
    fn nearest_free(&self, at: [f64; 2], free: [bool; 2]) -> Option<[f32; 2]> {
        let from = match self.within {
            Some([low, high]) => [0, 1].map(|dim| match free[dim] {
                true => at[dim].clamp(low[dim], high[dim]),
                false => at[dim],
            }),
            None => at,
        };
        let away = self.shapes.iter().filter_map(|shape| {
            let (distance, direction) = shape.distance(from);
            (distance < self.margin).then_some(direction)
        });
        let goes = |direction: &[f64; 2]| (0..2).all(|dim| free[dim] || direction[dim] == 0.0);
        let ways = away.chain(AXES).filter(goes);
        let found = ways.filter_map(|direction| self.out(from, direction));
        found.min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, to)| to)
    }
}

impl Constraint for Obstacles {
    fn name(&self) -> &str {
        &self.name
    }

    fn check(&self, _: usize, layout: &SampleLayout) -> Result<()> {
        check_channels(&self.name, &self.channels, layout)
    }

    fn violation(&self, trajectory: ArrayView2<f32>, fixed: ArrayView2<bool>) -> f32 {
        let mut worst = 0.0;
        for (step, (row, fixed)) in trajectory.outer_iter().zip(fixed.outer_iter()).enumerate() {
            let at = self.channels.map(|channel| row[channel]);
            let imposed = self.channels.map(|channel| fixed[channel]);
            if step == 0 && imposed == [true; 2] {
                continue;
            }
            let depth = self.depth(at.map(f64::from)) as f32;
            if depth > slack(imposed != [false; 2], at[0].abs().max(at[1].abs())) {
                worst = f32::max(worst, depth);
            }
        }
        worst
    }

    fn project(&self, mut trajectory: ArrayViewMut2<f32>, fixed: ArrayView2<bool>) {
        for (mut row, fixed) in trajectory.outer_iter_mut().zip(fixed.outer_iter()) {
            let free = self.channels.map(|channel| !fixed[channel]);
            let at = self.channels.map(|channel| f64::from(row[channel]));
            // NaN is deep in nothing.
            if free == [false; 2] || self.depth(at) <= 0.0 || at.iter().any(|x| x.is_nan()) {
                continue;
            }
            let Some(to) = self.nearest_free(at, free) else {
                continue;
            };
            for dim in (0..2).filter(|&dim| free[dim]) {
                row[self.channels[dim]] = to[dim];
            }
        }
    }
}
