//! Several guides as one: values and gradients summed, each by its weight.

use super::{GuideSchedule, GuideSession, GuideTerm, Moment, Sees};
use crate::error::Result;
use crate::planner::reshape;
use diffplan_models::Compute;
use ndarray::{Array1, Array3, ArrayView3, ArrayViewMut1, ArrayViewMut3};
use std::sync::Arc;

/// Guides with their weights.
#[derive(Clone, Debug, Default)]
pub(crate) struct Weighted(pub(crate) Vec<GuideTerm>);

impl Weighted {
    /// Whether any ever bends a plan.
    pub(crate) fn bend(&self) -> bool {
        self.0.iter().any(|term| term.schedule != GuideSchedule::Judge)
    }

    pub(crate) fn check(&self, horizon: usize, dims: usize) -> Result<()> {
        self.0.iter().try_for_each(|term| term.guide.check(horizon, dims))
    }

    /// Whether any is shown this.
    pub(crate) fn see(&self, sees: Sees) -> bool {
        self.0.iter().any(|term| term.guide.sees() == sees)
    }

    /// A use of them all; `guided` is the weight of a gradient step at every visit, by the option `guidance`.
    pub(crate) fn session(&self, compute: Compute, guided: &[f32]) -> WeightedSession {
        // The last is that of extra steps, which count as the last visit.
        let visits = guided.len().saturating_sub(1).max(1);
        let part = |term: &GuideTerm| Part {
            weight: term.weight,
            sees: term.guide.sees(),
            steps: guided
                .iter()
                .enumerate()
                .map(|(at, &guided)| term.step(at.min(visits - 1), visits, guided))
                .collect(),
            session: Arc::clone(&term.guide).session(compute),
        };
        WeightedSession {
            parts: self.0.iter().map(part).collect(),
            values: Array1::zeros(0),
            grad: Array3::zeros((0, 0, 0)),
        }
    }
}

/// A use of one of them.
struct Part {
    weight: f32,
    sees: Sees,
    /// Of every visit.
    steps: Vec<f32>,
    session: Box<dyn GuideSession>,
}

/// A use of them all.
pub(crate) struct WeightedSession {
    parts: Vec<Part>,
    /// One guide's share.
    values: Array1<f32>,
    grad: Array3<f32>,
}

impl WeightedSession {
    pub(crate) fn prepare(&mut self, times: &[f32]) {
        self.parts.iter_mut().for_each(|part| part.session.prepare(times));
    }

    /// Whether any that is shown this has a gradient step at a visit.
    pub(crate) fn moves(&self, sees: Sees, visit: usize) -> bool {
        // One of weight 0 is asked all the same: what is no number is an error, whatever it is multiplied by.
        let moves = |part: &Part| {
            part.sees == sees
                && part
                    .steps
                    .get(visit)
                    .is_some_and(|&step| step != 0.0 || part.weight == 0.0)
        };
        self.parts.iter().any(moves)
    }

    /// Of those that are shown this: their values, and the step that they ask for at a visit, before the option `scale`; both are overwritten.
    pub(crate) fn value_and_step(
        &mut self,
        sees: Sees,
        x: ArrayView3<f32>,
        at: Moment,
        mut values: ArrayViewMut1<f32>,
        mut step: ArrayViewMut3<f32>,
    ) -> Result<()> {
        let Self {
            parts,
            values: own_values,
            grad: own_grad,
        } = self;
        if parts.len() > 1 && (own_grad.dim() != x.dim() || own_values.len() != x.dim().0) {
            reshape(own_values, x.dim().0);
            reshape(own_grad, x.dim());
        }
        let mut first = true;
        for part in parts.iter_mut().filter(|part| part.sees == sees) {
            let (weight, along) = (part.weight, part.steps.get(at.index).copied().unwrap_or(0.0));
            let first = std::mem::take(&mut first);
            // One that does not bend here is asked for no gradient, which costs more than a value.
            if along == 0.0 && weight != 0.0 {
                match first {
                    true => {
                        part.session.value(x, at, values.view_mut())?;
                        values.mapv_inplace(|v| weight * v);
                        step.fill(0.0);
                    }
                    false => {
                        part.session.value(x, at, own_values.view_mut())?;
                        values.zip_mut_with(own_values, |sum, v| *sum += weight * v);
                    }
                }
                continue;
            }
            if first {
                part.session.value_and_grad(x, at, values.view_mut(), step.view_mut())?;
                // By 1 the numbers stay as they are.
                if weight != 1.0 {
                    values.mapv_inplace(|v| weight * v);
                }
                step.mapv_inplace(|g| along * g);
                continue;
            }
            part.session
                .value_and_grad(x, at, own_values.view_mut(), own_grad.view_mut())?;
            values.zip_mut_with(own_values, |sum, v| *sum += weight * v);
            step.zip_mut_with(own_grad, |sum, g| *sum += along * g);
        }
        Ok(())
    }

    /// Values of those that are shown this, or of all of them; 0 where there are none.
    pub(crate) fn value(
        &mut self,
        sees: Option<Sees>,
        x: ArrayView3<f32>,
        at: Moment,
        mut values: ArrayViewMut1<f32>,
    ) -> Result<()> {
        let Self {
            parts,
            values: own_values,
            ..
        } = self;
        if parts.len() > 1 && own_values.len() != values.len() {
            reshape(own_values, values.len());
        }
        let mut first = true;
        for part in parts
            .iter_mut()
            .filter(|part| sees.is_none_or(|sees| part.sees == sees))
        {
            let weight = part.weight;
            if std::mem::take(&mut first) {
                part.session.value(x, at, values.view_mut())?;
                if weight != 1.0 {
                    values.mapv_inplace(|v| weight * v);
                }
                continue;
            }
            part.session.value(x, at, own_values.view_mut())?;
            values.zip_mut_with(own_values, |sum, v| *sum += weight * v);
        }
        if first {
            values.fill(0.0);
        }
        Ok(())
    }
}
