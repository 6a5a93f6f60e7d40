//! [`CleanValue`]: a value function, or any guide, that is shown finished plans; in its own units, if they are others.

use super::{Guide, GuideSession, Moment, Sees};
use crate::error::{Error, Result};
use crate::layout::SampleLayout;
use crate::planner::reshape;
use crate::units::{denormalize, normalize, slopes};
use diffplan_data::{Normalizer, Normalizers};
use diffplan_models::Compute;
use ndarray::{Array3, ArrayView3, ArrayViewMut1, ArrayViewMut3, Axis};
use std::sync::Arc;

/// A value function that values the clean plan which the planner predicts, as of time 0, rather than the noised one.
///
/// So it may be of another checkpoint than the planner, with other statistics: plans go through both checkpoints' normalisers, values come back
/// through theirs, and gradients through all of them.
#[derive(Clone, Debug)]
pub struct CleanValue {
    value: Arc<dyn Guide>,
    units: Option<Units>,
}

/// From the planner's normalised numbers to the value function's.
#[derive(Clone, Debug)]
struct Units {
    layout: SampleLayout,
    planner: Arc<Normalizers>,
    own: Arc<Normalizers>,
}

impl CleanValue {
    /// Of a value function in the planner's units.
    pub fn new(value: Arc<dyn Guide>) -> Self {
        Self { value, units: None }
    }

    /// Of a value function that was trained with `own` normalisers, where the planner has `planner`'s, with plans of this layout.
    #[must_use]
    pub fn between(mut self, layout: SampleLayout, planner: Arc<Normalizers>, own: Arc<Normalizers>) -> Self {
        self.units = Some(Units { layout, planner, own });
        self
    }
}

impl Guide for CleanValue {
    fn name(&self) -> &str {
        "value"
    }

    fn is_return(&self) -> bool {
        true
    }

    fn check(&self, horizon: usize, dims: usize) -> Result<()> {
        self.value.check(horizon, dims)
    }

    fn sees(&self) -> Sees {
        Sees::Clean
    }

    fn dimensions(&self) -> Option<usize> {
        self.value.dimensions()
    }

    fn session(self: Arc<Self>, compute: Compute) -> Box<dyn GuideSession> {
        let mut session = Arc::clone(&self.value).session(compute);
        session.prepare(&[0.0]);
        Box::new(CleanSession {
            session,
            units: self.units.clone(),
            seen: Array3::zeros((0, 0, 0)),
            slopes: Array3::zeros((0, 0, 0)),
            back: Array3::zeros((0, 0, 0)),
        })
    }
}

struct CleanSession {
    session: Box<dyn GuideSession>,
    units: Option<Units>,
    /// (batch, horizon, dimensions), in the value function's units.
    seen: Array3<f32>,
    /// What the value function's numbers change by where the planner's do.
    slopes: Array3<f32>,
    /// Of the way back alone.
    back: Array3<f32>,
}

/// Finished plans.
const FINISHED: Moment = Moment {
    index: 0,
    timestep: 0.0,
};

impl Units {
    /// `seen` from the planner's units to the value function's, and the slopes of that way.
    fn translate(&self, seen: &mut Array3<f32>, mut slopes_to: Option<[&mut Array3<f32>; 2]>) -> Result<()> {
        let (layout, planner, own) = (&self.layout, &self.planner, &self.own);
        if let Some([to, _]) = &mut slopes_to {
            to.assign(seen);
            slopes(layout, planner, to.view_mut())?;
        }
        denormalize(layout, planner, seen.view_mut())?;
        normalize(layout, own, seen.view_mut())?;
        if let Some([to, back]) = slopes_to {
            back.assign(seen);
            slopes(layout, own, back.view_mut())?;
            // Where its own way back is flat, nothing that is seen changes.
            to.zip_mut_with(back, |to, &back| *to = if back == 0.0 { 0.0 } else { *to / back });
        }
        Ok(())
    }

    /// Values from the value function's units to those of the planner's checkpoint, and what a unit of them is worth there.
    fn values(&self, mut values: ArrayViewMut1<f32>) -> Result<f32> {
        let (own, planner) = (self.own.values(), self.planner.values());
        let slope = |normalizer: Option<&Normalizer>| -> Result<f32> {
            let mut one = [0.0; 1];
            if let Some(normalizer) = normalizer {
                normalizer.slope_inplace(ArrayViewMut1::from(&mut one[..]))?;
                return Ok(one[0]);
            }
            Ok(1.0)
        };
        if let Some(own) = own {
            own.denormalize_inplace(values.view_mut().insert_axis(Axis(1)))?;
        }
        if let Some(planner) = planner {
            planner.normalize_inplace(values.view_mut().insert_axis(Axis(1)))?;
        }
        Ok(slope(own)? / slope(planner)?)
    }
}

impl CleanSession {
    fn fit(&mut self, trajectories: ArrayView3<f32>) {
        if self.seen.dim() != trajectories.dim() {
            reshape(&mut self.seen, trajectories.dim());
            reshape(&mut self.slopes, trajectories.dim());
            reshape(&mut self.back, trajectories.dim());
        }
        self.seen.assign(&trajectories);
    }
}

impl GuideSession for CleanSession {
    fn value_and_grad(
        &mut self,
        trajectories: ArrayView3<f32>,
        _: Moment,
        mut values: ArrayViewMut1<f32>,
        mut grad: ArrayViewMut3<f32>,
    ) -> Result<()> {
        let Some(units) = self.units.clone() else {
            return self.session.value_and_grad(trajectories, FINISHED, values, grad);
        };
        self.fit(trajectories);
        units.translate(&mut self.seen, Some([&mut self.slopes, &mut self.back]))?;
        self.session
            .value_and_grad(self.seen.view(), FINISHED, values.view_mut(), grad.view_mut())?;
        let worth = units.values(values)?;
        grad.zip_mut_with(&self.slopes, |grad, slope| *grad *= worth * slope);
        Ok(())
    }

    fn value(&mut self, trajectories: ArrayView3<f32>, _: Moment, mut values: ArrayViewMut1<f32>) -> Result<()> {
        let Some(units) = self.units.clone() else {
            return self.session.value(trajectories, FINISHED, values);
        };
        self.fit(trajectories);
        units.translate(&mut self.seen, None)?;
        self.session.value(self.seen.view(), FINISHED, values.view_mut())?;
        units.values(values).map(drop)
    }
}

/// Whether plans mean the same to both.
pub(crate) fn same_units(a: &Normalizers, b: &Normalizers) -> bool {
    let same = |a: &Normalizer, b: &Normalizer| a.config() == b.config();
    let values = match (a.values(), b.values()) {
        (Some(a), Some(b)) => same(a, b),
        (None, None) => true,
        _ => false,
    };
    values && same(a.observations(), b.observations()) && same(a.actions(), b.actions())
}

/// That a value function which is shown noised plans has the planner's units.
pub(crate) fn other_units(of: &str) -> Error {
    Error::Parts(format!(
        "the value function of {of} was trained with other statistics than the planner, so that noised plans mean something else to it; \
         expected sees = \"clean\", or normalisers that are the same"
    ))
}
