//! `diffplan train`: a planner, a value function, or one after the other.

mod board;
mod data;
mod folder;
mod loss;
mod progress;
mod record;
mod run;
mod samples;
mod settings;

use crate::args::{RunArgs, TrainArgs, TrainOptions, ValueKeys, What};
use crate::error::{Error, Result};
use crate::interrupt::on_interrupt;
use crate::{json, output, table};
use data::Data;
use folder::{Folder, Start};
use run::{Run, Summary};
use serde::Serialize;
use settings::{Kind, Settings, Typed};
use std::path::PathBuf;
use std::sync::atomic::Ordering;

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Report {
    checkpoint: PathBuf,
    networks: Vec<Summary>,
}

pub(crate) fn run(args: TrainArgs) -> Result<()> {
    let none = ValueKeys::default();
    match args.what {
        What::Planner(options) => train("planner", &[Kind::Planner], &options, &none),
        What::Value(options) => train("value", &[Kind::Value], &options, &none),
        What::Both(both) => train("both", &Kind::ALL, &both.options, &both.value),
    }
}

fn train(what: &str, kinds: &[Kind], args: &TrainOptions, value_flags: &ValueKeys) -> Result<()> {
    let mut typed = Typed::new(&args.keys, value_flags, args.config.as_deref())?;
    let folder = Folder::new(typed.out()?);
    if args.resume && folder.settings().exists() {
        typed = typed.over(&folder.settings())?;
    }
    let mut settings = typed.resolve(kinds)?;
    let data = Data::read(&settings)?;
    settings.set_env(data.dataset.env());
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
            .collect::<Result<_>>()
    })?;
    let _lock = folder.lock()?;
    let start = match (args.resume, args.overwrite) {
        (true, _) => Start::Resume,
        (_, true) => Start::Overwrite,
        _ => Start::Fresh,
    };
    let checkpoint = folder.begin(start, &settings, &data, &mut runs)?;
    if !args.json {
        output::print(text(&settings, &data, &runs, &folder, pool.current_num_threads()))?;
    }
    let stop = on_interrupt()?;
    let mut summaries = Vec::new();
    for run in &mut runs {
        let asked = || stop.load(Ordering::Relaxed);
        let summary = pool.install(|| run.advance(&settings, &data, &folder, &checkpoint, &asked));
        if matches!(summary, Ok(_) | Err(Error::Interrupted { .. })) {
            loss::draw(&folder)?;
        }
        let summary = summary.map_err(|error| match error {
            Error::Interrupted { at } => Error::Interrupted {
                at: format!(
                    "{at}; go on with: diffplan train {what} --out {} --resume",
                    folder.path().display()
                ),
            },
            other => other,
        });
        summaries.push(summary?);
    }
    let report = Report {
        checkpoint: folder.path().to_owned(),
        networks: summaries,
    };
    if args.json {
        return json::print_line(&report);
    }
    output::print(format!("\n{}", report.text()))
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
        let header = ["network", "steps", "loss", "seconds", "steps/s"];
        format!(
            "{}\n\n  saved {}",
            table::table(&header, &rows),
            self.checkpoint.display()
        )
    }
}

fn text(settings: &Settings, data: &Data, runs: &[Run], folder: &Folder, threads: usize) -> String {
    let mut rows = vec![
        ("dataset", format!("{}, {}", settings.dataset.display(), data.words())),
        ("out", folder.path().display().to_string()),
        ("env", settings.env.clone().unwrap_or_else(|| "not known".into())),
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
    ];
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
    rows.extend(
        data.normalizers
            .warnings()
            .map(|warning| ("warning", warning.to_string())),
    );
    table::fields(&rows)
}
