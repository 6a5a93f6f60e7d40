//! `_diffplan.Evaluation`: what came of many episodes, with the numbers, table and files of `diffplan evaluate`; [`evaluate`], which plays them in
//! diffplan's own environments, to the bit as that command does.

use crate::actor::{Actor, lock};
use crate::errors::{OrRaise, Raise, Trouble};
use crate::json;
use crate::watch::{Watch, watched};
use crate::work::apart;
use diffplan::data::RecordedEnv;
use diffplan::envs::{AutoresetMode, BoxEnv, Env, VecEnv, d4rl};
use diffplan::eval::evaluation::{Asked, End, HEADER, Latency, Report, Row, Settings, references};
use diffplan::eval::{self, Comparison, EvaluationEvent, Registry, Start, make_env};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use serde_json::{Map, Value};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

/// Many episodes, over.
#[pyclass(frozen, module = "diffplan._diffplan")]
pub(crate) struct Evaluation {
    /// What was played, and how, in words.
    settings: String,
    report: Report,
}

/// An episode that was played in Python: number, seed, return, steps, whether it ended in a terminal state, plans, seconds of planning, seconds of
/// the whole evaluation by then, and whether it reached its goal.
type Played = (usize, u64, f64, usize, bool, usize, f64, f64, Option<bool>);

fn recorded(env: &str, kwargs: Map<String, Value>, max_episode_steps: Option<usize>) -> RecordedEnv {
    RecordedEnv {
        id: d4rl::env_id(env).unwrap_or(env).to_owned(),
        kwargs,
        max_episode_steps,
    }
}

fn settings_of(actor: &Actor, env: RecordedEnv, asked: &Asked) -> PyResult<Settings> {
    let mut settings = Settings::of_policy(asked, env, actor.name.clone());
    if let Some(options) = &actor.options {
        (settings.config.policy, settings.config.options) = (None, Some(options.clone()));
    }
    let threads = actor.pool.threads().map_or(1, |threads| threads.current_num_threads());
    settings.set_run(asked, None, threads, 0).or_raise()?;
    Ok(settings)
}

fn kwargs_of(kwargs: Option<&Bound<'_, PyDict>>) -> PyResult<Map<String, Value>> {
    kwargs.map_or_else(|| Ok(Map::new()), |kwargs| json::object(kwargs, "env_kwargs"))
}

/// Where an evaluation is.
#[derive(Clone, Debug, Default)]
struct At {
    done: usize,
    sum: f64,
    plans: usize,
}

/// Plays episodes in an environment of diffplan. `progress` is called with episodes done, their mean return, and plans made.
///
/// With `seeds`, every episode is the one that its own seed decides; otherwise episode i is the one of `diffplan evaluate`: reset with
/// `seed` + i, its noise the i-th fork of `seed`'s.
#[pyfunction]
#[pyo3(signature = (actor, env, episodes, seed, seeds=None, parallel=None, env_kwargs=None, max_episode_steps=None, progress=None))]
#[expect(clippy::too_many_arguments, reason = "keywords of Python")]
pub(crate) fn evaluate(
    py: Python<'_>,
    actor: &Actor,
    env: &str,
    episodes: usize,
    seed: u64,
    seeds: Option<Vec<u64>>,
    parallel: Option<usize>,
    env_kwargs: Option<&Bound<'_, PyDict>>,
    max_episode_steps: Option<usize>,
    progress: Option<Bound<'_, PyAny>>,
) -> PyResult<Evaluation> {
    let asked = Asked {
        episodes: Some(episodes),
        parallel,
        seed: Some(seed),
        ..Asked::default()
    };
    let env = recorded(env, kwargs_of(env_kwargs)?, max_episode_steps);
    let mut settings = settings_of(actor, env, &asked)?;
    let watch: Arc<Watch<At>> = Arc::default();
    let (own, policy) = (Arc::clone(&watch), actor.policy());
    let job = move || -> eval::Result<Option<Evaluation>> {
        let registry = Registry::builtin();
        let made = settings.made();
        let envs = (0..settings.config.parallel).map(|_| make_env(&registry.envs, &made));
        let mut envs = VecEnv::new(envs.collect::<eval::Result<_>>()?)?.with_autoreset(AutoresetMode::Disabled);
        settings.set_simulator(envs.envs().first().and_then(BoxEnv::simulator), None)?;
        let mut policy = lock(&policy);
        let references = references(&settings.env, settings.config.max_episode_steps);
        let (begun, mut rows, mut calls) = (Instant::now(), Vec::new(), Vec::new());
        let mut heed = |event: EvaluationEvent| {
            match event {
                EvaluationEvent::Stepped { planned, plan_time, .. } => {
                    calls.extend((planned > 0).then_some(plan_time.as_secs_f64() * 1e3));
                    own.say(|at| at.plans += planned);
                }
                EvaluationEvent::Finished(result) => {
                    rows.push(Row::new(result, references, begun.elapsed().as_secs_f64()));
                    own.say(|at| (at.done, at.sum) = (at.done + 1, at.sum + result.episode_return));
                }
                _ => {}
            }
            match own.is_stopped() {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        };
        match seeds {
            Some(seeds) => {
                let starts = seeds.iter().enumerate().map(|(index, &seed)| Start::alone(index, seed));
                eval::evaluate(policy.as_mut(), &mut envs, starts, &mut heed)?;
            }
            None => {
                let starts = Start::seeded(settings.seed).take(settings.config.episodes);
                eval::evaluate(policy.as_mut(), &mut envs, starts, &mut heed)?;
            }
        }
        if rows.len() < settings.config.episodes {
            return Ok(None);
        }
        rows.sort_by_key(|row| row.episode);
        let (latency, words) = (Latency::of(&calls, settings.config.parallel), settings.text(0));
        let report = Report::of(settings, rows, latency).with_violations(policy.violations());
        Ok(Some(Evaluation {
            settings: words,
            report,
        }))
    };
    let mut seen = 0;
    let mut look = |_: Python<'_>| -> PyResult<()> {
        let (Some(progress), Some(at)) = (&progress, watch.news(&mut seen)) else {
            return Ok(());
        };
        let mean = (at.done > 0).then(|| at.sum / at.done as f64);
        progress.call1((at.done, mean, at.plans)).map(drop)
    };
    let (played, raised) = watched(py, &actor.pool, &watch, job, &mut look)?;
    if let Some(raised) = raised {
        return Err(raised);
    }
    look(py)?;
    let played = played.map_err(|error| actor.raise(error))?;
    played.ok_or_else(|| {
        Trouble::new(
            "Cancelled",
            "cancelled",
            "the evaluation ended before all episodes were played",
        )
        .into()
    })
}

#[pymethods]
impl Evaluation {
    /// Of episodes that were played in Python, and the milliseconds of every planning call.
    #[staticmethod]
    #[pyo3(signature = (actor, env, seed, rows, calls, parallel, env_kwargs=None, max_episode_steps=None))]
    #[expect(clippy::too_many_arguments, reason = "all that a report has")]
    fn of_rows(
        actor: &Actor,
        env: &str,
        seed: u64,
        rows: Vec<Played>,
        calls: Vec<f64>,
        parallel: usize,
        env_kwargs: Option<&Bound<'_, PyDict>>,
        max_episode_steps: Option<usize>,
    ) -> PyResult<Self> {
        let asked = Asked {
            episodes: Some(rows.len()),
            seed: Some(seed),
            ..Asked::default()
        };
        let mut settings = settings_of(actor, recorded(env, kwargs_of(env_kwargs)?, max_episode_steps), &asked)?;
        settings.config.parallel = parallel;
        let references = references(&settings.env, settings.config.max_episode_steps);
        let row = |played: Played| {
            let (episode, seed, episode_return, length, terminated, plans, planning, elapsed, success) = played;
            Row {
                episode,
                seed,
                episode_return,
                length,
                end: if terminated { End::Terminated } else { End::Truncated },
                normalized_score: references.map(|references| references.score(episode_return)),
                plans,
                planning_seconds: planning,
                elapsed_seconds: elapsed,
                success,
                mujoco_warning: None,
            }
        };
        let rows: Vec<Row> = rows.into_iter().map(row).collect();
        if rows.is_empty() {
            return Err(Trouble::value("episodes: expected at least one").into());
        }
        let (latency, words) = (Latency::of(&calls, settings.config.parallel), settings.text(0));
        let policy = actor.policy();
        let report = Report::of(settings, rows, latency).with_violations(lock(&policy).violations());
        Ok(Self {
            settings: words,
            report,
        })
    }

    /// Everything, as ``evaluation.json`` has it.
    #[getter]
    fn json<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        match serde_json::to_value(&self.report) {
            Ok(Value::Object(object)) => json::dictionary(py, &object),
            _ => Err(Trouble::new("InternalError", "internal", "a report without JSON").into()),
        }
    }

    /// The bytes of ``evaluation.json``.
    #[getter]
    fn bytes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let text = serde_json::to_vec(&self.report)
            .map_err(|error| PyErr::from(Trouble::new("InternalError", "internal", error.to_string())))?;
        Ok(PyBytes::new(py, &text))
    }

    /// What was played, and how.
    #[getter]
    fn settings(&self) -> &str {
        &self.settings
    }

    /// The table of ``diffplan evaluate``.
    #[getter]
    fn text(&self) -> String {
        self.report.text()
    }

    /// The lines of ``episodes.csv``.
    #[getter]
    fn csv(&self) -> String {
        let rows = self.report.rows().iter().map(Row::text);
        [HEADER.to_owned()]
            .into_iter()
            .chain(rows)
            .map(|line| line + "\n")
            .collect()
    }
}

/// Two evaluations by the bytes of their ``evaluation.json``, and what each is called: everything, and the table.
#[pyfunction]
pub(crate) fn compare<'py>(
    py: Python<'py>,
    a: (String, Bound<'py, PyBytes>),
    b: (String, Bound<'py, PyBytes>),
) -> PyResult<(Bound<'py, PyAny>, String)> {
    let (a, b) = ((a.0.as_str(), a.1.as_bytes()), (b.0.as_str(), b.1.as_bytes()));
    let compared = apart(py, || Comparison::of_json(a, b).map_err(Raise::raise))?;
    let object = serde_json::to_value(&compared).unwrap_or_default();
    let object = object.as_object().cloned().unwrap_or_default();
    Ok((json::dictionary(py, &object)?, compared.text()))
}
