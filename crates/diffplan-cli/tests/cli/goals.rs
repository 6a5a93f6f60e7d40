//! Plans to goals, and what is done of plans one after another.

use super::evaluate::{QUICK, evaluate, out};
use super::*;
use diffplan_data::{NormalizerConfig, Normalizers};
use diffplan_models::{Params, UNet1dConfig, UNet1dModel};
use diffplan_schedulers::{DdpmConfig, DdpmScheduler, Scheduler};
use ndarray_rand::rand::{SeedableRng, rngs::StdRng};

/// A checkpoint for a maze, trained with goals as far as it says, of a network that has learned nothing.
fn maze() -> TempDir {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    let mut network = UNet1dModel::new(UNet1dConfig::planner(6, &[8, 8])).unwrap();
    Params::init(&mut network, &mut StdRng::seed_from_u64(0));
    network.save_pretrained(path.join("unet")).unwrap();
    let config = DdpmConfig {
        num_train_timesteps: 3,
        ..DdpmConfig::default()
    };
    let scheduler = DdpmScheduler::new(config).unwrap();
    (&scheduler as &dyn Scheduler)
        .save_pretrained(path.join("scheduler"))
        .unwrap();
    let limits = |size: usize| NormalizerConfig::Limits {
        min: vec![-4.0; size],
        max: vec![4.0; size],
    };
    let normalizers = Normalizers::new(limits(4), limits(2), None).unwrap();
    normalizers.save(path.join("normalizer.json")).unwrap();
    let config = r#"{"env": "maze2d-umaze-v1", "conditions": "goal", "planning_horizon": 8, "batch_size": 1}"#;
    fs::write(path.join("planning_config.json"), config).unwrap();
    folder
}

/// Without warnings of a checkpoint that is good for nothing else.
fn quietly(args: &str, more: &[&Path]) -> String {
    let outcome = diffplan(args, more);
    assert_eq!(outcome.status, Some(0), "{}", outcome.stderr);
    outcome.stdout
}

#[test]
fn a_plan_is_led_to_its_goal_by_its_waypoints() {
    let maze = maze();
    let stdout = quietly(
        "plan --obs 1,1,0,0 --goal y=3,x=2 --waypoint 4:x=1.5,dx/dt=-1 --json --checkpoint",
        &[maze.path()],
    );
    let object = json(&stdout);
    let row = |step: usize| numbers(&object["best_trajectory"][step]);
    for (step, dims, expected) in [
        (7, [2, 3, 4, 5], [2.0, 3.0, 0.0, 0.0]),
        (4, [2, 4, 2, 4], [1.5, -1.0, 1.5, -1.0]),
    ] {
        for (dim, expected) in dims.into_iter().zip(expected) {
            assert!(
                (row(step)[dim] - expected).abs() < 1e-5,
                "{step}, {dim}: {}",
                row(step)[dim]
            );
        }
    }
    assert_eq!(object["config"]["aim"]["goal"], "y=3,x=2");
    for (args, words) in [
        ("", &["goal = none", "trained with goals", "--goal x="][..]),
        ("--goal 1,2,3,4,5", &["goal", "at most 4 numbers"]),
        ("--goal z=1", &["\"z\"", "dx/dt"]),
        ("--goal x=2,y=2", &["goal", "not in a wall"]),
        ("--goal 30,2", &["goal", "30,2", "not in a wall"]),
        ("--goal 1,2 --waypoint 4:x=2,y=2", &["waypoint", "not in a wall"]),
        ("--goal 1,2 --goal-time 9", &["goal_time = 9", "1 to 7"]),
        ("--goal 1,2 --waypoint 8:x=1", &["waypoint = 8", "1 to 7"]),
        ("--goal 1,2 --waypoint 7:x=1", &["waypoint = 7", "a step before 7"]),
    ] {
        let command = format!("plan --obs 1,1,0,0 {args} --checkpoint");
        diffplan(&command, &[maze.path()]).refused_after_warnings(words);
    }
    let in_a_wall = diffplan("plan --obs 2,2,0,0 --goal 1,2 --checkpoint", &[maze.path()]);
    assert!(
        in_a_wall.stderr.contains("warning: the observation is in a wall"),
        "{}",
        in_a_wall.stderr
    );
    diffplan("rollout --waypoint 500:x=1 --checkpoint", &[maze.path()])
        .refused_after_warnings(&["waypoint = 500", "1 to 300"]);
    let learned_none = ["not trained with goals", "--conditions goal"];
    diffplan("plan --obs 1,0,0 --goal 1 --checkpoint", &[&checkpoint()]).failed_with(&learned_none);
    diffplan("rollout --goal 1 --checkpoint", &[&checkpoint()]).failed_with(&learned_none);
    evaluate("--goal 1", &[]).failed_with(&learned_none);
}

#[test]
fn both_ways_of_following_are_evaluated_and_gone_on_with() {
    let (maze, place) = (maze(), TempDir::new().unwrap());
    let folder = place.path().join("eval");
    let played =
        "evaluate --episodes 3 --seed 7 --env-kwargs max_episode_steps=6 --n-action-steps 4 --json --checkpoint";
    let first = json(&quietly(played, &[maze.path(), Path::new("--out"), &folder]));
    for way in ["states", "actions"] {
        let report = &first[way];
        assert_eq!(report["config"]["follow"], way);
        assert_eq!((&report["plans"], &report["lengths"][2]), (&6.into(), &6.into()));
        assert_eq!(report["success"]["of"], 3);
        // D4RL's references are of whole episodes.
        assert_eq!(report["normalized_score"], Value::Null);
        let csv = fs::read_to_string(folder.join(way).join("episodes.csv")).unwrap();
        assert!(csv.lines().next().unwrap().contains(",success,"), "{csv}");
    }
    // What was not begun when the first was interrupted is begun as that was.
    fs::remove_dir_all(folder.join("actions")).unwrap();
    let again = json(&quietly("evaluate --resume --json", &out(&folder)));
    for way in ["states", "actions"] {
        assert_eq!(again[way]["returns"], first[way]["returns"]);
        assert_eq!(
            again[way]["config"]["checkpoint_hash"],
            first[way]["config"]["checkpoint_hash"]
        );
    }
    let text = quietly("evaluate --resume", &out(&folder));
    for words in [
        "states, by a controller",
        "actions, as diffused",
        "states less actions",
        "(Wilson)",
        "D4RL score",
    ] {
        assert!(text.contains(words), "no {words:?} in\n{text}");
    }
    let one = json(&quietly(
        &format!("{played} --follow actions").replace("--checkpoint --follow actions", "--follow actions --checkpoint"),
        &[maze.path()],
    ));
    assert_eq!(one["returns"], first["actions"]["returns"]);
}

#[test]
fn the_environment_is_reset_to_the_goal() {
    let maze = maze();
    let command = |goal: &str| {
        format!(
            "rollout --follow states --n-action-steps 8 --env-kwargs max_episode_steps=4 {goal} --json --checkpoint"
        )
    };
    let returns = |goal: &str| json(&quietly(&command(goal), &[maze.path()]))["returns"].clone();
    // The ball starts in one of the seven cells: a goal there is reached at once, the others not in four steps.
    let cells = ["1,1", "1,2", "1,3", "2,3", "3,3", "3,2", "3,1"];
    let rewarded = cells.map(|cell| numbers(&returns(&format!("--goal {cell}")))[0] > 0.0);
    assert!(rewarded.contains(&true) && rewarded.contains(&false), "{rewarded:?}");
    diffplan(&command("--goal 0,0"), &[maze.path()]).refused_after_warnings(&["goal", "wall"]);
    diffplan(&command("--goal x=1"), &[maze.path()]).refused_after_warnings(&["numbers for x and y"]);
    diffplan("rollout --policy random --goal 1", &[]).failed_with(&["no goals"]);
    diffplan("rollout --policy random --waypoint 1:0=1", &[]).failed_with(&["--waypoint", "random"]);
}

#[test]
fn a_plan_is_followed_for_several_steps() {
    let rolled = json(&evaluate_rollout(
        "--n-action-steps 2 --warm-start 0.5 --prefix linear --observation-delay 1",
    ));
    let report = json(
        &evaluate(
            &format!(
                "{QUICK} --episodes 2 --json --n-action-steps 2 --warm-start 0.5 --prefix linear --observation-delay 1"
            ),
            &[],
        )
        .succeeded(),
    );
    assert_eq!(
        (&report["plans"], &report["lengths"]),
        (&200.into(), &rolled["lengths"])
    );
    assert_eq!(report["plan_ms"]["calls"], 100);
    assert_eq!(report["returns"], rolled["returns"]);
    assert_eq!(
        (&report["success"], &report["config"]["prefix"]),
        (&Value::Null, &"linear".into())
    );
    evaluate(&format!("{QUICK} --episodes 1 --follow-dims 0:2"), &[]).warned(&["--follow-dims", "actions"]);
    let words = ["follow_dims", "cos θ"];
    evaluate(&format!("{QUICK} --follow states"), &[]).failed_with(&words);
    evaluate(&format!("{QUICK} --observation-delay 40"), &[]).failed_with(&["observation_delay = 40", "32"]);
}

fn evaluate_rollout(args: &str) -> String {
    diffplan(
        &format!("rollout {QUICK} --episodes 2 --json {args} --checkpoint"),
        &[&checkpoint()],
    )
    .succeeded()
}

/// As version 0.1.0 left it: without the options of today, and without a column for success.
#[test]
fn an_evaluation_of_an_earlier_version_is_gone_on_with() {
    let place = TempDir::new().unwrap();
    let folder = place.path().join("eval");
    let whole = json(&evaluate(&format!("{QUICK} --episodes 3 --json"), &[]).succeeded());
    evaluate(&format!("{QUICK} --episodes 2"), &out(&folder)).succeeded();
    let (csv, settings) = (folder.join("episodes.csv"), folder.join("evaluation.json"));
    let text = fs::read_to_string(&csv).unwrap();
    let old = text.replace(",success,", ",").replace(",,\n", ",\n");
    assert_ne!(old, text);
    fs::write(&csv, old).unwrap();
    let mut object: Value = serde_json::from_str(&fs::read_to_string(&settings).unwrap()).unwrap();
    let config = object["config"].as_object_mut().unwrap();
    for key in [
        "n_action_steps",
        "warm_start",
        "prefix",
        "prefix_steps",
        "observation_delay",
        "follow",
        "follow_dims",
    ] {
        assert!(config.remove(key).is_some(), "no {key}");
    }
    object.as_object_mut().unwrap().remove("success");
    fs::write(&settings, object.to_string()).unwrap();
    let again = json(&evaluate("--resume --episodes 3 --json", &out(&folder)).succeeded());
    assert_eq!(again["returns"], whole["returns"]);
    evaluate("--resume --episodes 4 --n-action-steps 2", &out(&folder))
        .failed_with(&["n_action_steps = 2", "started with 1"]);
}
