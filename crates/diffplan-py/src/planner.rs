//! `Planner`: a pipeline with options fixed.

use crate::arrays;
use crate::errors::Trouble;
use crate::noise::Noise;
use crate::pipeline::dictionary;
use crate::plan::{Plan, told_of};
use crate::stock::{Asked, Stock, observed};
use diffplan::eval::Held;
use diffplan::ndarray::{Array3, Axis, Ix2, Ix3};
use diffplan::pipelines::Part;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyModule};
use std::sync::Arc;
use std::time::Duration;

/// Plans again and again. Use ``diffplan.Planner``.
#[pyclass(frozen, module = "diffplan._diffplan")]
pub(crate) struct Planner(pub(crate) Arc<Stock>);

/// The randomness of a call's keywords. Where there are none, `generator` draws, or torch where it has been imported.
pub(crate) fn noise(
    py: Python<'_>,
    seed: Option<u64>,
    torch_seed: Option<i128>,
    noise: Option<&Bound<'_, PyAny>>,
    generator: Option<&Bound<'_, PyAny>>,
) -> PyResult<Noise> {
    let told = seed.is_some() || torch_seed.is_some() || noise.is_some();
    if told && generator.is_some() {
        return Err(Trouble::new(
            "InvalidValue",
            "noise",
            "generator is given beside seed, torch_seed or noise, expected one",
        )
        .into());
    }
    let draws = match told {
        true => None,
        false => {
            static MODULE: pyo3::sync::PyOnceLock<Py<PyModule>> = pyo3::sync::PyOnceLock::new();
            let module = MODULE.get_or_try_init(py, || py.import("diffplan._noise").map(Bound::unbind))?;
            module
                .bind(py)
                .call_method1(intern!(py, "draws"), (generator,))?
                .extract::<Option<(Py<PyAny>, Py<PyAny>)>>()?
        }
    };
    Noise::of(seed, torch_seed, noise, draws)
}

/// What is imposed: a dictionary of observations by time, or a sequence of `Condition`, `(time, values)` and `(time, dims, values)`.
fn conditions(given: &Bound<'_, PyAny>, horizon: usize) -> PyResult<Vec<Held>> {
    if let Ok(given) = given.cast::<PyDict>() {
        let one = |(time, values): (Bound<'_, PyAny>, Bound<'_, PyAny>)| held(&time, None, &values, horizon);
        return given.iter().map(one).collect();
    }
    let mut all = Vec::new();
    for one in given.try_iter()? {
        let one = one?;
        if let (Ok(time), Ok(values)) = (one.getattr("time"), one.getattr("values")) {
            let dims = one.getattr("dims")?;
            let mut held = held(&time, Some(&dims), &values, horizon)?;
            let part: String = one.getattr("part")?.extract()?;
            held.part = match part.as_str() {
                "observation" => Part::Observation,
                "action" => Part::Action,
                _ => {
                    let message = format!("part = {part:?}: expected observation or action");
                    return Err(Trouble::new("InvalidValue", "condition", message).into());
                }
            };
            held.strength = one.getattr("strength")?.extract()?;
            all.push(held);
        } else if let Ok((time, dims, values)) = one.extract::<(Bound<'_, PyAny>, Bound<'_, PyAny>, Bound<'_, PyAny>)>()
        {
            all.push(held(&time, Some(&dims), &values, horizon)?);
        } else if let Ok((time, values)) = one.extract::<(Bound<'_, PyAny>, Bound<'_, PyAny>)>() {
            all.push(held(&time, None, &values, horizon)?);
        } else {
            let message = format!(
                "a condition is {}, expected diffplan.Condition, (time, values) or (time, dims, values)",
                one.repr()?
            );
            return Err(Trouble::new("InvalidType", "condition", message).into());
        }
    }
    Ok(all)
}

/// A condition on observations; a time below 0 is counted from the end.
fn held(
    time: &Bound<'_, PyAny>,
    dims: Option<&Bound<'_, PyAny>>,
    values: &Bound<'_, PyAny>,
    horizon: usize,
) -> PyResult<Held> {
    let given: isize = time.extract()?;
    let time = match usize::try_from(given) {
        Ok(time) => Some(time),
        Err(_) => horizon.checked_add_signed(given),
    };
    let time = time.ok_or_else(|| {
        let message = format!("a condition's time is {given}, expected one of the {horizon} steps");
        PyErr::from(Trouble::new("InvalidValue", "condition", message))
    })?;
    let dims = dims
        .filter(|dims| !dims.is_none())
        .map(|dims| dims.extract())
        .transpose()?;
    Ok(Held {
        time,
        dims,
        ..observed(arrays::vector(values, "a condition's values")?.to_vec())
    })
}

impl Planner {
    /// What a warm start begins with, and where.
    fn start(
        &self,
        py: Python<'_>,
        start: &Bound<'_, PyAny>,
        visit: Option<usize>,
        shift: usize,
    ) -> PyResult<(Array3<f32>, usize)> {
        let sample = match start.cast::<Plan>() {
            Ok(plan) => plan.get().sample(py),
            Err(_) => arrays::of_rank::<Ix3>(start, "start", "(batch, horizon, action + observation), normalised")?,
        };
        let last = sample.dim().1.saturating_sub(1);
        let rows: Vec<usize> = (0..sample.dim().1)
            .map(|row| row.saturating_add(shift).min(last))
            .collect();
        let sample = sample.select(Axis(1), &rows);
        let from = match visit {
            Some(visit) => visit,
            None => {
                let share = self.0.options().warm_start;
                if share <= 0.0 {
                    return Err(Trouble::new(
                        "InvalidValue",
                        "start",
                        "start needs to know how much of it is made anew: the option warm_start of the planner, a share of the timesteps, or visit",
                    )
                    .into());
                }
                let visits = self.0.timesteps()?.len();
                let made = (share * visits as f32).round() as usize;
                visits - made.clamp(1, visits.max(1)).min(visits)
            }
        };
        Ok((sample, from))
    }
}

#[pymethods]
impl Planner {
    /// A plan from an observation: `diffplan.Planner.plan` tells what each argument is.
    #[pyo3(signature = (obs, *, conditions=None, start=None, visit=None, shift=0, deadline=None, seed=None, torch_seed=None, noise=None, generator=None))]
    #[expect(clippy::too_many_arguments, reason = "keywords of Python")]
    fn plan(
        &self,
        py: Python<'_>,
        obs: &Bound<'_, PyAny>,
        conditions: Option<&Bound<'_, PyAny>>,
        start: Option<&Bound<'_, PyAny>>,
        visit: Option<usize>,
        shift: usize,
        deadline: Option<f64>,
        seed: Option<u64>,
        torch_seed: Option<i128>,
        noise: Option<&Bound<'_, PyAny>>,
        generator: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Plan> {
        let horizon = self.0.options().planning_horizon;
        let mut held = vec![observed(arrays::vector(obs, "obs")?.to_vec())];
        if let Some(given) = conditions {
            held.extend(self::conditions(given, horizon)?);
        }
        let noise = self::noise(py, seed, torch_seed, noise, generator)?;
        let start = start.map(|start| self.start(py, start, visit, shift)).transpose()?;
        if let Some(seconds) = deadline {
            if start.is_some() {
                return Err(Trouble::new(
                    "InvalidValue",
                    "start",
                    "start and deadline are given, expected one of them",
                )
                .into());
            }
            let budget = Duration::try_from_secs_f64(seconds).map_err(|_| {
                let message = format!("deadline = {seconds}: expected a number of seconds, 0 or more");
                PyErr::from(Trouble::new("InvalidValue", "deadline", message))
            })?;
            let asked = Asked {
                held,
                noise,
                start: None,
            };
            let (mut timely, seconds) = self.0.plan_within(py, asked, budget)?;
            let told = told_of(py, &timely)?;
            return Plan::of(py, timely.plans.swap_remove(0), seconds, Some(told));
        }
        let mut made = self.0.plan(py, vec![Asked { held, noise, start }])?;
        Plan::of(py, made.plans.swap_remove(0), made.seconds, None)
    }

    /// A plan from each of several observations, in one go: each has the bits that it would have alone.
    #[pyo3(signature = (observations, *, seed=None, torch_seed=None))]
    fn plan_batch(
        &self,
        py: Python<'_>,
        observations: &Bound<'_, PyAny>,
        seed: Option<u64>,
        torch_seed: Option<Vec<i128>>,
    ) -> PyResult<Vec<Plan>> {
        let rows = arrays::of_rank::<Ix2>(observations, "observations", "(count, observation dimensions)")?;
        let noise = match (seed, torch_seed) {
            (None, Some(seeds)) if seeds.len() == rows.nrows() => seeds
                .into_iter()
                .map(|seed| Noise::of(None, Some(seed), None, None))
                .collect::<PyResult<Vec<_>>>()?,
            (None, Some(seeds)) => {
                let message = format!(
                    "{} torch seeds for {} observations, expected one for each",
                    seeds.len(),
                    rows.nrows()
                );
                return Err(Trouble::new("InvalidValue", "noise", message).into());
            }
            (seed, torch_seed) => Noise::of(seed, torch_seed.map(|_| 0), None, None)?.forks(rows.nrows())?,
        };
        let asked = rows.outer_iter().zip(noise).map(|(row, noise)| Asked {
            held: vec![observed(row.to_vec())],
            noise,
            start: None,
        });
        let made = self.0.plan(py, asked.collect())?;
        let seconds = made.seconds;
        made.plans
            .into_iter()
            .map(|plan| Plan::of(py, plan, seconds, None))
            .collect()
    }

    /// Calls off every plan in the making, from any thread: each raises ``diffplan.Cancelled`` before its next step.
    fn cancel(&self) {
        self.0.cancel();
    }

    /// All planning options, by name.
    #[getter]
    fn options<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        dictionary(py, self.0.options())
    }

    /// The timesteps that a plan visits, first to last.
    #[getter]
    fn timesteps(&self) -> PyResult<Vec<f32>> {
        self.0.timesteps()
    }

    /// The number of threads, or None for all cores.
    #[getter]
    fn threads(&self) -> Option<usize> {
        self.0.threads()
    }

    /// Dimensions of an observation.
    #[getter]
    fn observation_dim(&self) -> usize {
        self.0.pipeline().observation_dim()
    }

    /// Dimensions of an action.
    #[getter]
    fn action_dim(&self) -> usize {
        self.0.pipeline().action_dim()
    }

    fn __repr__(&self) -> String {
        let options = self.0.options();
        format!(
            "Planner(batch_size={}, planning_horizon={}, n_guide_steps={}, scale={})",
            options.batch_size, options.planning_horizon, options.n_guide_steps, options.scale
        )
    }
}
