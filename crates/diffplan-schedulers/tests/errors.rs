//! What the scheduler refuses, and how it says so. Configuration files have their own tests.

use diffplan_schedulers::{
    DdimConfig, DdimScheduler, DdpmConfig, DdpmScheduler, Error, PredictionType, SamplerStep, Scheduler, Steps,
    Timesteps, VarianceType,
};
use ndarray::ArrayD;

fn scheduler(variance_type: VarianceType) -> DdpmScheduler {
    DdpmScheduler::new(DdpmConfig {
        num_train_timesteps: 30,
        variance_type,
        ..DdpmConfig::default()
    })
    .expect("the configuration is valid")
}

#[test]
fn schedules_without_a_defined_step_are_refused() {
    let new = |config| DdpmScheduler::new(config).map(|_| ()).unwrap_err();
    let trained = |betas: &[f64]| {
        let num_train_timesteps = betas.len();
        new(DdpmConfig {
            num_train_timesteps,
            trained_betas: Some(betas.to_vec()),
            ..DdpmConfig::default()
        })
    };
    assert!(matches!(
        trained(&[0.1, 1.0, 0.1]),
        Error::BetaOutOfRange {
            timestep: 1,
            value: 1.0
        }
    ));
    assert!(matches!(
        trained(&[0.0, 0.1]),
        Error::DegenerateSchedule {
            timestep: 0,
            value: 1.0
        }
    ));
    assert!(matches!(
        trained(&[0.1; 2000]),
        Error::DegenerateSchedule {
            timestep: 986,
            value: 0.0
        }
    ));
    let single = DdpmConfig {
        num_train_timesteps: 1,
        rescale_betas_zero_snr: true,
        ..DdpmConfig::default()
    };
    assert!(matches!(new(single), Error::BetaOutOfRange { timestep: 0, value } if value.is_nan()));
    let none = DdpmConfig {
        num_train_timesteps: 0,
        ..DdpmConfig::default()
    };
    assert!(matches!(new(none), Error::UnsupportedValue { .. }));
}

#[test]
fn bad_timesteps_are_refused() {
    let config = DdpmConfig {
        num_train_timesteps: 10,
        steps_offset: 1,
        ..DdpmConfig::default()
    };
    let ddpm = DdpmScheduler::new(config.clone()).unwrap();
    let ddim = DdimScheduler::new(DdimConfig {
        num_train_timesteps: 10,
        steps_offset: 1,
        ..DdimConfig::default()
    })
    .unwrap();
    for scheduler in [&ddpm as &dyn Scheduler, &ddim] {
        let refused = |timesteps| scheduler.sampler(&Steps::new(timesteps)).unwrap_err().to_string();
        for (n, message) in [
            (0, "num_inference_steps is 0, expected 1..=10"),
            (11, "num_inference_steps is 11, expected 1..=10"),
            (
                10,
                "timestep 10 is out of range, expected a value below num_train_timesteps = 10",
            ),
        ] {
            assert_eq!(refused(Timesteps::Count(n)), message);
        }
        for (custom, message) in [
            (
                &[][..],
                "the list of custom timesteps is empty, expected at least one timestep",
            ),
            (
                &[10, 3],
                "timestep 10 is out of range, expected a value below num_train_timesteps = 10",
            ),
            (
                &[9, 3, 3],
                "custom timestep 2 is 3, expected a value below its predecessor 3",
            ),
        ] {
            assert_eq!(refused(Timesteps::Custom(custom.to_vec())), message);
        }
        let sampler = scheduler
            .sampler(&Steps::new(Timesteps::Custom(vec![8, 5, 2])))
            .unwrap();
        assert_eq!(sampler.timesteps(), [8.0, 5.0, 2.0]);
        assert_eq!(sampler.visit_at(5).unwrap(), 1);
        let message = "timestep 4 is not among the 3 timesteps that were set";
        assert_eq!(sampler.visit_at(4).unwrap_err().to_string(), message);
    }
}

#[test]
fn options_of_a_call_that_a_class_does_not_have_are_refused() {
    let ddpm = scheduler(VarianceType::FixedSmall);
    let error = ddpm.sampler(&Steps::default().with_eta(0.5)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "DDPMScheduler has no eta: expected eta 0, or another scheduler"
    );
    let mut clipped = Steps::default();
    clipped.use_clipped_model_output = true;
    assert!(ddpm.sampler(&clipped).is_err());
    let ddim = DdimScheduler::new(DdimConfig::default()).unwrap();
    for eta in [-0.1, 1.1, f32::NAN] {
        let error = ddim.sampler(&Steps::default().with_eta(eta)).unwrap_err();
        assert!(matches!(error, Error::Eta { .. }), "{error}");
    }
}

/// The cause is in the configuration, and known before a step is taken.
#[test]
fn no_signal_where_a_step_divides_by_it_is_named() {
    let ddpm = |prediction_type| {
        DdpmScheduler::new(DdpmConfig {
            num_train_timesteps: 20,
            rescale_betas_zero_snr: true,
            prediction_type,
            ..DdpmConfig::default()
        })
        .unwrap()
    };
    let epsilon = ddpm(PredictionType::Epsilon);
    let error = epsilon.sampler(&Steps::default()).unwrap_err().to_string();
    assert!(
        error.contains("rescale_betas_zero_snr leaves no signal at timestep 19, and prediction_type epsilon"),
        "{error}"
    );
    // 16, 12, 8, 4, 0: the last is left out.
    assert!(epsilon.sampler(&Steps::new(Timesteps::Count(5))).is_ok());
    assert!(ddpm(PredictionType::VPrediction).sampler(&Steps::default()).is_ok());
    let ddim = DdimScheduler::new(DdimConfig {
        num_train_timesteps: 20,
        rescale_betas_zero_snr: true,
        ..DdimConfig::default()
    });
    let error = ddim.unwrap().sampler(&Steps::default()).unwrap_err();
    assert!(matches!(error, Error::NoSignal { timestep: 19 }), "{error}");
}

/// Clipping would make a finite sample, with nothing of the input in it, of what has overflowed.
#[test]
fn an_overflow_is_not_clipped_away() {
    for prediction_type in [
        PredictionType::Epsilon,
        PredictionType::Sample,
        PredictionType::VPrediction,
    ] {
        for thresholding in [false, true] {
            let ddpm = DdpmScheduler::new(DdpmConfig {
                prediction_type,
                thresholding,
                ..DdpmConfig::default()
            })
            .unwrap();
            let ddim = DdimScheduler::new(DdimConfig {
                prediction_type,
                thresholding,
                ..DdimConfig::default()
            })
            .unwrap();
            for scheduler in [&ddpm as &dyn Scheduler, &ddim] {
                let mut sampler = scheduler.sampler(&Steps::default()).unwrap();
                let mut step = |bad: f32| {
                    let mut output = ArrayD::<f32>::ones(vec![2, 3, 4]);
                    output[[1, 2, 3]] = bad;
                    let noise = ArrayD::<f32>::ones(vec![2, 3, 4]);
                    sampler.step(0, output.view(), noise.view(), Some(noise.view()))
                };
                assert!(step(2.0).is_ok());
                for bad in [f32::INFINITY, f32::NEG_INFINITY, f32::NAN] {
                    let error = step(bad).unwrap_err();
                    assert!(matches!(error, Error::NotFinite { timestep: 999 }), "{bad}: {error}");
                }
            }
        }
    }
}

#[test]
fn a_learned_variance_is_not_one_of_the_timestep() {
    for variance_type in [VarianceType::Learned, VarianceType::LearnedRange] {
        let sampler = scheduler(variance_type).sampler(&Steps::default()).unwrap();
        assert!(sampler.visits().iter().all(|visit| visit.variance.is_none()));
    }
}

#[test]
fn a_step_names_what_is_wrong_and_leaves_the_output_alone() {
    let zeros = |shape: &[usize]| ArrayD::<f32>::zeros(shape.to_vec());
    let good = [2, 3, 4];
    // Variance type, shapes of model output, sample, noise and output, timestep, message.
    type Row<'a> = (
        VarianceType,
        &'a [usize],
        &'a [usize],
        Option<&'a [usize]>,
        &'a [usize],
        usize,
        &'a str,
    );
    let rows: [Row<'_>; 9] = [
        (
            VarianceType::FixedSmall,
            &[2, 6, 4],
            &good,
            Some(&good),
            &good,
            1,
            "`model_output` has shape [2, 6, 4], expected [2, 3, 4]",
        ),
        (
            VarianceType::Learned,
            &good,
            &good,
            Some(&good),
            &good,
            1,
            "`model_output` has shape [2, 3, 4], expected [2, 6, 4]",
        ),
        (
            VarianceType::LearnedRange,
            &[2, 6, 5],
            &good,
            Some(&good),
            &good,
            1,
            "`model_output` has shape [2, 6, 5], expected [2, 6, 4]",
        ),
        (
            VarianceType::FixedSmall,
            &good,
            &good,
            Some(&[2, 3]),
            &good,
            1,
            "`noise` has shape [2, 3], expected [2, 3, 4]",
        ),
        (
            VarianceType::FixedSmall,
            &good,
            &good,
            Some(&[1]),
            &good,
            0,
            "`noise` has shape [1], expected [2, 3, 4]",
        ),
        (
            VarianceType::FixedSmall,
            &good,
            &good,
            Some(&good),
            &[4, 3, 2],
            1,
            "`prev_sample` has shape [4, 3, 2], expected [2, 3, 4]",
        ),
        (
            VarianceType::FixedSmall,
            &[4],
            &[4],
            Some(&[4]),
            &[4],
            1,
            "`sample` has shape [4], expected at least 2 axes, batch and channels",
        ),
        (
            VarianceType::FixedSmall,
            &good,
            &good,
            None,
            &good,
            1,
            "the step at timestep 1 adds noise, but none was given",
        ),
        (
            VarianceType::FixedSmall,
            &good,
            &good,
            Some(&good),
            &good,
            30,
            "timestep 30 is not among the 30 timesteps that were set",
        ),
    ];
    for (variance_type, model_output, sample, noise, prev_sample, t, message) in rows {
        let scheduler = scheduler(variance_type);
        let (model_output, sample, noise) = (zeros(model_output), zeros(sample), noise.map(zeros));
        let noise = noise.as_ref().map(|noise| noise.view());
        let mut output = ArrayD::from_elem(prev_sample.to_vec(), 7.0);
        let mut sampler = scheduler.sampler(&Steps::default()).unwrap();
        let visit = match sampler.visit_at(t) {
            Ok(visit) => visit,
            Err(error) => {
                assert_eq!(error.to_string(), message);
                let visits = 30;
                let error = sampler.step(30, model_output.view(), sample.view(), noise).unwrap_err();
                assert!(matches!(error, Error::NoSuchVisit { visit: 30, visits: v } if v == visits));
                continue;
            }
        };
        let step = SamplerStep::new(model_output.view(), sample.view(), output.view_mut()).with_noise(noise.clone());
        let error = sampler.step_into(visit, step).unwrap_err();
        assert_eq!(error.to_string(), message);
        assert!(output.iter().all(|&x| x == 7.0), "{message}");
        if prev_sample == good || prev_sample == [4] {
            let error = sampler
                .step(visit, model_output.view(), sample.view(), noise)
                .unwrap_err();
            assert_eq!(error.to_string(), message);
        }
    }
}

#[test]
fn the_forward_process_names_what_is_wrong() {
    let scheduler = scheduler(VarianceType::FixedSmall);
    let schedule = scheduler.schedule();
    let zeros = |shape: &[usize]| ArrayD::<f32>::zeros(shape.to_vec());
    let good = [2, 3, 4];
    // Shapes of sample and noise, timesteps, message.
    type Row<'a> = (&'a [usize], &'a [usize], &'a [usize], &'a str);
    let rows: [Row<'_>; 5] = [
        (&good, &[2, 3], &[0], "`noise` has shape [2, 3], expected [2, 3, 4]"),
        (
            &good,
            &good,
            &[0, 1, 2],
            "3 timesteps for a batch of 2, expected 1 or 2",
        ),
        (&good, &good, &[], "0 timesteps for a batch of 2, expected 1 or 2"),
        (
            &good,
            &good,
            &[0, 30],
            "timestep 30 is out of range, expected a value below num_train_timesteps = 30",
        ),
        (
            &[],
            &[],
            &[0],
            "`sample` has shape [], expected at least 1 axis, the batch",
        ),
    ];
    for (sample, noise, timesteps, message) in rows {
        let (sample, noise) = (zeros(sample), zeros(noise));
        let noisy = schedule.add_noise(sample.view(), noise.view(), timesteps);
        assert_eq!(noisy.unwrap_err().to_string(), message);
        let velocity = schedule.get_velocity(sample.view(), noise.view(), timesteps);
        assert_eq!(velocity.unwrap_err().to_string(), message);
    }
    let (sample, mut out) = (zeros(&good), zeros(&[2, 3, 5]));
    let error = schedule
        .add_noise_into(sample.view(), sample.view(), &[0], out.view_mut())
        .unwrap_err();
    assert_eq!(error.to_string(), "`noisy` has shape [2, 3, 5], expected [2, 3, 4]");
    let error = schedule
        .get_velocity_into(sample.view(), sample.view(), &[0], out.view_mut())
        .unwrap_err();
    assert_eq!(error.to_string(), "`velocity` has shape [2, 3, 5], expected [2, 3, 4]");
}
