//! Errors of the library as exceptions: `diffplan.Error` and its classes, with the library's message and, as `kind`, its kind.
//!
//! The classes are Python's (`python/diffplan/_errors.py`), for each is also one of Python's own (`ValueError`, `FileNotFoundError`, …).

use diffplan::{data, envs, eval, files, models, pipelines, schedulers};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

/// What is wrong, in the library's words.
#[derive(Debug)]
pub(crate) struct Trouble {
    class: &'static str,
    kind: &'static str,
    message: String,
}

impl Trouble {
    pub(crate) fn new(class: &'static str, kind: &'static str, message: impl Into<String>) -> Self {
        Self {
            class,
            kind,
            message: message.into(),
        }
    }

    /// A value that is none of those expected.
    pub(crate) fn value(message: impl Into<String>) -> Self {
        Self::new("InvalidValue", "value", message)
    }
}

impl From<Trouble> for PyErr {
    fn from(trouble: Trouble) -> PyErr {
        Python::attach(|py| match raised(py, &trouble) {
            Ok(error) => error,
            Err(_) => PyRuntimeError::new_err(trouble.message),
        })
    }
}

fn raised(py: Python<'_>, trouble: &Trouble) -> PyResult<PyErr> {
    static MODULE: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
    let module = MODULE.get_or_try_init(py, || py.import("diffplan._errors").map(Bound::unbind))?;
    let error = module
        .bind(py)
        .getattr(trouble.class)?
        .call1((trouble.message.as_str(),))?;
    error.setattr("kind", trouble.kind)?;
    Ok(PyErr::from_value(error))
}

/// An error as the exception that it is in Python.
pub(crate) trait Raise {
    fn raise(self) -> PyErr;
}

/// Results whose errors are raised.
pub(crate) trait OrRaise<T> {
    fn or_raise(self) -> PyResult<T>;
}

impl<T, E: Raise> OrRaise<T> for Result<T, E> {
    fn or_raise(self) -> PyResult<T> {
        self.map_err(Raise::raise)
    }
}

impl Raise for files::FileError {
    fn raise(self) -> PyErr {
        let (class, kind) = match self.kind() {
            files::ErrorKind::NotFound => ("FileMissing", "not_found"),
            files::ErrorKind::Io => ("FileError", "io"),
            files::ErrorKind::Malformed => ("FileError", "malformed"),
            files::ErrorKind::WrongContent => ("FileError", "wrong_content"),
            _ => ("FileError", "locked"),
        };
        Trouble::new(class, kind, self.to_string()).into()
    }
}

impl Raise for models::Error {
    fn raise(self) -> PyErr {
        use models::Error as E;
        let message = self.to_string();
        let (class, kind) = match self {
            E::File(error) => return error.raise(),
            E::Config { .. } => ("CheckpointError", "config"),
            E::Parameters(_) => ("CheckpointError", "parameters"),
            E::Horizon { .. } | E::HorizonChanges { .. } => ("InvalidValue", "horizon"),
            E::Shape { .. } => ("InvalidValue", "shape"),
            E::NotAValueFunction { .. } => ("InvalidValue", "not_a_value_function"),
            // What a denoiser of Python raised, as it was raised.
            E::Foreign(error) => match error.downcast::<PyErr>() {
                Ok(raised) => return *raised,
                Err(_) => ("Error", "network"),
            },
            _ => ("Error", "network"),
        };
        Trouble::new(class, kind, message).into()
    }
}

impl Raise for schedulers::Error {
    fn raise(self) -> PyErr {
        use schedulers::Error as E;
        let (class, kind) = match self {
            E::File(error) => return error.raise(),
            E::InFile { .. } => ("CheckpointError", "config"),
            E::Class { .. } => ("InvalidValue", "class"),
            E::UnknownKey { .. } | E::UnsupportedValue { .. } => ("InvalidValue", "config"),
            E::ShapeMismatch { .. } | E::NoBatchAxis { .. } | E::NoChannelAxis { .. } => ("InvalidValue", "shape"),
            E::NotFinite { .. } => ("Diverged", "not_finite"),
            _ => ("InvalidValue", "scheduler"),
        };
        Trouble::new(class, kind, self.to_string()).into()
    }
}

impl Raise for data::Error {
    fn raise(self) -> PyErr {
        use data::Error as E;
        let (class, kind) = match self {
            E::Content(error) => return error.raise(),
            E::Io { ref error, .. } if error.kind() == std::io::ErrorKind::NotFound => ("FileMissing", "not_found"),
            E::Io { .. } => ("FileError", "io"),
            E::File { .. } | E::Read(_) => ("FileError", "malformed"),
            E::RowLength { .. } => ("InvalidValue", "shape"),
            _ => ("InvalidValue", "data"),
        };
        Trouble::new(class, kind, self.to_string()).into()
    }
}

impl Raise for envs::Error {
    fn raise(self) -> PyErr {
        use envs::Error as E;
        let (class, kind) = match self {
            E::ResetNeeded { .. } | E::SeedNeeded => ("ResetNeeded", "reset_needed"),
            E::MujocoMissing { .. } | E::MujocoLibrary { .. } | E::MujocoVersion { .. } => ("FileError", "mujoco"),
            E::Mujoco { .. } => ("Error", "mujoco"),
            E::Unsupported { .. } => ("Unsupported", "unsupported"),
            E::UnknownEnv { .. } => ("InvalidValue", "unknown_env"),
            _ => ("InvalidValue", "environment"),
        };
        Trouble::new(class, kind, self.to_string()).into()
    }
}

impl Raise for eval::Error {
    fn raise(self) -> PyErr {
        match self {
            eval::Error::Pipeline(error) => error.raise(),
            eval::Error::Env(error) => error.raise(),
            eval::Error::Data(error) => error.raise(),
            eval::Error::File(error) => error.raise(),
            other => Trouble::value(other.to_string()).into(),
        }
    }
}

impl Raise for pipelines::Error {
    fn raise(self) -> PyErr {
        use pipelines::Error as E;
        let message = self.to_string();
        let (class, kind) = match self {
            E::File(error) => return error.raise(),
            E::Model(error) => return error.raise(),
            E::Scheduler(error) => return error.raise(),
            E::Normalizer(error) => return error.raise(),
            // What a function of Python raised, as it was raised.
            E::Guide(error) => match error.downcast::<PyErr>() {
                Ok(raised) => return *raised,
                Err(_) => ("Error", "guide"),
            },
            E::Network {
                error: models::Error::Foreign(error),
                ..
            } => match error.downcast::<PyErr>() {
                Ok(raised) => return *raised,
                Err(_) => ("Error", "network"),
            },
            E::Network {
                error: models::Error::File(_),
                ..
            }
            | E::Missing { .. } => ("FileMissing", "not_found"),
            E::Network {
                error: models::Error::Horizon { .. } | models::Error::HorizonChanges { .. },
                ..
            } => ("InvalidValue", "horizon"),
            E::Network { .. } | E::Config { .. } | E::Refused { .. } => ("CheckpointError", "checkpoint"),
            E::Option { .. } => ("InvalidValue", "option"),
            E::NoGuide { .. } => ("InvalidValue", "no_guide"),
            E::Parts(_) => ("InvalidValue", "parts"),
            E::Condition { .. } => ("InvalidValue", "condition"),
            E::NoGoal { .. } => ("InvalidValue", "no_goal"),
            E::Start { .. } => ("InvalidValue", "start"),
            E::Infeasible { .. } => ("Infeasible", "infeasible"),
            E::Deadline { .. } => ("DeadlineError", "deadline"),
            E::Cancelled { .. } => ("Cancelled", "cancelled"),
            E::Diverged { .. } => ("Diverged", "diverged"),
            E::Threads { .. } => ("Error", "threads"),
            E::Noise(_) | E::NoiseOf { .. } | E::NoiseSources { .. } => ("InvalidValue", "noise"),
            _ => ("Error", "error"),
        };
        Trouble::new(class, kind, message).into()
    }
}
