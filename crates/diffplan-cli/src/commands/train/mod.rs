//! `diffplan train`: a planner, a value function, or one after the other.

mod observer;
mod progress;

use crate::args::{RunArgs, TrainArgs, TrainOptions, ValueKeys, What};
use crate::error::{Error, Result};
use crate::interrupt::on_interrupt;
use crate::{json, output};
use diffplan_eval::{Registry, table};
use diffplan_pictures::{Curve, loss_png};
use diffplan_train::session::{Data, Kind, Run, RunFolder, Settings, Start, Summary, Typed, read_record};
use observer::Watching;
use serde::Serialize;
use std::path::PathBuf;

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Report {
    checkpoint: PathBuf,
    networks: Vec<Summary>,
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
    for note in typed.notes(kinds) {
        output::remark(&format!("note: {note}"));
    }
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
            .collect::<diffplan_train::Result<_>>()
    })?;
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
    let report = Report {
        checkpoint: folder.path().to_owned(),
        networks: summaries,
    };
    if args.json {
        return json::print_line(&report);
    }
    output::print(format!("\n{}", report.text()))
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
        let header = ["network", "steps", "loss", "seconds", "steps/s"];
        format!(
            "{}\n\n  saved {}",
            table::table(&header, &rows),
            self.checkpoint.display()
        )
    }
}

fn text(settings: &Settings, data: &Data, runs: &[Run], folder: &RunFolder, threads: usize) -> String {
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
