//! Parts of pipelines for the tests of the checks.

use diffplan_data::{NormalizerConfig, Normalizers};
use diffplan_models::{Compute, Network, NetworkSession, Signature};
use diffplan_schedulers::{DdpmConfig, DdpmScheduler, NoiseSchedule, PredictionType};
use ndarray::{ArrayView3, ArrayViewMut3};
use std::sync::Arc;

pub(crate) fn ddpm(config: DdpmConfig) -> DdpmScheduler {
    DdpmScheduler::new(config).unwrap()
}

pub(crate) fn normalizers(observations: NormalizerConfig, actions: NormalizerConfig) -> Normalizers {
    Normalizers::new(observations, actions, None).unwrap()
}

/// Mean 0 and standard deviation 1.
pub(crate) fn gaussian(observations: usize, actions: usize) -> Normalizers {
    let unit = |dims| NormalizerConfig::Gaussian {
        mean: vec![0.0; dims],
        std: vec![1.0; dims],
    };
    normalizers(unit(observations), unit(actions))
}

/// From -1 to 1.
pub(crate) fn limits(observations: usize, actions: usize) -> Normalizers {
    let unit = |dims| NormalizerConfig::Limits {
        min: vec![-1.0; dims],
        max: vec![1.0; dims],
    };
    normalizers(unit(observations), unit(actions))
}

/// A network that makes the best of white data of variance 1: E\[x0 | x\] = √a x, and what follows from it.
#[derive(Debug)]
pub(crate) struct Answers {
    channels: usize,
    truth: PredictionType,
    alphas: Vec<f32>,
}

impl Answers {
    pub(crate) fn new(channels: usize, truth: PredictionType, schedule: &NoiseSchedule) -> Self {
        Self {
            channels,
            truth,
            alphas: schedule.alphas_cumprod().to_vec(),
        }
    }
}

impl Network for Answers {
    fn class_name(&self) -> &str {
        "Answers"
    }

    fn signature(&self) -> Signature {
        Signature::new(self.channels)
    }

    fn session(self: Arc<Self>, _compute: Compute) -> Box<dyn NetworkSession> {
        Box::new(Answering {
            network: self,
            times: Vec::new(),
        })
    }
}

struct Answering {
    network: Arc<Answers>,
    times: Vec<f32>,
}

impl NetworkSession for Answering {
    fn prepare(&mut self, times: &[f32]) {
        self.times = times.to_vec();
    }

    fn forward(
        &mut self,
        x: ArrayView3<'_, f32>,
        time: usize,
        mut out: ArrayViewMut3<'_, f32>,
    ) -> diffplan_models::Result<()> {
        let alpha = self.network.alphas[self.times[time] as usize];
        let (signal, noise) = (alpha.sqrt(), (1.0 - alpha).sqrt());
        let factor = match self.network.truth {
            PredictionType::Epsilon => noise,
            PredictionType::VPrediction => 0.0,
            _ => signal,
        };
        out.assign(&x.mapv(|x| factor * x));
        Ok(())
    }
}
