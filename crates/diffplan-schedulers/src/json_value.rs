//! Reading one key of a configuration object: the right type, or an error that says what the key allows.

use serde_json::Value;

use crate::options::Named;
use crate::{Error, Result};

/// A key with its value.
pub(crate) struct Field<'a> {
    pub(crate) key: &'a str,
    pub(crate) value: &'a Value,
}

impl Field<'_> {
    /// The error that this value is not one of `allowed`.
    pub(crate) fn unsupported(&self, allowed: impl Into<String>) -> Error {
        Error::UnsupportedValue {
            key: self.key.to_owned(),
            value: self.value.to_string(),
            allowed: allowed.into(),
        }
    }

    pub(crate) fn boolean(&self) -> Result<bool> {
        self.value.as_bool().ok_or_else(|| self.unsupported("true or false"))
    }

    pub(crate) fn integer(&self) -> Result<usize> {
        let value = self.value.as_u64().and_then(|value| usize::try_from(value).ok());
        value.ok_or_else(|| self.unsupported("an integer of at least 0"))
    }

    pub(crate) fn number(&self) -> Result<f64> {
        self.value.as_f64().ok_or_else(|| self.unsupported("a number"))
    }

    pub(crate) fn optional_numbers(&self) -> Result<Option<Vec<f64>>> {
        let numbers = match self.value {
            Value::Null => return Ok(None),
            Value::Array(values) => values.iter().map(Value::as_f64).collect::<Option<Vec<f64>>>(),
            _ => None,
        };
        numbers
            .map(Some)
            .ok_or_else(|| self.unsupported("null or an array of numbers"))
    }

    pub(crate) fn name<T: Named>(&self) -> Result<T> {
        let found = T::NAMES.iter().find(|(name, _)| self.value.as_str() == Some(name));
        found.map(|&(_, variant)| variant).ok_or_else(|| {
            let names: Vec<&str> = T::NAMES.iter().map(|&(name, _)| name).collect();
            self.unsupported(format!("one of {}", names.join(", ")))
        })
    }
}
