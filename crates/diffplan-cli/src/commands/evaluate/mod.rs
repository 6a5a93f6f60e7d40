//! `diffplan evaluate`: many episodes side by side, and how good they were; and two evaluations compared.

mod compare;
mod folder;
mod progress;
mod report;
mod row;
mod settings;

use crate::args::EvaluateArgs;
use crate::error::{Error, Result};
use crate::interrupt::on_interrupt;
use crate::{json, output};
use diffplan_envs::{AutoresetMode, BoxEnv, Env, VecEnv, make_vec};
use diffplan_pipelines::{EvaluationEvent, Planner, Start, ValueGuidedPipeline, evaluate};
use folder::{Folder, Saved};
use progress::Progress;
use report::{Latency, Report};
use row::Row;
use settings::Settings;
use std::ops::ControlFlow;
use std::sync::atomic::Ordering;
use std::time::Instant;

pub(crate) fn run(args: EvaluateArgs) -> Result<()> {
    if let [a, b] = &args.compare[..] {
        return compare::run(a, b, args.run.json);
    }
    let mut folder = args.out.clone().map(Folder::open).transpose()?;
    let before = match &mut folder {
        Some(folder) => folder.before(args.resume)?,
        None => None,
    };
    match before {
        Some(saved) if saved.is_over(&args) => over(&args, &saved, folder.as_ref()),
        before => play(&args, before, folder),
    }
}

/// Shows an evaluation that is over already.
fn over(args: &EvaluateArgs, saved: &Saved, folder: Option<&Folder>) -> Result<()> {
    let settings = Settings::again(args, saved)?;
    if let Some(checkpoint) = &args.checkpoint {
        settings.check_same(saved, &settings::hash(checkpoint)?)?;
    }
    if !args.run.json {
        output::print(settings.text(saved.rows.len()))?;
    }
    // A kill may have come between the last row and the end.
    let unfinished = folder.filter(|_| !saved.finished || saved.config.episodes != settings.config.episodes);
    end(args, &settings, &saved.rows, saved.plan_ms.clone(), unfinished)
}

fn play(args: &EvaluateArgs, before: Option<Saved>, mut folder: Option<Folder>) -> Result<()> {
    let pool = args.run.pool()?;
    let threads = pool.current_num_threads();
    let checkpoint = settings::checkpoint(args, before.as_ref())?;
    let pipeline = ValueGuidedPipeline::from_pretrained(&checkpoint)?;
    let hash = settings::hash(&checkpoint)?;
    let mut settings = match &before {
        Some(saved) => Settings::again(args, saved)?,
        None => Settings::new(args, &checkpoint, &pipeline)?,
    };
    if let Some(saved) = &before {
        settings.check_same(saved, &hash)?;
    }
    let played = before.as_ref().map_or(0, |saved| saved.rows.len());
    settings.set_run(args, checkpoint, hash, threads, played)?;
    // All that can be wrong is found before anything is shown, written or played.
    let envs = make_vec(&settings.env, settings.config.parallel)?.with_autoreset(AutoresetMode::Disabled);
    settings.set_simulator(envs.envs().first().and_then(BoxEnv::simulator), before.as_ref())?;
    let mut rows = before.map_or_else(Vec::new, |saved| saved.rows);
    pipeline.check_spaces(envs.single_observation_space(), envs.single_action_space())?;
    let planner = pipeline.planner(settings.config.options.clone())?.in_pool(pool);
    if let Some(folder) = &mut folder {
        folder.begin(&settings, &rows)?;
    }
    if !args.run.json {
        output::print(settings.text(rows.len()))?;
    }
    let latency = play_missing(&settings, planner, envs, &mut rows, &mut folder)?;
    end(args, &settings, &rows, latency, folder.as_ref())
}

/// Plays the episodes that have no row yet, and adds theirs in the order in which they end.
fn play_missing(
    settings: &Settings,
    mut planner: Planner,
    mut envs: VecEnv,
    rows: &mut Vec<Row>,
    folder: &mut Option<Folder>,
) -> Result<Option<Latency>> {
    let stop = on_interrupt()?;
    let mut there = vec![false; settings.config.episodes];
    rows.iter().for_each(|row| there[row.episode] = true);
    let missing = Start::seeded(settings.seed)
        .take(settings.config.episodes)
        .filter(|start| !there[start.index]);
    let mut progress = Progress::new(settings.config.episodes, rows);
    let (begun, seconds_before) = (
        Instant::now(),
        rows.iter().map(|row| row.elapsed_seconds).fold(0.0, f64::max),
    );
    let (mut calls, mut failed) = (Vec::new(), None);
    let mut watch = |event: EvaluationEvent| {
        match event {
            EvaluationEvent::Stepped { running, plan_time } => {
                calls.push(plan_time.as_secs_f64() * 1e3);
                progress.step(running);
            }
            EvaluationEvent::Finished(result) => {
                let elapsed = seconds_before + begun.elapsed().as_secs_f64();
                let row = Row::new(result, &settings.env, elapsed);
                progress.end_episode(row.episode_return);
                let added = folder.as_mut().map_or(Ok(()), |folder| folder.add(&row));
                rows.push(row);
                if let Err(error) = added {
                    failed = Some(error);
                    return ControlFlow::Break(());
                }
            }
            _ => {}
        }
        match stop.load(Ordering::Relaxed) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    };
    let played = evaluate(&mut planner, &mut envs, missing, &mut watch);
    progress.end();
    rows.sort_by_key(|row| row.episode);
    if let Some(error) = failed {
        return Err(error);
    }
    let (done, of) = (rows.len(), settings.config.episodes);
    played.map_err(|error| match folder {
        Some(folder) if done > 0 => Error::EvaluationStopped {
            error,
            kept: format!("{done} of {of} episodes are in {}", folder.path().display()),
        },
        _ => error.into(),
    })?;
    if done < of {
        let kept = match folder {
            Some(folder) => format!(
                "go on with: diffplan evaluate --out {} --resume",
                output::quoted(folder.path())
            ),
            None => "nothing is kept without --out".into(),
        };
        let at = format!("after {done} of {of} episodes; {kept}");
        return Err(Error::Interrupted { at });
    }
    Ok(Latency::of(&calls, settings.config.parallel))
}

/// Saves and prints what came out.
fn end(
    args: &EvaluateArgs,
    settings: &Settings,
    rows: &[Row],
    latency: Option<Latency>,
    folder: Option<&Folder>,
) -> Result<()> {
    let report = Report::of(settings, rows, latency);
    let saved = match folder {
        Some(folder) => folder.finish(&report, rows)?,
        None => Vec::new(),
    };
    if args.run.json {
        return json::print_line(&report);
    }
    output::print(format!("\n{}", report.text()))?;
    for path in saved {
        output::print(format!("  saved {}", path.display()))?;
    }
    Ok(())
}
