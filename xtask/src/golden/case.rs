//! One reference case: its description and its tensors.

use ndarray::{Array, ArrayD, Dimension, Ix1, IxDyn};
use safetensors::{Dtype, SafeTensors};
use serde_json::{Map, Value};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Why a case could not be checked to its end.
#[derive(Debug, thiserror::Error)]
pub enum CaseError {
    /// A file is missing or broken.
    #[error("{}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A key of `case.json` is missing, or no such value.
    #[error("case.json: `{key}` is {actual}, expected {expected}")]
    Key {
        /// The key.
        key: String,
        /// Its value, as JSON.
        actual: String,
        /// What it should be.
        expected: &'static str,
    },
    /// A tensor that the kind needs is not there.
    #[error("tensors.safetensors: there is no tensor `{0}`")]
    NoTensor(String),
    /// A tensor is of another type or has values that it cannot have.
    #[error("tensors.safetensors: `{name}` is {actual}, expected {expected}")]
    Tensor {
        /// Which tensor.
        name: String,
        /// What it is.
        actual: String,
        /// What it should be.
        expected: String,
    },
    /// The result has another shape than the reference.
    #[error("{name} has shape {actual:?}, expected {expected:?}")]
    Shape {
        /// What was computed.
        name: String,
        /// Its shape.
        actual: Vec<usize>,
        /// The reference's.
        expected: Vec<usize>,
    },
    /// diffplan refuses the case.
    #[error("{0}")]
    Refused(String),
    /// diffplan does not have what the case is about.
    #[error("{0} is not supported")]
    NotSupported(String),
    /// What the case needs is not on this machine.
    #[error("{0}")]
    Skipped(String),
}

impl CaseError {
    /// What diffplan said, as the reason of a failed case.
    pub fn refused(error: impl std::fmt::Display) -> Self {
        CaseError::Refused(error.to_string())
    }
}

/// A reference case in memory.
#[derive(Debug)]
pub struct Case {
    folder: PathBuf,
    description: Map<String, Value>,
    tensors: Vec<u8>,
    read: RefCell<BTreeSet<String>>,
}

const NULL: &Value = &Value::Null;

impl Case {
    /// Reads the case in `folder`.
    ///
    /// # Errors
    /// If a file cannot be read, or is no JSON object or no safetensors file.
    pub fn open(folder: &Path) -> Result<Self, CaseError> {
        let file = |name: &str, reason: String| CaseError::File {
            path: folder.join(name),
            reason,
        };
        let read = |name: &str| std::fs::read(folder.join(name)).map_err(|e| file(name, e.to_string()));
        let description = serde_json::from_slice(&read("case.json")?).map_err(|e| file("case.json", e.to_string()))?;
        let description: Map<String, Value> = description;
        // Cases that are broken files alone have no tensors.
        let tensors = match description.get("kind").and_then(Value::as_str) != Some("torch_file_hostile") {
            true => read("tensors.safetensors")?,
            false => b"\x02\0\0\0\0\0\0\0{}".to_vec(),
        };
        SafeTensors::deserialize(&tensors).map_err(|e| file("tensors.safetensors", e.to_string()))?;
        Ok(Self {
            folder: folder.to_owned(),
            description,
            tensors,
            read: RefCell::default(),
        })
    }

    /// The case's folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A key of `case.json`; null if it is not there.
    pub fn value(&self, key: &str) -> &Value {
        self.description.get(key).unwrap_or(NULL)
    }

    /// The error that a key of `case.json` is not what it should be.
    pub fn wrong_key(&self, key: &str, expected: &'static str) -> CaseError {
        CaseError::Key {
            key: key.to_owned(),
            actual: self.value(key).to_string(),
            expected,
        }
    }

    /// A key that is a string.
    ///
    /// # Errors
    /// If it is not.
    pub fn text(&self, key: &str) -> Result<&str, CaseError> {
        self.value(key).as_str().ok_or_else(|| self.wrong_key(key, "a string"))
    }

    /// A key that is a whole number from 0 up.
    ///
    /// # Errors
    /// If it is not.
    pub fn count(&self, key: &str) -> Result<usize, CaseError> {
        let number = self.value(key).as_u64().and_then(|n| usize::try_from(n).ok());
        number.ok_or_else(|| self.wrong_key(key, "a whole number from 0 up"))
    }

    /// The same where the key may be null, or not there.
    ///
    /// # Errors
    /// If it is something else.
    pub fn optional_count(&self, key: &str) -> Result<Option<usize>, CaseError> {
        if self.value(key).is_null() {
            Ok(None)
        } else {
            self.count(key).map(Some)
        }
    }

    /// A key that is a number.
    ///
    /// # Errors
    /// If it is not.
    pub fn number(&self, key: &str) -> Result<f64, CaseError> {
        self.value(key).as_f64().ok_or_else(|| self.wrong_key(key, "a number"))
    }

    /// A list of numbers, where "inf" and "-inf" stand for themselves; none where the key is null, or not there.
    ///
    /// # Errors
    /// If it is something else.
    pub fn optional_numbers(&self, key: &str) -> Result<Option<Array<f64, Ix1>>, CaseError> {
        let wrong = || self.wrong_key(key, "a list of numbers");
        let number = |value: &Value| match value.as_str() {
            Some("inf") => Ok(f64::INFINITY),
            Some("-inf") => Ok(f64::NEG_INFINITY),
            _ => value.as_f64().ok_or_else(wrong),
        };
        match self.value(key) {
            Value::Null => Ok(None),
            Value::Array(values) => values.iter().map(number).collect::<Result<_, _>>().map(Some),
            _ => Err(wrong()),
        }
    }

    fn file(&self) -> SafeTensors<'_> {
        SafeTensors::deserialize(&self.tensors).expect("checked when the case was opened")
    }

    /// The names of all tensors, sorted.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.file().names().into_iter().map(str::to_owned).collect();
        names.sort();
        names
    }

    /// Whether there is such a tensor.
    pub fn has(&self, name: &str) -> bool {
        self.file().tensor(name).is_ok()
    }

    /// A tensor as it lies in the file: its type, its shape, its bytes.
    pub fn raw(&self, name: &str) -> Option<(String, Vec<usize>, Vec<u8>)> {
        let file = self.file();
        let tensor = file.tensor(name).ok()?;
        self.ignore(name);
        Some((
            format!("{}", tensor.dtype()),
            tensor.shape().to_vec(),
            tensor.data().to_vec(),
        ))
    }

    /// Says of a tensor that nothing is to be checked with it.
    pub fn ignore(&self, name: &str) {
        self.read.borrow_mut().insert(name.to_owned());
    }

    /// The tensors that were neither read nor ignored.
    pub fn unread(&self) -> Vec<String> {
        let read = self.read.borrow();
        self.names().into_iter().filter(|name| !read.contains(name)).collect()
    }

    /// A tensor as float64, which holds float32, booleans and all integers that occur as they are.
    ///
    /// # Errors
    /// If it is not there, or of a type that cases do not have.
    pub fn tensor(&self, name: &str) -> Result<ArrayD<f64>, CaseError> {
        let file = self.file();
        let tensor = file.tensor(name).map_err(|_| CaseError::NoTensor(name.to_owned()))?;
        self.ignore(name);
        let wrong = |actual: String, expected: &str| CaseError::Tensor {
            name: name.to_owned(),
            actual,
            expected: expected.to_owned(),
        };
        let bytes = tensor.data();
        let values: Vec<f64> = match tensor.dtype() {
            Dtype::F32 => bytes
                .as_chunks::<4>()
                .0
                .iter()
                .map(|b| f64::from(f32::from_le_bytes(*b)))
                .collect(),
            Dtype::F64 => bytes
                .as_chunks::<8>()
                .0
                .iter()
                .map(|b| f64::from_le_bytes(*b))
                .collect(),
            Dtype::I64 => bytes
                .as_chunks::<8>()
                .0
                .iter()
                .map(|b| i64::from_le_bytes(*b) as f64)
                .collect(),
            Dtype::BOOL => bytes.iter().map(|b| f64::from(*b)).collect(),
            other => return Err(wrong(format!("{other:?}"), "F32, F64, I64 or BOOL")),
        };
        let shape = tensor.shape();
        ArrayD::from_shape_vec(IxDyn(shape), values).map_err(|e| wrong(format!("{shape:?}"), &e.to_string()))
    }

    /// A tensor of `D` axes, as float32.
    ///
    /// # Errors
    /// If it is not there, or is something else.
    pub fn tensor_f32<D: Dimension>(&self, name: &str) -> Result<Array<f32, D>, CaseError> {
        let tensor = self.tensor(name)?;
        let actual = format!("of shape {:?}", tensor.shape());
        let expected = format!("{} axes", D::NDIM.unwrap_or_default());
        let wrong = |_| CaseError::Tensor {
            name: name.to_owned(),
            actual,
            expected,
        };
        tensor.mapv(|v| v as f32).into_dimensionality().map_err(wrong)
    }

    /// A tensor of whole numbers from 0 up, in order.
    ///
    /// # Errors
    /// If it is not there, or is something else.
    pub fn counts(&self, name: &str) -> Result<Vec<usize>, CaseError> {
        let count = |value: &f64| {
            let count = *value as usize;
            let wrong = || CaseError::Tensor {
                name: name.to_owned(),
                actual: format!("{value}"),
                expected: "whole numbers from 0 up".to_owned(),
            };
            if count as f64 == *value {
                Ok(count)
            } else {
                Err(wrong())
            }
        };
        self.tensor(name)?.iter().map(count).collect()
    }
}
