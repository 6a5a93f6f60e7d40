//! `_diffplan.Dataset`: the steps of many episodes, read from any layout that diffplan-data knows; `python/diffplan/_data.py` is what people see.
//!
//! Arrays of NumPy are read the same way as files are: as the bytes of an `.npz`. So there is one set of rules for keys, types and ends of
//! episodes, and one set of findings.

use crate::errors::{OrRaise, Raise, Trouble};
use crate::json;
use crate::normalizers::Normalizers;
use crate::work::apart;
use diffplan::data::findings;
use diffplan::data::read::DatasetReader;
use diffplan::data::{
    self, ArrayInfo, Conversion, EpisodeRange, Keys, NormalizerKind, RawDataset, ReadOptions, RecordedEnv, RewardRule,
    WriteFormat,
};
use diffplan::envs::Registry;
use diffplan::eval::env_facts;
use diffplan::ndarray::{ArrayBase, Data, Dimension};
use numpy::{Element, PyArray, PyArray1, PyArray2};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where a dataset is from: it is read again to be written, with what is observed after an episode's last action.
enum Source {
    Path(PathBuf),
    Npz(Arc<[u8]>),
}

impl Source {
    fn read(&self, options: &ReadOptions) -> PyResult<RawDataset> {
        let reader = match self {
            Self::Path(path) => DatasetReader::open(path, options),
            Self::Npz(bytes) => DatasetReader::from_bytes(bytes.clone(), ARRAYS, options),
        };
        reader.and_then(DatasetReader::read_all).or_raise()
    }
}

/// What arrays of NumPy are called in errors.
const ARRAYS: &str = "arrays.npz";

/// An environment: its id, what it was made with, and the limit of its episodes.
type Made<'py> = (String, Bound<'py, PyAny>, Option<usize>);

/// The steps of many episodes. Use ``diffplan.load_dataset``, ``diffplan.Dataset``.
#[pyclass(frozen, module = "diffplan._diffplan")]
pub(crate) struct Dataset {
    data: data::Dataset,
    source: Source,
    options: ReadOptions,
    format: &'static str,
    metadata: Vec<(String, String)>,
    arrays: Vec<ArrayInfo>,
    findings: Vec<String>,
}

impl Dataset {
    fn read(source: Source, options: ReadOptions) -> PyResult<Self> {
        let limit = options.max_episode_steps;
        let mut raw = source.read(&options)?;
        let episodes = raw.episodes(limit).or_raise()?;
        let envs = Registry::default();
        let facts = raw.recorded_env.as_ref().and_then(|env| env_facts(&envs, env));
        let found = findings::of_file(&raw, &episodes, limit, facts.as_ref());
        Ok(Self {
            format: raw.format.name(),
            metadata: std::mem::take(&mut raw.metadata),
            arrays: std::mem::take(&mut raw.arrays),
            findings: found.iter().map(ToString::to_string).collect(),
            data: raw.into_dataset(limit).or_raise()?,
            source,
            options,
        })
    }
}

/// How a file is read, from keywords of Python.
pub(crate) fn options(
    max_episode_steps: Option<usize>,
    keys: Option<&str>,
    rewards: Option<&str>,
) -> PyResult<ReadOptions> {
    let keys: Option<Keys> = match keys.map(str::parse) {
        Some(Err(error)) => return Err(Trouble::value(format!("keys: {error}")).into()),
        Some(Ok(keys)) => Some(keys),
        None => None,
    };
    let rewards: Option<RewardRule> = match rewards.map(str::parse) {
        Some(Err(error)) => return Err(Trouble::value(format!("rewards: {error}")).into()),
        Some(Ok(rule)) => Some(rule),
        None => None,
    };
    Ok(ReadOptions {
        max_episode_steps,
        keys: keys.unwrap_or_default(),
        rewards,
        ..ReadOptions::default()
    })
}

/// A path, or where the dataset of that name was downloaded to.
#[cfg(feature = "hub")]
pub(crate) fn located(given: &Path) -> PyResult<PathBuf> {
    use diffplan_hub::datasets::{Located, locate};
    let found = locate(given).map_err(|error| PyErr::from(Trouble::new("FileError", "hub", error.to_string())))?;
    match found {
        Located::At(path) => Ok(path),
        Located::NotDownloaded { name, path } => Err(Trouble::new(
            "FileMissing",
            "not_downloaded",
            format!(
                "{name} is no file here, and was not downloaded to {}: load_dataset({name:?}, download=True) downloads it",
                path.display()
            ),
        )
        .into()),
    }
}

#[cfg(not(feature = "hub"))]
pub(crate) fn located(given: &Path) -> PyResult<PathBuf> {
    Ok(given.to_owned())
}

/// Downloads a dataset of D4RL or Minari by its name, unless it is here, and says where it is.
#[pyfunction]
pub(crate) fn download_dataset(py: Python<'_>, name: &str) -> PyResult<PathBuf> {
    apart(py, || downloaded(name))
}

#[cfg(feature = "hub")]
fn downloaded(name: &str) -> PyResult<PathBuf> {
    use diffplan_hub::datasets::{Datasets, Known, Options};
    let refuse = |error: diffplan_hub::Error| PyErr::from(Trouble::new("FileMissing", "hub", error.to_string()));
    let known = Known::of(name).map_err(refuse)?;
    // It has a temporary name as yet.
    let look = |file: &Path| match data::FileFormat::of_file(file, "dataset.hdf5") {
        Ok(_) => Ok(()),
        Err(data::Error::File { error, .. }) => Err(error.to_string()),
        Err(other) => Err(other.to_string()),
    };
    let options = Options::default();
    let datasets = Datasets::from_env().map_err(refuse)?;
    Ok(datasets
        .download(&known, &options, &look, &|_| {})
        .map_err(refuse)?
        .path)
}

#[cfg(not(feature = "hub"))]
fn downloaded(name: &str) -> PyResult<PathBuf> {
    let message = format!("{name} cannot be downloaded: this build does not know the Hub (feature hub)");
    Err(Trouble::new("FileMissing", "hub", message).into())
}

/// An array of NumPy over numbers that lie in `owner`, which it keeps alive. It can only be read.
#[expect(unsafe_code, reason = "NumPy looks at numbers that Rust owns")]
fn lent<'py, T: Element, S: Data<Elem = T>, D: Dimension>(
    array: &ArrayBase<S, D>,
    owner: &Bound<'py, Dataset>,
) -> PyResult<Bound<'py, PyArray<T, D>>> {
    // SAFETY: every caller lends an array of `owner`, a frozen object that never changes or moves its numbers, and that NumPy holds as the
    // array's base for as long as the array, or a view of it, is there. Nobody writes: the flag below cannot be set again, since the base
    // gives no memory of its own to write to.
    let lent = unsafe { PyArray::borrow_from_array(array, owner.clone().into_any()) };
    lent.getattr("flags")?.setattr("writeable", false)?;
    Ok(lent)
}

fn by_episode<'py, T: Element>(
    py: Python<'py>,
    data: &data::Dataset,
    of: impl Fn(&EpisodeRange) -> T,
) -> Bound<'py, PyArray1<T>> {
    PyArray1::from_vec(py, data.episodes().iter().map(of).collect())
}

#[pymethods]
impl Dataset {
    /// Of a file, a folder, or the name of a dataset that was downloaded.
    #[staticmethod]
    #[pyo3(signature = (path, max_episode_steps=None, keys=None, rewards=None))]
    fn load(
        py: Python<'_>,
        path: PathBuf,
        max_episode_steps: Option<usize>,
        keys: Option<&str>,
        rewards: Option<&str>,
    ) -> PyResult<Self> {
        let options = options(max_episode_steps, keys, rewards)?;
        apart(py, || Self::read(Source::Path(located(&path)?), options))
    }

    /// Of the bytes of an ``.npz``.
    #[staticmethod]
    #[pyo3(signature = (npz, max_episode_steps=None, keys=None, rewards=None))]
    fn of_npz(
        py: Python<'_>,
        npz: &[u8],
        max_episode_steps: Option<usize>,
        keys: Option<&str>,
        rewards: Option<&str>,
    ) -> PyResult<Self> {
        let options = options(max_episode_steps, keys, rewards)?;
        let bytes: Arc<[u8]> = npz.into();
        apart(py, || Self::read(Source::Npz(bytes), options))
    }

    #[getter]
    fn observations<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyArray2<f32>>> {
        lent(&slf.get().data.observations(), slf)
    }

    #[getter]
    fn actions<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyArray2<f32>>> {
        lent(&slf.get().data.actions(), slf)
    }

    #[getter]
    fn rewards<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyArray1<f64>>> {
        lent(&slf.get().data.rewards(), slf)
    }

    /// The first row of every episode.
    #[getter]
    fn starts<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<i64>> {
        by_episode(py, &self.data, |episode| episode.start as i64)
    }

    /// The row after the last of every episode.
    #[getter]
    fn ends<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<i64>> {
        by_episode(py, &self.data, |episode| episode.end as i64)
    }

    /// Whether each ended in a terminal state.
    #[getter]
    fn terminated<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<bool>> {
        by_episode(py, &self.data, |episode| episode.terminated)
    }

    /// The sum of rewards of each.
    #[getter]
    fn returns<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f64>> {
        PyArray1::from_vec(py, self.data.returns())
    }

    #[getter]
    fn left_out(&self) -> usize {
        self.data.left_out()
    }

    /// The environment's id, what it was made with, and the limit of its episodes.
    #[getter]
    fn env<'py>(&self, py: Python<'py>) -> PyResult<Option<Made<'py>>> {
        let Some(RecordedEnv {
            id,
            kwargs,
            max_episode_steps,
        }) = self.data.recorded_env()
        else {
            return Ok(None);
        };
        Ok(Some((id.clone(), json::dictionary(py, kwargs)?, *max_episode_steps)))
    }

    #[getter]
    fn format(&self) -> &'static str {
        self.format
    }

    #[getter]
    fn metadata(&self) -> Vec<(String, String)> {
        self.metadata.clone()
    }

    /// Of every array in the file its name, shape and type.
    #[getter]
    fn arrays(&self) -> Vec<(String, Vec<u64>, String)> {
        let all = self.arrays.iter();
        all.map(|array| (array.name.clone(), array.shape.clone(), array.dtype.clone()))
            .collect()
    }

    #[getter]
    fn findings(&self) -> Vec<String> {
        self.findings.clone()
    }

    /// The file or folder; None of arrays.
    #[getter]
    fn path(&self) -> Option<PathBuf> {
        match &self.source {
            Source::Path(path) => Some(path.clone()),
            Source::Npz(_) => None,
        }
    }

    /// The bytes of arrays; None of a file.
    #[getter]
    fn npz<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
        match &self.source {
            Source::Path(_) => None,
            Source::Npz(bytes) => Some(PyBytes::new(py, bytes)),
        }
    }

    /// How it was read: the limit of episodes, keys and the rule of rewards.
    #[getter]
    fn read_options(&self) -> (Option<usize>, Option<String>, Option<String>) {
        let ReadOptions {
            max_episode_steps,
            keys,
            rewards,
            ..
        } = &self.options;
        let keys = (*keys != Keys::default()).then(|| keys.to_string());
        (*max_episode_steps, keys, rewards.as_ref().map(ToString::to_string))
    }

    /// Statistics of the rows of all episodes.
    #[pyo3(signature = (kind="gaussian"))]
    fn normalizers(&self, py: Python<'_>, kind: &str) -> PyResult<Normalizers> {
        let kind: NormalizerKind = kind.parse().or_raise()?;
        apart(py, || {
            let own = data::Normalizers::of_transitions(kind, &self.data).or_raise()?;
            Ok(Normalizers(Arc::new(own)))
        })
    }

    /// Writes it as ``"d4rl"``, ``"minari"`` or ``"npz"``, and says what is left out or made up. What is there is replaced.
    fn save(&self, py: Python<'_>, path: PathBuf, format: Option<&str>) -> PyResult<Vec<String>> {
        let format = match format {
            None => WriteFormat::of_path(&path).ok_or_else(|| {
                Trouble::value(format!(
                    "path = {:?}: expected a name that ends in .hdf5, .h5 or .npz, or in nothing for a folder of Minari; or format",
                    path.display().to_string()
                ))
            })?,
            Some("d4rl") => WriteFormat::D4rl,
            Some("minari") => WriteFormat::Minari,
            Some("npz") => WriteFormat::Npz,
            Some(other) => {
                return Err(Trouble::value(format!("format = {other:?}: expected d4rl, minari or npz")).into());
            }
        };
        apart(py, || {
            let limit = self.options.max_episode_steps;
            let options = ReadOptions {
                after_last: true,
                ..self.options.clone()
            };
            let raw = self.source.read(&options)?;
            // Its own limit of episodes, whatever the recorded one was.
            let facts = raw.recorded_env.as_ref().and_then(|env| {
                let made = RecordedEnv {
                    max_episode_steps: None,
                    ..env.clone()
                };
                env_facts(&Registry::default(), &made)
            });
            let conversion = Conversion::new(raw, limit)
                .or_raise()?
                .with_facts(facts)
                .with_dataset_id(id_of(&path));
            conversion.write(format, &path).map_err(Raise::raise)?;
            Ok(conversion.notes(format))
        })
    }
}

#[cfg(feature = "hub")]
fn id_of(folder: &Path) -> Option<String> {
    diffplan_hub::datasets::minari_id(folder)
}

#[cfg(not(feature = "hub"))]
fn id_of(_: &Path) -> Option<String> {
    None
}
