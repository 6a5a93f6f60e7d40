//! `--guides FILE`: costs and constraints of a file, in plans and in what runs record.

use super::*;

const LIMITS: &str = r#"
[[guide]]
type = "effort"
weight = 0.01
[[constraint]]
type = "action-limits"
low = -0.8
high = 0.8
[[constraint]]
type = "state-limits"
dims = ["dθ/dt"]
low = -2
high = 2
"#;

fn file(text: &str) -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("limits.toml");
    fs::write(&path, text).unwrap();
    (folder, path)
}

fn plan(args: &str, guides: &Path) -> Outcome {
    let args = format!("plan --obs -1,0,0.5 --batch-size 4 --num-inference-steps 5 {args} --guides");
    diffplan(&args, &[guides, Path::new("--checkpoint"), &checkpoint()])
}

#[test]
fn constraints_hold_and_violations_are_told() {
    let (_folder, guides) = file(LIMITS);
    let object = json(&plan("--json", &guides).succeeded());
    let violations = object["violations"].as_array().unwrap();
    let names: Vec<&str> = violations.iter().map(|v| v["constraint"].as_str().unwrap()).collect();
    assert_eq!(names, ["action-limits (torque)", "state-limits (dθ/dt)"]);
    let before: f64 = violations.iter().flat_map(|v| numbers(&v["before"])).sum();
    assert!(before > 0.0);
    assert!(violations.iter().all(|v| numbers(&v["after"]) == [0.0; 4]));
    for (step, row) in object["best_trajectory"].as_array().unwrap().iter().enumerate() {
        let row = numbers(row);
        assert!(
            row[0].abs() <= 0.8 + 1e-7 && (step == 0 || row[3].abs() <= 2.0),
            "{row:?}"
        );
    }
    let recorded = object["config"]["guides"][0].as_str().unwrap();
    assert!(
        recorded.starts_with('@') && recorded.contains("limits.toml#"),
        "{recorded}"
    );
    let text = plan("", &guides).succeeded();
    // With a cost among them values are no returns.
    assert!(text.contains("values") && !text.contains("discounted return"), "{text}");
    assert!(text.contains("state-limits (dθ/dt): violated by "), "{text}");
    assert!(text.contains(", 0.0000 after; 4 of 4 candidates hold it"), "{text}");
}

#[test]
fn a_file_that_is_wrong_is_refused_with_its_line() {
    let (_folder, guides) = file("[[guide]]\ntype = \"efort\"\n");
    plan("", &guides).failed_with(&["limits.toml", "line 2", "did you mean `effort`?"]);
    let (_folder, guides) = file("[[guide]]\ntype = \"goal\"\ndims = [\"dθ\"]\ngoal = [0]\n");
    plan("", &guides).failed_with(&["limits.toml", "line 1", "no dimension \"dθ\"", "cos θ"]);
    plan("", Path::new("nowhere.toml")).failed_with(&["cannot read nowhere.toml"]);
    let (_folder, guides) = file(LIMITS);
    diffplan("rollout --policy random --guides", &[&guides]).failed_with(&["--guides means nothing to the policy"]);
}

#[test]
fn gradients_are_checked_and_a_scale_is_proposed() {
    let (_folder, guides) = file(LIMITS);
    let text = plan("--check-guides", &guides).succeeded();
    for words in ["value at timestep", "effort (torque) at timestep 0: right", "--scale "] {
        assert!(text.contains(words), "no {words:?} in\n{text}");
    }
    let object = json(&plan("--check-guides --json", &guides).succeeded());
    assert!(object["scale"]["proposed"].as_f64().unwrap() > 0.0);
    assert_eq!(object["gradients"].as_array().unwrap().len(), 4);
}

/// A run says under which file it was, and is not gone on with under another.
#[test]
fn runs_record_their_file() {
    let (folder, guides) = file(LIMITS);
    let out = folder.path().join("run");
    let args = "--env-kwargs max_episode_steps=2 --batch-size 2 --num-inference-steps 2 --threads 1 --json";
    let more: [&Path; 4] = [&guides, Path::new("--out"), &out, Path::new("--resume")];
    let evaluate =
        |episodes: usize, more: &[&Path]| diffplan(&format!("evaluate --episodes {episodes} {args} --guides"), more);
    evaluate(1, &more[..3]).succeeded();
    evaluate(2, &more).succeeded();
    fs::write(&guides, LIMITS.replace("-2", "-3")).unwrap();
    evaluate(3, &more).failed_with(&["guide"]);
    diffplan(&format!("evaluate --episodes 3 {args} --resume --out"), &[&out])
        .failed_with(&["limits.toml", "was changed"]);
    let summary = json(&diffplan(&format!("rollout {args} --guides"), &[&guides]).succeeded());
    assert!(summary.to_string().contains("limits.toml#"), "{summary}");
}
