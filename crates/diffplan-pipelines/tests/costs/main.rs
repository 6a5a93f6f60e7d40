//! Costs, constraints, and controls as data: gradients against finite differences, projections that hold exactly, files that say what is wrong.

#![allow(clippy::unwrap_used)] // a test fails by panicking

mod checker;
mod constraints;
mod files;
mod gradients;
mod learned;
mod plans;

use diffplan_data::{NormalizerConfig, Normalizers};
use diffplan_pipelines::{NoiseSource, RngNoise, SampleLayout, ValueGuidedPipeline};
use ndarray::{Array2, Array3};

/// Two actions, four observations (x, y and their velocities).
fn layout() -> SampleLayout {
    SampleLayout::action_first(2, 4)
}

/// Uneven statistics, of the kind whose way back is a straight line, or which clips, or which bends.
fn normalizers(kind: &str) -> Normalizers {
    let observations = match kind {
        "gaussian" => NormalizerConfig::Gaussian {
            mean: vec![0.1, -0.4, 0.0, 2.0],
            std: vec![2.0, 0.5, 1.5, 0.2],
        },
        "safe_limits" => NormalizerConfig::SafeLimits {
            min: vec![-3.0, -1.0, -2.0, 1.5],
            max: vec![4.0, 0.5, 2.0, 2.5],
        },
        _ => NormalizerConfig::Cdf {
            quantiles: vec![
                vec![-3.0, 0.0, 1.0, 4.0],
                vec![-1.0, 0.2, 0.5],
                vec![-2.0, 2.0],
                vec![1.0, 3.0],
            ],
            cumulative_counts: vec![vec![1, 4, 6, 10], vec![1, 8, 10], vec![1, 10], vec![2, 10]],
        },
    };
    let actions = NormalizerConfig::Limits {
        min: vec![-1.0, -2.0],
        max: vec![1.0, 0.5],
    };
    Normalizers::new(observations, actions, None).unwrap()
}

fn random(shape: (usize, usize, usize), width: f32, seed: u64) -> Array3<f32> {
    let mut plans = Array3::zeros(shape);
    RngNoise::seed(seed)
        .fill_standard_normal(plans.as_slice_mut().unwrap())
        .unwrap();
    plans * width
}

fn random_plan(horizon: usize, dims: usize, width: f32, seed: u64) -> Array2<f32> {
    random((1, horizon, dims), width, seed).index_axis_move(ndarray::Axis(0), 0)
}

/// Pendulum's checkpoint: torque, then cos θ, sin θ, angular velocity.
fn pendulum() -> Option<ValueGuidedPipeline> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/pendulum-hor32");
    // A published crate comes without checkpoints.
    std::path::Path::new(folder)
        .exists()
        .then(|| ValueGuidedPipeline::from_pretrained(folder).unwrap())
}
