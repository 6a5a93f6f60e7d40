//! [`Folder`]: the files of a checkpoint, wherever they are.

use crate::error::{FileError, Result};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A folder of files: on disk, embedded in the program by `include_bytes!`, or in memory. Names have `/` between folders.
///
/// ```
/// use diffplan_files::Folder;
///
/// static FILES: &[(&str, &[u8])] = &[("unet/config.json", b"{}")];
/// let folder = Folder::embedded("pendulum", FILES);
/// assert!(folder.has("unet/config.json")?);
/// assert_eq!(folder.sub("unet").read_text("config.json")?, "{}");
/// # Ok::<(), diffplan_files::FileError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Folder {
    /// Where it is, or for messages what it is called.
    path: PathBuf,
    place: Place,
    variant: Option<Arc<str>>,
}

#[derive(Clone, Debug)]
enum Place {
    Disk,
    Embedded {
        files: &'static [(&'static str, &'static [u8])],
        within: String,
    },
    Memory {
        files: Arc<BTreeMap<String, Arc<[u8]>>>,
        within: String,
    },
}

impl Folder {
    /// A folder on disk. Whether it is there shows when it is read.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            place: Place::Disk,
            variant: None,
        }
    }

    /// Files embedded in the program; `name` stands for the folder in messages.
    pub fn embedded(name: &str, files: &'static [(&'static str, &'static [u8])]) -> Self {
        Self {
            path: name.into(),
            place: Place::Embedded {
                files,
                within: String::new(),
            },
            variant: None,
        }
    }

    /// Files in memory; `name` stands for the folder in messages.
    pub fn in_memory(name: &str, files: impl IntoIterator<Item = (String, Vec<u8>)>) -> Self {
        let files = files.into_iter().map(|(name, bytes)| (name, bytes.into())).collect();
        Self {
            path: name.into(),
            place: Place::Memory {
                files: Arc::new(files),
                within: String::new(),
            },
            variant: None,
        }
    }

    /// The same folder, of which readers are to take this variant where files come in several: diffusers' `variant="fp16"`. Folders in it
    /// have it too.
    #[must_use]
    pub fn of_variant(mut self, variant: Option<&str>) -> Self {
        self.variant = variant.map(Into::into);
        self
    }

    /// The variant that readers are to take.
    pub fn variant(&self) -> Option<&str> {
        self.variant.as_deref()
    }

    /// A folder in this one.
    #[must_use]
    pub fn sub(&self, name: &str) -> Self {
        let deeper = |within: &str| format!("{within}{name}/");
        Self {
            path: self.path.join(name),
            place: match &self.place {
                Place::Disk => Place::Disk,
                Place::Embedded { files, within } => Place::Embedded {
                    files,
                    within: deeper(within),
                },
                Place::Memory { files, within } => Place::Memory {
                    files: Arc::clone(files),
                    within: deeper(within),
                },
            },
            variant: self.variant.clone(),
        }
    }

    /// Where it is; for a folder that is not on disk what it is called in messages.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where a file of it is or would be, for messages.
    pub fn path_of(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Where it is on disk, if it is.
    pub fn on_disk(&self) -> Option<&Path> {
        matches!(self.place, Place::Disk).then_some(self.path.as_path())
    }

    /// Whether there is a file or a folder of this name. One that is there and cannot be looked at is an error, not an absence.
    ///
    /// # Errors
    /// What the system said, but for "not found" of the name itself.
    pub fn has(&self, name: &str) -> Result<bool> {
        match &self.place {
            Place::Disk => {
                let path = self.path.join(name);
                match fs::metadata(&path) {
                    Ok(_) => Ok(true),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => match fs::symlink_metadata(&path) {
                        Ok(_) => Err(FileError::not_found(
                            path,
                            "a link to a file that is not there: download or copy the file itself",
                        )),
                        Err(_) => Ok(false),
                    },
                    Err(error) => Err(FileError::io(path, error)),
                }
            }
            _ => Ok(self.held(name).is_some() || self.held_names().any(|held| is_within(held, name))),
        }
    }

    /// The names of the files and folders directly in it, sorted.
    ///
    /// # Errors
    /// What the system said; [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if there is no such folder.
    pub fn names(&self) -> Result<Vec<String>> {
        let names: BTreeSet<String> = match &self.place {
            Place::Disk => {
                let failed = |error| FileError::io(&self.path, error);
                let entries = fs::read_dir(&self.path).map_err(failed)?;
                let names = entries.map(|entry| Ok(entry.map_err(failed)?.file_name().to_string_lossy().into_owned()));
                names.collect::<Result<_>>()?
            }
            _ => {
                let first = |name: &str| name.split('/').next().unwrap_or(name).to_owned();
                let names: BTreeSet<String> = self.held_names().map(first).collect();
                if names.is_empty() {
                    return Err(FileError::not_found(&self.path, "no such folder"));
                }
                names
            }
        };
        Ok(names.into_iter().collect())
    }

    /// What a file holds.
    ///
    /// # Errors
    /// What the system said; [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if there is no such file.
    pub fn read(&self, name: &str) -> Result<Cow<'_, [u8]>> {
        match &self.place {
            Place::Disk => {
                let path = self.path.join(name);
                let read = fs::read(&path).map_err(|error| FileError::io(path, error));
                read.map(Cow::Owned)
            }
            _ => {
                let held = self.held(name).map(Cow::Borrowed);
                held.ok_or_else(|| FileError::not_found(self.path_of(name), "no such file"))
            }
        }
    }

    /// What a text file holds.
    ///
    /// # Errors
    /// As [`Folder::read`], and [`ErrorKind::Malformed`](crate::ErrorKind::Malformed) if it is no UTF-8.
    pub fn read_text(&self, name: &str) -> Result<String> {
        let bytes = self.read(name)?.into_owned();
        String::from_utf8(bytes).map_err(|_| FileError::malformed(self.path_of(name), "no text in UTF-8"))
    }

    fn held(&self, name: &str) -> Option<&[u8]> {
        match &self.place {
            Place::Disk => None,
            Place::Embedded { files, within } => files
                .iter()
                .find(|(held, _)| held.strip_prefix(within.as_str()) == Some(name))
                .map(|&(_, bytes)| bytes),
            Place::Memory { files, within } => files.get(&format!("{within}{name}")).map(AsRef::as_ref),
        }
    }

    /// The names of what is held in memory below this folder.
    fn held_names(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        match &self.place {
            Place::Disk => Box::new(std::iter::empty()),
            Place::Embedded { files, within } => {
                Box::new(files.iter().filter_map(|(name, _)| name.strip_prefix(within.as_str())))
            }
            Place::Memory { files, within } => {
                Box::new(files.keys().filter_map(|name| name.strip_prefix(within.as_str())))
            }
        }
    }
}

fn is_within(name: &str, folder: &str) -> bool {
    name.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

impl<P: Into<PathBuf>> From<P> for Folder {
    fn from(path: P) -> Self {
        Self::at(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    static FILES: &[(&str, &[u8])] = &[("a.json", b"{}"), ("unet/config.json", b"1"), ("unet/deep/x", b"2")];

    fn places() -> (tempfile::TempDir, [Folder; 3]) {
        let disk = tempfile::tempdir().unwrap();
        for (name, bytes) in FILES {
            let path = disk.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        let memory = FILES.iter().map(|&(name, bytes)| (name.to_owned(), bytes.to_vec()));
        let folders = [
            Folder::at(disk.path()),
            Folder::embedded("e", FILES),
            Folder::in_memory("m", memory),
        ];
        (disk, folders)
    }

    #[test]
    fn all_places_answer_alike() {
        let (_disk, folders) = places();
        for folder in &folders {
            assert_eq!(folder.names().unwrap(), ["a.json", "unet"], "{folder:?}");
            for (name, there) in [
                ("a.json", true),
                ("unet", true),
                ("un", false),
                ("unet/deep/x", true),
                ("b", false),
            ] {
                assert_eq!(folder.has(name).unwrap(), there, "{name} in {folder:?}");
            }
            let unet = folder.sub("unet");
            assert_eq!(unet.names().unwrap(), ["config.json", "deep"]);
            assert_eq!(unet.read_text("config.json").unwrap(), "1");
            assert_eq!(&*unet.sub("deep").read("x").unwrap(), b"2");
            assert_eq!(unet.read("nothing").unwrap_err().kind(), ErrorKind::NotFound);
            assert_eq!(folder.sub("no").names().unwrap_err().kind(), ErrorKind::NotFound);
            assert_eq!(unet.path_of("x"), folder.path().join("unet").join("x"));
        }
        assert_eq!(folders[0].on_disk(), Some(folders[0].path()));
        assert_eq!(folders[1].on_disk(), None);
    }

    #[cfg(unix)]
    #[test]
    fn a_broken_link_is_no_absent_file() {
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("nowhere", folder.path().join("link")).unwrap();
        let error = Folder::at(folder.path()).has("link").unwrap_err();
        assert!(
            error.to_string().contains("a link to a file that is not there"),
            "{error}"
        );
        // A file where a folder should be: not an absence either.
        fs::write(folder.path().join("file"), b"").unwrap();
        assert!(Folder::at(folder.path()).has("file/x").is_err());
    }

    #[test]
    fn text_is_utf8() {
        let folder = Folder::in_memory("m", [("x".to_owned(), vec![0xff])]);
        assert_eq!(folder.read_text("x").unwrap_err().kind(), ErrorKind::Malformed);
    }
}
