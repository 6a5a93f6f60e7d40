//! Files of the classes that count in noise levels, what they refuse, and that nothing else fails.

#![allow(clippy::unwrap_used)] // a test fails by panicking

use diffplan_schedulers::{
    AlgorithmType, DdpmConfig, DdpmScheduler, Error, PredictionType, Registry, Scheduler, SolverType, Steps, Timesteps,
    UniPcMultistepConfig, UniPcSolverType,
};
use ndarray::ArrayD;
use serde_json::{Map, Value, json};
use std::path::Path;
use std::sync::Arc;

const CLASSES: [(&str, &str); 5] = [
    ("dpm++", "DPMSolverMultistepScheduler"),
    ("euler", "EulerDiscreteScheduler"),
    ("euler-a", "EulerAncestralDiscreteScheduler"),
    ("heun", "HeunDiscreteScheduler"),
    ("unipc", "UniPCMultistepScheduler"),
];

fn scheduler(class: &str, options: Value) -> Result<Arc<dyn Scheduler>, Error> {
    let Value::Object(mut map) = options else {
        panic!("an object")
    };
    map.insert("_class_name".into(), class.into());
    Registry::builtin().from_map(&map)
}

#[test]
fn files_are_written_as_they_are_read() {
    for (name, class) in CLASSES {
        let registry = Registry::builtin();
        let first = scheduler(
            class,
            json!({"num_train_timesteps": 50, "timestep_spacing": "trailing"}),
        )
        .unwrap();
        let text = first.to_json();
        let second = registry.read(text.as_bytes(), Path::new("file")).unwrap();
        assert_eq!((second.class_name(), second.to_json()), (class, text));
        assert!(second.notes().is_empty(), "{:?}", second.notes());
        // By the name of a command, from DDPM's options.
        let ddpm = DdpmScheduler::new(DdpmConfig {
            prediction_type: PredictionType::VPrediction,
            num_train_timesteps: 20,
            ..DdpmConfig::default()
        })
        .unwrap();
        let converted = registry.converted(name, &ddpm).unwrap();
        assert_eq!(converted.class_name(), class);
        assert_eq!(converted.schedule().prediction_type(), PredictionType::VPrediction);
        assert_eq!(converted.schedule().betas(), ddpm.schedule().betas());
        // And on to every other.
        for (other, _) in CLASSES {
            registry.converted(other, &*converted).unwrap();
        }
    }
}

/// As diffusers writes it: minus infinity without quotes.
#[test]
fn the_file_diffusers_writes_is_read_and_written() {
    let text = r#"{"_class_name": "DPMSolverMultistepScheduler", "_diffusers_version": "0.42.1", "algorithm_type": "dpmsolver++",
        "beta_end": 0.02, "beta_schedule": "linear", "beta_start": 0.0001, "dynamic_thresholding_ratio": 0.995,
        "euler_at_final": false, "final_sigmas_type": "zero", "flow_shift": 1.0, "lambda_min_clipped": -Infinity,
        "lower_order_final": true, "num_train_timesteps": 1000, "prediction_type": "epsilon", "rescale_betas_zero_snr": false,
        "sample_max_value": 1.0, "solver_order": 2, "solver_type": "midpoint", "steps_offset": 0, "thresholding": false,
        "time_shift_type": "exponential", "timestep_spacing": "linspace", "trained_betas": null, "use_beta_sigmas": false,
        "use_dynamic_shifting": false, "use_exponential_sigmas": false, "use_flow_sigmas": false, "use_karras_sigmas": false,
        "use_lu_lambdas": false, "variance_type": null}"#;
    let read = Registry::builtin().read(text.as_bytes(), Path::new("file")).unwrap();
    assert_eq!(
        read.to_map(),
        scheduler("DPMSolverMultistepScheduler", json!({})).unwrap().to_map()
    );
    assert!(
        read.to_json().contains("\"lambda_min_clipped\": -Infinity,"),
        "{}",
        read.to_json()
    );
    let text = r#"{"_class_name": "UniPCMultistepScheduler", "beta_end": 0.02, "beta_schedule": "linear", "beta_start": 0.0001,
        "disable_corrector": [], "dynamic_thresholding_ratio": 0.995, "final_sigmas_type": "zero", "flow_shift": 1.0,
        "lower_order_final": true, "num_train_timesteps": 1000, "predict_x0": true, "prediction_type": "epsilon",
        "rescale_betas_zero_snr": false, "sample_max_value": 1.0, "shift_terminal": null, "sigma_max": null, "sigma_min": null,
        "solver_order": 2, "solver_p": null, "solver_type": "bh2", "steps_offset": 0, "thresholding": false,
        "time_shift_type": "exponential", "timestep_spacing": "linspace", "trained_betas": null, "use_beta_sigmas": false,
        "use_dynamic_shifting": false, "use_exponential_sigmas": false, "use_flow_sigmas": false, "use_karras_sigmas": false,
        "_diffusers_version": "0.42.1"}"#;
    let expected: Map<String, Value> = serde_json::from_str(text).unwrap();
    assert_eq!(UniPcMultistepConfig::default().to_map(), expected);
}

/// The rules of another class, which a file made of its has, are taken for one of theirs, as diffusers does.
#[test]
fn rules_of_other_classes_stand_for_one_of_theirs() {
    let read =
        |class: &str, key: &str, value: &str| scheduler(class, json!({key: value})).unwrap().to_map()[key].clone();
    assert_eq!(
        read("DPMSolverMultistepScheduler", "solver_type", "bh2"),
        SolverType::Midpoint.as_str()
    );
    assert_eq!(
        read("UniPCMultistepScheduler", "solver_type", "midpoint"),
        UniPcSolverType::Bh2.as_str()
    );
    let deis = read("DPMSolverMultistepScheduler", "algorithm_type", "deis");
    assert_eq!(deis, AlgorithmType::DpmSolverPlusPlus.as_str());
}

#[test]
fn what_is_not_supported_names_its_key_and_value() {
    let [dpm, euler, _, heun, unipc] = CLASSES.map(|(_, class)| class);
    for (class, options, parts) in [
        (dpm, json!({"solver_order": 4}), &["solver_order", "4"][..]),
        (dpm, json!({"solver_order": 0}), &["solver_order", "0"]),
        (
            dpm,
            json!({"algorithm_type": "dpmsolver"}),
            &["final_sigmas_type", "zero", "sigma_min"],
        ),
        (
            dpm,
            json!({"algorithm_type": "sde-dpmsolver", "final_sigmas_type": "sigma_min", "solver_order": 3}),
            &["solver_order", "3", "sde-dpmsolver"],
        ),
        (
            dpm,
            json!({"prediction_type": "flow_prediction"}),
            &["prediction_type", "flow_prediction"],
        ),
        (dpm, json!({"use_flow_sigmas": true}), &["use_flow_sigmas", "true"]),
        (dpm, json!({"use_beta_sigmas": true}), &["use_beta_sigmas", "true"]),
        (
            dpm,
            json!({"use_karras_sigmas": true, "use_lu_lambdas": true}),
            &["use_lu_lambdas", "use_karras_sigmas"],
        ),
        (
            dpm,
            json!({"solver_type": "midpiont"}),
            &["solver_type", "did you mean midpoint?"],
        ),
        (euler, json!({"sigma_min": -1.0}), &["sigma_min", "-1.0"]),
        (
            euler,
            json!({"interpolation_type": "cubic"}),
            &["interpolation_type", "log_linear"],
        ),
        (
            heun,
            json!({"use_karras_sigmas": true, "use_exponential_sigmas": true}),
            &["use_exponential_sigmas", "use_karras_sigmas"],
        ),
        (unipc, json!({"solver_p": {"a": 1}}), &["solver_p", "null"]),
        (unipc, json!({"disable_corrector": [-1]}), &["disable_corrector", "-1"]),
        (unipc, json!({"shift_terminal": 0.1}), &["shift_terminal", "0.1"]),
    ] {
        let error = scheduler(class, options.clone()).unwrap_err().to_string();
        for part in parts {
            assert!(error.contains(part), "{options}: {error}");
        }
    }
}

/// Where the reference ends in NaN or an IndexError: errors that say on what it hangs, and what to do.
#[test]
fn steps_that_are_not_defined_are_refused_before_they_are_made() {
    let [dpm, _, _, _, unipc] = CLASSES.map(|(_, class)| class);
    let cosine = "squaredcos_cap_v2";
    for (class, options, steps, parts) in [
        (
            dpm,
            json!({"num_train_timesteps": 20}),
            20,
            &["`timestep_spacing` is linspace", "trailing"][..],
        ),
        (
            unipc,
            json!({"num_train_timesteps": 20}),
            20,
            &["`timestep_spacing` is linspace"],
        ),
        (
            dpm,
            json!({"num_train_timesteps": 20, "solver_order": 1, "timestep_spacing": "leading"}),
            20,
            &["`timestep_spacing` is leading", "comes twice"],
        ),
        (
            dpm,
            json!({"num_train_timesteps": 20, "beta_schedule": cosine, "use_exponential_sigmas": true}),
            20,
            &["`use_exponential_sigmas` is true", "comes twice"],
        ),
        (
            unipc,
            json!({"solver_type": "bh1"}),
            10,
            &["`final_sigmas_type` is zero", "solver_type bh2"],
        ),
        (
            unipc,
            json!({"lower_order_final": false}),
            10,
            &["`final_sigmas_type` is zero", "sigma_min"],
        ),
        (
            unipc,
            json!({"use_karras_sigmas": true, "final_sigmas_type": "sigma_min", "lower_order_final": false, "solver_order": 3}),
            10,
            &["`final_sigmas_type` is sigma_min", "expected zero"],
        ),
        (
            dpm,
            json!({"lambda_min_clipped": 100.0}),
            10,
            &["lambda_min_clipped", "100.0"],
        ),
        (
            dpm,
            json!({"num_train_timesteps": 1, "use_karras_sigmas": true}),
            1,
            &["use_karras_sigmas", "num_train_timesteps 1"],
        ),
    ] {
        let scheduler = scheduler(class, options.clone()).unwrap();
        let error = scheduler
            .sampler(&Steps::new(Timesteps::Count(steps)))
            .unwrap_err()
            .to_string();
        for part in parts {
            assert!(error.contains(part), "{options}: {error}");
        }
    }
    for (_, class) in CLASSES {
        let scheduler = scheduler(class, json!({})).unwrap();
        let error = scheduler.sampler(&Steps::default().with_eta(0.5)).unwrap_err();
        assert!(matches!(error, Error::NoSuchOption { option: "eta", .. }), "{error}");
        for steps in [0, 1001] {
            let error = scheduler.sampler(&Steps::new(Timesteps::Count(steps))).unwrap_err();
            assert!(matches!(error, Error::NumInferenceSteps { .. }), "{error}");
        }
        assert!(scheduler.sampler(&Steps::new(Timesteps::Custom(vec![3, 5]))).is_err());
        let mut sampler = scheduler
            .sampler(&Steps::new(Timesteps::Custom(vec![500, 250, 3])))
            .unwrap();
        let good = ArrayD::<f32>::ones(vec![1, 2, 3]);
        let visits = sampler.visits().len();
        let error = sampler.step(visits, good.view(), good.view(), None).unwrap_err();
        assert!(matches!(error, Error::NoSuchVisit { .. }), "{error}");
        let bad = ArrayD::<f32>::ones(vec![1, 2, 4]);
        let error = sampler.step(0, bad.view(), good.view(), Some(good.view())).unwrap_err();
        assert!(matches!(error, Error::ShapeMismatch { .. }), "{error}");
    }
}

/// Every combination of a few options, some of which no class has.
fn combinations(class: &str) -> Vec<Value> {
    let rules = match class.starts_with("Uni") {
        true => ["bh1", "bh2"],
        false => ["midpoint", "heun"],
    };
    let spreads = ["", "use_karras_sigmas", "use_exponential_sigmas", "use_lu_lambdas"];
    let kinds = [
        ("linspace", "epsilon"),
        ("leading", "sample"),
        ("trailing", "v_prediction"),
    ];
    let orders = [(1, true), (2, false), (3, true), (3, false)];
    let sizes = [1, 2, 5, 16, 20];
    let mut all = Vec::new();
    for index in 0..sizes.len() * spreads.len() * kinds.len() * orders.len() * 2 * 2 {
        let mut rest = index;
        let mut next = |count: usize| {
            let at = rest % count;
            rest /= count;
            at
        };
        let train = sizes[next(sizes.len())];
        let (spread, (spacing, kind)) = (spreads[next(4)], kinds[next(3)]);
        let ((order, lower), rescale) = (orders[next(4)], next(2) == 1);
        let (end, rule) = (["zero", "sigma_min"][next(2)], rules[usize::from(lower)]);
        let mut options = json!({
            "num_train_timesteps": train, "timestep_spacing": spacing, "final_sigmas_type": end, "solver_order": order,
            "lower_order_final": lower, "rescale_betas_zero_snr": rescale, "solver_type": rule,
            "beta_schedule": "squaredcos_cap_v2", "prediction_type": kind,
        });
        if !spread.is_empty() {
            options[spread] = true.into();
        }
        all.push(options);
    }
    all
}

/// Over all options: a sampler is refused with what it hangs on, or its run is finite.
#[test]
fn a_run_is_refused_or_finite() {
    let (mut made, mut refused) = (0, 0);
    for (_, class) in CLASSES {
        for options in combinations(class) {
            let Ok(scheduler) = scheduler(class, options.clone()) else {
                refused += 1;
                continue;
            };
            let counts = [1, 2, 3, 5, 16, 20].map(Timesteps::Count);
            for timesteps in counts.into_iter().chain([Timesteps::All]) {
                let Ok(mut sampler) = scheduler.sampler(&Steps::new(timesteps.clone())) else {
                    refused += 1;
                    continue;
                };
                made += 1;
                let start = f32::max(sampler.init_noise_sigma(), 1.0);
                let mut sample = ArrayD::from_elem(vec![1, 2, 2], 0.7 * start);
                for visit in 0..sampler.visits().len() {
                    let (answer, noise) = (sample.mapv(f32::tanh), sample.mapv(f32::cos));
                    let output = sampler.step(visit, answer.view(), sample.view(), Some(noise.view()));
                    sample = output.unwrap().prev_sample;
                    let at = sampler.visits()[visit];
                    assert!(
                        [at.posterior_variance, at.scale, at.timestep]
                            .iter()
                            .all(|x| x.is_finite())
                    );
                    let finite = sample.iter().all(|x| x.is_finite());
                    assert!(finite, "{class} {options} {timesteps:?} visit {visit}");
                }
            }
        }
    }
    assert!(made > 1000 && refused > 0, "{made} {refused}");
}
