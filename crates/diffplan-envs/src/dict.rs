//! String-keyed dictionaries: the `info` that environments return and the options that `reset` and `make` take.

use std::collections::BTreeMap;
use std::fmt;

use ndarray::Array1;

/// What `reset` and `step` tell beside the observation.
pub type Info = Dict;

/// The key of [`Info`] under which an environment on MuJoCo puts what MuJoCo warned of, a text; where there is none, there is
/// no such key.
pub const MUJOCO_WARNING: &str = "mujoco_warning";

/// What `reset` is told beside the seed.
pub type ResetOptions = Dict;

/// A value in a [`Dict`].
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// A real number.
    F64(f64),
    /// An integer.
    I64(i64),
    /// A truth value.
    Bool(bool),
    /// A text.
    String(String),
    /// A vector.
    Array(Array1<f64>),
    /// A dictionary within the dictionary.
    Dict(Dict),
}

impl Value {
    /// The number that this is, an integer converted to the nearest `f64`; `None` where it is not a number.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::F64(value) => Some(*value),
            Self::I64(value) => Some(*value as f64),
            _ => None,
        }
    }

    /// The integer that this is.
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Self::I64(value) => Some(*value),
            _ => None,
        }
    }

    /// The dictionary that this is.
    pub fn as_dict(&self) -> Option<&Dict> {
        match self {
            Self::Dict(value) => Some(value),
            _ => None,
        }
    }

    /// What kind of value this is, in words, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::F64(_) => "a real number",
            Self::I64(_) => "an integer",
            Self::Bool(_) => "a truth value",
            Self::String(_) => "a string",
            Self::Array(_) => "an array",
            Self::Dict(_) => "a dictionary",
        }
    }
}

/// As Python's literals, but for truth values and numbers that Rust writes otherwise.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::F64(value) => write!(f, "{value}"),
            Self::I64(value) => write!(f, "{value}"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::String(value) => write!(f, "{value:?}"),
            Self::Array(value) => write!(f, "{value}"),
            Self::Dict(value) => {
                let entries: Vec<String> = value.iter().map(|(key, value)| format!("{key:?}: {value}")).collect();
                write!(f, "{{{}}}", entries.join(", "))
            }
        }
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::F64(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::I64(value)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::String(value.to_owned())
    }
}

impl From<Array1<f64>> for Value {
    fn from(value: Array1<f64>) -> Self {
        Self::Array(value)
    }
}

impl From<Dict> for Value {
    fn from(value: Dict) -> Self {
        Self::Dict(value)
    }
}

/// A dictionary from strings to [`Value`]s, in the order of the keys.
///
/// ```
/// use diffplan_envs::Dict;
///
/// let options = Dict::from_iter([("low", -0.7), ("high", -0.5)]);
/// assert_eq!(options.get("low").and_then(|value| value.as_f64()), Some(-0.7));
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Dict {
    entries: BTreeMap<String, Value>,
}

impl Dict {
    /// An empty dictionary.
    pub fn new() -> Self {
        Self::default()
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.entries.get(key)
    }

    /// Sets the value of a key and returns the one it had.
    pub fn insert(&mut self, key: impl Into<String>, value: impl Into<Value>) -> Option<Value> {
        self.entries.insert(key.into(), value.into())
    }

    /// Whether the dictionary has a key.
    pub fn contains_key(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    /// Keys and values, in the order of the keys.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.entries.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// The number of entries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl<K: Into<String>, V: Into<Value>> FromIterator<(K, V)> for Dict {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        Self {
            entries: entries
                .into_iter()
                .map(|(key, value)| (key.into(), value.into()))
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn values_give_what_they_hold_and_nothing_else() {
        assert_eq!(Value::from(2.5).as_f64(), Some(2.5));
        assert_eq!(Value::from(3_i64).as_f64(), Some(3.0));
        assert_eq!(Value::from(3_i64).as_i64(), Some(3));
        assert_eq!(Value::from(3.0).as_i64(), None);
        assert_eq!(Value::from(true).as_f64(), None);
        assert_eq!(Value::from("3").as_f64(), None);
        assert_eq!(Value::from(array![1.0]).as_dict(), None);
        let inner = Dict::from_iter([("r", 1.0)]);
        assert_eq!(Value::from(inner.clone()).as_dict(), Some(&inner));
    }

    #[test]
    fn a_dict_keeps_its_entries_by_key() {
        let mut dict = Dict::from_iter([("b", 1.0), ("a", 2.0)]);
        assert_eq!(dict.insert("b", 5_i64), Some(Value::F64(1.0)));
        assert_eq!(dict.len(), 2);
        let entries: Vec<_> = dict.iter().collect();
        assert_eq!(entries, [("a", &Value::F64(2.0)), ("b", &Value::I64(5))]);
        assert!(dict.contains_key("a") && !dict.contains_key("c"));
        assert!(Dict::new().is_empty() && !dict.is_empty());
    }
}
