//! Where libmujoco is.
//!
//! In this order: the file or folder that the environment variable `MUJOCO_LIB` names, and nothing else where it is set
//! (empty counts as unset); the folders that a program [names](look_in); the `mujoco` package of the Python environment that is active (`VIRTUAL_ENV`, `CONDA_PREFIX`); what the system's loader
//! finds as `libmujoco.so`; the folders of MuJoCo's own archives below `~/.mujoco`; the package that `python3` imports.

use std::collections::HashMap;
use std::env::var_os;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::ffi::Library;
use crate::{Error, Result};

/// The variable that says where libmujoco is.
pub(super) const VARIABLE: &str = "MUJOCO_LIB";

/// The library that is found first, loaded once a process.
pub(super) fn find() -> Result<Arc<Library>> {
    if let Some(given) = var_os(VARIABLE).filter(|given| !given.is_empty()) {
        // With its folder: a bare name would be the loader's to look for.
        let given = std::path::absolute(&given).unwrap_or_else(|_| given.into());
        let file = if given.is_dir() {
            in_folder(&given).ok_or_else(|| Error::MujocoLibrary {
                path: given.clone(),
                reason: format!("{VARIABLE} names a folder without a libmujoco in it"),
            })?
        } else {
            given
        };
        return load(&file);
    }
    let (mut tried, mut unusable) = (Vec::new(), None);
    for place in [told, active_python, system, archives, any_python] {
        match place() {
            // A file that cannot be used hides none that can.
            Ok(file) => match load(&file) {
                Ok(library) => return Ok(library),
                // The loader's own search has no file to speak of: there is none.
                Err(Error::MujocoLibrary { .. }) if file.parent() == Some(Path::new("")) => {
                    tried.push(format!("{} by the loader", file.display()));
                }
                Err(error) => unusable = unusable.or(Some(error)),
            },
            Err(where_else) if where_else.is_empty() => {}
            Err(where_else) => tried.push(where_else),
        }
    }
    Err(unusable.unwrap_or(Error::MujocoMissing { tried }))
}

/// Loads a file, or hands out what was loaded from it before.
fn load(file: &Path) -> Result<Arc<Library>> {
    static LOADED: OnceLock<Mutex<HashMap<PathBuf, Arc<Library>>>> = OnceLock::new();
    let loaded = LOADED.get_or_init(Mutex::default);
    let mut loaded = loaded.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(library) = loaded.get(file) {
        return Ok(library.clone());
    }
    let library = Arc::new(Library::open(file)?);
    loaded.insert(file.to_owned(), library.clone());
    Ok(library)
}

/// A file, or in words where none was; no words for nowhere.
type Place = std::result::Result<PathBuf, String>;

static TOLD: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// A folder to look for libmujoco in ahead of every other place but `MUJOCO_LIB`: for a program that knows better than its surroundings, such as an
/// extension of the Python whose `mujoco` package it is to be.
pub fn look_in(folder: impl Into<PathBuf>) {
    let folder = folder.into();
    let mut told = TOLD.lock().unwrap_or_else(PoisonError::into_inner);
    if !told.contains(&folder) {
        told.push(folder);
    }
}

fn told() -> Place {
    let told = TOLD.lock().unwrap_or_else(PoisonError::into_inner);
    let found = told.iter().find_map(|folder| in_folder(folder));
    found.ok_or_else(|| {
        let names: Vec<_> = told.iter().map(|folder| folder.display().to_string()).collect();
        names.join(", ")
    })
}

fn active_python() -> Place {
    let roots = ["VIRTUAL_ENV", "CONDA_PREFIX"]
        .iter()
        .filter_map(var_os)
        .map(PathBuf::from);
    let packages = roots.flat_map(|root| {
        let lib = root.join("lib");
        let pythons = folders(&lib, "python").into_iter().rev();
        pythons.map(|python| python.join("site-packages").join("mujoco"))
    });
    packages
        .filter_map(|package| in_folder(&package))
        .next()
        .ok_or_else(|| "the active Python environment".into())
}

fn system() -> Place {
    Ok(PathBuf::from(libloading::library_filename("mujoco")))
}

fn archives() -> Place {
    let places = "~/.mujoco/mujoco-*/lib";
    let home = var_os("HOME").map(PathBuf::from).ok_or(places)?;
    let versions = folders(&home.join(".mujoco"), "mujoco-");
    let file = versions
        .iter()
        .rev()
        .find_map(|version| in_folder(&version.join("lib")));
    file.ok_or_else(|| places.into())
}

/// Asked once: it starts a process.
fn any_python() -> Place {
    static PACKAGE: OnceLock<Option<PathBuf>> = OnceLock::new();
    let package = PACKAGE.get_or_init(|| {
        // Without the current folder in the path: what lies there was not installed.
        const SCRIPT: &str = "import os, sys; sys.path[:] = [p for p in sys.path if os.path.isabs(p)]; \
             import importlib.util as u; s = u.find_spec('mujoco'); print(s.submodule_search_locations[0] if s else '')";
        let mut python = Command::new("python3");
        let output = python.args(["-c", SCRIPT]).stdin(Stdio::null()).output().ok()?;
        let path = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
        path.is_absolute().then_some(path)
    });
    let file = package.as_deref().and_then(in_folder);
    file.ok_or_else(|| "the mujoco package of python3".into())
}

/// The libmujoco in a folder, if there is one: of several versions the newest.
fn in_folder(folder: &Path) -> Option<PathBuf> {
    let is_library = |path: &PathBuf| {
        let name = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        (name.starts_with("libmujoco.") && (name.contains(".so") || name.ends_with(".dylib"))) || name == "mujoco.dll"
    };
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .ok()?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(is_library)
        .collect();
    files.sort_by_key(|file| numbers_in(file));
    files.pop()
}

/// The numbers in a name, which order versions: 3.9.0 comes before 3.17.0.
fn numbers_in(path: &Path) -> Vec<u64> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    let name = name.unwrap_or_default();
    let digits = name.split(|c: char| !c.is_ascii_digit());
    digits.filter_map(|number| number.parse().ok()).collect()
}

/// The folders in `parent` whose names begin with `prefix`, by version.
fn folders(parent: &Path, prefix: &str) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(parent) else {
        return Vec::new();
    };
    let mut folders: Vec<PathBuf> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| {
            path.file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with(prefix))
        })
        .collect();
    folders.sort_by_key(|folder| numbers_in(folder));
    folders
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_gives_the_library_in_it() {
        let folder = std::env::temp_dir().join(format!("diffplan-library-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        assert_eq!(in_folder(&folder), None);
        for name in [
            "libmujoco.so.3.4.0",
            "libmujoco.so.3.17.0",
            "mujoco.txt",
            "libmujoco_simulate.a",
        ] {
            std::fs::write(folder.join(name), "").unwrap();
        }
        assert_eq!(in_folder(&folder), Some(folder.join("libmujoco.so.3.17.0")));
        assert_eq!(in_folder(&folder.join("none")), None);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
