//! [`Places`]: where D4RL and Minari look for their datasets.

use super::names::{Family, Known};
use crate::error::{Error, Result};
use std::path::{Path, PathBuf};

/// The folders of all datasets.
#[derive(Clone, Debug)]
pub struct Places {
    d4rl: PathBuf,
    minari: PathBuf,
}

impl Places {
    /// All in one folder: files of D4RL as they are, Minari's below their names.
    pub fn in_folder(folder: impl AsRef<Path>) -> Self {
        Self {
            d4rl: folder.as_ref().to_owned(),
            minari: folder.as_ref().to_owned(),
        }
    }

    /// `$D4RL_DATASET_DIR` or `~/.d4rl/datasets`, `$MINARI_DATASETS_PATH` or `~/.minari/datasets`.
    ///
    /// # Errors
    /// [`Error::Setting`] without any of them.
    pub fn from_env() -> Result<Self> {
        Self::from_variables(|name| std::env::var(name).ok())
    }

    fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let path = |name: &str| {
            let value = variable(name).filter(|value| !value.trim().is_empty());
            value.map(PathBuf::from)
        };
        let home = path("HOME").or_else(|| path("USERPROFILE"));
        let of = |name: &'static str, own: &str| {
            let default = || Some(home.as_ref()?.join(own).join("datasets"));
            path(name).or_else(default).ok_or_else(|| Error::Setting {
                name,
                reason: "neither it nor HOME is set, expected a folder for datasets".into(),
            })
        };
        Ok(Self {
            d4rl: of("D4RL_DATASET_DIR", ".d4rl")?,
            minari: of("MINARI_DATASETS_PATH", ".minari")?,
        })
    }

    /// The folder of all datasets of a family.
    pub fn folder(&self, family: Family) -> &Path {
        match family {
            Family::D4rl => &self.d4rl,
            Family::Minari => &self.minari,
        }
    }

    /// Where a dataset is, once it is there: a file of D4RL, a folder of Minari.
    pub fn of(&self, known: &Known) -> PathBuf {
        match known.family() {
            Family::D4rl => self.d4rl.join(known.file()),
            Family::Minari => self.minari.join(known.path()),
        }
    }

    /// That, if it is there whole.
    pub fn find(&self, known: &Known) -> Option<PathBuf> {
        let path = self.of(known);
        let there = match known.family() {
            Family::D4rl => path.is_file(),
            Family::Minari => path.join("data/metadata.json").is_file() && path.join("data/main_data.hdf5").is_file(),
        };
        there.then_some(path)
    }
}

/// What somebody means by a path that may be a dataset's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Located {
    /// A file or folder: as it was given, or where the dataset of that name was downloaded to.
    At(PathBuf),
    /// A dataset of this name, which would be there and is not.
    NotDownloaded {
        /// Its name.
        name: String,
        /// Where it would be.
        path: PathBuf,
    },
}

/// What a path stands for: itself, unless it is no file here and the name of a dataset.
///
/// # Errors
/// As [`Places::from_env`].
pub fn locate(given: &Path) -> Result<Located> {
    let named = given
        .to_str()
        .filter(|_| !given.exists())
        .and_then(|name| Known::of(name).ok());
    let Some(known) = named else {
        return Ok(Located::At(given.to_owned()));
    };
    let places = Places::from_env()?;
    Ok(match places.find(&known) {
        Some(path) => Located::At(path),
        // What only looks like a name may be a path with a slip in it.
        None if Known::listed(known.name()).is_none() => Located::At(given.to_owned()),
        None => Located::NotDownloaded {
            name: known.name().to_owned(),
            path: places.of(&known),
        },
    })
}

/// The id that Minari knows a folder by, if it lies among its datasets.
pub fn minari_id(folder: &Path) -> Option<String> {
    let places = Places::from_env().ok()?;
    let root = std::path::absolute(places.folder(Family::Minari)).ok()?;
    let folder = std::path::absolute(folder).ok()?;
    let id = folder.strip_prefix(root).ok()?.to_str()?.replace('\\', "/");
    Known::of(&id).is_ok().then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datasets_are_where_their_projects_look() {
        let places = |set: &[(&str, &str)]| {
            let get = |name: &str| {
                set.iter()
                    .find(|(key, _)| *key == name)
                    .map(|(_, value)| (*value).to_owned())
            };
            Places::from_variables(get)
        };
        let (hopper, door) = (
            Known::of("hopper-medium-v2").unwrap(),
            Known::of("D4RL/door/human-v2").unwrap(),
        );
        let home = places(&[("HOME", "/u")]).unwrap();
        assert_eq!(home.of(&hopper), Path::new("/u/.d4rl/datasets/hopper_medium-v2.hdf5"));
        assert_eq!(home.of(&door), Path::new("/u/.minari/datasets/D4RL/door/human-v2"));
        let told = places(&[("D4RL_DATASET_DIR", "/d"), ("MINARI_DATASETS_PATH", "/m")]).unwrap();
        assert_eq!(told.of(&hopper), Path::new("/d/hopper_medium-v2.hdf5"));
        assert_eq!(told.of(&door), Path::new("/m/D4RL/door/human-v2"));
        assert!(places(&[]).is_err());
        assert_eq!(told.find(&hopper), None);
    }
}
