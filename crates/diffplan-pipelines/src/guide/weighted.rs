//! Several guides as one: values and gradients summed, each by its weight.

use super::{Guide, GuideSession, Moment};
use crate::error::Result;
use diffplan_models::Compute;
use ndarray::{Array1, Array3, ArrayView3, ArrayViewMut1, ArrayViewMut3};
use std::sync::Arc;

/// Guides with their weights.
#[derive(Clone, Debug, Default)]
pub(crate) struct Weighted(pub(crate) Vec<(f32, Arc<dyn Guide>)>);

impl Weighted {
    pub(crate) fn check(&self, horizon: usize, dims: usize) -> Result<()> {
        self.0.iter().try_for_each(|(_, guide)| guide.check(horizon, dims))
    }

    pub(crate) fn session(&self, compute: Compute) -> WeightedSession {
        let session = |(weight, guide): &(f32, Arc<dyn Guide>)| (*weight, Arc::clone(guide).session(compute));
        WeightedSession {
            parts: self.0.iter().map(session).collect(),
            values: Array1::zeros(0),
            grad: Array3::zeros((0, 0, 0)),
        }
    }
}

/// A use of them all.
pub(crate) struct WeightedSession {
    parts: Vec<(f32, Box<dyn GuideSession>)>,
    /// One guide's share.
    values: Array1<f32>,
    grad: Array3<f32>,
}

impl WeightedSession {
    pub(crate) fn prepare(&mut self, times: &[f32]) {
        self.parts.iter_mut().for_each(|(_, part)| part.prepare(times));
    }

    pub(crate) fn value_and_grad(
        &mut self,
        x: ArrayView3<f32>,
        at: Moment,
        mut values: ArrayViewMut1<f32>,
        mut grad: ArrayViewMut3<f32>,
    ) -> Result<()> {
        let Self {
            parts,
            values: own_values,
            grad: own_grad,
        } = self;
        if parts.len() > 1 && own_grad.dim() != x.dim() {
            (*own_values, *own_grad) = (Array1::zeros(x.dim().0), Array3::zeros(x.dim()));
        }
        for (i, (weight, part)) in parts.iter_mut().enumerate() {
            if i == 0 {
                part.value_and_grad(x, at, values.view_mut(), grad.view_mut())?;
                // By 1 the numbers stay as they are.
                if *weight != 1.0 {
                    values.mapv_inplace(|v| *weight * v);
                    grad.mapv_inplace(|g| *weight * g);
                }
                continue;
            }
            part.value_and_grad(x, at, own_values.view_mut(), own_grad.view_mut())?;
            values.zip_mut_with(own_values, |sum, v| *sum += *weight * v);
            grad.zip_mut_with(own_grad, |sum, g| *sum += *weight * g);
        }
        Ok(())
    }

    pub(crate) fn value(&mut self, x: ArrayView3<f32>, at: Moment, mut values: ArrayViewMut1<f32>) -> Result<()> {
        let Self {
            parts,
            values: own_values,
            ..
        } = self;
        if parts.len() > 1 && own_values.len() != values.len() {
            *own_values = Array1::zeros(values.len());
        }
        for (i, (weight, part)) in parts.iter_mut().enumerate() {
            if i == 0 {
                part.value(x, at, values.view_mut())?;
                if *weight != 1.0 {
                    values.mapv_inplace(|v| *weight * v);
                }
                continue;
            }
            part.value(x, at, own_values.view_mut())?;
            values.zip_mut_with(own_values, |sum, v| *sum += *weight * v);
        }
        Ok(())
    }
}
