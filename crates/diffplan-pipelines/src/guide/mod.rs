//! What bends trajectories: anything that gives each a value and the gradient of it.

mod ensemble;
mod function;
mod learned;
mod term;
mod weighted;

pub use ensemble::{Aggregate, Ensemble};
pub use function::FnGuide;
pub use learned::CleanValue;
pub(crate) use learned::{other_units, same_units};
pub(crate) use term::within;
pub use term::{GuideSchedule, GuideTerm};
pub(crate) use weighted::{Weighted, WeightedSession};

use crate::error::{Error, Result};
use diffplan_models::{Compute, TimeFeatures, UNet1dModel, Workspace};
use ndarray::{ArrayView3, ArrayViewMut1, ArrayViewMut3};
use std::sync::Arc;

/// A differentiable measure of how good trajectories are. The value network is one; a distance to a goal is another.
pub trait Guide: std::fmt::Debug + Send + Sync {
    /// What it is called in reports: its kind, and of what.
    fn name(&self) -> &str {
        "guide"
    }

    /// Checks that it takes trajectories of this horizon and so many dimensions.
    ///
    /// # Errors
    /// Why it does not.
    fn check(&self, horizon: usize, dims: usize) -> Result<()>;

    /// What of a plan in the making it is shown.
    fn sees(&self) -> Sees {
        Sees::Noised
    }

    /// Dimensions of the trajectories that it takes, where it takes only those.
    fn dimensions(&self) -> Option<usize> {
        None
    }

    /// Whether its values are discounted returns as the planner's statistics of values scale them, rather than anything else.
    fn is_return(&self) -> bool {
        false
    }

    /// A use of it, computed as `compute` says, with buffers of its own.
    fn session(self: Arc<Self>, compute: Compute) -> Box<dyn GuideSession>;
}

/// What of a plan in the making a guide is shown, and what its gradient bends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sees {
    /// The noised sample, before the network sees it: what the value function of Diffuser was trained on.
    #[default]
    Noised,
    /// The clean sample that the network predicts: what a distance in the environment's units needs, which means nothing of noise. Its gradient
    /// moves the prediction itself, and the step is that of a network that had predicted so.
    Clean,
}

/// When in a plan's making a guide is asked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moment {
    /// Which of the times that the session was prepared for.
    pub index: usize,
    /// That time, as the scheduler names it: 0 for finished plans.
    pub timestep: f32,
}

/// One use of a [`Guide`].
pub trait GuideSession: Send {
    /// The times it will be asked about; a [`Moment`] names one by its place here. Replaces those of the last call.
    fn prepare(&mut self, _times: &[f32]) {}

    /// Values and their gradients.
    ///
    /// # Shapes
    /// `trajectories` and `grad` (batch, horizon, dimensions), normalised; `values` (batch). Both outputs are overwritten.
    ///
    /// # Errors
    /// Whatever keeps it from a value.
    fn value_and_grad(
        &mut self,
        trajectories: ArrayView3<f32>,
        at: Moment,
        values: ArrayViewMut1<f32>,
        grad: ArrayViewMut3<f32>,
    ) -> Result<()>;

    /// Values alone; shapes as for [`value_and_grad`](Self::value_and_grad).
    ///
    /// # Errors
    /// Whatever keeps it from a value.
    fn value(&mut self, trajectories: ArrayView3<f32>, at: Moment, values: ArrayViewMut1<f32>) -> Result<()>;
}

/// A value function as a guide.
#[derive(Clone, Debug)]
pub struct ValueNetwork(Arc<UNet1dModel>);

impl ValueNetwork {
    /// A guide of a value function.
    ///
    /// # Errors
    /// If the network is a planner.
    pub fn new(model: impl Into<Arc<UNet1dModel>>) -> Result<Self> {
        let model = model.into();
        if model.is_value_function() {
            return Ok(Self(model));
        }
        let out_block_type = model.config().out_block_type.map(|kind| format!("{kind:?}"));
        Err(diffplan_models::Error::NotAValueFunction { out_block_type }.into())
    }

    /// The network.
    pub fn model(&self) -> &Arc<UNet1dModel> {
        &self.0
    }
}

impl Guide for ValueNetwork {
    fn name(&self) -> &str {
        "value"
    }

    fn is_return(&self) -> bool {
        true
    }

    fn check(&self, horizon: usize, dims: usize) -> Result<()> {
        let expected = self.0.config().sample_channels();
        if dims != expected {
            return Err(Error::Parts(format!(
                "trajectories have {dims} dimensions, the value function takes {expected}"
            )));
        }
        self.0.check_horizon(horizon).map_err(|error| Error::Network {
            part: "value_function",
            error,
        })
    }

    fn dimensions(&self) -> Option<usize> {
        Some(self.0.config().sample_channels())
    }

    fn session(self: Arc<Self>, compute: Compute) -> Box<dyn GuideSession> {
        Box::new(ValueSession {
            model: Arc::clone(&self.0),
            workspace: Workspace::with(compute),
            times: Vec::new(),
        })
    }
}

struct ValueSession {
    model: Arc<UNet1dModel>,
    workspace: Workspace,
    times: Vec<TimeFeatures>,
}

impl ValueSession {
    fn time(times: &[TimeFeatures], at: Moment) -> Result<&TimeFeatures> {
        let none = || diffplan_models::Error::NoSuchTime {
            time: at.index,
            times: times.len(),
        };
        Ok(times.get(at.index).ok_or_else(none)?)
    }
}

impl GuideSession for ValueSession {
    fn prepare(&mut self, times: &[f32]) {
        self.times.clear();
        self.times
            .extend(times.iter().map(|&time| self.model.time_features(&[time])));
    }

    fn value_and_grad(
        &mut self,
        trajectories: ArrayView3<f32>,
        at: Moment,
        values: ArrayViewMut1<f32>,
        grad: ArrayViewMut3<f32>,
    ) -> Result<()> {
        let time = Self::time(&self.times, at)?;
        let (sample, grad) = (trajectories.permuted_axes([0, 2, 1]), grad.permuted_axes([0, 2, 1]));
        let work = &mut self.workspace;
        Ok(self.model.value_and_grad_into(sample, time, values, grad, work)?)
    }

    fn value(&mut self, trajectories: ArrayView3<f32>, at: Moment, values: ArrayViewMut1<f32>) -> Result<()> {
        let time = Self::time(&self.times, at)?;
        let sample = trajectories.permuted_axes([0, 2, 1]);
        Ok(self.model.value_into(sample, time, values, &mut self.workspace)?)
    }
}
