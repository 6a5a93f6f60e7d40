use super::*;

#[test]
fn a_second_count_a_repeat() {
    for task in ["unet", "value_grad", "plan"] {
        // In the order the comparison with the reference passes them.
        let args = format!("--task {task} --batch-size 2 --horizon 32 --n-guide-steps 1 --threads 2 --repeat 3");
        let more: Vec<&str> = args.split(' ').collect();
        let folder = checkpoint();
        let mut paths = vec![folder.as_path()];
        paths.extend(more.iter().map(Path::new));
        let object = json(&diffplan("bench --json --num-inference-steps 2 --checkpoint", &paths).succeeded());
        assert_eq!(object["task"], task);
        let seconds = numbers(&object["seconds"]);
        assert_eq!(seconds.len(), 3);
        assert!(seconds.iter().all(|&s| 0.0 < s && s < 60.0), "{seconds:?}");
        assert_eq!((&object["batch_size"], &object["threads"]), (&2.into(), &2.into()));
        assert_eq!(
            (&object["planning_horizon"], &object["n_guide_steps"]),
            (&32.into(), &1.into())
        );
    }
}

#[test]
fn hopper_size_needs_no_checkpoint() {
    let args = "bench --hopper-size --batch-size 1 --repeat 1 --num-inference-steps 2 --json --task";
    for task in ["unet", "value_grad", "plan"] {
        let object = json(&diffplan(args, &[Path::new(task)]).succeeded());
        assert_eq!(numbers(&object["seconds"]).len(), 1);
        assert_eq!(
            (&object["checkpoint"], &object["hopper_size"]),
            (&Value::Null, &true.into())
        );
    }
}

#[test]
fn times_for_people() {
    let out = diffplan(
        "bench --task unet --batch-size 1 --repeat 2 --checkpoint",
        &[&checkpoint()],
    )
    .succeeded();
    for words in ["task      unet", "batch 1, horizon 32", "median", "calls/s"] {
        assert!(out.contains(words), "no {words:?} in\n{out}");
    }
}

#[test]
fn deadlines_are_kept_and_said() {
    let args =
        "bench --task deadline --deadline 250ms --plans 4 --batch-size 2 --num-inference-steps 6 --json --checkpoint";
    let object = json(&diffplan(args, &[&checkpoint()]).succeeded());
    let report = &object["deadline"];
    assert_eq!((&report["plans"], &report["budget"]), (&4.into(), &0.25.into()));
    let times = ["p50", "p95", "p99", "max"].map(|name| report[name].as_f64().unwrap());
    assert!(
        times[0] > 0.0 && times.windows(2).all(|pair| pair[0] <= pair[1]),
        "{times:?}"
    );
    let planned: u64 = report["rungs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|rung| rung["plans"].as_u64().unwrap())
        .sum();
    assert_eq!(planned, 4);
    assert_eq!(object["observations"], "Pendulum-v1");
    assert_eq!(
        (&object["batch_size"], &object["pinned"]),
        (&2.into(), &"not asked for".into())
    );
    assert_eq!(object["ladder"][0]["dropped"], "");

    let args = "bench --task deadline --deadline 2s --plans 1 --batch-size 1 --num-inference-steps 2 --pin --realtime --checkpoint";
    let out = diffplan(args, &[&checkpoint()]).succeeded();
    for words in ["real-time", "1 plan within 2000.00 ms", "p50", "jitter"] {
        assert!(out.contains(words), "no {words:?} in\n{out}");
    }
}

#[test]
fn deadlines_that_cannot_be_kept_and_flags_of_another_task_are_refused() {
    for (args, words) in [
        (
            "--task deadline --deadline 0ms --batch-size 2 --num-inference-steps 2",
            "deadline = 0: expected a time above 0",
        ),
        ("--task plan --deadline 5ms", "with --task deadline alone"),
        ("--task unet --pin", "with --task deadline alone"),
    ] {
        diffplan(&format!("bench {args} --checkpoint"), &[&checkpoint()]).failed_with(&[words]);
    }
}
