//! What is wrong with a run is said by file, tensor, and what to do.

use super::runs::*;
use super::*;
use diffplan_import::Error;

/// The error of converting a planner whose state dict was changed.
fn broken(change: impl FnOnce(&mut Vec<(String, Py)>)) -> String {
    let logs = Logs::new();
    let mut dict = state_dict(&logs.planner, NetworkKind::MainPlanner, &cosine());
    change(&mut dict);
    torch_save(&logs.planner_run().join("state_1000.pt"), &state(1000, dict));
    refused(&logs, &with_dataset(&logs))
}

fn refused(logs: &Logs, options: &Options) -> String {
    Source::of(logs.path())
        .unwrap()
        .convert(options)
        .unwrap_err()
        .to_string()
}

fn tensor<'a>(dict: &'a mut [(String, Py)], name: &str) -> (&'a mut Vec<usize>, &'a mut Vec<f32>) {
    match dict.iter_mut().find(|(own, _)| own == name) {
        Some((_, Py::Tensor(shape, numbers))) => (shape, numbers),
        _ => panic!("no {name}"),
    }
}

#[track_caller]
fn says(error: &str, words: &[&str]) {
    for word in words {
        assert!(error.contains(word), "no {word:?} in: {error}");
    }
}

#[test]
fn tensors_that_are_not_the_networks() {
    says(
        &broken(|dict| dict.retain(|(name, _)| name != "model.mid_block1.time_mlp.1.bias")),
        &["state_1000.pt", "model.mid_block1.time_mlp.1.bias is missing"],
    );
    says(
        &broken(|dict| dict.push(("model.extra.weight".into(), Py::Tensor(vec![1], vec![0.0])))),
        &["model.extra.weight is no parameter of a TemporalUnet"],
    );
    says(
        &broken(|dict| dict.push(("ema_rate".into(), Py::Tensor(vec![1], vec![0.0])))),
        &["neither to the network nor to the schedule", "ema_rate"],
    );
    says(
        &broken(|dict| tensor(dict, "model.final_conv.1.weight").0.swap(0, 1)),
        &["model.final_conv.1.weight has shape [8, 5, 1], expected [5, 8, 1]"],
    );
    says(
        &broken(|dict| tensor(dict, "model.final_conv.1.bias").1[3] = f32::NAN),
        &["model.final_conv.1.bias is NaN at element 3"],
    );
    says(
        &broken(|dict| dict.retain(|(name, _)| !name.starts_with("model."))),
        &["no network of jannerm/diffuser"],
    );
}

#[test]
fn schedules_that_do_not_fit() {
    says(
        &broken(|dict| dict.retain(|(name, _)| name != "betas")),
        &["`betas` is not there"],
    );
    says(
        &broken(|dict| tensor(dict, "alphas_cumprod").1[4] = 0.5),
        &["`alphas_cumprod` is 0.5 at timestep 4", "damaged"],
    );
    says(
        &broken(|dict| tensor(dict, "betas").1[0] = f32::NAN),
        &["state_1000.pt", "betas"],
    );
}

#[test]
fn files_that_contradict_each_other() {
    let logs = Logs::new();
    let options = with_dataset(&logs);
    let planner = logs.planner_run();
    let mut config = diffusion_config();
    config[2].1 = Py::Int(4);
    pickle(
        &planner.join("diffusion_config.pkl"),
        &Py::Config("GaussianDiffusion", config),
    );
    says(
        &refused(&logs, &options),
        &["diffusion_config.pkl", "observation_dim + action_dim", "7", "5"],
    );
    let mut config = diffusion_config();
    config[0].1 = Py::Str("8");
    pickle(
        &planner.join("diffusion_config.pkl"),
        &Py::Config("GaussianDiffusion", config),
    );
    says(
        &refused(&logs, &options),
        &["`horizon` is a string, expected a whole number"],
    );
    pickle(&planner.join("diffusion_config.pkl"), &Py::Int(3));
    says(&refused(&logs, &options), &["holds an integer, expected a Config"]);
    pickle(
        &planner.join("diffusion_config.pkl"),
        &Py::Config("GaussianDiffusion", diffusion_config()),
    );
    let mut both = options.clone();
    both.predict_epsilon = Some(true);
    says(
        &refused(&logs, &both),
        &["`predict_epsilon` is false", "--predict-epsilon"],
    );
    pickle(
        &logs.value_run().join("dataset_config.pkl"),
        &Py::Config("D", dataset_config("LimitsNormalizer", false)),
    );
    says(
        &refused(&logs, &options),
        &["the normaliser is LimitsNormalizer", "GaussianNormalizer"],
    );
}

#[test]
fn what_is_missing_is_asked_for() {
    let logs = Logs::new();
    says(&refused(&logs, &Options::default()), &["--dataset", "--stats"]);
    let error = jannerm::convert(Some(&logs.value_run()), None, &with_dataset(&logs)).unwrap_err();
    says(&error.to_string(), &["is a value function", "--value"]);
    let step = Options {
        step: Some(7),
        ..with_dataset(&logs)
    };
    says(&refused(&logs, &step), &["no state of step 7", "1000"]);
    fs::create_dir(logs.path().join("diffusion/second")).unwrap();
    fs::copy(
        logs.planner_run().join("state_1000.pt"),
        logs.path().join("diffusion/second/state_1.pt"),
    )
    .unwrap();
    says(&refused(&logs, &with_dataset(&logs)), &["2 runs", "--planner"]);
    let mut config = dataset_config("GaussianNormalizer", false);
    config[3].1 = Py::List(vec![Py::Str("arctanh_actions")]);
    fs::remove_dir_all(logs.path().join("diffusion/second")).unwrap();
    pickle(&logs.planner_run().join("dataset_config.pkl"), &Py::Config("D", config));
    says(&refused(&logs, &with_dataset(&logs)), &["arctanh_actions", "--stats"]);
    pickle(
        &logs.planner_run().join("dataset_config.pkl"),
        &Py::Config("D", dataset_config("MyNormalizer", false)),
    );
    says(
        &refused(&logs, &with_dataset(&logs)),
        &["MyNormalizer", "GaussianNormalizer"],
    );
}

#[test]
fn a_value_function_that_cannot_be_evaluated() {
    let logs = Logs::new();
    let mut dict = state_dict(&logs.value, NetworkKind::MainValue, &cosine());
    // 8 features of 2 positions.
    *tensor(&mut dict, "model.final_block.0.weight").0 = vec![8, 24];
    *tensor(&mut dict, "model.final_block.0.weight").1 = vec![0.0; 8 * 24];
    torch_save(&logs.value_run().join("state_1000.pt"), &state(1000, dict));
    says(
        &refused(&logs, &with_dataset(&logs)),
        &["2 positions", "the original cannot evaluate it either"],
    );
}

#[test]
fn numbers_too_large_for_halves() {
    let logs = Logs::new();
    let mut dict = state_dict(&logs.planner, NetworkKind::MainPlanner, &cosine());
    tensor(&mut dict, "model.final_conv.1.bias").1[0] = 1e6;
    torch_save(&logs.planner_run().join("state_1000.pt"), &state(1000, dict));
    let options = Options {
        precision: Precision::F16,
        ..with_dataset(&logs)
    };
    says(&refused(&logs, &options), &["out_block.final_conv1d_2.bias", "bf16"]);
}

#[test]
fn damaged_files_are_errors_and_no_panics() {
    let logs = Logs::new();
    let path = logs.planner_run().join("state_1000.pt");
    let whole = fs::read(&path).unwrap();
    for len in [0, 1, 100, whole.len() / 2, whole.len() - 1] {
        fs::write(&path, &whole[..len]).unwrap();
        says(&refused(&logs, &with_dataset(&logs)), &["state_1000.pt"]);
    }
    fs::write(&path, &whole).unwrap();
    let config = logs.planner_run().join("diffusion_config.pkl");
    let whole = fs::read(&config).unwrap();
    for len in [0, 2, whole.len() / 2] {
        fs::write(&config, &whole[..len]).unwrap();
        says(&refused(&logs, &with_dataset(&logs)), &["diffusion_config.pkl"]);
    }
    assert!(matches!(Source::of("/nowhere/at/all"), Err(Error::File(_))));
}

#[test]
fn mazes_are_cut_where_the_goal_is_left() {
    let logs = Logs::new();
    let mut config = dataset_config("LimitsNormalizer", false);
    config[3].1 = Py::List(vec![Py::Str("maze2d_set_terminals")]);
    config[0].1 = Py::Str("maze2d-spiral-v0");
    let planner = logs.planner_run();
    pickle(&planner.join("dataset_config.pkl"), &Py::Config("D", config));
    let convert = |options: &Options| jannerm::convert(Some(&planner), None, options);
    let error = convert(&with_dataset(&logs)).unwrap_err().to_string();
    says(&error, &["maze2d-spiral-v0", "--maze-goal X,Y"]);
    // Row 0 and every 17th or so are near this place, which the observations circle around.
    let options = Options {
        maze_goal: Some([0.0, 1.9]),
        ..with_dataset(&logs)
    };
    let checkpoint = convert(&options).unwrap();
    let read = &checkpoint.report().read;
    assert!(!read.iter().any(|line| line.contains("60 rows")), "{read:?}");
}
