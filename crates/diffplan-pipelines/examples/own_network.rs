//! A denoiser of one's own, planned with: samples are taken to be smooth paths, so the sample without noise is the noised one,
//! smoothed the more, the more noise there is. `cargo run -p diffplan-pipelines --example own_network`

#![allow(clippy::print_stdout)]

use diffplan_data::{NormalizerConfig, Normalizers};
use diffplan_models::{Compute, Conditioning, Error, Network, NetworkSession, Signature};
use diffplan_pipelines::{Condition, PlanOptions, RngNoise, ValueGuidedPipeline};
use diffplan_schedulers::{DdpmConfig, DdpmScheduler, PredictionType};
use ndarray::{ArrayView3, ArrayViewMut3, Axis, Zip};
use std::sync::Arc;

#[derive(Debug)]
struct Smoother(usize);

impl Network for Smoother {
    fn class_name(&self) -> &str {
        "Smoother"
    }
    fn signature(&self) -> Signature {
        Signature::new(self.0)
    }
    fn check_horizon(&self, _: usize) -> Result<(), Error> {
        Ok(()) // any
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
    fn condition(&mut self, _: Conditioning<'_>) -> Result<(), Error> {
        Ok(())
    }
    fn forward(&mut self, x: ArrayView3<f32>, time: usize, mut out: ArrayViewMut3<f32>) -> Result<(), Error> {
        let reach = self.0[time] as usize / 2;
        for (i, mut step) in out.axis_iter_mut(Axis(1)).enumerate() {
            let (from, to) = (i.saturating_sub(reach), (i + reach + 1).min(x.len_of(Axis(1))));
            let near = x.slice_axis(Axis(1), (from..to).into());
            Zip::from(&mut step)
                .and(near.lanes(Axis(1)))
                .for_each(|out, near| *out = near.mean().unwrap_or(0.0));
        }
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let unit = || NormalizerConfig::ScalarGaussian { mean: 0.0, std: 1.0 };
    let config = DdpmConfig {
        num_train_timesteps: 20,
        prediction_type: PredictionType::Sample,
        ..DdpmConfig::default()
    };
    let normalizers = Normalizers::new(unit(), unit(), None)?;
    let pipeline = ValueGuidedPipeline::without_guide(
        Arc::new(Smoother(2)),
        Arc::new(DdpmScheduler::new(config)?),
        normalizers,
    )?;
    let mut planner = pipeline.planner(PlanOptions {
        batch_size: 1,
        planning_horizon: 12,
        ..pipeline.options()
    })?;
    let path = [Condition::observation(0, &[-1.0]), Condition::observation(11, &[1.0])];
    let plan = planner.plan_conditioned(&path, &mut RngNoise::seed(0))?;
    println!(
        "from -1 to 1: {:.2}",
        plan.observations().index_axis(Axis(0), 0).column(0)
    );
    Ok(())
}
