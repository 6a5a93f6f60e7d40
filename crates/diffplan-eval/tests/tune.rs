//! Tuning: baselines and winners meet in the final, what was measured is on disk and is gone on with, wrong input is told.

#![allow(clippy::unwrap_used)] // a test fails by panicking

use diffplan_envs::{EpisodeLimit, MakeOptions, Registry};
use diffplan_eval::tune::{Pools, Space, Subject, TuneEvent, TuneRows, Tuned, Tuning};
use diffplan_eval::{Error, PlannerPolicy, Result};
use diffplan_pipelines::{PlanOptions, ValueGuidedPipeline};
use serde_json::json;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// The checkpoint in testdata/, with episodes of 12 steps.
struct Bench {
    pipeline: ValueGuidedPipeline,
    options: PlanOptions,
    pools: Pools,
    tuning: Tuning,
}

impl Bench {
    fn new() -> Self {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/pendulum-hor32");
        let pipeline = ValueGuidedPipeline::from_pretrained(folder).unwrap();
        let pool = Arc::new(rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap());
        let mut tuning = Tuning::new("Pendulum-v1");
        tuning.budget = Duration::from_secs(3600);
        tuning.episodes = 12;
        tuning.trials = 6;
        tuning.parallel = 4;
        let space = ["batch_size=1,2", "num_inference_steps=1,2", "n_guide_steps=0,1"].map(str::to_owned);
        tuning.space = Some(Space::of_texts(&space).unwrap());
        Self {
            options: PlanOptions {
                batch_size: 2,
                num_inference_steps: Some(3),
                n_guide_steps: 1,
                ..pipeline.options()
            },
            pipeline,
            pools: Pools {
                timed: Arc::clone(&pool),
                played: pool,
            },
            tuning,
        }
    }

    fn run(&self, rows: &mut TuneRows, watch: &mut dyn FnMut(TuneEvent) -> ControlFlow<()>) -> Result<Tuned> {
        let options = MakeOptions {
            max_episode_steps: EpisodeLimit::Steps(12),
            ..MakeOptions::default()
        };
        let make = || Ok(Registry::default().make_with("Pendulum-v1", &options)?);
        let subject = Subject {
            pipeline: &self.pipeline,
            options: &self.options,
            make: &make,
            policy: &|planner| Ok(PlannerPolicy::new(planner)),
            pools: &self.pools,
        };
        self.tuning.run(&subject, rows, &mut |event, _| watch(event))
    }
}

fn of() -> serde_json::Value {
    json!({"checkpoint": "00", "env": "Pendulum-v1"})
}

fn lines(path: &Path) -> usize {
    std::fs::read_to_string(path).unwrap().lines().count()
}

#[test]
fn a_tuning_that_was_cut_short_goes_on() {
    let (bench, folder) = (Bench::new(), tempfile::tempdir().unwrap());
    let path = folder.path().join("tuned.rows");
    let mut rows = TuneRows::in_file(&path, &of(), false).unwrap();
    let mut left = 40;
    let stopped = bench.run(&mut rows, &mut |event| {
        left = usize::saturating_sub(left, usize::from(event == TuneEvent::Episode));
        if left == 0 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    assert!(matches!(stopped, Err(Error::Stopped { .. })));
    drop(rows);
    let before = lines(&path);
    assert!(before > 40, "{before}");
    let error = TuneRows::in_file(&path, &of(), false).unwrap_err().to_string();
    assert!(error.contains("--resume goes on with them"), "{error}");
    let error = TuneRows::in_file(&path, &json!({"checkpoint": "01", "env": "Pendulum-v1"}), true).unwrap_err();
    assert!(
        error.to_string().contains("checkpoint = \"00\", not of \"01\""),
        "{error}"
    );

    let mut rows = TuneRows::in_file(&path, &of(), true).unwrap();
    let tuned = bench.run(&mut rows, &mut |_| ControlFlow::Continue(())).unwrap();
    drop(rows);
    assert!(lines(&path) > before);
    // What an episode comes to does not depend on when it was played.
    let whole = bench
        .run(&mut TuneRows::in_memory(), &mut |_| ControlFlow::Continue(()))
        .unwrap();
    for (one, other) in tuned.trials.iter().zip(&whole.trials) {
        assert_eq!((&one.options, &one.last), (&other.options, &other.last));
    }
    // Everything is there: nothing is measured again.
    let known = lines(&path);
    let mut rows = TuneRows::in_file(&path, &of(), true).unwrap();
    let again = bench.run(&mut rows, &mut |_| ControlFlow::Continue(())).unwrap();
    assert_eq!((lines(&path), again.best), (known, tuned.best));

    // With no budget left, what is known is what counts.
    let mut poor = Bench::new();
    poor.tuning.budget = Duration::from_millis(1);
    let known = lines(&path);
    let mut rows = TuneRows::in_file(&path, &of(), true).unwrap();
    let poor = poor.run(&mut rows, &mut |_| ControlFlow::Continue(())).unwrap();
    assert_eq!((lines(&path), poor.trials.len()), (known, tuned.trials.len()));
    assert!(
        poor.trials
            .iter()
            .zip(&tuned.trials)
            .all(|(poor, trial)| poor.search.len() >= trial.search.len())
    );
    assert!(poor.against_default.is_none_or(|difference| difference.episodes == 2));

    // The default and the plan without guidance are in the final, whoever else is.
    assert_eq!(tuned.trials[0].options, bench.options);
    let unguided = &tuned.trials[1].options;
    assert_eq!(
        (unguided.n_guide_steps, unguided.batch_size, unguided.rescore),
        (0, 1, false)
    );
    assert!(tuned.trials[..2].iter().all(|trial| trial.last.len() == 12));
    let finalists = tuned.trials.iter().filter(|trial| !trial.last.is_empty());
    assert!((2..=3).contains(&finalists.count()));
    let best = &tuned.trials[tuned.best];
    assert_eq!(best.last.len(), 12);
    let text = tuned.text();
    assert!(
        text.contains("recommended") && text.contains("12 paired episodes"),
        "{text}"
    );
    // What is written says the same options when it is read over the reference's.
    let config = tuned.planning_config();
    assert_eq!(config.over(PlanOptions::default()), best.options);
    // Nor does it matter what a checkpoint's own file says.
    let own = PlanOptions {
        temperature: 4.0,
        scale: 9.0,
        rescore: !best.options.rescore,
        ..bench.options.clone()
    };
    assert_eq!(config.over(own), best.options);
    assert!(tuned.csv().lines().count() > 3);
    let frontier = tuned.frontier(2);
    let means: Vec<f64> = frontier
        .iter()
        .map(|&at| tuned.trials[at].played().unwrap().mean)
        .collect();
    assert!(means.windows(2).all(|pair| pair[0] < pair[1]), "{means:?}");
}

#[test]
fn a_rate_that_nothing_reaches_leaves_the_default() {
    let mut bench = Bench::new();
    bench.tuning.hz = Some(1e9);
    let tuned = bench
        .run(&mut TuneRows::in_memory(), &mut |_| ControlFlow::Continue(()))
        .unwrap();
    assert_eq!(tuned.best, 0);
    assert!(
        tuned.remarks[0].contains("nothing that was tried makes 1000000000 plans a second"),
        "{:?}",
        tuned.remarks
    );
}

#[test]
fn a_space_is_told_what_is_wrong_with_it() {
    for (text, expected) in [
        ("batch_size", "NAME=VALUE"),
        ("batch_sizes=1", "expected one of"),
        ("batch_size=1,0", "at least 1"),
        ("scheduler=", "a name"),
    ] {
        let error = Space::of_texts(&[text.to_owned()]).unwrap_err().to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
    // Around a pipeline there is much to try, and all of it makes plans.
    let bench = Bench::new();
    let space = Space::around(&bench.pipeline, &bench.options);
    let trials = space.trials(&bench.pipeline, &bench.options, 60, 1).unwrap();
    assert_eq!(trials.len(), 60);
    assert!(
        trials
            .iter()
            .any(|trial| trial.rescore && trial.n_guide_steps == 0 && trial.batch_size > 4)
    );
    assert!(trials.iter().any(|trial| trial.n_guide_steps > 0));
    assert_eq!(trials, space.trials(&bench.pipeline, &bench.options, 60, 1).unwrap());
}
