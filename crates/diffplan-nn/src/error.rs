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

    /// What stands before every name of the file, where that is all that its names differ by.
    fn common_prefix(&self) -> Option<&str> {
        let unexpected = self.unexpected.first()?;
        let of = |name: &String| {
            unexpected
                .strip_suffix(name.as_str())
                .filter(|prefix| prefix.ends_with('.'))
        };
        let prefix = self.missing.iter().filter_map(of).min_by_key(|prefix| prefix.len())?;
        let whole = self.missing.len() == self.unexpected.len();
        let fits = |name: &String| {
            name.strip_prefix(prefix)
                .is_some_and(|rest| self.missing.iter().any(|m| m == rest))
        };
        (whole && self.unexpected.iter().all(fits)).then_some(prefix)
    }
}

/// The most that are listed one by one: a network has hundreds.
const LISTED: usize = 6;

/// The first few, and how many more there are.
fn first_of(all: &[String]) -> Vec<String> {
    let mut listed: Vec<String> = all.iter().take(LISTED).cloned().collect();
    if all.len() > LISTED {
        listed.push(format!("and {} more", all.len() - LISTED));
    }
    listed
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
        if let Some(prefix) = self.common_prefix() {
            parts.push(format!(
                "all names of the file begin with `{prefix}`, which the model's do not: take it off"
            ));
        }
        let names = |what: &str, names: &[String]| format!("{what} {}", first_of(names).join(", "));
        if !missing.is_empty() {
            parts.push(names(&format!("{} missing:", plural(missing.len())), missing));
        }
        if !unexpected.is_empty() {
            parts.push(names(&format!("{} unexpected:", plural(unexpected.len())), unexpected));
        }
        let mismatched = mismatched
            .iter()
            .map(|(name, actual, expected)| format!("{name} has shape {actual:?}, expected {expected:?}"));
        let wrong_dtype = wrong_dtype
            .iter()
            .map(|(name, dtype)| format!("{name} has type {dtype}, expected float32, float64, float16 or bfloat16"));
        let not_finite = not_finite
            .iter()
            .map(|(name, index)| format!("{name} has a NaN or infinity, first at element {index}"));
        parts.extend(first_of(&mismatched.collect::<Vec<_>>()));
        parts.extend(first_of(&wrong_dtype.collect::<Vec<_>>()));
        parts.extend(first_of(&not_finite.collect::<Vec<_>>()));
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
