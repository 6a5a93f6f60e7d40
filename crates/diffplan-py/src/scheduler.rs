//! `Scheduler` and `Sampler`: diffusers' schedulers, on arrays.

use crate::arrays::{self, hand_over};
use crate::errors::{OrRaise, Trouble};
use crate::json;
use diffplan::schedulers::{Registry, Sampler as RunSampler, Scheduler as Shared, Steps};
use diffplan::{Folder, ndarray};
use numpy::PyArrayDyn;
use pyo3::prelude::*;
use pyo3::types::PyType;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What a ``scheduler_config.json`` describes: DDPM, DDIM, DPM-Solver++, Euler, Heun, UniPC. It never changes; ``sampler`` makes what runs.
#[pyclass(frozen, module = "diffplan")]
pub(crate) struct Scheduler(pub(crate) Arc<dyn Shared>);

#[pymethods]
impl Scheduler {
    /// The scheduler of a configuration of diffusers, by its ``_class_name`` (``DDPMScheduler`` without one).
    #[new]
    fn of_config(config: &Bound<'_, PyAny>) -> PyResult<Self> {
        let object = json::object(config, "config")?;
        Ok(Self(Registry::builtin().from_map(&object).or_raise()?))
    }

    /// The scheduler of a folder with ``scheduler_config.json``.
    #[classmethod]
    #[pyo3(signature = (folder, subfolder=None))]
    fn from_pretrained(cls: &Bound<'_, PyType>, folder: PathBuf, subfolder: Option<&str>) -> PyResult<Self> {
        let _ = cls;
        let mut folder = Folder::at(folder);
        if let Some(subfolder) = subfolder {
            folder = folder.sub(subfolder.trim_end_matches('/'));
        }
        Ok(Self(Registry::builtin().load(&folder).or_raise()?))
    }

    /// The classes there are, as diffusers spells them, and the short names of planning options for them.
    #[staticmethod]
    fn classes() -> Vec<(String, String)> {
        let registry = Registry::builtin();
        registry
            .classes()
            .zip(registry.names())
            .map(|(class, name)| (class.into(), name.into()))
            .collect()
    }

    /// A scheduler of another class with the options of this one that it has too: diffusers' ``from_config``.
    fn converted(&self, name: &str) -> PyResult<Self> {
        Ok(Self(Registry::builtin().converted(name, &*self.0).or_raise()?))
    }

    /// What runs it.
    ///
    /// Parameters
    /// ----------
    /// num_inference_steps : int, optional
    ///     Timesteps that are visited, spread as ``timestep_spacing`` says; all of the training's by default.
    /// eta : float
    ///     Of DDIM: 0 draws no noise, 1 as much as DDPM.
    #[pyo3(signature = (num_inference_steps=None, eta=0.0))]
    fn sampler(&self, num_inference_steps: Option<usize>, eta: f32) -> PyResult<Sampler> {
        let steps = Steps::new(num_inference_steps).with_eta(eta);
        Ok(Sampler(Mutex::new(self.0.sampler(&steps).or_raise()?)))
    }

    /// A sample that is noised to timesteps.
    ///
    /// Parameters
    /// ----------
    /// original, noise : array_like, of one shape (batch, …)
    /// timesteps : int, or array_like of shape (batch,)
    ///
    /// Returns
    /// -------
    /// numpy.ndarray, of that shape
    fn add_noise(
        &self,
        py: Python<'_>,
        original: &Bound<'_, PyAny>,
        noise: &Bound<'_, PyAny>,
        timesteps: &Bound<'_, PyAny>,
    ) -> PyResult<Py<PyArrayDyn<f32>>> {
        let (original, noise) = (arrays::numbers(original, "original")?, arrays::numbers(noise, "noise")?);
        let batch = original.shape().first().copied().unwrap_or_default();
        let times = arrays::timesteps(timesteps, batch)?;
        let whole = times.iter().map(|&time| match time {
            time if time >= 0.0 && time.fract() == 0.0 => Ok(time as usize),
            time => {
                let message = format!("timesteps holds {time}, expected whole numbers, 0 or more");
                Err(PyErr::from(Trouble::value(message)))
            }
        });
        let whole = whole.collect::<PyResult<Vec<usize>>>()?;
        let mut noisy = ndarray::ArrayD::zeros(original.raw_dim());
        let schedule = self.0.schedule();
        schedule
            .add_noise_into(original.view(), noise.view(), &whole, noisy.view_mut())
            .or_raise()?;
        Ok(hand_over(py, noisy))
    }

    /// diffusers' ``scheduler_config.json``.
    #[getter]
    fn config<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        json::dictionary(py, &self.0.to_map())
    }

    /// The class as diffusers spells it.
    #[getter]
    fn class_name(&self) -> &'static str {
        self.0.class_name()
    }

    /// Writes ``scheduler_config.json``, which diffusers loads.
    fn save_pretrained(&self, folder: PathBuf) -> PyResult<()> {
        self.0.save_pretrained(folder).or_raise()
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, (Bound<'py, PyAny>,))> {
        Ok((slf.get_type().into_any(), (slf.get().config(slf.py())?,)))
    }

    fn __copy__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __deepcopy__(slf: Py<Self>, _memo: &Bound<'_, PyAny>) -> Py<Self> {
        slf
    }

    fn __repr__(&self) -> String {
        let timesteps = self.0.schedule().num_train_timesteps();
        format!("Scheduler({}, {timesteps} timesteps)", self.0.class_name())
    }
}

/// The sample after a step, and the clean one that it predicts.
type Stepped = (Py<PyArrayDyn<f32>>, Py<PyArrayDyn<f32>>);

/// A run of a scheduler: ``begin``, then ``step`` visit by visit.
#[pyclass(frozen, module = "diffplan")]
pub(crate) struct Sampler(Mutex<Box<dyn RunSampler>>);

impl Sampler {
    fn run(&self) -> MutexGuard<'_, Box<dyn RunSampler>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl Sampler {
    /// The timestep of every visit, first to last.
    #[getter]
    fn timesteps(&self) -> Vec<f32> {
        self.run().timesteps()
    }

    /// Of every visit, whether its step takes noise.
    #[getter]
    fn draws_noise(&self) -> Vec<bool> {
        self.run().visits().iter().map(|visit| visit.draws_noise).collect()
    }

    /// Standard deviation of the noise that a run starts from.
    #[getter]
    fn init_noise_sigma(&self) -> f32 {
        self.run().init_noise_sigma()
    }

    /// A new run on samples of this shape, (batch, horizon, dimensions); forgets the last one.
    fn begin(&self, shape: (usize, usize, usize)) {
        self.run().begin([shape.0, shape.1, shape.2], 0);
    }

    /// One step.
    ///
    /// Parameters
    /// ----------
    /// visit : int
    ///     Which visit, from 0.
    /// model_output, sample : array_like, of one shape (batch, horizon, dimensions)
    /// noise : array_like, optional
    ///     A standard normal draw of that shape, where the visit takes one.
    ///
    /// Returns
    /// -------
    /// prev_sample, pred_original_sample : numpy.ndarray
    #[pyo3(signature = (visit, model_output, sample, noise=None))]
    fn step(
        &self,
        py: Python<'_>,
        visit: usize,
        model_output: &Bound<'_, PyAny>,
        sample: &Bound<'_, PyAny>,
        noise: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Stepped> {
        let output = arrays::numbers(model_output, "model_output")?;
        let sample = arrays::numbers(sample, "sample")?;
        let noise = noise.map(|noise| arrays::numbers(noise, "noise")).transpose()?;
        let noise = noise.as_ref().map(|noise| noise.view());
        // Nothing of Python is made under the lock: whoever waits for it has the GIL.
        let made = self.run().step(visit, output.view(), sample.view(), noise);
        let made = made.or_raise()?;
        Ok((
            hand_over(py, made.prev_sample),
            hand_over(py, made.pred_original_sample),
        ))
    }
}
