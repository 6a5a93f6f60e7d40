use super::*;
use diffplan_data::{D4rlFile, Dataset, ReadOptions};
use ndarray::{Array1, Array2};

/// Collects into a file of its own folder.
fn collect(args: &str) -> (TempDir, PathBuf, Value) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("data.hdf5");
    let stdout = diffplan(&format!("data collect --json {args} --out"), &[&path]).succeeded();
    (folder, path, json(&stdout))
}

fn inspect(path: &Path, more: &str) -> (Option<i32>, Value) {
    let outcome = diffplan(&format!("data inspect --json {more}"), &[path]);
    (outcome.status, json(&outcome.stdout))
}

#[track_caller]
fn strings(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|v| v.as_str().unwrap()).collect()
}

#[test]
fn what_is_collected_is_a_dataset() {
    let (_folder, path, summary) = collect("--env Pendulum-v1 --policy swing-up --episodes 12 --seed 5");
    assert_eq!((&summary["rows"], &summary["terminated"]), (&2400.into(), &0.into()));
    let dataset = Dataset::read(&path, &ReadOptions::default()).unwrap();
    assert_eq!(dataset.env(), Some("Pendulum-v1"));
    assert_eq!(
        (dataset.observations().dim(), dataset.actions().dim()),
        ((2400, 3), (2400, 1))
    );
    assert_eq!(dataset.episodes().len(), 12);
    let mean = dataset.returns().iter().sum::<f64>() / 12.0;
    // Rewards are rounded to float32 in the file.
    assert!(
        (mean / summary["mean_return"].as_f64().unwrap() - 1.0).abs() < 1e-6,
        "{mean}"
    );

    let (status, report) = inspect(&path, "");
    assert_eq!(status, Some(0));
    assert_eq!(report["format"], "D4RL HDF5");
    assert_eq!(report["metadata"]["policy"], "swing-up");
    assert_eq!(report["episodes"]["lengths"]["max"], 200);
    assert_eq!(report["left_out"], 0);
    assert!((report["episodes"]["returns"]["mean"].as_f64().unwrap() - mean).abs() < 1e-9);
    assert_eq!(report["observations"][2]["name"], "dθ/dt");
    assert_eq!(
        (strings(&report["odd"]), strings(&report["problems"])),
        (vec![], vec![])
    );

    let text = diffplan("data inspect", &[&path]).succeeded();
    for words in [
        "Pendulum-v1",
        "2,400",
        "12, of which 0",
        "200, all of them",
        "cos θ",
        "torque",
        "the best tenth from",
    ] {
        assert!(text.contains(words), "no {words:?} in\n{text}");
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    for args in [
        "--policy mixed --episodes 3 --seed 7",
        "--policy random --env MountainCarContinuous-v0 --episodes 1",
        "--policy ou --noise 0.5 --episodes 1 --next-observations",
    ] {
        let (_a, first, _) = collect(args);
        let (_b, second, _) = collect(args);
        assert_eq!(fs::read(first).unwrap(), fs::read(second).unwrap(), "{args}");
    }
    // An episode depends on its own seed alone.
    let (_a, three, _) = collect("--policy mixed --episodes 3 --seed 7");
    let (_b, last, _) = collect("--policy mixed --episodes 1 --seed 9");
    let actions = |path: &Path| {
        Dataset::read(path, &ReadOptions::default())
            .unwrap()
            .actions()
            .to_owned()
    };
    assert_eq!(actions(&three).slice(ndarray::s![400.., ..]), actions(&last));
}

#[test]
fn every_policy_plays() {
    for args in [
        "--policy zero --env MountainCarContinuous-v0",
        "--policy zero --noise 0.3",
        "--policy swing-up --skill 0.5 --noise 0.2",
        "--policy bang-bang --skill 0.5 --noise 0.2",
        "--policy mixed --env MountainCarContinuous-v0",
    ] {
        let (_folder, path, summary) = collect(&format!("{args} --episodes 1"));
        assert_eq!(summary["rows"].as_u64().unwrap() as usize, {
            let dataset = Dataset::read(&path, &ReadOptions::default()).unwrap();
            assert_eq!(dataset.left_out(), 0, "{args}");
            dataset.observations().nrows()
        });
    }
}

/// Noise is added to what the planner does, and the planner's own depends on the seed.
#[test]
fn a_planner_collects() {
    let args = "--policy planner --episodes 1 --batch-size 1 --num-inference-steps 1 --noise 0.1 --checkpoint";
    let args = format!("{args} {}", checkpoint().display());
    let (_a, first, summary) = collect(&args);
    assert_eq!(
        (&summary["env"], &summary["rows"]),
        (&"Pendulum-v1".into(), &200.into())
    );
    assert_eq!(summary["plan"]["batch_size"], 1);
    let (_b, second, _) = collect(&format!("{args} --threads 1"));
    assert_eq!(fs::read(first).unwrap(), fs::read(second).unwrap());
}

#[test]
fn what_cannot_be_collected() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("data.hdf5");
    for (args, words) in [
        ("--env Hopper-v5", &["Hopper-v5", "Pendulum-v1"][..]),
        (
            "--env Pendulum-v1 --policy bang-bang",
            &["bang-bang", "MountainCarContinuous-v0", "Pendulum-v1"],
        ),
        ("--policy random --noise 1", &["--noise", "random", "ou"]),
        ("--policy ou --skill 1", &["--skill", "ou", "swing-up"]),
        ("--policy zero --batch-size 2", &["--batch-size", "zero", "planner"]),
        (
            "--policy planner --env MountainCarContinuous-v0",
            &["2 dimensions, the checkpoint's 3"],
        ),
        (
            "--policy planner --checkpoint nowhere",
            &["cannot read checkpoint nowhere"],
        ),
    ] {
        diffplan(&format!("data collect {args} --out"), &[&path]).failed_with(words);
    }
    diffplan("data collect --out", &[folder.path()]).failed_with(&["cannot write", "directory"]);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
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
        inspect(&path, more)
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
    let (status, report) = inspect(&path, "");
    assert_eq!((status, &report["episodes"]["count"]), (Some(0), &1.into()));
    assert!(
        strings(&report["odd"])
            .iter()
            .any(|line| line.contains("--max-episode-steps")),
        "{report}"
    );
    let (status, report) = inspect(&path, "--max-episode-steps 5");
    assert_eq!((status, &report["episodes"]["count"]), (Some(0), &5.into()));
    assert_eq!(report["left_out"], 1);
    assert_eq!(report["format"], "npz");
}

#[test]
fn what_is_no_dataset() {
    let folder = TempDir::new().unwrap();
    let good = folder.path().join("good.hdf5");
    Sample::new().write(&good);
    let bytes = fs::read(good).unwrap();
    let path = folder.path().join("data.hdf5");
    for (content, words) in [
        (&b"hello"[..], &["data.hdf5: HDF5 file: "][..]),
        (&bytes[..bytes.len() / 2], &["data.hdf5: "]),
        (&bytes[..100], &["data.hdf5: "]),
        (b"", &["data.hdf5: "]),
    ] {
        fs::write(&path, content).unwrap();
        diffplan("data inspect", &[&path]).failed_with(words);
    }
    diffplan("data inspect", &[&folder.path().join("none")]).failed_with(&["cannot read", "none", "No such file"]);
    diffplan("data inspect", &[folder.path()]).failed_with(&["it is a folder without data/main_data.hdf5"]);
    diffplan("data inspect", &[&checkpoint().join("normalizer.json")]).failed_with(&["expected an HDF5 file"]);
}

/// What `rollout --out` saves is a dataset too.
#[test]
fn a_rollouts_trajectories_are_inspected() {
    let folder = TempDir::new().unwrap();
    let checkpoint = checkpoint();
    let args = [&checkpoint, Path::new("--out"), folder.path()];
    diffplan("rollout --batch-size 1 --num-inference-steps 1 --checkpoint", &args).succeeded();
    let (status, report) = inspect(&folder.path().join("trajectories.npz"), "");
    assert_eq!((status, &report["rows"]), (Some(0), &200.into()));
}
