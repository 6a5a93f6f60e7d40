//! [`CostGuide`]: a cost as a guide.

use super::Cost;
use crate::error::{Error, Result};
use crate::guide::{Guide, GuideSession, Moment, Sees};
use crate::layout::SampleLayout;
use crate::pipeline::ValueGuidedPipeline;
use crate::units::{denormalize, slopes};
use diffplan_data::Normalizers;
use diffplan_models::Compute;
use ndarray::{Array2, ArrayView2, ArrayView3, ArrayViewMut1, ArrayViewMut3};
use std::sync::Arc;

/// A [`Cost`] as a guide: the value is minus the cost, the gradient goes through the normalisers, element by element:
/// `∂value/∂y = -∂cost/∂x · dx/dy` with `x` in the environment's units and `y` normalised. Where a normaliser clips on its way back, `dx/dy` is
/// 0, and nothing pulls.
#[derive(Clone, Debug)]
pub struct CostGuide {
    cost: Arc<dyn Cost>,
    layout: SampleLayout,
    normalizers: Arc<Normalizers>,
    sees: Sees,
}

impl CostGuide {
    /// Of plans of this layout and these normalisers. It sees the clean plan that the network predicts: of noise, a distance means nothing.
    pub fn new(cost: Arc<dyn Cost>, layout: SampleLayout, normalizers: Arc<Normalizers>) -> Self {
        Self {
            cost,
            layout,
            normalizers,
            sees: Sees::Clean,
        }
    }

    /// Of plans of a pipeline.
    pub fn of(pipeline: &ValueGuidedPipeline, cost: Arc<dyn Cost>) -> Self {
        Self::new(cost, pipeline.layout.clone(), Arc::clone(&pipeline.normalizers))
    }

    /// Shown this.
    #[must_use]
    pub fn seeing(mut self, sees: Sees) -> Self {
        self.sees = sees;
        self
    }

    /// The cost.
    pub fn cost(&self) -> &Arc<dyn Cost> {
        &self.cost
    }
}

impl Guide for CostGuide {
    fn name(&self) -> &str {
        self.cost.name()
    }

    fn check(&self, horizon: usize, dims: usize) -> Result<()> {
        let expected = self.layout.channels();
        if dims != expected {
            return Err(Error::Parts(format!(
                "{}: trajectories have {dims} dimensions, expected {expected}",
                self.cost.name()
            )));
        }
        self.cost.check(horizon, &self.layout)
    }

    fn sees(&self) -> Sees {
        self.sees
    }

    fn dimensions(&self) -> Option<usize> {
        Some(self.layout.channels())
    }

    fn session(self: Arc<Self>, _: Compute) -> Box<dyn GuideSession> {
        Box::new(CostSession {
            guide: self,
            raw: Array2::zeros((0, 0)),
            plan: Array2::zeros((0, 0)),
            gradient: Array2::zeros((0, 0)),
        })
    }
}

struct CostSession {
    guide: Arc<CostGuide>,
    /// (horizon, dimensions), of one candidate.
    raw: Array2<f32>,
    plan: Array2<f64>,
    gradient: Array2<f64>,
}

impl CostSession {
    /// Room for a candidate, and what it is in the environment's units.
    fn read(&mut self, trajectory: ArrayView2<f32>) -> Result<()> {
        let shape = trajectory.dim();
        if self.raw.dim() != shape {
            self.raw = Array2::zeros(shape);
            self.plan = Array2::zeros(shape);
            self.gradient = Array2::zeros(shape);
        }
        self.raw.assign(&trajectory);
        denormalize(&self.guide.layout, &self.guide.normalizers, self.raw.view_mut())?;
        self.plan.zip_mut_with(&self.raw, |to, &x| *to = f64::from(x));
        Ok(())
    }
}

impl GuideSession for CostSession {
    fn value_and_grad(
        &mut self,
        trajectories: ArrayView3<f32>,
        _: Moment,
        mut values: ArrayViewMut1<f32>,
        mut grad: ArrayViewMut3<f32>,
    ) -> Result<()> {
        let candidates = trajectories.outer_iter().zip(grad.outer_iter_mut());
        for ((trajectory, mut grad), value) in candidates.zip(&mut values) {
            self.read(trajectory)?;
            self.gradient.fill(0.0);
            *value = -self.guide.cost.cost(self.plan.view(), Some(self.gradient.view_mut())) as f32;
            grad.assign(&trajectory);
            slopes(&self.guide.layout, &self.guide.normalizers, grad.view_mut())?;
            grad.zip_mut_with(&self.gradient, |slope, by| *slope = -(by * f64::from(*slope)) as f32);
        }
        Ok(())
    }

    fn value(&mut self, trajectories: ArrayView3<f32>, _: Moment, mut values: ArrayViewMut1<f32>) -> Result<()> {
        for (trajectory, value) in trajectories.outer_iter().zip(&mut values) {
            self.read(trajectory)?;
            *value = -self.guide.cost.cost(self.plan.view(), None) as f32;
        }
        Ok(())
    }
}
