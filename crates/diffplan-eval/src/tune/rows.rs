//! [`TuneRows`]: every measurement on disk as soon as it is made.

use crate::error::{Error, Result};
use diffplan_files::{Rows, read_rows};
use diffplan_pipelines::PlanOptions;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// What an episode came to, or how long plans took.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Row {
    pub(super) options: PlanOptions,
    #[serde(flatten)]
    pub(super) measured: Measured,
    /// Seconds that it took of the budget.
    pub(super) seconds: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "measured", rename_all = "kebab-case")]
pub(super) enum Measured {
    /// Milliseconds of single plans: the median and the 95th percentile.
    Latency { median_ms: f64, p95_ms: f64 },
    /// An episode of the search, or of the final.
    Episode {
        last: bool,
        episode: usize,
        episode_return: f64,
        length: usize,
        plans: usize,
    },
}

/// A file of measurements: a line of JSON each, after one that says what they are of.
#[derive(Debug, Default)]
pub struct TuneRows {
    pub(super) known: Vec<Row>,
    file: Option<Rows>,
}

impl TuneRows {
    /// Kept nowhere.
    pub fn in_memory() -> Self {
        Self::default()
    }

    /// Kept in a file, with the measurements that are there already where it is gone on with. `of` is what they are of: environment, checkpoint,
    /// seed, threads.
    ///
    /// # Errors
    /// [`Error::Folder`] where there are measurements and no wish to go on with them, or they are of something else.
    pub fn in_file(path: &Path, of: &Value, resume: bool) -> Result<Self> {
        let there = path.try_exists().map_err(Error::io(path))?;
        let lines = if there { read_rows(path)? } else { Vec::new() };
        let refuse = |reason: String| Error::Folder {
            path: PathBuf::from(path),
            reason,
        };
        let mut known = Vec::new();
        if let Some((first, rest)) = lines.split_first() {
            if !rest.is_empty() && !resume {
                return Err(refuse(format!(
                    "there are {} measurements: --resume goes on with them, another --out leaves them alone",
                    rest.len()
                )));
            }
            let header: Value = serde_json::from_str(first).map_err(|e| refuse(format!("line 1: {e}")))?;
            if resume && !rest.is_empty() {
                if let Some(key) = changed(&header, of) {
                    return Err(refuse(format!(
                        "its measurements are of {key} = {}, not of {}: expected the same, or another --out",
                        header[&key], of[&key]
                    )));
                }
                for (number, line) in rest.iter().enumerate() {
                    let row = serde_json::from_str(line).map_err(|e| refuse(format!("line {}: {e}", number + 2)))?;
                    known.push(row);
                }
            }
        }
        let encode = |row: &Row| serde_json::to_string(row).map_err(Error::encode("JSON"));
        let kept = known.iter().map(encode).collect::<Result<Vec<_>>>()?;
        let file = Rows::begin(path, [of.to_string()].into_iter().chain(kept))?;
        Ok(Self {
            known,
            file: Some(file),
        })
    }

    /// Adds one; it is on disk when this returns.
    pub(super) fn add(&mut self, row: Row) -> Result<()> {
        if let Some(file) = &mut self.file {
            file.add(&serde_json::to_string(&row).map_err(Error::encode("JSON"))?)?;
            file.sync()?;
        }
        self.known.push(row);
        Ok(())
    }

    /// How many combinations have been timed.
    pub(super) fn timed(&self) -> usize {
        let latency = |row: &&Row| matches!(row.measured, Measured::Latency { .. });
        self.known.iter().filter(latency).count()
    }

    /// Seconds of all of them.
    pub(super) fn seconds(&self) -> f64 {
        self.known.iter().map(|row| row.seconds).sum()
    }
}

/// The first key in which two headers differ.
fn changed(saved: &Value, of: &Value) -> Option<String> {
    let keys = of.as_object()?.keys();
    keys.into_iter().find(|&key| saved[key] != of[key]).cloned()
}
