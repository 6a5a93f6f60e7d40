//! `diffplan data download`: a dataset by its name.

use crate::args::DownloadArgs;
use crate::error::{Error, Result};
use crate::hub::Bar;
use crate::{json, output};
use diffplan_data::FileFormat;
use diffplan_eval::table;
use diffplan_hub::Event;
use diffplan_hub::datasets::{Datasets, Downloaded, Known, Mirror, Options, Places};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// The object of `--json`.
#[derive(Debug, Serialize)]
struct Report {
    name: String,
    /// What a command takes.
    path: PathBuf,
    file: PathBuf,
    layout: &'static str,
    bytes: u64,
    sha256: String,
    /// Null where it was there already.
    from: Option<String>,
    /// Mirrors that failed before.
    failed: Vec<String>,
    /// Whether there was no checksum before.
    checksum_recorded: bool,
    next: String,
}

/// A name of `--list --json`.
#[derive(Debug, Serialize)]
struct Listed {
    name: String,
    family: String,
    /// Where it is, if it is here.
    path: Option<PathBuf>,
}

pub(super) fn run(args: &DownloadArgs) -> Result<()> {
    if args.list {
        return list(args);
    }
    // Clap has seen to it that there is one.
    let known = Known::of(args.name.as_deref().unwrap_or_default())?;
    let mut datasets = Datasets::from_env()?;
    if let Some(folder) = &args.out {
        datasets = datasets.with_places(Places::in_folder(folder));
    }
    if !args.mirror.is_empty() {
        let mirrors: std::result::Result<Vec<Mirror>, _> = args.mirror.iter().map(|text| text.parse()).collect();
        datasets = datasets.with_mirrors(mirrors?);
    }
    let options = Options {
        sha256: args.sha256.clone(),
        again: args.force,
    };
    let bar = Bar::new();
    // It has a temporary name as yet.
    let look = |file: &Path| {
        let looked = FileFormat::of_file(file, "dataset.hdf5");
        looked.map(drop).map_err(|error| match error {
            diffplan_data::Error::File { error, .. } => error.to_string(),
            other => other.to_string(),
        })
    };
    let downloaded = datasets.download(&known, &options, &look, &|Event { file, done, total, .. }| {
        bar.at(file, done, total)
    })?;
    drop(bar);
    let layout = FileFormat::of_file(&downloaded.data.path, &downloaded.data.path)?.name();
    let report = Report::of(&known, downloaded, layout, args.out.is_some());
    match args.json {
        true => json::print_line(&report),
        false => output::print(report.text()),
    }
}

fn list(args: &DownloadArgs) -> Result<()> {
    let filter = args.name.as_deref().unwrap_or_default();
    let places = match &args.out {
        Some(folder) => Places::in_folder(folder),
        None => Places::from_env()?,
    };
    let listed: Vec<Listed> = Known::all(filter)
        .map(|known| Listed {
            name: known.name().to_owned(),
            family: known.family().to_string(),
            path: places.find(&known),
        })
        .collect();
    if args.json {
        return json::print_line(&listed);
    }
    if listed.is_empty() {
        return Err(Error::Hub(diffplan_hub::Error::UnknownDataset {
            name: filter.to_owned(),
            near: Known::near(filter),
        }));
    }
    let here = |path: &PathBuf| path.display().to_string();
    let rows = listed.iter().map(|one| {
        let path = one.path.as_ref().map_or_else(String::new, here);
        vec![one.name.clone(), one.family.clone(), path]
    });
    output::print(table::table(
        &["name", "of", "downloaded to"],
        &rows.collect::<Vec<_>>(),
    ))
}

impl Report {
    fn of(known: &Known, downloaded: Downloaded, layout: &'static str, elsewhere: bool) -> Self {
        // By its name, where names are looked for.
        let what = match elsewhere {
            true => table::quoted(&downloaded.path),
            false => known.name().to_owned(),
        };
        Self {
            name: known.name().to_owned(),
            path: downloaded.path,
            file: downloaded.data.path,
            layout,
            bytes: downloaded.data.bytes,
            sha256: downloaded.data.sha256,
            from: downloaded.from,
            failed: downloaded
                .failed
                .into_iter()
                .map(|(mirror, reason)| format!("{mirror}: {reason}"))
                .collect(),
            checksum_recorded: downloaded.recorded,
            next: format!("diffplan data inspect {what}"),
        }
    }

    fn text(&self) -> String {
        let checked = match (&self.from, self.checksum_recorded) {
            (None, false) => "it is that which was recorded",
            _ => "recorded beside the file",
        };
        let mut rows: Vec<(&str, String)> = self.failed.iter().map(|reason| ("failed", reason.clone())).collect();
        rows.extend([
            (
                "from",
                self.from
                    .clone()
                    .unwrap_or_else(|| "nowhere: it is there already (--force downloads it again)".into()),
            ),
            ("layout", self.layout.to_owned()),
            ("bytes", table::thousands(self.bytes as usize)),
            ("SHA-256", format!("{}, {checked}", self.sha256)),
            ("saved", self.path.display().to_string()),
            ("next", self.next.clone()),
        ]);
        table::fields(&rows)
    }
}
