//! [`FnGuide`]: a function of yours as a guide.

use super::{Guide, GuideSession, Moment};
use crate::error::{Error, Result};
use diffplan_models::Compute;
use ndarray::{ArrayView3, ArrayViewMut1, ArrayViewMut3};
use std::sync::Arc;

/// A function as a guide: `(trajectories, at, values, grad)`, shapes as in [`GuideSession::value_and_grad`], `grad` only where
/// it is asked for. It runs on the calling thread.
///
/// ```
/// use diffplan_pipelines::{FnGuide, Moment};
/// use ndarray::{ArrayView3, ArrayViewMut1, ArrayViewMut3, Axis};
///
/// // Prefers trajectories whose first dimension, summed over time, is large.
/// let guide = FnGuide(
///     |x: ArrayView3<f32>, _: Moment, mut values: ArrayViewMut1<f32>, grad: Option<ArrayViewMut3<f32>>| {
///         values.assign(&x.index_axis(Axis(2), 0).sum_axis(Axis(1)));
///         if let Some(mut grad) = grad {
///             grad.fill(0.0);
///             grad.index_axis_mut(Axis(2), 0).fill(1.0);
///         }
///         Ok(())
///     },
/// );
/// # let _: &dyn diffplan_pipelines::Guide = &guide;
/// ```
#[derive(Clone, Copy)]
pub struct FnGuide<F>(pub F);

type GuideResult = std::result::Result<(), Box<dyn std::error::Error + Send + Sync>>;

impl<F> std::fmt::Debug for FnGuide<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FnGuide")
    }
}

impl<F> Guide for FnGuide<F>
where
    F: Fn(ArrayView3<f32>, Moment, ArrayViewMut1<f32>, Option<ArrayViewMut3<f32>>) -> GuideResult,
    F: Send + Sync + 'static,
{
    fn name(&self) -> &str {
        "function"
    }

    fn check(&self, _: usize, _: usize) -> Result<()> {
        Ok(())
    }

    fn session(self: Arc<Self>, _: Compute) -> Box<dyn GuideSession> {
        Box::new(FnSession(self))
    }
}

struct FnSession<F>(Arc<FnGuide<F>>);

impl<F> GuideSession for FnSession<F>
where
    F: Fn(ArrayView3<f32>, Moment, ArrayViewMut1<f32>, Option<ArrayViewMut3<f32>>) -> GuideResult,
    F: Send + Sync,
{
    fn value_and_grad(
        &mut self,
        trajectories: ArrayView3<f32>,
        at: Moment,
        values: ArrayViewMut1<f32>,
        grad: ArrayViewMut3<f32>,
    ) -> Result<()> {
        (self.0.0)(trajectories, at, values, Some(grad)).map_err(Error::Guide)
    }

    fn value(&mut self, trajectories: ArrayView3<f32>, at: Moment, values: ArrayViewMut1<f32>) -> Result<()> {
        (self.0.0)(trajectories, at, values, None).map_err(Error::Guide)
    }
}
