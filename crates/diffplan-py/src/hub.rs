//! Checkpoints by their names on the Hub.

use pyo3::prelude::*;

/// The folder of a repository of the Hub, downloaded as far as it is not in the cache of huggingface_hub.
#[pyfunction]
#[pyo3(signature = (name, subfolder=None, variant=None, offline=false))]
pub(crate) fn fetch(
    py: Python<'_>,
    name: &str,
    subfolder: Option<String>,
    variant: Option<String>,
    offline: bool,
) -> PyResult<std::path::PathBuf> {
    fetched(py, name, subfolder, variant, offline)
}

#[cfg(feature = "hub")]
fn fetched(
    py: Python<'_>,
    name: &str,
    subfolder: Option<String>,
    variant: Option<String>,
    offline: bool,
) -> PyResult<std::path::PathBuf> {
    use crate::errors::Trouble;
    use diffplan_hub::{Hub, Part, RepoName, Settings};
    let refuse = |error: diffplan_hub::Error| -> PyErr { Trouble::new("FileMissing", "hub", error.to_string()).into() };
    let repository: RepoName = name.parse().map_err(refuse)?;
    let part = Part { subfolder, variant };
    crate::work::apart(py, || {
        let mut settings = Settings::from_env().map_err(refuse)?;
        settings.offline |= offline;
        let hub = Hub::new(settings);
        Ok(hub.fetch(&repository, &part, &|_| {}).map_err(refuse)?.folder)
    })
}

#[cfg(not(feature = "hub"))]
fn fetched(_: Python<'_>, name: &str, _: Option<String>, _: Option<String>, _: bool) -> PyResult<std::path::PathBuf> {
    let message = format!("{name} is no folder here, and this build does not know the Hub (feature hub)");
    Err(crate::errors::Trouble::new("FileMissing", "hub", message).into())
}
