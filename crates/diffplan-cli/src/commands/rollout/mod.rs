//! `diffplan rollout`: episodes with a policy acting.

mod played;
mod progress;
mod report;

use crate::args::RolloutArgs;
use crate::error::{Error, Result};
use crate::patience::Patience;
use crate::{aims, guides, json, output, planes, settings};
use diffplan_data::RecordedEnv;
use diffplan_envs::{BoxEnv, Env, Goal, ResetOptions, Walls};
use diffplan_eval::evaluation::{describe, describe_aim, with_simulator};
use diffplan_eval::{
    Aim, AimText, Held, Names, PlannerPolicy, Policy, PolicyOptions, Registry, Start, rollout, table, trajectories_npz,
};
use diffplan_pictures::{EpisodePicture, Film, Plane, Recording, Stage, episode_png, planes_png};
use diffplan_pipelines::{Condition, PlanOptions, Query, SampleLayout, TrainedConditions, ValueGuidedPipeline};
use ndarray::Array2;
use played::Played;
use progress::Progress;
use report::Summary;
use serde::Serialize;
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};

/// Everything that decides what is played: the same settings give the same episodes.
#[derive(Debug, Serialize)]
struct Settings {
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    checkpoint: Option<PathBuf>,
    /// The variant of its weights.
    #[serde(skip_serializing_if = "Option::is_none")]
    variant: Option<String>,
    #[serde(skip)]
    env: String,
    /// What the environment is made with, where that is not its defaults.
    #[serde(skip_serializing_if = "Map::is_empty")]
    env_kwargs: Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_episode_steps: Option<usize>,
    episodes: usize,
    #[serde(skip)]
    seed: u64,
    /// The number of the first episode.
    #[serde(skip_serializing_if = "is_zero")]
    first: usize,
    #[serde(flatten)]
    options: Option<PlanOptions>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    guides: Vec<String>,
    /// Where plans are led, where that was said.
    #[serde(skip_serializing_if = "AimText::is_empty")]
    aim: AimText,
    /// What else the environment is reset with.
    #[serde(skip)]
    reset: ResetOptions,
    /// What the environment's dynamics are calculated by, such as "MuJoCo 4.0.0"; none where they are diffplan's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    simulator: Option<String>,
    threads: usize,
    out: Option<PathBuf>,
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// Who acts: a planner, whose plans are shown and saved, or anybody.
enum Actor {
    Planner(Box<(ValueGuidedPipeline, PlannerPolicy)>),
    Other(Box<dyn Policy>),
}

impl Actor {
    fn policy(&mut self) -> &mut dyn Policy {
        match self {
            Self::Planner(parts) => &mut parts.1,
            Self::Other(policy) => policy.as_mut(),
        }
    }

    /// What the planner was trained with, if it is one.
    fn trained(&self) -> Option<Option<TrainedConditions>> {
        match self {
            Self::Planner(parts) => Some(parts.0.planning_config().conditions),
            Self::Other(_) => None,
        }
    }
}

pub(crate) fn run(args: RolloutArgs, registry: &Registry) -> Result<()> {
    let pool = args.run.pool()?;
    let threads = pool.current_num_threads();
    let mut settings = Settings {
        policy: None,
        checkpoint: None,
        variant: None,
        env: String::new(),
        env_kwargs: Map::new(),
        max_episode_steps: None,
        episodes: args.episodes,
        seed: args.seed,
        first: args.first,
        options: None,
        guides: guides::recorded(&args.acting.guides)?,
        aim: args.aim.text(),
        reset: ResetOptions::default(),
        simulator: None,
        threads,
        out: args.out.clone(),
    };
    let (mut env, mut actor) = if let Some(name) = args.acting.other() {
        settings::check_no_planning(name, &args.acting, &args.planning)?;
        aims::check_other(name, &args.aim)?;
        settings.set_env(settings::env_of_policy(registry, name, &args.acting.env)?);
        settings.policy = Some(name.to_owned());
        let env = settings::env(registry, &settings.made())?;
        let policy = registry.policy(name, &PolicyOptions::of_env(&settings.env, &env))?;
        (env, Actor::Other(policy))
    } else {
        let checkpoint = settings::checkpoint(&args.acting.checkpoint)?;
        let pipeline = settings::controlled(registry, &checkpoint, &settings.guides, &args.acting.env)?;
        settings.set_env(settings::played_env(&args.acting.env, &checkpoint, &pipeline)?);
        let env = settings::env(registry, &settings.made())?;
        settings::check_dimensions(&pipeline, env.observation_space(), env.action_space())?;
        let options = args.planning.over(pipeline.options())?;
        settings::warn_of_horizon(&pipeline, &options);
        let planner = pipeline.planner(options.clone())?.in_pool(pool);
        settings.options = Some(options);
        settings.checkpoint = Some(checkpoint.path().to_owned());
        settings.variant = checkpoint.variant().map(str::to_owned);
        let policy = aims::planner_policy(planner, &settings.aim, &env)?;
        (env, Actor::Planner(Box::new((pipeline, policy))))
    };
    settings.reset = aims::reset_of(&mut env, settings.seed, &settings.aim, actor.trained())?;
    settings.simulator = env.simulator();
    // All that can be wrong is found before anything is shown or played.
    actor
        .policy()
        .check_spaces(env.observation_space(), env.action_space())?;
    let stage = match args.render {
        true => Some(Stage::new(settings::env(registry, &settings.made())?, &settings.env)?),
        false => None,
    };
    if let Some(folder) = &settings.out {
        output::prepare_folder(folder)?;
    }
    if !args.run.json {
        output::print(settings.text())?;
    }
    let names = Names::of_env(&env)?;
    let plane = match (&settings.out, env.walls()) {
        (Some(_), Some(walls)) => Some((settings.plane(&mut env, &walls)?, walls)),
        _ => None,
    };
    let played = play(&settings, env, &mut actor, stage.is_some())?;
    actor.policy().findings().iter().for_each(settings::warn);
    let violations = actor.policy().violations().cloned();
    let summary = Summary::of(&settings, &played.episodes, violations.as_ref());
    let mut saved = Vec::new();
    if let Some(folder) = &settings.out {
        saved.extend(save(
            folder,
            &settings,
            (&names, layout_of(&actor, &names)),
            &played,
            &summary,
        )?);
        if let Some((plane, walls)) = plane {
            let panel = planes::episodes(plane, &walls, &played.episodes);
            let title = format!(
                "{}   ·   {} episode{} from above",
                settings.env,
                settings.episodes,
                if settings.episodes == 1 { "" } else { "s" }
            );
            let picture = planes_png(&title, &settings.text_of_plans(), &[panel])?;
            saved.extend(write(folder, [("paths.png", picture)])?);
        }
        if let Some(mut stage) = stage {
            saved.extend(write(
                folder,
                draw(&settings, &names, &played, &mut actor, &mut stage)?,
            )?);
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

/// Where actions and observations lie in plans, if there are any.
fn layout_of(actor: &Actor, names: &Names) -> SampleLayout {
    match actor {
        Actor::Planner(parts) => parts.0.layout().clone(),
        Actor::Other(_) => SampleLayout::action_first(names.actions.len(), names.observations.len()),
    }
}

impl Settings {
    fn set_env(&mut self, env: RecordedEnv) {
        (self.env, self.env_kwargs, self.max_episode_steps) = (env.id, env.kwargs, env.max_episode_steps);
    }

    /// The environment, and what it is made with.
    fn made(&self) -> RecordedEnv {
        RecordedEnv {
            id: self.env.clone(),
            kwargs: self.env_kwargs.clone(),
            max_episode_steps: self.max_episode_steps,
        }
    }

    /// The environment from above, with the goal of its episodes if they all have the same. It is reset to see that.
    fn plane(&self, env: &mut BoxEnv, walls: &Walls) -> Result<Plane> {
        let mut goal_of = |number: usize| -> Result<Option<Goal>> {
            env.reset(Some(self.seed_of(number)), &self.reset)?;
            Ok(env.goal())
        };
        let mut goal = goal_of(self.first)?;
        if self.episodes > 1 {
            let other = goal_of(self.first + 1)?;
            goal = goal.filter(|first| other.as_ref() == Some(first));
        }
        let waypoints = Aim::parse(&self.aim, &Names::of_env(env)?)?.waypoints;
        let waypoints = waypoints.into_iter().map(|waypoint| Goal {
            dims: waypoint.dims,
            values: waypoint.values,
            tolerance: None,
        });
        planes::plane(walls, goal.as_ref(), &waypoints.collect::<Vec<_>>(), &self.guides)
    }

    /// How plans were made, or who acted.
    fn text_of_plans(&self) -> String {
        match (&self.options, &self.policy) {
            (Some(options), _) => describe(options),
            (None, policy) => policy.clone().unwrap_or_default(),
        }
    }

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
        let mut fields = Vec::new();
        if let Some(checkpoint) = &self.checkpoint {
            fields.push(("checkpoint", checkpoint.display().to_string()));
        }
        if let Some(policy) = &self.policy {
            fields.push(("policy", policy.clone()));
        }
        fields.push((
            "env",
            with_simulator(&self.made().to_string(), self.simulator.as_deref()),
        ));
        fields.push(("episodes", episodes));
        if let Some(options) = &self.options {
            fields.push(("plan", describe(options)));
        }
        fields.extend(describe_aim(&self.aim).map(|aim| ("goal", aim)));
        if !self.guides.is_empty() {
            fields.push(("guides", self.guides.join(", ")));
        }
        fields.push(("threads", self.threads.to_string()));
        table::fields(&fields)
    }
}

fn play(settings: &Settings, mut env: BoxEnv, actor: &mut Actor, with_others: bool) -> Result<Played> {
    let max_steps = env.spec().and_then(|spec| spec.max_episode_steps);
    let mut progress = Progress::new(settings.episodes, max_steps);
    let mut played = Played::default();
    let starts = Start::seeded(settings.seed)
        .skip(settings.first)
        .take(settings.episodes);
    for (i, start) in starts.enumerate() {
        let first = i == 0 && settings.out.is_some();
        if let (true, Actor::Planner(parts)) = (first, &mut *actor) {
            parts.1.remember();
        }
        let mut watch = |event: diffplan_eval::StepEvent| {
            progress.step(i, &event);
            if let (true, Some(plan)) = (first, event.plan) {
                played.keep(plan, event.plan_age, with_others);
            }
        };
        let start = start.with_reset(settings.reset.clone());
        let episode = rollout(&mut env, &start, actor.policy(), &mut watch)?;
        if let (true, Actor::Planner(parts)) = (first, &mut *actor) {
            played.made = parts.1.remembered();
        }
        progress.end_episode(episode.length());
        played.episodes.push(episode);
    }
    Ok(played)
}

/// What was played, and how it was planned.
fn titles(settings: &Settings, played: &Played) -> Result<(String, String)> {
    let episode = played.first()?;
    let title = format!(
        "{}   ·   episode {}, seed {}   ·   return {:.1} in {} steps",
        settings.env,
        settings.first,
        settings.seed_of(settings.first),
        episode.total_return(),
        episode.length()
    );
    let by = match (&settings.options, &settings.policy) {
        (Some(options), _) => format!("Plans: {}", describe(options)),
        (None, policy) => format!("Policy: {}", policy.as_deref().unwrap_or("unknown")),
    };
    Ok((title, by))
}

/// Writes the files of `--out` and says which.
fn save(
    folder: &Path,
    settings: &Settings,
    (names, layout): (&Names, SampleLayout),
    played: &Played,
    summary: &Summary,
) -> Result<Vec<PathBuf>> {
    let (title, subtitle) = titles(settings, played)?;
    let moments = played.moments();
    let plans: Vec<(usize, &Array2<f32>)> = moments.iter().map(|&step| (step, &played.plans[step])).collect();
    let views: Vec<_> = plans.iter().map(|&(step, plan)| (step, plan.view())).collect();
    let picture = episode_png(&EpisodePicture {
        title,
        subtitle,
        episode: played.first()?,
        names,
        plans,
        layout,
    })?;
    let files = [
        ("trajectories.npz", trajectories_npz(&played.episodes, &views)?),
        ("summary.json", json::file(summary)?),
        ("rollout.png", picture),
    ];
    write(folder, files)
}

/// Writes files by name in `folder` and says which.
fn write(folder: &Path, files: impl IntoIterator<Item = (&'static str, Vec<u8>)>) -> Result<Vec<PathBuf>> {
    let write = |(name, content): (&str, Vec<u8>)| {
        let path = folder.join(name);
        output::write_atomically(&path, &content)?;
        Ok(path)
    };
    files.into_iter().map(write).collect()
}

/// The pictures of `--render`, by the names of their files. They are drawn from what was recorded, after all is played.
fn draw(
    settings: &Settings,
    names: &Names,
    played: &Played,
    actor: &mut Actor,
    stage: &mut Stage,
) -> Result<Vec<(&'static str, Vec<u8>)>> {
    let patience = Patience::new();
    stage.begin(settings.seed_of(settings.first), &settings.reset)?;
    let (episode, layout) = (played.first()?, layout_of(actor, names));
    let film = Film::of(
        &settings.env,
        titles(settings, played)?,
        episode,
        &played.plans,
        &layout,
    )?
    .with_names(names)
    .with_others(&played.others);
    let mut pictures = vec![
        ("rollout.gif", film.gif(stage, &patience)?),
        ("contact-sheet.png", film.contact_sheet(stage, &patience)?),
    ];
    // Who plans nothing has no denoising.
    let Actor::Planner(parts) = actor else {
        return Ok(pictures);
    };
    let (pipeline, policy) = &mut **parts;
    let liveliest = played.liveliest()?;
    let made = played.made_at(liveliest).ok_or(Error::Setting {
        name: "step",
        value: liveliest.to_string(),
        expected: "a step that was planned".into(),
    })?;
    let step = made.step;
    let observation = episode.observations.row(step).mapv(|v| v as f32);
    let now = [Condition::observation(0, &observation)];
    let conditions: Vec<Condition> = now.into_iter().chain(made.held.iter().map(Held::condition)).collect();
    let mut noise = made.noise.clone();
    let query = Query::new(&conditions, &mut noise).start(made.start());
    let recording = Recording::of(policy.planner(), query)?;
    if let Some(states) = &episode.states {
        stage.set_state(states.row(step))?;
    }
    let title = format!("{}   ·   the plan of step {step}", settings.env);
    let denoised = recording.gif(pipeline, (title, names), Some(stage), &patience)?;
    pictures.push(("denoising.gif", denoised));
    Ok(pictures)
}
