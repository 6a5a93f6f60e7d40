//! From nothing to a planner that is better than the data it learned from, through the commands a user would type.

use super::*;
use serde_json::Value;

fn run(args: &str, folder: &Path) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_diffplan"))
        .args(args.split_whitespace())
        .current_dir(folder)
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let (stdout, stderr) = (text(output.stdout), text(output.stderr));
    assert!(output.status.success(), "diffplan {args}: {stderr}");
    serde_json::from_str(stdout.lines().last().unwrap()).unwrap()
}

/// About a minute on two cores. Measured with AVX-512: -314, the data -491; half as many channels came to -415.
#[test]
fn a_planner_learns_to_do_better_than_its_data() {
    let folder = TempDir::new().unwrap();
    let run = |args: &str| run(args, folder.path());
    let data = run("data collect --env Pendulum-v1 --policy mixed --episodes 400 --seed 7 --out data.hdf5 --json");
    let trained = run(
        "train both --dataset data.hdf5 --out run --channels 32,64 --horizon 32 --value-pooling mean --batch-size 64 \
         --gradient-accumulate-every 1 --lr 2e-3 --lr-schedule cosine --ema-start 1000 --use-padding=false \
         --discount 0.97 --steps 4500 --value-steps 3000 --sample-every 0 --json",
    );
    assert_eq!(trained["networks"].as_array().unwrap().len(), 2);
    let played = run("rollout --checkpoint run --episodes 8 --seed 100 --batch-size 8 --scale 0.05 --json");
    let mean = |of: &Value| of["mean_return"].as_f64().unwrap();
    assert!(
        mean(&played) > mean(&data),
        "the planner's mean return is {}, the data's {}",
        mean(&played),
        mean(&data)
    );
}
