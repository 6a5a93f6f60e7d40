//! `diffplan data pack`: datasets as one file that training reads as it goes.

use crate::args::PackArgs;
use crate::error::{Error, Result};
use crate::patience::Bytes;
use crate::{json, output};
use diffplan_data::{PackOptions, PackProgress, PackReport, PackedFrom, Selection, pack};
use diffplan_eval::table;
use diffplan_files::folder_of;
use serde::Serialize;
use std::path::Path;

/// The object of `--json`.
#[derive(Debug, Serialize)]
struct Report<'a> {
    out: &'a Path,
    bytes: u64,
    rows: usize,
    episodes: usize,
    observation_dim: usize,
    action_dim: usize,
    packed_from: &'a [PackedFrom],
    /// What works, but is rarely meant.
    odd: &'a [String],
}

/// A bar of bytes of the packed file: those of rows that were read, and then those that were looked at again.
struct Progress {
    bar: Option<Bytes>,
    row: u64,
    read: u64,
}

impl PackProgress for Progress {
    fn begin(&mut self, rows: u64, bytes: u64) {
        self.row = bytes.checked_div(rows).unwrap_or(0).max(1);
        self.bar = Some(Bytes::new("packing", rows.saturating_mul(self.row)));
    }

    fn rows(&mut self, rows: u64) {
        if let Some(bar) = &self.bar {
            bar.add(rows.saturating_sub(self.read).saturating_mul(self.row));
        }
        self.read = rows;
    }

    fn again(&mut self, rows: u64) {
        if let Some(bar) = &self.bar {
            bar.go_on("hashing", rows.saturating_mul(self.row));
        }
    }
}

pub(super) fn run(args: &PackArgs) -> Result<()> {
    let out = &args.out;
    if !args.overwrite && out.try_exists().map_err(Error::io("look at", out))? {
        return Err(Error::Setting {
            name: "out",
            value: out.display().to_string(),
            expected: "a file that is not there yet: --overwrite replaces it".into(),
        });
    }
    output::prepare_folder(folder_of(out))?;
    let options = PackOptions {
        read: args.read.options(args.max_episode_steps),
        selection: Selection {
            first: args.max_episodes,
            share: args.episodes,
            best: None,
        },
    };
    let mut progress = Progress {
        bar: None,
        row: 1,
        read: 0,
    };
    let packed = pack(&args.files, out, &options, &mut progress)?;
    drop(progress);
    if args.json {
        return json::print_line(&report(out, &packed));
    }
    let mut fields = Vec::new();
    for from in &packed.packed_from {
        let left_out = match from.left_out {
            0 => String::new(),
            rows => format!(", {} rows left out", table::thousands(rows as usize)),
        };
        let (rows, episodes) = (
            table::thousands(from.rows as usize),
            table::thousands(from.episodes as usize),
        );
        let text = format!(
            "{}, {}, {rows} rows in {episodes} episodes{left_out}",
            from.file, from.format
        );
        fields.push(("dataset", text));
    }
    if packed.packed_from.len() > 1 {
        let (rows, episodes) = (table::thousands(packed.rows), table::thousands(packed.episodes));
        fields.push(("all", format!("{rows} rows in {episodes} episodes")));
    }
    fields.push((
        "dimensions",
        format!(
            "{} of observations, {} of actions",
            packed.observation_dim, packed.action_dim
        ),
    ));
    fields.extend(packed.notes.iter().map(|note| ("odd", note.clone())));
    fields.push((
        "saved",
        format!("{}, {} bytes", out.display(), table::thousands(packed.bytes as usize)),
    ));
    output::print(table::fields(&fields))
}

fn report<'a>(out: &'a Path, packed: &'a PackReport) -> Report<'a> {
    Report {
        out,
        bytes: packed.bytes,
        rows: packed.rows,
        episodes: packed.episodes,
        observation_dim: packed.observation_dim,
        action_dim: packed.action_dim,
        packed_from: &packed.packed_from,
        odd: &packed.notes,
    }
}
