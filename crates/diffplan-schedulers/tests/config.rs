//! `scheduler_config.json`: both ways, defaults, legacy keys and everything that is refused.

use std::fs;

use diffplan_schedulers::{
    BetaSchedule, DdpmConfig, DdpmScheduler, Error, PredictionType, TimestepSpacing, VarianceType,
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
    assert_eq!(diffuser().to_json().unwrap(), DIFFUSER);
}

#[test]
fn a_folder_round_trip_keeps_every_value_and_leaves_one_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new/scheduler");
    for config in [unusual(), diffuser()] {
        DdpmScheduler::new(config.clone())
            .unwrap()
            .save_pretrained(&path)
            .unwrap();
        assert_eq!(DdpmScheduler::from_pretrained(&path).unwrap().config(), &config);
    }
    let names: Vec<_> = fs::read_dir(&path)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, [DdpmConfig::CONFIG_NAME]);
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
        ("clip_sample", "1", "true or false"),
        ("thresholding", "\"true\"", "true or false"),
        ("rescale_betas_zero_snr", "null", "true or false"),
        ("clip_sample_range", "0.0", "a finite float32 above 0"),
        ("sample_max_value", "1e300", "a finite float32 above 0"),
        ("dynamic_thresholding_ratio", "1.1", "a number in 0..=1"),
        ("steps_offset", "-1", "an integer of at least 0"),
        ("trained_betas", "[0.1,\"a\"]", "null or an array of numbers"),
        ("trained_betas", "0.1", "null or an array of numbers"),
        ("predict_epsilon", "0", "true or false"),
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
fn unknown_keys_are_named() {
    let error = DdpmConfig::from_json(r#"{"beta_stort": 0.1}"#).unwrap_err();
    assert!(matches!(&error, Error::UnknownKey { key, value, .. } if key == "beta_stort" && value == "0.1"));
    assert!(
        error
            .to_string()
            .starts_with("unknown key `beta_stort` with value 0.1; the keys are beta_end, ")
    );
}

#[test]
fn every_field_is_an_allowed_key() {
    let Error::UnknownKey { allowed, .. } = DdpmConfig::from_json(r#"{"x": 0}"#).unwrap_err() else {
        panic!("expected an unknown key");
    };
    let serde_json::Value::Object(fields) = serde_json::to_value(DdpmConfig::default()).unwrap() else {
        panic!("expected an object");
    };
    let mut keys: Vec<&str> = fields.keys().map(String::as_str).chain(["predict_epsilon"]).collect();
    keys.sort_unstable();
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
    for text in ["", "[]", "{\"beta_end\": NaN}", &DIFFUSER[..100]] {
        assert!(matches!(DdpmConfig::from_json(text), Err(Error::Json(_))), "{text}");
    }
}

#[test]
fn file_errors_name_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(DdpmConfig::CONFIG_NAME);
    let error = DdpmScheduler::from_pretrained(folder.path()).unwrap_err();
    assert!(
        matches!(&error, Error::Io { action: "read", path: p, .. } if *p == path),
        "{error}"
    );

    // The first is wrong by itself, the second by the betas that follow from it.
    for text in [r#"{"clip_sample": 3}"#, r#"{"beta_start": 0.0}"#] {
        fs::write(&path, text).unwrap();
        let error = DdpmScheduler::from_pretrained(folder.path()).unwrap_err();
        assert!(matches!(&error, Error::InFile { path: p, .. } if *p == path), "{error}");
    }

    let error = DdpmConfig::default()
        .save_pretrained(path.join("below_a_file"))
        .unwrap_err();
    assert!(
        matches!(
            error,
            Error::Io {
                action: "create folder",
                ..
            }
        ),
        "{error}"
    );

    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    let error = DdpmConfig::default().save_pretrained(folder.path()).unwrap_err();
    assert!(matches!(error, Error::Io { action: "write", .. }), "{error}");
    assert_eq!(
        fs::read_dir(folder.path()).unwrap().count(),
        1,
        "no temporary file stays"
    );
}

#[test]
fn values_that_are_not_finite_are_not_saved() {
    let config = DdpmConfig {
        beta_end: f64::NAN,
        ..DdpmConfig::default()
    };
    assert_eq!(
        config.to_json().unwrap_err().to_string(),
        "`beta_end` is NaN, expected a number in 0..=1"
    );
}
