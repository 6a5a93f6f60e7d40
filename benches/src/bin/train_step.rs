//! Times a training step of a Hopper-size network, forward, backward and Adam, for `benches/train_step.py`, which runs PyTorch's
//! in turn. It is the trainer's own step, so noise is added and the average kept as well. Prints one JSON object: seconds a step.
//!
//!     cargo run --release -p diffplan-benches --bin train_step -- planner 32 2 20

#![allow(clippy::print_stdout, clippy::print_stderr)] // a program

use diffplan_benches::{CHANNELS, HORIZON, normal, planner, value_function};
use diffplan_models::UNet1dModel;
use diffplan_schedulers::{DdpmConfig, DdpmScheduler, Scheduler};
use diffplan_train::{
    Batch, DiffusionLoss, Loss, TrainOptions, Trainer, TrajectoryObjective, TrajectoryWeights, ValueRegression,
};
use ndarray::Array1;
use std::time::Instant;

/// Of the channels.
const ACTION_DIM: usize = 3;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [network_name, batch, threads, repeat] = &args[..] else {
        return Err("usage: train_step planner|value BATCH THREADS REPEAT".into());
    };
    let schedule = DdpmScheduler::new(DdpmConfig::default())?.schedule().clone();
    let dims = (ACTION_DIM, CHANNELS, HORIZON);
    let (model, objective): (UNet1dModel, TrajectoryObjective<UNet1dModel>) = match network_name.as_str() {
        "planner" => {
            let weights = TrajectoryWeights::default();
            (
                planner(),
                Box::new(DiffusionLoss::new(schedule, dims, Loss::L2, &weights)?),
            )
        }
        "value" => (
            value_function(),
            Box::new(ValueRegression::new(schedule, dims, Loss::L2)?),
        ),
        other => return Err(format!("{other}: neither planner nor value").into()),
    };
    let is_value = model.is_value_function();
    let mut trainer = Trainer::new(model, objective, TrainOptions::default())?;
    let size: usize = batch.parse()?;
    let rows = || normal(HORIZON, size, CHANNELS).to_bcl().permuted_axes([0, 2, 1]);
    let batch = Batch {
        trajectories: rows().as_standard_layout().into_owned(),
        noise: rows().as_standard_layout().into_owned(),
        timesteps: vec![5; size],
        values: Array1::zeros(if is_value { size } else { 0 }),
    };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads.parse()?).build()?;
    let repeat: usize = repeat.parse()?;
    let seconds = pool.install(|| -> Result<Vec<f64>, diffplan_train::Error> {
        let batches = std::slice::from_ref(&batch);
        trainer.step(batches)?;
        (0..repeat)
            .map(|_| {
                let start = Instant::now();
                trainer.step(batches)?;
                Ok(start.elapsed().as_secs_f64())
            })
            .collect()
    })?;
    println!("{{\"seconds\": {seconds:?}}}");
    Ok(())
}
