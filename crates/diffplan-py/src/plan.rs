//! `Plan`: what a planner made, as arrays.

use crate::arrays::hand_over;
use diffplan::pipelines::deadline::{Ended, Timely};
use diffplan::pipelines::{self, Violations};
use numpy::{PyArray1, PyArray2, PyArray3, PyArrayMethods};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

/// A plan: candidates in the environment's units, best first.
///
/// Attributes
/// ----------
/// action : numpy.ndarray, shape (action dimensions,), float32
///     What to do now: the first of ``chunk``.
/// chunk : numpy.ndarray, shape (steps, action dimensions), float32
///     What to do one after another; one step or more.
/// chosen : int
///     Which of ``trajectories`` the action is from: 0, the best, or the one that was picked where nothing valued them.
/// trajectories : numpy.ndarray, shape (batch, horizon, action + observation dimensions), float32
///     Every candidate, sorted by value, highest first, in the environment's units: actions, then observations.
/// actions, observations : numpy.ndarray, shapes (batch, horizon, action dimensions), (batch, horizon, observation dimensions)
///     The parts of ``trajectories``, as views of it.
/// normalized : numpy.ndarray, shape (batch, horizon, action + observation dimensions), float32
///     The same as the networks see them: what a warm start takes.
/// values : numpy.ndarray, shape (batch,), float32, or None
///     The value of each, falling; None where nothing valued them.
/// order : numpy.ndarray, shape (batch,), int64
///     Where each was before sorting.
/// violations : dict or None
///     Of every constraint, by its name, ``(before, after)``: how far each candidate (batch,) was from satisfying it before projection, and is
///     now. None where there are no constraints.
/// seconds : float
///     How long it took, from the first draw to the last step, in seconds.
/// deadline : dict or None
///     Of a plan within a deadline: ``ended`` (``"whole"``, ``"early"``), ``visits``, ``budget`` and ``took`` in seconds, ``rung`` (0 is
///     what was wanted), ``text``.
#[pyclass(frozen, module = "diffplan")]
pub(crate) struct Plan {
    #[pyo3(get)]
    action: Py<PyArray1<f32>>,
    #[pyo3(get)]
    chunk: Py<PyArray2<f32>>,
    #[pyo3(get)]
    chosen: usize,
    #[pyo3(get)]
    trajectories: Py<PyArray3<f32>>,
    #[pyo3(get)]
    normalized: Py<PyArray3<f32>>,
    #[pyo3(get)]
    values: Option<Py<PyArray1<f32>>>,
    #[pyo3(get)]
    order: Py<PyArray1<i64>>,
    #[pyo3(get)]
    violations: Option<Py<PyDict>>,
    #[pyo3(get)]
    seconds: f64,
    #[pyo3(get)]
    deadline: Option<Py<PyDict>>,
    actions: std::ops::Range<usize>,
    observations: std::ops::Range<usize>,
}

impl Plan {
    pub(crate) fn of(
        py: Python<'_>,
        plan: pipelines::Plan,
        seconds: f64,
        deadline: Option<Py<PyDict>>,
    ) -> PyResult<Self> {
        let (actions, observations) = (plan.layout().actions(), plan.layout().observations());
        let violations = plan
            .violations
            .as_ref()
            .map(|violations| told(py, violations))
            .transpose()?;
        Ok(Self {
            action: hand_over(py, plan.action),
            chunk: hand_over(py, plan.chunk),
            chosen: plan.chosen,
            trajectories: hand_over(py, plan.trajectories),
            normalized: hand_over(py, plan.normalized),
            values: plan.values.map(|values| hand_over(py, values)),
            order: PyArray1::from_iter(py, plan.order.iter().map(|&place| place as i64)).unbind(),
            violations,
            seconds,
            deadline,
            actions,
            observations,
        })
    }

    /// The candidates as the networks see them, copied.
    pub(crate) fn sample(&self, py: Python<'_>) -> diffplan::ndarray::Array3<f32> {
        self.normalized.bind(py).to_owned_array()
    }
}

fn told(py: Python<'_>, violations: &Violations) -> PyResult<Py<PyDict>> {
    let all = PyDict::new(py);
    let rows = violations.before.outer_iter().zip(violations.after.outer_iter());
    for (name, (before, after)) in violations.names.iter().zip(rows) {
        let pair = (
            PyArray1::from_iter(py, before.iter().copied()),
            PyArray1::from_iter(py, after.iter().copied()),
        );
        all.set_item(name, pair)?;
    }
    Ok(all.unbind())
}

/// What a deadline made of a plan.
pub(crate) fn told_of(py: Python<'_>, timely: &Timely) -> PyResult<Py<PyDict>> {
    let all = PyDict::new(py);
    let ended = match timely.ended {
        Ended::Whole => "whole",
        Ended::Early => "early",
        Ended::Cancelled => "cancelled",
    };
    all.set_item("ended", ended)?;
    all.set_item("visits", timely.visits)?;
    all.set_item("rung", timely.place)?;
    all.set_item("dropped", &timely.rung.dropped)?;
    all.set_item("budget", timely.budget.as_secs_f64())?;
    all.set_item("took", timely.took.as_secs_f64())?;
    all.set_item("text", timely.text())?;
    Ok(all.unbind())
}

/// The columns `range` of trajectories, as a view.
fn columns<'py>(
    trajectories: &Bound<'py, PyArray3<f32>>,
    range: &std::ops::Range<usize>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = trajectories.py();
    let all = pyo3::types::PySlice::full(py);
    let own = pyo3::types::PySlice::new(py, range.start as isize, range.end as isize, 1);
    trajectories
        .as_any()
        .get_item(PyTuple::new(py, [all.as_any(), all.as_any(), own.as_any()])?)
}

#[pymethods]
impl Plan {
    /// The actions of every candidate, shape (batch, horizon, action dimensions): a view.
    #[getter]
    fn actions<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        columns(self.trajectories.bind(py), &self.actions)
    }

    /// The observations of every candidate, shape (batch, horizon, observation dimensions): a view.
    #[getter]
    fn observations<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        columns(self.trajectories.bind(py), &self.observations)
    }

    /// One like it, of its parts: for ``pickle``.
    #[staticmethod]
    #[expect(clippy::type_complexity, reason = "all that a plan is")]
    fn _of_parts(
        arrays: (
            Py<PyArray1<f32>>,
            Py<PyArray2<f32>>,
            Py<PyArray3<f32>>,
            Py<PyArray3<f32>>,
            Option<Py<PyArray1<f32>>>,
            Py<PyArray1<i64>>,
        ),
        chosen: usize,
        violations: Option<Py<PyDict>>,
        seconds: f64,
        deadline: Option<Py<PyDict>>,
        actions: (usize, usize),
        observations: (usize, usize),
    ) -> Self {
        let (action, chunk, trajectories, normalized, values, order) = arrays;
        Self {
            action,
            chunk,
            chosen,
            trajectories,
            normalized,
            values,
            order,
            violations,
            seconds,
            deadline,
            actions: actions.0..actions.1,
            observations: observations.0..observations.1,
        }
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyTuple>)> {
        let (py, own) = (slf.py(), slf.get());
        let arrays = (
            &own.action,
            &own.chunk,
            &own.trajectories,
            &own.normalized,
            &own.values,
            &own.order,
        );
        let parts = (
            arrays,
            own.chosen,
            &own.violations,
            own.seconds,
            &own.deadline,
            (own.actions.start, own.actions.end),
            (own.observations.start, own.observations.end),
        );
        Ok((slf.get_type().getattr("_of_parts")?, parts.into_pyobject(py)?))
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let action = self.action.bind(py).repr()?;
        let shape = numpy::PyUntypedArrayMethods::shape(self.trajectories.bind(py).as_untyped()).to_vec();
        Ok(format!(
            "Plan(action={action}, chosen={}, trajectories={}, seconds={:.6})",
            self.chosen,
            crate::arrays::tuple(&shape),
            self.seconds
        ))
    }
}
