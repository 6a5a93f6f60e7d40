//! What is odd about a dataset is said by whoever looks into it and by whoever trains on it, in the same words.

use super::*;
use ndarray::{Array1, Array2};
use ndarray_npy::NpzWriter;

const TINY: &str = "--channels 8,32 --horizon 8 --batch-size 4 --sample-every 0 --steps 2";

/// Twelve episodes of twenty steps, with Pendulum's dimensions, in an archive that names no environment.
struct Steps {
    observations: Array2<f64>,
    rewards: Array1<f32>,
    terminals: Vec<bool>,
    timeouts: Option<Vec<bool>>,
}

const ROWS: usize = 240;

impl Steps {
    fn new() -> Self {
        let noise = |i: usize| ((i * 7919) % 1000) as f32 / 1000.0 - 0.5;
        Self {
            observations: Array2::from_shape_fn((ROWS, 3), |(row, column)| f64::from(noise(3 * row + column))),
            rewards: Array1::from_shape_fn(ROWS, noise),
            terminals: vec![false; ROWS],
            timeouts: Some((0..ROWS).map(|row| row % 20 == 19).collect()),
        }
    }

    fn changed(change: impl FnOnce(&mut Self)) -> Place {
        let mut steps = Self::new();
        change(&mut steps);
        let place = Place(TempDir::new().unwrap());
        let mut npz = NpzWriter::new(fs::File::create(place.path("data.npz")).unwrap());
        npz.add_array("observations", &steps.observations).unwrap();
        let actions = steps.observations.slice(ndarray::s![.., ..1]).mapv(|x| x as f32);
        npz.add_array("actions", &actions).unwrap();
        npz.add_array("rewards", &steps.rewards).unwrap();
        npz.add_array("terminals", &Array1::from_vec(steps.terminals)).unwrap();
        if let Some(timeouts) = steps.timeouts {
            npz.add_array("timeouts", &Array1::from_vec(timeouts)).unwrap();
        }
        npz.finish().unwrap();
        place
    }
}

struct Place(TempDir);

impl Place {
    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn train(&self, more: &str, out: &str) -> Outcome {
        let args = format!("train both {TINY} {more} --dataset");
        diffplan(&args, &[&self.path("data.npz"), Path::new("--out"), &self.path(out)])
    }

    fn inspect(&self, more: &str) -> Outcome {
        diffplan(&format!("data inspect {more}"), &[&self.path("data.npz")])
    }

    /// Said by both, and an error of both where it is to be; `more` is for both.
    #[track_caller]
    fn says(&self, more: &str, words: &[&str]) {
        let odd = json(&self.inspect(&format!("--json {more}")).succeeded())["odd"].to_string();
        words
            .iter()
            .for_each(|word| assert!(odd.contains(word), "no {word:?} in {odd}"));
        let stdout = self.train(&format!("{more} --json"), "run").warned(words);
        let said = json(&stdout)["warnings"].to_string();
        words
            .iter()
            .for_each(|word| assert!(said.contains(word), "no {word:?} in {said}"));
        for outcome in [
            self.inspect(&format!("--strict {more}")),
            self.train(&format!("{more} --strict"), "strict"),
        ] {
            assert_eq!(outcome.status, Some(1), "{}", outcome.stderr);
            let last = outcome.stderr.lines().last().unwrap();
            assert!(last.starts_with("error: ") && last.contains("--strict"), "{last}");
        }
        assert!(!self.path("strict").exists());
    }
}

#[test]
fn plain_data_is_trained_on_in_silence() {
    let place = Steps::changed(|_| ());
    place.inspect("--strict").succeeded();
    let report = json(&place.train("--strict --json", "run").succeeded());
    assert_eq!(report["warnings"], Value::Null);
}

#[test]
fn joined_episodes_and_rows_left_out() {
    let place = Steps::changed(|steps| {
        steps.timeouts = None;
        (steps.terminals[99], steps.terminals[199]) = (true, true);
    });
    place.says(
        "",
        &[
            "there are no timeouts",
            "the longest has 100 steps",
            "--max-episode-steps",
            "40 rows after the last episode's end (from row 200 on)",
        ],
    );
    place.train("--max-episode-steps 20 --strict", "cut").succeeded();
}

#[test]
fn a_limit_beside_timeouts() {
    let place = Steps::changed(|_| ());
    place.says(
        "--max-episode-steps 10",
        &[
            "--max-episode-steps 10 is not used",
            "set in 12 rows",
            "12 episodes are longer, up to 20",
        ],
    );
    place.train("--max-episode-steps 20 --strict", "fits").succeeded();
}

/// A dimension that nearly never changes: the loss of the planner is 1e6 where a row is padded.
#[test]
fn padding_far_away() {
    let place = Steps::changed(|steps| steps.observations.column_mut(2).mapv_inplace(|x| 1.0 + 1e-3 * x));
    place.says("", &["observation 2 at -34", "--use-padding=false"]);
    let loss = |out: &str| {
        let csv = fs::read_to_string(place.path(out).join("planner.csv")).unwrap();
        csv.lines()
            .last()
            .unwrap()
            .split(',')
            .nth(1)
            .unwrap()
            .parse::<f64>()
            .unwrap()
    };
    for (remedy, out) in [("--use-padding=false", "unpadded"), ("--normalizer cdf", "cdf")] {
        place.train(&format!("{remedy} --strict"), out).succeeded();
        assert!(loss(out) < 10.0 && loss("run") > 1e4, "{} {}", loss(out), loss("run"));
    }
}

#[test]
fn a_penalty_on_goals() {
    let place = Steps::changed(|steps| {
        steps.rewards.fill(0.0);
        for row in (19..ROWS).step_by(20) {
            (steps.terminals[row], steps.rewards[row]) = (true, 1.0);
        }
        steps.timeouts = Some(vec![false; ROWS]);
    });
    place.says(
        "",
        &["12 of the 12 episodes", "penalty of -100", "--termination-penalty 0"],
    );
    place.train("--termination-penalty 0 --strict", "none").succeeded();
}

#[test]
fn what_float32_rounds() {
    let place = Steps::changed(|steps| {
        let column = Array1::from_shape_fn(ROWS, |row| 1.7e9 + (row % 8) as f64 * 40.0);
        steps.observations.column_mut(1).assign(&column);
    });
    place.says("", &["observations, column 1: as float32", "observation 1 at -"]);
}

#[test]
fn mostly_padding() {
    let place = Steps::changed(|_| ());
    place.train("--horizon 16 --value-pooling mean", "run").warned(&[
        "168 of 228 windows",
        "--use-padding=false",
        "--horizon below 16",
    ]);
}

#[test]
fn errors_name_their_flags() {
    let place = Steps::changed(|_| ());
    place.train("--max-path-length 10", "run").failed_with(&[
        "20 steps",
        "--max-path-length 20",
        "--max-episode-steps",
    ]);
    place
        .train("--horizon 64", "run")
        .failed_with(&["horizon 64", "--value-pooling mean"]);
}
