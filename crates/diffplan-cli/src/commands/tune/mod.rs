//! `diffplan tune`: which planning options are worth their time; and the tuning that a training ends with.

mod after_training;
mod progress;

pub(crate) use after_training::{AfterTraining, check as check_after_training};

use crate::args::{RunArgs, TuneArgs};
use crate::error::{Error, Result};
use crate::interrupt::on_interrupt;
use crate::{aims, json, output, settings};
use diffplan_data::RecordedEnv;
use diffplan_envs::Env;
use diffplan_eval::evaluation::{check_plan_size, describe, hash};
use diffplan_eval::tune::{FEWEST, Pools, Space, Subject, TuneRows, Tuned, Tuning};
use diffplan_eval::{AimText, Registry, table};
use diffplan_files::folder_of;
use diffplan_pictures::{FrontierPicture, Tried, frontier_png};
use diffplan_pipelines::{PlanOptions, Planner, ValueGuidedPipeline};
use progress::Progress;
use rayon::{ThreadPool, ThreadPoolBuilder};
use serde_json::json;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub(crate) fn run(args: TuneArgs, registry: &Registry) -> Result<()> {
    let folder = settings::checkpoint(&args.checkpoint)?;
    let pipeline = settings::pipeline(registry, &folder)?;
    let made = settings::played_env(&args.env, &folder, &pipeline)?;
    let options = args.planning.over(pipeline.options())?;
    check_plan_size(&options)?;
    settings::warn_of_horizon(&pipeline, &options);
    let env = settings::env(registry, &made)?;
    settings::check_dimensions(&pipeline, env.observation_space(), env.action_space())?;
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
    let run = RunArgs {
        threads: args.threads,
        json: args.json,
    };
    let timed = run.pool()?;
    let threads = timed.current_num_threads();
    let of = json!({
        "checkpoint": hash(&folder)?,
        "env": made.to_string(),
        "seed": args.seed,
        "threads": threads,
    });
    let mut rows = match &args.out {
        Some(out) => {
            output::prepare_folder(folder_of(out))?;
            TuneRows::in_file(&out.with_extension("rows"), &of, args.resume)?
        }
        None => TuneRows::in_memory(),
    };
    if !args.json {
        let rate = args.hz.map_or("any".into(), |hz| format!("{hz} plans/s"));
        let plural = if threads == 1 { "" } else { "s" };
        output::print(table::fields(&[
            ("checkpoint", folder.path().display().to_string()),
            ("env", made.to_string()),
            ("default", describe(&options)),
            ("speed", format!("{rate}, on {threads} thread{plural}")),
            ("budget", humantime::format_duration(args.budget).to_string()),
        ]))?;
    }
    let job = Job {
        tuning: &tuning,
        pipeline: &pipeline,
        options: &options,
        made: &made,
        timed,
    };
    let stop = on_interrupt()?;
    let tuned = job.search(registry, &mut rows, &stop, || match &args.out {
        Some(out) => format!("go on with --out {} --resume", table::quoted(out)),
        None => "nothing is kept without --out".into(),
    })?;
    let saved = match &args.out {
        Some(out) => save(out, &tuned)?,
        None => Vec::new(),
    };
    if args.json {
        return json::print_line(&tuned);
    }
    output::print(format!("\n{}", tuned.text()))?;
    if args.out.is_none() {
        output::print(format!("\n{}", config_text(&tuned)?.trim_end()))?;
    }
    for path in saved {
        output::print(format!("  saved {}", path.display()))?;
    }
    Ok(())
}

/// What is tuned, and where.
struct Job<'a> {
    tuning: &'a Tuning,
    pipeline: &'a ValueGuidedPipeline,
    options: &'a PlanOptions,
    made: &'a RecordedEnv,
    /// The threads that a plan has.
    timed: Arc<ThreadPool>,
}

impl Job<'_> {
    /// Searches, shown on stderr, until it is over or there is an interrupt, after which `kept` says what is to be done.
    fn search(
        self,
        registry: &Registry,
        rows: &mut TuneRows,
        stop: &AtomicBool,
        kept: impl Fn() -> String,
    ) -> Result<Tuned> {
        let played = ThreadPoolBuilder::new().build().map_err(|e| Error::Threads {
            threads: self.timed.current_num_threads(),
            reason: e.to_string(),
        })?;
        let pools = Pools {
            timed: self.timed,
            played: Arc::new(played),
        };
        let mut progress = Progress::new();
        let mut watch = |event, spent| {
            progress.tell(event, spent);
            match stop.load(Ordering::Relaxed) {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        };
        let make = || diffplan_eval::make_env(&registry.envs, self.made);
        let env = settings::env(registry, self.made)?;
        // Why plans cannot be followed as they are to be is said before anything is timed.
        let planner = self.pipeline.planner(self.options.clone())?;
        aims::planner_policy(planner, &AimText::default(), &env)?;
        let policy = |planner: Planner| {
            let made = aims::planner_policy(planner, &AimText::default(), &env);
            made.map_err(|error| diffplan_eval::Error::Parts(error.to_string()))
        };
        let subject = Subject {
            pipeline: self.pipeline,
            options: self.options,
            make: &make,
            policy: &policy,
            pools: &pools,
        };
        let tuned = self.tuning.run(&subject, rows, &mut watch);
        progress.end();
        tuned.map_err(|error| match stop.load(Ordering::Relaxed) {
            true => Error::Interrupted {
                at: format!("in tuning; {}", kept()),
            },
            false => error.into(),
        })
    }
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
    let (env, ms, threads) = (&tuned.env, trial.median_ms, tuned.threads);
    let plural = if threads == 1 { "" } else { "s" };
    Ok(format!(
        "# diffplan tune: {env}, {ms:.2} ms a plan on {threads} thread{plural}{played}{sure}\n{config}"
    ))
}

fn save(out: &Path, tuned: &Tuned) -> Result<Vec<PathBuf>> {
    output::write_atomically(out, config_text(tuned)?.as_bytes())?;
    let mut saved = vec![out.to_owned()];
    saved.extend(save_table(out, tuned)?);
    saved.push(out.with_extension("rows"));
    Ok(saved)
}

/// The table and the picture, beside `out`.
fn save_table(out: &Path, tuned: &Tuned) -> Result<Vec<PathBuf>> {
    let (csv, png) = (out.with_extension("csv"), out.with_extension("png"));
    output::write_atomically(&csv, tuned.csv().as_bytes())?;
    let mut saved = vec![csv];
    if let Some(picture) = picture(tuned)? {
        output::write_atomically(&png, &picture)?;
        saved.push(png);
    }
    Ok(saved)
}

/// Of what was played often enough to have a place; none of nothing.
fn picture(tuned: &Tuned) -> Result<Option<Vec<u8>>> {
    let (mut tried, mut chosen, mut reference) = (Vec::new(), None, None);
    for (index, trial) in tuned.trials.iter().enumerate() {
        let Some(played) = trial.played().filter(|played| played.episodes >= FEWEST) else {
            continue;
        };
        if index == tuned.best {
            chosen = Some(tried.len());
        }
        if index == 0 {
            reference = Some(tried.len());
        }
        tried.push(Tried {
            label: short(&trial.options),
            milliseconds: trial.median_ms,
            mean: played.mean,
            interval: played.interval,
        });
    }
    let (best, threads) = (&tuned.trials[tuned.best], tuned.threads);
    let plural = if threads == 1 { "" } else { "s" };
    if tried.is_empty() {
        return Ok(None);
    }
    Ok(Some(frontier_png(&FrontierPicture {
        title: format!(
            "{}   ·   return against the time of a plan, {threads} thread{plural}",
            tuned.env
        ),
        subtitle: format!("recommended: {}", best.what),
        tried,
        chosen,
        reference,
    })?))
}

/// Candidates × timesteps, and how they are chosen.
fn short(options: &PlanOptions) -> String {
    let steps = options
        .num_inference_steps
        .map_or("all".to_owned(), |steps| steps.to_string());
    let how = match (options.n_guide_steps, options.rescore) {
        (0, true) => ", best",
        (0, false) => "",
        _ => ", gradient",
    };
    format!("{} × {steps}{how}", options.batch_size)
}
