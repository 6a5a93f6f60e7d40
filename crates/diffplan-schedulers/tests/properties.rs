//! What holds by the definition of the process, whatever the options.

use diffplan_schedulers::{
    BetaSchedule, DdpmConfig, DdpmScheduler, PredictionType, SamplerOutput, SamplerStep, Scheduler, Steps,
    TimestepSpacing, Timesteps, VarianceType,
};
use ndarray::{Array3, ArrayD, Axis, concatenate};

const SCHEDULES: [BetaSchedule; 5] = [
    BetaSchedule::Linear,
    BetaSchedule::ScaledLinear,
    BetaSchedule::SquaredcosCapV2,
    BetaSchedule::Laplace,
    BetaSchedule::Sigmoid,
];

fn unclipped(prediction_type: PredictionType, variance_type: VarianceType) -> DdpmConfig {
    let config = DdpmConfig {
        num_train_timesteps: 30,
        clip_sample: false,
        ..DdpmConfig::default()
    };
    DdpmConfig {
        prediction_type,
        variance_type,
        ..config
    }
}

/// A wave with a phase, so that arrays differ.
fn wave(shape: (usize, usize, usize), phase: f32) -> ArrayD<f32> {
    Array3::from_shape_fn(shape, |(i, j, k)| (phase + (7 * i + 3 * j + k) as f32).sin()).into_dyn()
}

/// One step at a training timestep, with every timestep visited.
fn step_at(
    scheduler: &DdpmScheduler,
    t: usize,
    model_output: &ArrayD<f32>,
    sample: &ArrayD<f32>,
    noise: &ArrayD<f32>,
) -> SamplerOutput {
    let mut sampler = scheduler.sampler(&Steps::default()).expect("the step is defined");
    let visit = sampler.visit_at(t).expect("the step is defined");
    sampler
        .step(visit, model_output.view(), sample.view(), Some(noise.view()))
        .expect("the step is defined")
}

fn max_difference(a: &ArrayD<f32>, b: &ArrayD<f32>) -> f32 {
    assert_eq!(a.shape(), b.shape());
    a.iter()
        .zip(b)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, |max, x| if x.is_nan() || x > max { x } else { max })
}

/// Taking a noisy sample a step back gives a sample with the mean and the variance of the forward process there.
#[test]
fn a_step_keeps_the_marginal_distribution() {
    for beta_schedule in SCHEDULES {
        for timestep_spacing in [
            TimestepSpacing::Linspace,
            TimestepSpacing::Leading,
            TimestepSpacing::Trailing,
        ] {
            for n in [1, 7, 30] {
                let config = unclipped(PredictionType::Sample, VarianceType::FixedSmall);
                let config = DdpmConfig {
                    beta_schedule,
                    timestep_spacing,
                    ..config
                };
                let scheduler = DdpmScheduler::new(config).unwrap();
                let mut sampler = scheduler.sampler(&Steps::new(Timesteps::Count(n))).unwrap();
                let timesteps: Vec<usize> = sampler.timesteps().iter().map(|&t| t as usize).collect();
                for (visit, &t) in timesteps.iter().enumerate() {
                    // With one array of ones and the others zero, the step returns its coefficients.
                    let mut coefficient = |which: usize| {
                        let [x0, x, noise] = [0, 1, 2].map(|i| ArrayD::from_elem(vec![1, 1], f32::from(i == which)));
                        let output = sampler.step(visit, x0.view(), x.view(), Some(noise.view())).unwrap();
                        f64::from(output.prev_sample[[0, 0]])
                    };
                    let (original, current, std) = (coefficient(0), coefficient(1), coefficient(2));
                    let alpha_prod = f64::from(scheduler.schedule().alphas_cumprod()[t]);
                    let previous = timesteps.get(visit + 1);
                    let expected = previous.map_or(1.0, |&p| f64::from(scheduler.schedule().alphas_cumprod()[p]));
                    let signal = original + current * alpha_prod.sqrt();
                    let variance = current * current * (1.0 - alpha_prod) + std * std;
                    let name = format!("{beta_schedule} {timestep_spacing} n={n} t={t}");
                    let error = (signal - expected.sqrt())
                        .abs()
                        .max((variance - (1.0 - expected)).abs());
                    // The coefficients divide by 1 - alpha_bar, which float32 knows to half a unit of 2^-23. Measured
                    // maximum 1.8 of those halves, times 2.
                    let tolerance = 3.6 * 2.0_f64.powi(-24) / (1.0 - alpha_prod);
                    assert!(
                        error <= tolerance,
                        "{name}: signal {signal}, variance {variance}, error {error}"
                    );
                }
            }
        }
    }
}

/// A model that knows the noise, the original or the velocity predicts the original in each case.
#[test]
fn prediction_types_agree_on_the_original_sample() {
    let shape = (3, 4, 5);
    let (original, noise) = (wave(shape, 0.0), wave(shape, 0.4));
    for t in [0, 1, 15, 29] {
        for prediction_type in [
            PredictionType::Epsilon,
            PredictionType::Sample,
            PredictionType::VPrediction,
        ] {
            let scheduler = DdpmScheduler::new(unclipped(prediction_type, VarianceType::FixedSmall)).unwrap();
            let noisy = scheduler
                .schedule()
                .add_noise(original.view(), noise.view(), &[t])
                .unwrap();
            let model_output = match prediction_type {
                PredictionType::Epsilon => noise.clone(),
                PredictionType::Sample => original.clone(),
                PredictionType::VPrediction => scheduler
                    .schedule()
                    .get_velocity(original.view(), noise.view(), &[t])
                    .unwrap(),
            };
            let output = step_at(&scheduler, t, &model_output, &noisy, &noise);
            let error = max_difference(&output.pred_original_sample, &original);
            // A few roundings of numbers below 2: measured maximum 1.2e-7, times 4.
            assert!(error <= 4.8e-7, "{prediction_type} t={t}: {error}");
        }
    }
}

#[test]
fn variance_types_meet_where_they_should() {
    let shape = (2, 3, 4);
    let (model_output, sample, noise) = (wave(shape, 0.0), wave(shape, 1.0), wave(shape, 2.0));
    let step = |variance_type: VarianceType, predicted: Option<f32>| {
        let scheduler = DdpmScheduler::new(unclipped(PredictionType::Epsilon, variance_type)).unwrap();
        let model_output = match predicted {
            Some(value) => {
                let variance = ArrayD::from_elem(model_output.raw_dim(), value);
                concatenate![Axis(1), model_output, variance]
            }
            None => model_output.clone(),
        };
        step_at(&scheduler, 20, &model_output, &sample, &noise).prev_sample
    };
    let small_scheduler = DdpmScheduler::new(unclipped(PredictionType::Epsilon, VarianceType::FixedSmall)).unwrap();
    let posterior_variance = small_scheduler.sampler(&Steps::default()).unwrap().visits()[9].posterior_variance;
    let small = step(VarianceType::FixedSmall, None);
    let large = step(VarianceType::FixedLarge, None);
    assert!(max_difference(&small, &large) > 1e-4, "the two are told apart");
    for (name, actual, expected) in [
        ("small log", step(VarianceType::FixedSmallLog, None), &small),
        ("large log", step(VarianceType::FixedLargeLog, None), &large),
        (
            "learned range at its lower end",
            step(VarianceType::LearnedRange, Some(-1.0)),
            &small,
        ),
        (
            "learned range at its upper end",
            step(VarianceType::LearnedRange, Some(1.0)),
            &large,
        ),
        ("learned", step(VarianceType::Learned, Some(posterior_variance)), &small),
    ] {
        // Roundings of logarithm and exponential: measured maximum 6.0e-8, times 4.
        let error = max_difference(&actual, expected);
        assert!(error <= 2.4e-7, "{name}: {error}");
    }
}

/// Strides do not matter, down to the bit.
#[test]
fn a_step_on_strided_views_gives_the_same_bits() {
    let shape = (3, 4, 5);
    let strided = |a: &ArrayD<f32>| a.t().as_standard_layout().into_owned().reversed_axes();
    for (variance_type, channels) in [(VarianceType::FixedSmall, 4), (VarianceType::LearnedRange, 8)] {
        for thresholding in [false, true] {
            let config = DdpmConfig {
                thresholding,
                ..unclipped(PredictionType::Epsilon, variance_type)
            };
            let scheduler = DdpmScheduler::new(config).unwrap();
            let (model_output, sample, noise) = (wave((3, channels, 5), 0.0), wave(shape, 1.0), wave(shape, 2.0));
            let expected = step_at(&scheduler, 9, &model_output, &sample, &noise);
            let (model_output, sample, noise) = (strided(&model_output), strided(&sample), strided(&noise));
            let mut actual = strided(&ArrayD::zeros(vec![3, 4, 5]));
            assert!(!actual.is_standard_layout());
            let mut sampler = scheduler.sampler(&Steps::default()).unwrap();
            let visit = sampler.visit_at(9).unwrap();
            let step = SamplerStep::new(model_output.view(), sample.view(), actual.view_mut());
            sampler.step_into(visit, step.with_noise(Some(noise.view()))).unwrap();
            assert!(
                actual
                    .iter()
                    .zip(&expected.prev_sample)
                    .all(|(a, b)| a.to_bits() == b.to_bits())
            );
        }
    }
}

#[test]
fn the_last_timestep_needs_no_noise_and_ignores_it() {
    let scheduler = DdpmScheduler::new(unclipped(PredictionType::Epsilon, VarianceType::FixedLarge)).unwrap();
    let mut sampler = scheduler.sampler(&Steps::default()).unwrap();
    let [last, before] = [0, 1].map(|t| sampler.visit_at(t).unwrap());
    assert!(sampler.visits()[before].draws_noise && !sampler.visits()[last].draws_noise);
    let (model_output, sample, noise) = (wave((2, 3, 4), 0.0), wave((2, 3, 4), 1.0), wave((2, 3, 4), 2.0));
    let without = sampler.step(last, model_output.view(), sample.view(), None).unwrap();
    let with = step_at(&scheduler, 0, &model_output, &sample, &noise);
    assert_eq!(without, with);
}

/// The step back is one that loses the sample: the last training timestep carries no signal.
#[test]
fn zero_terminal_snr_leaves_no_signal() {
    for beta_schedule in SCHEDULES {
        let config = DdpmConfig {
            beta_schedule,
            rescale_betas_zero_snr: true,
            ..DdpmConfig::default()
        };
        let scheduler = DdpmScheduler::new(config).unwrap();
        assert_eq!(
            scheduler.schedule().alphas_cumprod().last(),
            Some(&0.0),
            "{beta_schedule}"
        );
        assert_eq!(scheduler.schedule().betas().last(), Some(&1.0), "{beta_schedule}");
    }
}

#[test]
fn each_sample_takes_its_own_timestep() {
    let scheduler = DdpmScheduler::new(DdpmConfig::default()).unwrap();
    let (original, noise) = (wave((3, 2, 2), 0.0), wave((3, 2, 2), 1.0));
    let together = scheduler
        .schedule()
        .add_noise(original.view(), noise.view(), &[5, 500, 999])
        .unwrap();
    for (i, t) in [5, 500, 999].into_iter().enumerate() {
        let alone = scheduler
            .schedule()
            .add_noise(original.view(), noise.view(), &[t])
            .unwrap();
        assert_eq!(together.index_axis(Axis(0), i), alone.index_axis(Axis(0), i));
    }
}
