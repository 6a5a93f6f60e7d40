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
