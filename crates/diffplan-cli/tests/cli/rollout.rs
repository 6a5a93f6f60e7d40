use super::*;
use ndarray::{Array1, Array2, Array3, s};
use ndarray_npy::NpzReader;

const QUICK: &str = "rollout --batch-size 2 --num-inference-steps 2 --seed 1000";

#[test]
fn the_json_object_is_the_only_line() {
    let out = diffplan(
        &format!("{QUICK} --episodes 2 --threads 1 --json --checkpoint"),
        &[&checkpoint()],
    )
    .succeeded();
    assert_eq!(out.lines().count(), 1);
    let object = json(&out);
    assert_eq!(object["env"], "Pendulum-v1");
    assert_eq!(object["seed"], 1000);
    assert_eq!(numbers(&object["lengths"]), [200.0, 200.0]);
    let returns = numbers(&object["returns"]);
    assert_eq!(object["mean_return"].as_f64(), Some((returns[0] + returns[1]) / 2.0));
    // Pendulum's reward lies in -16.28..=0, and seed 1000 starts close to upright: even a careless policy falls slowly.
    assert!(returns.iter().all(|r| (-200.0 * 16.28..0.0).contains(r)), "{returns:?}");
    let (median, p95) = (&object["plan_ms"]["median"], &object["plan_ms"]["p95"]);
    assert!(0.0 < median.as_f64().unwrap() && median.as_f64() <= p95.as_f64());
    let config = &object["config"];
    for (key, expected) in [
        ("batch_size", "2"),
        ("planning_horizon", "32"),
        ("n_guide_steps", "2"),
        ("scale", "0.03"),
        ("guidance", "\"diffusers\""),
        ("rescore", "false"),
        ("num_inference_steps", "2"),
        ("threads", "1"),
    ] {
        assert_eq!(config[key].to_string(), expected, "{key}");
    }
    assert_eq!(config["checkpoint"], checkpoint().to_str().unwrap());
}

/// The number of threads changes nothing, nor does the number of episodes change the first.
#[test]
fn the_same_settings_give_the_same_bits() {
    let returns = |more: &str| {
        let out = diffplan(&format!("{QUICK} --json {more} --checkpoint"), &[&checkpoint()]).succeeded();
        numbers(&json(&out)["returns"])
    };
    let one = returns("--batch-size 3 --num-inference-steps 1 --threads 1");
    assert_eq!(one.len(), 1);
    assert_eq!(one, returns("--batch-size 3 --num-inference-steps 1 --threads 2"));
    assert_eq!(one, returns("--batch-size 3 --num-inference-steps 1 --threads 3"));
    let two = returns("--batch-size 3 --num-inference-steps 1 --threads 2 --episodes 2");
    assert_eq!(one[0], two[0]);
    assert_ne!(two[0], two[1]);
}

#[test]
fn settings_then_a_table() {
    let out = diffplan(
        &format!("{QUICK} --episodes 2 --n-guide-steps 0 --checkpoint"),
        &[&checkpoint()],
    )
    .succeeded();
    for words in [
        "Pendulum-v1",
        "2, seeds 1000 to 1001",
        "2 candidates, horizon 32, no guidance, 2 timesteps",
        "episode  seed  return  length",
        "mean return",
        "standard error of 2 episodes",
    ] {
        assert!(out.contains(words), "no {words:?} in\n{out}");
    }
}

#[test]
fn what_is_saved_is_what_was_played() {
    let folder = TempDir::new().unwrap();
    let out = folder.path().join("new/folder");
    fs::create_dir_all(&out).unwrap();
    fs::write(out.join("summary.json"), "of an older run").unwrap();
    let command = format!("{QUICK} --episodes 2 --json --checkpoint");
    let stdout = diffplan(&command, &[&checkpoint(), Path::new("--out"), &out]).succeeded();
    let object = json(&stdout);

    let mut names: Vec<_> = fs::read_dir(&out).unwrap().map(|f| f.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(
        names,
        ["rollout.png", "summary.json", "trajectories.npz"],
        "and no temporary file"
    );
    let summary: Value = serde_json::from_str(&fs::read_to_string(out.join("summary.json")).unwrap()).unwrap();
    assert_eq!(summary, object);
    let png = fs::read(out.join("rollout.png")).unwrap();
    assert_eq!(&png[..8], b"\x89PNG\r\n\x1a\n");
    let width = u32::from_be_bytes(png[16..20].try_into().unwrap());
    assert_eq!(width, 1600);

    let mut npz = NpzReader::new(fs::File::open(out.join("trajectories.npz")).unwrap()).unwrap();
    let observations: Array2<f32> = npz.by_name("observations").unwrap();
    let next_observations: Array2<f32> = npz.by_name("next_observations").unwrap();
    let actions: Array2<f32> = npz.by_name("actions").unwrap();
    let rewards: Array1<f64> = npz.by_name("rewards").unwrap();
    let terminals: Array1<bool> = npz.by_name("terminals").unwrap();
    let timeouts: Array1<bool> = npz.by_name("timeouts").unwrap();
    let plan_steps: Array1<i64> = npz.by_name("plan_steps").unwrap();
    let plans: Array3<f32> = npz.by_name("plan_trajectories").unwrap();
    assert_eq!((observations.dim(), next_observations.dim()), ((400, 3), (400, 3)));
    assert_eq!((actions.dim(), rewards.dim()), ((400, 1), 400));
    assert!(actions.iter().all(|a| (-2.0..=2.0).contains(a)));
    for (episode, expected) in numbers(&object["returns"]).into_iter().enumerate() {
        assert_eq!(rewards.slice(s![200 * episode..200 * (episode + 1)]).sum(), expected);
        let next = next_observations.slice(s![200 * episode..200 * episode + 199, ..]);
        assert_eq!(next, observations.slice(s![200 * episode + 1..200 * (episode + 1), ..]));
    }
    assert!(terminals.iter().all(|t| !t));
    let ends: Vec<usize> = timeouts.indexed_iter().filter(|(_, t)| **t).map(|(i, _)| i).collect();
    assert_eq!(ends, [199, 399]);
    assert_eq!(plan_steps.to_vec(), [0, 33, 66, 100, 133, 166]);
    assert_eq!(plans.dim(), (6, 32, 4));
    for (plan, &step) in plans.outer_iter().zip(&plan_steps) {
        let step = step as usize;
        // Through the normaliser and back: a few float32 roundings of numbers up to 8.
        for (planned, seen) in plan.slice(s![0, 1..]).iter().zip(observations.row(step)) {
            assert!(
                (planned - seen).abs() < 4e-6,
                "step {step}: {planned} instead of {seen}"
            );
        }
        assert_eq!(plan[[0, 0]].clamp(-2.0, 2.0), actions[[step, 0]], "step {step}");
    }
}

#[test]
fn a_closed_pipe_is_no_error() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_diffplan"))
        .args("plan --obs 1,0,0 --batch-size 1 --num-inference-steps 1 --checkpoint".split(' '))
        .arg(checkpoint())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}

#[test]
fn one_episode_is_played_alone_as_among_others() {
    let fast = "rollout --seed 7 --batch-size 1 --num-inference-steps 1 --n-guide-steps 0 --json";
    let three = json(&diffplan(&format!("{fast} --episodes 3 --checkpoint"), &[&checkpoint()]).succeeded());
    let alone = json(&diffplan(&format!("{fast} --first 2 --checkpoint"), &[&checkpoint()]).succeeded());
    assert_eq!(alone["returns"][0], three["returns"][2]);
    assert_ne!(three["returns"][0], three["returns"][2]);
    assert_eq!(alone["config"]["first"], 2);
    assert_eq!(three["config"].get("first"), None);
    let text = diffplan(
        &format!("{} --first 2 --checkpoint", fast.replace(" --json", "")),
        &[&checkpoint()],
    );
    assert!(text.succeeded().contains("1, number 2 of seed 7: seed 9"));
}
