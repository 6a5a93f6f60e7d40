//! A denoiser of one's own, planned with: samples are taken to be smooth paths, so the sample without noise is the noised one,
//! smoothed the more, the more noise there is. `cargo run --release -p diffplan --example own_network`

#![allow(clippy::print_stdout)]

use diffplan::data::{NormalizerConfig, Normalizers};
use diffplan::models::{Compute, Network, NetworkSession, Result, Signature};
use diffplan::ndarray::{ArrayView3, ArrayViewMut3, Axis, s};
use diffplan::schedulers::{DdpmConfig, DdpmScheduler, PredictionType};
use diffplan::{Condition, RngNoise, ValueGuidedPipeline};
use std::sync::Arc;

#[derive(Debug)]
struct Smoother;

impl Network for Smoother {
    fn class_name(&self) -> &str {
        "Smoother"
    }
    fn signature(&self) -> Signature {
        Signature::new(2)
    }
    fn session(self: Arc<Self>, _: Compute) -> Box<dyn NetworkSession> {
        Box::new(Session(Vec::new()))
    }
}

struct Session(Vec<f32>);

impl NetworkSession for Session {
    fn prepare(&mut self, times: &[f32]) {
        self.0 = times.to_vec();
    }
    fn forward(&mut self, x: ArrayView3<f32>, time: usize, mut out: ArrayViewMut3<f32>) -> Result<()> {
        let reach = self.0[time] as usize / 2;
        for ((batch, step, channel), out) in out.indexed_iter_mut() {
            let near = step.saturating_sub(reach)..(step + reach + 1).min(x.len_of(Axis(1)));
            let sum: f32 = near.clone().map(|i| x[[batch, i, channel]]).sum();
            *out = sum / near.len() as f32;
        }
        Ok(())
    }
}

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let mut config = DdpmConfig::default();
    (config.num_train_timesteps, config.prediction_type) = (20, PredictionType::Sample);
    let scheduler = Arc::new(DdpmScheduler::new(config)?);
    let unit = || NormalizerConfig::ScalarGaussian { mean: 0.0, std: 1.0 };
    let units = Normalizers::new(unit(), unit(), None)?;
    let pipeline = ValueGuidedPipeline::without_guide(Arc::new(Smoother), scheduler, units)?;
    let mut options = pipeline.options();
    (options.batch_size, options.planning_horizon) = (1, 12);
    let path = [Condition::observation(0, &[-1.0]), Condition::observation(11, &[1.0])];
    let plan = pipeline
        .planner(options)?
        .plan_conditioned(&path, &mut RngNoise::seed(0))?;
    println!("from -1 to 1: {:.2}", plan.observations().slice(s![0, .., 0]));
    Ok(())
}
