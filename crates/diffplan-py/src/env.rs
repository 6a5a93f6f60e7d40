//! `Env`: an environment of diffplan-envs; `python/diffplan/gym.py` makes one of Gymnasium's of it.

use crate::arrays::{self, hand_over};
use crate::errors::{OrRaise, Trouble};
use crate::work::caught;
use diffplan::envs::{BoxEnv, Dict, Dtype, Env as _, EpisodeLimit, MakeOptions, Registry, Space, Value, registered};
use diffplan::ndarray::{Array1, Array3, ArrayD};
use numpy::{PyArray1, PyArray3, PyArrayDyn, PyArrayMethods};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyList, PyString};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// An environment of diffplan, bare: without a time limit. Use ``gymnasium.make("diffplan/Pendulum-v1")``.
#[pyclass(frozen, module = "diffplan._diffplan")]
pub(crate) struct Env(Mutex<BoxEnv>);

impl Env {
    /// Never while anything of Python is made: whoever waits for it has the GIL.
    fn lock(&self) -> MutexGuard<'_, BoxEnv> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An answer of the environment; its errors and panics are raised once the lock is free.
    fn ask<T>(&self, of: impl FnOnce(&mut BoxEnv) -> diffplan::envs::Result<T>) -> PyResult<T> {
        caught(|| {
            let answer = of(&mut self.lock());
            answer.or_raise()
        })
    }

    /// An observation in the precision of its space.
    fn observed(&self, py: Python<'_>, observation: Array1<f64>) -> Py<PyAny> {
        let dtype = self.lock().observation_space().as_box().map(|space| space.dtype());
        match dtype {
            Ok(Dtype::Float32) => hand_over(py, observation.mapv(|x| x as f32)).into_any(),
            _ => hand_over(py, observation).into_any(),
        }
    }
}

/// Observation, reward, terminated, truncated, info.
type Stepped<'py> = (Py<PyAny>, f64, bool, bool, Bound<'py, PyDict>);

/// What there is: id, limit of steps, threshold of returns.
#[pyfunction]
pub(crate) fn envs() -> Vec<(String, Option<usize>, Option<f64>)> {
    let all = registered().into_iter();
    all.map(|spec| (spec.id, spec.max_episode_steps, spec.reward_threshold))
        .collect()
}

/// A folder to look for libmujoco in: that of the running Python's own ``mujoco`` package.
#[pyfunction]
pub(crate) fn look_for_mujoco_in(folder: std::path::PathBuf) {
    diffplan::envs::mujoco::look_in(folder);
}

/// A dictionary of Python as one of the environments'.
fn of_python(given: &Bound<'_, PyDict>) -> PyResult<Dict> {
    let mut all = Dict::new();
    for (key, value) in given {
        if !value.is_none() {
            all.insert(key.extract::<String>()?, value_of(&value)?);
        }
    }
    Ok(all)
}

fn value_of(value: &Bound<'_, PyAny>) -> PyResult<Value> {
    Ok(if let Ok(truth) = value.cast::<PyBool>() {
        Value::Bool(truth.is_true())
    } else if value.is_instance_of::<PyInt>() {
        Value::I64(value.extract()?)
    } else if value.is_instance_of::<PyFloat>() {
        Value::F64(value.extract()?)
    } else if let Ok(text) = value.cast::<PyString>() {
        Value::String(text.to_string())
    } else if let Ok(inner) = value.cast::<PyDict>() {
        Value::Dict(of_python(inner)?)
    } else if let Ok(number) = value.extract::<f64>() {
        // NumPy's scalars.
        Value::F64(number)
    } else {
        Value::Array(arrays::vector(value, "an option")?.mapv(f64::from))
    })
}

/// And back.
fn to_python<'py>(py: Python<'py>, all: &Dict) -> PyResult<Bound<'py, PyDict>> {
    let given = PyDict::new(py);
    for (key, value) in all.iter() {
        match value {
            Value::F64(number) => given.set_item(key, number)?,
            Value::I64(number) => given.set_item(key, number)?,
            Value::Bool(truth) => given.set_item(key, truth)?,
            Value::String(text) => given.set_item(key, text)?,
            Value::Array(array) => given.set_item(key, PyArray1::from_array(py, array))?,
            Value::Dict(inner) => given.set_item(key, to_python(py, inner)?)?,
            _ => {}
        }
    }
    Ok(given)
}

/// Bounds and dtype of a space.
fn bounds<'py>(py: Python<'py>, space: &Space) -> PyResult<Bound<'py, PyDict>> {
    let space = space.as_box().or_raise()?;
    let told = PyDict::new(py);
    told.set_item("low", PyArray1::from_array(py, &space.low()))?;
    told.set_item("high", PyArray1::from_array(py, &space.high()))?;
    let dtype = match space.dtype() {
        Dtype::Float32 => "float32",
        Dtype::Float64 => "float64",
    };
    told.set_item("dtype", dtype)?;
    Ok(told)
}

#[pymethods]
impl Env {
    #[new]
    #[pyo3(signature = (id, kwargs=None))]
    fn of_id(id: &str, kwargs: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        let options = MakeOptions {
            max_episode_steps: EpisodeLimit::Unlimited,
            kwargs: kwargs.map(of_python).transpose()?.unwrap_or_default(),
        };
        let made = caught(|| Registry::default().make_with(id, &options).or_raise())?;
        Ok(Self(Mutex::new(made)))
    }

    #[pyo3(signature = (seed=None, options=None))]
    fn reset<'py>(
        &self,
        py: Python<'py>,
        seed: Option<u64>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<(Py<PyAny>, Bound<'py, PyDict>)> {
        let options = options.map(of_python).transpose()?.unwrap_or_default();
        let (observation, info) = self.ask(|env| env.reset(seed, &options))?;
        Ok((self.observed(py, observation), to_python(py, &info)?))
    }

    fn step<'py>(&self, py: Python<'py>, action: &Bound<'py, PyAny>) -> PyResult<Stepped<'py>> {
        let action = arrays::vector(action, "action")?;
        let step = self.ask(|env| env.step(&action))?;
        let observation = self.observed(py, step.observation);
        let info = to_python(py, &step.info)?;
        Ok((observation, step.reward, step.terminated, step.truncated, info))
    }

    /// A picture, (height, width, 3), uint8.
    fn render(&self, py: Python<'_>) -> PyResult<Py<PyArray3<u8>>> {
        let frame = self.ask(|env| env.render())?;
        let shape = (frame.height as usize, frame.width as usize, 3);
        let pixels = Array3::from_shape_vec(shape, frame.pixels);
        let pixels =
            pixels.map_err(|error| PyErr::from(Trouble::new("InternalError", "internal", error.to_string())))?;
        Ok(hand_over(py, pixels))
    }

    /// The state of the dynamics.
    fn state(&self, py: Python<'_>) -> PyResult<Py<PyArray1<f64>>> {
        Ok(hand_over(py, self.ask(|env| env.state())?))
    }

    /// Puts the dynamics into a state, and gives the observation there.
    fn set_state(&self, py: Python<'_>, state: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        let numpy = numpy::get_array_module(py)?;
        let state = numpy.call_method1("asarray", (state, numpy::dtype::<f64>(py)))?;
        let state: ArrayD<f64> = state.cast::<PyArrayDyn<f64>>()?.to_owned_array();
        let state = Array1::from_iter(state);
        let observation = self.ask(|env| env.set_state(state.view()))?;
        Ok(self.observed(py, observation))
    }

    #[getter]
    fn observation_space<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let space = self.lock().observation_space().clone();
        bounds(py, &space)
    }

    #[getter]
    fn action_space<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let space = self.lock().action_space().clone();
        bounds(py, &space)
    }

    /// Seconds of the environment's world in a step.
    #[getter]
    fn dt(&self) -> Option<f64> {
        self.lock().dt()
    }

    /// What the dimensions of observations and of actions are called.
    #[getter]
    fn names<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyList>, Bound<'py, PyList>)> {
        let (observations, actions) = {
            let env = self.lock();
            (env.observation_names(), env.action_names())
        };
        let list = |names: Option<Vec<String>>| PyList::new(py, names.unwrap_or_default());
        Ok((list(observations)?, list(actions)?))
    }

    /// What the episode is to reach: dimensions, values, tolerance; None where there are no goals.
    #[getter]
    fn goal(&self) -> Option<(Vec<usize>, Vec<f64>, Option<f64>)> {
        let goal = self.lock().goal();
        goal.map(|goal| (goal.dims, goal.values.to_vec(), goal.tolerance))
    }
}
