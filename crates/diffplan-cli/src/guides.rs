//! Guides of a file, as they are recorded of a run, and what they know of an environment.

use crate::args::GuidesArgs;
use crate::error::{Error, Result};
use diffplan_envs::{BoxEnv, Env};
use diffplan_eval::{Names, table};
use diffplan_pipelines::controls::{Context, Controls, Walls};
use diffplan_pipelines::{ValueGuidedPipeline, ViolationTotals, ViolationsSummary};
use std::fs;
use std::path::Path;

/// What plans violated, a line a constraint.
pub(crate) fn violations(summary: &ViolationsSummary) -> String {
    let line = |totals: &ViolationTotals| {
        let text = format!(
            "{}: violated before projection in {} of {} plans, by up to {:.4}; after it in {}{}",
            totals.name,
            totals.plans_before,
            summary.plans,
            totals.before,
            totals.plans_after,
            if totals.plans_after > 0 {
                format!(", by up to {:.4}", totals.after)
            } else {
                String::new()
            },
        );
        ("constraint", text)
    };
    table::fields(&summary.constraints.iter().map(line).collect::<Vec<_>>())
}

/// Begins the record of a file among the names of guides.
const FILE: char = '@';

/// What was given, as a run records it: registered guides as they were typed, a file by its path and what its content comes to, so that a run is not gone on
/// with under another.
pub(crate) fn recorded(args: &GuidesArgs) -> Result<Vec<String>> {
    let mut all = args.guide.clone();
    if let Some(path) = &args.file {
        let text = read(path)?;
        all.push(format!("{FILE}{}#{:016x}", path.display(), digest(&text)));
    }
    Ok(all)
}

/// What was given for a run to have recorded this.
pub(crate) fn of_records(records: Vec<String>) -> GuidesArgs {
    let mut args = GuidesArgs::default();
    for record in records {
        match record.strip_prefix(FILE).and_then(|rest| rest.rsplit_once('#')) {
            Some((path, _)) => args.file = Some(path.into()),
            None => args.guide.push(record),
        }
    }
    args
}

/// The file of a record; none if it is that of a registered guide.
///
/// # Errors
/// If it cannot be read, or is not what it was.
pub(crate) fn of_record(record: &str) -> Result<Option<Controls>> {
    let Some((path, expected)) = record.strip_prefix(FILE).and_then(|rest| rest.rsplit_once('#')) else {
        return Ok(None);
    };
    let text = read(Path::new(path))?;
    if format!("{:016x}", digest(&text)) != expected {
        return Err(Error::Setting {
            name: "guides",
            value: path.to_owned(),
            expected: "the content that it had when the run began: it was changed since".into(),
        });
    }
    Ok(Some(Controls::from_toml(&text, Path::new(path))?))
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(Error::io("read", path))
}

/// FNV-1a, 64 bits.
fn digest(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |digest, byte| {
        (digest ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// What tables refer to of an environment, as far as it is known.
pub(crate) fn context(env: Option<&BoxEnv>, pipeline: &ValueGuidedPipeline) -> Context {
    let names = Names::of(env, pipeline.observation_dim(), pipeline.action_dim());
    let space = env.and_then(|env| env.action_space().as_box().ok());
    let space = space.filter(|space| space.dim() == pipeline.action_dim());
    Context {
        walls: env.and_then(BoxEnv::walls).map(|walls| Walls {
            dims: walls.dims,
            boxes: walls.boxes,
            radius: walls.radius,
        }),
        action_space: space.map(|space| [space.low().to_vec(), space.high().to_vec()]),
        ..Context::named(names.observations, names.actions)
    }
}
