//! `diffplan bench --task deadline`: whether plans are made in time.

use super::Source;
use crate::args::{BenchArgs, Task};
use crate::error::{Error, Result};
use crate::patience::Busy;
use crate::{json, output, settings};
use diffplan_envs::{BoxEnv, Dict, Env};
use diffplan_eval::evaluation::describe;
use diffplan_eval::{Registry, table};
use diffplan_pipelines::deadline::{
    DeadlineLog, DeadlinePlanner, DeadlineReport, DeadlineSettings, Measuring, PlanningPool, PoolOptions, Rung, Timely,
    VisitCost,
};
use diffplan_pipelines::{NoiseSource, PlanOptions, Query, RngNoise, ValueGuidedPipeline};
use ndarray::{Array1, aview1};
use serde::Serialize;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// Made if nothing else is said.
const PLANS: usize = 1000;

#[derive(Serialize)]
struct Report<'a> {
    task: Task,
    checkpoint: Option<&'a Path>,
    hopper_size: bool,
    /// What was wanted.
    #[serde(flatten)]
    options: &'a PlanOptions,
    threads: usize,
    /// What the system granted, in words.
    pinned: String,
    realtime: String,
    /// Where observations came from.
    observations: &'a str,
    /// Seconds of the start, in which costs were measured.
    start: f64,
    ladder: Vec<&'a Rung>,
    visits: &'a [VisitCost],
    /// Of the last plans, beside the start.
    slowdown: f64,
    deadline: &'a DeadlineReport,
}

pub(super) fn run(args: &BenchArgs, source: &Source, registry: &Registry) -> Result<()> {
    let budget = args.deadline.deadline.unwrap_or_default();
    if budget.is_zero() {
        return Err(Error::Setting {
            name: "deadline",
            value: "0".into(),
            expected: "a time above 0, such as 20ms".into(),
        });
    }
    let pipeline = source.pipeline(registry)?;
    let options = args.planning.over(pipeline.options())?;
    let made = pool(args)?;
    let threads = made.pool.current_num_threads();
    let mut observations = Observations::new(registry, &pipeline)?;
    let begun = Instant::now();
    let mut planner = measured(&pipeline, &options, &made, &observations)?;
    let start = begun.elapsed().as_secs_f64();
    if budget < planner.cheapest() {
        return Err(Error::Pipeline(diffplan_pipelines::Error::Deadline {
            budget,
            needed: planner.cheapest(),
            cheapest: planner.rungs().last().map_or(String::new(), |rung| rung.text()),
        }));
    }
    let plans = args.deadline.plans.unwrap_or(PLANS);
    let report = keep(
        &mut planner,
        &mut observations,
        budget,
        (plans, options.planning_horizon),
    )?;
    if args.run.json {
        return json::print_line(&Report {
            task: args.task,
            checkpoint: source.folder(),
            hopper_size: args.hopper_size,
            options: &options,
            threads,
            pinned: made.pinned.to_string(),
            realtime: made.realtime.to_string(),
            observations: &observations.what,
            start,
            ladder: planner.rungs().iter().map(|rung| &**rung).collect(),
            visits: &planner.visit_costs(),
            slowdown: planner.slowdown(),
            deadline: &report,
        });
    }
    let weights = match source.folder() {
        Some(folder) => folder.display().to_string(),
        None => "random weights of Hopper size".into(),
    };
    output::print(table::fields(&[
        ("task", args.task.name().to_owned()),
        ("networks", weights),
        ("wanted", describe(&options)),
        ("threads", threads.to_string()),
        ("pinned", made.pinned.to_string()),
        ("real-time", made.realtime.to_string()),
        ("observations", observations.what.clone()),
        (
            "start",
            format!("{start:.1} s, {} rungs measured", planner.rungs().len()),
        ),
        ("pace", format!("{:.2} times what was measured", planner.slowdown())),
    ]))?;
    output::print(format!("\n{}", report.text()))
}

/// The threads asked for; one fewer than there are cores, which leaves one to whatever else runs.
fn pool(args: &BenchArgs) -> Result<PlanningPool> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let options = PoolOptions {
        threads: args.run.threads.unwrap_or(cores.saturating_sub(1).max(1)),
        pin: args.deadline.pin,
        realtime: args.deadline.realtime,
    };
    Ok(options.build()?)
}

/// What plans, its ladder measured from the first observation.
fn measured(
    pipeline: &ValueGuidedPipeline,
    options: &PlanOptions,
    made: &PlanningPool,
    observations: &Observations,
) -> Result<DeadlinePlanner> {
    let busy = Busy::new("measuring".into());
    let conditions = pipeline.conditions_of(&observations.next, options.planning_horizon);
    let mut say = |at: Measuring| {
        busy.say(format!(
            "measuring {} of {}: {}",
            at.place + 1,
            at.rungs,
            at.rung.text()
        ))
    };
    Ok(DeadlinePlanner::measured(
        pipeline,
        options.clone(),
        Arc::clone(&made.pool),
        DeadlineSettings {
            // A slow spell is to be seen in the figures, not to end them.
            cheapest_anyway: true,
            ..DeadlineSettings::default()
        },
        &conditions,
        &mut say,
    )?)
}

/// A plan once a deadline, and the sum of them.
fn keep(
    planner: &mut DeadlinePlanner,
    observations: &mut Observations,
    budget: Duration,
    (plans, horizon): (usize, usize),
) -> Result<DeadlineReport> {
    let (mut log, mut noise) = (DeadlineLog::default(), RngNoise::seed(0));
    let busy = Busy::new(format!("plans within {budget:?}"));
    let mut next = Instant::now();
    for plan in 0..plans {
        thread::sleep(next.saturating_duration_since(Instant::now()));
        // One that was late does not make the next ones hurry.
        next = next.max(Instant::now()) + budget;
        let conditions = observations.pipeline.conditions_of(&observations.next, horizon);
        let mut queries = [Query::new(&conditions, &mut noise)];
        let timely = planner.queries_within(&mut queries, budget)?;
        log.see(&timely);
        observations.advance(&timely)?;
        if plan % 64 == 0 {
            busy.say(format!("{plan} of {plans} plans within {budget:?}"));
        }
    }
    Ok(log.report())
}

/// What is planned from.
struct Observations {
    /// In words.
    what: String,
    next: Array1<f32>,
    /// Played with the plans' actions, where it can be made.
    env: Option<BoxEnv>,
    pipeline: ValueGuidedPipeline,
    noise: RngNoise,
}

impl Observations {
    fn new(registry: &Registry, pipeline: &ValueGuidedPipeline) -> Result<Self> {
        let recorded = pipeline.planning_config().recorded_env();
        let fits =
            |env: &BoxEnv| settings::check_dimensions(pipeline, env.observation_space(), env.action_space()).is_ok();
        let env = settings::known_env(registry, recorded.as_ref()).filter(fits);
        let what = match (&env, recorded) {
            (Some(_), Some(recorded)) => recorded.to_string(),
            _ => "drawn by the checkpoint's statistics".into(),
        };
        let mut observations = Self {
            what,
            next: Array1::zeros(pipeline.observation_dim()),
            env,
            pipeline: pipeline.clone(),
            noise: RngNoise::seed(1),
        };
        match &mut observations.env {
            Some(env) => observations.next = env.reset(Some(0), &Dict::new())?.0.mapv(|x| x as f32),
            None => observations.draw()?,
        }
        Ok(observations)
    }

    /// The next observation, after the plan's action.
    fn advance(&mut self, timely: &Timely) -> Result<()> {
        let (Some(env), Some(plan)) = (&mut self.env, timely.plan()) else {
            return self.draw();
        };
        let step = env.step(&plan.action)?;
        let over = step.terminated || step.truncated;
        let observation = if over {
            env.reset(None, &Dict::new())?.0
        } else {
            step.observation
        };
        self.next = observation.mapv(|x| x as f32);
        Ok(())
    }

    /// Two standard deviations from the mean at most.
    fn draw(&mut self) -> Result<()> {
        let mut draw = vec![0.0; self.next.len()];
        let filled = self.noise.fill_standard_normal(&mut draw);
        filled.map_err(diffplan_pipelines::Error::from)?;
        self.next = aview1(&draw).mapv(|z| z.clamp(-2.0, 2.0));
        Ok(self
            .pipeline
            .normalizers()
            .observations()
            .denormalize_inplace(self.next.view_mut())?)
    }
}
