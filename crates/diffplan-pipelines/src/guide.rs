//! What bends trajectories: anything that gives each a value and the gradient of it.

use crate::error::{Error, Result};
use diffplan_models::{Compute, TimeFeatures, UNet1dModel, Workspace};
use ndarray::{ArrayView3, ArrayViewMut1, ArrayViewMut3};

/// A differentiable measure of how good trajectories are. The value network is one; a distance to a goal is another.
///
/// Trajectories are those of the networks: normalised, `(batch, horizon, action + observation dimensions)`, action first,
/// with the noise of the timestep still in them.
pub trait Guide: std::fmt::Debug + Send + Sync {
    /// Checks that trajectories of this shape can be valued.
    ///
    /// # Errors
    /// If they cannot; the error says what could.
    fn check(&self, horizon: usize, dims: usize) -> Result<()>;

    /// What values trajectories: a planner makes one and keeps it, so buffers belong in it. `compute` says over how many threads
    /// of the rayon pool the calls are made in batches may be split, and how networks are computed.
    fn session(&self, compute: Compute) -> Box<dyn GuideSession + '_>;
}

/// A [`Guide`] at work, with buffers of its own.
pub trait GuideSession: Send {
    /// Computes what depends on the timesteps alone, for all that will be visited. Called once, before the first plan.
    fn prepare(&mut self, _timesteps: &[usize]) {}

    /// The value of each trajectory, and the gradient of the sum of values with respect to the trajectories.
    ///
    /// # Shapes
    /// `trajectories` and `grad` (batch, horizon, dimensions), `values` (batch); both outputs are overwritten.
    ///
    /// # Errors
    /// The guide's own.
    fn value_and_grad(
        &mut self,
        trajectories: ArrayView3<f32>,
        timestep: usize,
        values: ArrayViewMut1<f32>,
        grad: ArrayViewMut3<f32>,
    ) -> Result<()>;

    /// The values alone.
    ///
    /// # Errors
    /// The guide's own.
    fn value(&mut self, trajectories: ArrayView3<f32>, timestep: usize, values: ArrayViewMut1<f32>) -> Result<()>;
}

/// The value function of a checkpoint.
#[derive(Clone, Debug)]
pub struct ValueNetwork(UNet1dModel);

impl ValueNetwork {
    /// # Errors
    /// If the model does not give one value a sample.
    pub fn new(model: UNet1dModel) -> Result<Self> {
        if model.is_value_function() {
            return Ok(Self(model));
        }
        let out_block_type = model.config().out_block_type;
        Err(diffplan_models::Error::NotAValueFunction { out_block_type }.into())
    }

    /// The network.
    pub fn model(&self) -> &UNet1dModel {
        &self.0
    }
}

impl Guide for ValueNetwork {
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

    fn session(&self, compute: Compute) -> Box<dyn GuideSession + '_> {
        Box::new(ValueSession {
            model: &self.0,
            workspace: Workspace::with(compute),
            time: Vec::new(),
        })
    }
}

struct ValueSession<'a> {
    model: &'a UNet1dModel,
    workspace: Workspace,
    /// By timestep, made at the first visit.
    time: Vec<Option<TimeFeatures>>,
}

/// The features of a timestep, computed at the first visit.
pub(crate) fn features_at<'a>(
    time: &'a mut Vec<Option<TimeFeatures>>,
    model: &UNet1dModel,
    timestep: usize,
) -> &'a TimeFeatures {
    if time.len() <= timestep {
        time.resize(timestep + 1, None);
    }
    time[timestep].get_or_insert_with(|| model.time_features(&[timestep as f32]))
}

impl GuideSession for ValueSession<'_> {
    fn prepare(&mut self, timesteps: &[usize]) {
        for &timestep in timesteps {
            features_at(&mut self.time, self.model, timestep);
        }
    }

    fn value_and_grad(
        &mut self,
        trajectories: ArrayView3<f32>,
        timestep: usize,
        values: ArrayViewMut1<f32>,
        grad: ArrayViewMut3<f32>,
    ) -> Result<()> {
        let time = features_at(&mut self.time, self.model, timestep);
        let (sample, grad) = (trajectories.permuted_axes([0, 2, 1]), grad.permuted_axes([0, 2, 1]));
        Ok(self
            .model
            .value_and_grad_into(sample, time, values, grad, &mut self.workspace)?)
    }

    fn value(&mut self, trajectories: ArrayView3<f32>, timestep: usize, values: ArrayViewMut1<f32>) -> Result<()> {
        let time = features_at(&mut self.time, self.model, timestep);
        Ok(self
            .model
            .value_into(trajectories.permuted_axes([0, 2, 1]), time, values, &mut self.workspace)?)
    }
}

/// A guide made of a function: given trajectories (batch, horizon, dimensions) and the timestep, it writes the values (batch)
/// and, where asked for, the gradient.
///
/// ```
/// use diffplan_pipelines::{Compute, FnGuide, Guide, GuideSession};
/// use ndarray::{Array1, Array3, ArrayView3, ArrayViewMut1, ArrayViewMut3};
///
/// /// Prefers trajectories whose first dimension stays near 1.
/// let guide = FnGuide(|x: ArrayView3<f32>, _t, mut values: ArrayViewMut1<f32>, grad: Option<ArrayViewMut3<f32>>| {
///     for (x, value) in x.outer_iter().zip(&mut values) {
///         *value = -x.column(0).mapv(|v| (v - 1.0).powi(2)).sum();
///     }
///     if let Some(mut grad) = grad {
///         grad.fill(0.0);
///         grad.index_axis_mut(ndarray::Axis(2), 0).assign(&x.index_axis(ndarray::Axis(2), 0).mapv(|v| -2.0 * (v - 1.0)));
///     }
///     Ok(())
/// });
/// let (x, mut values, mut grad) = (Array3::zeros((2, 4, 3)), Array1::zeros(2), Array3::zeros((2, 4, 3)));
/// guide.session(Compute::default()).value_and_grad(x.view(), 5, values.view_mut(), grad.view_mut()).unwrap();
/// assert_eq!((values[0], grad[[1, 3, 0]], grad[[1, 3, 1]]), (-4.0, 2.0, 0.0));
/// ```
#[derive(Clone, Copy)]
pub struct FnGuide<F>(pub F);

/// What a guide of the caller's may fail with.
type GuideResult = std::result::Result<(), Box<dyn std::error::Error + Send + Sync>>;

impl<F> std::fmt::Debug for FnGuide<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FnGuide")
    }
}

impl<F> Guide for FnGuide<F>
where
    F: Fn(ArrayView3<f32>, usize, ArrayViewMut1<f32>, Option<ArrayViewMut3<f32>>) -> GuideResult + Send + Sync,
{
    fn check(&self, _: usize, _: usize) -> Result<()> {
        Ok(())
    }

    fn session(&self, _: Compute) -> Box<dyn GuideSession + '_> {
        Box::new(FnSession(&self.0))
    }
}

struct FnSession<'a, F>(&'a F);

impl<F> GuideSession for FnSession<'_, F>
where
    F: Fn(ArrayView3<f32>, usize, ArrayViewMut1<f32>, Option<ArrayViewMut3<f32>>) -> GuideResult + Send + Sync,
{
    fn value_and_grad(
        &mut self,
        trajectories: ArrayView3<f32>,
        timestep: usize,
        values: ArrayViewMut1<f32>,
        grad: ArrayViewMut3<f32>,
    ) -> Result<()> {
        (self.0)(trajectories, timestep, values, Some(grad)).map_err(Error::Guide)
    }

    fn value(&mut self, trajectories: ArrayView3<f32>, timestep: usize, values: ArrayViewMut1<f32>) -> Result<()> {
        (self.0)(trajectories, timestep, values, None).map_err(Error::Guide)
    }
}
