//! `diffplan normalizer`: the statistics of a dataset, for a checkpoint that has none.

use crate::args::NormalizerArgs;
use crate::error::{Error, Result};
use crate::{datasets, json, output};
use diffplan_data::Normalizers;
use diffplan_eval::table;
use diffplan_files::folder_of;
use serde::Serialize;
use std::path::Path;

/// The object of `--json`.
#[derive(Debug, Serialize)]
struct Report<'a> {
    out: &'a Path,
    dataset: &'a Path,
    kind: &'static str,
    /// Null where the kind keeps the same numbers for every dimension.
    observation_dim: Option<usize>,
    action_dim: Option<usize>,
    warnings: Vec<String>,
}

pub(crate) fn run(args: &NormalizerArgs) -> Result<()> {
    let out = &args.out;
    if !args.overwrite && out.try_exists().map_err(Error::io("look at", out))? {
        return Err(Error::Setting {
            name: "out",
            value: out.display().to_string(),
            expected: "a file that is not there yet: --overwrite replaces it".into(),
        });
    }
    let options = args.read.options(args.max_episode_steps);
    let dataset = datasets::path(&args.dataset)?;
    let normalizers = Normalizers::of_file(&dataset, args.kind, &options)?;
    output::prepare_folder(folder_of(out))?;
    normalizers.save(out)?;
    let report = Report {
        out,
        dataset: &dataset,
        kind: args.kind.name(),
        observation_dim: normalizers.observations().dimensions(),
        action_dim: normalizers.actions().dimensions(),
        warnings: normalizers.warnings().map(ToString::to_string).collect(),
    };
    if args.json {
        return json::print_line(&report);
    }
    let mut fields = vec![
        ("dataset", dataset.display().to_string()),
        ("kind", report.kind.to_owned()),
    ];
    if let (Some(observations), Some(actions)) = (report.observation_dim, report.action_dim) {
        fields.push((
            "dimensions",
            format!("{observations} of observations, {actions} of actions"),
        ));
    }
    fields.extend(report.warnings.iter().map(|warning| ("warning", warning.clone())));
    fields.push(("saved", out.display().to_string()));
    output::print(table::fields(&fields))
}
