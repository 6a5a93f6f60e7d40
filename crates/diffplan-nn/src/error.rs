//! What can go wrong with parameter files.

use std::fmt;
use std::path::PathBuf;

/// A result whose error is this crate's.
pub type Result<T> = std::result::Result<T, Error>;

/// An error of reading or writing parameters.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file that is not there, cannot be read or written, or is something else altogether: a Git LFS pointer, a web page.
    #[error(transparent)]
    File(#[from] diffplan_files::FileError),
    /// The file is not a safetensors file, or is cut short or damaged.
    #[error("{}: not a valid safetensors file: {reason}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The file's parameters are not the model's.
    #[error("{}: {report}", path.display())]
    Parameters {
        /// The file.
        path: PathBuf,
        /// Every difference.
        report: Box<ParameterReport>,
    },
}

/// How the parameters of a file differ from those of a model; empty if they do not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ParameterReport {
    /// The model has it, the file does not.
    pub missing: Vec<String>,
    /// The file has it, the model does not.
    pub unexpected: Vec<String>,
    /// Both have it, with other shapes: name, shape in the file, shape in the model.
    pub mismatched: Vec<(String, Vec<usize>, Vec<usize>)>,
    /// The file has it as a type that is not a floating-point one: name and type.
    pub wrong_dtype: Vec<(String, String)>,
    /// It holds a NaN or an infinity: name and the first place, counted in row-major order.
    pub not_finite: Vec<(String, usize)>,
}

impl ParameterReport {
    /// Whether the parameters agree.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Display for ParameterReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            missing,
            unexpected,
            mismatched,
            wrong_dtype,
            not_finite,
        } = self;
        let mut parts = Vec::new();
        let names = |what: &str, names: &[String]| format!("{what} {}", names.join(", "));
        if !missing.is_empty() {
            parts.push(names(&format!("{} missing:", plural(missing.len())), missing));
        }
        if !unexpected.is_empty() {
            parts.push(names(&format!("{} unexpected:", plural(unexpected.len())), unexpected));
        }
        for (name, actual, expected) in mismatched {
            parts.push(format!("{name} has shape {actual:?}, expected {expected:?}"));
        }
        for (name, dtype) in wrong_dtype {
            parts.push(format!("{name} has type {dtype}, expected F32, F64, F16 or BF16"));
        }
        for (name, index) in not_finite {
            parts.push(format!("{name} has a NaN or infinity, first at element {index}"));
        }
        f.write_str(&parts.join("; "))
    }
}

fn plural(count: usize) -> String {
    if count == 1 {
        "1 parameter".into()
    } else {
        format!("{count} parameters")
    }
}
