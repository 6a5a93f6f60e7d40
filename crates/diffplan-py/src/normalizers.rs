//! `Normalizers`: a checkpoint's statistics.

use crate::arrays::{self, hand_over};
use crate::errors::{OrRaise, Trouble};
use diffplan::data::{self, Normalizer, NormalizerKind, ReadOptions};
use diffplan::ndarray::Ix2;
use numpy::PyArrayDyn;
use pyo3::prelude::*;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The statistics of one checkpoint, of observations, actions and, where the value function's target was scaled, values.
///
/// Between the environment's units and the networks' numbers.
#[pyclass(frozen, module = "diffplan")]
pub(crate) struct Normalizers(pub(crate) Arc<data::Normalizers>);

impl Normalizers {
    fn of(&self, key: &str) -> PyResult<&Normalizer> {
        let own = match key {
            "observations" => Some(self.0.observations()),
            "actions" => Some(self.0.actions()),
            "values" => self.0.values(),
            _ => {
                let message = format!("key = {key:?}: expected observations, actions or values");
                return Err(Trouble::value(message).into());
            }
        };
        own.ok_or_else(|| Trouble::value("there are no statistics of values").into())
    }
}

fn kind_of(kind: &str) -> PyResult<NormalizerKind> {
    kind.parse::<NormalizerKind>().or_raise()
}

#[pymethods]
impl Normalizers {
    /// Of the text of a ``normalizer.json``.
    #[new]
    fn of_text(text: &str) -> PyResult<Self> {
        let own = data::Normalizers::from_bytes(text.as_bytes(), Path::new("normalizer.json")).or_raise()?;
        Ok(Self(Arc::new(own)))
    }

    /// Of a file ``normalizer.json``.
    #[staticmethod]
    fn from_json(path: PathBuf) -> PyResult<Self> {
        Ok(Self(Arc::new(data::Normalizers::from_json(path).or_raise()?)))
    }

    /// Fitted to a dataset.
    ///
    /// Parameters
    /// ----------
    /// observations : array_like, shape (steps, observation dimensions)
    /// actions : array_like, shape (steps, action dimensions)
    /// kind : str
    ///     ``"gaussian"``, ``"scalar_gaussian"`` (one number for all dimensions, as diffusers has it), ``"limits"``, ``"safe_limits"`` or
    ///     ``"cdf"``.
    #[staticmethod]
    #[pyo3(signature = (observations, actions, kind="gaussian"))]
    fn fit(observations: &Bound<'_, PyAny>, actions: &Bound<'_, PyAny>, kind: &str) -> PyResult<Self> {
        let observations = arrays::of_rank::<Ix2>(observations, "observations", "(steps, observation dimensions)")?;
        let actions = arrays::of_rank::<Ix2>(actions, "actions", "(steps, action dimensions)")?;
        let own = data::Normalizers::fit(kind_of(kind)?, observations.view(), actions.view()).or_raise()?;
        Ok(Self(Arc::new(own)))
    }

    /// Fitted to the dataset in a file: HDF5, npz or any other that diffplan reads.
    #[staticmethod]
    #[pyo3(signature = (path, kind="gaussian"))]
    fn of_file(py: Python<'_>, path: PathBuf, kind: &str) -> PyResult<Self> {
        let kind = kind_of(kind)?;
        crate::work::apart(py, || {
            let own = data::Normalizers::of_file(path, kind, &ReadOptions::default()).or_raise()?;
            Ok(Self(Arc::new(own)))
        })
    }

    /// From the environment's units to the networks'.
    ///
    /// Parameters
    /// ----------
    /// values : array_like, any rank, dimensions last
    /// key : str
    ///     ``"observations"``, ``"actions"`` or ``"values"``.
    #[pyo3(signature = (values, key="observations"))]
    fn normalize(&self, py: Python<'_>, values: &Bound<'_, PyAny>, key: &str) -> PyResult<Py<PyArrayDyn<f32>>> {
        let mut values = arrays::numbers(values, "values")?;
        self.of(key)?.normalize_inplace(values.view_mut()).or_raise()?;
        Ok(hand_over(py, values))
    }

    /// From the networks' numbers to the environment's units; parameters as for ``normalize``.
    #[pyo3(signature = (values, key="observations"))]
    fn denormalize(&self, py: Python<'_>, values: &Bound<'_, PyAny>, key: &str) -> PyResult<Py<PyArrayDyn<f32>>> {
        let mut values = arrays::numbers(values, "values")?;
        self.of(key)?.denormalize_inplace(values.view_mut()).or_raise()?;
        Ok(hand_over(py, values))
    }

    /// The text of ``normalizer.json``.
    fn to_json(&self) -> String {
        self.0.to_json()
    }

    /// Writes ``normalizer.json``, whole or not at all.
    fn save(&self, path: PathBuf) -> PyResult<()> {
        self.0.save(path).or_raise()
    }

    fn __eq__(&self, other: &Self) -> bool {
        self.0 == other.0
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> (Bound<'py, PyAny>, (String,)) {
        (slf.get_type().into_any(), (slf.get().to_json(),))
    }

    fn __copy__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __deepcopy__(slf: Py<Self>, _memo: &Bound<'_, PyAny>) -> Py<Self> {
        slf
    }

    fn __repr__(&self) -> String {
        let kinds = [self.0.observations(), self.0.actions()].map(|own| own.config().kind().name());
        format!("Normalizers(observations={:?}, actions={:?})", kinds[0], kinds[1])
    }
}
