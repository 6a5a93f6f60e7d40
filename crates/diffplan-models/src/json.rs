//! Reading a diffusers configuration file so that a wrong key is named.

use crate::error::{Error, Result};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// `T` from an object whose keys are all optional. Keys that begin with `_` belong to diffusers itself and are passed over.
///
/// # Errors
/// If a key is unknown or its value is of another kind: serde says what is wrong but not where, so each key is tried alone.
pub(crate) fn from_object<T: DeserializeOwned>(object: Map<String, Value>) -> Result<T> {
    let keys: Map<String, Value> = object.into_iter().filter(|(key, _)| !key.starts_with('_')).collect();
    for (key, value) in &keys {
        let alone = Map::from_iter([(key.clone(), value.clone())]);
        serde_json::from_value::<T>(Value::Object(alone)).map_err(|e| Error::config(key, e.to_string()))?;
    }
    serde_json::from_value(Value::Object(keys)).map_err(|e| Error::config("", e.to_string()))
}
