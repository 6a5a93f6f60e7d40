//! `diffplan rollout`: episodes with the planner in the loop.

mod chart;
mod film;
mod picture;
mod progress;
mod replay;
mod report;
mod save;

use crate::args::RolloutArgs;
use crate::error::Result;
use crate::pictures::denoising::Denoising;
use crate::pictures::{Patience, Stage};
use crate::{json, output, settings, table};
use diffplan_envs::{BoxEnv, Env};
use diffplan_pipelines::{Episode, PlanOptions, Planner, RngNoise, ValueGuidedPipeline, rollout};
use ndarray::{Array2, Axis};
use progress::Progress;
use replay::Remembered;
use report::Summary;
use serde::Serialize;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Everything that decides what is played: the same settings give the same episodes.
#[derive(Debug, Serialize)]
struct Settings {
    checkpoint: PathBuf,
    #[serde(skip)]
    env: String,
    episodes: usize,
    #[serde(skip)]
    seed: u64,
    /// The number of the first episode.
    #[serde(skip_serializing_if = "is_zero")]
    first: usize,
    #[serde(flatten)]
    options: PlanOptions,
    /// What the environment's dynamics are calculated by, such as "MuJoCo 4.0.0"; none where they are diffplan's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    simulator: Option<String>,
    threads: usize,
    out: Option<PathBuf>,
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// The plans of an episode: of every step the trajectory whose first action was played.
type Plans = Vec<Array2<f32>>;

/// What was played: every episode, and the plans of the first.
struct Played {
    episodes: Vec<Episode>,
    plans: Plans,
    /// The noise that each of the plans was made from.
    noise: Vec<RngNoise>,
}

pub(crate) fn run(args: RolloutArgs) -> Result<()> {
    let checkpoint = settings::checkpoint(args.checkpoint)?;
    let pipeline = ValueGuidedPipeline::from_pretrained(&checkpoint)?;
    let pool = args.run.pool()?;
    let env_id = settings::env_id(args.env, &checkpoint, &pipeline)?;
    let env = diffplan_envs::make(&env_id)?;
    let settings = Settings {
        env: env_id,
        simulator: env.simulator(),
        checkpoint,
        episodes: args.episodes,
        seed: args.seed,
        first: args.first,
        options: args.planning.over(pipeline.options())?,
        threads: pool.current_num_threads(),
        out: args.out,
    };
    // All that can be wrong is found before anything is shown or played.
    let mut planner = pipeline.planner(settings.options.clone())?.in_pool(pool);
    let stage = match args.render {
        true => Some(Stage::new(diffplan_envs::make(&settings.env)?, &settings.env)?),
        false => None,
    };
    if let Some(folder) = &settings.out {
        output::prepare_folder(folder)?;
    }
    if !args.run.json {
        output::print(settings.text())?;
    }
    let played = play(&settings, env, &mut planner)?;
    let summary = Summary::of(&settings, &played.episodes);
    let mut saved = Vec::new();
    if let Some(folder) = &settings.out {
        saved.extend(save::all(folder, &settings, &pipeline, &played, &summary)?);
        if let Some(mut stage) = stage {
            let pictures = draw(&settings, &pipeline, &played, &mut planner, &mut stage)?;
            saved.extend(save::write(folder, pictures)?);
        }
    }
    if args.run.json {
        return json::print_line(&summary);
    }
    output::print(format!("\n{}", report::text(&summary, &played.episodes)))?;
    for path in saved {
        output::print(format!("  saved {}", path.display()))?;
    }
    Ok(())
}

impl Settings {
    /// What the environment is reset with for episode `number`.
    fn seed_of(&self, number: usize) -> u64 {
        self.seed.saturating_add(number as u64)
    }

    fn text(&self) -> String {
        let last = self.first + self.episodes - 1;
        let (from, to) = (self.seed_of(self.first), self.seed_of(last));
        let episodes = match (self.episodes, self.first) {
            (1, 0) => format!("1, seed {from}"),
            (n, 0) => format!("{n}, seeds {from} to {to}"),
            (1, first) => format!("1, number {first} of seed {}: seed {from}", self.seed),
            (n, first) => format!(
                "{n}, numbers {first} to {last} of seed {}: seeds {from} to {to}",
                self.seed
            ),
        };
        table::fields(&[
            ("checkpoint", self.checkpoint.display().to_string()),
            ("env", settings::with_simulator(&self.env, self.simulator.as_deref())),
            ("episodes", episodes),
            ("plan", settings::describe(&self.options)),
            ("threads", self.threads.to_string()),
        ])
    }
}

fn play(settings: &Settings, mut env: BoxEnv, planner: &mut Planner) -> Result<Played> {
    let max_steps = env.spec().and_then(|spec| spec.max_episode_steps);
    let mut progress = Progress::new(settings.episodes, max_steps);
    // A fork an episode: what an episode is like does not depend on how long those before it were.
    let mut noise = RngNoise::seed(settings.seed);
    (0..settings.first).for_each(|_| drop(noise.fork()));
    let (mut plans, mut starts) = (Plans::new(), Vec::new());
    let mut episodes = Vec::new();
    for i in 0..settings.episodes {
        let first = i == 0 && settings.out.is_some();
        // Of the other episodes only the beginning is kept: for them nobody counts.
        let planned = Arc::new(AtomicUsize::new(0));
        let mut noise = Remembered::new(noise.fork(), planned.clone());
        let episode = rollout(
            &mut env,
            Some(settings.seed_of(settings.first + i)),
            planner,
            &mut noise,
            &mut |event| {
                progress.step(i, &event);
                if first {
                    planned.store(event.step + 1, Ordering::Relaxed);
                    plans.push(
                        event
                            .plan
                            .trajectories
                            .index_axis(Axis(0), event.plan.chosen)
                            .to_owned(),
                    );
                }
            },
        )?;
        if first {
            starts = noise.into_starts();
        }
        progress.end_episode(episode.length());
        episodes.push(episode);
    }
    let noise = starts;
    Ok(Played { episodes, plans, noise })
}

/// The pictures of `--render`, by the names of their files. They are drawn from what was recorded, after all is played.
fn draw(
    settings: &Settings,
    pipeline: &ValueGuidedPipeline,
    played: &Played,
    planner: &mut Planner,
    stage: &mut Stage,
) -> Result<[(&'static str, Vec<u8>); 3]> {
    let patience = Patience::new();
    let film = film::Film::of(settings, pipeline, played)?;
    let moving = film.gif(stage, &patience)?;
    let sheet = film.contact_sheet(stage, &patience)?;
    let (episode, step) = (played.first(), played.liveliest());
    let observation = episode.observations.row(step).mapv(|v| v as f32);
    let denoising = Denoising::record(planner, observation.view(), &mut played.noise[step].clone())?;
    if let Some(states) = &episode.states {
        stage.set_state(states.row(step))?;
    }
    let title = format!("{}   ·   the plan of step {step}", settings.env);
    let denoised = denoising.gif(pipeline, (title, Some(&settings.env)), Some(stage), &patience)?;
    Ok([
        ("rollout.gif", moving),
        ("contact-sheet.png", sheet),
        ("denoising.gif", denoised),
    ])
}

impl Played {
    /// The steps of the first episode whose plans are shown and saved: at most six, evenly spaced, and so far apart that
    /// one plan ends before the next begins where there is room for it.
    fn moments(&self) -> Vec<usize> {
        const MOST: usize = 6;
        let horizon = self.plans.first().map_or(1, Array2::nrows);
        let count = (self.plans.len() / horizon).clamp(1, MOST);
        (0..count).map(|i| i * self.plans.len() / count).collect()
    }

    /// The first episode.
    fn first(&self) -> &Episode {
        self.episodes.first().expect("the command line asks for at least one")
    }
}
