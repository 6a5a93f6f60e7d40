use super::*;
use diffplan_data::{D4rlFile, Dataset, ReadOptions};
use ndarray::{Array1, Array2};
use ndarray_npy::NpzWriter;

#[track_caller]
fn collect(args: &str, out: &Path) -> Value {
    json(&diffplan(&format!("data collect --json {args} --out"), &[out]).succeeded())
}

#[track_caller]
fn inspect(file: &Path) -> Value {
    json(&diffplan("data inspect --json", &[file]).succeeded())
}

#[test]
fn what_is_collected_is_what_is_inspected_and_read() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("mixed.hdf5");
    let collected = collect(
        "--env Pendulum-v1 --policy mixed --episodes 3 --seed 5 --next-observations",
        &file,
    );
    assert_eq!((&collected["rows"], &collected["episodes"]), (&600.into(), &3.into()));
    let inspected = inspect(&file);
    assert_eq!(inspected["format"], "D4RL HDF5");
    assert_eq!(inspected["env"], "Pendulum-v1");
    assert_eq!(inspected["rows"], 600);
    assert_eq!(inspected["episodes"]["count"], 3);
    assert_eq!(inspected["observations"][2]["name"], "dθ/dt");
    assert_eq!(numbers(&inspected["problems"]), [0.0; 0]);
    // Rewards are written as float32: half a unit in the last place of at most 16.3, 200 times, is below 2e-4.
    for key in ["mean", "min", "max"] {
        let (ours, theirs) = (
            &inspected["episodes"]["returns"][key],
            &collected[format!("{key}_return")],
        );
        let difference = ours.as_f64().unwrap() - theirs.as_f64().unwrap();
        assert!(difference.abs() < 2e-4, "{key}: {ours} and {theirs}");
    }

    let dataset = Dataset::read(&file, &ReadOptions::default()).unwrap();
    assert_eq!(
        (dataset.observations().dim(), dataset.actions().dim()),
        ((600, 3), (600, 1))
    );
    let ends: Vec<usize> = dataset.episodes().iter().map(|episode| episode.end).collect();
    assert_eq!(ends, [200, 400, 600]);
    assert!(dataset.actions().iter().all(|a| (-2.0..=2.0).contains(a)));

    let text = diffplan("data inspect", &[&file]).succeeded();
    for words in ["Pendulum-v1", "rows", "best tenth from", "torque", "policy mixed"] {
        assert!(text.contains(words), "no {words:?} in\n{text}");
    }
}

#[test]
fn same_seed_same_bytes() {
    let folder = TempDir::new().unwrap();
    let [a, b] = ["a.hdf5", "b.hdf5"].map(|name| folder.path().join(name));
    for policy in [
        "random",
        "zero --noise 0.3",
        "ou",
        "swing-up --skill 0.7 --noise 0.2",
        "mixed",
        "bang-bang --noise 0.5",
        "planner --batch-size 1 --num-inference-steps 1 --noise 0.1",
    ] {
        let env = match policy.split(' ').next() {
            Some("bang-bang") => "MountainCarContinuous-v0",
            _ => "Pendulum-v1",
        };
        let checkpoint = match policy.starts_with("planner") {
            true => format!("--checkpoint {}", checkpoint().display()),
            false => String::new(),
        };
        let args = |seed: u64| format!("--env {env} --policy {policy} --episodes 1 {checkpoint} --seed {seed}");
        collect(&args(7), &a);
        collect(&args(7), &b);
        assert!(fs::read(&a).unwrap() == fs::read(&b).unwrap(), "{policy}");
        collect(&args(8), &b);
        assert!(fs::read(&a).unwrap() != fs::read(&b).unwrap(), "{policy}");
    }
}

#[test]
fn an_npz_file_is_inspected() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("steps.npz");
    let write = |nan: bool| {
        let mut npz = NpzWriter::new(fs::File::create(&file).unwrap());
        let mut observations = Array2::<f32>::from_shape_fn((6, 2), |(row, column)| (row * (1 - column)) as f32);
        if nan {
            observations[[4, 1]] = f32::NAN;
        }
        npz.add_array("observations", &observations).unwrap();
        npz.add_array("actions", &Array2::<f32>::ones((6, 1))).unwrap();
        npz.add_array("rewards", &Array1::from_iter((0..6).map(f64::from)))
            .unwrap();
        let ends = [false, false, true, false, true, false];
        npz.add_array("terminals", &Array1::from_iter(ends)).unwrap();
        npz.add_array("timeouts", &Array1::from_iter(ends)).unwrap();
        npz.finish().unwrap();
    };
    write(false);
    let inspected = inspect(&file);
    assert_eq!(
        (&inspected["format"], &inspected["left_out"]),
        (&"npz".into(), &1.into())
    );
    assert_eq!(inspected["episodes"]["returns"]["mean"], 5.0);
    let odd = inspected["odd"].to_string();
    for words in [
        "1 rows after the last episode's end",
        "both set in 2 rows",
        "observations that never change: observation 1 = 0",
        "actions that never change: action = 1",
    ] {
        assert!(odd.contains(words), "no {words:?} in {odd}");
    }

    // Reported, and the rest with it.
    write(true);
    let outcome = diffplan("data inspect", &[&file]);
    assert!(
        outcome
            .stdout
            .contains("1 NaN and 0 infinite values in 1 rows, the first in row 4, column 1")
    );
    assert!(outcome.stdout.contains("best tenth"));
    outcome.failed_with(&["steps.npz", "1 problem is in the way"]);
}

#[test]
fn broken_files_end_in_one_line() {
    let folder = TempDir::new().unwrap();
    let good = folder.path().join("good.hdf5");
    collect("--env Pendulum-v1 --policy random --episodes 1", &good);
    let bytes = fs::read(&good).unwrap();
    let broken = folder.path().join("broken.hdf5");
    for length in [0, 7, 100, bytes.len() / 2] {
        fs::write(&broken, &bytes[..length]).unwrap();
        one_line(diffplan("data inspect", &[&broken]), &["broken.hdf5"]);
    }
    let text = folder.path().join("notes.txt");
    fs::write(&text, "no dataset").unwrap();
    one_line(
        diffplan("data inspect", &[&text]),
        &["notes.txt", "expected a dataset in HDF5"],
    );
    one_line(
        diffplan("data inspect", &[&folder.path().join("gone")]),
        &["gone", "No such file"],
    );
}

#[test]
fn flags_that_mean_nothing_are_refused() {
    let folder = TempDir::new().unwrap();
    let out = folder.path().join("x.hdf5");
    for (args, words) in [
        ("--policy random --skill 0.5", &["--skill", "random", "swing-up"][..]),
        ("--policy mixed --noise 0.5", &["--noise", "mixed"]),
        ("--policy zero --checkpoint nowhere", &["--checkpoint", "planner"]),
        ("--policy zero --batch-size 2", &["--batch-size", "zero", "planner"]),
        (
            "--policy planner --env MountainCarContinuous-v0",
            &["observations have 2 dimensions, its actions 1, the checkpoint's statistics of observations 3"],
        ),
        (
            "--policy planner --checkpoint nowhere",
            &["cannot read checkpoint nowhere"],
        ),
        (
            "--policy swing-up --env MountainCarContinuous-v0",
            &["swing-up", "Pendulum-v1"],
        ),
        ("--env Pendulum-v7", &["Pendulum-v7", "did you mean"]),
    ] {
        one_line(diffplan(&format!("data collect {args} --out"), &[&out]), words);
        assert!(!out.exists(), "{args}");
    }
    one_line(
        diffplan("data collect --out", &[folder.path()]),
        &["cannot write", "directory"],
    );
}

#[track_caller]
fn one_line(outcome: Outcome, words: &[&str]) {
    assert_eq!(outcome.stderr.lines().count(), 1, "{}", outcome.stderr);
    outcome.failed_with(words);
}

/// Exit status and report, whatever is wrong.
fn report_of(path: &Path, more: &str) -> (Option<i32>, Value) {
    let outcome = diffplan(&format!("data inspect --json {more}"), &[path]);
    (outcome.status, json(&outcome.stdout))
}

#[track_caller]
fn strings(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|v| v.as_str().unwrap()).collect()
}

#[test]
fn an_episode_depends_on_its_own_seed_alone() {
    let folder = TempDir::new().unwrap();
    let [three, last] = ["three.hdf5", "last.hdf5"].map(|name| folder.path().join(name));
    collect("--policy mixed --episodes 3 --seed 7", &three);
    collect("--policy mixed --episodes 1 --seed 9", &last);
    let actions = |path: &Path| {
        Dataset::read(path, &ReadOptions::default())
            .unwrap()
            .actions()
            .to_owned()
    };
    assert_eq!(actions(&three).slice(ndarray::s![400.., ..]), actions(&last));
}

/// Six episodes of four rows, each from 0 to 3 in the one observation.
struct Sample {
    observations: Array2<f32>,
    actions: Array2<f32>,
    rewards: Array1<f32>,
    terminals: Vec<bool>,
    timeouts: Vec<bool>,
    env: &'static str,
}

const ROWS: usize = 24;

impl Sample {
    fn new() -> Self {
        Self {
            observations: Array2::from_shape_fn((ROWS, 2), |(row, column)| (row % 4 + column) as f32),
            actions: Array2::from_shape_fn((ROWS, 1), |(row, _)| (row as f32).sin()),
            rewards: Array1::from_iter((0..ROWS).map(|row| row as f32)),
            terminals: vec![false; ROWS],
            timeouts: (0..ROWS).map(|row| row % 4 == 3).collect(),
            env: "MountainCarContinuous-v0",
        }
    }

    fn inspect(&self, more: &str) -> (Option<i32>, Value) {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("data.hdf5");
        self.write(&path);
        report_of(&path, more)
    }

    fn write(&self, path: &Path) {
        let file = D4rlFile {
            observations: self.observations.view(),
            actions: self.actions.view(),
            rewards: self.rewards.view(),
            terminals: &self.terminals,
            timeouts: &self.timeouts,
            next_observations: None,
            metadata: &[("env_id", self.env)],
        };
        file.write(path).unwrap();
    }
}

/// What is odd about a sample that was changed, and nothing else.
#[test]
fn what_is_odd_is_said() {
    let change = |change: fn(&mut Sample)| {
        let mut sample = Sample::new();
        change(&mut sample);
        let (status, report) = sample.inspect("");
        assert_eq!(status, Some(0), "{report}");
        report["odd"]
            .as_array()
            .unwrap()
            .iter()
            .map(|v| v.as_str().unwrap().to_owned())
            // The sample's numbers are no car's, which is said of it every time.
            .filter(|line| !line.contains("observation space of MountainCarContinuous-v0"))
            .collect::<Vec<_>>()
    };
    assert_eq!(change(|_| ()), Vec::<String>::new());
    for (name, odd, words) in [
        (
            "left out",
            change(|s| s.timeouts[ROWS - 1] = false),
            "4 rows after the last episode's end",
        ),
        ("both", change(|s| s.terminals[3] = true), "both set in 1 rows"),
        (
            "constant",
            change(|s| s.observations.column_mut(1).fill(2.5)),
            "observations that never change: velocity = 2.5",
        ),
        ("rewards", change(|s| s.rewards.fill(0.0)), "every reward is 0"),
        (
            "actions",
            change(|s| s.actions[[5, 0]] = -1.5),
            "1 actions lie outside the action space of MountainCarContinuous-v0, by up to 0.5",
        ),
        (
            "joined",
            change(|s| s.observations = Array2::from_shape_fn((ROWS, 2), |(row, c)| (row + c) as f32)),
            "do not jump",
        ),
    ] {
        assert!(odd.len() == 1 && odd[0].contains(words), "{name}: {odd:?}");
    }
}

#[test]
fn all_that_is_no_number_is_counted() {
    let mut sample = Sample::new();
    sample.observations[[7, 1]] = f32::NAN;
    sample.observations[[9, 0]] = f32::NAN;
    sample.observations[[9, 1]] = f32::INFINITY;
    sample.rewards[2] = f32::NEG_INFINITY;
    let (status, report) = sample.inspect("");
    assert_eq!(status, Some(2));
    assert_eq!(
        strings(&report["problems"]),
        [
            "observations: 2 NaN and 1 infinite values in 2 rows, the first in row 7, column 1",
            "rewards: 0 NaN and 1 infinite values in 1 rows, the first in row 2, column 0"
        ]
    );
    assert_eq!(report["non_finite"][0]["nan"], 2);
    // Statistics leave them out.
    assert_eq!(report["observations"][0]["max"], 3.0);
    assert_eq!(report["episodes"]["count"], 6);
    assert_eq!(report["episodes"]["returns"]["mean"], Value::Null);
}

#[test]
fn episodes_may_need_a_limit() {
    let mut sample = Sample::new();
    sample.timeouts = vec![false; ROWS];
    let (status, report) = sample.inspect("");
    assert_eq!((status, &report["episodes"]), (Some(2), &Value::Null));
    assert!(strings(&report["problems"])[0].starts_with("no episode ends within 24 rows"));
    assert_eq!(report["observations"][0]["max"], 3.0);

    // Without timeouts, as old files are: the archive that `rollout --out` saves, less that key.
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("old.npz");
    let mut npz = ndarray_npy::NpzWriter::new(fs::File::create(&path).unwrap());
    npz.add_array("observations", &sample.observations).unwrap();
    npz.add_array("actions", &sample.actions).unwrap();
    npz.add_array("rewards", &sample.rewards).unwrap();
    npz.add_array("terminals", &Array1::from_iter((0..ROWS).map(|row| row == 2)))
        .unwrap();
    npz.finish().unwrap();
    let (status, report) = report_of(&path, "");
    assert_eq!((status, &report["episodes"]["count"]), (Some(0), &1.into()));
    assert!(
        strings(&report["odd"])
            .iter()
            .any(|line| line.contains("--max-episode-steps")),
        "{report}"
    );
    let (status, report) = report_of(&path, "--max-episode-steps 5");
    assert_eq!((status, &report["episodes"]["count"]), (Some(0), &5.into()));
    assert_eq!(report["left_out"], 1);
    assert_eq!(report["format"], "npz");
}

/// What `rollout --out` saves is a dataset too.
#[test]
fn a_rollouts_trajectories_are_inspected() {
    let folder = TempDir::new().unwrap();
    let checkpoint = checkpoint();
    let args = [&checkpoint, Path::new("--out"), folder.path()];
    diffplan("rollout --batch-size 1 --num-inference-steps 1 --checkpoint", &args).succeeded();
    let (status, report) = report_of(&folder.path().join("trajectories.npz"), "");
    assert_eq!((status, &report["rows"]), (Some(0), &200.into()));
}

/// Files of other projects, by their layouts and by what is told of them.
#[test]
fn other_layouts_are_inspected() {
    let datasets = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/datasets");
    for (name, args, format, observations, episodes) in [
        ("minari-dict", "", "Minari", 8, 2),
        ("ogbench.npz", "--rewards goal=0,0;tolerance=1", "OGBench npz", 3, 3),
        ("robomimic.hdf5", "--keys mask=train", "robomimic HDF5", 5, 2),
        ("act", "--rewards zeros", "ACT HDF5", 4, 3),
        ("imitation.npz", "", "imitation npz", 3, 3),
        (
            "told.hdf5",
            "--keys episodes=runs/run_*/,observations=sensors/joints+sensors/gripper,actions=acts,rewards=rew",
            "by keys",
            4,
            2,
        ),
        #[cfg(feature = "parquet")]
        ("lerobot-v3", "", "LeRobot", 3, 3),
    ] {
        let (status, report) = report_of(&datasets.join(name), args);
        assert_eq!(status, Some(0), "{name}: {report}");
        assert_eq!(report["format"], format, "{name}");
        assert_eq!(report["episodes"]["count"], episodes, "{name}");
        assert_eq!(
            report["observations"].as_array().map(Vec::len),
            Some(observations),
            "{name}"
        );
    }
    let (_, report) = report_of(&datasets.join("ogbench.npz"), "");
    let odd = strings(&report["odd"]);
    assert!(odd[0].starts_with("there are no rewards, and all are 0"), "{odd:?}");
}

/// As D4RL collected: nothing is reset between goals, and where it is cut changes nothing else.
#[test]
fn a_run_through_a_maze_goes_from_goal_to_goal() {
    let folder = TempDir::new().unwrap();
    let [goal, never] = ["goal.hdf5", "never.hdf5"].map(|name| folder.path().join(name));
    let run = "--env maze2d-umaze-v1 --policy waypoint --seed 3 --steps 3000";
    let collected = collect(run, &goal);
    assert_eq!(
        (&collected["rows"], &collected["terminated"]),
        (&3000.into(), &0.into())
    );
    assert_eq!(collect(&format!("{run} --cut never"), &never)["episodes"], 1);
    assert_eq!(numbers(&inspect(&goal)["problems"]), [0.0; 0]);

    let [goal, never] = [goal, never].map(|file| Dataset::read(&file, &ReadOptions::default()).unwrap());
    assert_eq!(goal.observations(), never.observations());
    let episodes = goal.episodes();
    assert_eq!(collected["episodes"], episodes.len());
    // A goal takes from a few steps to some two hundred.
    assert!((12..250).contains(&episodes.len()), "{}", episodes.len());
    assert!(episodes.iter().all(|episode| episode.end - episode.start <= 300));
    let steps = never.observations();
    for row in 1..3000 {
        let moved = (steps[[row, 0]] - steps[[row - 1, 0]]).hypot(steps[[row, 1]] - steps[[row - 1, 1]]);
        assert!(moved < 0.08, "row {row} is {moved} away from the one before");
    }

    let out = folder.path().join("x.hdf5");
    for (args, words) in [
        ("--env Pendulum-v1 --steps 100", &["Pendulum-v1", "--steps", "maze"][..]),
        ("--env Pendulum-v1 --policy waypoint", &["waypoint", "Pendulum-v1"]),
    ] {
        one_line(diffplan(&format!("data collect {args} --out"), &[&out]), words);
    }
}
