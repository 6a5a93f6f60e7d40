//! `diffplan plan`: one plan from one observation.

use crate::args::{EnvArgs, PlanArgs};
use crate::commands::checked;
use crate::error::{Error, Result};
use crate::patience::Patience;
use crate::{aims, guides, json, output, planes, settings};
use diffplan_data::RecordedEnv;
use diffplan_envs::{BoxEnv, Env};
use diffplan_eval::evaluation::{describe, describe_aim};
use diffplan_eval::{Aim, AimText, Held, Names, Registry, env_with, stats, table};
use diffplan_files::folder_of;
use diffplan_pictures::{PlanView, Plane, Recording, Stage};
use diffplan_pipelines::doctor::Outside;
use diffplan_pipelines::{
    Condition, NoiseSource, Plan, PlanOptions, Planner, Query, RngNoise, TorchRng, TrainedConditions,
    ValueGuidedPipeline, Violations,
};
use ndarray::{Array1, ArrayView2, Axis, aview1};
use serde::Serialize;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// Rows of the trajectory that the table shows, spread over the horizon.
const TABLE_ROWS: usize = 9;

#[derive(Serialize)]
struct Report<'a> {
    action: Vec<f32>,
    /// Of every candidate, highest first; null where nothing valued them.
    values: Option<Vec<f32>>,
    /// (horizon, action + observation dimensions): the candidate that the action is from.
    best_trajectory: Vec<Vec<f32>>,
    /// Where each candidate was before sorting.
    order: &'a [usize],
    chosen: usize,
    /// Of every constraint; null where there are none.
    violations: Option<Vec<Violated<'a>>>,
    /// Of `--compare-unguided`; null without.
    unguided: Option<Unguided>,
    observation: &'a [f32],
    /// Of a trajectory's columns: of actions, then of observations.
    names: &'a Names,
    config: Config<'a>,
}

/// The plan from the same noise without guidance.
#[derive(Serialize)]
struct Unguided {
    action: Vec<f32>,
    /// Of the finished plans, highest first.
    values: Option<Vec<f32>>,
    best_trajectory: Vec<Vec<f32>>,
}

impl Unguided {
    fn of(plan: &Plan) -> Self {
        Self {
            action: plan.action.to_vec(),
            values: plan.values.as_ref().map(|values| values.to_vec()),
            best_trajectory: chosen(plan).outer_iter().map(|row| row.to_vec()).collect(),
        }
    }
}

/// How far candidates, in the order of their values, were and are from satisfying a constraint.
#[derive(Serialize)]
struct Violated<'a> {
    constraint: &'a str,
    before: Vec<f32>,
    after: Vec<f32>,
}

#[derive(Serialize)]
struct Config<'a> {
    checkpoint: &'a Path,
    /// The variant of its weights.
    #[serde(skip_serializing_if = "Option::is_none")]
    variant: Option<&'a str>,
    #[serde(flatten)]
    options: &'a PlanOptions,
    /// Where it was to lead.
    #[serde(skip_serializing_if = "AimText::is_empty")]
    aim: &'a AimText,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    guides: &'a [String],
    seed: Option<u64>,
    torch_seed: Option<u64>,
    threads: usize,
}

pub(crate) fn run(args: PlanArgs, registry: &Registry) -> Result<()> {
    let folder = settings::checkpoint(&args.checkpoint)?;
    let checkpoint = folder.path();
    let given = EnvArgs {
        env: args.env.clone(),
        env_kwargs: args.env_kwargs.clone(),
    };
    let recorded = guides::recorded(&args.guides)?;
    let pipeline = settings::controlled(registry, &folder, &recorded, &given)?;
    let options = args.planning.over(pipeline.options())?;
    settings::warn_of_horizon(&pipeline, &options);
    let mut outside = Outside::of(pipeline.normalizers());
    outside.see(aview1(&args.obs));
    outside.finding().into_iter().for_each(settings::warn);
    let pool = args.run.pool()?;
    let threads = pool.current_num_threads();
    let mut noise = noise(&args);
    let env = env_with(
        args.env.as_deref(),
        &args.env_kwargs,
        pipeline.planning_config().recorded_env(),
    )?;
    let env = settings::known_env(registry, env.as_ref());
    let names = Names::of(env.as_ref(), pipeline.observation_dim(), pipeline.action_dim());
    let aim = args.aim.text();
    let held = held(&aim, &pipeline, options.planning_horizon, (&names, env.as_ref()))?;
    if let Some(walls) = env.as_ref().and_then(BoxEnv::walls) {
        let number = |dim: usize| args.obs.get(dim).copied().map(f64::from);
        let [x, y] = walls.dims.map(number);
        if x.zip(y).is_some_and(|(x, y)| walls.blocks([x, y])) {
            output::remark("warning: the observation is in a wall, or outside the maze: no plan leads out of there");
        }
    }
    let now = [Condition::observation(0, aview1(&args.obs))];
    let conditions: Vec<Condition> = now.into_iter().chain(held.iter().map(Held::condition)).collect();
    if args.check_guides {
        let context = guides::context(env.as_ref(), &pipeline);
        let checked = pool.install(|| checked::Checked::of(&pipeline, &options, &conditions, noise.as_mut()))?;
        return checked.show(&context, pipeline.layout(), args.run.json);
    }
    let mut planner = pipeline.planner(options.clone())?.in_pool(Arc::clone(&pool));
    let picture = args
        .render
        .as_deref()
        .map(|file| Picture::prepare(file, &args, registry, (&pipeline, &aim)))
        .transpose()?;
    let unguided = args
        .compare_unguided
        .then(|| unguided(&pipeline, &options))
        .transpose()?;
    let started = Instant::now();
    let (plan, recording) = match picture {
        Some(_) => {
            let recording = Recording::of(&mut planner, Query::new(&conditions, noise.as_mut()))?;
            (recording.plan().clone(), Some(recording))
        }
        None => (planner.plan_conditioned(&conditions, noise.as_mut())?, None),
    };
    let seconds = started.elapsed().as_secs_f64();
    let unguided = unguided.map(|planner| {
        let mut noise = self::noise(&args);
        Recording::of(&mut planner.in_pool(pool), Query::new(&conditions, noise.as_mut()))
    });
    let unguided = unguided.transpose()?;
    let plane = match env.as_ref().and_then(BoxEnv::walls) {
        Some(walls) if picture.is_some() => {
            let goal = planes::goal_of(&held, options.planning_horizon);
            let waypoints = planes::waypoints_of(&held, options.planning_horizon);
            Some((planes::plane(&walls, goal.as_ref(), &waypoints, &recorded)?, walls.dims))
        }
        _ => None,
    };
    let saved = picture.as_ref().zip(recording.as_ref());
    let saved = saved
        .map(|(picture, recording)| {
            let drawn = (recording, unguided.as_ref());
            picture.save(drawn, plane.as_ref(), &pipeline, &names)
        })
        .transpose()?;
    if args.run.json {
        return json::print_line(&Report {
            action: plan.action.to_vec(),
            values: plan.values.as_ref().map(|values| values.to_vec()),
            best_trajectory: chosen(&plan).outer_iter().map(|row| row.to_vec()).collect(),
            order: &plan.order,
            chosen: plan.chosen,
            violations: plan.violations.as_ref().map(violated),
            unguided: unguided.as_ref().map(|recording| Unguided::of(recording.plan())),
            observation: &args.obs,
            names: &names,
            config: Config {
                checkpoint,
                variant: folder.variant(),
                options: &options,
                aim: &aim,
                guides: &recorded,
                seed: args.torch_seed.is_none().then_some(args.seed),
                torch_seed: args.torch_seed,
                threads,
            },
        });
    }
    let action: Vec<String> = names
        .actions
        .iter()
        .zip(&plan.action)
        .map(|(n, a)| format!("{n} {a:.4}"))
        .collect();
    let mut fields = vec![
        ("checkpoint", checkpoint.display().to_string()),
        ("plan", describe(&options)),
    ];
    fields.extend(describe_aim(&aim).map(|aim| ("goal", aim)));
    fields.extend([
        (
            "time",
            format!(
                "{:.1} ms on {threads} thread{}",
                seconds * 1e3,
                if threads == 1 { "" } else { "s" }
            ),
        ),
        ("values", describe_values(&plan, &pipeline)?),
        ("action", action.join(", ")),
    ]);
    for violated in plan.violations.iter().flat_map(violated) {
        let of = |all: &[f32]| all.get(plan.chosen).copied().unwrap_or(0.0);
        let held = violated.after.iter().filter(|&&after| after == 0.0).count();
        let text = format!(
            "{}: violated by {:.4} before, {:.4} after; {held} of {} candidates hold it",
            violated.constraint,
            of(&violated.before),
            of(&violated.after),
            violated.after.len()
        );
        fields.push(("constraint", text));
    }
    output::print(table::fields(&fields))?;
    output::print(format!("\n{}", trajectory_table(chosen(&plan), &names)))?;
    match saved {
        Some(saved) => output::print(format!("\n  {saved}")),
        None => Ok(()),
    }
}

/// What is imposed on a plan beside the observation that it begins at.
fn held(
    aim: &AimText,
    pipeline: &ValueGuidedPipeline,
    horizon: usize,
    (names, env): (&Names, Option<&BoxEnv>),
) -> Result<Vec<Held>> {
    let trained = pipeline.planning_config().conditions;
    let aim = Aim::parse(aim, names)?;
    aim.check(trained)?;
    aim.check_horizon(horizon)?;
    env.map_or(Ok(()), |env| aim.check_places(env))?;
    let end = aim.end(None, pipeline.observation_dim());
    match end {
        None if trained == Some(TrainedConditions::Goal) => Err(aims::no_goal("none was given", names)),
        end => Ok(aim.held(0, end.as_ref(), horizon)),
    }
}

/// Row by row.
fn violated(violations: &Violations) -> Vec<Violated<'_>> {
    let rows = violations.before.outer_iter().zip(violations.after.outer_iter());
    let named = violations.names.iter().zip(rows);
    named
        .map(|(constraint, (before, after))| Violated {
            constraint,
            before: before.to_vec(),
            after: after.to_vec(),
        })
        .collect()
}

/// The noise that was asked for, from its beginning.
fn noise(args: &PlanArgs) -> Box<dyn NoiseSource> {
    match args.torch_seed {
        Some(seed) => Box::new(TorchRng::manual_seed(seed)),
        None => Box::new(RngNoise::seed(args.seed)),
    }
}

/// Who plans as `options` say but for guidance: of the candidates the best by the value of the finished plan is chosen.
fn unguided(pipeline: &ValueGuidedPipeline, options: &PlanOptions) -> Result<Planner> {
    if options.n_guide_steps == 0 || pipeline.guides().is_empty() {
        return Err(Error::Setting {
            name: "compare-unguided",
            value: format!(
                "{} guide steps, {} guides",
                options.n_guide_steps,
                pipeline.guides().len()
            ),
            expected: "a plan that is guided: a checkpoint with a value function or a --guide, and guide steps".into(),
        });
    }
    Ok(pipeline.planner(PlanOptions {
        n_guide_steps: 0,
        rescore: true,
        ..options.clone()
    })?)
}

/// What `--render` writes.
#[derive(Clone, Copy)]
enum Format {
    /// An animation.
    Gif,
    /// One picture.
    Png,
}

impl Format {
    /// By the end of a file's name.
    fn of(file: &Path, compared: bool) -> Result<Self> {
        let ends = |with: &str| {
            file.extension()
                .is_some_and(|extension| extension.eq_ignore_ascii_case(with))
        };
        let refuse = |expected: &str| Error::Setting {
            name: "render",
            value: file.display().to_string(),
            expected: expected.into(),
        };
        match (ends("gif"), ends("png")) {
            (true, _) if compared => Err(refuse("a name that ends in .png: --compare-unguided is one picture")),
            (true, _) => Ok(Self::Gif),
            (_, true) => Ok(Self::Png),
            _ => Err(refuse(
                "a name that ends in .gif, an animation, or in .png, one picture",
            )),
        }
    }
}

/// The animation or picture of `--render`.
struct Picture<'a> {
    file: &'a Path,
    format: Format,
    env: Option<String>,
    /// In the state planned from; or why there are charts alone, where anything is to be said about that.
    stage: std::result::Result<Stage, Option<Error>>,
}

impl<'a> Picture<'a> {
    /// Finds what can be wrong before anything is planned. An environment that was asked for must have a picture; one that
    /// the checkpoint names may.
    fn prepare(
        file: &'a Path,
        args: &PlanArgs,
        registry: &Registry,
        (pipeline, aim): (&ValueGuidedPipeline, &AimText),
    ) -> Result<Self> {
        let format = Format::of(file, args.compare_unguided)?;
        output::prepare_folder(folder_of(file))?;
        let set = |env: &RecordedEnv| -> Result<Stage> {
            let mut made = settings::env(registry, env)?;
            let reset = aims::reset_of(&mut made, 0, aim, Some(pipeline.planning_config().conditions))?;
            let mut stage = Stage::new(made, &env.id)?;
            stage.begin(0, &reset)?;
            stage.observe(aview1(&args.obs))?;
            Ok(stage)
        };
        let known = pipeline.planning_config().recorded_env();
        let env = env_with(args.env.as_deref(), &args.env_kwargs, known)?;
        let asked = args.env.is_some() || !args.env_kwargs.is_empty();
        let stage = match &env {
            Some(env) if asked => Ok(set(env)?),
            Some(env) => set(env).map_err(Some),
            None => Err(None),
        };
        let env = env.map(|env| env.id);
        Ok(Self {
            file,
            format,
            env,
            stage,
        })
    }

    /// Draws and saves it, and says so.
    fn save(
        &self,
        (recording, unguided): (&Recording, Option<&Recording>),
        plane: Option<&(Plane, [usize; 2])>,
        pipeline: &ValueGuidedPipeline,
        names: &Names,
    ) -> Result<String> {
        let stage = self.stage.as_ref().ok();
        let env = self.env.as_deref();
        let title = env.map_or("A plan".into(), |env| format!("{env}   ·   a plan"));
        let content = match self.format {
            Format::Gif => recording.gif(pipeline, (title, names), stage, &Patience::new())?,
            Format::Png => {
                let view = PlanView {
                    stage,
                    plane: plane.map(|(plane, dims)| (plane, *dims)),
                    unguided,
                };
                recording.png(pipeline, (title, names), &view)?
            }
        };
        output::write_atomically(self.file, &content)?;
        let file = self.file.display();
        Ok(match &self.stage {
            Err(Some(reason)) => format!("saved {file}, charts alone: {reason}"),
            _ => format!("saved {file}"),
        })
    }
}

/// The candidate that the action is from (horizon, action + observation dimensions).
fn chosen(plan: &Plan) -> ArrayView2<'_, f32> {
    plan.trajectories.index_axis(Axis(0), plan.chosen)
}

/// Best, median and worst value, and as the returns they stand for where the checkpoint tells.
fn describe_values(plan: &Plan, pipeline: &ValueGuidedPipeline) -> Result<String> {
    let Some(values) = &plan.values else {
        return Ok(format!("none without guidance; candidate {} was picked", plan.chosen));
    };
    let summary = |values: &Array1<f32>, digits: usize| {
        let values: Vec<f64> = values.iter().copied().map(f64::from).collect();
        let [worst, median, best] = [0.0, 0.5, 1.0].map(|q| stats::quantile(&values, q));
        format!("best {best:.digits$}, median {median:.digits$}, worst {worst:.digits$}")
    };
    let mut text = summary(values, 4);
    if let Some(returns) = pipeline.returns(values.view())? {
        text += &format!(" (discounted return: {})", summary(&returns, 1));
    }
    Ok(text)
}

fn trajectory_table(trajectory: ArrayView2<f32>, names: &Names) -> String {
    let header: Vec<&str> = ["step"]
        .into_iter()
        .chain(names.actions.iter().chain(&names.observations).map(String::as_str))
        .collect();
    let last = trajectory.nrows().saturating_sub(1);
    let shown = TABLE_ROWS.min(last + 1);
    let rows: Vec<Vec<String>> = (0..shown)
        .map(|i| {
            let step = if shown == 1 { 0 } else { i * last / (shown - 1) };
            let numbers = trajectory
                .row(step)
                .into_iter()
                .map(|x| format!("{x:.3}"))
                .collect::<Vec<_>>();
            [vec![step.to_string()], numbers].concat()
        })
        .collect();
    table::table(&header, &rows)
}
