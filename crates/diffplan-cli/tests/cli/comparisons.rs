//! `diffplan evaluate --compare`: intervals as SciPy has them, and what is said of two that differ.

use super::*;
use crate::evaluate::{QUICK, evaluate, out, stop_after};

/// 30 returns of a made-up evaluation, and what a better planner makes of the same starts.
const A: [f64; 30] = [
    -130.0, -78.068, -183.268, -210.42, -125.55, -119.557, -180.92, -167.227, -88.522, -142.197, -216.645, -168.792,
    -104.022, -151.237, -190.484, -125.81, -106.956, -201.033, -210.56, -108.642, -123.929, -194.791, -177.083,
    -87.901, -167.545, -229.526, -127.42, -111.194, -183.647, -218.841,
];
const B: [f64; 30] = [
    -110.809, -61.043, -185.155, -184.939, -117.626, -115.606, -154.118, -166.902, -75.766, -119.53, -219.616,
    -147.509, -89.42, -151.987, -164.096, -120.233, -100.785, -174.843, -211.64, -93.402, -103.166, -197.708, -153.968,
    -75.795, -166.801, -202.633, -124.01, -102.641, -158.464, -220.961,
];

fn comparison(a: &Value, b: &Value) -> (Value, String) {
    let folder = TempDir::new().unwrap();
    let [path_a, path_b] = [("a.json", a), ("b.json", b)].map(|(name, object)| {
        let path = folder.path().join(name);
        fs::write(&path, object.to_string()).unwrap();
        path
    });
    let object = json(&diffplan("evaluate --json --compare", &[&path_a, &path_b]).succeeded());
    let text = diffplan("evaluate --compare", &[&path_a, &path_b]).succeeded();
    (object, text)
}

#[track_caller]
fn check_interval(difference: &Value, expected: [f64; 2], tolerance: f64) {
    for (actual, expected) in numbers(&difference["confidence_interval"]).into_iter().zip(expected) {
        assert!((actual - expected).abs() < tolerance, "{actual} instead of {expected}");
    }
}

/// Expected: a million resamples with NumPy, `numpy.percentile(…, [2.5, 97.5])`. The ends of 10,000 resamples scatter about
/// that by 0.05 paired and 0.22 unpaired; five times that is allowed.
#[test]
fn intervals_are_those_of_numpy() {
    let played = |env: &str, seed: u64, returns: &[f64]| serde_json::json!({"finished": true, "env": env, "seed": seed, "returns": returns, "config": {"scale": 0.1}});
    let hopper = |seed, returns| played("Hopper-v5", seed, returns);
    let (paired, text) = comparison(&hopper(7, &A), &hopper(7, &B));
    let difference = &paired["difference"];
    assert!((difference["mean_return"].as_f64().unwrap() - 12.0205).abs() < 1e-9);
    assert_eq!(
        (&difference["paired"], &difference["resamples"]),
        (&true.into(), &10_000.into())
    );
    check_interval(difference, [8.228565, 15.803368], 0.25);
    assert_eq!(paired["warnings"], serde_json::json!([]));
    for words in [
        "+12.0, 95 % interval +8.",
        "percentile bootstrap, 10000 resamples, seed 0, paired by episode",
        "in scores",
    ] {
        assert!(text.contains(words), "no {words:?} in\n{text}");
    }
    // D4RL's references are 3254.572305 apart.
    let score = difference["normalized_score"].as_f64().unwrap();
    assert!((score - 12.0205 / 32.54572305).abs() < 1e-9, "{score}");
    assert_eq!(comparison(&hopper(7, &A), &hopper(7, &B)).0["difference"], *difference);

    let (unpaired, text) = comparison(&hopper(7, &A), &hopper(8, &B));
    assert_eq!(unpaired["difference"]["paired"], false);
    check_interval(&unpaired["difference"], [-10.306333, 34.267604], 1.1);
    assert!(
        text.contains("not paired") && text.contains("the seeds differ: 7 and 8"),
        "{text}"
    );

    let (fewer, _) = comparison(&hopper(7, &A), &hopper(7, &B[..20]));
    assert_eq!(fewer["difference"]["paired"], false);
    check_interval(&fewer["difference"], [-8.501435, 40.638718], 1.25);
    assert_eq!(
        fewer["warnings"],
        serde_json::json!(["the numbers of episodes differ: 30 and 20"])
    );

    let mut other = played("Pendulum-v1", 7, &B[..9]);
    other["config"] =
        serde_json::json!({"scale": 0.2, "batch_size": 32, "threads": 3, "checkpoint": "x", "temperature": 1.0});
    let (other, _) = comparison(&hopper(7, &A), &other);
    let expected = [
        "the environments differ: Hopper-v5 and Pendulum-v1",
        "the numbers of episodes differ: 30 and 9",
        "plans were made with another batch_size: 64 and 32",
        "plans were made with another scale: 0.1 and 0.2",
        "fewer than 10 episodes: the interval is too narrow",
    ];
    assert_eq!(other["warnings"], serde_json::json!(expected));
    assert_eq!(other["difference"]["normalized_score"], Value::Null);
}

#[test]
fn what_was_played_can_be_compared_and_nothing_else() {
    let temporary = TempDir::new().unwrap();
    let [eval, rolled] = ["eval", "rolled"].map(|name| temporary.path().join(name));
    evaluate(&format!("{QUICK} --episodes 3"), &out(&eval)).succeeded();
    let args = [&checkpoint(), Path::new("--out"), &rolled];
    diffplan(
        &format!("rollout {QUICK} --episodes 3 --batch-size 3 --checkpoint"),
        &args,
    )
    .succeeded();
    let files = [eval.join("evaluation.json"), rolled.join("summary.json")];
    let object = json(&diffplan("evaluate --json --compare", &[&files[0], &files[1]]).succeeded());
    assert_eq!(object["difference"]["paired"], true);
    assert_eq!(
        object["warnings"][0],
        "plans were made with another batch_size: 2 and 3"
    );
    assert_eq!(object["warnings"].as_array().unwrap().len(), 2);
    // With itself.
    let same = json(&diffplan("evaluate --json --compare", &[&files[0], &files[0]]).succeeded());
    assert_eq!(numbers(&same["difference"]["confidence_interval"]), [0.0, 0.0]);

    let other = checkpoint().join("normalizer.json");
    diffplan("evaluate --compare", &[&files[0], &other])
        .failed_with(&["normalizer.json", "neither an evaluation.json nor"]);
    diffplan("evaluate --compare", &[&files[0], Path::new("nowhere.json")])
        .failed_with(&["nowhere.json", "No such file"]);
    diffplan("evaluate --compare", &[&files[0], &eval.join("episodes.csv")]).failed_with(&["episodes.csv", "neither"]);
    stop_after(&eval, &[1], "");
    diffplan("evaluate --compare", &[&files[0], &files[1]]).failed_with(&["not finished", "--resume"]);
    fs::write(&files[1], r#"{"env": "x", "seed": 0, "returns": []}"#).unwrap();
    diffplan("evaluate --compare", &[&files[1], &files[1]]).failed_with(&["no returns"]);
    fs::write(&files[1], r#"{"env": "x", "seed": 0, "returns": [1.0, null]}"#).unwrap();
    diffplan("evaluate --compare", &[&files[1], &files[1]]).failed_with(&["neither", "null"]);
}

#[test]
fn a_comparison_says_why_episodes_are_not_paired_and_what_one_episode_is_worth() {
    let folder = TempDir::new().unwrap();
    let file = |name: &str, returns: &str, seed: u64| {
        let path = folder.path().join(name);
        let text = format!(r#"{{"env": "Hopper-v5", "seed": {seed}, "returns": {returns}, "config": {{}}}}"#);
        fs::write(&path, text).unwrap();
        path
    };
    let three = file("three.json", "[1.0, 2.0, 4.0]", 0);
    let prefix = file("prefix.json", "[1.0, 2.0]", 0);
    let other = file("other.json", "[3.0, 2.0, 4.0]", 9);
    let one = file("one.json", "[5.0]", 0);
    for (b, why) in [
        (&prefix, "not paired: the numbers of episodes differ"),
        (&other, "not paired: the episodes did not begin alike"),
        (&three, "paired by episode"),
        (&one, "none: a single episode says nothing about others"),
    ] {
        let text = diffplan("evaluate --compare", &[&three, b]).succeeded();
        assert!(text.contains(why), "{text}");
        let report = json(&diffplan("evaluate --json --compare", &[&three, b]).succeeded());
        assert_eq!(
            report["difference"]["confidence_interval"].is_null(),
            b == &one,
            "{report}"
        );
    }
    let huge = file("huge.json", "[1e308, 1e308]", 0);
    diffplan("evaluate --compare", &[&three, &huge]).failed_with(&["too large for a mean"]);
}

#[test]
fn saved_settings_are_checked_as_typed_ones_are() {
    let folder = TempDir::new().unwrap();
    let out = folder.path().join("evaluation");
    let quick = "evaluate --episodes 2 --batch-size 1 --num-inference-steps 1 --n-guide-steps 0 --checkpoint";
    diffplan(quick, &[&checkpoint(), Path::new("--out"), &out]).succeeded();
    let (settings, rows) = (out.join("evaluation.json"), out.join("episodes.csv"));
    let (json_text, csv) = (
        fs::read_to_string(&settings).unwrap(),
        fs::read_to_string(&rows).unwrap(),
    );
    for (from, to, words) in [
        ("\"batch_size\": 1", "\"batch_size\": 0", "batch_size"),
        (
            "\"planning_horizon\": 32",
            "\"planning_horizon\": 0",
            "planning_horizon",
        ),
        (
            "\"episodes\": 2,\n    \"parallel\"",
            "\"episodes\": 0,\n    \"parallel\"",
            "episodes is 0",
        ),
        (
            "\"seed\": 0,\n  \"returns\"",
            "\"seed\": 18446744073709551615,\n  \"returns\"",
            "seed is",
        ),
    ] {
        assert!(json_text.contains(from), "{from}: {json_text}");
        fs::write(&settings, json_text.replacen(from, to, 1)).unwrap();
        diffplan("evaluate --resume --out", &[&out]).failed_with(&[words]);
    }
    fs::write(&settings, &json_text).unwrap();
    // A row that is not what the end had.
    fs::write(
        &rows,
        csv.replace(",200,truncated,", ",199,truncated,")
            .replace(",200,", ",199,"),
    )
    .unwrap();
    diffplan("evaluate --resume --out", &[&out]).failed_with(&["differ about episode 0"]);
    fs::write(&rows, &csv).unwrap();
    diffplan("evaluate --resume --out", &[&out]).succeeded();
}
