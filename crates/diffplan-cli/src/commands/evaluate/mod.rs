//! `diffplan evaluate`: many episodes side by side, and how good they were; of a checkpoint with goals by both ways of following its plans;
//! and two evaluations compared.

mod both;
mod progress;

use crate::args::EvaluateArgs;
use crate::error::{Error, Result};
use crate::interrupt::on_interrupt;
use crate::{aims, guides, json, output, settings};
use diffplan_envs::{AutoresetMode, Env, ResetOptions, VecEnv};
use diffplan_eval::evaluation::{Asked, Latency, Output, Saved, Settings, check_plan_size, hash, play_missing};
use diffplan_eval::{Comparison, Policy, PolicyOptions, Progress as At, Registry, Report, table};
use diffplan_files::Folder;
use progress::Progress;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::Ordering;

pub(crate) fn run(args: EvaluateArgs, registry: &Registry) -> Result<()> {
    if let [a, b] = &args.compare[..] {
        let comparison = Comparison::of_files(a, b)?;
        return match args.run.json {
            true => json::print_line(&comparison),
            false => output::print(comparison.text()),
        };
    }
    if both::is_asked(&args)? {
        return both::run(&args, registry);
    }
    let report = one(&args, args.out.as_deref(), registry)?;
    match args.run.json {
        true => json::print_line(&report),
        false => Ok(()),
    }
}

/// One evaluation, shown but for its JSON. It is gone on with by `whole`, the folder that was typed.
fn one(args: &EvaluateArgs, whole: Option<&Path>, registry: &Registry) -> Result<Report> {
    let output = args.out.clone().map(Output::open).transpose()?;
    let before = match &output {
        Some(output) => output.before(args.resume)?,
        None => None,
    };
    let asked = asked(args)?;
    match before {
        Some(saved) if saved.is_over(&asked) => over(args, &asked, saved, output.as_ref()),
        before => play(args, asked, before, (output, whole), registry),
    }
}

/// What was asked for.
fn asked(args: &EvaluateArgs) -> Result<Asked> {
    Ok(Asked {
        policy: args.acting.policy.clone(),
        checkpoint: args.acting.checkpoint.path.clone(),
        env: args.acting.env.env.clone(),
        env_kwargs: args.acting.env.env_kwargs.clone(),
        episodes: args.episodes,
        parallel: args.parallel,
        seed: args.seed,
        out: args.out.clone(),
        planning: args.planning.0.clone(),
        guides: guides::recorded(&args.acting.guides)?,
        aim: args.aim.text(),
    })
}

/// The checkpoint that was given; what was not given of it is that of the evaluation that is gone on with, whose path has the subfolder in it.
fn checkpoint_of(args: &EvaluateArgs, before: Option<&Saved>) -> Result<Folder> {
    let mut given = args.acting.checkpoint.clone();
    if let Some(saved) = before {
        let same = given.path.is_none() && given.files.subfolder.is_none();
        if same {
            given.path.clone_from(&saved.config.checkpoint);
        }
        if same && given.files.variant.is_none() {
            given.files.variant.clone_from(&saved.config.variant);
        }
    }
    settings::checkpoint(&given)
}

/// Shows an evaluation that is over already.
fn over(args: &EvaluateArgs, asked: &Asked, saved: Saved, output: Option<&Output>) -> Result<Report> {
    let mut settings = Settings::again(asked, &saved)?;
    if args.acting.checkpoint.given().is_some() {
        settings.config.checkpoint_hash = Some(hash(&checkpoint_of(args, Some(&saved))?)?);
        settings.check_same(&saved)?;
    }
    if let Some(policy) = &settings.config.policy {
        settings::check_no_planning(policy, &args.acting, &args.planning)?;
        aims::check_other(policy, &args.aim)?;
    }
    if !args.run.json {
        output::print(settings.text(saved.rows.len()))?;
    }
    // A kill may have come between the last row and the end.
    let unfinished = output.filter(|_| !saved.finished || saved.config.episodes != settings.config.episodes);
    end(args, Report::of(settings, saved.rows, saved.plan_ms), unfinished)
}

fn play(
    args: &EvaluateArgs,
    asked: Asked,
    before: Option<Saved>,
    (mut output, whole): (Option<Output>, Option<&Path>),
    registry: &Registry,
) -> Result<Report> {
    let pool = args.run.pool()?;
    let threads = pool.current_num_threads();
    let played = before.as_ref().map_or(0, |saved| saved.rows.len());
    // A policy that was not named is that of the evaluation that is gone on with.
    let saved_policy = before.as_ref().and_then(|saved| saved.config.policy.as_deref());
    let named = match args.acting.policy {
        Some(_) => args.acting.other(),
        None => saved_policy,
    };
    let (mut settings, mut policy, trained): (Settings, Box<dyn Policy>, _) = match named {
        None => {
            let checkpoint = checkpoint_of(args, before.as_ref())?;
            let guides = match (&asked.guides[..], &before) {
                ([], Some(saved)) => &saved.config.guides,
                _ => &asked.guides,
            };
            let pipeline = settings::controlled(registry, &checkpoint, guides, &args.acting.env)?;
            let hash = hash(&checkpoint)?;
            let mut settings = match &before {
                Some(saved) => {
                    let mut settings = Settings::again(&asked, saved)?;
                    settings.config.checkpoint_hash = Some(hash);
                    settings.check_same(saved)?;
                    settings
                }
                None => {
                    let env = settings::played_env(&args.acting.env, &checkpoint, &pipeline)?;
                    Settings::of_planner(&asked, env, &checkpoint, hash, pipeline.options())
                }
            };
            let options = settings.config.options.clone().unwrap_or_default();
            check_plan_size(&options)?;
            args.planning.warn_of_idle(&options);
            settings.set_run(&asked, Some(&checkpoint), threads, played)?;
            settings::warn_of_horizon(&pipeline, &options);
            let env = settings::env(registry, &settings.made())?;
            settings::check_dimensions(&pipeline, env.observation_space(), env.action_space())?;
            let planner = pipeline.planner(options)?.in_pool(pool);
            let trained = planner.pipeline().planning_config().conditions;
            let policy = aims::planner_policy(planner, &settings.config.aim, &env)?;
            (settings, Box::new(policy), Some(trained))
        }
        Some(name) => {
            settings::check_no_planning(name, &args.acting, &args.planning)?;
            aims::check_other(name, &args.aim)?;
            let mut settings = match &before {
                Some(saved) => Settings::again(&asked, saved)?,
                None => {
                    let env = settings::env_of_policy(registry, name, &args.acting.env)?;
                    Settings::of_policy(&asked, env, name.to_owned())
                }
            };
            settings.set_run(&asked, None, threads, played)?;
            let env = settings::env(registry, &settings.made())?;
            let policy = registry.policy(name, &PolicyOptions::of_env(&settings.env, &env))?;
            (settings, policy, None)
        }
    };
    // All that can be wrong is found before anything is shown, written or played.
    let made = settings.made();
    let mut shown = settings::env(registry, &made)?;
    let reset = aims::reset_of(&mut shown, settings.seed, &settings.config.aim, trained)?;
    let envs = (0..settings.config.parallel).map(|_| settings::env(registry, &made));
    let mut envs = VecEnv::new(envs.collect::<Result<_>>()?)?.with_autoreset(AutoresetMode::Disabled);
    settings.set_simulator(envs.envs().first().and_then(|env| env.simulator()), before.as_ref())?;
    policy.check_spaces(envs.single_observation_space(), envs.single_action_space())?;
    let mut rows = before.map_or_else(Vec::new, |saved| saved.rows);
    if let Some(output) = &mut output {
        output.begin(&settings, &rows)?;
    }
    if !args.run.json {
        output::print(settings.text(rows.len()))?;
    }
    let latency = go_on(
        (&settings, &reset),
        policy.as_mut(),
        &mut envs,
        &mut rows,
        (&mut output, whole),
    )?;
    policy.findings().iter().for_each(settings::warn);
    end(
        args,
        Report::of(settings, rows, latency).with_violations(policy.violations()),
        output.as_ref(),
    )
}

/// Plays the episodes that have no row yet, shown on stderr, until all are played or there is an interrupt.
fn go_on(
    (settings, reset): (&Settings, &ResetOptions),
    policy: &mut dyn Policy,
    envs: &mut VecEnv,
    rows: &mut Vec<diffplan_eval::evaluation::Row>,
    (output, whole): (&mut Option<Output>, Option<&Path>),
) -> Result<Option<Latency>> {
    let stop = on_interrupt()?;
    let mut progress = Progress::new(settings.config.episodes, rows);
    let mut watch = |at: At| {
        match at {
            At::Stepped(running) => progress.step(running),
            At::Finished(row) => progress.end_episode(row.episode_return),
            _ => {}
        }
        match stop.load(Ordering::Relaxed) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    };
    let played = play_missing((settings, reset), policy, envs, rows, output.as_mut(), &mut watch);
    progress.end();
    let (done, of) = (rows.len(), settings.config.episodes);
    let played = played.map_err(|error| match output {
        Some(output) if done > 0 => diffplan_eval::Error::Stopped {
            error: Box::new(error),
            kept: format!("{done} of {of} episodes are in {}", output.path().display()),
        },
        _ => error,
    })?;
    if played.ended {
        let kept = match whole {
            Some(folder) => format!("go on with: diffplan evaluate --out {} --resume", table::quoted(folder)),
            None => "nothing is kept without --out".into(),
        };
        let at = format!("after {done} of {of} episodes; {kept}");
        return Err(Error::Interrupted { at });
    }
    Ok(played.latency)
}

/// Saves and prints what came out.
fn end(args: &EvaluateArgs, report: Report, output: Option<&Output>) -> Result<Report> {
    let saved = match output {
        Some(output) => output.finish(&report)?,
        None => Vec::new(),
    };
    if args.run.json {
        return Ok(report);
    }
    output::print(format!("\n{}", report.text()))?;
    if let Some(violations) = report.violations() {
        output::print(guides::violations(violations))?;
    }
    if let Some(worst) = report.worst() {
        let seed = report.seed();
        let policy = report
            .policy()
            .map_or(String::new(), |name| format!(" --policy {name}"));
        output::print(format!(
            "\n  to look at the worst, with the same options: diffplan rollout{policy} --seed {seed} --first {} --out DIR --render",
            worst.episode
        ))?;
    }
    for path in saved {
        output::print(format!("  saved {}", path.display()))?;
    }
    Ok(report)
}
