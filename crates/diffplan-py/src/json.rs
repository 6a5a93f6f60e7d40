//! Configurations: Python's dictionaries as JSON, by Python's own module, and back.

use crate::errors::Trouble;
use pyo3::intern;
use pyo3::prelude::*;
use serde_json::{Map, Value};

/// A mapping as a JSON object; tuples are lists there.
pub(crate) fn object(value: &Bound<'_, PyAny>, name: &str) -> PyResult<Map<String, Value>> {
    let py = value.py();
    let text: String = py
        .import(intern!(py, "json"))?
        .call_method1(intern!(py, "dumps"), (value,))
        .map_err(|error| {
            let raised: PyErr =
                Trouble::new("InvalidType", "config", format!("{name} is no configuration: {error}")).into();
            raised
        })?
        .extract()?;
    diffplan::files::parse_json_object(text.as_bytes(), std::path::Path::new(name)).map_err(crate::errors::Raise::raise)
}

/// A JSON object as a dictionary.
pub(crate) fn dictionary<'py>(py: Python<'py>, object: &Map<String, Value>) -> PyResult<Bound<'py, PyAny>> {
    let text = Value::Object(object.clone()).to_string();
    py.import(intern!(py, "json"))?
        .call_method1(intern!(py, "loads"), (text,))
}
