//! [`PlanningConfig`] in files: `planning_config.json`, and the same keys in TOML.

use super::{PlanOptions, PlanningConfig};
use crate::error::{Error, Result};
use diffplan_files::{FileError, Folder, nearest, parse_json_object};
use serde_json::{Map, Value};
use std::path::Path;

impl PlanningConfig {
    /// Reads the content of a file; `path` is for errors alone.
    ///
    /// # Errors
    /// If it is no JSON, or has a key or value that is unknown or out of bounds; the error names the line.
    pub fn from_bytes(bytes: &[u8], path: &Path) -> Result<Self> {
        let text = String::from_utf8_lossy(bytes);
        let line_of = |key: &str| {
            let quoted = format!("\"{key}\"");
            text.lines().position(|line| line.contains(&quoted))
        };
        Self::of_object(parse_json_object(bytes, path)?, path, &line_of)
    }

    /// Reads TOML, with the same keys; `path` is for errors alone.
    ///
    /// # Errors
    /// As [`from_bytes`](Self::from_bytes).
    pub fn from_toml(text: &str, path: &Path) -> Result<Self> {
        let object: Map<String, Value> =
            toml::from_str(text).map_err(|error| FileError::malformed(path, error.to_string().trim_end()))?;
        let sets = |line: &str, key: &str| {
            let rest = line.trim_start().strip_prefix(key);
            rest.is_some_and(|rest| rest.trim_start().starts_with('='))
        };
        let line_of = |key: &str| text.lines().position(|line| !key.is_empty() && sets(line, key));
        Self::of_object(object, path, &line_of)
    }

    /// Every key alone: serde says what is wrong but not where.
    fn of_object(object: Map<String, Value>, path: &Path, line_of: &dyn Fn(&str) -> Option<usize>) -> Result<Self> {
        let refuse = |key: &str, reason: String| {
            let line = line_of(key).map_or(String::new(), |line| format!("line {}: ", line + 1));
            FileError::malformed(path, format!("{line}{reason}"))
        };
        for (key, value) in &object {
            if !Self::KEYS.contains(&key.as_str()) {
                let meant = nearest(key, Self::KEYS.iter().copied());
                let meant = meant.map_or(String::new(), |meant| format!(", did you mean `{meant}`?"));
                let reason = format!("unknown key `{key}`{meant}; there are {}", Self::KEYS.join(", "));
                return Err(refuse(key, reason).into());
            }
            let alone = Map::from_iter([(key.clone(), value.clone())]);
            let config =
                serde_json::from_value::<Self>(alone.into()).map_err(|e| refuse(key, format!("`{key}`: {e}")))?;
            if config.max_episode_steps == Some(0) {
                return Err(refuse(key, "`max_episode_steps` is 0, expected at least 1".into()).into());
            }
            let options = config.over(PlanOptions::default());
            options.validate().map_err(|e| refuse(key, e.to_string()))?;
        }
        let config = serde_json::from_value::<Self>(object.into()).map_err(|e| refuse("", e.to_string()))?;
        let options = config.over(PlanOptions::default());
        options.validate().map_err(|e| {
            let key = match &e {
                Error::Option { name, .. } => *name,
                _ => "",
            };
            refuse(key, e.to_string())
        })?;
        Ok(config)
    }

    /// That of a checkpoint's folder, if it has one.
    ///
    /// # Errors
    /// If it cannot be read, and as [`PlanningConfig::from_bytes`].
    pub fn of_folder(folder: &Folder) -> Result<Option<Self>> {
        let name = "planning_config.json";
        if !folder.has(name)? {
            return Ok(None);
        }
        Self::from_bytes(&folder.read(name)?, &folder.path_of(name)).map(Some)
    }

    /// Reads the file.
    ///
    /// # Errors
    /// If it cannot be read, and as [`PlanningConfig::from_bytes`].
    pub fn from_json(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|source| FileError::io(path, source))?;
        Self::from_bytes(&bytes, path)
    }

    /// Reads a file of either kind, by its name: `.toml`, or else JSON.
    ///
    /// # Errors
    /// If it cannot be read, and as [`PlanningConfig::from_bytes`].
    pub fn from_file(path: &Path) -> Result<Self> {
        if !path
            .extension()
            .is_some_and(|extension| extension.eq_ignore_ascii_case("toml"))
        {
            return Self::from_json(path);
        }
        let text = std::fs::read_to_string(path).map_err(|source| FileError::io(path, source))?;
        Self::from_toml(&text, path)
    }
}
