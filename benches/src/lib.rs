//! What the benches share: networks of Hopper's size, and the layers in them by name.

use diffplan_data::{NormalizerConfig, Normalizers};
use diffplan_kernels::AdamStep;
use diffplan_models::{Backprop, UNet1dConfig, UNet1dModel};
use diffplan_nn::{Params, Signal, fill_zero, named_params, named_params_mut, zeros_like};
use diffplan_pipelines::{Error, ValueGuidedPipeline, ValueNetwork};
use diffplan_schedulers::{BetaSchedule, DdpmConfig, DdpmScheduler, PredictionType, VarianceType};
use ndarray::{ArrayD, ArrayView3};
use ndarray_rand::rand::{Rng, SeedableRng, rngs::StdRng};
use ndarray_rand::rand_distr::StandardNormal;
use rayon::prelude::*;

/// Action and observation dimensions of Hopper together.
pub const CHANNELS: usize = 14;
/// Its planning horizon.
pub const HORIZON: usize = 32;
/// The channels of its levels.
pub const LEVELS: [usize; 4] = [32, 64, 128, 256];

/// A convolution of the Hopper networks: `(name, in channels, out channels, kernel, stride, padding, input length)`.
pub type Layer = (&'static str, usize, usize, usize, usize, usize, usize);

/// The convolutions that make up nearly all of a plan, from the longest level to the shortest.
pub const LAYERS: [Layer; 7] = [
    ("down0.conv_in", 14, 32, 5, 1, 2, 32),
    ("down0.conv_out", 32, 32, 5, 1, 2, 32),
    ("down1.conv_out", 64, 64, 5, 1, 2, 16),
    ("down2.conv_out", 128, 128, 5, 1, 2, 8),
    ("down3.conv_out", 256, 256, 5, 1, 2, 4),
    ("up0.conv_in", 512, 128, 5, 1, 2, 4),
    ("down2.downsample", 128, 128, 3, 2, 1, 8),
];

/// Multiplications and additions of a layer's product, those by padding left out.
pub fn flops(layer: Layer, batch: usize) -> u64 {
    let (_, inputs, outputs, kernel, stride, padding, len) = layer;
    let out_len = (len + 2 * padding - kernel) / stride + 1;
    let taps = (0..out_len).map(|p| {
        (0..kernel)
            .filter(|k| (padding..len + padding).contains(&(p * stride + k)))
            .count()
    });
    2 * (batch * inputs * outputs * taps.sum::<usize>()) as u64
}

/// A signal of standard normal numbers.
pub fn normal(len: usize, batch: usize, channels: usize) -> Signal {
    let mut rng = StdRng::seed_from_u64(1);
    let mut signal = Signal::zeros(len, batch, channels);
    signal.data_mut().fill_with(|| rng.sample(StandardNormal));
    signal
}

/// A network with random weights.
///
/// # Errors
/// If the configuration is not supported.
pub fn network(config: UNet1dConfig) -> Result<UNet1dModel, diffplan_models::Error> {
    let mut model = UNet1dModel::new(config)?;
    Params::init(&mut model, &mut StdRng::seed_from_u64(2));
    Ok(model)
}

/// A pipeline of Hopper's size with random weights and 20 timesteps.
///
/// # Errors
/// None, unless the parts stop fitting each other.
pub fn hopper() -> Result<ValueGuidedPipeline, Error> {
    let scheduler = DdpmScheduler::new(DdpmConfig {
        num_train_timesteps: 20,
        beta_schedule: BetaSchedule::SquaredcosCapV2,
        variance_type: VarianceType::FixedSmallLog,
        prediction_type: PredictionType::Sample,
        clip_sample: false,
        ..DdpmConfig::default()
    })?;
    let unit = |dims: usize| NormalizerConfig::Gaussian {
        mean: vec![0.0; dims],
        std: vec![1.0; dims],
    };
    let value = ValueNetwork::new(network(UNet1dConfig::value_function(CHANNELS, &LEVELS))?)?;
    let unet = network(UNet1dConfig::planner(CHANNELS, &LEVELS))?;
    ValueGuidedPipeline::new(
        unet,
        Box::new(value),
        Box::new(scheduler),
        Normalizers::new(unit(11), unit(3), None)?,
    )
}

/// A network and what a step of training it takes: forward, the gradient of a squared error, backward, Adam.
#[derive(Debug)]
pub struct TrainStep {
    model: UNet1dModel,
    grad: UNet1dModel,
    moments: (UNet1dModel, UNet1dModel),
    backprop: Backprop,
    output: ArrayD<f32>,
    steps: u64,
}

impl TrainStep {
    /// With zero moments.
    pub fn new(model: UNet1dModel) -> Self {
        Self {
            grad: zeros_like(&model),
            moments: (zeros_like(&model), zeros_like(&model)),
            backprop: Backprop::default(),
            output: ArrayD::zeros(vec![0]),
            steps: 0,
            model,
        }
    }

    /// One step toward the output 0 for `sample` (batch, channels, horizon), on the threads of the current rayon pool.
    ///
    /// # Errors
    /// If a shape does not fit.
    pub fn run(&mut self, sample: ArrayView3<f32>) -> Result<(), diffplan_models::Error> {
        let shape = self.model.output_shape(sample.dim().0, sample.dim().2)?;
        if self.output.shape() != shape {
            self.output = ArrayD::zeros(shape);
        }
        self.steps += 1;
        let output = self.output.view_mut();
        self.model.forward_saving(sample, &[5.0], output, &mut self.backprop)?;
        let scale = 2.0 / self.output.len() as f32;
        self.output.mapv_inplace(|y| y * scale);
        fill_zero(&mut self.grad);
        self.model
            .backward(self.output.view(), None, &mut self.grad, &mut self.backprop)?;
        let step = AdamStep::new(2e-4, self.steps);
        let params = named_params_mut(&mut self.model)
            .into_iter()
            .zip(named_params(&self.grad));
        let moments = named_params_mut(&mut self.moments.0)
            .into_iter()
            .zip(named_params_mut(&mut self.moments.1));
        let work: Vec<_> = params.zip(moments).collect();
        work.into_par_iter()
            .for_each(|(((_, mut p), (_, g)), ((_, mut m), (_, mut v)))| {
                let slices = (
                    p.as_slice_memory_order_mut(),
                    g.as_slice_memory_order(),
                    m.as_slice_memory_order_mut(),
                    v.as_slice_memory_order_mut(),
                );
                if let (Some(p), Some(g), Some(m), Some(v)) = slices {
                    step.apply(p, g, m, v);
                }
            });
        Ok(())
    }
}
