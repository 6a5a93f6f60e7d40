//! [`Stock`]: planners of one pipeline and one set of options, those that nobody uses.

use crate::errors::{OrRaise, Trouble};
use crate::noise::Noise;
use crate::work::{self, Pool};
use diffplan::eval::Held;
use diffplan::ndarray::Array3;
use diffplan::pipelines::deadline::{CancelToken, DeadlinePlanner, DeadlineSettings, Timely};
use diffplan::pipelines::{self, Condition, Part, PlanOptions, Planner, Query, Start, ValueGuidedPipeline};
use pyo3::prelude::*;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The observation that is planned from.
pub(crate) fn observed(values: Vec<f32>) -> Held {
    Held {
        time: 0,
        part: Part::Observation,
        dims: None,
        values,
        strength: 1.0,
    }
}

/// What is asked of a planner, for one observation.
pub(crate) struct Asked {
    pub(crate) held: Vec<Held>,
    pub(crate) noise: Noise,
    /// Candidates, normalised, and the visit that they are noised to.
    pub(crate) start: Option<(Array3<f32>, usize)>,
}

/// Plans, in the order of what was asked, and how long they took.
pub(crate) struct Made {
    pub(crate) plans: Vec<pipelines::Plan>,
    pub(crate) seconds: f64,
}

/// Why there is no plan.
enum Failed {
    Error(pipelines::Error),
    Raised(PyErr),
    Cancelled,
}

impl From<pipelines::Error> for Failed {
    fn from(error: pipelines::Error) -> Self {
        Self::Error(error)
    }
}

impl From<Failed> for PyErr {
    fn from(failed: Failed) -> PyErr {
        match failed {
            Failed::Error(error) => crate::errors::Raise::raise(error),
            Failed::Raised(raised) => raised,
            Failed::Cancelled => Trouble::new("Cancelled", "cancelled", "the plan was cancelled").into(),
        }
    }
}

/// A planner with threads of its own.
struct Worker<P> {
    planner: P,
    pool: Pool,
}

/// Planners with the same pipeline and options.
pub(crate) struct Stock {
    pipeline: ValueGuidedPipeline,
    options: PlanOptions,
    threads: Option<usize>,
    idle: Mutex<Vec<Worker<Planner>>>,
    timely: Mutex<Vec<Worker<DeadlinePlanner>>>,
    /// Those of plans in the making, by number.
    running: Mutex<(u64, Vec<(u64, CancelToken)>)>,
}

/// Locks are held for a moment, by whoever has the GIL, and nothing of Python is made meanwhile: so nobody waits for them, and no fork finds one
/// held.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Stock {
    /// With one planner made: what is wrong with the options is said now.
    pub(crate) fn new(pipeline: ValueGuidedPipeline, options: PlanOptions, threads: Option<usize>) -> PyResult<Self> {
        let planner = work::caught(|| pipeline.planner(options.clone()).or_raise())?;
        let pool = Pool::new(threads)?;
        Ok(Self {
            pipeline,
            options,
            threads,
            idle: Mutex::new(vec![Worker { planner, pool }]),
            timely: Mutex::default(),
            running: Mutex::default(),
        })
    }

    pub(crate) fn options(&self) -> &PlanOptions {
        &self.options
    }

    pub(crate) fn threads(&self) -> Option<usize> {
        self.threads
    }

    pub(crate) fn pipeline(&self) -> &ValueGuidedPipeline {
        &self.pipeline
    }

    /// Timesteps that a plan visits, first to last.
    pub(crate) fn timesteps(&self) -> PyResult<Vec<f32>> {
        if let Some(worker) = lock(&self.idle).first() {
            return Ok(worker.planner.sampler().timesteps());
        }
        let planner = self.pipeline.planner(self.options.clone()).or_raise()?;
        Ok(planner.sampler().timesteps())
    }

    /// Calls off every plan in the making.
    pub(crate) fn cancel(&self) {
        lock(&self.running).1.iter().for_each(|(_, token)| token.cancel());
    }

    fn begin(&self, token: &CancelToken) -> u64 {
        let mut running = lock(&self.running);
        running.0 += 1;
        let number = running.0;
        running.1.push((number, token.clone()));
        number
    }

    fn end(&self, number: u64) {
        lock(&self.running).1.retain(|(other, _)| *other != number);
    }

    fn worker(&self) -> PyResult<Worker<Planner>> {
        let idle = lock(&self.idle).pop();
        match idle {
            Some(worker) if worker.pool.is_alive() => Ok(worker),
            // After a fork: the planner is whole, its threads are not here.
            Some(Worker { planner, pool: _ }) => Ok(Worker {
                planner,
                pool: Pool::new(self.threads)?,
            }),
            None => Ok(Worker {
                planner: self.pipeline.planner(self.options.clone()).or_raise()?,
                pool: Pool::new(self.threads)?,
            }),
        }
    }

    /// A plan for each.
    pub(crate) fn plan(&self, py: Python<'_>, asked: Vec<Asked>) -> PyResult<Made> {
        let Worker { planner, pool } = self.worker()?;
        let token = CancelToken::new();
        let number = self.begin(&token);
        let own = token.clone();
        let ran = work::run(py, &pool, &token, move || {
            let (mut planner, mut asked) = (planner, asked);
            let made = make(&mut planner, &mut asked, &own);
            (planner, made)
        });
        self.end(number);
        let (planner, made) = ran?;
        lock(&self.idle).push(Worker { planner, pool });
        Ok(made?)
    }

    /// The best plan that is made within `budget`. The first call measures what plans cost, which takes as long as some plans do.
    pub(crate) fn plan_within(&self, py: Python<'_>, asked: Asked, budget: Duration) -> PyResult<(Timely, f64)> {
        let idle = lock(&self.timely).pop();
        let token = idle
            .as_ref()
            .map(|worker| worker.planner.cancel_token())
            .unwrap_or_default();
        token.reset();
        let number = self.begin(&token);
        let made = self.plan_timely(py, idle, &token, asked, budget);
        self.end(number);
        made
    }

    fn plan_timely(
        &self,
        py: Python<'_>,
        idle: Option<Worker<DeadlinePlanner>>,
        token: &CancelToken,
        asked: Asked,
        budget: Duration,
    ) -> PyResult<(Timely, f64)> {
        // Its threads are part of it: after a fork there is nothing of it to keep.
        let idle = match idle {
            Some(Worker { planner, pool }) if !pool.is_alive() => {
                std::mem::forget(planner);
                None
            }
            idle => idle,
        };
        let (planner, pool) = match idle {
            Some(Worker { planner, pool }) => (planner, pool),
            None => {
                let pool = Pool::new(self.threads)?;
                let settings = DeadlineSettings {
                    cancel: token.clone(),
                    ..DeadlineSettings::default()
                };
                let (pipeline, options) = (self.pipeline.clone(), self.options.clone());
                let Some(threads) = pool.threads() else {
                    return Err(Trouble::new("InternalError", "internal", "threads that are gone at once").into());
                };
                let made = work::run(py, &pool, token, move || {
                    DeadlinePlanner::new(&pipeline, options, threads, settings)
                })?;
                (made.or_raise()?, pool)
            }
        };
        let ran = work::run(py, &pool, token, move || {
            let (mut planner, mut asked) = (planner, asked);
            let conditions: Vec<Condition> = asked.held.iter().map(Held::condition).collect();
            let mut queries = [Query::new(&conditions, asked.noise.source())];
            let began = Instant::now();
            let made = planner.queries_within(&mut queries, budget);
            let seconds = began.elapsed().as_secs_f64();
            let made = match asked.noise.raised() {
                Some(raised) => Err(Failed::Raised(raised)),
                None => made.map_err(Failed::Error),
            };
            (planner, made, seconds)
        });
        let (planner, made, seconds) = ran?;
        lock(&self.timely).push(Worker { planner, pool });
        let made = made?;
        if token.is_cancelled() && made.ended == diffplan::pipelines::deadline::Ended::Cancelled {
            return Err(Failed::Cancelled.into());
        }
        Ok((made, seconds))
    }
}

fn make(planner: &mut Planner, asked: &mut [Asked], cancel: &CancelToken) -> Result<Made, Failed> {
    let began = Instant::now();
    let mut parts = Vec::with_capacity(asked.len());
    for Asked { held, noise, start } in asked {
        let conditions: Vec<Condition> = held.iter().map(Held::condition).collect();
        parts.push((conditions, noise, start.as_ref()));
    }
    let mut queries: Vec<Query> = Vec::with_capacity(parts.len());
    for (conditions, noise, start) in &mut parts {
        let start = match start {
            Some((sample, from)) => Start::Warm { sample, from: *from },
            None => Start::Noise,
        };
        queries.push(Query::new(conditions, noise.source()).start(start));
    }
    let made = planner.plan_unless(&mut queries, cancel);
    drop(queries);
    if let Some(raised) = parts.iter_mut().find_map(|(_, noise, _)| noise.raised()) {
        return Err(Failed::Raised(raised));
    }
    Ok(Made {
        plans: made?,
        seconds: began.elapsed().as_secs_f64(),
    })
}
