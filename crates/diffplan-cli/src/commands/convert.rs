//! `diffplan convert`: a checkpoint of what another project saved.

use crate::args::{ConvertArgs, Which};
use crate::error::{Error, Result};
use crate::{datasets, json, output};
use diffplan_eval::table;
use diffplan_import::{Checkpoint, Options, Report, Source, Statistics, Target, jannerm};
use diffplan_pipelines::{PlanningConfig, TrainedConditions};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// The object of `--json`.
#[derive(Debug, Serialize)]
struct Converted<'a> {
    out: &'a Path,
    files: Vec<&'a str>,
    #[serde(flatten)]
    report: &'a Report,
    /// Whether it can plan as it is.
    plans: bool,
    next: String,
}

pub(crate) fn run(args: ConvertArgs) -> Result<()> {
    let runs = args.planner.is_some() || args.value.is_some();
    let (source, out) = match (&args.paths[..], runs) {
        ([source, out], false) => (Some(source), out),
        ([out], true) => (None, out),
        ([only], false) => {
            return Err(Error::Setting {
                name: "DST",
                value: "nothing".into(),
                expected: format!("the folder to write, after what is converted ({})", only.display()),
            });
        }
        (paths, _) => {
            return Err(Error::Setting {
                name: "SRC",
                value: paths[0].display().to_string(),
                expected: "either SRC or --planner and --value, not both".into(),
            });
        }
    };
    // Said before anything is read.
    Checkpoint::check_destination(out, args.force)?;
    if let Some(inside) = sources(&args, source).find(|source| is_within(out, source)) {
        return Err(Error::Setting {
            name: "DST",
            value: out.display().to_string(),
            expected: format!("a folder outside of {}, which is read", inside.display()),
        });
    }
    let mut options = options(&args);
    if let Statistics::Dataset(path) = &mut options.statistics {
        *path = datasets::path(path)?;
    }
    let checkpoint = match source {
        Some(source) => Source::of(source)?.convert(&options)?,
        None => jannerm::convert(args.planner.as_deref(), args.value.as_deref(), &options)?,
    };
    checkpoint.save(out, args.force)?;
    let next = next(&checkpoint, out, options.target);
    if args.json {
        return json::print_line(&Converted {
            out,
            files: checkpoint.files().map(|(name, _)| name).collect(),
            report: checkpoint.report(),
            plans: checkpoint.plans(),
            next,
        });
    }
    output::print(text(&checkpoint, out, &next))
}

fn sources<'a>(args: &'a ConvertArgs, source: Option<&'a PathBuf>) -> impl Iterator<Item = &'a PathBuf> {
    source.into_iter().chain(&args.planner).chain(&args.value)
}

/// Whether a folder that may not be there yet is another, or in it.
pub(crate) fn is_within(out: &Path, source: &Path) -> bool {
    let Ok(source) = source.canonicalize() else {
        return false;
    };
    let there = out.ancestors().find_map(|path| {
        let path = if path.as_os_str().is_empty() {
            Path::new(".")
        } else {
            path
        };
        path.canonicalize().ok()
    });
    there.is_some_and(|there| there.starts_with(&source))
}

fn options(args: &ConvertArgs) -> Options {
    Options {
        target: args.to.into(),
        precision: args.dtype.into(),
        weights: args.weights.into(),
        statistics: match (&args.dataset, &args.stats) {
            (Some(path), _) => Statistics::Dataset(path.clone()),
            (None, Some(path)) => Statistics::File(path.clone()),
            (None, None) => Statistics::None,
        },
        normalizer: args.normalizer,
        max_episode_steps: args.max_episode_steps,
        keys: args.read.keys.clone().unwrap_or_default(),
        rewards: args.read.rewards.clone(),
        maze_goal: args.maze_goal,
        plain_weights: args.which == Which::Model,
        step: args.step,
        action_dim: args.action_dim,
        predict_epsilon: args.predict_epsilon,
        clip_denoised: args.clip_denoised,
        variant: args.variant.clone(),
    }
}

/// Whether its plans have to have goals.
fn is_led(checkpoint: &Checkpoint) -> bool {
    let mut configs = checkpoint.files().filter(|(name, _)| *name == "planning_config.json");
    configs.any(|(name, bytes)| {
        let config = PlanningConfig::from_bytes(bytes, Path::new(name));
        config.is_ok_and(|config| config.conditions == Some(TrainedConditions::Goal))
    })
}

/// The command to run next.
fn next(checkpoint: &Checkpoint, out: &Path, target: Target) -> String {
    let out = table::quoted(out);
    match (checkpoint.plans(), checkpoint.observation_dim()) {
        (true, Some(dims)) => {
            let zeros = vec!["0"; dims].join(",");
            let goal = match is_led(checkpoint) {
                true => format!(" --goal {zeros}"),
                false => String::new(),
            };
            format!("diffplan plan --checkpoint {out} --obs {zeros}{goal}")
        }
        (true, None) => format!("diffplan inspect {out}"),
        (false, _) if target == Target::Diffusers => {
            let script =
                "import sys, diffusers; diffusers.UNet1DModel.from_pretrained(sys.argv[1], subfolder=\"unet\")";
            format!("python -c '{script}' {out}")
        }
        (false, _) => format!("diffplan inspect {out}"),
    }
}

fn text(checkpoint: &Checkpoint, out: &Path, next: &str) -> String {
    let report = checkpoint.report();
    let mut text = String::new();
    for (title, lines) in [
        ("read", &report.read),
        ("mapped", &report.mapped),
        ("left out", &report.left_out),
        ("notes", &report.notes),
    ] {
        if !lines.is_empty() {
            text += &format!("{title}\n");
            lines.iter().for_each(|line| text += &format!("  {line}\n"));
        }
    }
    text += &format!("saved\n  {}\n", out.display());
    for (name, bytes) in checkpoint.files() {
        text += &format!("    {name}, {} bytes\n", table::thousands(bytes.len()));
    }
    text + &format!("next\n  {next}")
}
