//! `diffplan tune`, and options from a file.

use crate::diffplan;
use std::fs;
use tempfile::TempDir;

const QUICK: &str = "--batch-size 2 --n-guide-steps 1 --num-inference-steps 2 --env-kwargs max_episode_steps=10";

#[test]
fn what_is_recommended_is_taken_by_other_commands() {
    let temporary = TempDir::new().unwrap();
    let out = temporary.path().join("tuned.toml");
    let vary = "--vary batch_size=1,2 --vary num_inference_steps=1,2 --vary n-guide-steps=0,1";
    let tune = format!("tune {QUICK} {vary} --budget 20s --episodes 6 --parallel 4 --out");
    let stdout = diffplan(&tune, &[&out]).succeeded();
    for word in ["recommended", "default", "no guidance", "6 paired episodes"] {
        assert!(stdout.contains(word), "{word}: {stdout}");
    }
    for file in ["tuned.toml", "tuned.csv", "tuned.png", "tuned.rows"] {
        assert!(temporary.path().join(file).is_file(), "{file}");
    }
    let text = fs::read_to_string(&out).unwrap();
    assert!(
        text.starts_with("# diffplan tune: Pendulum-v1,") && text.contains("batch_size = "),
        "{text}"
    );
    // What is measured already stays; on a slow machine a little may be added.
    let rows = fs::read_to_string(out.with_extension("rows")).unwrap();
    let again = format!("tune {QUICK} {vary} --budget 1s --episodes 6 --parallel 4 --resume --out");
    diffplan(&again, &[&out]).succeeded();
    let after = fs::read_to_string(out.with_extension("rows")).unwrap();
    assert!(after.starts_with(&rows), "rows were lost");
    diffplan(&tune, &[&out]).failed_with(&["--resume goes on with them"]);

    let stdout = diffplan("plan --obs -1,0,0 --planning", &[&out]).succeeded();
    let (options, wrong) = (stdout, temporary.path().join("wrong.toml"));
    assert!(
        options.contains("2 candidates") || options.contains("1 candidate"),
        "{options}"
    );
    fs::write(&wrong, "batch_size = 2\nscales = 1\n").unwrap();
    diffplan("plan --obs -1,0,0 --planning", &[&wrong]).failed_with(&["line 2", "did you mean `scale`?"]);
    // What is done of plans one after another means nothing to a single one.
    fs::write(&wrong, "n_action_steps = 2\nbatch_size = 3\n").unwrap();
    let stdout = diffplan("plan --obs -1,0,0 --planning", &[&wrong]).succeeded();
    assert!(
        stdout.contains("3 candidates") && !stdout.contains("n_action_steps"),
        "{stdout}"
    );
}
