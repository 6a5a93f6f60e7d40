//! imitation since 1.0: a folder that Hugging Face's datasets saved, `state.json` and Arrow files in which a row is a trajectory of `obs`, with
//! one row more than `acts`, `rews` where there are rewards, and `terminal`. `infos` are strings, and never read.

use std::path::Path;

use super::super::assemble::Plan;
use super::super::tree::Tree;
use super::super::{ReadError, ReadOptions};

const STATE: &str = "state.json";

pub(in super::super) fn is(folder: &Path) -> bool {
    folder.join(STATE).is_file()
}

#[cfg(not(feature = "parquet"))]
pub(in super::super) fn open(_: &Path, _: &ReadOptions) -> Result<(Box<dyn Tree>, Plan), ReadError> {
    Err(ReadError::UnknownFormat {
        found: "it is a folder of Hugging Face's datasets, which is read only where the feature `parquet` was built in"
            .into(),
    })
}

#[cfg(feature = "parquet")]
pub(in super::super) fn open(folder: &Path, options: &ReadOptions) -> Result<(Box<dyn Tree>, Plan), ReadError> {
    use super::super::map::{Beyond, Episodes, Map, Rewards, Steps};
    use super::super::{arrow::Rows, memory::Budget, plan_of};
    use super::d4rl;
    use crate::FileFormat;

    let mut rows = Rows::open(folder, &files(folder)?, Budget::new(options.max_memory))?;
    let map = Map {
        observations: vec!["obs".into()],
        actions: vec!["acts".into()],
        rewards: Rewards::Of("rews".into()),
        steps: Steps::Episodes(Episodes {
            prefix: "*/".into(),
            names: (0..rows.len()).map(|row| row.to_string()).collect(),
            beyond: Beyond::One,
            total: None,
            one_flag: true,
            terminals: Some("terminal".into()),
            timeouts: None,
        }),
        flatten: true,
        ..d4rl::map(FileFormat::ImitationFolder)
    };
    let map = super::told(map, &mut rows, &options.keys)?;
    let plan = plan_of(map, &mut rows, options)?;
    Ok((Box::new(rows), plan))
}

/// What `state.json` says the files are.
#[cfg(feature = "parquet")]
fn files(folder: &Path) -> Result<Vec<String>, ReadError> {
    use serde_json::Value;

    let broken = |reason: &str| ReadError::Unreadable {
        place: STATE.into(),
        reason: reason.into(),
    };
    let state = super::minari::json(&folder.join(STATE)).ok_or_else(|| broken("no JSON"))?;
    let files = state.get("_data_files").and_then(Value::as_array);
    let files = files.ok_or_else(|| broken("there are no _data_files, expected a list of Arrow files"))?;
    let name = |file: &Value| {
        let name = file.get("filename")?.as_str()?;
        // Beside it: a path could lead anywhere.
        let own = Path::new(name).file_name().is_some_and(|own| own == name);
        own.then(|| name.to_owned())
    };
    let names: Option<Vec<String>> = files.iter().map(name).collect();
    names.ok_or_else(|| broken("a filename that is none of a file beside it"))
}
