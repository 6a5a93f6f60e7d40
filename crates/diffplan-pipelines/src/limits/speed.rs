//! [`SpeedLimit`]: how far two steps may be from each other.

use super::{check_channels, check_positive, slack};
use crate::constraint::Constraint;
use crate::error::Result;
use crate::layout::SampleLayout;
use ndarray::{ArrayView2, ArrayViewMut2, Axis};

/// Channels of a plan, a position, that move no faster than a speed from step to step, in Euclidean length.
///
/// A plan is brought to it from its beginning on, so that what is near moves least; before each number that is imposed later, steps are kept where
/// that can still be reached from.
#[derive(Clone, Debug)]
pub struct SpeedLimit {
    name: String,
    channels: Vec<usize>,
    /// The length of a step.
    most: f64,
}

/// The share of a length that rounding may take.
const INSIDE: f64 = 1.0 - 1e-6;

impl SpeedLimit {
    /// No more than `speed` in the environment's units a second, where a step takes `dt` seconds; both above 0.
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
            most: speed * dt,
        })
    }

    fn all_fixed(&self, fixed: ArrayView2<bool>, step: usize) -> bool {
        self.channels.iter().all(|&channel| fixed[[step, channel]])
    }

    /// From one step to another.
    fn length(&self, x: ArrayView2<f32>, from: usize, to: usize) -> f64 {
        let part = |&channel: &usize| (f64::from(x[[to, channel]]) - f64::from(x[[from, channel]])).powi(2);
        self.channels.iter().map(part).sum::<f64>().sqrt()
    }

    /// Pulls what is free of step `step` toward step `center` until it is `radius` away, if it is further.
    fn pull(&self, x: &mut ArrayViewMut2<f32>, fixed: ArrayView2<bool>, step: usize, center: usize, radius: f64) {
        let (mut free, mut imposed) = (0.0, 0.0);
        for &channel in &self.channels {
            let part = (f64::from(x[[step, channel]]) - f64::from(x[[center, channel]])).powi(2);
            match fixed[[step, channel]] {
                true => imposed += part,
                false => free += part,
            }
        }
        if free + imposed <= radius * radius || free == 0.0 {
            return;
        }
        let share = ((radius * radius - imposed).max(0.0) / free).sqrt();
        self.shorten(x, fixed, step, center, share);
    }

    /// Makes what is free of the way from `center` to `step` so many times as long.
    fn shorten(&self, x: &mut ArrayViewMut2<f32>, fixed: ArrayView2<bool>, step: usize, center: usize, share: f64) {
        for &channel in self.channels.iter().filter(|&&channel| !fixed[[step, channel]]) {
            let (from, to) = (f64::from(x[[center, channel]]), f64::from(x[[step, channel]]));
            x[[step, channel]] = (from + share * (to - from)) as f32;
        }
    }

    /// Puts a step where both the one before and one that is imposed later are near enough: on both spheres, nearest to where it is.
    fn between(&self, x: &mut ArrayViewMut2<f32>, step: usize, end: usize, [near, far]: [f64; 2]) {
        let apart = self.length(x.view(), step - 1, end);
        if apart == 0.0 {
            return;
        }
        // Along the line from the step before to the end, and off it.
        let along = ((apart * apart + near * near - far * far) / (2.0 * apart)).clamp(-near, near);
        let off = (near * near - along * along).max(0.0).sqrt();
        let (mut own_along, mut own_off) = (0.0, 0.0);
        let parts = |x: &ArrayViewMut2<f32>, channel: usize| {
            let from = f64::from(x[[step - 1, channel]]);
            let unit = (f64::from(x[[end, channel]]) - from) / apart;
            (from, unit, f64::from(x[[step, channel]]) - from)
        };
        for &channel in &self.channels {
            let (_, unit, way) = parts(x, channel);
            own_along += unit * way;
        }
        for &channel in &self.channels {
            let (_, unit, way) = parts(x, channel);
            own_off += (way - own_along * unit).powi(2);
        }
        let own_off = own_off.sqrt();
        let share = if own_off > 0.0 { off / own_off } else { 0.0 };
        for &channel in &self.channels {
            let (from, unit, way) = parts(x, channel);
            x[[step, channel]] = (from + along * unit + share * (way - own_along * unit)) as f32;
        }
    }

    /// Brings a step to where it may be, given the one before.
    fn bring(&self, x: &mut ArrayViewMut2<f32>, fixed: ArrayView2<bool>, step: usize, end: Option<usize>) {
        if self.length(x.view(), step - 1, step) > self.most {
            self.pull(x, fixed, step, step - 1, self.most * INSIDE);
        }
        let partly = self.channels.iter().any(|&channel| fixed[[step, channel]]);
        if let (Some(end), false) = (end, partly) {
            let reach = (end - step) as f64 * self.most;
            if self.length(x.view(), step, end) > reach {
                self.pull(x, fixed, step, end, reach * INSIDE);
                if self.length(x.view(), step - 1, step) > self.most {
                    self.between(x, step, end, [self.most * INSIDE, reach * INSIDE]);
                }
            }
        }
        // Rounding: at the worst the step before is where it ends.
        for doubling in 0..=20 {
            if self.length(x.view(), step - 1, step) <= self.most {
                break;
            }
            let share = (1.0 - 1e-6 * f64::from(1 << doubling)).max(0.0);
            self.shorten(x, fixed, step, step - 1, share);
        }
    }
}

impl Constraint for SpeedLimit {
    fn name(&self) -> &str {
        &self.name
    }

    fn check(&self, _: usize, layout: &SampleLayout) -> Result<()> {
        check_channels(&self.name, &self.channels, layout)
    }

    fn violation(&self, trajectory: ArrayView2<f32>, fixed: ArrayView2<bool>) -> f32 {
        let mut worst = 0.0;
        for step in 1..trajectory.nrows() {
            let beyond = (self.length(trajectory, step - 1, step) - self.most) as f32;
            let row = trajectory.index_axis(Axis(0), step);
            let largest = self.channels.iter().map(|&channel| row[channel].abs());
            if beyond > slack(self.all_fixed(fixed, step), largest.fold(0.0, f32::max)) {
                worst = f32::max(worst, beyond);
            }
        }
        worst
    }

    fn project(&self, mut trajectory: ArrayViewMut2<f32>, fixed: ArrayView2<bool>) {
        let mut end = None;
        for step in 1..trajectory.nrows() {
            if self.all_fixed(fixed, step) {
                continue;
            }
            if end.is_none_or(|end| end <= step) {
                // Where nothing is imposed any more, the end of the plan is not looked for again.
                let later = (step + 1..trajectory.nrows()).find(|&later| self.all_fixed(fixed, later));
                end = Some(later.unwrap_or(usize::MAX));
            }
            let near = end.filter(|&end| end != usize::MAX);
            self.bring(&mut trajectory, fixed, step, near);
        }
    }
}
