//! A value function for any horizon: `value_pooling`.

use super::{ArrayD, Axis, Error, UNet1dConfig, UNet1dModel, ValuePooling, Workspace, named_params, named_params_mut};
use super::{normal, pooled_value_function, value_function};
use ndarray::{Array1, Array3};

fn pooled(config: &UNet1dConfig) -> UNet1dConfig {
    UNet1dConfig {
        value_pooling: Some(ValuePooling::Mean),
        ..config.clone()
    }
}

/// `to` with the parameters of `from`, name by name, those that it has.
fn with_params_of(mut to: UNet1dModel, from: &UNet1dModel) -> UNet1dModel {
    let from = named_params(from);
    for (name, mut view) in named_params_mut(&mut to) {
        view.assign(&from.iter().find(|(n, _)| *n == name).unwrap().1);
    }
    to
}

#[test]
fn every_horizon_works() {
    let model = pooled_value_function();
    let mut workspace = Workspace::new(2);
    let time = model.time_features(&[3.0]);
    for horizon in 1..=100 {
        model.check_horizon(horizon).unwrap();
        let sample = normal((5, 6, horizon), 11);
        let (values, grad) = model.value_and_grad(sample.view(), &[3.0]).unwrap();
        // Buffers that served other horizons before, and the value without its gradient: the same.
        let (mut again, mut again_grad) = (Array1::zeros(5), Array3::zeros((5, 6, horizon)));
        model
            .value_and_grad_into(
                sample.view(),
                &time,
                again.view_mut(),
                again_grad.view_mut(),
                &mut workspace,
            )
            .unwrap();
        assert_eq!((&again, &again_grad), (&values, &grad), "horizon {horizon}");
        model
            .value_into(sample.view(), &time, again.view_mut(), &mut workspace)
            .unwrap();
        assert_eq!(again, values, "horizon {horizon}");
        let vjp = model
            .vjp(sample.view(), &[3.0], ArrayD::ones(vec![5, 1]).view())
            .unwrap();
        assert_eq!(vjp.output.index_axis(Axis(1), 0).into_dyn(), values.into_dyn());
        assert!(vjp.sample_grad.iter().all(|d| d.is_finite()), "horizon {horizon}");
    }
    assert!(matches!(model.check_horizon(0), Err(Error::Horizon { nearest, .. }) if nearest == [1]));
}

/// The same network without its last block gives the hidden signal; the mean and the last layers follow in plain loops in float64.
#[test]
fn values_are_those_of_plain_loops() {
    let model = pooled_value_function();
    let hidden_config = UNet1dConfig {
        out_block_type: None,
        value_pooling: None,
        ..model.config().clone()
    };
    let hidden_model = with_params_of(UNet1dModel::new(hidden_config).unwrap(), &model);
    let params = named_params(&model);
    let linear = |name: &str, x: &[f64]| -> Vec<f64> {
        let param = |kind: &str| &params.iter().find(|(n, _)| *n == format!("{name}.{kind}")).unwrap().1;
        let (weight, bias) = (param("weight"), param("bias"));
        let rows = weight.outer_iter().zip(bias);
        rows.map(|(row, b)| f64::from(*b) + row.iter().zip(x).map(|(w, x)| f64::from(*w) * x).sum::<f64>())
            .collect()
    };
    let mish = |x: Vec<f64>| -> Vec<f64> { x.into_iter().map(|x| x * x.exp().ln_1p().tanh()).collect() };
    let timestep = 5.0;
    let angles = (0..8).map(|i| timestep * 10_000f64.powf(-f64::from(i) / 7.0));
    let sinusoids: Vec<f64> = angles.clone().map(f64::sin).chain(angles.map(f64::cos)).collect();
    let embedding = linear("time_mlp.linear_2", &mish(linear("time_mlp.linear_1", &sinusoids)));
    let mut worst = 0.0_f64;
    for horizon in 1..=100 {
        let sample = normal((2, 6, horizon), 12);
        let hidden = hidden_model.forward(sample.view(), &[timestep as f32]).unwrap();
        let values = model.forward(sample.view(), &[timestep as f32]).unwrap();
        assert_eq!(hidden.shape(), [2, 8, horizon.div_ceil(16)]);
        for (hidden, value) in hidden.outer_iter().zip(values.iter()) {
            let means = hidden.outer_iter().map(|channel| {
                let sum: f64 = channel.iter().map(|x| f64::from(*x)).sum();
                sum / channel.len() as f64
            });
            let input: Vec<f64> = means.chain(embedding.iter().copied()).collect();
            let expected = linear(
                "out_block.final_block.2",
                &mish(linear("out_block.final_block.0", &input)),
            )[0];
            worst = worst.max((f64::from(*value) - expected).abs());
        }
    }
    // Measured: 3.3e-8.
    assert!(worst < 1.5e-7, "{worst}");
}

/// Where one position is left, flattening and pooling are one network, whichever file the weights came from.
#[test]
fn of_one_position_it_is_the_reference() {
    let flat = value_function();
    let mean = with_params_of(UNet1dModel::new(pooled(flat.config())).unwrap(), &flat);
    for horizon in 1..=16 {
        let sample = normal((3, 6, horizon), 13);
        let cotangent = normal((3, 1, 1), 14).index_axis(Axis(2), 0).to_owned().into_dyn();
        let [a, b] = [&flat, &mean].map(|model| model.vjp(sample.view(), &[4.0], cotangent.view()).unwrap());
        assert_eq!(a.output, b.output, "horizon {horizon}");
        assert_eq!(a.sample_grad, b.sample_grad, "horizon {horizon}");
        for ((name, a), (_, b)) in named_params(&a.param_grad).into_iter().zip(named_params(&b.param_grad)) {
            assert_eq!(a, b, "{name}, horizon {horizon}");
        }
    }
    assert!(flat.check_horizon(17).is_err() && mean.check_horizon(17).is_ok());
}

/// PyTorch 2.15 in float64, diffusers 0.42.1's network with the last layers fed `hidden.mean(-1)`: the checkpoint's value function
/// at timesteps 7 and 3, of sin(0.7 c + 0.31 h + 1.3 b); the gradient of the values' sum times cos(0.5 c - 0.2 h + b).
#[test]
fn values_and_gradients_are_those_of_pytorch() {
    let folder = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../testdata/pendulum-hor32/value_function"
    );
    let flat = UNet1dModel::from_pretrained(folder).unwrap();
    let model = with_params_of(UNet1dModel::new(pooled(flat.config())).unwrap(), &flat);
    let mut worst = 0.0_f64;
    for (horizon, expected, slope) in [
        (1, [0.154_510_471, 0.226_749_276], 0.090_127_962),
        (5, [0.073_763_533, 0.330_023_874], -0.301_902_634),
        (32, [-0.047_251_117, 0.667_921_864], -0.175_129_970),
        (33, [0.022_272_937, 0.532_562_011], -0.142_570_257),
        (100, [0.085_653_823, 0.318_086_470], -0.107_081_902),
    ] {
        let at = |f: fn(f64, f64, f64) -> f64| move |(b, c, h): (usize, usize, usize)| f(b as f64, c as f64, h as f64);
        let sample = at(|b, c, h| (0.7 * c + 0.31 * h + 1.3 * b).sin());
        let sample = Array3::from_shape_fn((2, 4, horizon), |i| sample(i) as f32);
        let (values, grad) = model.value_and_grad(sample.view(), &[7.0, 3.0]).unwrap();
        let weight = at(|b, c, h| (0.5 * c - 0.2 * h + b).cos());
        let measured: f64 = grad.indexed_iter().map(|(i, d)| f64::from(*d) * weight(i)).sum();
        let off = |actual: f64, expected: f64| (actual - expected).abs();
        let of_values = off(values[0].into(), expected[0]).max(off(values[1].into(), expected[1]));
        worst = worst.max(of_values).max(off(measured, slope));
    }
    // Measured: 2.0e-7; 3.3e-7 on the portable path.
    assert!(worst < 1e-6, "{worst}");
}
