//! [`ConfigFile`]: one of the `*_config.pkl` that a run leaves beside its states.
//!
//! Each is one object of class `diffuser.utils.config.Config`, whose `_class` is the class that was configured and whose `_dict` the
//! arguments it was called with.

use crate::error::{Error, Result};
use diffplan_files::Folder;
use diffplan_tensors::{Kind, Pickle, Value};
use std::path::{Path, PathBuf};

/// A configuration, read and never run.
#[derive(Debug)]
pub struct ConfigFile {
    path: PathBuf,
    pickle: Pickle,
}

impl ConfigFile {
    /// That of a folder, if it has one of this name.
    ///
    /// # Errors
    /// If it cannot be read, or is no configuration of a run.
    pub fn of_folder(folder: &Folder, name: &str) -> Result<Option<Self>> {
        match folder.has(name)? {
            true => Self::from_bytes(&folder.read(name)?, &folder.path_of(name)).map(Some),
            false => Ok(None),
        }
    }

    /// The content of a file; `path` is for messages.
    ///
    /// # Errors
    /// As [`ConfigFile::of_folder`].
    pub fn from_bytes(bytes: &[u8], path: &Path) -> Result<Self> {
        let pickle = Pickle::from_bytes(bytes, path)?;
        let file = Self {
            path: path.to_owned(),
            pickle,
        };
        match file.dict().map(Value::kind) {
            Some(Kind::Dict(_)) => Ok(file),
            _ => Err(Error::source(
                path,
                format!(
                    "holds {}, expected a Config of jannerm/diffuser, with `_class` and `_dict`",
                    file.pickle.root().describe()
                ),
            )),
        }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn dict(&self) -> Option<Value<'_>> {
        self.pickle.root().get("_dict")
    }

    /// The class that is configured, without its module.
    pub fn class(&self) -> Option<&str> {
        match self.pickle.root().get("_class")?.kind() {
            Kind::Global(_, name) => Some(name.rsplit('.').next().unwrap_or(name)),
            _ => None,
        }
    }

    /// An argument; `None` if it is not there, or None.
    fn get(&self, key: &str) -> Option<Value<'_>> {
        let value = self.dict()?.get(key)?;
        (!matches!(value.kind(), Kind::None)).then_some(value)
    }

    fn typed<'a, T>(&'a self, key: &str, expected: &str, read: impl Fn(Value<'a>) -> Option<T>) -> Result<Option<T>> {
        let Some(value) = self.get(key) else { return Ok(None) };
        read(value).map(Some).ok_or_else(|| {
            let what = format!("`{key}` is {}, expected {expected}", value.describe());
            Error::source(&self.path, what)
        })
    }

    /// A whole number from 0 up.
    ///
    /// # Errors
    /// If it is something else.
    pub fn count(&self, key: &str) -> Result<Option<usize>> {
        self.typed(key, "a whole number from 0 up", |value| value.as_int()?.try_into().ok())
    }

    /// A truth value.
    ///
    /// # Errors
    /// If it is something else.
    pub fn truth(&self, key: &str) -> Result<Option<bool>> {
        self.typed(key, "True or False", |value| {
            value.as_bool().or_else(|| match value.as_int() {
                Some(0) => Some(false),
                Some(1) => Some(true),
                _ => None,
            })
        })
    }

    /// A finite number.
    ///
    /// # Errors
    /// If it is something else.
    pub fn number(&self, key: &str) -> Result<Option<f64>> {
        self.typed(key, "a finite number", |value| value.as_f64().filter(|x| x.is_finite()))
    }

    /// Text.
    ///
    /// # Errors
    /// If it is something else.
    pub fn text(&self, key: &str) -> Result<Option<&str>> {
        self.typed(key, "a string", Value::as_str)
    }

    /// The name of a class: text, or the class itself.
    ///
    /// # Errors
    /// If it is something else.
    pub fn name(&self, key: &str) -> Result<Option<&str>> {
        self.typed(key, "the name of a class", |value| match value.kind() {
            Kind::Global(_, name) => Some(name),
            _ => value.as_str(),
        })
    }

    /// A list or tuple.
    fn all<'a, T>(&'a self, key: &str, expected: &str, one: impl Fn(Value<'a>) -> Option<T>) -> Result<Option<Vec<T>>> {
        self.typed(key, expected, |value| match value.kind() {
            Kind::List(values) | Kind::Tuple(values) => values.into_iter().map(&one).collect(),
            _ => None,
        })
    }

    /// A list of whole numbers.
    ///
    /// # Errors
    /// If it is something else.
    pub fn counts(&self, key: &str) -> Result<Option<Vec<usize>>> {
        self.all(key, "a list of whole numbers", |value| value.as_int()?.try_into().ok())
    }

    /// A list of texts.
    ///
    /// # Errors
    /// If it is something else.
    pub fn texts(&self, key: &str) -> Result<Option<Vec<&str>>> {
        self.all(key, "a list of names", Value::as_str)
    }

    /// That what is said here, if it is, is what something else says.
    ///
    /// # Errors
    /// If they differ; the error names both.
    pub fn agrees<T: PartialEq + std::fmt::Debug>(
        &self,
        key: &str,
        here: Option<T>,
        other: &T,
        who: &str,
    ) -> Result<()> {
        match here {
            Some(here) if here != *other => Err(Error::source(
                &self.path,
                format!("`{key}` is {here:?}, but {who} {other:?}: are these files of one run?"),
            )),
            _ => Ok(()),
        }
    }
}
