//! `diffplan evaluate`: that it plays what rollout plays, and that no kill loses or doubles an episode.

use super::*;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Some 50 ms an episode of 200 steps.
pub(crate) const QUICK: &str = "--batch-size 2 --num-inference-steps 1 --n-guide-steps 1 --seed 1000";

pub(crate) fn evaluate(args: &str, more: &[&Path]) -> Outcome {
    let checkpoint = checkpoint();
    let more: Vec<&Path> = [Path::new("--checkpoint"), &checkpoint]
        .iter()
        .chain(more)
        .copied()
        .collect();
    diffplan(&format!("evaluate {args}"), &more)
}

pub(crate) fn out(folder: &Path) -> [&Path; 2] {
    [Path::new("--out"), folder]
}

/// A finished evaluation but for times.
fn results(folder: &Path) -> (Value, Vec<String>) {
    let mut object: Value = serde_json::from_str(&fs::read_to_string(folder.join("evaluation.json")).unwrap()).unwrap();
    let csv = fs::read_to_string(folder.join("episodes.csv")).unwrap();
    let rows = csv
        .lines()
        .map(|line| line.split(',').take(7).collect::<Vec<_>>().join(","));
    without_times(&mut object);
    (object, rows.collect())
}

fn without_times(object: &mut Value) {
    let object = object.as_object_mut().unwrap();
    for key in [
        "plans_per_second",
        "plan_ms",
        "wall_seconds",
        "wall_seconds_per_episode",
    ] {
        assert!(object.remove(key).is_some(), "no {key}");
    }
    for key in ["parallel", "threads", "out"] {
        assert!(
            object["config"].as_object_mut().unwrap().remove(key).is_some(),
            "no {key}"
        );
    }
    for row in object["episodes"].as_array_mut().unwrap() {
        for key in ["planning_seconds", "elapsed_seconds"] {
            assert!(row.as_object_mut().unwrap().remove(key).is_some(), "no {key}");
        }
    }
}

#[test]
fn episodes_are_those_of_rollout() {
    let rollout = diffplan(
        &format!("rollout {QUICK} --episodes 5 --json --checkpoint"),
        &[&checkpoint()],
    )
    .succeeded();
    let rollout = json(&rollout);
    let mut first: Option<Value> = None;
    for (parallel, threads) in [("1", 1), ("3", 2), ("16", 3)] {
        let args = format!("{QUICK} --episodes 5 --parallel {parallel} --threads {threads} --json");
        let stdout = evaluate(&args, &[]).succeeded();
        assert_eq!(stdout.lines().count(), 1);
        let mut object = json(&stdout);
        for key in ["env", "seed", "returns", "lengths", "mean_return", "standard_error"] {
            assert_eq!(object[key], rollout[key], "{key}, {parallel} side by side");
        }
        for (key, value) in rollout["config"].as_object().unwrap() {
            assert!(key == "threads" || object["config"][key] == *value, "{key}");
        }
        let ms = ["median", "p90", "p95", "p99", "max"].map(|key| object["plan_ms"][key].as_f64().unwrap());
        assert!(ms.is_sorted() && ms[0] > 0.0, "{ms:?}");
        // Slots take the next episode when theirs ends.
        let calls = [("1", 1000), ("3", 400), ("16", 200)]
            .into_iter()
            .find(|(p, _)| *p == parallel);
        assert_eq!(object["plan_ms"]["calls"], calls.unwrap().1);
        assert_eq!((&object["plans"], &object["terminated"]), (&1000.into(), &0.into()));
        assert_eq!(object["normalized_score"], Value::Null);
        assert_eq!(object["episodes"][4]["seed"], 1004);
        assert_eq!(object["episodes"][4]["end"], "truncated");
        let returns = numbers(&object["returns"]);
        assert_eq!(object["max_return"].as_f64(), returns.iter().copied().reduce(f64::max));
        let (mean, error) = (
            object["mean_return"].as_f64().unwrap(),
            object["standard_error"].as_f64().unwrap(),
        );
        // The quantile of t with 4 degrees of freedom.
        let expected = [mean - 2.776445105 * error, mean + 2.776445105 * error];
        for (actual, expected) in numbers(&object["confidence_interval"]).into_iter().zip(expected) {
            assert!(
                (actual - expected).abs() < 1e-6 * error,
                "{actual} instead of {expected}"
            );
        }
        without_times(&mut object);
        assert_eq!(*first.get_or_insert_with(|| object.clone()), object);
    }
}

#[test]
fn few_episodes_have_lines_and_many_have_quantiles() {
    let few = evaluate(&format!("{QUICK} --episodes 2"), &[]).succeeded();
    for words in [
        "2, seeds 1000 to 1001",
        "side by side  2",
        "episode  seed  return  score  length        end  s planning",
        "1001",
        "truncated",
        "standard error of 2 episodes), 95 % interval",
        "- (D4RL has no reference returns for Pendulum-v1)",
        "mean 200.0, min 200, max 200; 0 of 2 terminated",
        "a call for up to 2 episodes at a time takes",
        "200 calls)",
    ] {
        assert!(few.contains(words), "no {words:?} in\n{few}");
    }
    let many = evaluate(&format!("{QUICK} --episodes 21"), &[]).succeeded();
    assert!(
        many.contains("side by side  8") && !many.contains("truncated"),
        "{many}"
    );
    let header = many.lines().find(|line| line.contains("5 %")).unwrap();
    assert_eq!(
        header
            .split("  ")
            .map(str::trim)
            .filter(|cell| !cell.is_empty())
            .count(),
        7,
        "{header}"
    );
    assert!(many.contains("21 episodes), 95 % interval"), "{many}");
}

#[test]
fn a_folder_keeps_what_was_played() {
    let temporary = TempDir::new().unwrap();
    let folder = temporary.path().join("new/eval");
    let stdout = evaluate(&format!("{QUICK} --episodes 4 --json"), &out(&folder)).succeeded();
    let file: Value = serde_json::from_str(&fs::read_to_string(folder.join("evaluation.json")).unwrap()).unwrap();
    assert_eq!(file, json(&stdout));
    assert_eq!(file["finished"], true);
    let names = |folder: &Path| {
        let mut names: Vec<_> = fs::read_dir(folder).unwrap().map(|f| f.unwrap().file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(names(&folder), [".lock", "episodes.csv", "evaluation.json"]);
    let (_, rows) = results(&folder);
    assert_eq!(rows.len(), 5);
    for (i, value) in numbers(&file["returns"]).into_iter().enumerate() {
        assert_eq!(rows[i + 1], format!("{i},{},{value},200,truncated,,200", 1000 + i));
    }

    // Neither lost, nor played again.
    let csv = fs::read(folder.join("episodes.csv")).unwrap();
    evaluate(&format!("{QUICK} --episodes 4"), &out(&folder))
        .failed_with(&["there is an evaluation with 4 of 4 episodes", "--resume"]);
    let again = diffplan("evaluate --resume --json --out", &[&folder]).succeeded();
    let again = json(&again);
    for key in ["returns", "lengths", "mean_return", "plan_ms", "config"] {
        assert_eq!(again[key], file[key], "{key}");
    }
    let text = diffplan("evaluate --resume --out", &[&folder]).succeeded();
    assert!(
        text.contains("all played before") && text.contains("mean return"),
        "{text}"
    );
    assert_eq!(fs::read(folder.join("episodes.csv")).unwrap(), csv);

    // More of the same.
    let larger = diffplan("evaluate --resume --episodes 6 --out", &[&folder]).succeeded();
    assert!(larger.contains("4 played before, 2 to go"), "{larger}");
    let whole = temporary.path().join("whole");
    evaluate(&format!("{QUICK} --episodes 6"), &out(&whole)).succeeded();
    assert_eq!(results(&folder), results(&whole));
    diffplan("evaluate --resume --episodes 3 --out", &[&folder])
        .failed_with(&["episodes = 3", "at least 6: episode 5"]);
}

/// Leaves a folder as a kill would that came after some rows.
pub(crate) fn stop_after(folder: &Path, rows: &[usize], tail: &str) {
    let csv = fs::read_to_string(folder.join("episodes.csv")).unwrap();
    let lines: Vec<&str> = csv.lines().collect();
    let kept = [0].iter().chain(rows).map(|&row| format!("{}\n", lines[row]));
    fs::write(folder.join("episodes.csv"), kept.collect::<String>() + tail).unwrap();
    let path = folder.join("evaluation.json");
    let object: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    let begun = serde_json::json!({
        "finished": false, "env": object["env"], "seed": object["seed"], "config": object["config"]
    });
    fs::write(path, begun.to_string()).unwrap();
}

#[test]
fn torn_files_are_gone_on_with() {
    let temporary = TempDir::new().unwrap();
    let folder = temporary.path().join("eval");
    evaluate(&format!("{QUICK} --episodes 5"), &out(&folder)).succeeded();
    let whole = results(&folder);
    let cases: [(&[usize], &str); 5] = [
        (&[3, 1], "2,1002,-12"),
        (&[5], ""),
        (&[], "0,1000,"),
        (&[2, 2, 4], "\u{0}\u{0}"),
        (&[1, 2, 3, 4, 5], "4,"),
    ];
    for (rows, tail) in cases {
        stop_after(&folder, rows, tail);
        let stdout = diffplan("evaluate --resume --threads 2 --out", &[&folder]).succeeded();
        assert!(stdout.contains("mean return"), "{stdout}");
        assert_eq!(results(&folder), whole, "rows {rows:?} and {tail:?}");
    }
    // Torn elsewhere: not guessed at.
    for (line, words) in [
        ("7,1007,1.0,200\n", &["line 3 is no episode"][..]),
        (
            "3,7,-1,200,truncated,,200,1,1,,\n",
            &["episode 3 has seed 7", "1000 + 3"],
        ),
        ("0,1000,-1,200,truncated,,200,1,1,,\n", &["episode 0 has return -1"]),
    ] {
        stop_after(&folder, &[1], line);
        diffplan("evaluate --resume --out", &[&folder]).failed_with(words);
    }
    stop_after(&folder, &[1], "");
    fs::write(folder.join("evaluation.json"), "{\"finished\": fal").unwrap();
    diffplan("evaluate --resume --out", &[&folder]).failed_with(&["evaluation.json", "this is no evaluation"]);
    fs::remove_file(folder.join("evaluation.json")).unwrap();
    for resume in ["", "--resume"] {
        diffplan(&format!("evaluate {resume} --out"), &[&folder]).failed_with(&["episodes.csv but no evaluation.json"]);
    }
}

#[test]
fn other_settings_are_refused() {
    let temporary = TempDir::new().unwrap();
    let folder = temporary.path().join("eval");
    evaluate(&format!("{QUICK} --episodes 3"), &out(&folder)).succeeded();
    let finished = results(&folder);
    for stopped in [false, true] {
        if stopped {
            stop_after(&folder, &[2], "");
        }
        for (typed, words) in [
            ("--seed 1001", &["seed = 1001", "started with 1000"][..]),
            ("--batch-size 3", &["batch_size = 3", "started with 2"]),
            ("--scale 0.5", &["scale = 0.5", "started with 0.03"]),
            (
                "--guidance diffuser",
                &["guidance = diffuser", "started with diffusers"],
            ),
            (
                "--num-inference-steps 2",
                &["num_inference_steps = 2", "started with 1"],
            ),
            ("--rescore", &["rescore = true", "started with false"]),
            ("--precision bf16", &["precision = bf16", "started with f32"]),
            (
                "--env MountainCarContinuous-v0",
                &["env = Mountain", "started with Pendulum-v1"],
            ),
        ] {
            diffplan(&format!("evaluate --resume {typed} --out"), &[&folder]).failed_with(words);
        }
        let other = Copy::new();
        evaluate("--resume", &out(&folder)).succeeded();
        if stopped {
            stop_after(&folder, &[2], "");
        }
        // The same networks in another place are the same; others are not.
        let args = [other.path(), Path::new("--out"), &folder];
        diffplan("evaluate --resume --checkpoint", &args).succeeded();
        if stopped {
            stop_after(&folder, &[2], "");
        }
        other.bytes("unet/diffusion_pytorch_model.safetensors", |bytes| {
            let end = bytes.len();
            bytes[end - 1] ^= 1;
        });
        diffplan("evaluate --resume --checkpoint", &args)
            .failed_with(&["checkpoint = networks with hash", "evaluation.json"]);
    }
    // With what was typed at first, nothing differs.
    evaluate(&format!("{QUICK} --resume --scale 0.03"), &out(&folder)).succeeded();
    assert_eq!(results(&folder).1, finished.1);
}

#[test]
fn wrong_input_leaves_no_folder() {
    let temporary = TempDir::new().unwrap();
    let folder = temporary.path().join("eval");
    for (args, words) in [
        (
            "--env MountainCarContinuous-v0",
            &["observations have 2 dimensions, its actions 1, the checkpoint's statistics of observations 3"][..],
        ),
        ("--env Pendulum-v7", &["did you mean \"Pendulum-v1\""]),
        ("--horizon 30", &["horizon 30", "nearest that work"]),
        (
            "--parallel 9000",
            &["parallel × batch_size × planning_horizon", "9000 × 8 × 32"],
        ),
        ("--batch-size 40000", &["batch_size", "at most"]),
    ] {
        evaluate(&format!("{args} --episodes 10000"), &out(&folder)).failed_with(words);
        assert!(!folder.exists(), "{args}");
    }
    // In the middle of a batch, and with a folder to begin in: an episode that cannot go on is named.
    evaluate("--scale 1e30 --batch-size 1 --episodes 3", &out(&folder)).failed_with(&["episode 0, step 0: ", "scale"]);
    evaluate(&format!("{QUICK} --episodes 1"), &out(&folder)).succeeded();
    // A file in its place.
    evaluate(QUICK, &out(&checkpoint().join("normalizer.json"))).failed_with(&["normalizer.json"]);
}

#[cfg(unix)]
mod stopped {
    use super::*;
    use crate::running::Running;

    fn start(args: &str, folder: &Path) -> Running {
        let mut command = Command::new(env!("CARGO_BIN_EXE_diffplan"));
        command.arg("evaluate").args(args.split_whitespace());
        Running::start(command.arg("--checkpoint").arg(checkpoint()).arg("--out").arg(folder))
    }

    fn rows(folder: &Path) -> usize {
        fs::read_to_string(folder.join("episodes.csv")).map_or(0, |text| text.lines().count().saturating_sub(1))
    }

    /// Killed again and again, and gone on with each time.
    #[test]
    fn a_kill_at_any_moment_changes_nothing() {
        let temporary = TempDir::new().unwrap();
        let [whole, parts] = ["whole", "parts"].map(|name| temporary.path().join(name));
        let args = format!("{QUICK} --episodes 30");
        let begun = Instant::now();
        evaluate(&format!("{args} --parallel 3"), &out(&whole)).succeeded();
        let whole_time = begun.elapsed();
        let (mut random, mut stops) = (12345_u64, Vec::new());
        for kill in 0..14 {
            random = random
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            // From before the first row to some rows further on.
            let part = 0.15 * ((random >> 33) as f64 / f64::from(1_u32 << 31));
            let running = start(&format!("{args} --resume --parallel {}", 1 + kill % 4), &parts);
            sleep(Duration::from_millis(15) + whole_time.mul_f64(part));
            running.kill();
            stops.push(rows(&parts));
        }
        assert!(stops.is_sorted(), "{stops:?}: rows were lost");
        assert!(
            stops.iter().any(|rows| (1..30).contains(rows)),
            "{stops:?}: none was stopped in the middle"
        );
        let outcome = evaluate(&format!("{args} --resume --json"), &out(&parts));
        assert_eq!(outcome.status, Some(0), "{}", outcome.stderr);
        assert_eq!(results(&parts), results(&whole));
        let mut printed = json(&outcome.stdout);
        without_times(&mut printed);
        assert_eq!(printed, results(&whole).0);
    }

    #[test]
    fn an_interrupt_says_how_to_go_on() {
        let temporary = TempDir::new().unwrap();
        let folder = temporary.path().join("eval");
        for signal in ["INT", "TERM"] {
            let before = rows(&folder);
            let running = start(&format!("{QUICK} --episodes 100000 --resume --parallel 2"), &folder);
            while rows(&folder) <= before {
                sleep(Duration::from_millis(5));
            }
            // Nobody else writes there meanwhile.
            diffplan("evaluate --resume --out", &[&folder]).failed_with(&["another process is writing"]);
            let (status, text) = running.signal(signal);
            assert_eq!(status, Some(130), "{text}");
            let expected = format!(
                "interrupted after {} of 100000 episodes; go on with: diffplan evaluate --out {} --resume",
                rows(&folder),
                folder.display()
            );
            assert!(text.contains(&expected), "{text} instead of {expected}");
        }
    }
}
