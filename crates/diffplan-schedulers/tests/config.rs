//! `scheduler_config.json`: both ways, defaults, legacy keys and everything that is refused.

use std::fs;

use diffplan_schedulers::{
    BetaSchedule, CONFIG_NAME, DdimConfig, DdimScheduler, DdpmConfig, DdpmScheduler, Error, PredictionType, Registry,
    Scheduler, Steps, TimestepSpacing, VarianceType,
};

/// What diffusers 0.42.1 writes for `DDPMScheduler(num_train_timesteps=20, beta_schedule="squaredcos_cap_v2",
/// clip_sample=False, variance_type="fixed_small_log", prediction_type="sample")`.
const DIFFUSER: &str = r#"{
  "_class_name": "DDPMScheduler",
  "_diffusers_version": "0.42.1",
  "beta_end": 0.02,
  "beta_schedule": "squaredcos_cap_v2",
  "beta_start": 0.0001,
  "clip_sample": false,
  "clip_sample_range": 1.0,
  "dynamic_thresholding_ratio": 0.995,
  "num_train_timesteps": 20,
  "prediction_type": "sample",
  "rescale_betas_zero_snr": false,
  "sample_max_value": 1.0,
  "steps_offset": 0,
  "thresholding": false,
  "timestep_spacing": "leading",
  "trained_betas": null,
  "variance_type": "fixed_small_log"
}
"#;

fn diffuser() -> DdpmConfig {
    DdpmConfig {
        num_train_timesteps: 20,
        beta_schedule: BetaSchedule::SquaredcosCapV2,
        clip_sample: false,
        variance_type: VarianceType::FixedSmallLog,
        prediction_type: PredictionType::Sample,
        ..DdpmConfig::default()
    }
}

/// Every value differs from its default.
fn unusual() -> DdpmConfig {
    DdpmConfig {
        num_train_timesteps: 3,
        beta_start: 0.1 + 0.2,
        beta_end: 1.0 / 3.0,
        beta_schedule: BetaSchedule::Sigmoid,
        trained_betas: Some(vec![0.1, 1e-7, 0.7]),
        variance_type: VarianceType::LearnedRange,
        clip_sample: false,
        prediction_type: PredictionType::VPrediction,
        thresholding: true,
        dynamic_thresholding_ratio: 0.9,
        clip_sample_range: 2.5,
        sample_max_value: 1.5,
        timestep_spacing: TimestepSpacing::Trailing,
        steps_offset: 1,
        rescale_betas_zero_snr: true,
    }
}

#[test]
fn the_file_diffusers_writes_is_read_and_written_byte_for_byte() {
    assert_eq!(DdpmConfig::from_json(DIFFUSER).unwrap(), diffuser());
    let scheduler = DdpmScheduler::new(diffuser()).unwrap();
    assert_eq!((&scheduler as &dyn Scheduler).to_json(), DIFFUSER);
}

#[test]
fn a_folder_round_trip_keeps_every_value_and_leaves_one_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new/scheduler");
    for config in [unusual(), diffuser()] {
        let scheduler = DdpmScheduler::new(config.clone()).unwrap();
        (&scheduler as &dyn Scheduler).save_pretrained(&path).unwrap();
        let back = Registry::builtin().load(&path.as_path().into()).unwrap();
        assert_eq!(back.to_map(), config.to_map());
        assert_eq!(DdpmConfig::from_map(&back.to_map()).unwrap(), (config, Vec::new()));
    }
    let names: Vec<_> = fs::read_dir(&path)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, [CONFIG_NAME]);
}

#[test]
fn serde_round_trip_keeps_every_value() {
    let text = serde_json::to_string(&unusual()).unwrap();
    assert_eq!(serde_json::from_str::<DdpmConfig>(&text).unwrap(), unusual());
}

#[test]
fn missing_keys_take_the_defaults_and_private_ones_are_ignored() {
    assert_eq!(DdpmConfig::from_json("{}").unwrap(), DdpmConfig::default());
    assert_eq!(
        DdpmConfig::from_json(r#"{"_name_or_path": {"any": 1}}"#).unwrap(),
        DdpmConfig::default()
    );
    assert_eq!(
        DdpmConfig::from_json(r#"{"clip_sample_range": 2}"#)
            .unwrap()
            .clip_sample_range,
        2.0
    );
}

#[test]
fn legacy_predict_epsilon_is_a_prediction_type() {
    let read = |text: &str| DdpmConfig::from_json(text).map(|config| config.prediction_type);
    assert_eq!(read(r#"{"predict_epsilon": true}"#).unwrap(), PredictionType::Epsilon);
    assert_eq!(read(r#"{"predict_epsilon": false}"#).unwrap(), PredictionType::Sample);
    assert_eq!(
        read(r#"{"predict_epsilon": false, "prediction_type": "sample"}"#).unwrap(),
        PredictionType::Sample
    );
    let error = read(r#"{"predict_epsilon": false, "prediction_type": "epsilon"}"#).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`predict_epsilon` is false, expected what agrees with prediction_type epsilon"
    );
}

#[test]
fn unsupported_values_are_named_with_what_is_allowed() {
    let rows = [
        ("num_train_timesteps", "0", "an integer in 1..=1000000"),
        ("num_train_timesteps", "1000001", "an integer in 1..=1000000"),
        ("num_train_timesteps", "-1", "an integer of at least 0"),
        ("num_train_timesteps", "20.5", "an integer of at least 0"),
        ("beta_start", "-0.1", "a number in 0..=1"),
        ("beta_end", "1.5", "a number in 0..=1"),
        ("beta_end", "\"0.02\"", "a number"),
        (
            "beta_schedule",
            "\"cosine\"",
            "one of linear, scaled_linear, squaredcos_cap_v2, laplace, sigmoid",
        ),
        (
            "variance_type",
            "\"fixed\"",
            "one of fixed_small, fixed_small_log, fixed_large, fixed_large_log, learned, learned_range",
        ),
        ("prediction_type", "null", "one of epsilon, sample, v_prediction"),
        ("timestep_spacing", "1", "one of linspace, leading, trailing"),
        ("clip_sample", "2", "true or false"),
        ("thresholding", "\"true\"", "true or false"),
        ("rescale_betas_zero_snr", "2", "true or false"),
        ("clip_sample_range", "0.0", "a finite float32 above 0"),
        ("sample_max_value", "1e300", "a finite float32 above 0"),
        ("dynamic_thresholding_ratio", "1.1", "a number in 0..=1"),
        ("steps_offset", "-1", "an integer of at least 0"),
        ("trained_betas", "[0.1,\"a\"]", "null or an array of numbers"),
        ("trained_betas", "0.1", "null or an array of numbers"),
        ("predict_epsilon", "2", "true or false"),
    ];
    for (key, value, allowed) in rows {
        let error = DdpmConfig::from_json(&format!(r#"{{"{key}": {value}}}"#)).unwrap_err();
        match error {
            Error::UnsupportedValue {
                key: k,
                value: v,
                allowed: a,
            } => {
                let parsed = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
                assert_eq!((k.as_str(), parsed(&v), a.as_str()), (key, parsed(value), allowed));
            }
            other => panic!("{key} = {value}: {other}"),
        }
    }
    let error = DdpmConfig::from_json(r#"{"num_train_timesteps": 3, "trained_betas": [0.1, 2.0, 0.1]}"#).unwrap_err();
    assert_eq!(error.to_string(), "`trained_betas` is 2.0, expected a number in 0..=1");
}

#[test]
fn keys_that_might_matter_are_named() {
    let error = DdpmConfig::from_json(r#"{"beta_stort": 0.1}"#).unwrap_err();
    assert!(matches!(&error, Error::UnknownKey { key, value, .. } if key == "beta_stort" && value == "0.1"));
    let message = error.to_string();
    let start =
        "unknown key `beta_stort` with value 0.1: did you mean `beta_start`? DDPMScheduler has num_train_timesteps, ";
    assert!(message.starts_with(start), "{message}");
    // A slip in a key is one whatever its value.
    assert!(DdpmConfig::from_json(r#"{"thresolding": false}"#).is_err());
    let error = DdpmConfig::from_json(r#"{"scale_betas_for_timesteps": true}"#).unwrap_err();
    assert!(error.to_string().contains("cannot be honoured"), "{error}");
}

/// What a later diffusers adds and leaves off, and what other classes have: diffusers passes over them, with a note.
#[test]
fn keys_that_cannot_matter_are_noted() {
    for text in [
        r#"{"scale_betas_for_timesteps": false}"#,
        r#"{"something_new": null}"#,
        r#"{"skip_prk_steps": true}"#,
        r#"{"set_alpha_to_one": true}"#,
        r#"{"lambda_min_clipped": -Infinity}"#,
    ] {
        let scheduler = Registry::builtin().read(text.as_bytes(), CONFIG_NAME.as_ref()).unwrap();
        assert_eq!(scheduler.to_map(), DdpmConfig::default().to_map());
        let [note] = scheduler.notes() else {
            panic!("{text}: {:?}", scheduler.notes());
        };
        assert!(note.contains("means nothing to DDPMScheduler"), "{note}");
    }
}

#[test]
fn values_are_taken_as_python_takes_them() {
    let config = DdpmConfig::from_json(
        r#"{"clip_sample": 0, "thresholding": 1.0, "rescale_betas_zero_snr": null, "num_train_timesteps": 20.0, "steps_offset": true,
            "clip_sample_range": 2}"#,
    )
    .unwrap();
    let expected = DdpmConfig {
        clip_sample: false,
        thresholding: true,
        num_train_timesteps: 20,
        steps_offset: 1,
        clip_sample_range: 2.0,
        ..DdpmConfig::default()
    };
    assert_eq!(config, expected);
}

#[test]
fn the_class_is_read_before_all_else() {
    let read = |text: &str| Registry::builtin().read(text.as_bytes(), CONFIG_NAME.as_ref());
    for text in [
        r#"{"_class_name": "LCMScheduler", "num_train_timesteps": 20}"#,
        r#"{"_class_name": "LCMScheduler", "num_train_timesteps": -1, "sigma": NaN}"#,
    ] {
        let error = read(text).unwrap_err().to_string();
        assert!(error.contains("LCMScheduler"), "{error}");
        assert!(error.contains("there are DDPMScheduler, DDIMScheduler"), "{error}");
    }
    let error = read(r#"{"_class_name": "DDIMSheduler"}"#).unwrap_err().to_string();
    assert!(error.contains("did you mean DDIMScheduler?"), "{error}");
    assert!(
        read(r#"{"_class_name": 3}"#)
            .unwrap_err()
            .to_string()
            .contains("_class_name")
    );
    assert_eq!(read("{}").unwrap().class_name(), "DDPMScheduler");
    let ddim = read(r#"{"_class_name": "DDIMScheduler", "set_alpha_to_one": false}"#).unwrap();
    assert_eq!(ddim.class_name(), "DDIMScheduler");
    assert!(matches!(
        DdpmConfig::from_json(r#"{"_class_name": "DDIMScheduler"}"#),
        Err(Error::Class { .. })
    ));
}

#[test]
fn a_scheduler_becomes_one_of_another_class_with_the_options_both_have() {
    let registry = Registry::builtin();
    let ddpm = DdpmScheduler::new(diffuser()).unwrap();
    for name in ["ddim", "DDIM", "DDIMScheduler"] {
        let ddim = registry.converted(name, &ddpm).unwrap();
        let expected = DdimConfig {
            num_train_timesteps: 20,
            beta_schedule: BetaSchedule::SquaredcosCapV2,
            clip_sample: false,
            prediction_type: PredictionType::Sample,
            ..DdimConfig::default()
        };
        assert_eq!(ddim.to_map(), DdimScheduler::new(expected).unwrap().to_map());
        assert!(ddim.notes().is_empty());
    }
    let error = registry.converted("ddmi", &ddpm).unwrap_err().to_string();
    assert!(error.contains("ddmi") && error.contains("did you mean dd"), "{error}");
}

#[test]
fn a_class_of_ones_own_can_be_registered() {
    let mut registry = Registry::builtin();
    registry.register("OwnScheduler", "own", &["num_train_timesteps"], |map| {
        Ok(std::sync::Arc::new(DdpmScheduler::new(DdpmConfig::from_map(map)?.0)?))
    });
    let text = br#"{"_class_name": "OwnScheduler", "num_train_timesteps": 7}"#;
    let scheduler = registry.read(text, CONFIG_NAME.as_ref()).unwrap();
    assert_eq!(scheduler.sampler(&Steps::default()).unwrap().visits().len(), 7);
    assert!(registry.converted("own", &*scheduler).is_ok());
}

#[test]
fn every_field_is_an_allowed_key() {
    let Error::UnknownKey { allowed, .. } = DdpmConfig::from_json(r#"{"x": 0}"#).unwrap_err() else {
        panic!("expected an unknown key");
    };
    let fields = DdpmConfig::default().to_map();
    let keys: Vec<&str> = fields
        .keys()
        .map(String::as_str)
        .filter(|key| !key.starts_with('_'))
        .collect();
    let mut allowed = allowed.to_vec();
    allowed.sort_unstable();
    assert_eq!(keys, allowed);
}

#[test]
fn trained_betas_of_another_length_are_refused() {
    let error = DdpmConfig::from_json(r#"{"trained_betas": [0.1, 0.2]}"#).unwrap_err();
    assert!(
        matches!(
            error,
            Error::TrainedBetasLength {
                actual: 2,
                expected: 1000
            }
        ),
        "{error}"
    );
}

#[test]
fn text_that_is_not_an_object_is_refused() {
    for text in ["", "[]", "{\"beta_end\": NAN}", &DIFFUSER[..100], "<!doctype html>"] {
        assert!(matches!(DdpmConfig::from_json(text), Err(Error::File(_))), "{text}");
    }
    let error = DdpmConfig::from_json("{\"beta_end\": NaN}").unwrap_err();
    assert_eq!(error.to_string(), "`beta_end` is NaN, expected a number in 0..=1");
}

#[test]
fn file_errors_name_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(CONFIG_NAME);
    let load = || Registry::builtin().load(&folder.path().into());
    let error = load().unwrap_err();
    assert!(matches!(&error, Error::File(e) if e.path() == path), "{error}");

    // The first is wrong by itself, the second by the betas that follow from it, the third by its class.
    for text in [
        r#"{"clip_sample": 3}"#,
        r#"{"beta_start": 0.0}"#,
        r#"{"_class_name": "PNDMScheduler"}"#,
    ] {
        fs::write(&path, text).unwrap();
        let error = load().unwrap_err();
        assert!(matches!(&error, Error::InFile { path: p, .. } if *p == path), "{error}");
    }

    let scheduler = DdpmScheduler::new(DdpmConfig::default()).unwrap();
    let save = |folder: &std::path::Path| (&scheduler as &dyn Scheduler).save_pretrained(folder);
    assert!(matches!(save(&path.join("below_a_file")).unwrap_err(), Error::File(_)));
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(matches!(save(folder.path()).unwrap_err(), Error::File(_)));
    assert_eq!(
        fs::read_dir(folder.path()).unwrap().count(),
        1,
        "no temporary file stays"
    );
}

#[test]
fn values_that_are_not_finite_are_refused() {
    let config = DdpmConfig {
        beta_end: f64::NAN,
        ..DdpmConfig::default()
    };
    assert_eq!(
        DdpmScheduler::new(config).unwrap_err().to_string(),
        "`beta_end` is NaN, expected a number in 0..=1"
    );
}
