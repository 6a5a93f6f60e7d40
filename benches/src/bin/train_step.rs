//! Times a training step of a Hopper-size network, forward, backward and Adam, for `benches/train_step.py`, which runs PyTorch's
//! in turn. Prints one JSON object: seconds a step.
//!
//!     cargo run --release -p diffplan-benches --bin train_step -- planner 32 2 20

#![allow(clippy::print_stdout, clippy::print_stderr)] // a program

use diffplan_benches::{CHANNELS, HORIZON, TrainStep, normal, planner, value_function};
use std::time::Instant;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [network_name, batch, threads, repeat] = &args[..] else {
        return Err("usage: train_step planner|value BATCH THREADS REPEAT".into());
    };
    let model = match network_name.as_str() {
        "planner" => planner(),
        "value" => value_function(),
        other => return Err(format!("{other}: neither planner nor value").into()),
    };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads.parse()?).build()?;
    let sample = normal(HORIZON, batch.parse()?, CHANNELS).to_bcl();
    let mut step = TrainStep::new(model);
    let seconds = pool.install(|| -> Result<Vec<f64>, diffplan_models::Error> {
        step.run(sample.view())?;
        (0..repeat.parse().unwrap_or(10))
            .map(|_| {
                let start = Instant::now();
                step.run(sample.view())?;
                Ok(start.elapsed().as_secs_f64())
            })
            .collect()
    })?;
    println!("{{\"seconds\": {seconds:?}}}");
    Ok(())
}
