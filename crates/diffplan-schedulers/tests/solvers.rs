//! The classes that count in noise levels against slow twins in float64 written from the papers' equations, and what holds by definition:
//! which of them are one another.

#![allow(clippy::unwrap_used)] // a test fails by panicking

use diffplan_schedulers::{
    AlgorithmType, DdimConfig, DdimScheduler, DpmSolverMultistepConfig, DpmSolverMultistepScheduler,
    EulerAncestralDiscreteConfig, EulerAncestralDiscreteScheduler, EulerDiscreteConfig, EulerDiscreteScheduler,
    FinalSigmasType, HeunDiscreteConfig, HeunDiscreteScheduler, PredictionType, Sampler, SamplerOutput, Scheduler,
    Steps, TimestepSpacing, Timesteps, UniPcMultistepConfig, UniPcMultistepScheduler,
};
use ndarray::{Array3, ArrayD, ArrayView3};

const KINDS: [PredictionType; 3] = [
    PredictionType::Epsilon,
    PredictionType::Sample,
    PredictionType::VPrediction,
];

fn wave(phase: f32) -> ArrayD<f32> {
    Array3::from_shape_fn((2, 3, 4), |(i, j, k)| (phase + (7 * i + 3 * j + k) as f32).sin()).into_dyn()
}

fn count(steps: usize) -> Steps {
    Steps::new(Timesteps::Count(steps))
}

fn largest_difference(a: &ArrayD<f32>, b: &ArrayD<f32>) -> f32 {
    assert_eq!(a.shape(), b.shape());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

fn three(array: &ArrayD<f32>) -> ArrayView3<'_, f32> {
    array.view().into_dimensionality().unwrap()
}

/// What a smooth network would say: of the sample as it sees it and the timestep.
fn model(seen: &ArrayD<f32>, timestep: f32) -> ArrayD<f32> {
    seen.mapv(|x| 0.4 * x + 0.3 * (x + 0.02 * timestep).sin())
}

/// A run from visit `from` on, with the same draw at every visit; what the sampler gave at each.
fn run(sampler: &mut dyn Sampler, start: &ArrayD<f32>, from: usize) -> Vec<SamplerOutput> {
    sampler.begin([2, 3, 4], from);
    let (mut sample, mut outputs) = (start.clone(), Vec::new());
    for visit in from..sampler.visits().len() {
        let at = sampler.visits()[visit];
        let mut seen = three(&sample).to_owned();
        sampler.scale_input(visit, three(&sample), seen.view_mut());
        let answer = model(&seen.into_dyn(), at.timestep);
        let noise = wave(0.5 + visit as f32);
        let noise = at.draws_noise.then(|| noise.view());
        let output = sampler.step(visit, answer.view(), sample.view(), noise).unwrap();
        sample = output.prev_sample.clone();
        assert!(sample.iter().all(|x| x.is_finite()), "visit {visit}");
        outputs.push(output);
    }
    outputs
}

fn dpm(solver_order: usize, prediction_type: PredictionType) -> DpmSolverMultistepConfig {
    DpmSolverMultistepConfig {
        num_train_timesteps: 100,
        solver_order,
        prediction_type,
        ..DpmSolverMultistepConfig::default()
    }
}

fn unipc(solver_order: usize) -> UniPcMultistepConfig {
    UniPcMultistepConfig {
        num_train_timesteps: 100,
        solver_order,
        ..UniPcMultistepConfig::default()
    }
}

fn euler(prediction_type: PredictionType) -> EulerDiscreteConfig {
    EulerDiscreteConfig {
        num_train_timesteps: 100,
        prediction_type,
        timestep_spacing: TimestepSpacing::Leading,
        ..EulerDiscreteConfig::default()
    }
}

fn ddim(prediction_type: PredictionType) -> DdimScheduler {
    DdimScheduler::new(DdimConfig {
        num_train_timesteps: 100,
        prediction_type,
        clip_sample: false,
        ..DdimConfig::default()
    })
    .unwrap()
}

/// DPM-Solver of first order is DDIM without noise (arXiv:2206.00927, section 4.1), stochastic DPM-Solver++ DDIM with η = 1, by the same
/// timesteps; the predictor of UniPC of first order too.
#[test]
fn of_first_order_they_are_ddim() {
    let timesteps = Timesteps::Custom(vec![90, 70, 55, 40, 20, 3]);
    let start = wave(1.0);
    for kind in KINDS {
        let of = |config: DpmSolverMultistepConfig| DpmSolverMultistepScheduler::new(config).unwrap();
        for (eta, algorithm_type) in [
            (0.0, AlgorithmType::DpmSolverPlusPlus),
            (0.0, AlgorithmType::DpmSolver),
            (1.0, AlgorithmType::SdeDpmSolverPlusPlus),
        ] {
            let final_sigmas_type = match algorithm_type {
                AlgorithmType::DpmSolver => FinalSigmasType::SigmaMin,
                _ => FinalSigmasType::Zero,
            };
            let solver = of(DpmSolverMultistepConfig {
                algorithm_type,
                final_sigmas_type,
                ..dpm(1, kind)
            });
            let mut solver = solver.sampler(&Steps::new(timesteps.clone())).unwrap();
            let steps = Steps::new(timesteps.clone()).with_eta(eta);
            let mut twin = ddim(kind).sampler(&steps).unwrap();
            let (ours, theirs) = (run(&mut *solver, &start, 0), run(&mut *twin, &start, 0));
            for (visit, (a, b)) in ours.iter().zip(&theirs).enumerate().take(5) {
                let of_sample = largest_difference(&a.prev_sample, &b.prev_sample);
                let of_original = largest_difference(&a.pred_original_sample, &b.pred_original_sample);
                assert!(
                    of_sample < 1e-4 && of_original < 1e-4,
                    "{algorithm_type} {kind} visit {visit}: {of_sample}"
                );
            }
            let (a, b) = (solver.visits()[2], twin.visits()[2]);
            assert!((a.posterior_variance - b.posterior_variance).abs() < 1e-5);
            assert_eq!((a.guidance, a.scale), (b.guidance, 1.0));
        }
    }
}

/// Euler's method in levels is DDIM without noise in other coordinates, the ancestral one DDIM with η = 1: what the model sees is the same.
#[test]
fn eulers_method_is_ddim_scaled() {
    let start = wave(1.0);
    for kind in KINDS {
        let plain = EulerDiscreteScheduler::new(euler(kind)).unwrap();
        let ancestral = EulerAncestralDiscreteScheduler::new(EulerAncestralDiscreteConfig {
            num_train_timesteps: 100,
            prediction_type: kind,
            timestep_spacing: TimestepSpacing::Leading,
            ..EulerAncestralDiscreteConfig::default()
        })
        .unwrap();
        for (scheduler, eta) in [(&plain as &dyn Scheduler, 0.0), (&ancestral, 1.0)] {
            let mut ours = scheduler.sampler(&count(10)).unwrap();
            let mut theirs = ddim(kind).sampler(&count(10).with_eta(eta)).unwrap();
            assert_eq!(ours.timesteps(), theirs.timesteps());
            let scale = ours.init_noise_sigma();
            assert!((scale - ours.visits()[0].scale).abs() < 1e-6);
            let scales: Vec<f32> = ours.visits().iter().map(|visit| visit.scale).chain([1.0]).collect();
            let a = run(&mut *ours, &start.mapv(|x| scale * x), 0);
            let b = run(&mut *theirs, &start, 0);
            for (visit, (a, b)) in a.iter().zip(&b).enumerate() {
                let unscaled = a.prev_sample.mapv(|x| x / scales[visit + 1]);
                let error = largest_difference(&unscaled, &b.prev_sample);
                assert!(error < 1e-4, "{kind} eta {eta} visit {visit}: {error}");
            }
        }
    }
}

/// Algorithm 1 of arXiv:2206.00364 for one number, without churn, in float64.
fn heun_twin(kind: PredictionType, sigmas: &[f64], timesteps: &[f32], mut x: f64) -> Vec<f64> {
    let slope = |x: f64, sigma: f64, t: f32| {
        let seen = (x / (sigma * sigma + 1.0).sqrt()) as f32;
        let answer = f64::from(0.4 * seen + 0.3 * (seen + 0.02 * t).sin());
        let original = match kind {
            PredictionType::Epsilon => x - sigma * answer,
            PredictionType::Sample => answer,
            PredictionType::VPrediction => (x / (sigma * sigma + 1.0)) - sigma / (sigma * sigma + 1.0).sqrt() * answer,
        };
        (x - original) / sigma
    };
    let mut given = Vec::new();
    for i in 0..timesteps.len() {
        let (from, to) = (sigmas[i], sigmas[i + 1]);
        let first = slope(x, from, timesteps[i]);
        let looked = x + (to - from) * first;
        given.push(looked);
        if to == 0.0 {
            break;
        }
        let second = slope(looked, to, timesteps[i + 1]);
        x += (to - from) * 0.5 * (first + second);
        given.push(x);
    }
    given
}

#[test]
fn heun_agrees_with_its_twin_and_visits_timesteps_twice() {
    for kind in KINDS {
        let scheduler = HeunDiscreteScheduler::new(HeunDiscreteConfig {
            num_train_timesteps: 100,
            prediction_type: kind,
            ..HeunDiscreteConfig::default()
        })
        .unwrap();
        let mut sampler = scheduler.sampler(&count(4)).unwrap();
        assert_eq!(sampler.timesteps(), [99.0, 66.0, 66.0, 33.0, 33.0, 0.0, 0.0]);
        let alphas = scheduler.schedule().alphas_cumprod();
        let timesteps = [99.0_f32, 66.0, 33.0, 0.0];
        let level = |t: &f32| ((1.0 - f64::from(alphas[*t as usize])) / f64::from(alphas[*t as usize])).sqrt();
        let sigmas: Vec<f64> = timesteps.iter().map(level).chain([0.0]).collect();
        assert_eq!(sampler.sigmas().len(), 8);
        let start = wave(1.0);
        let outputs = run(&mut *sampler, &start, 0);
        for (i, &x) in start.iter().enumerate() {
            let twin = heun_twin(kind, &sigmas, &timesteps, f64::from(x));
            for (visit, (output, expected)) in outputs.iter().zip(&twin).enumerate() {
                let actual = f64::from(output.prev_sample.as_slice().unwrap()[i]);
                assert!(
                    (actual - expected).abs() < 2e-5,
                    "{kind} visit {visit}: {actual} {expected}"
                );
            }
        }
        let guidance: Vec<f32> = sampler.visits().iter().map(|visit| visit.guidance).collect();
        assert_eq!(guidance, [0.5, 0.0, 0.5, 0.0, 0.5, 0.0, 0.5]);
    }
}

fn all(train: usize) -> Vec<Box<dyn Scheduler>> {
    let stochastic = DpmSolverMultistepConfig {
        num_train_timesteps: train,
        algorithm_type: AlgorithmType::SdeDpmSolverPlusPlus,
        ..DpmSolverMultistepConfig::default()
    };
    let third = DpmSolverMultistepConfig {
        num_train_timesteps: train,
        solver_order: 3,
        ..DpmSolverMultistepConfig::default()
    };
    let old = DpmSolverMultistepConfig {
        num_train_timesteps: train,
        algorithm_type: AlgorithmType::DpmSolver,
        final_sigmas_type: FinalSigmasType::SigmaMin,
        ..DpmSolverMultistepConfig::default()
    };
    vec![
        Box::new(DpmSolverMultistepScheduler::new(third).unwrap()),
        Box::new(DpmSolverMultistepScheduler::new(stochastic).unwrap()),
        Box::new(DpmSolverMultistepScheduler::new(old).unwrap()),
        Box::new(
            EulerDiscreteScheduler::new(EulerDiscreteConfig {
                num_train_timesteps: train,
                ..EulerDiscreteConfig::default()
            })
            .unwrap(),
        ),
        Box::new(
            EulerAncestralDiscreteScheduler::new(EulerAncestralDiscreteConfig {
                num_train_timesteps: train,
                ..EulerAncestralDiscreteConfig::default()
            })
            .unwrap(),
        ),
        Box::new(
            HeunDiscreteScheduler::new(HeunDiscreteConfig {
                num_train_timesteps: train,
                ..HeunDiscreteConfig::default()
            })
            .unwrap(),
        ),
        Box::new(
            UniPcMultistepScheduler::new(UniPcMultistepConfig {
                num_train_timesteps: train,
                solver_order: 3,
                ..UniPcMultistepConfig::default()
            })
            .unwrap(),
        ),
    ]
}

/// A run forgets the last one; from a visit on it is what it would be with that history of none, and orders grow anew.
#[test]
fn a_warm_start_has_no_history() {
    for scheduler in all(100) {
        let class = scheduler.class_name();
        let mut sampler = scheduler.sampler(&count(8)).unwrap();
        let start = wave(1.0);
        let whole = run(&mut *sampler, &start, 0);
        let warm = run(&mut *sampler, &start, 4);
        assert_eq!(
            warm,
            run(&mut *scheduler.sampler(&count(8)).unwrap(), &start, 4),
            "{class}"
        );
        assert_eq!(whole, run(&mut *sampler, &start, 0), "{class}");
        // Without `begin`, a visit out of turn begins anew.
        let answer = wave(0.0);
        let noise = wave(0.3);
        let first = sampler
            .step(4, answer.view(), start.view(), Some(noise.view()))
            .unwrap();
        sampler
            .step(5, answer.view(), start.view(), Some(noise.view()))
            .unwrap();
        let again = sampler
            .step(4, answer.view(), start.view(), Some(noise.view()))
            .unwrap();
        assert_eq!(first, again, "{class}");
        // Nor does a run of another shape see it.
        let other = ArrayD::ones(vec![1, 5]);
        sampler.step(5, other.view(), other.view(), Some(other.view())).unwrap();
    }
}

/// Beginning at the second look of Heun's there is nothing to look at again: the sample stays until the visit after.
#[test]
fn heun_begins_anywhere() {
    let scheduler = HeunDiscreteScheduler::new(HeunDiscreteConfig::default()).unwrap();
    let mut sampler = scheduler.sampler(&count(5)).unwrap();
    let start = wave(1.0);
    let (odd, even) = (run(&mut *sampler, &start, 3), run(&mut *sampler, &start, 4));
    assert_eq!(odd[0].prev_sample, start);
    assert_eq!(odd[1..], even[..]);
}

/// What is done to the sample between two visits stays done: a correction begins at the visit before.
#[test]
fn unipc_keeps_what_was_done_to_its_sample() {
    let scheduler = UniPcMultistepScheduler::new(UniPcMultistepConfig {
        prediction_type: PredictionType::Sample,
        ..unipc(2)
    })
    .unwrap();
    let mut sampler = scheduler.sampler(&count(8)).unwrap();
    let mut after = |moved: f32| {
        // Answers that do not hang on the sample.
        sampler.begin([2, 3, 4], 0);
        let first = sampler
            .step(0, wave(0.0).view(), wave(1.0).view(), None)
            .unwrap()
            .prev_sample;
        let sample = first.mapv(|x| x + moved);
        sampler
            .step(1, wave(0.4).view(), sample.view(), None)
            .unwrap()
            .prev_sample
    };
    let (still, moved) = (after(0.0), after(0.5));
    let levels = scheduler.sampler(&count(8)).unwrap();
    let [from, to] = [1, 2].map(|visit| levels.visits()[visit].shares.unwrap()[1]);
    let by = &moved - &still;
    assert!(by.iter().all(|by| (by - 0.5 * to / from).abs() < 1e-5), "{by}");
}

/// The more steps, the nearer all of them are to one another, and the higher the order, the sooner.
#[test]
fn they_solve_the_same_equation() {
    let start = wave(1.0);
    let last = |scheduler: &dyn Scheduler, steps: usize| {
        let mut sampler = scheduler.sampler(&count(steps)).unwrap();
        let scale = sampler.visits()[0].scale;
        run(&mut *sampler, &start.mapv(|x| scale * x), 0)
            .pop()
            .unwrap()
            .prev_sample
    };
    let of = |order: usize| {
        DpmSolverMultistepScheduler::new(DpmSolverMultistepConfig {
            num_train_timesteps: 1000,
            final_sigmas_type: FinalSigmasType::SigmaMin,
            ..dpm(order, PredictionType::VPrediction)
        })
        .unwrap()
    };
    let exact = last(&of(3), 400);
    let [first, second] = [1, 2].map(|order| largest_difference(&last(&of(order), 50), &exact));
    assert!(second < 0.7 * first, "{first} {second}");
    let heun = HeunDiscreteScheduler::new(HeunDiscreteConfig {
        beta_start: 0.0001,
        beta_end: 0.02,
        prediction_type: PredictionType::VPrediction,
        ..HeunDiscreteConfig::default()
    })
    .unwrap();
    let unipc = UniPcMultistepScheduler::new(UniPcMultistepConfig {
        prediction_type: PredictionType::VPrediction,
        ..UniPcMultistepConfig::default()
    })
    .unwrap();
    // They go on to no noise at all, which is 0.01 away.
    for scheduler in [&heun as &dyn Scheduler, &unipc] {
        let error = largest_difference(&last(scheduler, 400), &exact);
        assert!(error < 0.05, "{}: {error}", scheduler.class_name());
    }
}
