//! Whole networks: gradients against finite differences, threads, files, and everything that is refused.

#![allow(clippy::unwrap_used)] // a test fails by panicking

mod releases;
mod seams;
mod value_pooling;
mod weights;

use diffplan_models::{
    Algorithm, Compute, Error, Precision, TemporalAttention, UNet1dConfig, UNet1dModel, ValuePooling, Workspace,
    named_params, named_params_mut,
};
use ndarray::{Array1, Array3, ArrayD, ArrayViewD, Axis, Ix3, s};
use ndarray_rand::RandomExt;
use ndarray_rand::rand::{SeedableRng, rngs::StdRng};
use ndarray_rand::rand_distr::StandardNormal;
use std::fs;

fn model(config: UNet1dConfig, seed: u64) -> UNet1dModel {
    let mut model = UNet1dModel::new(config).unwrap();
    let mut rng = StdRng::seed_from_u64(seed);
    model.init(&mut rng);
    // Biases and normalisations off their neutral values, so that each has something to do.
    for (_, mut view) in named_params_mut(&mut model) {
        view += &(ArrayD::<f32>::random_using(view.raw_dim(), StandardNormal, &mut rng) * 0.05);
    }
    model
}

fn normal(shape: (usize, usize, usize), seed: u64) -> Array3<f32> {
    Array3::random_using(shape, StandardNormal, &mut StdRng::seed_from_u64(seed))
}

fn planner() -> UNet1dModel {
    model(UNet1dConfig::planner(6, &[16, 32]), 1)
}

fn value_function() -> UNet1dModel {
    model(UNet1dConfig::value_function(6, &[16, 32]), 2)
}

fn pooled_value_function() -> UNet1dModel {
    let config = UNet1dConfig {
        value_pooling: Some(ValuePooling::Mean),
        ..UNet1dConfig::value_function(6, &[16, 32])
    };
    model(config, 2)
}

/// A planner with linear attention in every level.
fn attending_planner() -> UNet1dModel {
    let config = UNet1dConfig {
        temporal_attention: Some(TemporalAttention::Linear),
        ..UNet1dConfig::planner(6, &[16, 32])
    };
    model(config, 3)
}

/// A network for audio with every block that there is.
fn audio() -> UNet1dModel {
    let config = UNet1dConfig {
        in_channels: 6,
        out_channels: 6,
        extra_in_channels: 16,
        block_out_channels: vec![8, 32, 32],
        ..UNet1dConfig::default()
    };
    model(config, 4)
}

#[test]
fn gradients_agree_with_finite_differences_along_random_directions() {
    // Directions of length 1. A step small enough for the curvature leaves float32 rounding of about 1e-4 in the quotient;
    // a gradient of another layer, sign or scale is off by its own size, 0.05 to 30 here.
    let h = 5e-3;
    let unit = |shape: &[usize]| {
        let direction = ArrayD::random_using(shape.to_vec(), StandardNormal, &mut StdRng::seed_from_u64(5));
        let length = direction.mapv(|d: f32| d * d).sum().sqrt();
        direction / length
    };
    let check = |name: &str, grad: ArrayViewD<f32>, objective: &dyn Fn(&ArrayD<f32>) -> f64| {
        let direction = unit(grad.shape());
        let slope = (objective(&(&direction * h)) - objective(&(&direction * -h))) / (2.0 * f64::from(h));
        let expected = f64::from((&grad * &direction).sum());
        let size = f64::from(grad.mapv(|g| g * g).sum().sqrt());
        assert!(
            (slope - expected).abs() < 2e-3 * (size + 1.0),
            "{name}: {expected}, measured {slope}, size {size}"
        );
    };
    // Of 37 steps 3 positions are left to pool.
    for (model, timesteps, horizon) in [
        (planner(), vec![7.0], 16),
        (value_function(), vec![0.0, 3.0, 12.0], 16),
        (pooled_value_function(), vec![0.0, 3.0, 12.0], 37),
        (attending_planner(), vec![0.0, 3.0, 12.0], 16),
        (audio(), vec![0.0, 0.3, 1.0], 32),
    ] {
        let sample = normal((3, 6, horizon), 3);
        let output = model.forward(sample.view(), &timesteps).unwrap();
        let cotangent = unit(output.shape()) * 10.0;
        let vjp = model.vjp(sample.view(), &timesteps, cotangent.view()).unwrap();
        let objective = |model: &UNet1dModel, sample: &Array3<f32>| -> f64 {
            let output = model.forward(sample.view(), &timesteps).unwrap();
            output
                .iter()
                .zip(&cotangent)
                .map(|(y, c)| f64::from(*y) * f64::from(*c))
                .sum()
        };
        check("sample", vjp.sample_grad.view().into_dyn(), &|nudge| {
            let nudge = nudge.view().into_dimensionality::<Ix3>().unwrap();
            objective(&model, &(&sample + &nudge))
        });
        for (i, (name, grad)) in named_params(&vjp.param_grad).into_iter().enumerate() {
            // Buffers of resamplers, and random frequencies, are not trained.
            if name.ends_with(".kernel") || name.starts_with("time_proj") {
                continue;
            }
            check(&name, grad, &|nudge| {
                let mut nudged = model.clone();
                named_params_mut(&mut nudged)[i].1 += nudge;
                objective(&nudged, &sample)
            });
        }
    }
}

#[test]
fn thread_counts_and_batch_mates_do_not_change_a_bit() {
    check_bits(&planner(), &value_function(), 16);
    check_bits(&attending_planner(), &pooled_value_function(), 48);
    check_bits(&audio(), &pooled_value_function(), 32);
}

fn check_bits(planner: &UNet1dModel, value: &UNet1dModel, horizon: usize) {
    let sample = normal((11, 6, horizon), 6);
    let run = |threads: usize, algorithm: Algorithm, precision: Precision, sample: &Array3<f32>| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let compute = Compute {
            threads,
            algorithm,
            precision,
        };
        pool.install(|| {
            let mut workspace = Workspace::with(compute);
            let (mut output, mut grad) = (Array3::<f32>::zeros(sample.dim()), Array3::<f32>::zeros(sample.dim()));
            let mut values = Array1::<f32>::zeros(sample.dim().0);
            let time = planner.time_features(&[4.0]);
            planner
                .forward_into(sample.view(), &time, output.view_mut().into_dyn(), &mut workspace)
                .unwrap();
            let (time, mut workspace) = (value.time_features(&[4.0]), Workspace::with(compute));
            value
                .value_and_grad_into(sample.view(), &time, values.view_mut(), grad.view_mut(), &mut workspace)
                .unwrap();
            let ones = ArrayD::ones(vec![sample.dim().0, 1]);
            let vjp = value.vjp(sample.view(), &[4.0], ones.view()).unwrap();
            let params: Vec<ArrayD<f32>> = named_params(&vjp.param_grad)
                .into_iter()
                .map(|p| p.1.to_owned())
                .collect();
            // Gradients of parameters go tap by tap.
            if algorithm == Algorithm::Direct && precision == Precision::F32 {
                assert_eq!(vjp.sample_grad, grad);
            }
            (output, values, grad, params)
        })
    };
    for (algorithm, precision) in [
        (Algorithm::ToomCook, Precision::F32),
        (Algorithm::Direct, Precision::F32),
        (Algorithm::Direct, Precision::Bf16),
    ] {
        let one = run(1, algorithm, precision, &sample);
        for threads in [2, 3, 8, 16] {
            assert!(
                run(threads, algorithm, precision, &sample) == one,
                "{threads} threads, {algorithm:?}"
            );
        }
        let alone = run(1, algorithm, precision, &sample.slice(s![4..5, .., ..]).to_owned());
        assert_eq!(alone.0.index_axis(Axis(0), 0), one.0.index_axis(Axis(0), 4));
        assert_eq!(alone.1[0], one.1[4]);
        assert_eq!(alone.2.index_axis(Axis(0), 0), one.2.index_axis(Axis(0), 4));
    }
}

#[test]
fn algorithms_and_precisions_agree_as_far_as_they_say() {
    let sample = normal((11, 6, 16), 6);
    for model in [planner(), value_function()] {
        let run = |algorithm, precision| {
            let mut output = ArrayD::<f32>::zeros(model.output_shape(11, 16).unwrap());
            let mut workspace = Workspace::with(Compute {
                threads: 1,
                algorithm,
                precision,
            });
            let time = model.time_features(&[4.0]);
            model
                .forward_into(sample.view(), &time, output.view_mut(), &mut workspace)
                .unwrap();
            output
        };
        let exact = run(Algorithm::Direct, Precision::F32);
        let norm = exact.mapv(|v| v * v).sum().sqrt();
        let off = |other: ArrayD<f32>| (other - &exact).mapv(|v| v * v).sum().sqrt() / norm;
        // Measured: 1.6e-6 and 1.3e-7; 9.8e-3 and 8.9e-4.
        let toom_cook = off(run(Algorithm::ToomCook, Precision::F32));
        assert!(toom_cook < 3e-6, "{toom_cook}");
        let bf16 = off(run(Algorithm::Direct, Precision::Bf16));
        assert!((1e-4..2e-2).contains(&bf16), "{bf16}");
    }
}

#[test]
fn a_workspace_serves_any_size_in_any_order_and_any_strides() {
    let model = planner();
    let mut workspace = Workspace::new(3);
    let time = model.time_features(&[2.0]);
    for (batch, horizon) in [(5, 16), (1, 8), (64, 32), (2, 4), (5, 16)] {
        // Trajectories (batch, horizon, dims), seen as (batch, channels, horizon).
        let trajectories = normal((batch, horizon, 6), 7);
        let sample = trajectories.view().permuted_axes([0, 2, 1]);
        let mut output = Array3::from_elem((batch, horizon, 6), f32::NAN);
        let view = output.view_mut().permuted_axes([0, 2, 1]).into_dyn();
        model.forward_into(sample, &time, view, &mut workspace).unwrap();
        let fresh = model.forward(sample, &[2.0]).unwrap();
        assert_eq!(output.view().permuted_axes([0, 2, 1]).into_dyn(), fresh);
    }
}

#[test]
fn one_timestep_for_all_is_the_same_as_one_each() {
    for model in [planner(), value_function()] {
        let sample = normal((3, 6, 16), 8);
        let all = model.forward(sample.view(), &[5.0]).unwrap();
        assert_eq!(model.forward(sample.view(), &[5.0; 3]).unwrap(), all);
        assert_ne!(model.forward(sample.view(), &[5.0, 5.0, 6.0]).unwrap(), all);
    }
}

#[test]
fn what_is_saved_is_loaded() {
    let folder = tempfile::tempdir().unwrap();
    for model in [planner(), value_function(), pooled_value_function()] {
        model.save_pretrained(folder.path().join("a/b")).unwrap();
        let loaded = UNet1dModel::from_pretrained(folder.path().join("a/b")).unwrap();
        assert_eq!(loaded.config(), model.config());
        let sample = normal((2, 6, 8), 9);
        assert_eq!(
            loaded.forward(sample.view(), &[1.0]).unwrap(),
            model.forward(sample.view(), &[1.0]).unwrap()
        );
    }
    let left: Vec<_> = fs::read_dir(folder.path().join("a/b"))
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert_eq!(left.len(), 2, "no temporary file is left: {left:?}");
}

#[test]
fn horizons_that_do_not_work_are_refused_with_those_that_do() {
    let four_levels = UNet1dModel::new(UNet1dConfig::planner(14, &[32, 64, 128, 256])).unwrap();
    four_levels.check_horizon(32).unwrap();
    let Err(Error::Horizon {
        horizon: 30, nearest, ..
    }) = four_levels.check_horizon(30)
    else {
        panic!()
    };
    assert_eq!(nearest, [24, 32]);
    assert!(matches!(four_levels.check_horizon(0), Err(Error::Horizon { nearest, .. }) if nearest == [8]));

    let value = UNet1dModel::new(UNet1dConfig::value_function(14, &[32, 64, 128, 256])).unwrap();
    value.check_horizon(64).unwrap();
    let error = value.check_horizon(65).unwrap_err().to_string();
    assert!(
        error.contains("read 64 features, but are given 128") && error.contains("[64]"),
        "{error}"
    );
    let sample = Array3::zeros((1, 14, 30));
    assert!(matches!(
        four_levels.forward(sample.view(), &[0.0]),
        Err(Error::Horizon { horizon: 30, .. })
    ));
}

#[test]
fn wrong_shapes_are_refused_with_the_right_ones() {
    let (planner, value) = (planner(), value_function());
    let sample = normal((3, 6, 16), 10);
    let refused = |result: Result<(), Error>, part: &str| {
        let error = result.unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    };
    refused(
        planner.forward(normal((3, 5, 16), 1).view(), &[0.0]).map(drop),
        "sample has shape [3, 5, 16], expected",
    );
    refused(
        planner.forward(Array3::zeros((0, 6, 16)).view(), &[0.0]).map(drop),
        "batch of at least 1",
    );
    refused(
        planner.forward(sample.view(), &[0.0, 1.0]).map(drop),
        "timesteps has shape [2], expected [1] or [3]",
    );
    refused(planner.forward(sample.view(), &[]).map(drop), "timesteps has shape [0]");
    refused(
        planner.value_and_grad(sample.view(), &[0.0]).map(drop),
        "not a value function",
    );
    let cotangent = ArrayD::zeros(vec![3, 2]);
    refused(
        value.vjp(sample.view(), &[0.0], cotangent.view()).map(drop),
        "cotangent has shape [3, 2], expected [3, 1]",
    );
    let mut output = ArrayD::zeros(vec![3, 6, 8]);
    let time = planner.time_features(&[0.0]);
    let result = planner.forward_into(sample.view(), &time, output.view_mut(), &mut Workspace::new(1));
    refused(result, "output has shape [3, 6, 8], expected [3, 6, 16]");
}

#[test]
fn broken_folders_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let refused = |part: &str| {
        let error = UNet1dModel::from_pretrained(path).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    };
    refused("config.json");
    planner().save_pretrained(path).unwrap();
    let (config, weights) = (
        path.join("config.json"),
        path.join("diffusion_pytorch_model.safetensors"),
    );
    let (good_config, good_weights) = (fs::read_to_string(&config).unwrap(), fs::read(&weights).unwrap());

    fs::write(&config, "[1, 2").unwrap();
    refused("config.json: ");
    fs::write(&config, good_config.replace("UNet1DModel", "UNet2DModel")).unwrap();
    refused("`_class_name`: \"UNet2DModel\", expected \"UNet1DModel\"");
    fs::write(&config, good_config.replace("\"mish\"", "\"tanh\"")).unwrap();
    refused("`act_fn`: \"tanh\", expected one of");
    fs::write(
        &config,
        good_config.replace("\"layers_per_block\": 1", "\"layers_per_block\": 2"),
    )
    .unwrap();
    refused("parameters missing: down_blocks.0.resnets.2.conv_in.conv1d.weight");
    fs::write(&config, good_config.replace("\"in_channels\": 6", "\"in_channels\": 7")).unwrap();
    refused("down_blocks.0.resnets.0.conv_in.conv1d.weight has shape [16, 6, 5], expected [16, 7, 5]");

    fs::write(&config, good_config).unwrap();
    fs::write(&weights, &good_weights[..good_weights.len() / 2]).unwrap();
    refused("not a valid safetensors file");
    fs::remove_file(&weights).unwrap();
    refused("diffusion_pytorch_model.safetensors");
}
