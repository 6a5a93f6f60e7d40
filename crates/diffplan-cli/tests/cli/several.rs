//! Several datasets at once, parts of them, and episodes that are held out.

use super::*;
use diffplan_data::D4rlFile;
use ndarray::{Array1, Array2};

const TINY: &str = "--channels 8,32 --horizon 8 --batch-size 4 --log-every 5 --save-every 20 --sample-every 0";

struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(TempDir::new().unwrap());
        place.dataset("a.hdf5", 3, 10, 0.5);
        place.dataset("b.hdf5", 3, 6, 1.5);
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Episodes of 30 steps, the returns rising from one to the next.
    fn dataset(&self, name: &str, dimensions: usize, episodes: usize, size: f32) {
        let noise = |i: usize| size * (((i * 7919) % 1000) as f32 / 1000.0 - 0.5);
        let rows = 30 * episodes;
        let timeouts: Vec<bool> = (0..rows).map(|row| row % 30 == 29).collect();
        let observations = Array2::from_shape_fn((rows, dimensions), |(row, j)| noise(7 * row + j));
        let actions = Array2::from_shape_fn((rows, 1), |(row, _)| noise(3 * row));
        let rewards = Array1::from_shape_fn(rows, |row| (row / 30) as f32 + noise(row));
        let file = D4rlFile {
            observations: observations.view(),
            actions: actions.view(),
            rewards: rewards.view(),
            terminals: &vec![false; rows],
            timeouts: &timeouts,
            next_observations: None,
            metadata: &[],
        };
        file.write(self.path(name)).unwrap();
    }

    fn train(&self, datasets: &[&str], args: &str, out: &str) -> Outcome {
        let mut command = Command::new(env!("CARGO_BIN_EXE_diffplan"));
        command.args(["train", "both"]).args(args.split_whitespace());
        for name in datasets {
            command.arg("--dataset").arg(self.path(name));
        }
        ended(command.arg("--out").arg(self.path(out)))
    }

    fn weights(&self, out: &str) -> [Vec<u8>; 2] {
        ["unet", "value_function"]
            .map(|part| fs::read(self.path(out).join(part).join("diffusion_pytorch_model.safetensors")).unwrap())
    }

    fn csv(&self, out: &str) -> Vec<Vec<String>> {
        let text = fs::read_to_string(self.path(out).join("planner.csv")).unwrap();
        text.lines()
            .map(|line| line.split(',').map(str::to_owned).collect())
            .collect()
    }
}

#[test]
fn all_are_trained_on_to_the_same_bits() {
    let place = Place::new();
    let both = ["a.hdf5", "b.hdf5"];
    let args = format!("{TINY} --steps 30");
    let text = place.train(&both, &args, "run").succeeded();
    for words in ["a.hdf5", "b.hdf5", "480 rows in 16 episodes, 464 windows"] {
        assert!(text.contains(words), "no {words:?} in\n{text}");
    }
    place.train(&["a.hdf5"], &args, "a").succeeded();
    assert_ne!(place.weights("run"), place.weights("a"));
    // Stopped and gone on with, and from its own settings.
    place.train(&both, &format!("{TINY} --steps 20"), "parts").succeeded();
    place.train(&[], "--resume --steps 30", "parts").succeeded();
    assert_eq!(place.weights("run"), place.weights("parts"));
    let config = format!("--config {}", place.path("run/training.toml").display());
    place.train(&[], &config, "again").succeeded();
    assert_eq!(place.weights("run"), place.weights("again"));
    // Other data under the same names is refused.
    place.dataset("b.hdf5", 3, 6, 2.0);
    place
        .train(&[], "--resume --steps 40", "parts")
        .failed_with(&["differ from the dataset"]);
}

#[test]
fn weights_and_parts_are_settings_of_the_run() {
    let place = Place::new();
    let both = ["a.hdf5", "b.hdf5"];
    let args = |more: &str| format!("{TINY} --steps 20 {more}");
    let weighted = "--dataset-weights 1,3 --best 0.5,1 --episodes 1,0.5";
    let text = place.train(&both, &args(weighted), "run").succeeded();
    assert!(text.contains("240 rows in 8 episodes"), "{text}");
    assert!(text.contains("weight 3"), "{text}");
    place.train(&both, &args(weighted), "same").succeeded();
    assert_eq!(place.weights("run"), place.weights("same"));
    place
        .train(&both, &args(&weighted.replace("1,3", "3,1")), "other")
        .succeeded();
    assert_ne!(place.weights("run"), place.weights("other"));
    let toml = fs::read_to_string(place.path("run/training.toml")).unwrap();
    for key in [
        "dataset_weights = [1.0, 3.0]",
        "best = [0.5, 1.0]",
        "episodes = [1.0, 0.5]",
    ] {
        assert!(toml.contains(key), "no {key:?} in {toml}");
    }
    place
        .train(&[], "--resume --steps 40 --dataset-weights 2,3", "run")
        .failed_with(&["dataset_weights", "training.toml"]);
    // A weight of one dataset alone changes nothing.
    place
        .train(&["a.hdf5"], &args("--dataset-weights 5"), "one")
        .succeeded();
    place.train(&["a.hdf5"], &args(""), "none").succeeded();
    assert_eq!(place.weights("one"), place.weights("none"));
}

#[test]
fn what_cannot_be_joined_is_refused() {
    let place = Place::new();
    place.dataset("c.hdf5", 4, 3, 1.0);
    let args = format!("{TINY} --steps 20");
    place
        .train(&["a.hdf5", "c.hdf5"], &args, "run")
        .failed_with(&["c.hdf5: observations have 4 dimensions, but 3 in", "a.hdf5"]);
    place
        .train(&["a.hdf5", "gone.hdf5"], &args, "run")
        .failed_with(&["gone.hdf5"]);
    for (more, words) in [
        ("--dataset-weights 1", "as many numbers as datasets, 2"),
        ("--best 0.1,0.2,0.3", "as many numbers as datasets, 2"),
    ] {
        place
            .train(&["a.hdf5", "b.hdf5"], &format!("{args} {more}"), "run")
            .failed_with(&[words]);
    }
    assert!(!place.path("run").exists());
}

#[test]
fn held_out_episodes_have_a_loss_and_change_nothing() {
    let place = Place::new();
    let args = format!("{TINY} --steps 22 --validation 0.2 --ema-start 4");
    let text = place.train(&["a.hdf5"], &args, "run").succeeded();
    assert!(text.contains("held out: 2 episodes, 58 windows"), "{text}");
    assert!(text.contains("on held-out episodes: planner "), "{text}");
    let csv = place.csv("run");
    assert_eq!(csv[0].last().unwrap(), "validation_loss");
    assert_eq!(csv.len(), 6);
    let losses: Vec<f64> = csv[1..].iter().map(|row| row[7].parse().unwrap()).collect();
    assert!(
        losses.iter().all(|loss| *loss > 0.0) && losses[0] != losses[4],
        "{losses:?}"
    );
    assert!(place.path("run/loss.png").exists());
    // Looked at more often, and after a stop: the same network, and the same losses.
    place
        .train(&["a.hdf5"], &args.replace("--log-every 5", "--log-every 3"), "often")
        .succeeded();
    assert_eq!(place.weights("run"), place.weights("often"));
    place
        .train(&["a.hdf5"], &args.replace("--steps 22", "--steps 13"), "parts")
        .succeeded();
    let report = json(&place.train(&[], "--resume --steps 22 --json", "parts").succeeded());
    assert_eq!(place.weights("run"), place.weights("parts"));
    let losses = |out: &str| place.csv(out).iter().map(|row| row[7].clone()).collect::<Vec<_>>();
    assert_eq!(losses("run"), losses("parts"));
    assert_eq!(report["networks"][0]["validation_loss"].to_string(), losses("run")[5]);
    // Without, tables are what they were.
    place
        .train(&["a.hdf5"], &format!("{TINY} --steps 5"), "without")
        .succeeded();
    assert_eq!(place.csv("without")[0].len(), 7);
    place.dataset("one.hdf5", 3, 1, 1.0);
    place
        .train(&["one.hdf5"], &args, "one")
        .failed_with(&["validation", "two episodes"]);
}
