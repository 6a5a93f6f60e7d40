//! `diffplan tune`: which planning options are worth their time.

mod progress;

use crate::args::TuneArgs;
use crate::error::{Error, Result};
use crate::interrupt::on_interrupt;
use crate::{json, output, settings};
use diffplan_eval::evaluation::{check_plan_size, describe, hash};
use diffplan_eval::tune::{Pools, Space, TuneRows, Tuned, Tuning};
use diffplan_eval::{Registry, table};
use diffplan_files::folder_of;
use progress::Progress;
use rayon::ThreadPoolBuilder;
use serde_json::json;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

pub(crate) fn run(args: TuneArgs, registry: &Registry) -> Result<()> {
    let folder = settings::checkpoint(&args.checkpoint)?;
    let pipeline = settings::pipeline(registry, &folder)?;
    let made = settings::played_env(&args.env, &folder, &pipeline)?;
    let options = args.planning.over(pipeline.options())?;
    check_plan_size(&options)?;
    settings::warn_of_horizon(&pipeline, &options);
    {
        let env = settings::env(registry, &made)?;
        settings::check_dimensions(
            &pipeline,
            diffplan_envs::Env::observation_space(&env),
            diffplan_envs::Env::action_space(&env),
        )?;
    }
    let mut tuning = Tuning::new(&made.id);
    tuning.hz = args.hz;
    tuning.budget = args.budget;
    tuning.seed = args.seed;
    tuning.episodes = args.episodes;
    tuning.trials = args.trials;
    tuning.parallel = args.parallel;
    if !args.vary.is_empty() {
        tuning.space = Some(Space::of_texts(&args.vary)?);
    }
    let timed = args.run.pool()?;
    let threads = timed.current_num_threads();
    let played = ThreadPoolBuilder::new().build().map_err(|e| Error::Threads {
        threads,
        reason: e.to_string(),
    })?;
    let pools = Pools {
        timed,
        played: Arc::new(played),
    };
    let of = json!({
        "checkpoint": hash(&folder)?,
        "env": made.to_string(),
        "seed": args.seed,
        "threads": threads,
    });
    let mut rows = match &args.out {
        Some(out) => {
            output::prepare_folder(folder_of(out))?;
            TuneRows::in_file(&beside(out, "rows"), &of, args.resume)?
        }
        None => TuneRows::in_memory(),
    };
    if !args.run.json {
        let budget = humantime::format_duration(args.budget).to_string();
        let rate = args.hz.map_or("any".into(), |hz| format!("{hz} plans/s"));
        output::print(table::fields(&[
            ("checkpoint", folder.path().display().to_string()),
            ("env", made.to_string()),
            ("default", describe(&options)),
            (
                "speed",
                format!("{rate}, on {threads} thread{}", if threads == 1 { "" } else { "s" }),
            ),
            ("budget", budget),
        ]))?;
    }
    let stop = on_interrupt()?;
    let mut progress = Progress::new();
    let mut watch = |event, spent| {
        progress.tell(event, spent);
        match stop.load(Ordering::Relaxed) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    };
    let make = || diffplan_eval::make_env(&registry.envs, &made);
    let tuned = tuning.run((&pipeline, &options), &make, &pools, &mut rows, &mut watch);
    progress.end();
    let tuned = tuned.map_err(|error| match stop.load(Ordering::Relaxed) {
        true => Error::Interrupted {
            at: match &args.out {
                Some(out) => format!("in tuning; go on with --out {} --resume", table::quoted(out)),
                None => "in tuning; nothing is kept without --out".into(),
            },
        },
        false => error.into(),
    })?;
    let saved = match &args.out {
        Some(out) => save(out, &tuned)?,
        None => Vec::new(),
    };
    if args.run.json {
        return json::print_line(&tuned);
    }
    output::print(format!("\n{}", tuned.text()))?;
    if args.out.is_none() {
        let text = config_text(&tuned)?;
        output::print(format!("\n{}", text.trim_end()))?;
    }
    for path in saved {
        output::print(format!("  saved {}", path.display()))?;
    }
    Ok(())
}

/// The file beside the one of the recommended options.
fn beside(out: &Path, extension: &str) -> PathBuf {
    out.with_extension(extension)
}

/// The recommended options as TOML.
fn config_text(tuned: &Tuned) -> Result<String> {
    let config = toml::to_string(&tuned.planning_config()).map_err(|e| Error::Setting {
        name: "out",
        value: e.to_string(),
        expected: "options that TOML can hold".into(),
    })?;
    let difference = tuned.against_default.and_then(|difference| difference.interval);
    let sure = difference.map_or(String::new(), |[low, high]| {
        format!("; less the default's {low:+.1} to {high:+.1} (95 %, paired)")
    });
    let trial = &tuned.trials[tuned.best];
    let played = trial.played().map_or(String::new(), |played| {
        format!(", mean return {:.1} over {} episodes", played.mean, played.episodes)
    });
    Ok(format!(
        "# diffplan tune: {}, {:.2} ms a plan on {} thread(s){played}{sure}\n{config}",
        tuned.env, trial.median_ms, tuned.threads
    ))
}

fn save(out: &Path, tuned: &Tuned) -> Result<Vec<PathBuf>> {
    let (csv, rows) = (beside(out, "csv"), beside(out, "rows"));
    output::write_atomically(out, config_text(tuned)?.as_bytes())?;
    output::write_atomically(&csv, tuned.csv().as_bytes())?;
    Ok(vec![out.to_owned(), csv, rows])
}
