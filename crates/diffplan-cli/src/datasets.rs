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
    use diffplan_hub::datasets::{Known, Places};

    let named = given
        .to_str()
        .filter(|_| !given.exists())
        .and_then(|name| Known::of(name).ok());
    let Some(known) = named else {
        return Ok(given.to_owned());
    };
    let places = Places::from_env()?;
    match places.find(&known) {
        Some(path) => Ok(path),
        // What only looks like a name may be a path with a slip in it.
        None if Known::listed(known.name()).is_none() => Ok(given.to_owned()),
        None => Err(Error::NotDownloaded {
            name: known.name().to_owned(),
            path: places.of(&known),
        }),
    }
}

#[cfg(not(feature = "hub"))]
pub(crate) fn path(given: &Path) -> Result<PathBuf> {
    Ok(given.to_owned())
}

/// The id that Minari knows a folder by, if it lies among its datasets.
#[cfg(feature = "hub")]
pub(crate) fn minari_id(folder: &Path) -> Option<String> {
    use diffplan_hub::datasets::{Family, Known, Places};

    let places = Places::from_env().ok()?;
    let root = std::path::absolute(places.folder(Family::Minari)).ok()?;
    let folder = std::path::absolute(folder).ok()?;
    let id = folder.strip_prefix(root).ok()?.to_str()?.replace('\\', "/");
    Known::of(&id).is_ok().then_some(id)
}

#[cfg(not(feature = "hub"))]
pub(crate) fn minari_id(_: &Path) -> Option<String> {
    None
}
