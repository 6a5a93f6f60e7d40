//! Plans to goals, followed in both ways from the same starts: by a controller that steers along their states, and by their actions.
//!
//! Each way is an evaluation of its own, in a folder `states` and a folder `actions` of the one that was asked for: each is gone on with,
//! looked at and compared as any other.

use super::one;
use crate::args::EvaluateArgs;
use crate::error::Result;
use crate::{guides, json, output, settings};
use diffplan_eval::evaluation::Saved;
use diffplan_eval::{Registry, Report, stats, table};
use diffplan_pipelines::{Follow, OPTIONS, PlanningConfig, TrainedConditions};
use serde::Serialize;
use std::path::Path;

/// In this order.
const WAYS: [Follow; 2] = [Follow::States, Follow::Actions];

#[derive(Serialize)]
struct Both<'a> {
    states: &'a Report,
    actions: &'a Report,
}

/// Whether both ways are to be played: of a checkpoint that was trained with goals where it is not said which, and of a folder that has
/// them.
pub(super) fn is_asked(args: &EvaluateArgs) -> Result<bool> {
    if args.acting.other().is_some() || args.planning.0.follow.is_some() {
        return Ok(false);
    }
    if let Some(folder) = &args.out {
        if Saved::read(folder)?.is_some() {
            return Ok(false);
        }
        let there = |way: &Follow| Saved::read(&folder.join(way.name())).map(|saved| saved.is_some());
        for way in &WAYS {
            if args.resume && there(way)? {
                return Ok(true);
            }
        }
    }
    let checkpoint = settings::checkpoint(&args.acting.checkpoint)?;
    let config = PlanningConfig::of_folder(&checkpoint)?;
    Ok(config.and_then(|config| config.conditions) == Some(TrainedConditions::Goal))
}

/// Plays both, and says how they compare.
pub(super) fn run(args: &EvaluateArgs, registry: &Registry) -> Result<()> {
    let mut asked = args.clone();
    let mut reports = Vec::new();
    for way in WAYS {
        let mut own = asked.clone();
        own.planning.0.follow = Some(way);
        if way == Follow::Actions {
            // Of the controller alone.
            own.planning.0.follow_dims = None;
        }
        own.out = args.out.as_ref().map(|out| out.join(way.name()));
        if !args.run.json {
            let blank = if reports.is_empty() { "" } else { "\n" };
            output::print(format!("{blank}Plans followed by their {}:\n", way.name()))?;
        }
        reports.push(one(&own, args.out.as_deref(), registry)?);
        // What is begun now is as what was begun before and is gone on with.
        if let (Some(folder), true) = (&own.out, args.resume) {
            begun_as(&mut asked, folder)?;
        }
    }
    let [states, actions] = &reports[..] else {
        return Ok(());
    };
    match args.run.json {
        true => json::print_line(&Both { states, actions }),
        false => output::print(format!("\n{}", text(states, actions))),
    }
}

/// Fills in what was not typed with what an evaluation was begun with.
fn begun_as(args: &mut EvaluateArgs, folder: &Path) -> Result<()> {
    let Some(saved) = Saved::read(folder)? else {
        return Ok(());
    };
    let config = saved.config;
    args.episodes = args.episodes.or(Some(config.episodes));
    args.seed = args.seed.or(Some(saved.seed));
    let acting = &mut args.acting;
    if acting.checkpoint.path.is_none() && acting.checkpoint.files.subfolder.is_none() {
        acting.checkpoint.path = config.checkpoint;
        acting.checkpoint.files.variant = acting.checkpoint.files.variant.take().or(config.variant);
    }
    acting.env.env.get_or_insert(saved.env);
    let mut kwargs: Vec<String> = config
        .env_kwargs
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    kwargs.extend(
        config
            .max_episode_steps
            .map(|steps| format!("max_episode_steps={steps}")),
    );
    // Of arguments of one name the last holds, so that what was typed does.
    kwargs.append(&mut acting.env.env_kwargs);
    acting.env.env_kwargs = kwargs;
    if acting.guides.given().is_none() {
        acting.guides = guides::of_records(config.guides);
    }
    if args.aim.text().is_empty() {
        args.aim.goal = config.aim.goal;
        args.aim.goal_time = config.aim.goal_time;
        args.aim.waypoint = config.aim.waypoints;
    }
    let options = config.options.unwrap_or_default();
    let given = args.planning.0.clone();
    for spec in OPTIONS.iter().filter(|spec| spec.name != "follow") {
        let text = options.text(spec.name);
        if let (None, Some(text)) = (given.text(spec.name), text) {
            args.planning.0.set(spec.name, &text)?;
        }
    }
    Ok(())
}

/// The scores of both, and by how much they differ.
fn text(states: &Report, actions: &Report) -> String {
    let row = |followed: &str, report: &Report| {
        let error = report
            .standard_error()
            .map_or(String::new(), |error| format!(" ± {error:.1}"));
        vec![
            followed.to_owned(),
            format!("{:.1}{error}", report.mean_return()),
            report
                .normalized_score()
                .map_or("-".into(), |score| format!("{score:.1}")),
            report.success().map_or("-".into(), |success| success.text()),
        ]
    };
    let rows = [
        row("states, by a controller", states),
        row("actions, as diffused", actions),
    ];
    let header = ["followed", "mean return", "D4RL score", "success"];
    let pairs = states.returns().iter().zip(actions.returns());
    let differences: Vec<f64> = pairs.map(|(states, actions)| states - actions).collect();
    let mean = stats::mean(&differences);
    let score = states.references().map_or(String::new(), |references| {
        format!(", {:+.1} in scores", references.scale(mean))
    });
    let interval = stats::confidence_interval(&differences).map_or(String::new(), |[low, high]| {
        format!(", 95 % interval {low:+.1} to {high:+.1} (Student's t, paired by episode)")
    });
    let fields = [("states less actions", format!("{mean:+.1}{score}{interval}"))];
    format!("{}\n\n{}", table::table(&header, &rows), table::fields(&fields))
}
