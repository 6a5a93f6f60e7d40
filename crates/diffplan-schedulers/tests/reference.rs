//! Small tables recorded from diffusers 0.42.1 `DDPMScheduler` on PyTorch 2.15.0 (CPU, AVX2).
//!
//! All with 20 training timesteps, `squaredcos_cap_v2`, 5 inference steps.

use diffplan_schedulers::{
    BetaSchedule, DdpmConfig, DdpmScheduler, PredictionType, Sampler, Scheduler, Steps, Timesteps, VarianceType,
};
use ndarray::{Array3, ArrayD, Axis, array, concatenate};

/// A few roundings of a float32, and one unit in the last place from MKL's roots: measured maximum 2.4e-7, times 2.
const TOLERANCE: f32 = 4.8e-7;

/// Fails on NaN, and on a difference above `TOLERANCE` times the expected number or `unit`, whichever is larger.
///
/// `unit` is 0 for numbers that are products, and the size of the terms for numbers that are sums.
fn check(name: &str, actual: impl IntoIterator<Item = f32>, expected: &[f32], unit: f32) {
    let actual: Vec<f32> = actual.into_iter().collect();
    assert_eq!(actual.len(), expected.len(), "{name}");
    for (i, (&actual, &expected)) in actual.iter().zip(expected).enumerate() {
        let error = (actual - expected).abs();
        assert!(
            error <= TOLERANCE * expected.abs().max(unit),
            "{name}[{i}] is {actual}, expected {expected}"
        );
    }
}

#[test]
#[should_panic(expected = "x[0] is NaN")]
fn check_fails_on_nan() {
    check("x", [f32::NAN], &[1.0], 1.0);
}

#[test]
#[should_panic(expected = "x[1] is 0.00000001, expected 0")]
fn check_fails_near_zero() {
    check("x", [1.0, 1e-8], &[1.0, 0.0], 0.0);
}

fn scheduler(config: DdpmConfig) -> DdpmScheduler {
    DdpmScheduler::new(DdpmConfig {
        num_train_timesteps: 20,
        beta_schedule: BetaSchedule::SquaredcosCapV2,
        ..config
    })
    .expect("the configuration is valid")
}

fn sampler(config: DdpmConfig) -> Box<dyn Sampler> {
    let steps = Steps::new(Timesteps::Count(5));
    scheduler(config).sampler(&steps).expect("5 of 20 timesteps")
}

fn sample() -> ArrayD<f32> {
    array![[[0.3, -1.2, 0.9], [2.0, 0.1, -0.4]]].into_dyn()
}

fn noise() -> ArrayD<f32> {
    array![[[1.0, -0.5, 0.25], [0.75, -1.5, 2.0]]].into_dyn()
}

fn model_output(variance_type: VarianceType) -> ArrayD<f32> {
    let prediction: Array3<f32> = array![[[0.5, -0.25, 1.5], [-0.75, 0.2, 1.1]]];
    let variance: Array3<f32> = array![[[0.5, -0.5, 0.0], [1.0, -1.0, 0.25]]];
    match variance_type {
        VarianceType::LearnedRange => concatenate![Axis(1), prediction, variance].into_dyn(),
        VarianceType::Learned => concatenate![Axis(1), prediction, variance.mapv(f32::abs)].into_dyn(),
        _ => prediction.into_dyn(),
    }
}

/// The guidance weights of a plan hang on these.
#[test]
fn variances() {
    let rows: [(VarianceType, [f32; 5]); 4] = [
        (
            VarianceType::FixedSmall,
            [0.61831754, 0.3101649, 0.11612942, 0.0076362034, 1e-20],
        ),
        (
            VarianceType::FixedSmallLog,
            [0.7863317, 0.5569245, 0.3407777, 0.08738538, 1.000_000_6e-10],
        ),
        (
            VarianceType::FixedLarge,
            [0.80064744, 0.5290377, 0.3252439, 0.14616334, 0.007992744],
        ),
        (
            VarianceType::FixedLargeLog,
            [-0.22233458, -0.63669556, -1.1231799, -1.9230305, -4.829221],
        ),
    ];
    for (variance_type, expected) in rows {
        let sampler = sampler(DdpmConfig {
            variance_type,
            ..DdpmConfig::default()
        });
        assert_eq!(sampler.timesteps(), [16.0, 12.0, 8.0, 4.0, 0.0]);
        let visits = sampler.visits();
        check(
            variance_type.as_str(),
            visits.iter().map(|visit| visit.variance.unwrap()),
            &expected,
            0.0,
        );
        check(
            "posterior_variance",
            visits.iter().map(|visit| visit.posterior_variance),
            &rows[0].1,
            0.0,
        );
    }
}

/// The step from timestep 12 to 8.
#[test]
fn steps() {
    use PredictionType::{Epsilon, Sample, VPrediction};
    let unclipped = DdpmConfig {
        clip_sample: false,
        ..DdpmConfig::default()
    };
    let thresholding = DdpmConfig {
        thresholding: true,
        sample_max_value: 2.0,
        dynamic_thresholding_ratio: 0.9,
        ..DdpmConfig::default()
    };
    let clipped = DdpmConfig::default();
    // The previous sample, then the predicted original sample.
    type Row = (VarianceType, PredictionType, DdpmConfig, [f32; 6], [f32; 6]);
    let rows: [Row; 6] = [
        (
            VarianceType::FixedSmall,
            Epsilon,
            clipped.clone(),
            [0.5431988, -1.3085285, 0.09805389, 1.7696359, -0.8700202, 0.4056592],
            [-0.24564451, -1.0, -0.7369336, 1.0, -0.13680731, -1.0],
        ),
        (
            VarianceType::FixedSmallLog,
            Sample,
            unclipped.clone(),
            [0.951254, -0.89808977, 1.3222194, 0.81194556, -0.68570185, 1.5548877],
            [0.5, -0.25, 1.5, -0.75, 0.2, 1.1],
        ),
        (
            VarianceType::FixedLarge,
            VPrediction,
            clipped.clone(),
            [0.69931066, -1.0702357, 0.09771992, 1.897455, -1.1159657, 0.7465098],
            [-0.27179962, -0.40885442, -0.81539893, 1.0, -0.11909613, -1.0],
        ),
        (
            VarianceType::LearnedRange,
            Epsilon,
            unclipped,
            [0.6666621, -1.8208365, 0.11793728, 4.136141, -0.8700202, -0.25867224],
            [-0.24564451, -1.9010262, -0.7369336, 5.09078, -0.13680731, -2.5835412],
        ),
        (
            VarianceType::Learned,
            Sample,
            clipped,
            [1.1014363, -0.9731809, 0.90936255, 1.1442522, -1.3503151, 1.3863134],
            [0.5, -0.25, 1.0, -0.75, 0.2, 1.0],
        ),
        (
            VarianceType::FixedSmall,
            Sample,
            thresholding,
            [0.88810956, -0.86651754, 1.0485936, 0.90666217, -0.7109597, 1.41597],
            [0.3846154, -0.1923077, 1.0, -0.5769231, 0.15384616, 0.8461539],
        ),
    ];
    for (variance_type, prediction_type, config, prev_sample, pred_original_sample) in rows {
        let mut sampler = sampler(DdpmConfig {
            variance_type,
            prediction_type,
            ..config
        });
        let model_output = model_output(variance_type);
        let output = sampler
            .step(1, model_output.view(), sample().view(), Some(noise().view()))
            .unwrap();
        let name = format!("{variance_type} {prediction_type}");
        check(
            &format!("{name} pred_original_sample"),
            output.pred_original_sample,
            &pred_original_sample,
            1.0,
        );
        check(&format!("{name} prev_sample"), output.prev_sample, &prev_sample, 1.0);
    }
}

#[test]
fn forward_process() {
    let scheduler = scheduler(DdpmConfig::default());
    let schedule = scheduler.schedule();
    let noisy = schedule.add_noise(sample().view(), noise().view(), &[7]).unwrap();
    check(
        "add_noise",
        noisy,
        &[0.83513355, -1.26246, 0.8726281, 2.0546222, -0.81013715, 0.8656068],
        1.0,
    );
    let velocity = schedule.get_velocity(sample().view(), noise().view(), &[7]).unwrap();
    check(
        "get_velocity",
        velocity,
        &[0.6265396, 0.31015244, -0.33319682, -0.58397573, -1.2663639, 1.8468148],
        1.0,
    );
}
