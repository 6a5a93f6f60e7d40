//! What is no checkpoint: what it is, and what converting it takes.

use crate::args::InspectArgs;
use crate::error::{Error, Result};
use crate::{json, output};
use diffplan_import::{Source, SourceKind};
use serde::Serialize;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

/// The object of `--json`.
#[derive(Debug, Serialize)]
struct Report<'a> {
    path: &'a Path,
    kind: &'static str,
    what: String,
    details: Vec<String>,
    takes: String,
}

/// What was named, if it is no checkpoint folder. A folder that is nothing else is taken for a checkpoint with parts missing.
pub(super) fn other(args: &InspectArgs) -> Result<Option<Source>> {
    let path = &args.checkpoint;
    if args.files.subfolder.is_some() || args.files.variant.is_some() {
        return Ok(None);
    }
    let metadata = match fs::metadata(path) {
        // The checkpoint that is in the program has a name and no place; one of the Hub has its place elsewhere.
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        result => result.map_err(Error::io("read checkpoint", path))?,
    };
    let source = match Source::of(path) {
        // What is wrong with a folder's files is told part by part.
        Err(_) if metadata.is_dir() => return Ok(None),
        result => result?,
    };
    match source.kind() {
        SourceKind::Checkpoint => Ok(None),
        SourceKind::Other(_) if metadata.is_dir() => Ok(None),
        _ => Ok(Some(source)),
    }
}

pub(super) fn show(source: &Source, as_json: bool) -> Result<()> {
    let report = Report {
        path: source.path(),
        kind: source.name(),
        what: source.describe(),
        details: source.details(),
        takes: source.takes(),
    };
    match as_json {
        true => json::print_line(&report),
        false => {
            let mut text = format!("{}\n  {}\n", report.path.display(), report.what);
            report.details.iter().for_each(|line| text += &format!("  {line}\n"));
            output::print(text + &format!("  {}", report.takes))
        }
    }
}
