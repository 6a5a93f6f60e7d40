//! `_diffplan.train`: what `diffplan train` does, of a dataset on disk or of arrays; `python/diffplan/_train.py` is what people see.

use crate::dataset::located;
use crate::errors::{OrRaise, Raise, Trouble};
use crate::json;
use crate::watch::{Watch, watched};
use crate::work::{Pool, apart};
use diffplan::data::{self, Finding};
use diffplan::eval::{self, Registry, env_facts, make_env};
use diffplan::files::{FileError, FolderLock, write_atomically};
use diffplan::train::session::{
    Data, Keys, Kind, Observer, Output, Row, Run, RunFolder, Settings, Start, Summary, Typed, read_record,
};
use diffplan::train::{self as library, StepReport};
use numpy::PyArray1;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use serde_json::Map;
use std::path::PathBuf;
use std::sync::Arc;

impl Raise for library::Error {
    fn raise(self) -> PyErr {
        use library::Error as E;
        let message = self.to_string();
        let (class, kind) = match self {
            E::Model(error) => return error.raise(),
            E::Scheduler(error) => return error.raise(),
            E::Data(error) => return error.raise(),
            E::File(error) => return error.raise(),
            E::Io { ref error, .. } if error.kind() == std::io::ErrorKind::NotFound => ("FileMissing", "not_found"),
            E::Io { .. } => ("FileError", "io"),
            E::State { .. } => ("FileError", "malformed"),
            E::Changed { .. } => ("InvalidValue", "changed"),
            E::Option { .. } | E::Untrainable { .. } | E::Parts(_) => ("InvalidValue", "option"),
            E::Stopped { .. } | E::NotFinite { .. } => ("Diverged", "diverged"),
            _ => ("Error", "train"),
        };
        Trouble::new(class, kind, message).into()
    }
}

/// Where a training is.
#[derive(Clone, Debug, Default)]
struct At {
    network: &'static str,
    done: u64,
    total: u64,
    loss: Option<f64>,
    validation_loss: Option<f64>,
}

struct Watching(Arc<Watch<At>>);

impl Observer for Watching {
    fn begin(&mut self, kind: Kind, from: u64, to: u64) {
        self.0.say(|at| {
            *at = At {
                network: kind.name(),
                done: from,
                total: to,
                ..At::default()
            }
        });
    }

    fn step(&mut self, _: Kind, report: &StepReport) {
        self.0
            .say(|at| (at.done, at.loss) = (report.step + 1, Some(report.loss)));
    }

    fn validated(&mut self, _: Kind, _: u64, loss: f64) {
        self.0.say(|at| at.validation_loss = Some(loss));
    }

    fn stopped(&mut self) -> bool {
        self.0.is_stopped()
    }
}

/// What is asked for.
struct Job {
    settings: Settings,
    folder: RunFolder,
    start: Start,
    strict: bool,
    /// Datasets that are arrays: what their files are called in the folder, and their bytes.
    arrays: Vec<(PathBuf, Arc<[u8]>)>,
    typed_env: bool,
}

/// What is about to be trained, in a folder that is ours for as long.
struct Begun {
    data: Data,
    runs: Vec<Run>,
    output: Output,
    warnings: Vec<String>,
    _lock: FolderLock,
}

/// What came of it.
#[derive(Default)]
struct Trained {
    summaries: Vec<Summary>,
    warnings: Vec<String>,
    env: Option<String>,
    interrupted: Option<String>,
}

impl Job {
    /// Puts arrays where the run, and whoever goes on with it, reads them. `new` are files that were not there.
    fn keep_arrays(&self, new: &mut Vec<PathBuf>) -> PyResult<()> {
        for (path, bytes) in &self.arrays {
            let io = |error| FileError::io(path.clone(), error).raise();
            let is_there = path.try_exists().map_err(io)?;
            if is_there && self.start != Start::Overwrite {
                if std::fs::read(path).map_err(io)?[..] == bytes[..] {
                    continue;
                }
                let message = format!(
                    "{} holds other arrays, of the run in that folder: overwrite=True deletes it, another out leaves it alone",
                    path.display()
                );
                return Err(Trouble::new("InvalidValue", "changed", message).into());
            }
            write_atomically(path, bytes).map_err(io)?;
            if !is_there {
                new.push(path.clone());
            }
        }
        Ok(())
    }

    /// All that can be wrong is found here, before anything is trained; then no file of arrays stays that nobody needs.
    fn begin(&mut self) -> PyResult<Begun> {
        let mut new = Vec::new();
        let begun = self.looked_at(&mut new);
        if begun.is_err() {
            for path in new {
                // What was wrong is to be told, rather than that this is, too.
                let _ = std::fs::remove_file(path);
            }
        }
        begun
    }

    fn looked_at(&mut self, new: &mut Vec<PathBuf>) -> PyResult<Begun> {
        let registry = Registry::builtin();
        if let Some(env) = self.settings.made().filter(|_| self.typed_env) {
            use eval::Error as E;
            // One that only cannot be made on this machine, for want of a simulator, may be played on another.
            if let Err(
                error @ (E::EnvArgument { .. }
                | E::EnvArguments { .. }
                | E::Env(diffplan::envs::Error::UnknownEnv { .. })),
            ) = make_env(&registry.envs, &env)
            {
                return Err(error.raise());
            }
        }
        // Arrays are read from the folder, so that nobody else may write there from here on.
        let early = match self.arrays.is_empty() {
            true => None,
            false => Some(self.folder.lock().or_raise()?),
        };
        self.keep_arrays(new)?;
        let settings = &mut self.settings;
        let data = Data::read_knowing(settings, &|env| env_facts(&registry.envs, env)).or_raise()?;
        let warnings: Vec<String> = data.findings.iter().map(ToString::to_string).collect();
        let other = |found: &&data::findings::Found| matches!(found.finding, Finding::OtherDimensions { .. });
        if let Some(other) = data.findings.iter().find(other).filter(|_| self.typed_env) {
            return Err(Trouble::value(other.to_string()).into());
        }
        settings.set_env(data.dataset.recorded_env());
        // Both networks before the first is trained: what is wrong with the second would else be found hours later.
        let networks = settings.networks.iter();
        let mut runs: Vec<Run> = networks
            .map(|network| Run::new(settings, network, &data))
            .collect::<library::Result<_>>()
            .or_raise()?;
        if self.strict && !warnings.is_empty() {
            let message = format!(
                "the data is odd, which strict does not let pass: {}",
                warnings.join("; ")
            );
            return Err(Trouble::new("InvalidValue", "odd_data", message).into());
        }
        let lock = match early {
            Some(lock) => lock,
            None => self.folder.lock().or_raise()?,
        };
        let output = Run::begin(&mut runs, self.folder.clone(), self.start, settings, &data).or_raise()?;
        Ok(Begun {
            data,
            runs,
            output,
            warnings,
            _lock: lock,
        })
    }

    fn run(mut self, watch: &Arc<Watch<At>>) -> PyResult<Trained> {
        let Begun {
            data,
            mut runs,
            output,
            warnings,
            _lock,
        } = self.begin()?;
        let mut trained = Trained {
            warnings,
            env: self.settings.env.clone(),
            ..Trained::default()
        };
        for run in &mut runs {
            match run.advance(&self.settings, &data, &output, &mut Watching(Arc::clone(watch))) {
                Ok(summary) => trained.summaries.push(summary),
                Err(library::Error::Interrupted { at }) => {
                    trained.interrupted = Some(at);
                    break;
                }
                Err(error) => return Err(error.raise()),
            }
        }
        Ok(trained)
    }
}

/// The names of all settings, and of those that may be another for the value function.
#[pyfunction]
pub(crate) fn training_keys() -> (Vec<&'static str>, Vec<&'static str>) {
    (Keys::NAMES.to_vec(), Kind::Value.keys().collect())
}

/// Trains; `diffplan.train` tells what everything is. `progress` is called with a network, steps done, steps in all, and two losses.
#[pyfunction]
#[pyo3(signature = (what, flags, value_flags, config=None, arrays=Vec::new(), resume=false, overwrite=false, strict=false, progress=None))]
#[expect(clippy::too_many_arguments, reason = "keywords of Python")]
pub(crate) fn train<'py>(
    py: Python<'py>,
    what: &str,
    flags: &Bound<'py, PyDict>,
    value_flags: &Bound<'py, PyDict>,
    config: Option<PathBuf>,
    arrays: Vec<(PathBuf, Bound<'py, PyBytes>)>,
    resume: bool,
    overwrite: bool,
    strict: bool,
    progress: Option<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    let kinds: &[Kind] = match what {
        "both" => &Kind::ALL,
        "planner" => &[Kind::Planner],
        "value" => &[Kind::Value],
        other => return Err(Trouble::value(format!("what = {other:?}: expected both, planner or value")).into()),
    };
    let start = match (resume, overwrite) {
        (true, true) => return Err(Trouble::value("resume and overwrite are both given, expected one of them").into()),
        (true, false) => Start::Resume,
        (false, true) => Start::Overwrite,
        (false, false) => Start::Fresh,
    };
    let flags = json::object(flags, "settings")?;
    let value_flags = json::object(value_flags, "settings of the value function")?;
    let typed_env = flags.contains_key("env") || flags.contains_key("env_kwargs");
    let mut typed = Typed::new(&flags, &value_flags, config.as_deref()).or_raise()?;
    let folder = RunFolder::new(typed.out().or_raise()?);
    if resume {
        typed = typed.over_run(&folder).or_raise()?;
    }
    let mut settings = typed.resolve(kinds).or_raise()?;
    for source in &mut settings.datasets {
        source.path = located(&source.path)?;
    }
    let notes = typed.notes(kinds);
    let pool = Pool::new(settings.threads)?;
    let job = Job {
        settings,
        folder: folder.clone(),
        start,
        strict,
        arrays: arrays
            .iter()
            .map(|(path, bytes)| (path.clone(), bytes.as_bytes().into()))
            .collect(),
        typed_env,
    };
    let watch: Arc<Watch<At>> = Arc::default();
    let own = Arc::clone(&watch);
    let mut seen = 0;
    let mut look = |_: Python<'_>| -> PyResult<()> {
        let (Some(progress), Some(at)) = (&progress, watch.news(&mut seen)) else {
            return Ok(());
        };
        progress
            .call1((at.network, at.done, at.total, at.loss, at.validation_loss))
            .map(drop)
    };
    let (trained, raised) = watched(py, &pool, &watch, move || job.run(&own), &mut look)?;
    let trained = match (trained, raised) {
        (Ok(trained), None) => trained,
        (Ok(trained), Some(raised)) => {
            if let Some(at) = trained.interrupted {
                let note = format!(
                    "{at}; train(out={:?}, resume=True) goes on",
                    folder.path().display().to_string()
                );
                // Exceptions have notes since Python 3.11.
                let _ = raised.value(py).call_method1("add_note", (note,));
            }
            return Err(raised);
        }
        (Err(error), None) => return Err(error),
        (Err(error), Some(raised)) => {
            raised.set_cause(py, Some(error));
            return Err(raised);
        }
    };
    look(py)?;
    let mut report = Map::new();
    report.insert("folder".into(), folder.path().display().to_string().into());
    report.insert("env".into(), trained.env.into());
    report.insert("notes".into(), notes.into());
    report.insert("findings".into(), trained.warnings.into());
    let summaries = serde_json::to_value(&trained.summaries).unwrap_or_default();
    report.insert("networks".into(), summaries);
    json::dictionary(py, &report)
}

/// How the loss of a run's ``"planner"`` or ``"value"`` went, a number an interval: arrays by name.
#[pyfunction]
pub(crate) fn training_record<'py>(py: Python<'py>, folder: PathBuf, network: &str) -> PyResult<Bound<'py, PyDict>> {
    let kind = Kind::ALL.into_iter().find(|kind| kind.name() == network);
    let kind = kind.ok_or_else(|| Trouble::value(format!("network = {network:?}: expected planner or value")))?;
    let rows = apart(py, || read_record(&RunFolder::new(folder).record(kind)).or_raise())?;
    let all = PyDict::new(py);
    all.set_item("step", PyArray1::from_iter(py, rows.iter().map(|row| row.step as i64)))?;
    type Column = (&'static str, fn(&Row) -> Option<f64>);
    let columns: [Column; 7] = [
        ("loss", |row| Some(row.loss)),
        ("first_action_loss", |row| row.first_action_loss),
        ("validation_loss", |row| row.validation_loss),
        ("grad_norm", |row| Some(row.grad_norm)),
        ("lr", |row| Some(row.lr)),
        ("steps_per_second", |row| Some(row.steps_per_second)),
        ("seconds", |row| Some(row.seconds)),
    ];
    for (name, of) in columns {
        if rows.iter().any(|row| of(row).is_some()) {
            let column = rows.iter().map(|row| of(row).unwrap_or(f64::NAN));
            all.set_item(name, PyArray1::from_iter(py, column))?;
        }
    }
    Ok(all)
}
