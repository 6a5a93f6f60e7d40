//! A dataset that is no file here: by the name that it was downloaded by.

use crate::error::Result;
use std::path::{Path, PathBuf};

/// What a name stands for, if it is the name of a dataset that was downloaded and no file.
///
/// # Errors
/// If there is such a dataset, and it is not here.
#[cfg(feature = "hub")]
pub(crate) fn path(given: &Path) -> Result<PathBuf> {
    use crate::error::Error;
    use diffplan_hub::datasets::{Located, locate};

    match locate(given)? {
        Located::At(path) => Ok(path),
        Located::NotDownloaded { name, path } => Err(Error::NotDownloaded { name, path }),
    }
}

#[cfg(not(feature = "hub"))]
pub(crate) fn path(given: &Path) -> Result<PathBuf> {
    Ok(given.to_owned())
}

/// The id that Minari knows a folder by, if it lies among its datasets.
#[cfg(feature = "hub")]
pub(crate) fn minari_id(folder: &Path) -> Option<String> {
    diffplan_hub::datasets::minari_id(folder)
}

#[cfg(not(feature = "hub"))]
pub(crate) fn minari_id(_: &Path) -> Option<String> {
    None
}
