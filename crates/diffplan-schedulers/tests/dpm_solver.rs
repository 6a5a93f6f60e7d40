//! DPM-Solver++: what holds by definition, what is refused, and files.

use diffplan_schedulers::{
    BetaSchedule, DdimConfig, DdimScheduler, DdpmConfig, DdpmScheduler, DpmAlgorithm, DpmSolverMultistepConfig,
    DpmSolverMultistepScheduler, FinalSigmas, PredictionType, Registry, Sampler, Scheduler, Steps, Timesteps,
};
use ndarray::{Array3, ArrayD};

fn config() -> DpmSolverMultistepConfig {
    DpmSolverMultistepConfig {
        num_train_timesteps: 200,
        beta_schedule: BetaSchedule::SquaredcosCapV2,
        ..DpmSolverMultistepConfig::default()
    }
}

/// One number of data of mean 0.5 and variance 0.09: the exact prediction of the noise, for x = α x₀ + σ ε.
fn noise_of_gaussian_data(x: f32, alpha: f64) -> f32 {
    let (mean, variance) = (0.5, 0.09);
    let share = alpha.sqrt();
    let whole = alpha * variance + (1.0 - alpha);
    ((1.0 - alpha).sqrt() * (f64::from(x) - share * mean) / whole) as f32
}

/// The sample that a whole run makes of this one.
#[allow(clippy::unwrap_used)]
fn run(sampler: &mut dyn Sampler, start: f32) -> f32 {
    let mut x: ArrayD<f32> = Array3::from_elem((1, 1, 1), start).into_dyn();
    for visit in 0..sampler.visits().len() {
        let [alpha, _] = sampler.level(visit).unwrap();
        let output = x.mapv(|x| noise_of_gaussian_data(x, f64::from(alpha).powi(2)));
        x = sampler.step(visit, output.view(), x.view(), None).unwrap().prev_sample;
    }
    x[[0, 0, 0]]
}

#[test]
fn few_steps_of_higher_order_come_nearer_to_the_solution() {
    // The probability flow of Gaussian data keeps quantiles: from x to mean + std x, but for what the schedule leaves at the ends.
    let made = |order: usize, count: usize| {
        let config = DpmSolverMultistepConfig {
            solver_order: order,
            // The last step of all, to no noise, is of first order anyhow.
            final_sigmas_type: FinalSigmas::SigmaMin,
            lower_order_final: false,
            // Without leaps at either end, over which no order is good.
            use_exponential_sigmas: true,
            beta_schedule: BetaSchedule::Linear,
            beta_end: 0.1,
            ..config()
        };
        let scheduler = DpmSolverMultistepScheduler::new(config).unwrap();
        run(&mut *scheduler.sampler(&Steps::new(Some(count))).unwrap(), 1.3)
    };
    let exact = made(2, 150);
    assert!((exact - (0.5 + 0.3 * 1.3)).abs() < 1e-2, "{exact}");
    let error = |order, count| (made(order, count) - exact).abs();
    assert!(error(2, 20) < 0.5 * error(1, 20), "{} {}", error(2, 10), error(1, 10));
    assert!(error(1, 40) < 0.5 * error(1, 10));
}

#[test]
fn a_step_of_first_order_is_one_of_ddim() {
    let timesteps = Timesteps::Custom(vec![150, 100, 60, 20]);
    let dpm = DpmSolverMultistepConfig {
        solver_order: 1,
        ..config()
    };
    let ddim = DdimConfig {
        num_train_timesteps: 200,
        beta_schedule: BetaSchedule::SquaredcosCapV2,
        clip_sample: false,
        ..DdimConfig::default()
    };
    let mut dpm = DpmSolverMultistepScheduler::new(dpm)
        .unwrap()
        .sampler(&Steps::new(timesteps.clone()))
        .unwrap();
    let mut ddim = DdimScheduler::new(ddim)
        .unwrap()
        .sampler(&Steps::new(timesteps))
        .unwrap();
    let wave = |phase: f32| {
        Array3::from_shape_fn((2, 3, 4), |(i, j, k)| (phase + (7 * i + 3 * j + k) as f32).sin()).into_dyn()
    };
    for visit in 0..4 {
        let (output, x) = (wave(visit as f32), wave(9.0));
        let [a, b] = [&mut dpm, &mut ddim].map(|sampler| sampler.step(visit, output.view(), x.view(), None).unwrap());
        for (a, b) in [
            (a.prev_sample, b.prev_sample),
            (a.pred_original_sample, b.pred_original_sample),
        ] {
            assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 2e-5), "visit {visit}");
        }
    }
}

#[test]
fn a_run_forgets_the_last_one_and_may_begin_anywhere() {
    let scheduler = DpmSolverMultistepScheduler::new(config()).unwrap();
    let mut sampler = scheduler.sampler(&Steps::new(Some(8))).unwrap();
    let (first, second) = (run(&mut *sampler, 1.0), run(&mut *sampler, 1.0));
    assert_eq!(first, second);
    // A step that does not follow the last one is of first order.
    let step = |sampler: &mut dyn Sampler, visit: usize| {
        let x: ArrayD<f32> = Array3::from_elem((1, 1, 1), 0.3).into_dyn();
        sampler.step(visit, x.view(), x.view(), None).unwrap().prev_sample[[0, 0, 0]]
    };
    let mut fresh = scheduler.sampler(&Steps::new(Some(8))).unwrap();
    fresh.begin([1, 1, 1], 5);
    assert_eq!(step(&mut *sampler, 5), step(&mut *fresh, 5));
}

#[test]
fn all_training_timesteps_are_visited_where_no_number_is_given() {
    let sampler = DpmSolverMultistepScheduler::new(config())
        .unwrap()
        .sampler(&Steps::default())
        .unwrap();
    let expected: Vec<f32> = (0..200u8).rev().map(f32::from).collect();
    assert_eq!(sampler.timesteps(), expected);
    // The reference's spacing repeats timesteps where as many are asked for; and gives NaN.
    let scheduler = DpmSolverMultistepScheduler::new(config()).unwrap();
    let error = scheduler.sampler(&Steps::new(Some(200))).unwrap_err().to_string();
    assert!(
        error.contains("one noise level twice") && error.contains("trailing"),
        "{error}"
    );
}

#[test]
fn what_diffusers_refuses_and_what_is_not_supported_is_named() {
    let read = |text: &str| DpmSolverMultistepConfig::from_json(text).unwrap_err().to_string();
    for (text, named) in [
        (r#"{"solver_order": 4}"#, "solver_order"),
        (r#"{"algorithm_type": "dpmsolver"}"#, "final_sigmas_type"),
        (
            r#"{"algorithm_type": "sde-dpmsolver", "final_sigmas_type": "sigma_min", "solver_order": 3}"#,
            "third order",
        ),
        (r#"{"algorithm_type": "dpmsolver+"}"#, "did you mean dpmsolver"),
        (
            r#"{"use_karras_sigmas": true, "use_lu_lambdas": true}"#,
            "one of use_karras_sigmas",
        ),
        (r#"{"use_flow_sigmas": true}"#, "not supported"),
        (r#"{"use_beta_sigmas": true}"#, "not supported"),
        (r#"{"variance_type": "learned_range"}"#, "not learned"),
        (r#"{"beta_schedule": "sigmoid"}"#, "squaredcos_cap_v2"),
    ] {
        let error = read(text);
        assert!(error.contains(named), "{text}: {error}");
    }
    let spread = DpmSolverMultistepConfig {
        use_karras_sigmas: true,
        ..config()
    };
    let custom = Steps::new(Timesteps::Custom(vec![5, 3]));
    assert!(
        DpmSolverMultistepScheduler::new(spread)
            .unwrap()
            .sampler(&custom)
            .is_err()
    );
    assert!(
        DpmSolverMultistepScheduler::new(config())
            .unwrap()
            .sampler(&Steps::default().with_eta(0.5))
            .is_err()
    );
}

#[test]
fn files_are_read_back_and_other_solvers_names_taken() {
    let registry = Registry::builtin();
    let scheduler = DpmSolverMultistepScheduler::new(DpmSolverMultistepConfig {
        algorithm_type: DpmAlgorithm::SdeDpmSolverPlusPlus,
        lambda_min_clipped: -5.1,
        ..config()
    })
    .unwrap();
    let scheduler: &dyn Scheduler = &scheduler;
    let again = registry
        .read(scheduler.to_json().as_bytes(), "scheduler_config.json".as_ref())
        .unwrap();
    assert_eq!(again.to_map(), scheduler.to_map());
    assert!(again.notes().is_empty());
    // JSON has no infinity: what is written in its place is one for float32.
    let plain: &dyn Scheduler = &DpmSolverMultistepScheduler::new(config()).unwrap();
    assert_eq!(plain.to_map()["lambda_min_clipped"], -1e30);
    let text = r#"{"algorithm_type": "deis", "solver_type": "bh2", "lambda_min_clipped": -Infinity}"#;
    let text = text.replacen('{', r#"{"_class_name": "DPMSolverMultistepScheduler", "#, 1);
    let read = registry
        .read(text.as_bytes(), "scheduler_config.json".as_ref())
        .unwrap();
    assert_eq!(read.to_map()["algorithm_type"], "dpmsolver++");
    assert_eq!(read.to_map()["solver_type"], "midpoint");
    // From the scheduler that a checkpoint has.
    let ddpm = DdpmScheduler::new(DdpmConfig {
        num_train_timesteps: 20,
        prediction_type: PredictionType::Sample,
        ..DdpmConfig::default()
    });
    let converted = registry.converted("dpm++", &ddpm.unwrap()).unwrap();
    assert_eq!(converted.class_name(), "DPMSolverMultistepScheduler");
    assert_eq!(converted.to_map()["prediction_type"], "sample");
}
