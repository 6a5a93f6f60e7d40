//! [`FnCost`]: a function of yours as a cost.

use super::Cost;
use crate::error::Result;
use crate::layout::SampleLayout;
use ndarray::{ArrayView2, ArrayViewMut2};

/// A name and a function as a cost: `(plan, gradient)`, as [`Cost::cost`].
///
/// ```
/// use diffplan_pipelines::costs::{Cost, FnCost};
/// use ndarray::{ArrayView2, ArrayViewMut2, array};
///
/// // Twice the first dimension of the last step.
/// let cost = FnCost::new("height", |plan: ArrayView2<f64>, gradient: Option<ArrayViewMut2<f64>>| {
///     let last = plan.nrows() - 1;
///     if let Some(mut gradient) = gradient {
///         gradient[[last, 0]] += 2.0;
///     }
///     2.0 * plan[[last, 0]]
/// });
/// assert_eq!(cost.cost(array![[1.0], [3.0]].view(), None), 6.0);
/// ```
#[derive(Clone)]
pub struct FnCost<F> {
    name: String,
    function: F,
}

impl<F> FnCost<F>
where
    F: Fn(ArrayView2<f64>, Option<ArrayViewMut2<f64>>) -> f64 + Send + Sync,
{
    /// Called `name` in reports.
    pub fn new(name: impl Into<String>, function: F) -> Self {
        Self {
            name: name.into(),
            function,
        }
    }
}

impl<F> std::fmt::Debug for FnCost<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FnCost")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl<F> Cost for FnCost<F>
where
    F: Fn(ArrayView2<f64>, Option<ArrayViewMut2<f64>>) -> f64 + Send + Sync,
{
    fn name(&self) -> &str {
        &self.name
    }

    fn check(&self, _: usize, _: &SampleLayout) -> Result<()> {
        Ok(())
    }

    fn cost(&self, plan: ArrayView2<f64>, gradient: Option<ArrayViewMut2<f64>>) -> f64 {
        (self.function)(plan, gradient)
    }
}
