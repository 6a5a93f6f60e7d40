//! [`Ensemble`]: several guides that agree on one value.

use super::{Guide, GuideSession, Moment, Sees};
use crate::error::{Error, Result};
use crate::planner::reshape;
use diffplan_models::Compute;
use ndarray::{Array1, Array3, ArrayView3, ArrayViewMut1, ArrayViewMut3, Zip};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// How values of several guides become one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Aggregate {
    /// Their mean.
    #[default]
    Mean,
    /// The least: a plan is worth what the most doubtful of them says. The gradient is that one's.
    Min,
}

/// Several guides that see the same, as one: their values for each candidate by mean or minimum.
#[derive(Clone, Debug)]
pub struct Ensemble {
    guides: Vec<Arc<dyn Guide>>,
    aggregate: Aggregate,
    name: String,
}

impl Ensemble {
    /// Of these guides.
    ///
    /// # Errors
    /// [`Error::Parts`] if there are none, or they do not see the same.
    pub fn new(guides: Vec<Arc<dyn Guide>>, aggregate: Aggregate) -> Result<Self> {
        let Some(first) = guides.first() else {
            return Err(Error::Parts("an ensemble of no guides, expected at least one".into()));
        };
        if guides.iter().any(|guide| guide.sees() != first.sees()) {
            return Err(Error::Parts(
                "an ensemble of guides of which some see the noised plan and some the clean one: expected the same of all".into(),
            ));
        }
        let word = match aggregate {
            Aggregate::Mean => "mean",
            Aggregate::Min => "minimum",
        };
        let name = format!("{word} of {} ({})", guides.len(), first.name());
        Ok(Self {
            guides,
            aggregate,
            name,
        })
    }
}

impl Guide for Ensemble {
    fn name(&self) -> &str {
        &self.name
    }

    fn is_return(&self) -> bool {
        self.guides.iter().all(|guide| guide.is_return())
    }

    fn check(&self, horizon: usize, dims: usize) -> Result<()> {
        self.guides.iter().try_for_each(|guide| guide.check(horizon, dims))
    }

    fn sees(&self) -> Sees {
        self.guides.first().map_or(Sees::default(), |guide| guide.sees())
    }

    fn dimensions(&self) -> Option<usize> {
        self.guides.iter().find_map(|guide| guide.dimensions())
    }

    fn session(self: Arc<Self>, compute: Compute) -> Box<dyn GuideSession> {
        let sessions = self.guides.iter().map(|guide| Arc::clone(guide).session(compute));
        Box::new(EnsembleSession {
            sessions: sessions.collect(),
            aggregate: self.aggregate,
            values: Array1::zeros(0),
            grad: Array3::zeros((0, 0, 0)),
        })
    }
}

struct EnsembleSession {
    sessions: Vec<Box<dyn GuideSession>>,
    aggregate: Aggregate,
    /// One guide's.
    values: Array1<f32>,
    grad: Array3<f32>,
}

impl EnsembleSession {
    fn fit(&mut self, shape: (usize, usize, usize)) {
        if self.grad.dim() != shape {
            reshape(&mut self.values, shape.0);
            reshape(&mut self.grad, shape);
        }
    }
}

impl GuideSession for EnsembleSession {
    fn prepare(&mut self, times: &[f32]) {
        self.sessions.iter_mut().for_each(|session| session.prepare(times));
    }

    fn value_and_grad(
        &mut self,
        trajectories: ArrayView3<f32>,
        at: Moment,
        mut values: ArrayViewMut1<f32>,
        mut grad: ArrayViewMut3<f32>,
    ) -> Result<()> {
        self.fit(trajectories.dim());
        let share = 1.0 / self.sessions.len() as f32;
        for (index, session) in self.sessions.iter_mut().enumerate() {
            if index == 0 {
                session.value_and_grad(trajectories, at, values.view_mut(), grad.view_mut())?;
                continue;
            }
            session.value_and_grad(trajectories, at, self.values.view_mut(), self.grad.view_mut())?;
            match self.aggregate {
                Aggregate::Mean => {
                    values += &self.values;
                    grad += &self.grad;
                }
                Aggregate::Min => {
                    let own = self.values.iter().zip(self.grad.outer_iter());
                    for ((value, mut grad), (own, own_grad)) in values.iter_mut().zip(grad.outer_iter_mut()).zip(own) {
                        if own < value {
                            *value = *own;
                            grad.assign(&own_grad);
                        }
                    }
                }
            }
        }
        if self.aggregate == Aggregate::Mean && self.sessions.len() > 1 {
            values *= share;
            grad *= share;
        }
        Ok(())
    }

    fn value(&mut self, trajectories: ArrayView3<f32>, at: Moment, mut values: ArrayViewMut1<f32>) -> Result<()> {
        self.fit(trajectories.dim());
        let share = 1.0 / self.sessions.len() as f32;
        for (index, session) in self.sessions.iter_mut().enumerate() {
            if index == 0 {
                session.value(trajectories, at, values.view_mut())?;
                continue;
            }
            session.value(trajectories, at, self.values.view_mut())?;
            let own = self.values.view();
            match self.aggregate {
                Aggregate::Mean => values += &own,
                Aggregate::Min => Zip::from(&mut values)
                    .and(own)
                    .for_each(|value, &own| *value = value.min(own)),
            }
        }
        if self.aggregate == Aggregate::Mean && self.sessions.len() > 1 {
            values *= share;
        }
        Ok(())
    }
}
