//! [`OptionValue`]: the types that options have, to and from the file.

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
}

/// A type that an option may have.
pub(crate) trait OptionValue: Sized {
    fn read(field: &Field<'_>) -> Result<Self>;
    fn write(&self) -> Value;
}

impl OptionValue for bool {
    fn read(field: &Field<'_>) -> Result<Self> {
        match field.value {
            Value::Null => Some(false),
            Value::Bool(value) => Some(*value),
            Value::Number(number) if number.as_f64() == Some(0.0) => Some(false),
            Value::Number(number) if number.as_f64() == Some(1.0) => Some(true),
            _ => None,
        }
        .ok_or_else(|| field.unsupported("true or false"))
    }

    fn write(&self) -> Value {
        (*self).into()
    }
}

impl OptionValue for usize {
    fn read(field: &Field<'_>) -> Result<Self> {
        /// Up to here float64 holds every integer.
        const EXACT: f64 = 9_007_199_254_740_992.0;
        match field.value {
            Value::Bool(value) => Some(usize::from(*value)),
            Value::Number(number) => match (number.as_u64(), number.as_f64()) {
                (Some(value), _) => usize::try_from(value).ok(),
                (None, Some(value)) if (0.0..=EXACT).contains(&value) && value.fract() == 0.0 => Some(value as usize),
                _ => None,
            },
            _ => None,
        }
        .ok_or_else(|| field.unsupported("an integer of at least 0"))
    }

    fn write(&self) -> Value {
        (*self).into()
    }
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Bool(value) => Some(f64::from(*value)),
        value => diffplan_files::number(value),
    }
}

impl OptionValue for f64 {
    fn read(field: &Field<'_>) -> Result<Self> {
        number(field.value).ok_or_else(|| field.unsupported("a number"))
    }

    /// A number that JSON has no word for becomes Python's name of it, a string that the text has without quotes.
    fn write(&self) -> Value {
        match self {
            number if number.is_finite() => (*number).into(),
            number if number.is_nan() => "NaN".into(),
            number if *number > 0.0 => "Infinity".into(),
            _ => "-Infinity".into(),
        }
    }
}

impl OptionValue for Option<f64> {
    fn read(field: &Field<'_>) -> Result<Self> {
        match field.value {
            Value::Null => Some(None),
            value => number(value).map(Some),
        }
        .ok_or_else(|| field.unsupported("null or a number"))
    }

    fn write(&self) -> Value {
        self.as_ref().map_or(Value::Null, OptionValue::write)
    }
}

impl OptionValue for Vec<usize> {
    fn read(field: &Field<'_>) -> Result<Self> {
        let whole = |value: &Value| usize::read(&Field { key: field.key, value }).ok();
        match field.value {
            Value::Null => Some(Self::new()),
            Value::Array(values) => values.iter().map(whole).collect(),
            _ => None,
        }
        .ok_or_else(|| field.unsupported("an array of integers of at least 0"))
    }

    fn write(&self) -> Value {
        self.clone().into()
    }
}

impl OptionValue for Option<crate::VarianceType> {
    fn read(field: &Field<'_>) -> Result<Self> {
        match field.value {
            Value::Null => Ok(None),
            _ => OptionValue::read(field).map(Some),
        }
    }

    fn write(&self) -> Value {
        self.as_ref().map_or(Value::Null, OptionValue::write)
    }
}

/// An option of diffusers that is not supported: only `null`, what it is by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Absent;

impl OptionValue for Absent {
    fn read(field: &Field<'_>) -> Result<Self> {
        match field.value {
            Value::Null => Ok(Self),
            _ => Err(field.unsupported("null")),
        }
    }

    fn write(&self) -> Value {
        Value::Null
    }
}

impl OptionValue for Option<Vec<f64>> {
    fn read(field: &Field<'_>) -> Result<Self> {
        match field.value {
            Value::Null => Some(None),
            Value::Array(values) => values.iter().map(number).collect::<Option<Vec<f64>>>().map(Some),
            _ => None,
        }
        .ok_or_else(|| field.unsupported("null or an array of numbers"))
    }

    fn write(&self) -> Value {
        self.clone().into()
    }
}

impl<T: Named> OptionValue for T {
    fn read(field: &Field<'_>) -> Result<Self> {
        let mut known = T::NAMES.iter().chain(T::ALIASES);
        let found = known.find(|(name, _)| field.value.as_str() == Some(name));
        found.map(|&(_, variant)| variant).ok_or_else(|| {
            let names: Vec<&str> = T::NAMES.iter().map(|&(name, _)| name).collect();
            let nearest = field
                .value
                .as_str()
                .and_then(|value| diffplan_files::nearest(value, names.iter().copied()))
                .map_or(String::new(), |nearest| format!(" (did you mean {nearest}?)"));
            field.unsupported(format!("one of {}{nearest}", names.join(", ")))
        })
    }

    fn write(&self) -> Value {
        self.name().into()
    }
}
