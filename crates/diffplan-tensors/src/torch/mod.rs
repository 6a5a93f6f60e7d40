//! [`TorchFile`]: what `torch.save` wrote; [`torch_bytes`]: what it would write.

mod legacy;
mod write;
mod zip;

pub use write::torch_bytes;

use crate::named::NamedTensors;
use crate::pickle::{Id, Kind, Node, Pickle, Value};
use crate::tensor::{Bytes, Tensor};
use diffplan_files::{FileError, Folder, Result, WrongContent, recognise};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// What `torch.save` wrote, in the zip format or the one before PyTorch 1.6.
///
/// ```no_run
/// use diffplan_tensors::TorchFile;
///
/// let file = TorchFile::open("state_190000.pt".as_ref())?;
/// let ema = file.root().get("ema").expect("a checkpoint of Diffuser");
/// for (name, tensor) in file.state_dict(ema)?.iter() {
///     println!("{name}: {} {:?}", tensor.dtype(), tensor.shape());
/// }
/// # Ok::<(), diffplan_files::FileError>(())
/// ```
#[derive(Debug)]
pub struct TorchFile {
    path: PathBuf,
    pickle: Pickle,
    tensors: HashMap<Id, Tensor>,
}

impl TorchFile {
    /// Reads a file on disk.
    ///
    /// # Errors
    /// If it cannot be read, and as [`TorchFile::from_bytes`].
    pub fn open(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|error| FileError::io(path, error))?;
        Self::from_bytes(bytes, path)
    }

    /// Reads a file of a folder.
    ///
    /// # Errors
    /// As [`TorchFile::open`].
    pub fn read(folder: &Folder, name: &str) -> Result<Self> {
        Self::from_bytes(folder.read(name)?.into_owned(), &folder.path_of(name))
    }

    /// Reads the content of a file; `path` is for errors alone.
    ///
    /// # Errors
    /// What is wrong with it, and where; what it is, if it is something else.
    pub fn from_bytes(bytes: Vec<u8>, path: &Path) -> Result<Self> {
        let bytes = Bytes::whole(bytes);
        let read = match recognise(&bytes) {
            Some(WrongContent::Zip) => zip::read(&bytes),
            Some(WrongContent::Pickle) => legacy::read(&bytes),
            Some(other) => return Err(FileError::wrong_content(path, other, "what torch.save writes")),
            None if legacy::is_magic(&bytes) => legacy::read(&bytes),
            None if bytes.get(257..262) == Some(b"ustar") => {
                Err("the tar format of torch 0.1: load and save it again in a PyTorch of today".into())
            }
            None => Err("nothing that torch.save writes".into()),
        };
        let malformed = |what| FileError::malformed(path, what);
        let (pickle, storages) = read.map_err(malformed)?;
        let mut tensors = HashMap::new();
        for (id, tensor) in pickle.table().tensors() {
            // A tensor is made of a storage, so there are its bytes.
            let storage = storages
                .get(&tensor.storage)
                .ok_or_else(|| malformed("a tensor without a storage".into()))?;
            let view = Tensor::view(tensor.dtype, &tensor.shape, &tensor.strides, tensor.offset, storage);
            tensors.insert(id, view.map_err(malformed)?);
        }
        Ok(Self {
            path: path.to_owned(),
            pickle,
            tensors,
        })
    }

    /// Whether these are the first bytes of a file of torch.
    pub(crate) fn is(bytes: &[u8]) -> bool {
        matches!(recognise(bytes), Some(WrongContent::Zip | WrongContent::Pickle)) || legacy::is_magic(bytes)
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What was saved.
    pub fn root(&self) -> Value<'_> {
        self.pickle.root()
    }

    /// The tensor that a value is, if it is one.
    pub fn tensor(&self, value: Value<'_>) -> Option<&Tensor> {
        self.tensors.get(&value.id())
    }

    /// The tensors of a dictionary by name, in order; dictionaries in it count with a dot between the names. Values that are no tensors are left out,
    /// and named in [`NamedTensors::others`].
    ///
    /// # Errors
    /// If it is no dictionary, or has no tensors; a saved module says how its state dict is saved.
    pub fn state_dict(&self, dict: Value<'_>) -> Result<NamedTensors> {
        // State dicts have two or three names within each other.
        const DEEP: usize = 32;
        // More names than tensors there can be: the same dictionary again and again.
        const NAMES: usize = 200_000;
        let malformed = |what: String| FileError::malformed(&self.path, what);
        let Kind::Dict(entries) = dict.kind() else {
            return Err(malformed(not_a_dict(dict)));
        };
        let mut named = NamedTensors::new(&self.path);
        let mut pending = vec![(String::new(), entries.into_iter())];
        while let Some((prefix, entries)) = pending.last_mut() {
            let Some((key, value)) = entries.next() else {
                pending.pop();
                continue;
            };
            let name = match (key.as_str(), key.as_int()) {
                (Some(key), _) => format!("{prefix}{key}"),
                (None, Some(key)) => format!("{prefix}{key}"),
                _ => continue,
            };
            if let Some(tensor) = self.tensor(value) {
                named.push(name, tensor.clone());
            } else if let Kind::Dict(entries) = value.kind() {
                if pending.len() >= DEEP {
                    return Err(malformed(format!(
                        "dictionaries within each other more than {DEEP} deep"
                    )));
                }
                pending.push((name + ".", entries.into_iter()));
            } else {
                named.push_other(name, value.describe());
            }
            if named.len() + named.others().len() > NAMES {
                return Err(malformed(format!("more than {NAMES} names in its dictionaries")));
            }
        }
        match named.is_empty() {
            true => Err(malformed("there is no tensor in it".into())),
            false => Ok(named),
        }
    }
}

fn not_a_dict(value: Value<'_>) -> String {
    let is_module = value.get("_parameters").is_some() && value.get("_modules").is_some();
    match is_module {
        true => format!(
            "it holds a module ({}), not a state dict: save that, in Python: `torch.save(model.state_dict(), FILE)`",
            value.describe()
        ),
        false => format!("it holds {}, expected a dictionary of tensors", value.describe()),
    }
}

/// What the readers of both formats give: the values, and the bytes of every storage.
type Read = std::result::Result<(Pickle, HashMap<Id, Bytes>), String>;

/// How many bytes a storage has, as its type and length say; of one without a type, its length is in bytes.
fn storage_len(node: &crate::pickle::StorageNode) -> std::result::Result<usize, String> {
    let size = node.dtype.map_or(1, crate::Dtype::size) as u64;
    let len = node.numel.checked_mul(size).and_then(|len| usize::try_from(len).ok());
    len.ok_or_else(|| format!("a storage of {} elements, which no memory holds", node.numel))
}

/// Whether a value is a dictionary.
fn is_dict(pickle: &Pickle) -> bool {
    matches!(pickle.table().node(pickle.root().id()), Node::Dict(_))
}
