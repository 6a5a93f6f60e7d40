//! Times a training step of a network, forward, backward and Adam, for `benches/train_step.py`, which runs PyTorch's in turn. It is the
//! trainer's own step, so noise is added and the average kept as well; or, with `forward` at the end, a forward pass alone. Prints one
//! JSON object: seconds a step.
//!
//!     cargo run --release -p diffplan-benches --bin train_step -- planner 32 2 20
//!     cargo run --release -p diffplan-benches --bin train_step -- audio 1 2 20 forward

#![allow(clippy::print_stdout, clippy::print_stderr)] // a program

use diffplan_benches::{CHANNELS, HORIZON, LEVELS, network, normal, planner, value_function};
use diffplan_models::{TemporalAttention, UNet1dConfig, UNet1dModel, Workspace};
use diffplan_schedulers::{DdpmConfig, DdpmScheduler, Scheduler};
use diffplan_train::{
    Batch, DiffusionLoss, Loss, TrainOptions, Trainer, TrajectoryObjective, TrajectoryWeights, ValueRegression,
};
use ndarray::{Array1, ArrayD};
use std::time::Instant;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Of the channels.
const ACTION_DIM: usize = 3;
/// Samples of the audio network.
const AUDIO: usize = 1024;

/// The network of a name, and the length of its samples.
fn named(name: &str) -> Result<(UNet1dModel, usize), Failure> {
    let attention = || UNet1dConfig {
        temporal_attention: Some(TemporalAttention::Linear),
        ..UNet1dConfig::planner(CHANNELS, &LEVELS)
    };
    // diffusers' defaults, with room for the time embedding that they join to the sample.
    let audio = || UNet1dConfig {
        extra_in_channels: 64,
        ..UNet1dConfig::default()
    };
    Ok(match name {
        "planner" => (planner(), HORIZON),
        "value" => (value_function(), HORIZON),
        "attention" => (network(attention())?, HORIZON),
        "audio" => (network(audio())?, AUDIO),
        other => return Err(format!("{other}: none of planner, value, attention, audio").into()),
    })
}

fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (name, size, threads, repeat, forward) = match &args[..] {
        [name, batch, threads, repeat] => (name, batch, threads, repeat, false),
        [name, batch, threads, repeat, pass] if pass == "forward" => (name, batch, threads, repeat, true),
        _ => return Err("usage: train_step planner|value|attention|audio BATCH THREADS REPEAT [forward]".into()),
    };
    let (model, horizon) = named(name)?;
    let (size, repeat): (usize, usize) = (size.parse()?, repeat.parse()?);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads.parse()?).build()?;
    let seconds = pool.install(|| match forward {
        true => forwards(&model, size, horizon, repeat),
        false => steps(model, size, horizon, repeat),
    })?;
    println!("{{\"seconds\": {seconds:?}}}");
    Ok(())
}

/// Seconds of each of so many forward passes, after one that is not counted.
fn forwards(model: &UNet1dModel, batch: usize, horizon: usize, repeat: usize) -> Result<Vec<f64>, Failure> {
    let sample = normal(horizon, batch, model.config().sample_channels()).to_bcl();
    let features = model.time_features(&vec![5.0; batch]);
    let mut workspace = Workspace::new(rayon::current_num_threads());
    let mut output = ArrayD::zeros(model.output_shape(batch, horizon)?);
    let mut seconds = Vec::new();
    for _ in 0..=repeat {
        let start = Instant::now();
        model.forward_into(sample.view(), &features, output.view_mut(), &mut workspace)?;
        seconds.push(start.elapsed().as_secs_f64());
    }
    Ok(seconds.split_off(1))
}

/// Seconds of each of so many training steps, after one that is not counted.
fn steps(model: UNet1dModel, size: usize, horizon: usize, repeat: usize) -> Result<Vec<f64>, Failure> {
    let schedule = DdpmScheduler::new(DdpmConfig::default())?.schedule().clone();
    let (channels, is_value) = (model.config().sample_channels(), model.is_value_function());
    let dims = (ACTION_DIM.min(channels - 1), channels, horizon);
    let objective: TrajectoryObjective<UNet1dModel> = match is_value {
        false => Box::new(DiffusionLoss::new(
            schedule,
            dims,
            Loss::L2,
            &TrajectoryWeights::default(),
        )?),
        true => Box::new(ValueRegression::new(schedule, dims, Loss::L2)?),
    };
    let mut trainer = Trainer::new(model, objective, TrainOptions::default())?;
    let rows = || normal(horizon, size, channels).to_bcl().permuted_axes([0, 2, 1]);
    let batch = Batch {
        trajectories: rows().as_standard_layout().into_owned(),
        noise: rows().as_standard_layout().into_owned(),
        timesteps: vec![5; size],
        values: Array1::zeros(if is_value { size } else { 0 }),
    };
    let mut seconds = Vec::new();
    for _ in 0..=repeat {
        let start = Instant::now();
        trainer.step(std::slice::from_ref(&batch))?;
        seconds.push(start.elapsed().as_secs_f64());
    }
    Ok(seconds.split_off(1))
}
