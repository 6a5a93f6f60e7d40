//! What an environment is made with, from a dataset to the episodes that its planner plays.

use super::*;

const FEW: &str = "--batch-size 1 --num-inference-steps 1 --json";

fn collect(args: &str, out: &Path) -> Value {
    json(&diffplan(&format!("data collect --json {args} --out"), &[out]).succeeded())
}

/// Collected on the moon, in episodes of fifty steps; trained on; played there.
#[test]
fn arguments_travel_from_data_to_play() {
    let folder = TempDir::new().unwrap();
    let (data, run) = (folder.path().join("moon.hdf5"), folder.path().join("run"));
    let moon = "--env-kwargs g=1.62 --env-kwargs max_episode_steps=50";
    let collected = collect(&format!("--env Pendulum-v1 {moon} --policy random --episodes 4"), &data);
    assert_eq!(
        (&collected["rows"], &collected["env_kwargs"]["g"]),
        (&200.into(), &1.62.into())
    );
    let inspected = json(&diffplan("data inspect --json", &[&data]).succeeded());
    assert_eq!(inspected["env"], "Pendulum-v1");
    assert_eq!(
        (&inspected["env_kwargs"]["g"], &inspected["max_episode_steps"]),
        (&1.62.into(), &50.into())
    );
    let text = diffplan("data inspect", &[&data]).succeeded();
    assert!(text.contains("Pendulum-v1 (g = 1.62, 50 steps)"), "{text}");

    let train = "train planner --channels 8,32 --horizon 8 --batch-size 4 --steps 2 --sample-every 0 --dataset";
    diffplan(train, &[&data, Path::new("--out"), &run]).succeeded();
    let config = fs::read_to_string(run.join("planning_config.json")).unwrap();
    let config: Value = serde_json::from_str(&config).unwrap();
    assert_eq!(
        (&config["env"], &config["env_kwargs"]["g"]),
        (&"Pendulum-v1".into(), &1.62.into())
    );
    assert_eq!(config["max_episode_steps"], 50);
    // The same again, from the run's own settings; with others, from a flag.
    let toml = fs::read_to_string(run.join("training.toml")).unwrap();
    assert!(
        toml.contains("env_kwargs = [\"g=1.62\", \"max_episode_steps=50\"]"),
        "{toml}"
    );
    diffplan("train planner --resume --steps 4 --env-kwargs g=3 --out", &[&run]).succeeded();

    let play = |args: &str| {
        let outcome = diffplan(&format!("rollout {FEW} {args} --checkpoint"), &[&run]);
        assert_eq!(outcome.status, Some(0), "{}", outcome.stderr);
        json(&outcome.stdout)
    };
    let played = play("");
    assert_eq!(
        (&played["lengths"][0], &played["config"]["env_kwargs"]["g"]),
        (&50.into(), &1.62.into())
    );
    assert_eq!(play("--env Pendulum-v1")["returns"], played["returns"]);
    let on_earth = play("--env-kwargs g=null --env-kwargs max_episode_steps=null");
    assert_eq!(on_earth["lengths"][0], 200);
    assert_eq!(on_earth["config"]["env_kwargs"], Value::Null);
    assert_ne!(play("--env-kwargs g=10")["returns"], played["returns"]);
}

#[test]
fn every_command_takes_arguments_and_says_which_it_knows() {
    let folder = TempDir::new().unwrap();
    let (checkpoint, gif) = (checkpoint(), folder.path().join("p.gif"));
    let out = folder.path().join("eval");
    for command in [
        "rollout --policy zero --env Pendulum-v1",
        "evaluate --policy zero --env Pendulum-v1 --episodes 1",
    ] {
        for (argument, words) in [
            ("gravity=1", &["Pendulum-v1", "\"gravity\"", "\"g\""][..]),
            ("g=moon", &["Pendulum-v1", "\"g\"", "expected a number"]),
            ("g=[1,[]]", &["g = [1,[]]"]),
            ("max_episode_steps=0", &["max_episode_steps"]),
        ] {
            diffplan(&format!("{command} --env-kwargs {argument}"), &[]).failed_with(words);
        }
    }
    diffplan(
        "data collect --env-kwargs gravity=1 --out",
        &[&folder.path().join("x.hdf5")],
    )
    .failed_with(&["Pendulum-v1", "gravity"]);
    diffplan(
        "plan --obs 1,0,0 --batch-size 1 --num-inference-steps 1 --env-kwargs gravity=1 --checkpoint",
        &[&checkpoint, Path::new("--render"), &gif],
    )
    .failed_with(&["Pendulum-v1", "gravity"]);

    let evaluate = |args: &str| diffplan(&format!("evaluate --json {args} --out"), &[&out]);
    let begun = "--policy random --env Pendulum-v1 --episodes 2 --env-kwargs g=1.62 --env-kwargs max_episode_steps=20";
    let report = json(&evaluate(begun).succeeded());
    assert_eq!(
        (&report["config"]["env_kwargs"]["g"], &report["lengths"]),
        (&1.62.into(), &serde_json::json!([20, 20]))
    );
    let report = json(&evaluate("--resume --episodes 3").succeeded());
    assert_eq!(report["lengths"], serde_json::json!([20, 20, 20]));
    evaluate("--resume --episodes 4 --env-kwargs g=2").failed_with(&["env_kwargs", "g = 2", "g = 1.62"]);
}

#[test]
fn an_environment_that_is_typed_is_checked_before_the_first_step() {
    let folder = TempDir::new().unwrap();
    let (data, run) = (folder.path().join("data.hdf5"), folder.path().join("run"));
    collect("--env Pendulum-v1 --policy random --episodes 2", &data);
    let train = |args: &str| {
        let args = format!("train planner --channels 8,32 --horizon 8 --steps 2 --sample-every 0 {args} --dataset");
        diffplan(&args, &[&data, Path::new("--out"), &run])
    };
    train("--env Pendulum-v9").failed_with(&["Pendulum-v9", "did you mean"]);
    train("--env MountainCarContinuous-v0").failed_with(&[
        "--env MountainCarContinuous-v0",
        "observations have 3 dimensions",
        "MountainCarContinuous-v0 have 2",
    ]);
    train("--env Pendulum-v1 --env-kwargs gravity=1").failed_with(&["Pendulum-v1", "gravity"]);
    assert!(!run.exists());
    train("--env Pendulum-v1").succeeded();
}

/// Data of an environment that is known, made with an argument that is not.
#[test]
fn arguments_that_are_not_known_here_are_said() {
    let folder = TempDir::new().unwrap();
    let (data, run) = (folder.path().join("data.hdf5"), folder.path().join("run"));
    collect(
        "--env Pendulum-v1 --env-kwargs g=1.62 --policy random --episodes 2",
        &data,
    );
    let mut bytes = fs::read(&data).unwrap();
    let at = bytes.windows(8).position(|part| part == b"{\"g\":1.6").unwrap();
    bytes[at + 2] = b'h';
    fs::write(&data, bytes).unwrap();
    let words = [
        "Pendulum-v1 (h = 1.62)",
        "unknown option \"h\"",
        "--env-kwargs NAME=null",
    ];
    let odd = json(&diffplan("data inspect --json", &[&data]).succeeded())["odd"].to_string();
    assert!(odd.contains("h = 1.62"), "{odd}");
    let args = "train planner --channels 8,32 --horizon 8 --steps 2 --sample-every 0 --dataset";
    diffplan(args, &[&data, Path::new("--out"), &run]).warned(&words);
    diffplan(&format!("rollout {FEW} --checkpoint"), &[&run]).failed_with(&["Pendulum-v1", "unknown option \"h\""]);
    let played = diffplan(&format!("rollout {FEW} --env-kwargs h=null --checkpoint"), &[&run]);
    assert_eq!(played.status, Some(0), "{}", played.stderr);
}
