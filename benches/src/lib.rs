//! What the benches share: networks of Hopper's size, the layers in them by name, and which cases are timed.
//!
//! Hopper's size is a sample of 14 channels and 32 steps, and levels of 32, 64, 128 and 256 channels.
//!
//! | command | what it times | |
//! | --- | --- | --- |
//! | `cargo bench -p diffplan-benches --bench conv` | every convolution, by pass, instruction set and method | 15 minutes |
//! | `… --bench layers` | normalisation, activations, linear layers | 5 minutes |
//! | `… --bench network` | both networks: forward, with a gradient, with all gradients | 4 minutes |
//! | `… --bench plan` | whole plans, in float32 and in bfloat16 | 3 minutes |
//! | `cargo run --release -p diffplan-benches --bin roofline` | every layer against the CPU's peak, a table | under a minute |
//! | `… --bin scaling` | whole plans by candidates, horizon and denoising steps: a table, and `docs/scaling.svg` | under two minutes |
//!
//! Behind `--`, a regular expression picks benches by their ids, and `--quick` makes fewer runs; `--list` shows all ids. How ids
//! are made up stands in each bench's own text:
//!
//! ```sh
//! cargo bench -p diffplan-benches --bench conv -- --quick 'forward/avx512/toom_cook/.*/64$'
//! ```
//!
//! `conv` and `layers` go through the instruction sets of the machine by themselves; `network`, `plan`, `roofline` and
//! `scaling` take the best one, or the one that `DIFFPLAN_ISA` names.

mod layers;

pub use layers::{Kind, LAYERS, Layer, Method, Pass};

use diffplan_data::{NormalizerConfig, Normalizers};
use diffplan_kernels::Isa;
use diffplan_models::{UNet1dConfig, UNet1dModel};
use diffplan_nn::{Linear, Params, Precision, Signal};
use diffplan_pipelines::{Error, PlanOptions, ValueGuidedPipeline, ValueNetwork};
use diffplan_schedulers::{BetaSchedule, DdpmConfig, DdpmScheduler, PredictionType, VarianceType};
use ndarray_rand::rand::{Rng, SeedableRng, rngs::StdRng};
use ndarray_rand::rand_distr::StandardNormal;
use std::sync::Arc;
use std::time::Duration;

/// Action and observation dimensions of Hopper together.
pub const CHANNELS: usize = 14;
/// Its planning horizon.
pub const HORIZON: usize = 32;
/// The channels of its levels.
pub const LEVELS: [usize; 4] = [32, 64, 128, 256];
/// Timesteps of a plan.
pub const TIMESTEPS: usize = 20;
/// Groups of every normalisation.
pub const GROUPS: usize = 8;

/// The batch sizes that are timed, the largest last.
pub const BATCHES: [usize; 3] = [1, 8, 64];
/// The numbers of threads that networks and plans are timed on.
pub const THREADS: [usize; 2] = [1, 2];

/// How long a layer is run before it is timed.
pub const WARM_UP: Duration = Duration::from_millis(200);
/// How long it is timed.
pub const MEASUREMENT: Duration = Duration::from_millis(500);

/// A linear layer of the networks.
#[derive(Clone, Copy, Debug)]
pub struct LinearShape {
    /// Its name.
    pub name: &'static str,
    /// In features.
    pub inputs: usize,
    /// Out features.
    pub outputs: usize,
}

const fn linear(name: &'static str, inputs: usize, outputs: usize) -> LinearShape {
    LinearShape { name, inputs, outputs }
}

/// The linear layers: of the time embedding, of a residual block of the last level, and the value function's last two.
pub const LINEARS: [LinearShape; 5] = [
    linear("time_mlp.linear_1", 32, 128),
    linear("time_mlp.linear_2", 128, 32),
    linear("down3.time_emb", 32, 256),
    linear("value.out.0", 96, 32),
    linear("value.out.2", 32, 1),
];

impl LinearShape {
    /// Multiplications and additions for so many rows, the same in every pass.
    pub fn flops(&self, rows: usize) -> u64 {
        2 * (rows * self.inputs * self.outputs) as u64
    }

    /// The layer with random weights.
    pub fn layer(&self) -> Linear {
        layers::random(Linear::zeros(self.inputs, self.outputs))
    }
}

/// The signals that are normalised, (channels, length), each once.
pub fn normalised() -> Vec<(usize, usize)> {
    let mut shapes = Vec::new();
    for layer in LAYERS.iter().filter(|layer| layer.kind == Kind::Kernel5) {
        let shape = (layer.outputs, layer.len);
        if !shapes.contains(&shape) {
            shapes.push(shape);
        }
    }
    shapes
}

/// The instruction sets and batch sizes to time layers with: all batch sizes with the best one, the largest with the others.
///
/// In float32, AVX-512 with and without BF16 are the same code, which is timed once.
pub fn cases(precision: Precision) -> Vec<(Isa, usize)> {
    let differs = |isa: &Isa| precision == Precision::Bf16 || *isa != Isa::Avx512Bf16;
    let sets: Vec<Isa> = Isa::available().filter(differs).collect();
    let mut cases = Vec::new();
    for (i, &isa) in sets.iter().enumerate() {
        let first = if i + 1 == sets.len() { 0 } else { BATCHES.len() - 1 };
        cases.extend(BATCHES[first..].iter().map(|&batch| (isa, batch)));
    }
    cases
}

/// How a plan of so many candidates is made.
pub fn plan_options(batch_size: usize, precision: Precision) -> PlanOptions {
    PlanOptions {
        batch_size,
        precision,
        ..PlanOptions::default()
    }
}

/// A pool of so many threads.
///
/// # Panics
/// If the system gives none.
pub fn pool(threads: usize) -> Arc<rayon::ThreadPool> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    Arc::new(pool.expect("threads"))
}

/// Standard normal numbers, always the same.
pub fn numbers(count: usize) -> Vec<f32> {
    let mut rng = StdRng::seed_from_u64(1);
    (0..count).map(|_| rng.sample(StandardNormal)).collect()
}

/// A signal of standard normal numbers.
pub fn normal(len: usize, batch: usize, channels: usize) -> Signal {
    let mut signal = Signal::zeros(len, batch, channels);
    signal.data_mut().copy_from_slice(&numbers(len * batch * channels));
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

/// The planner with random weights.
///
/// # Panics
/// If its configuration is no longer supported.
pub fn planner() -> UNet1dModel {
    network(UNet1dConfig::planner(CHANNELS, &LEVELS)).expect("Hopper's size")
}

/// The value function with random weights.
///
/// # Panics
/// If its configuration is no longer supported.
pub fn value_function() -> UNet1dModel {
    network(UNet1dConfig::value_function(CHANNELS, &LEVELS)).expect("Hopper's size")
}

/// A pipeline of Hopper's size with random weights.
///
/// # Errors
/// None, unless the parts stop fitting each other.
pub fn hopper() -> Result<ValueGuidedPipeline, Error> {
    let scheduler = DdpmScheduler::new(DdpmConfig {
        num_train_timesteps: TIMESTEPS,
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
    let value = ValueNetwork::new(value_function())?;
    ValueGuidedPipeline::new(
        Arc::new(planner()),
        Arc::new(value),
        Arc::new(scheduler),
        Normalizers::new(unit(11), unit(3), None)?,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_instruction_set_takes_every_batch_and_others_the_largest() {
        for precision in [Precision::F32, Precision::Bf16] {
            let cases = cases(precision);
            let best = cases[cases.len() - 1].0;
            let with = |best_one: bool| cases.iter().filter(move |case| (case.0 == best) == best_one);
            assert!(with(true).map(|case| case.1).eq(BATCHES), "{cases:?}");
            assert!(with(false).all(|case| case.1 == BATCHES[2]), "{cases:?}");
            assert_eq!(cases[0].0, Isa::Portable);
        }
    }
}
