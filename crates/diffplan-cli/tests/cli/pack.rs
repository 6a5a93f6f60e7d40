//! `diffplan data pack`, and what takes its files.

use super::*;
use diffplan_data::D4rlFile;
use ndarray::{Array1, Array2};

const TINY: &str = "--channels 8,32 --horizon 8 --batch-size 4 --log-every 5 --save-every 20 --sample-every 20";

struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(TempDir::new().unwrap());
        place.dataset("a.hdf5", 9, 1.0);
        place.dataset("b.hdf5", 5, 2.0);
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Episodes of 20 to 35 steps, every fourth of which ends in a terminal state, and five rows of none.
    fn dataset(&self, name: &str, episodes: usize, size: f32) {
        let noise = |i: usize| size * (((i * 7919) % 1000) as f32 / 1000.0 - 0.5);
        let lengths = || (0..episodes).map(|i| 20 + 5 * (i % 4));
        let rows = lengths().sum::<usize>() + 5;
        let (mut terminals, mut timeouts) = (vec![false; rows], vec![false; rows]);
        let mut end = 0;
        for (i, length) in lengths().enumerate() {
            end += length;
            (if i % 4 == 1 { &mut terminals } else { &mut timeouts })[end - 1] = true;
        }
        let observations = Array2::from_shape_fn((rows, 3), |(row, j)| noise(7 * row + j));
        let actions = Array2::from_shape_fn((rows, 1), |(row, _)| noise(3 * row));
        let rewards = Array1::from_shape_fn(rows, |row| (row / 30) as f32 + noise(row));
        let file = D4rlFile {
            observations: observations.view(),
            actions: actions.view(),
            rewards: rewards.view(),
            terminals: &terminals,
            timeouts: &timeouts,
            next_observations: None,
            metadata: &[("env_id", "Pendulum-v1"), ("note", "made")],
        };
        file.write(self.path(name)).unwrap();
    }

    fn pack(&self, files: &[&str], args: &str, out: &str) -> Outcome {
        let mut command = Command::new(env!("CARGO_BIN_EXE_diffplan"));
        command.args(["data", "pack"]).args(args.split_whitespace());
        command.args(files.iter().map(|name| self.path(name)));
        ended(command.arg("--out").arg(self.path(out)))
    }

    fn train(&self, datasets: &[&str], args: &str, out: &str) -> Outcome {
        let mut command = Command::new(env!("CARGO_BIN_EXE_diffplan"));
        command.args(["train", "both"]).args(args.split_whitespace());
        for name in datasets {
            command.arg("--dataset").arg(self.path(name));
        }
        ended(command.arg("--out").arg(self.path(out)))
    }

    /// Weights, statistics, losses and pictures: all that a run leaves but its settings, which have the names of datasets.
    fn result(&self, out: &str) -> Vec<Vec<u8>> {
        let losses = |name: &str| {
            let text = fs::read_to_string(self.path(out).join(name)).unwrap();
            let column = |line: &str| line.split(',').take(4).collect::<Vec<_>>().join(",");
            text.lines().map(column).collect::<Vec<_>>().join("\n").into_bytes()
        };
        let file = |name: &str| fs::read(self.path(out).join(name)).unwrap();
        vec![
            file("unet/diffusion_pytorch_model.safetensors"),
            file("value_function/diffusion_pytorch_model.safetensors"),
            file("normalizer.json"),
            file("samples/planner-00000020.png"),
            file("samples/value-00000020.png"),
            losses("planner.csv"),
            losses("value.csv"),
        ]
    }
}

/// Whatever is selected, held out, weighted and normalised, on any number of threads.
#[test]
fn training_from_a_pack_has_the_bits_of_memory() {
    let place = Place::new();
    for name in ["a", "b"] {
        place
            .pack(&[&format!("{name}.hdf5")], "", &format!("{name}.pack"))
            .succeeded();
    }
    place.pack(&["a.hdf5", "b.hdf5"], "", "both.pack").succeeded();
    let one: (&[&str], &[&str]) = (&["a.hdf5"], &["a.pack"]);
    let two: (&[&str], &[&str]) = (&["a.hdf5", "b.hdf5"], &["a.pack", "b.pack"]);
    for (number, ((memory, packed), args)) in [
        (one, "--normalize-values"),
        (one, "--normalizer limits --max-episodes 7 --episodes 0.7 --best 0.6"),
        (one, "--normalizer scalar_gaussian --validation 0.2 --conditions goal"),
        (
            two,
            "--dataset-weights 1,3 --normalizer cdf --validation 0.1 --normalize-values",
        ),
        ((two.0, &["both.pack"]), ""),
        // A file and a packed one together.
        ((two.0, &["a.hdf5", "b.pack"]), ""),
    ]
    .into_iter()
    .enumerate()
    {
        let args = format!("{TINY} --steps 20 {args}");
        let (here, there) = (format!("here-{number}"), format!("there-{number}"));
        let threads = ["--threads 1", "--threads 2"][number % 2];
        let said = place.train(memory, &args, &here);
        let same = place.train(packed, &format!("{args} {threads}"), &there);
        assert_eq!(
            (said.status, same.status),
            (Some(0), Some(0)),
            "{args}: {} {}",
            said.stderr,
            same.stderr
        );
        assert!(place.result(&here) == place.result(&there), "{args}");
    }
    // A run goes on with what its dataset was packed to: it is the same.
    let longer = format!("--resume --steps 30 --dataset {}", place.path("a.pack").display());
    let whole = format!("{TINY} --steps 30 --normalize-values");
    place.train(&["a.hdf5"], &whole, "whole");
    place
        .train(&[], &longer, "here-0")
        .warned(&["belong to no finished episode"]);
    assert!(place.result("whole")[..3] == place.result("here-0")[..3]);
}

#[test]
fn a_pack_is_a_dataset_like_any_other() {
    let place = Place::new();
    let text = place.pack(&["a.hdf5"], "", "a.pack").succeeded();
    for words in [
        "D4RL HDF5, 240 rows in 9 episodes, 5 rows left out",
        "3 of observations, 1 of actions",
        "odd",
    ] {
        assert!(text.contains(words), "no {words:?} in\n{text}");
    }
    let inspect = |name: &str| json(&diffplan("data inspect --json", &[&place.path(name)]).succeeded());
    let (packed, file) = (inspect("a.pack"), inspect("a.hdf5"));
    assert_eq!(packed["format"], "packed");
    for key in ["env", "episodes", "problems"] {
        assert_eq!(packed[key], file[key], "{key}");
    }
    assert_eq!((&packed["rows"], &packed["left_out"]), (&240.into(), &0.into()));
    let from = packed["metadata"]["packed from"].as_str().unwrap();
    assert!(
        from.ends_with("a.hdf5 (D4RL HDF5, 240 rows in 9 episodes, 5 rows left out)"),
        "{from}"
    );
    let odd = |report: &Value| -> Vec<String> {
        let all = report["odd"].as_array().unwrap().iter();
        all.map(|line| line.as_str().unwrap().replace("when it was packed: ", ""))
            .collect()
    };
    assert_eq!(odd(&packed), odd(&file));
    // Statistics of it, and more of it.
    let statistics = |name: &str| {
        let out = place.path(&format!("{name}.json"));
        diffplan(
            "normalizer --json --dataset",
            &[&place.path(name), Path::new("--out"), &out],
        )
        .succeeded();
        fs::read_to_string(out).unwrap()
    };
    assert_eq!(statistics("a.pack"), statistics("a.hdf5"));
    let report = json(
        &place
            .pack(&["a.pack", "b.hdf5"], "--json --episodes 0.5", "half.pack")
            .succeeded(),
    );
    assert_eq!(
        (&report["episodes"], report["packed_from"].as_array().unwrap().len()),
        (&6.into(), 2)
    );

    place
        .pack(&["a.hdf5"], "", "a.pack")
        .failed_with(&["a file that is not there yet: --overwrite replaces it"]);
    place.pack(&["b.hdf5"], "--overwrite", "a.pack").succeeded();
    assert_eq!(inspect("a.pack")["rows"], 130);
    place
        .pack(&["a.pack"], "--rewards zeros", "c.pack")
        .failed_with(&["--keys and --rewards are given when it is packed"]);
    let cut = fs::read(place.path("a.pack")).unwrap();
    fs::write(place.path("cut.pack"), &cut[..cut.len() - 1]).unwrap();
    place
        .train(&["cut.pack"], TINY, "cut")
        .failed_with(&["cut.pack: packed dataset:", "it is cut off, or was changed"]);
}
