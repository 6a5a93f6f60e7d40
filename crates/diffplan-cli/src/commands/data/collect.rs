//! `diffplan data collect`: episodes of an environment, as a dataset in the layout of D4RL.

use super::policies::{Actor, Base, Controller, seed_of_policy};
use crate::args::{CollectArgs, PolicyName};
use crate::error::{Error, Result};
use crate::{json, output, settings, stats, table};
use diffplan_data::D4rlFile;
use diffplan_envs::{BoxEnv, BoxSpace, Env, NumpyRng, ResetOptions};
use diffplan_pipelines::{PlanOptions, Planner, RngNoise, ValueGuidedPipeline};
use indicatif::{ProgressBar, ProgressFinish, ProgressStyle};
use ndarray::{Array2, ArrayView1, ArrayView2};
use serde::Serialize;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The object of `--json`.
#[derive(Debug, Serialize)]
struct Summary {
    out: PathBuf,
    env: String,
    policy: PolicyName,
    /// Null where it is drawn for every episode.
    skill: Option<f64>,
    noise: Option<f64>,
    checkpoint: Option<PathBuf>,
    plan: Option<PlanOptions>,
    seed: u64,
    episodes: usize,
    rows: usize,
    terminated: usize,
    mean_return: f64,
    /// Population.
    std_return: f64,
    min_return: f64,
    max_return: f64,
}

/// Who acts, in all episodes.
enum Policy<'a> {
    Base { base: Base, noise: f64 },
    Mixed(Controller),
    Planner { planner: Box<Planner<'a>>, noise: f64 },
}

pub(super) fn run(args: CollectArgs) -> Result<()> {
    check_flags(&args)?;
    let planned = match args.policy {
        PolicyName::Planner => {
            let checkpoint = settings::checkpoint(args.checkpoint.clone())?;
            let pipeline = ValueGuidedPipeline::from_pretrained(&checkpoint)?;
            let env = settings::env_id(args.env.clone(), &checkpoint, &pipeline)?;
            Some((checkpoint, pipeline, env))
        }
        _ => None,
    };
    let id = match (&planned, &args.env) {
        (Some((.., env)), _) => env.clone(),
        (None, Some(env)) => env.clone(),
        (None, None) => controller_of(args.policy)
            .map_or("Pendulum-v1", Controller::env)
            .to_owned(),
    };
    let mut env = diffplan_envs::make(&id)?;
    let space = env.action_space().as_box()?.clone();
    let noise = args
        .noise
        .unwrap_or(if args.policy == PolicyName::Ou { 1.0 } else { 0.0 });
    let (mut policy, checkpoint, plan) = match &planned {
        Some((checkpoint, pipeline, _)) => {
            let options = args.planning.over(pipeline.options())?;
            check_dimensions(pipeline, &env, &space)?;
            let planner = Box::new(pipeline.planner(options.clone())?.in_pool(args.run.pool()?));
            (
                Policy::Planner { planner, noise },
                Some(checkpoint.clone()),
                Some(options),
            )
        }
        None => (policy(&args, &id, noise)?, None, None),
    };
    output::prepare_folder(folder_of(&args.out))?;
    if args.out.is_dir() {
        return Err(Error::io("write", &args.out)(ErrorKind::IsADirectory.into()));
    }

    let steps = play(&args, &mut env, &space, &mut policy)?;
    let mixed = args.policy == PolicyName::Mixed;
    let summary = Summary {
        skill: controller_of(args.policy).map(|_| args.skill.unwrap_or(1.0)),
        noise: (!mixed && args.policy != PolicyName::Random).then_some(noise),
        env: id,
        policy: args.policy,
        checkpoint,
        plan,
        seed: args.seed,
        episodes: args.episodes,
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
            policy: name(args.policy),
            expected,
        })
    };
    if args.skill.is_some() && controller_of(args.policy).is_none() {
        return refuse("skill", "swing-up or bang-bang");
    }
    if args.noise.is_some() && matches!(args.policy, PolicyName::Random | PolicyName::Mixed) {
        return refuse("noise", "zero, ou, swing-up, bang-bang or planner");
    }
    let planning = &args.planning;
    for (flag, given) in [
        ("checkpoint", args.checkpoint.is_some()),
        ("batch-size", planning.batch_size.is_some()),
        ("horizon", planning.horizon.is_some()),
        ("n-guide-steps", planning.n_guide_steps.is_some()),
        ("scale", planning.scale.is_some()),
        ("guidance", planning.guidance.is_some()),
        ("rescore", planning.rescore.is_some()),
        ("t-stopgrad", planning.t_stopgrad.is_some()),
        ("num-inference-steps", planning.num_inference_steps.is_some()),
        ("precision", planning.precision.is_some()),
    ] {
        if given && args.policy != PolicyName::Planner {
            return refuse(flag, "planner");
        }
    }
    Ok(())
}

fn name(policy: PolicyName) -> &'static str {
    match policy {
        PolicyName::Random => "random",
        PolicyName::Zero => "zero",
        PolicyName::Ou => "ou",
        PolicyName::SwingUp => "swing-up",
        PolicyName::BangBang => "bang-bang",
        PolicyName::Mixed => "mixed",
        PolicyName::Planner => "planner",
    }
}

fn controller_of(policy: PolicyName) -> Option<Controller> {
    match policy {
        PolicyName::SwingUp => Some(Controller::SwingUp),
        PolicyName::BangBang => Some(Controller::BangBang),
        _ => None,
    }
}

/// # Errors
/// [`Error::NotTheEnv`].
fn policy(args: &CollectArgs, id: &str, noise: f64) -> Result<Policy<'static>> {
    let not_the_env = |expected| Error::NotTheEnv {
        policy: name(args.policy),
        expected,
        env: id.to_owned(),
    };
    if args.policy == PolicyName::Mixed {
        let controller = Controller::ALL.into_iter().find(|controller| controller.env() == id);
        let controller = controller.ok_or_else(|| not_the_env("Pendulum-v1 and MountainCarContinuous-v0"))?;
        return Ok(Policy::Mixed(controller));
    }
    let base = match controller_of(args.policy) {
        Some(controller) if controller.env() != id => return Err(not_the_env(controller.env())),
        Some(controller) => Base::Controller {
            controller,
            skill: args.skill.unwrap_or(1.0),
        },
        None if args.policy == PolicyName::Random => Base::Random,
        None => Base::Zero,
    };
    Ok(Policy::Base { base, noise })
}

fn check_dimensions(pipeline: &ValueGuidedPipeline, env: &BoxEnv, actions: &BoxSpace) -> Result<()> {
    for (what, actual, expected) in [
        (
            "observations",
            env.observation_space().as_box()?.dim(),
            pipeline.observation_dim(),
        ),
        ("actions", actions.dim(), pipeline.action_dim()),
    ] {
        if actual != expected {
            let message = format!("the environment's {what} have {actual} dimensions, the checkpoint's {expected}");
            return Err(diffplan_pipelines::Error::Parts(message).into());
        }
    }
    Ok(())
}

/// The steps of all episodes, one after the other.
struct Steps {
    observations: Vec<f32>,
    next_observations: Vec<f32>,
    actions: Vec<f32>,
    rewards: Vec<f32>,
    terminals: Vec<bool>,
    timeouts: Vec<bool>,
    /// Of rewards as the environment gave them, one an episode.
    returns: Vec<f64>,
}

fn play(args: &CollectArgs, env: &mut BoxEnv, space: &BoxSpace, policy: &mut Policy) -> Result<Steps> {
    let mut steps = Steps {
        observations: Vec::new(),
        next_observations: Vec::new(),
        actions: Vec::new(),
        rewards: Vec::new(),
        terminals: Vec::new(),
        timeouts: Vec::new(),
        returns: Vec::new(),
    };
    let style = ProgressStyle::with_template("[{bar:32.cyan/blue}] {pos}/{len} episodes, {msg}, {eta} left")
        .expect("the template above is well formed")
        .progress_chars("━╸─");
    let bar = ProgressBar::new(args.episodes as u64)
        .with_style(style)
        .with_finish(ProgressFinish::AndClear);
    for i in 0..args.episodes {
        let seed = args.seed + i as u64;
        episode(env, space, policy, seed, &mut steps)?;
        bar.set_message(format!(
            "last return {:.1}",
            steps.returns.last().copied().unwrap_or_default()
        ));
        bar.inc(1);
    }
    Ok(steps)
}

fn episode(env: &mut BoxEnv, space: &BoxSpace, policy: &mut Policy, seed: u64, steps: &mut Steps) -> Result<()> {
    let rng = NumpyRng::new(seed_of_policy(seed));
    let mut actor = match policy {
        Policy::Base { base, noise } => Actor::new(*base, *noise, space, rng),
        Policy::Mixed(controller) => Actor::mixed(*controller, space, rng),
        Policy::Planner { noise, .. } => Actor::new(Base::Zero, *noise, space, rng),
    };
    let mut plan_noise = RngNoise::seed(seed_of_policy(seed));
    let (mut observation, _) = env.reset(Some(seed), &ResetOptions::default())?;
    let mut total = 0.0;
    loop {
        let action = match policy {
            Policy::Planner { planner, .. } => {
                let plan = planner.plan(observation.mapv(|x| x as f32).view(), &mut plan_noise)?;
                actor.noisy(plan.action.mapv(f64::from).view())
            }
            _ => actor.act(observation.view()),
        };
        let step = env.step(&action)?;
        steps.observations.extend(observation.iter().map(|&x| x as f32));
        steps
            .next_observations
            .extend(step.observation.iter().map(|&x| x as f32));
        steps.actions.extend(&action);
        steps.rewards.push(step.reward as f32);
        steps.terminals.push(step.terminated);
        // As D4RL has it: a terminal state is no timeout, even at the last moment.
        steps.timeouts.push(step.truncated && !step.terminated);
        total += step.reward;
        observation = step.observation;
        if step.terminated || step.truncated {
            steps.returns.push(total);
            return Ok(());
        }
    }
}

impl Steps {
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
        let mut metadata = vec![
            ("env_id", summary.env.as_str()),
            ("policy", name(summary.policy)),
            ("seed", &seed),
            ("diffplan", env!("CARGO_PKG_VERSION")),
        ];
        let numbers = [("skill", summary.skill), ("noise", summary.noise)];
        let numbers = numbers.map(|(name, value)| (name, value.map(|value| value.to_string())));
        metadata.extend(
            numbers
                .iter()
                .filter_map(|(name, value)| Some((*name, value.as_deref()?))),
        );
        D4rlFile {
            observations: observations.view(),
            actions: actions.view(),
            rewards: ArrayView1::from(&self.rewards),
            terminals: &self.terminals,
            timeouts: &self.timeouts,
            next_observations: next.as_ref().map(|next| next.view()),
            metadata: &metadata,
        }
        .write(&summary.out)?;
        Ok(())
    }
}

impl Summary {
    fn text(&self) -> String {
        let last = self.seed + (self.episodes as u64 - 1);
        let mut policy = name(self.policy).to_owned();
        for (name, value) in [("skill", self.skill), ("noise", self.noise)] {
            policy += &value.map(|value| format!(", {name} {value}")).unwrap_or_default();
        }
        let mut rows = vec![("env", self.env.clone()), ("policy", policy)];
        if let Some(checkpoint) = &self.checkpoint {
            rows.push(("checkpoint", checkpoint.display().to_string()));
        }
        if let Some(plan) = &self.plan {
            rows.push(("plan", settings::describe(plan)));
        }
        rows.extend([
            (
                "episodes",
                format!(
                    "{}, seeds {} to {last}, {} ended in a terminal state",
                    table::thousands(self.episodes),
                    self.seed,
                    table::thousands(self.terminated)
                ),
            ),
            ("rows", table::thousands(self.rows)),
            (
                "returns",
                format!(
                    "{:.1} ± {:.1} (std), {:.1} to {:.1}",
                    self.mean_return, self.std_return, self.min_return, self.max_return
                ),
            ),
            ("saved", self.out.display().to_string()),
        ]);
        table::fields(&rows)
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}
