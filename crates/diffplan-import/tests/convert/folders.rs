//! Folders of diffusers, and back.

use super::*;
use diffplan_import::{Error, Target, WeightFormat, hub};
use diffplan_models::{UNet1dConfig, ValuePooling};
use std::path::Path;

fn saved(options: &Options) -> (Logs, tempfile::TempDir) {
    let logs = Logs::new();
    let place = tempfile::tempdir().unwrap();
    convert(
        &logs,
        &Options {
            statistics: Statistics::Dataset(logs.dataset()),
            ..options.clone()
        },
    )
    .save(place.path(), false)
    .unwrap();
    (logs, place)
}

fn files(checkpoint: &Checkpoint) -> Vec<&str> {
    checkpoint.files().map(|(name, _)| name).collect()
}

#[test]
fn there_and_back_has_the_same_bytes() {
    let (_logs, place) = saved(&Options::default());
    let diffusers = Options {
        target: Target::Diffusers,
        ..Options::default()
    };
    let there = hub::convert(place.path(), &diffusers).unwrap();
    assert_eq!(
        files(&there),
        [
            "model_index.json",
            "scheduler/scheduler_config.json",
            "unet/config.json",
            "unet/diffusion_pytorch_model.safetensors",
            "value_function/config.json",
            "value_function/diffusion_pytorch_model.safetensors"
        ]
    );
    let second = tempfile::tempdir().unwrap();
    there.save(second.path(), false).unwrap();
    let statistics = Statistics::File(place.path().join("normalizer.json"));
    let back = hub::convert(
        second.path(),
        &Options {
            statistics,
            ..Options::default()
        },
    )
    .unwrap();
    for (name, bytes) in back.files() {
        assert_eq!(fs::read(place.path().join(name)).unwrap(), bytes, "{name}");
    }
    assert!(back.plans());
}

#[test]
fn keys_of_ours_are_left_out_by_name() {
    let (_logs, place) = saved(&Options::default());
    let config = UNet1dConfig {
        value_pooling: Some(ValuePooling::Mean),
        ..UNet1dConfig::value_function(5, &[8, 16, 32])
    };
    UNet1dModel::new(config)
        .unwrap()
        .save_pretrained(place.path().join("value_function"))
        .unwrap();
    let diffusers = Options {
        target: Target::Diffusers,
        ..Options::default()
    };
    let there = hub::convert(place.path(), &diffusers).unwrap();
    assert!(
        !there
            .folder()
            .read_text("value_function/config.json")
            .unwrap()
            .contains("value_pooling")
    );
    assert!(
        there
            .report()
            .left_out
            .iter()
            .any(|line| line.contains("value_pooling"))
    );
    let own = hub::convert(place.path(), &Options::default()).unwrap();
    assert!(
        own.folder()
            .read_text("value_function/config.json")
            .unwrap()
            .contains("value_pooling")
    );
}

#[test]
fn one_network_a_variant_and_a_folder_of_nothing() {
    let (logs, place) = saved(&Options::default());
    let unet = place.path().join("unet");
    let one = hub::convert(&unet, &Options::default()).unwrap();
    assert_eq!(files(&one), ["config.json", "diffusion_pytorch_model.safetensors"]);
    same(&UNet1dModel::from_folder(&one.folder()).unwrap(), &logs.planner);
    assert!(!one.plans());
    let statistics = Statistics::File(place.path().join("normalizer.json"));
    assert!(
        hub::convert(
            &unet,
            &Options {
                statistics,
                ..Options::default()
            }
        )
        .is_err()
    );

    let plain = unet.join("diffusion_pytorch_model.safetensors");
    fs::rename(&plain, unet.join("diffusion_pytorch_model.fp16.safetensors")).unwrap();
    let error = hub::convert(place.path(), &Options::default()).unwrap_err().to_string();
    assert!(error.contains("--variant fp16"), "{error}");
    let variant = |name: &str| Options {
        variant: Some(name.into()),
        ..Options::default()
    };
    let checkpoint = hub::convert(place.path(), &variant("fp16")).unwrap();
    same(
        &UNet1dModel::from_folder(&checkpoint.folder().sub("unet")).unwrap(),
        &logs.planner,
    );
    assert!(hub::convert(place.path(), &variant("nothing")).is_err());

    let empty = tempfile::tempdir().unwrap();
    assert!(matches!(
        hub::convert(empty.path(), &Options::default()),
        Err(Error::Source { .. })
    ));
    assert!(hub::convert(Path::new("/nowhere/at/all"), &Options::default()).is_err());
}

#[test]
fn a_scheduler_that_says_epsilon_is_doubted() {
    let (_logs, place) = saved(&Options::default());
    let path = place.path().join("scheduler/scheduler_config.json");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("\"sample\"", "\"epsilon\"")).unwrap();
    let notes = hub::convert(place.path(), &Options::default())
        .unwrap()
        .report()
        .notes
        .clone();
    assert!(
        notes
            .iter()
            .any(|note| note.contains("epsilon") && note.contains("prediction_type")),
        "{notes:?}"
    );
}

#[test]
fn weights_as_torch_saves_them_hold_the_same_numbers() {
    let (logs, place) = saved(&Options::default());
    for precision in [Precision::F32, Precision::F16, Precision::Bf16] {
        let written = |weights| {
            let options = Options {
                target: Target::Diffusers,
                precision,
                weights,
                ..Options::default()
            };
            hub::convert(place.path(), &options).unwrap()
        };
        let (bin, safetensors) = (written(WeightFormat::Bin), written(WeightFormat::Safetensors));
        let names = files(&bin);
        assert!(
            names.contains(&"value_function/diffusion_pytorch_model.bin")
                && !names.iter().any(|name| name.contains("safetensors")),
            "{names:?}"
        );
        let unet = |checkpoint: &Checkpoint| UNet1dModel::from_folder(&checkpoint.folder().sub("unet")).unwrap();
        same(&unet(&bin), &unet(&safetensors));
        if precision == Precision::F32 {
            same(&unet(&bin), &logs.planner);
        }
        // On disk, in place of the other format, and back.
        let second = tempfile::tempdir().unwrap();
        safetensors.save(second.path(), false).unwrap();
        bin.save(second.path(), true).unwrap();
        let options = Options {
            target: Target::Diffusers,
            precision,
            ..Options::default()
        };
        let back = hub::convert(second.path(), &options).unwrap();
        for ((name, bytes), (other, expected)) in back.files().zip(safetensors.files()) {
            assert_eq!((name, bytes), (other, expected));
        }
    }
}

/// Another scheduler for a checkpoint.
fn scheduled(place: &Path, scheduler: &str) {
    fs::remove_file(place.join("model_index.json")).unwrap();
    fs::write(place.join("scheduler/scheduler_config.json"), scheduler).unwrap();
}

/// Options that nobody asked for need not fit: what is converted is the same, and a note says what to name.
#[test]
fn defaults_that_do_not_fit_are_a_note() {
    let (_logs, place) = saved(&Options::default());
    // All timesteps are visited by default, and the last of them is where this one ends.
    let scheduler = r#"{"_class_name": "DPMSolverMultistepScheduler", "num_train_timesteps": 40, "beta_start": 0.001, "beta_end": 0.1,
        "algorithm_type": "dpmsolver", "solver_type": "heun", "final_sigmas_type": "sigma_min"}"#;
    scheduled(place.path(), scheduler);
    let note = |checkpoint: &Checkpoint| {
        let notes = checkpoint.report().notes.clone();
        notes
            .into_iter()
            .find(|note| note.starts_with("with the defaults no plan can be made"))
    };
    let converted = hub::convert(place.path(), &Options::default()).unwrap();
    let notes = &converted.report().notes;
    assert!(
        note(&converted).is_some_and(|note| note.contains("final_sigmas_type")),
        "{notes:?}"
    );
    assert!(converted.plans());
    // What a file asks for must.
    let asks = r#"{"planning_horizon": 8, "num_inference_steps": 40}"#;
    fs::write(place.path().join("planning_config.json"), asks).unwrap();
    assert!(hub::convert(place.path(), &Options::default()).is_err());
}

/// What was assumed of an old release's file is in the report, and written in the words of today.
#[test]
fn configurations_of_old_releases_are_written_in_todays_words() {
    let (_logs, place) = saved(&Options::default());
    let scheduler = r#"{"_class_name": "DPMSolverMultistepScheduler", "_diffusers_version": "0.21.4", "num_train_timesteps": 20,
        "prediction_type": "sample", "timestep_spacing": "trailing"}"#;
    scheduled(place.path(), scheduler);
    let converted = hub::convert(place.path(), &Options::default()).unwrap();
    let written = converted.folder().read_text("scheduler/scheduler_config.json").unwrap();
    assert!(
        written.contains("\"final_sigmas_type\": \"sigma_min\"") && written.contains("0.42.1"),
        "{written}"
    );
    let notes = &converted.report().notes;
    assert!(
        notes
            .iter()
            .any(|note| note.contains("diffusers 0.21.4") && note.contains("sigma_min")),
        "{notes:?}"
    );
}
