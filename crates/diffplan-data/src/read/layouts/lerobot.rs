//! LeRobot, versions 2 and 3: a folder with `meta/info.json`, which says what columns there are, and `data/`, with Parquet files of
//! one episode (version 2) or of several. Observations are all columns `observation.…` that are vectors of floats, side by side in
//! the order of their names; pictures and videos are left out. `next.done` says only that an episode is over, which the change of
//! `episode_index` says too.

use std::path::Path;

use super::super::assemble::Plan;
use super::super::tree::Tree;
use super::super::{ReadError, ReadOptions};

const INFO: &str = "meta/info.json";

pub(in super::super) fn is(folder: &Path) -> bool {
    folder.join(INFO).is_file()
}

#[cfg(not(feature = "parquet"))]
pub(in super::super) fn open(_: &Path, _: &ReadOptions) -> Result<(Box<dyn Tree>, Plan), ReadError> {
    Err(ReadError::UnknownFormat {
        found: "it is a LeRobot dataset, which is read only where the feature `parquet` was built in".into(),
    })
}

#[cfg(feature = "parquet")]
pub(in super::super) fn open(folder: &Path, options: &ReadOptions) -> Result<(Box<dyn Tree>, Plan), ReadError> {
    let (mut table, map) = parquet::open(folder)?;
    let map = super::told(map, &mut table, &options.keys)?;
    let plan = super::super::plan_of(map, &mut table, options)?;
    Ok((Box::new(table), plan))
}

#[cfg(feature = "parquet")]
mod parquet {
    use std::collections::BTreeMap;
    use std::fs;
    use std::path::{Path, PathBuf};

    use serde_json::Value;

    use super::super::super::map::{Ends, Map, Rewards, Steps, natural};
    use super::super::super::parquet::Table;
    use super::super::super::{LayoutNote, ReadError};
    use super::super::{d4rl, minari};
    use super::INFO;
    use crate::FileFormat;

    /// Values of a column in a row at most.
    const WIDTH: u64 = 1 << 16;
    /// Files at most.
    const FILES: usize = 1_000_000;

    /// A folder as one table, and what its columns are.
    pub(super) fn open(folder: &Path) -> Result<(Table, Map), ReadError> {
        let broken = |reason: &str| ReadError::Unreadable {
            place: INFO.into(),
            reason: reason.into(),
        };
        let info = minari::json(&folder.join(INFO)).ok_or_else(|| broken("no JSON"))?;
        let features = info.get("features").and_then(Value::as_object);
        let features = features.ok_or_else(|| broken("there are no features, by which columns are known"))?;
        let (mut widths, mut observations, mut left_out) = (BTreeMap::new(), Vec::new(), Vec::new());
        for (name, feature) in features {
            let is_observation = name.starts_with("observation.");
            let dtype = feature.get("dtype").and_then(Value::as_str).unwrap_or_default();
            let shape = feature.get("shape").and_then(Value::as_array);
            let width = match shape.map(Vec::as_slice) {
                Some([]) => Some(1),
                Some([width]) => width.as_u64(),
                _ => None,
            };
            match width {
                Some(width @ 1..=WIDTH) if !["video", "image", "string"].contains(&dtype) => {
                    widths.insert(name.clone(), width);
                    if is_observation && dtype.starts_with("float") {
                        observations.push(name.clone());
                    }
                }
                _ if is_observation => left_out.push(name.clone()),
                _ => {}
            }
        }
        observations.sort();
        if observations.is_empty() {
            observations.push("observation.state".into());
        }
        let mut about = Vec::new();
        for name in ["codebase_version", "robot_type", "fps"] {
            match info.get(name) {
                Some(Value::String(text)) => about.push((name.to_owned(), text.clone())),
                Some(Value::Number(number)) => about.push((name.to_owned(), number.to_string())),
                _ => {}
            }
        }
        let map = Map {
            observations,
            actions: vec!["action".into()],
            rewards: Rewards::Of("next.reward".into()),
            steps: Steps::Rows(Ends::Numbers("episode_index".into())),
            notes: match left_out.is_empty() {
                true => Vec::new(),
                false => vec![LayoutNote::LeftOut { arrays: left_out }],
            },
            ..d4rl::map(FileFormat::LeRobot)
        };
        let files = files(&folder.join("data")).map_err(|error| ReadError::Unreadable {
            place: "data".into(),
            reason: error.to_string(),
        })?;
        Ok((Table::open(folder, files, widths, about)?, map))
    }

    /// The Parquet files of all chunks, in the order of their names.
    fn files(data: &Path) -> std::io::Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        for chunk in fs::read_dir(data)? {
            let chunk = chunk?.path();
            if !chunk.is_dir() {
                continue;
            }
            for entry in fs::read_dir(chunk)? {
                let path = entry?.path();
                if path.extension().is_some_and(|ending| ending == "parquet") && files.len() < FILES {
                    files.push(path);
                }
            }
        }
        files.sort_by(|a, b| natural(&a.to_string_lossy(), &b.to_string_lossy()));
        Ok(files)
    }
}
