//! `_diffplan.Actor`: who acts in an evaluation: a planner, a registered policy, or a function of Python.
//!
//! In diffplan's own environments it acts within [`crate::evaluation`], and Python sees nothing of the steps; in environments of Python, the
//! loop of `python/diffplan/_episodes.py` begins episodes in its slots and asks it for actions.

use crate::arrays::{self, hand_over};
use crate::errors::{OrRaise, Raise, Trouble};
use crate::planner::Planner;
use crate::work::{self, Pool, caught};
use diffplan::envs::{BoxSpace, Dtype, Space};
use diffplan::eval::evaluation::check_plan_size;
use diffplan::eval::{self, Names, PlannerPolicy, Policy, PolicyOptions, Registry, Start, StateFollower};
use diffplan::ndarray::{Array1, Array2, ArrayView2, ArrayViewMut2, Ix1, Ix2};
use diffplan::pipelines::deadline::CancelToken;
use diffplan::pipelines::{Follow, PlanOptions};
use numpy::{PyArray2, PyArrayMethods, PyUntypedArrayMethods};
use pyo3::prelude::*;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Shared with the thread that acts.
pub(crate) type Shared = Arc<Mutex<Box<dyn Policy>>>;

/// The episodes of a seed in their order.
type Starts = Box<dyn Iterator<Item = Start> + Send>;

/// Who acts.
#[pyclass(frozen, module = "diffplan._diffplan")]
pub(crate) struct Actor {
    policy: Shared,
    pub(crate) pool: Pool,
    pub(crate) name: String,
    /// Of a planner.
    pub(crate) options: Option<PlanOptions>,
    /// What a function of Python raised.
    raised: Arc<Mutex<Option<PyErr>>>,
    /// Of one seed, and the number of the next.
    starts: Mutex<Option<(u64, usize, Starts)>>,
    /// Of the environment whose spaces were checked.
    action_dim: Mutex<Option<usize>>,
}

pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A function of Python that acts: observations (slots, observation dimensions) to actions (slots, action dimensions).
struct Called {
    act: Py<PyAny>,
    /// Its method ``begin(slot, episode, seed)``, if it has one.
    begin: Option<Py<PyAny>>,
    name: String,
    raised: Arc<Mutex<Option<PyErr>>>,
}

impl Called {
    /// What was raised is kept, and raised again where the evaluation ends.
    fn heed<T>(&self, answer: PyResult<T>) -> eval::Result<T> {
        answer.map_err(|error| {
            let message = format!("{} raised {error}", self.name);
            *lock(&self.raised) = Some(error);
            eval::Error::Parts(message)
        })
    }
}

impl Policy for Called {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn begin(&mut self, slot: usize, start: &Start) -> eval::Result<()> {
        let Some(begin) = &self.begin else { return Ok(()) };
        self.heed(Python::attach(|py| {
            begin.call1(py, (slot, start.index, start.seed)).map(drop)
        }))
    }

    fn act(
        &mut self,
        slots: &[usize],
        observations: ArrayView2<f64>,
        mut actions: ArrayViewMut2<f32>,
    ) -> eval::Result<()> {
        let acted = Python::attach(|py| {
            let observations = PyArray2::from_owned_array(py, observations.mapv(|x| x as f32));
            let acted = match self.begin {
                Some(_) => self.act.bind(py).call1((observations, slots.to_vec()))?,
                None => self.act.bind(py).call1((observations,))?,
            };
            arrays::of_rank::<Ix2>(&acted, "the policy's actions", "(episodes, action dimensions)")
        });
        let acted = self.heed(acted)?;
        if acted.dim() != actions.dim() {
            let told = |(rows, columns)| format!("({rows}, {columns})");
            let message = format!(
                "the policy's actions have shape {}, expected {}: a row for each observation",
                told(acted.dim()),
                told(actions.dim())
            );
            return self.heed(Err(Trouble::new("InvalidValue", "shape", message).into()));
        }
        actions.assign(&acted);
        Ok(())
    }
}

impl Actor {
    fn new(policy: Box<dyn Policy>, pool: Pool, options: Option<PlanOptions>) -> Self {
        Self {
            name: policy.name(),
            policy: Arc::new(Mutex::new(policy)),
            pool,
            options,
            raised: Arc::default(),
            starts: Mutex::default(),
            action_dim: Mutex::default(),
        }
    }

    pub(crate) fn policy(&self) -> Shared {
        Arc::clone(&self.policy)
    }

    /// An error of acting: what a function of Python raised, as it was raised.
    pub(crate) fn raise(&self, error: eval::Error) -> PyErr {
        lock(&self.raised).take().unwrap_or_else(|| error.raise())
    }

    /// Episode `index` of the evaluation whose first seed is `first`, or the episode that `seed` alone decides.
    fn start(&self, index: usize, seed: u64, first: Option<u64>) -> PyResult<Start> {
        let Some(first) = first else {
            return Ok(Start::alone(index, seed));
        };
        let mut starts = lock(&self.starts);
        let (next, all) = match &mut *starts {
            Some((own, next, all)) if *own == first && *next <= index => (next, all),
            other => {
                let (_, next, all) = other.insert((first, 0, Box::new(Start::seeded(first))));
                (next, all)
            }
        };
        let start = all.nth(index - *next);
        *next = index + 1;
        start.ok_or_else(|| Trouble::value(format!("seed = {first}: expected room for the seeds after it")).into())
    }
}

/// The environment of a name, as far as it is known: for the names of its dimensions.
fn names_of(env: Option<&str>, dims: (usize, usize)) -> Names {
    let known = env.and_then(|id| Registry::builtin().env(id).ok());
    Names::of(known.as_ref(), dims.0, dims.1)
}

fn space(bounds: (&Bound<'_, PyAny>, &Bound<'_, PyAny>), name: &str) -> PyResult<Space> {
    let side = |value: &Bound<'_, PyAny>| -> PyResult<Array1<f64>> {
        Ok(arrays::of_rank::<Ix1>(value, name, "(dimensions,)")?.mapv(f64::from))
    };
    Ok(BoxSpace::new(side(bounds.0)?, side(bounds.1)?, Dtype::Float32)
        .or_raise()?
        .into())
}

#[pymethods]
impl Actor {
    /// A planner, as its options say; `env` tells the names of dimensions, where planned states are followed.
    #[staticmethod]
    #[pyo3(signature = (planner, env=None))]
    fn of_planner(planner: &Planner, env: Option<&str>) -> PyResult<Self> {
        let stock = &planner.0;
        let pool = Pool::new(stock.threads())?;
        let options = stock.options().clone();
        check_plan_size(&options).or_raise()?;
        let policy = caught(|| {
            let made = stock.pipeline().planner(options.clone()).or_raise()?;
            let dims = (stock.pipeline().observation_dim(), stock.pipeline().action_dim());
            let mut policy = PlannerPolicy::new(match pool.threads() {
                Some(threads) => made.in_pool(threads),
                None => made,
            });
            if options.follow == Follow::States {
                let names = names_of(env, dims);
                policy = policy.with_follower(match &options.follow_dims {
                    Some(dims) => StateFollower::parse(dims, &names).or_raise()?,
                    None => StateFollower::of_names(&names).or_raise()?,
                });
            }
            Ok(policy)
        })?;
        Ok(Self::new(Box::new(policy), pool, Some(options)))
    }

    /// A registered policy, made for an environment.
    #[staticmethod]
    #[pyo3(signature = (name, env, threads=None))]
    fn named(name: &str, env: &str, threads: Option<usize>) -> PyResult<Self> {
        let registry = Registry::builtin();
        let options = match registry.env(env) {
            Ok(made) => PolicyOptions::of_env(env, &made),
            Err(_) => PolicyOptions::new(env),
        };
        let policy = registry.policy(name, &options).or_raise()?;
        let mut actor = Self::new(policy, Pool::new(threads)?, None);
        // By its name, rather than by what it is in words: as the command calls it.
        name.clone_into(&mut actor.name);
        Ok(actor)
    }

    /// A function of Python.
    #[staticmethod]
    #[pyo3(signature = (act, name, begin=None))]
    fn of_function(act: Py<PyAny>, name: String, begin: Option<Py<PyAny>>) -> PyResult<Self> {
        let raised: Arc<Mutex<Option<PyErr>>> = Arc::default();
        let policy = Called {
            act,
            begin,
            name,
            raised: Arc::clone(&raised),
        };
        // One thread, which asks Python.
        let mut actor = Self::new(Box::new(policy), Pool::new(Some(1))?, None);
        actor.raised = raised;
        Ok(actor)
    }

    /// The registered policies.
    #[staticmethod]
    fn names() -> Vec<String> {
        Registry::builtin().policies().map(str::to_owned).collect()
    }

    /// That it can act between these bounds of observations and of actions, each (dimensions,).
    fn check_spaces(
        &self,
        observations: (Bound<'_, PyAny>, Bound<'_, PyAny>),
        actions: (Bound<'_, PyAny>, Bound<'_, PyAny>),
    ) -> PyResult<()> {
        let observations = space((&observations.0, &observations.1), "the bounds of observations")?;
        let actions = space((&actions.0, &actions.1), "the bounds of actions")?;
        let dims = actions.as_box().or_raise()?.dim();
        caught(|| {
            lock(&self.policy)
                .check_spaces(&observations, &actions)
                .map_err(|error| self.raise(error))
        })?;
        *lock(&self.action_dim) = Some(dims);
        Ok(())
    }

    /// An episode begins in a slot: number `index` of those that begin with the seed `first`, or the one that its own seed decides.
    #[pyo3(signature = (slot, index, seed, first=None))]
    fn begin(&self, py: Python<'_>, slot: usize, index: usize, seed: u64, first: Option<u64>) -> PyResult<()> {
        let start = self.start(index, seed, first)?;
        // Without the GIL: a function of Python takes it itself.
        work::apart(py, || {
            lock(&self.policy)
                .begin(slot, &start)
                .map_err(|error| self.raise(error))
        })
    }

    /// Actions in `slots` at `observations` (slots, observation dimensions); for which of them a plan was made, and the seconds it took.
    fn act<'py>(
        &self,
        py: Python<'py>,
        slots: Vec<usize>,
        observations: &Bound<'py, PyAny>,
    ) -> PyResult<(Py<PyArray2<f32>>, Vec<bool>, f64)> {
        // In the environment's own precision, where that is float64: controllers calculate in it.
        let observations = match observations.cast::<PyArray2<f64>>() {
            Ok(own) if own.is_aligned() => own.to_owned_array(),
            _ => arrays::of_rank::<Ix2>(observations, "observations", "(episodes, observation dimensions)")?
                .mapv(f64::from),
        };
        if observations.nrows() != slots.len() {
            let message = format!(
                "{} observations for {} slots, expected one for each",
                observations.nrows(),
                slots.len()
            );
            return Err(Trouble::new("InvalidValue", "shape", message).into());
        }
        let policy = self.policy();
        let columns = (*lock(&self.action_dim)).ok_or_else(|| {
            Trouble::new(
                "ResetNeeded",
                "spaces",
                "actions were asked for before the spaces were checked",
            )
        })?;
        let acted = work::run(py, &self.pool, &CancelToken::new(), move || {
            let mut policy = lock(&policy);
            let mut actions = Array2::zeros((slots.len(), columns));
            let began = Instant::now();
            let acted = policy.act(&slots, observations.view(), actions.view_mut());
            let seconds = began.elapsed().as_secs_f64();
            let planned: Vec<bool> = slots.iter().map(|&slot| policy.plan_age(slot) == 0).collect();
            acted.map(|()| (actions, planned, seconds))
        })?;
        let (actions, planned, seconds) = acted.map_err(|error| self.raise(error))?;
        Ok((hand_over(py, actions), planned, seconds))
    }

    /// What was almost surely wrong with what it was shown.
    fn findings(&self) -> Vec<String> {
        lock(&self.policy).findings().iter().map(ToString::to_string).collect()
    }

    #[getter]
    fn name(&self) -> &str {
        &self.name
    }

    #[getter]
    fn plans(&self) -> bool {
        self.options.is_some()
    }
}
