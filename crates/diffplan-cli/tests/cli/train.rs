//! `diffplan train` on a tiny dataset, with tiny networks.

use super::*;
use diffplan_data::D4rlFile;
use ndarray::{Array1, Array2};

const TINY: &str =
    "--channels 8,32 --horizon 8 --batch-size 4 --log-every 7 --save-every 20 --sample-every 0 --ema-start 10";

/// A folder with a dataset, and whatever runs are made in it.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(TempDir::new().unwrap());
        place.dataset("data.hdf5", 0.1);
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Six episodes of 30 steps, with Pendulum's dimensions.
    fn dataset(&self, name: &str, speed: f32) {
        let angle = |i: usize| (i % 30) as f32 * speed + (i / 30) as f32;
        let observations = Array2::from_shape_fn((180, 3), |(i, j)| match j {
            0 => angle(i).cos(),
            1 => angle(i).sin(),
            _ => speed,
        } + 0.01 * ((i * 7 + j) as f32).sin());
        let actions = Array2::from_shape_fn((180, 1), |(i, _)| (i as f32 * 0.7).sin());
        let rewards = Array1::from_shape_fn(180, |i| -angle(i).sin().abs());
        let flags = |every: usize| (0..180).map(|i| i % every == every - 1).collect::<Vec<bool>>();
        let file = D4rlFile {
            observations: observations.view(),
            actions: actions.view(),
            rewards: rewards.view(),
            terminals: &[false; 180],
            timeouts: &flags(30),
            next_observations: None,
            metadata: &[("env_id", "Pendulum-v1")],
        };
        file.write(self.path(name)).unwrap();
    }

    fn command(&self, args: &str, out: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_diffplan"));
        command
            .arg("train")
            .args(args.split_whitespace())
            .arg("--out")
            .arg(self.path(out));
        if !args.contains("--resume") {
            command.arg("--dataset").arg(self.path("data.hdf5"));
        }
        command
    }

    fn train(&self, args: &str, out: &str) -> Outcome {
        let output = self.command(args, out).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Outcome {
            status: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }

    /// The final networks and records, but for times.
    fn result(&self, out: &str) -> Vec<(String, Vec<u8>)> {
        let mut all = Vec::new();
        for part in ["unet", "value_function"] {
            let path = self.path(out).join(part).join("diffusion_pytorch_model.safetensors");
            all.push((part.to_owned(), fs::read(path).unwrap_or_default()));
        }
        for name in ["planner", "value"] {
            let states = self.path(out).join("checkpoints").join(name);
            let newest = fs::read_dir(states)
                .into_iter()
                .flatten()
                .map(|entry| entry.unwrap().path());
            let Some(newest) = newest.max() else { continue };
            for file in [
                "model/diffusion_pytorch_model.safetensors",
                "exp_avg.safetensors",
                "exp_avg_sq.safetensors",
            ] {
                all.push((format!("{name} {file}"), fs::read(newest.join(file)).unwrap()));
            }
            let csv = fs::read_to_string(self.path(out).join(format!("{name}.csv"))).unwrap();
            let without_times = csv
                .lines()
                .map(|line| line.split(',').take(5).collect::<Vec<_>>().join(","));
            all.push((
                format!("{name}.csv"),
                without_times.collect::<Vec<_>>().join("\n").into_bytes(),
            ));
        }
        assert!(all.len() >= 6, "{out} is not complete");
        all
    }

    #[track_caller]
    fn same(&self, a: &str, b: &str) {
        for ((name, a), (_, b)) in self.result(a).iter().zip(self.result(b)) {
            assert!(*a == b, "{name} differs");
        }
    }
}

#[test]
fn both_train_and_play() {
    let place = Place::new();
    let stdout = place
        .train(&format!("both {TINY} --steps 45 --value-steps 30 --json"), "run")
        .succeeded();
    assert_eq!(stdout.lines().count(), 1);
    let report = json(&stdout);
    assert_eq!(report["networks"][0]["steps"], 45);
    assert_eq!(report["networks"][1]["network"], "value");
    assert_eq!(report["networks"][1]["steps"], 30);
    let csv = fs::read_to_string(place.path("run/planner.csv")).unwrap();
    let steps: Vec<&str> = csv
        .lines()
        .skip(1)
        .map(|line| line.split(',').next().unwrap())
        .collect();
    assert_eq!(steps, ["7", "14", "21", "28", "35", "42", "45"]);
    diffplan("inspect", &[&place.path("run")]).succeeded();
    // A dataset of a few steps has not seen where a planner so little trained gets to.
    let far = ["more than 10 standard deviations"];
    let played = diffplan("rollout --batch-size 2 --json --checkpoint", &[&place.path("run")]).warned(&far);
    assert_eq!(json(&played)["env"], "Pendulum-v1");
    // The settings are those of another run.
    let config = format!("both --config {}", place.path("run/training.toml").display());
    place.train(&config, "again").succeeded();
    place.same("run", "again");
}

#[test]
fn pictures_and_events_are_drawn_and_change_nothing() {
    let place = Place::new();
    let names = |folder: &str| -> Vec<String> {
        let entries = fs::read_dir(place.path(folder)).into_iter().flatten();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    let args = format!("both {TINY} --steps 25 --value-steps 20");
    place.train(&args, "without").succeeded();
    assert!(!place.path("without/samples").exists());
    let args = args.replace("--sample-every 0", "--sample-every 10");
    for conditions in ["current", "goal"] {
        let out = format!("with-{conditions}");
        place
            .train(&format!("{args} --conditions {conditions}"), &out)
            .succeeded();
        let samples = names(&format!("{out}/samples"));
        assert_eq!(
            samples,
            [
                "planner-00000010.png",
                "planner-00000020.png",
                "planner-00000025.png",
                "value-00000010.png",
                "value-00000020.png"
            ]
        );
        let samples = samples.iter().map(|name| format!("samples/{name}"));
        for picture in samples.chain(["loss.png".into()]) {
            let content = fs::read(place.path(&out).join(&picture)).unwrap();
            assert!(content.starts_with(b"\x89PNG\r\n\x1a\n"), "{picture}");
        }
        for network in ["planner", "value"] {
            let events = names(&format!("{out}/tensorboard/{network}"));
            assert!(
                events.len() == 1 && events[0].starts_with("events.out.tfevents."),
                "{events:?}"
            );
        }
    }
    place.same("without", "with-current");
    // One file of events stays, with what went before in it.
    let before = fs::metadata(
        place
            .path("without/tensorboard/planner")
            .join(&names("without/tensorboard/planner")[0]),
    );
    place.train("both --resume --steps 60", "without").succeeded();
    let after = names("without/tensorboard/planner");
    assert_eq!(after.len(), 1);
    let after = fs::metadata(place.path("without/tensorboard/planner").join(&after[0]));
    assert!(after.unwrap().len() > before.unwrap().len());
    place.train(&format!("{args} --overwrite"), "with-current").succeeded();
    assert_eq!(names("with-current/samples").len(), 5);
}

#[test]
fn threads_do_not_change_bits() {
    let place = Place::new();
    for threads in [1, 2] {
        let args = format!("both {TINY} --steps 25 --threads {threads}");
        place.train(&args, &threads.to_string()).succeeded();
    }
    place.same("1", "2");
}

#[test]
fn a_planner_alone_plays_unguided() {
    let place = Place::new();
    place.train(&format!("planner {TINY} --steps 20"), "run").succeeded();
    let run = place.path("run");
    let text = diffplan("inspect", &[&run]).succeeded();
    assert!(
        text.contains("none: plans are not guided") && text.contains("no guidance"),
        "{text}"
    );
    let far = ["more than 10 standard deviations"];
    diffplan("rollout --batch-size 1 --json --checkpoint", &[&run]).warned(&far);
    for option in ["--n-guide-steps 1", "--rescore"] {
        diffplan(&format!("rollout {option} --checkpoint"), &[&run])
            .failed_with(&["value function", "checkpoint has none"]);
    }
    // A value function joins it, and the planner's training goes on without its being lost.
    place.train(&format!("value {TINY} --steps 20"), "run").succeeded();
    let normalizers = fs::read_to_string(run.join("normalizer.json")).unwrap();
    assert!(normalizers.contains("values"));
    place.train("planner --resume --steps 40", "run").succeeded();
    assert_eq!(fs::read_to_string(run.join("normalizer.json")).unwrap(), normalizers);
    diffplan("rollout --batch-size 1 --rescore --json --checkpoint", &[&run]).warned(&far);
    place
        .train(&format!("value {TINY} --steps 20 --overwrite --horizon 16"), "run")
        .failed_with(&["horizon = 16", "started with 8"]);
    place
        .train(
            &format!("value {TINY} --steps 20 --overwrite --normalizer limits"),
            "run",
        )
        .failed_with(&["normalizer"]);
}

/// Trained, loaded, acted with, gone on with.
#[test]
fn a_planner_with_attention() {
    let place = Place::new();
    place
        .train(&format!("planner {TINY} --steps 6 --attention"), "run")
        .succeeded();
    let run = place.path("run");
    let config: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(run.join("unet/config.json")).unwrap()).unwrap();
    assert_eq!(config["temporal_attention"], "linear");
    let text = diffplan("inspect", &[&run]).succeeded();
    assert!(text.contains("linear attention in every level"), "{text}");
    diffplan("plan --obs 1,0,0.1 --batch-size 2 --json --checkpoint", &[&run]).succeeded();
    place.train("planner --resume --steps 8", "run").succeeded();
    // A flag that means nothing to what is trained is said.
    let value = place.train(&format!("value {TINY} --steps 6 --attention"), "value");
    assert!(
        value.stderr.contains("--attention is of the planner alone"),
        "{}",
        value.stderr
    );
}

#[test]
fn flags_win_over_the_file_and_it_over_defaults() {
    let place = Place::new();
    fs::write(
        place.path("c.toml"),
        "steps = 9\nbatch-size = 3\nlr = 1e-3\nhorizon = 8\nchannels = [8, 32]\n[value]\nlr = 2e-3\nsteps = 5\n[planner]\nema_every = 3\n",
    )
    .unwrap();
    let config = format!("--config {}", place.path("c.toml").display());
    let args = format!("both {config} --batch-size 2 --value-steps 6");
    place.train(&args, "run").succeeded();
    let text = fs::read_to_string(place.path("run/training.toml")).unwrap();
    let (planner, value) = text.split_once("[value]").unwrap();
    for (part, keys) in [
        (
            planner,
            &[
                "steps = 9",
                "batch_size = 2",
                "lr = 0.001",
                "ema_every = 3",
                "log_every = 100",
            ][..],
        ),
        (value, &["steps = 6", "batch_size = 2", "lr = 0.002", "ema_every = 10"]),
    ] {
        keys.iter()
            .for_each(|key| assert!(part.contains(key), "{key} is not in {part}"));
    }
    for (text, words) in [
        ("stepz = 1", &["line 1", "stepz", "`steps`"][..]),
        ("[value]\nhorizon = 8", &["[value]", "horizon", "top of the file"]),
        ("steps = \"many\"", &["steps", "c.toml"]),
        ("steps = ", &["c.toml"]),
        ("\u{0}\u{1}", &["c.toml"]),
    ] {
        fs::write(place.path("c.toml"), text).unwrap();
        place.train(&format!("both {config}"), "other").failed_with(words);
    }
    assert!(!place.path("other").exists());
}

#[test]
fn a_stop_at_a_state_changes_nothing() {
    let place = Place::new();
    place
        .train(&format!("both {TINY} --steps 50 --value-steps 30"), "whole")
        .succeeded();
    place
        .train(&format!("both {TINY} --steps 33 --value-steps 30"), "parts")
        .succeeded();
    // In an empty folder --resume just starts.
    let resume = format!(
        "both {TINY} --steps 50 --value-steps 30 --resume --dataset {}",
        place.path("data.hdf5").display()
    );
    place.train(&resume, "fresh").succeeded();
    place.same("whole", "fresh");
    place
        .train(
            "both --resume --steps 50 --value-steps 30 --threads 1 --keep 9",
            "parts",
        )
        .succeeded();
    place.same("whole", "parts");
    // A run that is over stays as it is.
    place.train("both --resume", "parts").succeeded();
    place.same("whole", "parts");
    // What begins rather than goes on is said.
    place.train(&format!("planner {TINY} --steps 9"), "alone").succeeded();
    let begun = place.train("both --resume --value-steps 9", "alone");
    assert_eq!(begun.status, Some(0), "{}", begun.stderr);
    assert!(
        begun.stderr.contains("no value function to go on with"),
        "{}",
        begun.stderr
    );
}

#[test]
fn what_does_not_fit_is_refused() {
    let place = Place::new();
    let args = format!("both {TINY} --steps 20");
    place
        .train("both --horizon 30 --channels 8,16,32", "none")
        .failed_with(&["planner", "horizon 30", "28, 32"]);
    place
        .train("both --horizon 64 --channels 32,32", "none")
        .failed_with(&["value function", "horizon 64"]);
    assert!(!place.path("none").exists());
    place.train(&args, "run").succeeded();
    place.train(&args, "run").failed_with(&["--resume", "--overwrite"]);
    place
        .train("both --resume --lr 1e-3", "run")
        .failed_with(&["lr", "0.001", "0.0002", "training.toml"]);
    place.train("both --resume --steps 10", "run").failed_with(&["steps"]);
    place.dataset("other.hdf5", 0.2);
    let other = format!("both --resume --dataset {}", place.path("other.hdf5").display());
    place.train(&other, "run").failed_with(&["dataset"]);
    place.train(&format!("{args} --overwrite"), "run").succeeded();

    let state = place.path("run/checkpoints/planner/step-00000020/state.json");
    let good = fs::read(&state).unwrap();
    for garbage in [
        &b"garbage"[..],
        b"",
        b"{}",
        b"{\"steps\": 20}",
        b"{\"steps\": 20, \"about\": {\"dataset\": 3}}",
    ] {
        fs::write(&state, garbage).unwrap();
        place.train("both --resume", "run").failed_with(&["state.json"]);
    }
    fs::write(&state, good).unwrap();
    for garbage in ["garbage", "lr = []", "\u{0}"] {
        fs::write(place.path("run/training.toml"), garbage).unwrap();
        place.train("both --resume", "run").failed_with(&["training.toml"]);
    }
}

#[test]
fn a_loss_that_is_not_finite_ends_the_run_and_no_state() {
    let place = Place::new();
    let args = format!("planner {TINY} --save-every 1 --steps 50 --lr 1e30");
    let outcome = place.train(&args, "run");
    outcome.failed_with(&[
        "step ",
        "expected a finite number",
        "the last good state is",
        "step-0000000",
    ]);
    let states = fs::read_dir(place.path("run/checkpoints/planner")).unwrap().count();
    assert!(states > 0);
    // What is left can be gone on from, to the same end.
    place
        .train("planner --resume", "run")
        .failed_with(&["the last good state is"]);
}

#[cfg(unix)]
mod signals {
    use super::*;
    use crate::running::Running;
    use std::thread::sleep;
    use std::time::{Duration, Instant};

    fn start(place: &Place, args: &str, out: &str) -> Running {
        Running::start(&mut place.command(args, out))
    }

    fn wait_for(path: &Path) {
        let begun = Instant::now();
        while !path.exists() {
            assert!(
                begun.elapsed() < Duration::from_secs(60),
                "{} never came",
                path.display()
            );
            sleep(Duration::from_millis(2));
        }
    }

    #[test]
    fn an_interrupt_saves_a_state() {
        let place = Place::new();
        for (signal, out) in [("INT", "int"), ("TERM", "term")] {
            let running = start(&place, &format!("planner {TINY} --steps 100000000"), out);
            wait_for(&place.path(out).join("unet/config.json"));
            let (status, text) = running.signal(signal);
            assert_eq!(status, Some(130), "{text}");
            for word in ["interrupted at step ", "saved ", "--resume"] {
                assert!(text.contains(word), "{text}");
            }
            let step: u64 = text
                .split("at step ")
                .nth(1)
                .unwrap()
                .split(' ')
                .next()
                .unwrap()
                .parse()
                .unwrap();
            assert!(
                place
                    .path(out)
                    .join(format!("checkpoints/planner/step-{step:08}/state.json"))
                    .exists()
            );
            assert!(
                step < 7 || place.path(out).join("loss.png").exists(),
                "no picture at step {step}"
            );
            diffplan("inspect", &[&place.path(out)]).succeeded();
        }
    }

    #[test]
    fn two_runs_cannot_write_in_one_folder() {
        let place = Place::new();
        let running = start(&place, &format!("planner {TINY} --steps 100000000"), "run");
        wait_for(&place.path("run/unet/config.json"));
        place
            .train("planner --resume", "run")
            .failed_with(&["another process is writing"]);
        running.kill();
    }

    /// Thirty runs are killed, each at another moment, and gone on with; then one comes to the end.
    #[test]
    fn a_kill_at_any_moment_changes_nothing() {
        let place = Place::new();
        let args = format!("both {TINY} --save-every 3 --steps 150 --value-steps 120");
        let begun = Instant::now();
        place.train(&args, "whole").succeeded();
        let whole = begun.elapsed();
        let args = format!("{args} --resume --dataset {}", place.path("data.hdf5").display());
        let mut random = 12345_u64;
        for _ in 0..30 {
            random = random
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            // Mostly later than start-up, which makes nothing; so that thirty kills come to about the whole run.
            let part = 0.15 * ((random >> 33) as f64 / f64::from(1_u32 << 31));
            let running = start(&place, &args, "parts");
            sleep(Duration::from_millis(15) + whole.mul_f64(part));
            running.kill();
        }
        let outcome = place.train(&args, "parts");
        assert_eq!(outcome.status, Some(0), "{}", outcome.stderr);
        place.same("whole", "parts");
        let left: Vec<_> = fs::read_dir(place.path("parts/checkpoints/planner"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| !name.starts_with("step-"))
            .collect();
        assert_eq!(left, [""; 0]);
    }
}
