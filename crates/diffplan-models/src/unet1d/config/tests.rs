//! Configurations that are read, and what is said of others.

use super::*;
use serde_json::json;

fn parse(value: Value) -> Result<UNet1dConfig> {
    let Value::Object(object) = value else {
        panic!("an object")
    };
    let (config, notes) = UNet1dConfig::from_map(object)?;
    assert!(notes.is_empty());
    config.validate().map(|()| config)
}

fn with(key: &str, value: Value) -> Value {
    let mut config = serde_json::to_value(UNet1dConfig::planner(14, &[32, 64])).unwrap();
    config[key] = value;
    config
}

#[test]
fn both_networks_of_diffuser_are_valid() {
    for channels in [&[32][..], &[32, 64, 128, 256]] {
        UNet1dConfig::planner(14, channels).validate().unwrap();
        UNet1dConfig::value_function(14, channels).validate().unwrap();
    }
}

/// The files that diffusers wrote of such networks say the same, key for key.
#[test]
fn both_networks_of_diffuser_are_those_of_diffusers_files() {
    for (part, config) in [
        ("unet", UNet1dConfig::planner(4, &[32, 64, 128])),
        ("value_function", UNet1dConfig::value_function(4, &[32, 64, 128])),
    ] {
        let path = format!(
            "{}/../../testdata/pendulum-hor32/{part}/config.json",
            env!("CARGO_MANIFEST_DIR")
        );
        let file: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        assert_eq!(parse(file.clone()).unwrap(), config, "{part}");
        let written = serde_json::to_value(config).unwrap();
        let keys = |of: &Value| {
            let keys = of.as_object().unwrap().keys().cloned();
            keys.filter(|key| !key.starts_with('_')).collect::<Vec<_>>()
        };
        assert_eq!(keys(&written), keys(&file), "{part}");
    }
}

#[test]
fn value_pooling_is_written_only_where_it_is_set() {
    let mut config = UNet1dConfig::value_function(4, &[32, 64]);
    let mut written = serde_json::to_value(&config).unwrap();
    assert_eq!(written.get("value_pooling"), None);
    written["value_pooling"] = Value::Null;
    assert_eq!(parse(written).unwrap(), config);
    config.value_pooling = Some(ValuePooling::Mean);
    let written = serde_json::to_value(&config).unwrap();
    assert_eq!(written["value_pooling"], "mean");
    assert_eq!(parse(written).unwrap(), config);

    config.mid_block_type = Some(MidBlockType::MidResTemporalBlock1D);
    assert_eq!(
        config.validate().unwrap_err().to_string(),
        "config key `value_pooling`: the value function's last layers read 16 channels, a quarter of the last level's, but \
         the blocks before them give 64"
    );
}

#[test]
fn channels_that_do_not_split_into_groups_are_refused() {
    let message = |config: UNet1dConfig| config.validate().unwrap_err().to_string();
    for bad in [0, 4, 12] {
        assert_eq!(
            message(UNet1dConfig::planner(4, &[32, bad])),
            format!(
                "config key `block_out_channels`: [32, {bad}], expected multiples of 8: every residual block normalises \
                 in 8 groups"
            )
        );
    }
    assert_eq!(
        message(UNet1dConfig::value_function(4, &[16, 24])),
        "config key `block_out_channels`: 24 at the end, expected a multiple of 32: the value function quarters it"
    );
    UNet1dConfig::planner(4, &[24, 40]).validate().unwrap();
}

#[test]
fn keys_of_diffusers_itself_are_passed_over() {
    let config = parse(with("_class_name", json!("UNet1DModel"))).unwrap();
    assert_eq!(config, UNet1dConfig::planner(14, &[32, 64]));
}

#[test]
fn values_are_taken_as_python_takes_them() {
    let plain = UNet1dConfig::planner(14, &[32, 64]);
    for (key, value) in [
        ("downsample_each_block", json!(0)),
        ("flip_sin_to_cos", json!(null)),
        ("use_timestep_embedding", json!(1.0)),
        ("in_channels", json!(14.0)),
        ("layers_per_block", json!(true)),
        ("block_out_channels", json!([32.0, 64])),
        ("freq_shift", json!(1)),
    ] {
        assert_eq!(parse(with(key, value.clone())).unwrap(), plain, "{key} = {value}");
    }
    // The network reads neither: they are kept as they are found.
    for value in [json!([32, 4]), json!(null), json!("long")] {
        for key in ["sample_size", "sample_rate"] {
            let config = parse(with(key, value.clone())).unwrap();
            assert_eq!(serde_json::to_value(config).unwrap()[key], value);
        }
    }
}

#[test]
fn keys_that_cannot_matter_are_noted() {
    for (key, value) in [
        ("decay", json!(0.9999)),
        ("new_in_diffusers", json!(false)),
        ("other", json!([])),
    ] {
        let Value::Object(object) = with(key, value) else {
            panic!("an object")
        };
        let (config, notes) = UNet1dConfig::from_map(object).unwrap();
        assert_eq!(config, UNet1dConfig::planner(14, &[32, 64]));
        assert!(notes.len() == 1 && notes[0].contains(key), "{notes:?}");
    }
}

#[test]
fn absurd_sizes_do_not_overflow() {
    for key in ["in_channels", "extra_in_channels", "out_channels"] {
        let config = with(key, json!(u64::MAX));
        assert!(parse(config.clone()).is_err(), "{key}");
    }
    let mut both = with("in_channels", json!(u64::MAX));
    both["extra_in_channels"] = json!(u64::MAX);
    assert!(parse(both).is_err());
}

#[test]
fn what_is_not_supported_is_named() {
    let cases = [
        ("act_fn", json!("tanh"), "\"tanh\", expected one of swish"),
        ("act_fn", json!(null), "null, expected one of"),
        (
            "down_block_types",
            json!(["DownResnetBlock1D", "DownBlock1DNoSkip"]),
            "can only come first",
        ),
        ("down_block_types", json!(["DownResnetBlock1D"]), "1 blocks, expected 2"),
        (
            "down_block_types",
            json!(["Nonsense", "Nonsense"]),
            "unknown variant `Nonsense`",
        ),
        ("mid_block_type", json!(null), "null is for value functions alone"),
        ("temporal_attention", json!("softmax"), "unknown variant `softmax`"),
        ("value_features", json!(64), "needs an out_block_type of ValueFunction"),
        ("block_out_channels", json!([32, 12]), "multiples of 8"),
        ("block_out_channels", json!([]), "multiples of 8"),
        ("block_out_channels", json!([-1]), "invalid value"),
        (
            "block_out_channels",
            json!([8_000_000, 64]),
            "more than two billion parameters",
        ),
        (
            "layers_per_block",
            json!(1_000_000_000),
            "1000000000, expected at most 256",
        ),
        ("norm_num_groups", json!(5), "5, expected a divisor of 32"),
        ("norm_num_groups", json!(0), "0, expected a divisor of 32"),
        ("use_timestep_embedding", json!(false), "expected true"),
        ("freq_shift", json!(16.0), "expected less than 16"),
        ("time_embedding_type", json!("learned"), "unknown variant `learned`"),
        (
            "attention_heads",
            json!(4),
            "unknown, with value 4: what it asks for cannot be honoured",
        ),
        ("layers_per_blok", json!(false), "did you mean `layers_per_block`?"),
        ("in_channels", json!("14"), "invalid type: string"),
        (
            "value_pooling",
            json!("mean"),
            "needs an out_block_type of ValueFunction, which is OutConv1DBlock",
        ),
        ("value_pooling", json!("max"), "unknown variant `max`, expected `mean`"),
        ("value_pooling", json!(1), "invalid type"),
        ("in_channels", json!(0), "at least one channel"),
    ];
    for (key, value, reason) in cases {
        let error = parse(with(key, value.clone())).unwrap_err().to_string();
        assert!(
            error.contains(&format!("`{key}`")) && error.contains(reason),
            "{key} = {value}: {error}"
        );
    }
}
