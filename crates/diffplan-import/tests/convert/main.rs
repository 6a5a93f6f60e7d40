//! Runs of the original that are written here, converted, loaded and refused.

#![allow(clippy::unwrap_used)] // a test fails by panicking

mod folders;
mod refusals;
mod runs;

use diffplan_data::NormalizerConfig;
use diffplan_files::Folder;
use diffplan_import::jannerm::{self, NetworkKind};
use diffplan_import::{Checkpoint, Dialect, Options, Precision, Source, SourceKind, Statistics};
use diffplan_models::{UNet1dModel, named_params};
use diffplan_pipelines::{Guidance, ValueGuidedPipeline};
use runs::{Logs, Py, cosine, dataset_config, pickle, state, state_dict, torch_save};
use std::fs;

fn with_dataset(logs: &Logs) -> Options {
    Options {
        statistics: Statistics::Dataset(logs.dataset()),
        ..Options::default()
    }
}

#[track_caller]
fn convert(logs: &Logs, options: &Options) -> Checkpoint {
    Source::of(logs.path()).unwrap().convert(options).unwrap()
}

#[track_caller]
fn same(a: &UNet1dModel, b: &UNet1dModel) {
    assert_eq!(a.config(), b.config());
    for ((name, a), (_, b)) in named_params(a).into_iter().zip(named_params(b)) {
        assert_eq!(a, b, "{name}");
    }
}

#[test]
fn a_logs_folder_becomes_a_checkpoint_of_the_same_numbers() {
    let logs = Logs::new();
    let checkpoint = convert(&logs, &with_dataset(&logs));
    assert!(checkpoint.plans());
    assert_eq!(checkpoint.observation_dim(), Some(3));
    let folder = checkpoint.folder();
    same(&UNet1dModel::from_folder(&folder.sub("unet")).unwrap(), &logs.planner);
    same(
        &UNet1dModel::from_folder(&folder.sub("value_function")).unwrap(),
        &logs.value,
    );
    let pipeline = ValueGuidedPipeline::from_folder(&folder).unwrap();
    let map = pipeline.scheduler().to_map();
    assert_eq!(
        (map["prediction_type"].as_str(), map["clip_sample"].as_bool()),
        (Some("sample"), Some(true))
    );
    assert!(map["trained_betas"].is_null());
    let options = pipeline.options();
    assert_eq!(
        (options.planning_horizon, options.scale, options.t_stopgrad),
        (8, 1e-3, 4)
    );
    assert_eq!((options.guidance, options.n_guide_steps), (Guidance::Diffuser, 2));
    let report = checkpoint.report();
    assert!(
        report
            .left_out
            .iter()
            .any(|line| line.contains("loss_fn.weights [8, 5]"))
    );
    assert!(
        report
            .left_out
            .iter()
            .any(|line| line.contains("3 buffers of the schedule"))
    );
    assert!(
        report
            .read
            .iter()
            .any(|line| line.contains("3 finished episodes, 60 rows")),
        "{:?}",
        report.read
    );
}

#[test]
fn the_half_and_the_step_that_are_asked_for() {
    let logs = Logs::new();
    let later = state(2000, state_dict(&logs.planner, NetworkKind::MainPlanner, &cosine()));
    torch_save(&logs.planner_run().join("state_2000.pt"), &later);
    let planner = logs.planner_run();
    let at = |options: Options| {
        let options = Options {
            statistics: Statistics::Dataset(logs.dataset()),
            ..options
        };
        jannerm::convert(Some(&planner), None, &options).unwrap()
    };
    let plain = at(Options {
        plain_weights: true,
        ..Options::default()
    });
    let unet = UNet1dModel::from_folder(&plain.folder().sub("unet")).unwrap();
    assert!(
        named_params(&unet)
            .iter()
            .all(|(_, values)| values.iter().all(|x| *x == 0.0))
    );
    assert!(at(Options::default()).report().read[0].contains("step 2000"));
    assert!(
        at(Options {
            step: Some(1000),
            ..Options::default()
        })
        .report()
        .read[0]
            .contains("step 1000")
    );
    // A planner alone plans unguided.
    let index = at(Options::default()).folder().read_text("model_index.json").unwrap();
    assert!(
        index.contains("DDPMPipeline") && !index.contains("value_function"),
        "{index}"
    );
}

#[test]
fn a_state_without_its_configuration_says_what_it_needs() {
    let logs = Logs::new();
    let alone = logs.path().join("alone.pt");
    fs::copy(logs.planner_run().join("state_1000.pt"), &alone).unwrap();
    let stats = logs.path().join("stats.json");
    let text = r#"{"observations": {"mean": [0, 0, 0], "std": [1, 2, 3]}, "actions": {"mean": [0, 0], "std": [1, 1]}}"#;
    fs::write(&stats, text).unwrap();
    let mut options = Options {
        statistics: Statistics::File(stats),
        ..Options::default()
    };
    for (flag, set) in [
        (
            "--predict-epsilon",
            (|options| options.predict_epsilon = Some(true)) as fn(&mut Options),
        ),
        ("--clip-denoised", |options| options.clip_denoised = Some(false)),
        ("--action-dim", |options| options.action_dim = Some(2)),
    ] {
        let error = jannerm::convert(Some(&alone), None, &options).unwrap_err().to_string();
        assert!(error.contains(flag) && error.contains("alone.pt"), "{error}");
        set(&mut options);
    }
    let checkpoint = jannerm::convert(Some(&alone), None, &options).unwrap();
    let pipeline = ValueGuidedPipeline::from_folder(&checkpoint.folder()).unwrap();
    assert_eq!(pipeline.scheduler().to_map()["prediction_type"], "epsilon");
    assert_eq!(pipeline.action_dim(), 2);
    // A state dict alone is as good.
    let dict = logs.path().join("dict.bin");
    torch_save(
        &dict,
        &Py::Dict(state_dict(&logs.planner, NetworkKind::MainPlanner, &cosine())),
    );
    let source = Source::of(&dict).unwrap();
    assert_eq!(
        source.kind(),
        &SourceKind::StateDict(Dialect::Jannerm(NetworkKind::MainPlanner))
    );
    source.convert(&options).unwrap();
}

#[test]
fn betas_of_their_own_are_written() {
    let logs = Logs::new();
    let betas: Vec<f64> = (0..10).map(|i| f64::from(0.01 + 0.02 * i as f32)).collect();
    for (run, model, kind) in [
        (logs.planner_run(), &logs.planner, NetworkKind::MainPlanner),
        (logs.value_run(), &logs.value, NetworkKind::MainValue),
    ] {
        torch_save(
            &run.join("state_1000.pt"),
            &state(1000, state_dict(model, kind, &betas)),
        );
    }
    let pipeline = ValueGuidedPipeline::from_folder(&convert(&logs, &with_dataset(&logs)).folder()).unwrap();
    let own: Vec<f64> = pipeline
        .scheduler()
        .schedule()
        .betas()
        .iter()
        .map(|x| f64::from(*x))
        .collect();
    assert_eq!(own, betas);
}

#[test]
fn every_normaliser_of_the_original() {
    let logs = Logs::new();
    for (name, check) in [
        (
            "GaussianNormalizer",
            (|config| matches!(config, NormalizerConfig::Gaussian { .. })) as fn(&NormalizerConfig) -> bool,
        ),
        ("LimitsNormalizer", |config| {
            matches!(config, NormalizerConfig::SafeLimits { .. })
        }),
        ("SafeLimitsNormalizer", |config| {
            matches!(config, NormalizerConfig::SafeLimits { .. })
        }),
        ("CDFNormalizer", |config| matches!(config, NormalizerConfig::Cdf { .. })),
        ("DebugNormalizer", |config| {
            *config
                == NormalizerConfig::Gaussian {
                    mean: vec![0.0; 3],
                    std: vec![1.0; 3],
                }
        }),
    ] {
        for run in [logs.planner_run(), logs.value_run()] {
            pickle(
                &run.join("dataset_config.pkl"),
                &Py::Config("D", dataset_config(name, true)),
            );
        }
        let pipeline = ValueGuidedPipeline::from_folder(&convert(&logs, &with_dataset(&logs)).folder()).unwrap();
        assert!(check(pipeline.normalizers().observations().config()), "{name}");
        // Its target was scaled. From row 38, the last but one before the terminal: 3 + 0.9 (4 - 5).
        let values = pipeline.normalizers().values().unwrap().config();
        assert!(
            matches!(values, NormalizerConfig::Limits { min, .. } if (min[0] - 2.1).abs() < 1e-6),
            "{values:?}"
        );
    }
}

#[test]
fn halves_are_written_rounded_and_loaded() {
    let logs = Logs::new();
    for (precision, error) in [(Precision::F16, 1e-3), (Precision::Bf16, 5e-3)] {
        let options = Options {
            precision,
            ..with_dataset(&logs)
        };
        let folder = convert(&logs, &options).folder();
        let unet = UNet1dModel::from_folder(&folder.sub("unet")).unwrap();
        for ((name, a), (_, b)) in named_params(&unet).into_iter().zip(named_params(&logs.planner)) {
            assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() <= error), "{name}");
        }
    }
}

#[test]
fn what_every_file_is() {
    let logs = Logs::new();
    let run = logs.planner_run();
    let checkpoint = logs.path().join("out");
    convert(&logs, &with_dataset(&logs)).save(&checkpoint, false).unwrap();
    for (path, name) in [
        (logs.path().to_owned(), "jannerm_logs"),
        (run.clone(), "jannerm_run"),
        (run.join("state_1000.pt"), "jannerm_state"),
        (run.join("dataset_config.pkl"), "jannerm_config"),
        (logs.dataset(), "dataset"),
        (checkpoint.clone(), "checkpoint"),
        (checkpoint.join("unet"), "network"),
        (checkpoint.join("scheduler"), "scheduler"),
        (
            checkpoint.join("unet/diffusion_pytorch_model.safetensors"),
            "state_dict",
        ),
        (checkpoint.join("normalizer.json"), "statistics"),
        (checkpoint.join("unet/config.json"), "json"),
    ] {
        let source = Source::of(&path).unwrap();
        assert_eq!(source.name(), name, "{}: {}", path.display(), source.describe());
        assert!(!source.takes().is_empty());
    }
    let odd = logs.path().join("odd");
    fs::write(&odd, b"version https://git-lfs.github.com/spec/v1\n").unwrap();
    assert!(Source::of(&odd).unwrap().describe().contains("git lfs pull"));
    fs::write(&odd, b"words").unwrap();
    assert!(Source::of(&odd).unwrap().convert(&Options::default()).is_err());
    assert!(Source::of(logs.path().join("nowhere")).is_err());
    assert_eq!(Folder::at(&checkpoint).names().unwrap().len(), 6);
}
