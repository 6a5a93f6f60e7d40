//! `diffplan data collect`: episodes of an environment, as a dataset in the layout of D4RL.

use super::goals::GoalRun;
use crate::args::{ActingArgs, CollectArgs, GuidesArgs, PLANNER};
use crate::error::{Error, Result};
use crate::{aims, json, output, settings};
use diffplan_data::{D4rlFile, RecordedEnv};
use diffplan_envs::{BoxEnv, Env, Step};
use diffplan_eval::evaluation::{describe, known_returns};
use diffplan_eval::{
    AimText, Controller, Episode, Noisy, Policy, PolicyOptions, Registry, Start, rollout, stats, table,
};
use diffplan_files::{Folder, folder_of};
use diffplan_pipelines::PlanOptions;
use indicatif::{ProgressBar, ProgressFinish, ProgressStyle};
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, s};
use serde::Serialize;
use serde_json::{Map, Value};
use std::io::ErrorKind;
use std::path::PathBuf;

/// The object of `--json`.
#[derive(Debug, Serialize)]
struct Summary {
    out: PathBuf,
    env: String,
    #[serde(skip_serializing_if = "Map::is_empty")]
    env_kwargs: Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_episode_steps: Option<usize>,
    policy: String,
    /// Null where it is drawn for every episode.
    skill: Option<f64>,
    noise: Option<f64>,
    checkpoint: Option<PathBuf>,
    /// The variant of its weights.
    variant: Option<String>,
    plan: Option<PlanOptions>,
    seed: u64,
    episodes: usize,
    /// Where it is one run from goal to goal.
    #[serde(skip_serializing_if = "Option::is_none")]
    run_of_steps: Option<usize>,
    rows: usize,
    terminated: usize,
    mean_return: f64,
    /// Population.
    std_return: f64,
    min_return: f64,
    max_return: f64,
}

pub(super) fn run(args: CollectArgs, registry: &Registry) -> Result<()> {
    check_flags(&args)?;
    let acting = ActingArgs {
        checkpoint: args.checkpoint.clone(),
        env: args.env(),
        policy: Some(args.policy.clone()),
        guides: GuidesArgs::default(),
    };
    let noise = args.noise.unwrap_or(match args.policy.as_str() {
        "ou" => 1.0,
        "waypoint" => 0.5,
        _ => 0.0,
    });
    let (made, mut policy, checkpoint, plan): (RecordedEnv, Box<dyn Policy>, Option<Folder>, _) =
        if args.policy == PLANNER {
            let checkpoint = settings::checkpoint(&args.checkpoint)?;
            let pipeline = settings::pipeline(registry, &checkpoint)?;
            let made = settings::played_env(&args.env(), &checkpoint, &pipeline)?;
            let options = args.planning.over(pipeline.options())?;
            settings::warn_of_horizon(&pipeline, &options);
            let env = settings::env(registry, &made)?;
            settings::check_dimensions(&pipeline, env.observation_space(), env.action_space())?;
            let planner = pipeline.planner(options.clone())?.in_pool(args.run.pool()?);
            let policy = aims::planner_policy(planner, &AimText::default(), &env)?;
            let policy = Noisy::new(Box::new(policy), noise);
            (made, Box::new(policy), Some(checkpoint), Some(options))
        } else {
            settings::check_no_planning(&args.policy, &acting, &args.planning)?;
            let made = settings::env_of_policy(registry, &args.policy, &args.env())?;
            let mut options = PolicyOptions::of_env(&made.id, &settings::env(registry, &made)?);
            (options.skill, options.noise) = (args.skill, Some(noise));
            (made, registry.policy(&args.policy, &options)?, None, None)
        };
    let mut env = settings::env(registry, &made)?;
    policy.check_spaces(env.observation_space(), env.action_space())?;
    output::prepare_folder(folder_of(&args.out))?;
    if args.out.is_dir() {
        return Err(Error::io("write", &args.out)(ErrorKind::IsADirectory.into()));
    }
    let steps = match args.steps {
        Some(count) => {
            let run = GoalRun::new(&env, &made.id, [count as u64, args.seed], args.cut)?;
            let bar = bar(count, "steps").with_finish(ProgressFinish::AndClear);
            run.play(&mut env, policy.as_mut(), &bar)?
        }
        None => play(&args, &mut env, policy.as_mut())?,
    };
    policy.findings().iter().for_each(settings::warn);
    let of_controller = Controller::ALL
        .iter()
        .any(|controller| controller.name() == args.policy);
    let summary = Summary {
        skill: of_controller.then(|| args.skill.unwrap_or(1.0)),
        noise: (!["mixed", "random"].contains(&args.policy.as_str())).then_some(noise),
        env: made.id.clone(),
        env_kwargs: made.kwargs.clone(),
        max_episode_steps: made.max_episode_steps,
        policy: args.policy,
        variant: checkpoint.as_ref().and_then(Folder::variant).map(str::to_owned),
        checkpoint: checkpoint.map(|folder| folder.path().to_owned()),
        plan,
        seed: args.seed,
        episodes: steps.returns.len(),
        run_of_steps: args.steps,
        rows: steps.rewards.len(),
        terminated: steps.terminals.iter().filter(|flag| **flag).count(),
        mean_return: stats::mean(&steps.returns),
        std_return: stats::std(&steps.returns),
        min_return: stats::quantile(&steps.returns, 0.0),
        max_return: stats::quantile(&steps.returns, 1.0),
        out: args.out,
    };
    steps.write(&summary, args.next_observations)?;
    match args.run.json {
        true => json::print_line(&summary),
        false => output::print(summary.text()),
    }
}

/// Flags that would change nothing are refused: whoever gives them expects otherwise.
fn check_flags(args: &CollectArgs) -> Result<()> {
    let refuse = |flag, expected| {
        Err(Error::FlagOfAnother {
            flag,
            policy: args.policy.clone(),
            expected,
        })
    };
    if args.skill.is_some() && ["random", "zero", "ou", "mixed", "waypoint", PLANNER].contains(&args.policy.as_str()) {
        return refuse("skill", "swing-up or bang-bang");
    }
    if args.noise.is_some() && ["random", "mixed"].contains(&args.policy.as_str()) {
        return refuse("noise", "zero, ou, swing-up, bang-bang, waypoint or planner");
    }
    Ok(())
}

/// The steps of all episodes, one after the other.
#[derive(Default)]
pub(super) struct Steps {
    observations: Vec<f32>,
    next_observations: Vec<f32>,
    actions: Vec<f32>,
    rewards: Vec<f32>,
    terminals: Vec<bool>,
    timeouts: Vec<bool>,
    /// Of rewards as the environment gave them, one an episode.
    returns: Vec<f64>,
    /// Where a run went from goal to goal: x and y of the one of each row.
    pub(super) goals: Vec<f32>,
}

fn bar(count: usize, what: &str) -> ProgressBar {
    let template = format!("[{{bar:32.cyan/blue}}] {{pos}}/{{len}} {what} {{msg}}, {{eta}} left");
    let style = ProgressStyle::with_template(&template)
        .expect("the template above is well formed")
        .progress_chars("━╸─");
    ProgressBar::new(count as u64).with_style(style)
}

fn play(args: &CollectArgs, env: &mut BoxEnv, policy: &mut dyn Policy) -> Result<Steps> {
    let mut steps = Steps::default();
    let bar = bar(args.episodes, "episodes").with_finish(ProgressFinish::AndClear);
    for i in 0..args.episodes {
        let start = Start::alone(i, args.seed.saturating_add(i as u64));
        let episode = rollout(env, &start, policy, &mut |_| ())?;
        bar.set_message(format!("last return {:.1}", episode.total_return()));
        steps.add(&episode);
        bar.inc(1);
    }
    Ok(steps)
}

impl Steps {
    fn add(&mut self, episode: &Episode) {
        let length = episode.length();
        let rows = |from: usize| {
            let rows = episode.observations.outer_iter().skip(from).take(length);
            rows.flat_map(|row| row.iter().map(|&x| x as f32).collect::<Vec<f32>>())
        };
        self.observations.extend(rows(0));
        self.next_observations.extend(rows(1));
        self.actions.extend(&episode.actions);
        self.rewards.extend(episode.rewards.iter().map(|&x| x as f32));
        for step in 1..=length {
            let last = step == length;
            self.terminals.push(last && episode.terminated);
            // As D4RL has it: a terminal state is no timeout, even at the last moment.
            self.timeouts.push(last && episode.truncated && !episode.terminated);
        }
        self.returns.push(episode.total_return());
    }

    /// A step of a run whose episodes end where they are cut alone.
    pub(super) fn push(&mut self, from: &Array1<f64>, action: &Array1<f32>, step: &Step<Array1<f64>>, cut: bool) {
        self.observations.extend(from.iter().map(|&x| x as f32));
        self.next_observations
            .extend(step.observation.iter().map(|&x| x as f32));
        self.actions.extend(action);
        self.rewards.push(step.reward as f32);
        self.terminals.push(false);
        self.timeouts.push(cut);
    }

    /// The last `length` steps were an episode.
    pub(super) fn end_part(&mut self, length: usize) {
        let part = &self.rewards[self.rewards.len() - length..];
        self.returns.push(part.iter().map(|&x| f64::from(x)).sum());
    }

    fn write(&self, summary: &Summary, next_observations: bool) -> Result<()> {
        let rows = |values: &[f32]| -> Result<Array2<f32>> {
            let rows = self.rewards.len();
            let columns = values.len() / rows.max(1);
            let view = ArrayView2::from_shape((rows, columns), values).map_err(Error::encode("dataset"))?;
            Ok(view.to_owned())
        };
        let (observations, actions) = (rows(&self.observations)?, rows(&self.actions)?);
        let next = next_observations.then(|| rows(&self.next_observations)).transpose()?;
        let seed = summary.seed.to_string();
        let checkpoint = summary.checkpoint.as_ref().map(|path| path.display().to_string());
        let mut metadata = vec![
            ("env_id", summary.env.as_str()),
            ("policy", summary.policy.as_str()),
            ("seed", &seed),
            ("diffplan", env!("CARGO_PKG_VERSION")),
        ];
        let kwargs =
            (!summary.env_kwargs.is_empty()).then(|| serde_json::Value::from(summary.env_kwargs.clone()).to_string());
        let limit = summary.max_episode_steps.map(|steps| steps.to_string());
        let run = summary.run_of_steps.map(|steps| steps.to_string());
        let texts = [
            ("run_of_steps", run.as_deref()),
            ("env_kwargs", kwargs.as_deref()),
            ("max_episode_steps", limit.as_deref()),
            ("checkpoint", checkpoint.as_deref()),
            ("variant", summary.variant.as_deref()),
        ];
        metadata.extend(texts.iter().filter_map(|(name, text)| Some((*name, (*text)?))));
        let numbers = [("skill", summary.skill), ("noise", summary.noise)];
        let numbers = numbers.map(|(name, value)| (name, value.map(|value| value.to_string())));
        metadata.extend(
            numbers
                .iter()
                .filter_map(|(name, value)| Some((*name, value.as_deref()?))),
        );
        // Of mazes, position and velocity are what is observed; OGBench's have no velocity.
        let goals = (!self.goals.is_empty()).then(|| rows(&self.goals)).transpose()?;
        let mut infos = Vec::new();
        if let Some(goals) = &goals {
            infos.push(("goal", goals.view()));
            infos.push(("qpos", observations.slice(s![.., ..2])));
            if observations.ncols() == 4 {
                infos.push(("qvel", observations.slice(s![.., 2..])));
            }
        }
        D4rlFile {
            observations: observations.view(),
            actions: actions.view(),
            rewards: ArrayView1::from(&self.rewards),
            terminals: &self.terminals,
            timeouts: &self.timeouts,
            next_observations: next.as_ref().map(|next| next.view()),
            metadata: &metadata,
        }
        .write_with_infos(&summary.out, &infos)?;
        Ok(())
    }
}

impl Summary {
    fn text(&self) -> String {
        let episodes = match self.run_of_steps {
            Some(_) => format!(
                "{} in one run from goal to goal, seed {}",
                table::thousands(self.episodes),
                self.seed
            ),
            None => format!(
                "{}, seeds {} to {}, {} ended in a terminal state",
                table::thousands(self.episodes),
                self.seed,
                self.seed + (self.episodes as u64 - 1),
                table::thousands(self.terminated)
            ),
        };
        let mut policy = self.policy.clone();
        for (name, value) in [("skill", self.skill), ("noise", self.noise)] {
            policy += &value.map(|value| format!(", {name} {value}")).unwrap_or_default();
        }
        let made = RecordedEnv {
            id: self.env.clone(),
            kwargs: self.env_kwargs.clone(),
            max_episode_steps: self.max_episode_steps,
        };
        let mut rows = vec![("env", made.to_string()), ("policy", policy)];
        if let Some(checkpoint) = &self.checkpoint {
            rows.push(("checkpoint", checkpoint.display().to_string()));
        }
        if let Some(plan) = &self.plan {
            rows.push(("plan", describe(plan)));
        }
        rows.extend([
            ("episodes", episodes),
            ("rows", table::thousands(self.rows)),
            (
                "returns",
                format!(
                    "{:.1} ± {:.1} (std), {:.1} to {:.1}",
                    self.mean_return, self.std_return, self.min_return, self.max_return
                ),
            ),
        ]);
        if let Some(known) = known_returns(&made) {
            rows.push(("known", known));
        }
        rows.push(("saved", self.out.display().to_string()));
        table::fields(&rows)
    }
}
