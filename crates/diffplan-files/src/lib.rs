//! How diffplan meets files, in one place.
//!
//! - [`write_atomically`] and [`write_folder_atomically`] write what appears whole or not at all; a [`FolderLock`] keeps a second process out.
//! - [`Rows`] is a table on disk that grows a row at a time and survives a kill.
//! - A [`Folder`] holds a checkpoint's files: on disk, embedded in the program, or in memory. Every loader takes one.
//! - [`parse_json_object`] reads JSON as Python writes it; [`nearest`] finds the key that was meant; a
//!   [`Release`] says which release of diffusers wrote it.
//! - [`recognise`] tells what a file is that is not what it should be: a Git LFS pointer, a web page, a pickle.
//! - A [`FileError`] says which file, what was wrong and what to do; its [`ErrorKind`] is for programs.
//!
//! Nothing here knows a checkpoint, a network or a dataset.

mod atomic;
mod error;
mod folder;
mod json;
mod lock;
mod nearest;
mod release;
mod rows;
mod whole;
mod wrong;

pub use atomic::{folder_of, prepare_folder, write_atomically, write_atomically_with};
pub use error::{ErrorKind, FileError, Result};
pub use folder::Folder;
pub use json::{name_non_finite, number, parse_json, parse_json_object};
pub use lock::FolderLock;
pub use nearest::nearest;
pub use release::Release;
pub use rows::{Rows, read_rows};
pub use whole::write_folder_atomically;
pub use wrong::{WrongContent, recognise};

/// The release of diffusers whose layout is written; it goes into the files, as diffusers writes its own.
pub const DIFFUSERS_VERSION: &str = "0.42.1";
