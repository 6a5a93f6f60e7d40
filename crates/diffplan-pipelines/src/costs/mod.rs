//! What plans are to avoid, in the environment's units: [`Cost`]s, and [`CostGuide`], which makes a [`Guide`](crate::Guide) of any.
//!
//! A guide works on normalised numbers and is asked again and again of noise; a cost is a function of a plan in metres, radians, newtons, with
//! its gradient by hand, in double precision. What lies between, the chain through the normalisers and what of a plan in the making it is
//! shown, is done once for all of them.
//!
//! | cost | of a plan `x` |
//! | --- | --- |
//! | [`GoalDistance`] | squared distance to a goal at the end, at a step, or where it is nearest |
//! | [`ObstacleCost`] | squared depth inside of discs and boxes, and of a margin around them, summed over steps |
//! | [`Effort`] | squares, of actions, summed |
//! | [`Smoothness`] | squares of first or second differences, summed |
//! | [`SoftLimits`] | squares of what lies beyond limits, summed |
//! | [`SoftSpeed`] | squares of what is faster than a speed, summed |
//! | [`Residual`] | squared error of a model of the environment, `s' - f(s, a)`, summed: [`Dynamics`] |
//! | [`FnCost`] | a function of yours |
//!
//! Sums are over steps and dimensions, so that the gradient at a step does not depend on the horizon.

mod adapter;
mod dynamics;
mod effort;
mod function;
mod goal;
mod obstacle;
mod soft;

pub use adapter::CostGuide;
pub use dynamics::{Dynamics, FnDynamics, Integrator, Linear, Residual};
pub use effort::{Effort, Smoothness};
pub use function::FnCost;
pub use goal::{GoalDistance, GoalTime};
pub use obstacle::ObstacleCost;
pub use soft::{SoftLimits, SoftSpeed};

use crate::error::Result;
use crate::layout::SampleLayout;
use ndarray::{ArrayView2, ArrayViewMut2};

/// What a plan is to avoid: a differentiable function of it, in the environment's units, the less the better.
pub trait Cost: std::fmt::Debug + Send + Sync {
    /// What it is called in reports: its kind, and of what.
    fn name(&self) -> &str;

    /// Checks that it can be taken of plans of this horizon and layout.
    ///
    /// # Errors
    /// Why it cannot.
    fn check(&self, horizon: usize, layout: &SampleLayout) -> Result<()>;

    /// The cost of `plan` (horizon, dimensions). Its gradient is added to `gradient` (the same shape), if that is asked for: whoever
    /// asks has filled it. Allocates nothing where it is to plan without allocation.
    fn cost(&self, plan: ArrayView2<f64>, gradient: Option<ArrayViewMut2<f64>>) -> f64;
}
