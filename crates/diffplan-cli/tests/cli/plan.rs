use super::*;

fn plan(args: &str) -> Value {
    let out = diffplan(
        &format!("plan {args} --num-inference-steps 3 --json --checkpoint"),
        &[&checkpoint()],
    )
    .succeeded();
    assert_eq!(out.lines().count(), 1);
    json(&out)
}

#[test]
fn the_json_object_holds_the_plan() {
    for args in ["--obs=-0.5,0.25,-1.5", "--obs -0.5,0.25,-1.5"] {
        let object = plan(&format!("{args} --batch-size 4"));
        let trajectory: Vec<Vec<f64>> = object["best_trajectory"]
            .as_array()
            .unwrap()
            .iter()
            .map(numbers)
            .collect();
        assert_eq!(trajectory.len(), 32);
        assert!(trajectory.iter().all(|row| row.len() == 4));
        assert_eq!(numbers(&object["action"]), trajectory[0][..1]);
        for (planned, observed) in trajectory[0][1..].iter().zip([-0.5, 0.25, -1.5]) {
            assert!((planned - observed).abs() < 1e-6, "{planned} instead of {observed}");
        }
        let values = numbers(&object["values"]);
        assert_eq!(values.len(), 4);
        assert!(values.is_sorted_by(|a, b| a >= b), "{values:?}");
        let mut order = numbers(&object["order"]);
        order.sort_by(f64::total_cmp);
        assert_eq!(order, [0.0, 1.0, 2.0, 3.0]);
        assert_eq!(object["config"]["seed"], 0);
    }
}

#[test]
fn seeds_decide_the_noise() {
    let action = |args: &str| plan(&format!("--obs 1,0,0 --batch-size 2 {args}"))["action"].to_string();
    let own = action("");
    assert_eq!(own, action("--seed 0 --threads 1"));
    assert_ne!(own, action("--seed 1"));
    let torch = action("--torch-seed 0");
    assert_ne!(own, torch);
    assert_eq!(torch, action("--torch-seed 0 --threads 3"));
    // Torch counts the low 32 bits only, and reads -1 as 2^64 - 1.
    assert_eq!(action("--torch-seed -1"), action("--torch-seed 4294967295"));
}

#[test]
fn without_guidance_there_are_no_values() {
    let object = plan("--obs 1,0,0 --batch-size 3 --n-guide-steps 0");
    assert_eq!(object["values"], Value::Null);
    assert!(object["chosen"].as_u64().unwrap() < 3);
    let rescored = plan("--obs 1,0,0 --batch-size 3 --n-guide-steps 0 --rescore");
    assert_eq!(numbers(&rescored["values"]).len(), 3);
    diffplan(
        "plan --obs 1,0,0 --batch-size 2 --num-inference-steps 2 --n-guide-steps 0 --scale 1 --json --checkpoint",
        &[&checkpoint()],
    )
    .warned(&["--scale", "guide steps"]);
}

#[test]
fn both_plans_are_in_json() {
    let place = TempDir::new().unwrap();
    let file = place.path().join("both.png");
    let both = plan(&format!(
        "--obs 1,0,0 --batch-size 3 --compare-unguided --render {}",
        file.display()
    ));
    let alone = plan("--obs 1,0,0 --batch-size 3 --n-guide-steps 0 --rescore");
    for key in ["action", "values", "best_trajectory"] {
        assert_eq!(both["unguided"][key], alone[key], "{key}");
    }
    assert_eq!(alone["unguided"], Value::Null);
    assert_eq!(both["names"]["observations"][0], "cos θ");
    assert_eq!(both["names"]["actions"][0], "torque");
}

#[test]
fn a_table_for_people() {
    let out = diffplan(
        "plan --obs 1,0,0 --batch-size 2 --num-inference-steps 2 --checkpoint",
        &[&checkpoint()],
    )
    .succeeded();
    for words in [
        "2 candidates",
        "best ",
        "discounted return",
        "torque",
        "step  torque",
        "cos θ   sin θ",
    ] {
        assert!(out.contains(words), "no {words:?} in\n{out}");
    }
}
