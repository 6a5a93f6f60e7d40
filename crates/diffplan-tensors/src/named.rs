//! [`NamedTensors`]: an ordered source of tensors by name, from whatever file.

use crate::dtype::Dtype;
use crate::tensor::{Bytes, Tensor};
use crate::torch::TorchFile;
use diffplan_files::{FileError, Folder, Result, WrongContent, recognise};
use safetensors::SafeTensors;
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// Tensors by name, in the order of their file.
#[derive(Clone, Debug)]
pub struct NamedTensors {
    path: PathBuf,
    tensors: Vec<(String, Tensor)>,
    others: Vec<(String, String)>,
}

impl NamedTensors {
    pub(crate) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            tensors: Vec::new(),
            others: Vec::new(),
        }
    }

    /// Reads a file of a folder.
    ///
    /// # Errors
    /// If it cannot be read, and as [`NamedTensors::from_bytes`].
    pub fn read(folder: &Folder, name: &str) -> Result<Self> {
        Self::from_bytes(folder.read(name)?.into_owned(), &folder.path_of(name))
    }

    /// The tensors of a file's content: safetensors, or a dictionary that `torch.save` wrote, whatever it is called; `path` is for
    /// messages alone.
    ///
    /// # Errors
    /// What is wrong with it, or what else it is.
    pub fn from_bytes(bytes: Vec<u8>, path: &Path) -> Result<Self> {
        if TorchFile::is(&bytes) {
            let file = TorchFile::from_bytes(bytes, path)?;
            return file.state_dict(file.root());
        }
        match recognise(&bytes) {
            Some(WrongContent::Safetensors) | None => {}
            Some(other) => {
                return Err(FileError::wrong_content(
                    path,
                    other,
                    "tensors in safetensors' or PyTorch's format",
                ));
            }
        }
        let bytes = Bytes::whole(bytes);
        let malformed = |reason: String| FileError::malformed(path, format!("not a valid safetensors file: {reason}"));
        let file = SafeTensors::deserialize(&bytes).map_err(|error| malformed(error.to_string()))?;
        let mut tensors = Self::new(path);
        let mut views = file.tensors();
        views.sort_by_key(|(_, view)| view.data().as_ptr());
        for (name, view) in views {
            let dtype = dtype(view.dtype());
            let Some(dtype) = dtype else {
                tensors.push_other(name, format!("a tensor of {:?}", view.dtype()));
                continue;
            };
            // A view of the file that was just read is a part of it.
            let start = view.data().as_ptr() as usize - bytes.as_ptr() as usize;
            let part = bytes.part(start..start + view.data().len());
            tensors.push(name, Tensor::contiguous(dtype, view.shape().to_vec(), part));
        }
        Ok(tensors)
    }

    pub(crate) fn push(&mut self, name: String, tensor: Tensor) {
        self.tensors.push((name, tensor));
    }

    pub(crate) fn push_other(&mut self, name: String, what: String) {
        self.others.push((name, what));
    }

    /// The file they came from, or the first of several.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.tensors.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.tensors.is_empty()
    }

    /// Names and tensors.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.tensors.iter().map(|(name, tensor)| (name.as_str(), tensor))
    }

    /// What stood among them and is no tensor that is read: its name, and what it is.
    pub fn others(&self) -> &[(String, String)] {
        &self.others
    }

    /// The tensor of this name.
    pub fn get(&self, name: &str) -> Option<&Tensor> {
        self.tensors
            .iter()
            .find(|(other, _)| other == name)
            .map(|(_, tensor)| tensor)
    }

    /// The same under other names.
    #[must_use]
    pub fn renamed(mut self, name: impl Fn(&str) -> String) -> Self {
        self.tensors.iter_mut().for_each(|(old, _)| *old = name(old));
        self
    }

    /// These and those of another file of the same network.
    ///
    /// # Errors
    /// If both have a tensor of the same name.
    pub fn and(mut self, more: Self) -> Result<Self> {
        let own: HashSet<&str> = self.tensors.iter().map(|(name, _)| name.as_str()).collect();
        if let Some((name, _)) = more.tensors.iter().find(|(name, _)| own.contains(name.as_str())) {
            let what = format!("`{name}` is in {} too", self.path.display());
            return Err(FileError::malformed(more.path, what));
        }
        self.tensors.extend(more.tensors);
        self.others.extend(more.others);
        Ok(self)
    }

    /// Names and tensors, in order.
    pub fn into_tensors(self) -> impl Iterator<Item = (String, Tensor)> {
        self.tensors.into_iter()
    }
}

fn dtype(dtype: safetensors::Dtype) -> Option<Dtype> {
    use safetensors::Dtype as S;
    Some(match dtype {
        S::F64 => Dtype::F64,
        S::F32 => Dtype::F32,
        S::F16 => Dtype::F16,
        S::BF16 => Dtype::BF16,
        S::F8_E4M3 => Dtype::F8E4M3,
        S::F8_E5M2 => Dtype::F8E5M2,
        S::I64 => Dtype::I64,
        S::I32 => Dtype::I32,
        S::I16 => Dtype::I16,
        S::I8 => Dtype::I8,
        S::U64 => Dtype::U64,
        S::U32 => Dtype::U32,
        S::U16 => Dtype::U16,
        S::U8 => Dtype::U8,
        S::BOOL => Dtype::Bool,
        _ => return None,
    })
}
