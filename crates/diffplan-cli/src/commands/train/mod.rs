//! `diffplan train`: a planner, a value function, or one after the other.

mod observer;
mod progress;

use crate::args::{RunArgs, TrainArgs, TrainOptions, ValueKeys, What};
use crate::commands::tune::{AfterTraining, check_after_training};
use crate::error::{Error, Result};
use crate::interrupt::on_interrupt;
use crate::{datasets, json, output, settings};
use diffplan_data::{Finding, Keys, ReadError, RecordedEnv};
use diffplan_eval::tune::Tuned;
use diffplan_eval::{Registry, env_facts, table};
use diffplan_pictures::{Curve, loss_png};
use diffplan_train::Conditions;
use diffplan_train::session::{Data, Kind, Run, RunFolder, Settings, Source, Start, Summary, Typed, read_record};
use observer::Watching;
use serde::Serialize;
use std::path::PathBuf;

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Report {
    checkpoint: PathBuf,
    /// What is odd about the data.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
    networks: Vec<Summary>,
    /// What planning with them is best done with.
    #[serde(skip_serializing_if = "Option::is_none")]
    tuned: Option<Tuned>,
}

pub(crate) fn run(args: TrainArgs, registry: &Registry) -> Result<()> {
    let none = ValueKeys::default();
    match args.what {
        What::Planner(options) => train("planner", &[Kind::Planner], &options, &none, registry),
        What::Value(options) => train("value", &[Kind::Value], &options, &none, registry),
        What::Both(both) => train("both", &Kind::ALL, &both.options, &both.value, registry),
    }
}

fn train(what: &str, kinds: &[Kind], args: &TrainOptions, value_flags: &ValueKeys, registry: &Registry) -> Result<()> {
    let mut typed = Typed::new(&args.keys, value_flags, args.config.as_deref())?;
    let folder = RunFolder::new(typed.out()?);
    if args.resume {
        typed = typed.over_run(&folder)?;
    }
    let mut settings = typed.resolve(kinds)?;
    for source in &mut settings.datasets {
        source.path = datasets::path(&source.path)?;
    }
    for note in typed.notes(kinds) {
        output::remark(&format!("note: {note}"));
    }
    // An environment that is typed is wrong before hours of work, rather than after.
    let typed_env = settings
        .made()
        .filter(|_| args.keys.env.is_some() || !args.keys.env_kwargs.is_empty());
    if let Some(env) = &typed_env {
        check_env(registry, env)?;
    }
    let data = Data::read_knowing(&settings, &|env| env_facts(&registry.envs, env));
    let data = data.map_err(|error| too_large(error, &settings))?;
    if args.keys.env.is_some() {
        check_dimensions(&settings, &data)?;
    }
    settings.set_env(data.dataset.recorded_env());
    // What the end needs is looked at before the beginning.
    let tuned_env = match args.tune {
        Some(_) => {
            let goals = settings.conditions == Conditions::Goal;
            let planner = kinds.contains(&Kind::Planner) || folder.path().join("unet").is_dir();
            let made = settings.made();
            Some(check_after_training(registry, made.as_ref(), (goals, planner))?)
        }
        None => None,
    };
    let pool = RunArgs {
        threads: settings.threads,
        json: args.json,
    }
    .pool()?;
    // Both networks before the first is trained: what is wrong with the second would else be found hours later.
    let networks = settings.networks.iter();
    let mut runs: Vec<Run> = pool.install(|| {
        networks
            .map(|network| Run::new(&settings, network, &data))
            .collect::<diffplan_train::Result<_>>()
    })?;
    let warnings: Vec<String> = data.findings.iter().map(ToString::to_string).collect();
    if args.strict && !warnings.is_empty() {
        warn(&warnings);
        return Err(Error::OddDataset {
            file: settings.datasets[0].path.clone(),
            findings: warnings.len(),
        });
    }
    let _lock = folder.lock()?;
    let start = match (args.resume, args.overwrite) {
        (true, _) => Start::Resume,
        (_, true) => Start::Overwrite,
        _ => Start::Fresh,
    };
    let output = Run::begin(&mut runs, folder.clone(), start, &settings, &data)?;
    if !args.json {
        output::print(text(&settings, &data, &runs, &folder, pool.current_num_threads()))?;
    }
    let goes_on = args.resume && runs.iter().any(|run| run.steps() > 0);
    for (run, network) in runs.iter().zip(&settings.networks) {
        if goes_on && run.steps() == 0 {
            let (what, folder) = (network.kind.words(), folder.path().display());
            output::remark(&format!(
                "note: {folder} has no {what} to go on with: its training begins"
            ));
        }
    }
    warn(&warnings);
    let stop = on_interrupt()?;
    let mut summaries = Vec::new();
    for run in &mut runs {
        let mut watching = Watching::new(stop.clone(), registry);
        let summary = pool.install(|| run.advance(&settings, &data, &output, &mut watching));
        if matches!(summary, Ok(_) | Err(diffplan_train::Error::Interrupted { .. })) {
            draw_loss(&folder)?;
        }
        let summary = summary.map_err(|error| match error {
            diffplan_train::Error::Interrupted { at } => Error::Interrupted {
                at: format!(
                    "{at}; go on with: diffplan train {what} --out {} --resume",
                    folder.path().display()
                ),
            },
            other => other.into(),
        });
        summaries.push(summary?);
    }
    let tuned = match (args.tune, &tuned_env) {
        (Some(budget), Some(env)) => {
            let after = AfterTraining {
                folder: folder.path(),
                env,
                budget,
                pool,
                stop: &stop,
            };
            Some(after.run(registry)?)
        }
        _ => None,
    };
    let report = Report {
        checkpoint: folder.path().to_owned(),
        warnings,
        networks: summaries,
        tuned,
    };
    if args.json {
        return json::print_line(&report);
    }
    output::print(format!("\n{}", report.text()))
}

/// What to do about a dataset that does not fit in memory.
fn too_large(error: diffplan_train::Error, settings: &Settings) -> Error {
    let diffplan_train::Error::Data(data) = &error else {
        return error.into();
    };
    let (file, what) = match data {
        diffplan_data::Error::File { path, error } => (Some(path), &**error),
        other => (None, other),
    };
    let first = settings.datasets.first().map(|source| &source.path);
    let (diffplan_data::Error::Read(ReadError::Memory { .. }), Some(file)) = (what, file.or(first)) else {
        return error.into();
    };
    let mut packed = file.clone();
    packed.set_extension("pack");
    let read = &settings.read;
    let mut words = vec!["diffplan data pack".to_owned(), quoted(&file.display().to_string())];
    let mut tell = |name: &str, value: Option<String>| {
        words.extend(value.map(|value| format!("--{name} {}", quoted(&value))));
    };
    tell("keys", (read.keys != Keys::default()).then(|| read.keys.to_string()));
    tell("rewards", read.rewards.as_ref().map(ToString::to_string));
    tell(
        "max-episode-steps",
        read.max_episode_steps.map(|steps| steps.to_string()),
    );
    tell("out", Some(packed.display().to_string()));
    Error::TooLarge {
        command: words.join(" "),
        packed,
        error: Box::new(error),
    }
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=,+:".contains(c);
    match word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }
}

/// Says what is odd about the data.
fn warn(warnings: &[String]) {
    warnings
        .iter()
        .for_each(|line| output::remark(&format!("warning: {line}")));
}

/// # Errors
/// If there is no such environment, or it does not take its arguments. One that only cannot be made on this machine, for want of a
/// simulator, may be played on another.
fn check_env(registry: &Registry, env: &RecordedEnv) -> Result<()> {
    match settings::env(registry, env) {
        Err(error @ (Error::UnknownEnv { .. } | Error::Eval(_))) => Err(error),
        Err(error) => {
            output::remark(&format!("note: the data is not compared with {}: {error}", env.id));
            Ok(())
        }
        Ok(_) => Ok(()),
    }
}

/// # Errors
/// If the data has other dimensions than the environment that was asked for.
fn check_dimensions(settings: &Settings, data: &Data) -> Result<()> {
    let other = data
        .findings
        .iter()
        .find(|found| matches!(found.finding, Finding::OtherDimensions { .. }));
    match (other, &settings.env) {
        (Some(found), Some(env)) => Err(Error::OtherEnv {
            env: env.clone(),
            reason: found.to_string(),
        }),
        _ => Ok(()),
    }
}

/// `loss.png`, of both networks where both have been trained.
fn draw_loss(folder: &RunFolder) -> Result<()> {
    let mut curves = Vec::new();
    for kind in Kind::ALL {
        let rows = read_record(&folder.record(kind))?;
        curves.push(Curve {
            of: kind.words().to_owned(),
            points: rows.iter().map(|row| (row.step, row.loss)).collect(),
        });
        curves.push(Curve {
            of: format!("{} on held-out episodes", kind.words()),
            points: rows
                .iter()
                .filter_map(|row| Some((row.step, row.validation_loss?)))
                .collect(),
        });
    }
    match loss_png(&curves)? {
        Some(picture) => output::write_atomically(&folder.path().join("loss.png"), &picture),
        None => Ok(()),
    }
}

impl Report {
    fn text(&self) -> String {
        let rows: Vec<Vec<String>> = self
            .networks
            .iter()
            .map(|network| {
                vec![
                    network.network.words().into(),
                    network.steps.to_string(),
                    network.loss.map_or("-".into(), |loss| format!("{loss:.6}")),
                    format!("{:.1}", network.seconds),
                    format!("{:.2}", network.steps_per_second),
                ]
            })
            .collect();
        let held_out: Vec<String> = self
            .networks
            .iter()
            .filter_map(|network| Some(format!("{} {:.6}", network.network.words(), network.validation_loss?)))
            .collect();
        let held_out = match held_out.is_empty() {
            true => String::new(),
            false => format!("\n\n  on held-out episodes: {}", held_out.join(", ")),
        };
        let header = ["network", "steps", "loss", "seconds", "steps/s"];
        format!(
            "{}{held_out}\n\n  saved {}",
            table::table(&header, &rows),
            self.checkpoint.display()
        ) + &self.tuned.as_ref().map_or(String::new(), |tuned| {
            format!(
                "\n\n{}\n\n  what is recommended is in planning_config.json",
                tuned.text()
            )
        })
    }
}

fn text(settings: &Settings, data: &Data, runs: &[Run], folder: &RunFolder, threads: usize) -> String {
    let mut rows: Vec<(&str, String)> = match &settings.datasets[..] {
        [one] => vec![("dataset", format!("{}, {}", one.path.display(), data.words()))],
        many => {
            let weight = |source: &Source| {
                source
                    .weight
                    .map_or(String::new(), |weight| format!(", weight {weight}"))
            };
            let each = many
                .iter()
                .map(|source| ("dataset", format!("{}{}", source.path.display(), weight(source))));
            each.chain([("all", data.words())]).collect()
        }
    };
    rows.extend([
        ("out", folder.path().display().to_string()),
        (
            "env",
            settings
                .made()
                .map_or_else(|| "not known".into(), |env| env.to_string()),
        ),
        ("trajectories", settings.words()),
        (
            "diffusion",
            format!(
                "{} timesteps, {}, predicts {}",
                settings.scheduler.num_train_timesteps,
                settings.scheduler.beta_schedule,
                settings.scheduler.prediction_type
            ),
        ),
    ]);
    for (run, network) in runs.iter().zip(&settings.networks) {
        let begun = match run.steps() {
            0 => String::new(),
            steps => format!(", goes on from step {steps}"),
        };
        rows.push((
            network.kind.words(),
            format!("{} parameters, {}{begun}", run.parameters(), network.words()),
        ));
    }
    rows.push((
        "states",
        format!("every {} steps, the last {} stay", settings.save_every, settings.keep),
    ));
    rows.push(("threads", threads.to_string()));
    table::fields(&rows)
}
