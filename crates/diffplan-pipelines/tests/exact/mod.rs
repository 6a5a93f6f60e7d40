//! Data of which everything is known, and the network that predicts exactly its noise: independent Gaussian numbers, one action and one
//! observation a step.

#![allow(dead_code)] // not every test needs all of it

use diffplan_data::{NormalizerConfig, Normalizers};
use diffplan_models::{Compute, Conditioning, Network, NetworkSession, Signature};
use diffplan_pipelines::ValueGuidedPipeline;
use diffplan_schedulers::{DdpmConfig, DdpmScheduler, NoiseSchedule, Scheduler};
use ndarray::{ArrayView3, ArrayViewMut3};
use std::sync::Arc;

/// Mean of every number of the data.
pub(crate) const MEAN: f32 = 0.5;
/// Shares of signal and noise in a sample of unit variance at any time, in a straight line of levels between the timesteps.
#[derive(Clone, Debug)]
pub(crate) struct Forward {
    levels: Arc<[f32]>,
    pub(crate) variance: f32,
}

impl Forward {
    pub(crate) fn new(schedule: &NoiseSchedule, variance: f32) -> Self {
        let alphas = schedule.alphas_cumprod().iter();
        Self {
            levels: alphas.map(|a| ((1.0 - a) / a).sqrt()).collect(),
            variance,
        }
    }

    pub(crate) fn shares(&self, time: f32) -> [f32; 2] {
        let below = (time.floor() as usize).min(self.levels.len() - 2);
        let part = time - below as f32;
        let sigma = (1.0 - part) * self.levels[below] + part * self.levels[below + 1];
        let signal = 1.0 / (sigma * sigma + 1.0).sqrt();
        [signal, sigma * signal]
    }

    /// Variance of a sample there.
    pub(crate) fn spread(&self, time: f32) -> f32 {
        let [signal, noise] = self.shares(time);
        signal * signal * self.variance + noise * noise
    }
}

/// The noise that is to be expected in a sample.
#[derive(Debug)]
pub(crate) struct Exact(pub(crate) Forward);

impl Network for Exact {
    fn class_name(&self) -> &str {
        "Exact"
    }

    fn signature(&self) -> Signature {
        Signature::new(2)
    }

    fn session(self: Arc<Self>, _: Compute) -> Box<dyn NetworkSession> {
        Box::new(ExactSession {
            forward: self.0.clone(),
            times: Vec::new(),
        })
    }
}

struct ExactSession {
    forward: Forward,
    times: Vec<f32>,
}

impl NetworkSession for ExactSession {
    fn prepare(&mut self, times: &[f32]) {
        self.times = times.to_vec();
    }

    fn condition(&mut self, _: Conditioning<'_>) -> diffplan_models::Result<()> {
        Ok(())
    }

    fn forward(
        &mut self,
        x: ArrayView3<'_, f32>,
        time: usize,
        mut out: ArrayViewMut3<'_, f32>,
    ) -> diffplan_models::Result<()> {
        let time = self.times[time];
        let ([signal, noise], spread) = (self.forward.shares(time), self.forward.spread(time));
        out.zip_mut_with(&x, |out, x| *out = noise * (x - signal * MEAN) / spread);
        Ok(())
    }
}

pub(crate) fn scheduler() -> DdpmScheduler {
    DdpmScheduler::new(DdpmConfig {
        clip_sample: false,
        ..DdpmConfig::default()
    })
    .unwrap()
}

/// The pipeline that plans so, with nothing to guide it: one action and one observation, in units of their own.
pub(crate) fn unguided(variance: f32) -> ValueGuidedPipeline {
    let scheduler = scheduler();
    let forward = Forward::new(scheduler.schedule(), variance);
    let unit = || NormalizerConfig::Gaussian {
        mean: vec![0.0],
        std: vec![1.0],
    };
    let normalizers = Normalizers::new(unit(), unit(), None).unwrap();
    ValueGuidedPipeline::without_guide(Arc::new(Exact(forward)), Arc::new(scheduler), normalizers).unwrap()
}

/// Every sampler, with the eta that it takes.
pub(crate) const SAMPLERS: [(&str, f32); 9] = [
    ("ddpm", 0.0),
    ("ddim", 0.0),
    ("ddim", 0.5),
    ("ddim", 1.0),
    ("dpm++", 0.0),
    ("euler", 0.0),
    ("euler-a", 0.0),
    ("heun", 0.0),
    ("unipc", 0.0),
];
