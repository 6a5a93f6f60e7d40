//! Python pickles as data: a [`Pickle`] is what was written, never what it would have done.
//!
//! A pickle is a program that builds objects and may call anything. Here nothing is imported and nothing is called: a class or function
//! is its name, and what a call would have made is an [`Object`] that says of which class, with which arguments and which state. So a
//! configuration of a project nobody has installed can be asked for its fields, and a hostile file is a lifeless tree.
//!
//! Values lie in one table and name one another by number, so that a value in itself, a hundred thousand lists in each other or the same
//! pair forty times over are no trouble: nothing recurses, not even dropping. Memory is bounded by the file's size and [`MAX_VALUES`].

mod machine;
mod ops;
mod table;
mod value;

pub(crate) use machine::{Run, run};
pub(crate) use table::{Id, Node, StorageNode, Table};
pub use value::{Kind, Object, Value};

use diffplan_files::{FileError, Folder, Result};
use std::path::Path;

/// The most values a pickle may have: more is taken for an attempt on memory rather than for a checkpoint.
pub const MAX_VALUES: usize = 1_500_000;

/// A pickle, read.
#[derive(Debug)]
pub struct Pickle {
    table: Table,
    root: Id,
}

impl Pickle {
    /// Reads a pickle from a file of a folder.
    ///
    /// # Errors
    /// If the file cannot be read, and as [`Pickle::from_bytes`].
    pub fn read(folder: &Folder, name: &str) -> Result<Self> {
        Self::from_bytes(&folder.read(name)?, &folder.path_of(name))
    }

    /// Reads a pickle of any protocol, 0 to 5, without what torch puts outside of it (that is [`TorchFile`](crate::TorchFile)'s); `path` is
    /// for errors alone.
    ///
    /// # Errors
    /// [`Malformed`](diffplan_files::ErrorKind::Malformed), with the place in the file.
    pub fn from_bytes(bytes: &[u8], path: &Path) -> Result<Self> {
        let Run { table, root, .. } = run(bytes, false).map_err(|what| FileError::malformed(path, what))?;
        Ok(Self { table, root })
    }

    pub(crate) fn new(table: Table, root: Id) -> Self {
        Self { table, root }
    }

    /// The value that was pickled.
    pub fn root(&self) -> Value<'_> {
        Value::new(&self.table, self.root)
    }

    pub(crate) fn table(&self) -> &Table {
        &self.table
    }
}
