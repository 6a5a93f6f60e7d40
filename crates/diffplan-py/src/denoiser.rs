//! Functions of Python as denoisers: `unet=` of a pipeline.

use crate::arrays;
use crate::errors::Trouble;
use diffplan::models::{Compute, Error, Network, NetworkSession, Result, Signature};
use diffplan::ndarray::{ArrayView3, ArrayViewMut3, Axis, Ix3};
use numpy::PyArray;
use pyo3::prelude::*;
use std::sync::Arc;

/// `function(sample, timestep)`: (batch, channels, horizon) to the same shape, in diffusers' order of axes.
#[derive(Debug)]
pub(crate) struct PythonDenoiser {
    function: Py<PyAny>,
    name: String,
    channels: usize,
    /// Lengths that it takes; any, without.
    horizons: Option<Vec<usize>>,
}

impl PythonDenoiser {
    /// Of a `diffplan.Denoiser`.
    pub(crate) fn of(denoiser: &Bound<'_, PyAny>) -> PyResult<Self> {
        let channels: usize = denoiser.getattr("transition_dim")?.extract()?;
        if channels == 0 {
            return Err(Trouble::value("transition_dim = 0: expected the dimensions of an action and an observation").into());
        }
        Ok(Self {
            function: denoiser.getattr("function")?.unbind(),
            name: denoiser.getattr("name")?.extract()?,
            channels,
            horizons: denoiser.getattr("horizons")?.extract()?,
        })
    }

    fn call(&self, py: Python<'_>, x: ArrayView3<f32>, timestep: f32, mut out: ArrayViewMut3<f32>) -> PyResult<()> {
        let shape = [x.len_of(Axis(0)), x.len_of(Axis(2)), x.len_of(Axis(1))];
        // One piece of memory, rows last, as torch and diffusers have it.
        let sample = x.permuted_axes([0, 2, 1]).as_standard_layout().into_owned();
        let given = self.function.bind(py).call1((PyArray::from_owned_array(py, sample), timestep))?;
        let what = format!("what the denoiser {} gave", self.name);
        let given = arrays::seen(&given, &what)?;
        let given = given.view::<Ix3>(&what, &arrays::tuple(&shape))?;
        if given.shape() != shape {
            return Err(arrays::wrong_shape(&what, given.shape(), &arrays::tuple(&shape)));
        }
        out.assign(&given.permuted_axes([0, 2, 1]));
        Ok(())
    }
}

impl Network for PythonDenoiser {
    fn class_name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> Signature {
        Signature::new(self.channels)
    }

    fn check_horizon(&self, horizon: usize) -> Result<()> {
        let Some(horizons) = &self.horizons else { return Ok(()) };
        if horizons.contains(&horizon) {
            return Ok(());
        }
        let below = horizons.iter().filter(|&&one| one < horizon).max();
        let above = horizons.iter().filter(|&&one| one > horizon).min();
        Err(Error::Horizon {
            horizon,
            reason: format!("the denoiser {} does not take it", self.name),
            nearest: below.into_iter().chain(above).copied().collect(),
            pooling_helps: false,
        })
    }

    fn session(self: Arc<Self>, _: Compute) -> Box<dyn NetworkSession> {
        Box::new(Session {
            denoiser: self,
            times: Vec::new(),
        })
    }
}

struct Session {
    denoiser: Arc<PythonDenoiser>,
    times: Vec<f32>,
}

impl NetworkSession for Session {
    fn prepare(&mut self, times: &[f32]) {
        self.times = times.to_vec();
    }

    fn forward(&mut self, x: ArrayView3<'_, f32>, time: usize, out: ArrayViewMut3<'_, f32>) -> Result<()> {
        let Some(&timestep) = self.times.get(time) else {
            let times = self.times.len();
            return Err(Error::NoSuchTime { time, times });
        };
        Python::attach(|py| self.denoiser.call(py, x, timestep, out)).map_err(|raised| Error::Foreign(Box::new(raised)))
    }
}
