//! `diffplan inspect`: what a checkpoint holds. Every part is loaded on its own, so that one that is broken does not hide
//! another; then it is seen whether they fit each other.

mod horizons;
mod parts;
mod source;
mod warnings;

use crate::args::InspectArgs;
use crate::error::{Error, Result};
use crate::{datasets, json, output, settings};
use diffplan_eval::Registry;
use diffplan_eval::evaluation::describe;
use diffplan_pipelines::doctor::{self, Dims, Finding};
use diffplan_pipelines::{Guide, ModelIndex, PlanningConfig, ValueGuidedPipeline, read_normalizers};
use diffplan_schedulers::Steps;
use parts::{Network, NormalizerReport};
use serde::Serialize;
use serde_json::{Map, Value};
use std::path::PathBuf;
use std::sync::Arc;

/// The environment that plans are for, if it is said.
fn env_of(report: &Report) -> Option<&str> {
    report.planning_config.as_ref()?.env.as_deref()
}

/// What was found. A part that is broken or missing is null, and among the problems.
#[derive(Debug, Serialize)]
struct Report {
    checkpoint: PathBuf,
    /// Whether there is one; diffusers needs it, diffplan does not.
    model_index: Option<bool>,
    unet: Option<Network>,
    value_function: Option<Network>,
    /// Those that both networks can take.
    horizons: Option<String>,
    scheduler: Option<Map<String, Value>>,
    normalizer: Option<NormalizerReport>,
    planning_config: Option<PlanningConfig>,
    problems: Vec<Problem>,
    /// What is legal and almost surely wrong.
    warnings: Vec<Finding>,
    /// What people are shown of each part that is well.
    #[serde(skip)]
    lines: Vec<(&'static str, Vec<String>)>,
}

#[derive(Debug, Serialize)]
struct Problem {
    part: &'static str,
    problem: String,
}

pub(crate) fn run(args: InspectArgs, registry: &Registry) -> Result<()> {
    if let Some(other) = source::other(&args)? {
        return source::show(&other, args.json);
    }
    let report = Report::of(&args, registry)?;
    if args.json {
        json::print_line(&report)?;
    } else {
        output::print(report.text())?;
    }
    let warnings = report.warnings.len();
    match report.problems.len() {
        0 if args.strict && warnings > 0 => Err(Error::Warned {
            checkpoint: args.checkpoint,
            warnings,
        }),
        0 => Ok(()),
        problems => Err(Error::BrokenCheckpoint {
            checkpoint: args.checkpoint,
            problems,
        }),
    }
}

impl Report {
    fn of(args: &InspectArgs, registry: &Registry) -> Result<Self> {
        let (path, files) = (&args.checkpoint, &args.files);
        // Of a folder that is not there, or is a file, there is nothing to tell part by part.
        let folder = &settings::folder(Some(path), files)?;
        let mut report = Self {
            checkpoint: path.clone(),
            model_index: None,
            unet: None,
            value_function: None,
            horizons: None,
            scheduler: None,
            normalizer: None,
            planning_config: None,
            problems: Vec::new(),
            warnings: Vec::new(),
            lines: Vec::new(),
        };
        let index = report
            .part("model_index", ModelIndex::read(folder))
            .map(Option::unwrap_or_default);
        report.model_index = index.as_ref().map(|_| folder.has(ModelIndex::NAME)).transpose()?;
        let index = index.unwrap_or_default();
        let unet = report.part("unet", parts::unet(&folder.sub("unet")));
        // Of a planner alone it is not missing: the model index does not speak of it either.
        let value_folder = folder.sub("value_function");
        let has_guide = index.has_value_function(folder)?;
        let value_function = match has_guide {
            true => report.part("value_function", parts::value_function(&value_folder)),
            false => None,
        };
        let scheduler = index.load_scheduler(folder, &registry.parts);
        let scheduler = scheduler.map_err(|error| error.to_string()).and_then(|scheduler| {
            if let Some(finding) = doctor::signal(scheduler.as_ref()) {
                return Err(finding.to_string());
            }
            // Whatever else is in the way of visiting all timesteps.
            scheduler
                .sampler(&Steps::default())
                .map_err(|error| error.to_string())?;
            Ok(scheduler)
        });
        let scheduler = report.part("scheduler", scheduler);
        let normalizers = report.part("normalizer", read_normalizers(folder));
        report.planning_config = report
            .part("planning_config", PlanningConfig::of_folder(folder))
            .flatten();

        if let Some((model, horizons)) = &unet {
            let network = Network::of(model, horizons);
            report.lines.push(("unet", network.lines()));
            report.unet = Some(network);
        }
        if let Some((guide, horizons)) = &value_function {
            let network = Network::of(guide.model(), horizons);
            report.lines.push(("value_function", network.lines()));
            report.value_function = Some(network);
        } else if !has_guide {
            report
                .lines
                .push(("value_function", vec!["none: plans are not guided".into()]));
        }
        if let Some(scheduler) = &scheduler {
            report
                .lines
                .push(("scheduler", parts::scheduler_lines(scheduler.as_ref())));
            report.scheduler = Some(scheduler.to_map());
        }
        if let Some(normalizers) = &normalizers {
            let normalizer = NormalizerReport::of(normalizers);
            report.lines.push(("normalizer", normalizer.lines()));
            report.normalizer = Some(normalizer);
        }
        if let Some(config) = &report.planning_config {
            report.lines.push(("planning_config", parts::planning_lines(config)));
        }
        let found = warnings::of_parts(scheduler.as_deref(), normalizers.as_ref());
        report.warnings.extend(found);
        let found = warnings::of_environment(folder, env_of(&report))?;
        report.warnings.extend(found);
        if let (Some(normalizers), Some(dataset)) = (&normalizers, &args.dataset) {
            let found = warnings::of_dataset(normalizers, &datasets::path(dataset)?)?;
            report.warnings.extend(found);
        }
        let mut dims = normalizers.as_ref().map_or_else(Dims::default, Dims::of_normalizers);
        dims.network = unet.as_ref().map(|(model, _)| model.config().sample_channels());
        dims.value = value_function.as_ref().and_then(|(guide, _)| guide.dimensions());
        let apart = dims.disagreement();
        if let Some(finding) = &apart {
            report.problem("fit", finding);
        }
        if let (None, Some((observations, actions))) = (&apart, warnings::dims_of_env(registry, env_of(&report))) {
            // Another can be given with --env.
            let finding = dims.with_env(observations, actions).disagreement();
            report.warnings.extend(finding.map(warnings::lighter));
        }
        let (Some((unet, takes)), Some(scheduler), Some(normalizers), None) = (unet, scheduler, normalizers, apart)
        else {
            return Ok(report);
        };
        let (horizons, pipeline) = match (value_function, has_guide) {
            (Some((guide, values)), _) => (
                takes.and(&values).to_string(),
                ValueGuidedPipeline::new(Arc::new(unet), Arc::new(guide), scheduler, normalizers),
            ),
            (None, false) => (
                takes.to_string(),
                ValueGuidedPipeline::without_guide(Arc::new(unet), scheduler, normalizers),
            ),
            (None, true) => return Ok(report),
        };
        let pipeline = report.part("fit", pipeline);
        let pipeline = match &report.planning_config {
            Some(config) => pipeline.map(|pipeline| pipeline.with_planning_config(config.clone())),
            None => pipeline,
        };
        let options = pipeline.as_ref().map(ValueGuidedPipeline::options);
        if let (Some(pipeline), Some(options)) = (&pipeline, options) {
            // What `plan` does if it is told nothing else.
            let planner = pipeline
                .planner(options)
                .map(drop)
                .map_err(|e| match report.planning_config {
                    Some(_) => e.to_string(),
                    None => format!("there is none, and the default options do not work: {e}"),
                });
            report.part("planning_config", planner);
            report.warnings.extend(doctor::prediction(pipeline));
        }
        if let Some(pipeline) = &pipeline {
            report.lines.push(("plans", Self::plan_lines(pipeline, &horizons)));
        }
        report.horizons = Some(horizons);
        Ok(report)
    }

    /// The part, or none and a problem more.
    fn part<T, E: std::fmt::Display>(&mut self, part: &'static str, result: std::result::Result<T, E>) -> Option<T> {
        result
            .map_err(|e| {
                self.problems.push(Problem {
                    part,
                    problem: e.to_string(),
                })
            })
            .ok()
    }

    fn problem(&mut self, part: &'static str, finding: &Finding) {
        self.problems.push(Problem {
            part,
            problem: finding.to_string(),
        });
    }

    fn plan_lines(pipeline: &ValueGuidedPipeline, horizons: &str) -> Vec<String> {
        let options = pipeline.options();
        vec![
            format!(
                "{} action and {} observation dimensions, horizons: {horizons}",
                pipeline.action_dim(),
                pipeline.observation_dim()
            ),
            format!("by default: {}", describe(&options)),
        ]
    }

    fn text(&self) -> String {
        let mut text = format!("{}\n", self.checkpoint.display());
        for (part, lines) in &self.lines {
            text += &format!("\n{part}\n");
            for line in lines {
                text += &format!("  {line}\n");
            }
        }
        if !self.warnings.is_empty() {
            text += "\nwarnings\n";
        }
        for warning in &self.warnings {
            text += &format!(
                "  {}: {}\n    remedy: {}\n",
                warning.place, warning.what, warning.remedy
            );
        }
        if !self.problems.is_empty() {
            text += "\nproblems\n";
        }
        for Problem { part, problem } in &self.problems {
            text += &format!("  {part}: {problem}\n");
        }
        text.trim_end().to_owned()
    }
}
