//! `diffplan bench`: seconds a call, each repeat on its own; whether deadlines are kept.

mod deadline;

use crate::args::{BenchArgs, Task};
use crate::error::{Error, Result};
use crate::{json, output, settings};
use diffplan_data::{NormalizerConfig, Normalizers};
use diffplan_eval::evaluation::describe;
use diffplan_eval::{Registry, stats, table};
use diffplan_files::Folder;
use diffplan_models::{UNet1dConfig, UNet1dModel, Workspace};
use diffplan_pipelines::{NoiseSource, PlanOptions, RngNoise, ValueGuidedPipeline, ValueNetwork};
use diffplan_schedulers::{BetaSchedule, DdpmConfig, DdpmScheduler, PredictionType, VarianceType};
use ndarray::{Array1, Array3, ArrayD};
use ndarray_rand::rand::SeedableRng;
use ndarray_rand::rand::rngs::StdRng;
use rayon::ThreadPool;
use serde::Serialize;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// The timestep that a single network call is timed at; its features are computed once, as in a plan.
const TIMESTEP: f32 = 5.0;

#[derive(Serialize)]
struct Report<'a> {
    task: Task,
    /// One a repeat.
    seconds: &'a [f64],
    checkpoint: Option<&'a Path>,
    hopper_size: bool,
    #[serde(flatten)]
    options: &'a PlanOptions,
    threads: usize,
}

/// Timed calls, where nothing is said.
const REPEAT: usize = 5;

pub(crate) fn run(args: BenchArgs, registry: &Registry) -> Result<()> {
    let source = match args.hopper_size {
        true => Source::HopperSize,
        false => Source::Folder(settings::checkpoint(&args.checkpoint)?),
    };
    if args.task == Task::Deadline {
        if let Some(repeat) = args.repeat {
            return Err(Error::Setting {
                name: "repeat",
                value: repeat.to_string(),
                expected: "--plans, with --task deadline".into(),
            });
        }
        return deadline::run(&args, &source, registry);
    }
    if let Some(name) = args.deadline.given() {
        return Err(Error::Setting {
            name,
            value: "given".into(),
            expected: "it with --task deadline alone".into(),
        });
    }
    let options = args.planning.over(PlanOptions::default())?;
    let pool = args.run.pool()?;
    let threads = pool.current_num_threads();
    let seconds = source.time(registry, args.task, &options, &pool, args.repeat.unwrap_or(REPEAT))?;
    if args.run.json {
        return json::print_line(&Report {
            task: args.task,
            seconds: &seconds,
            checkpoint: source.folder(),
            hopper_size: args.hopper_size,
            options: &options,
            threads,
        });
    }
    let (median, fastest) = (stats::median(&seconds), stats::quantile(&seconds, 0.0));
    let weights = match source.folder() {
        Some(folder) => folder.display().to_string(),
        None => "random weights of Hopper size".into(),
    };
    let (calls, shape) = match args.task {
        Task::Plan | Task::Deadline => ("plans/s", describe(&options)),
        Task::Unet | Task::ValueGrad => {
            let (batch, horizon) = (options.batch_size, options.planning_horizon);
            ("calls/s", format!("batch {batch}, horizon {horizon}"))
        }
    };
    output::print(table::fields(&[
        ("task", args.task.name().to_owned()),
        ("networks", weights),
        ("size", shape),
        ("threads", threads.to_string()),
        ("repeats", seconds.len().to_string()),
        ("median", format!("{:.3} ms", median * 1e3)),
        ("fastest", format!("{:.3} ms", fastest * 1e3)),
        ("rate", format!("{:.1} {calls}", 1.0 / median)),
    ]))
}

/// Where the networks come from.
enum Source {
    Folder(Folder),
    /// Random weights: 32-64-128-256 channels, 11 observation and 3 action dimensions, 20 timesteps.
    HopperSize,
}

impl Source {
    const HOPPER_OBSERVATION_DIM: usize = 11;
    const HOPPER_ACTION_DIM: usize = 3;
    const HOPPER_CHANNELS: [usize; 4] = [32, 64, 128, 256];

    fn folder(&self) -> Option<&Path> {
        match self {
            Source::Folder(folder) => Some(folder.path()),
            Source::HopperSize => None,
        }
    }

    fn network(&self, part: &str, hopper: fn(usize, &[usize]) -> UNet1dConfig) -> Result<UNet1dModel> {
        match self {
            Source::Folder(folder) => Ok(UNet1dModel::from_folder(&folder.sub(part))?),
            Source::HopperSize => {
                let channels = Self::HOPPER_ACTION_DIM + Self::HOPPER_OBSERVATION_DIM;
                let mut model = UNet1dModel::new(hopper(channels, &Self::HOPPER_CHANNELS))?;
                model.init(&mut StdRng::seed_from_u64(0));
                Ok(model)
            }
        }
    }

    fn unet(&self) -> Result<UNet1dModel> {
        self.network("unet", UNet1dConfig::planner)
    }

    fn value_function(&self) -> Result<UNet1dModel> {
        self.network("value_function", UNet1dConfig::value_function)
    }

    fn pipeline(&self, registry: &Registry) -> Result<ValueGuidedPipeline> {
        if let Source::Folder(folder) = self {
            return settings::pipeline(registry, folder);
        }
        let scheduler = DdpmScheduler::new(DdpmConfig {
            num_train_timesteps: 20,
            beta_schedule: BetaSchedule::SquaredcosCapV2,
            variance_type: VarianceType::FixedSmallLog,
            prediction_type: PredictionType::Sample,
            clip_sample: false,
            ..DdpmConfig::default()
        })?;
        let unit = |dim| NormalizerConfig::Gaussian {
            mean: vec![0.0; dim],
            std: vec![1.0; dim],
        };
        let normalizers = Normalizers::new(unit(Self::HOPPER_OBSERVATION_DIM), unit(Self::HOPPER_ACTION_DIM), None)?;
        let guide = ValueNetwork::new(self.value_function()?)?;
        Ok(ValueGuidedPipeline::new(
            Arc::new(self.unet()?),
            Arc::new(guide),
            Arc::new(scheduler),
            normalizers,
        )?)
    }

    /// The seconds of each of `repeat` calls, after one that warms up.
    fn time(
        &self,
        registry: &Registry,
        task: Task,
        options: &PlanOptions,
        pool: &Arc<ThreadPool>,
        repeat: usize,
    ) -> Result<Vec<f64>> {
        let mut noise = RngNoise::seed(0);
        let mut workspace = Workspace::with(options.compute(pool.current_num_threads()));
        let (batch, horizon) = (options.batch_size, options.planning_horizon);
        match task {
            Task::Unet => {
                let unet = self.unet()?;
                let sample = normal_sample(&unet, batch, horizon, &mut noise)?;
                let mut output = ArrayD::zeros(unet.output_shape(batch, horizon)?);
                let time = unet.time_features(&[TIMESTEP]);
                pool.install(|| {
                    timed(repeat, || {
                        Ok(unet.forward_into(sample.view(), &time, output.view_mut(), &mut workspace)?)
                    })
                })
            }
            Task::ValueGrad => {
                let model = self.value_function()?;
                let sample = normal_sample(&model, batch, horizon, &mut noise)?;
                let (mut values, mut grad) = (Array1::zeros(batch), Array3::zeros(sample.dim()));
                let time = model.time_features(&[TIMESTEP]);
                pool.install(|| {
                    timed(repeat, || {
                        let (values, grad) = (values.view_mut(), grad.view_mut());
                        Ok(model.value_and_grad_into(sample.view(), &time, values, grad, &mut workspace)?)
                    })
                })
            }
            Task::Plan | Task::Deadline => {
                let pipeline = self.pipeline(registry)?;
                let observation = Array1::zeros(pipeline.observation_dim());
                let mut planner = pipeline.planner(options.clone())?.in_pool(Arc::clone(pool));
                let conditions = pipeline.conditions_of(&observation, options.planning_horizon);
                let mut plan = || planner.plan_conditioned(&conditions, &mut noise).map(drop);
                timed(repeat, || Ok(plan()?))
            }
        }
    }
}

/// Standard normal noise (batch, channels, horizon).
fn normal_sample(model: &UNet1dModel, batch: usize, horizon: usize, noise: &mut RngNoise) -> Result<Array3<f32>> {
    model.check_horizon(horizon)?;
    let mut values = vec![0.0; batch * model.config().sample_channels() * horizon];
    noise
        .fill_standard_normal(&mut values)
        .map_err(diffplan_pipelines::Error::from)?;
    let shape = (batch, model.config().sample_channels(), horizon);
    Ok(Array3::from_shape_vec(shape, values).expect("as many values as the shape has"))
}

fn timed(repeat: usize, mut call: impl FnMut() -> Result<()>) -> Result<Vec<f64>> {
    call()?;
    (0..repeat)
        .map(|_| {
            let started = Instant::now();
            call()?;
            Ok(started.elapsed().as_secs_f64())
        })
        .collect()
}
