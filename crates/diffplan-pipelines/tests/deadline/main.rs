//! Plans within deadlines: by a clock that is driven by hand, and one test by the real one.

#![allow(clippy::unwrap_used)] // a test fails by panicking

mod fake;

use diffplan_pipelines::deadline::{
    CancelToken, DeadlineLog, DeadlinePlanner, DeadlineSettings, Ended, GiveUp, Granted, PoolOptions, Timely,
};
use diffplan_pipelines::{Condition, Error, Plan, PlanOptions, Query, RngNoise, Start, ValueGuidedPipeline};
use fake::{FakeClock, pipeline};
use ndarray::{Array3, ArrayView1};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

/// Of the fake pipeline: two observation dimensions.
const OBSERVATION: [f32; 2] = [0.5, -0.25];

fn wanted() -> PlanOptions {
    PlanOptions {
        batch_size: 8,
        planning_horizon: 8,
        ..PlanOptions::default()
    }
}

fn settings(clock: &Arc<FakeClock>) -> DeadlineSettings {
    DeadlineSettings {
        clock: clock.clone(),
        ..DeadlineSettings::default()
    }
}

fn planner(clock: &Arc<FakeClock>, settings: DeadlineSettings) -> DeadlinePlanner {
    let pool = PoolOptions::new(1).build().unwrap().pool;
    DeadlinePlanner::new(&pipeline(clock), wanted(), pool, settings).unwrap()
}

fn within(planner: &mut DeadlinePlanner, seed: u64, ms: f64) -> Result<Timely, Error> {
    let budget = Duration::from_secs_f64(ms / 1e3);
    planner.plan_within(ArrayView1::from(&OBSERVATION), &mut RngNoise::seed(seed), budget)
}

/// By an ordinary planner with the rung's options: so many visits, then the plan, or the one that is predicted.
fn ordinary(clock: &Arc<FakeClock>, timely: &Timely, seed: u64) -> Plan {
    let mut planner = pipeline(clock).planner(timely.rung.options.clone()).unwrap();
    let (conditions, mut noise) = ([Condition::observation(0, &OBSERVATION)], RngNoise::seed(seed));
    let mut queries = [Query::new(&conditions, &mut noise)];
    let mut denoising = planner.begin(&mut queries).unwrap();
    for _ in 0..timely.visits {
        denoising.step().unwrap().unwrap();
    }
    let mut plans = match timely.ended {
        Ended::Whole => denoising.finish().unwrap(),
        Ended::Early | Ended::Cancelled => denoising.estimate().unwrap().unwrap(),
    };
    plans.remove(0)
}

#[test]
fn the_best_rung_that_fits_is_taken_and_says_what_it_drops() {
    let clock = Arc::new(FakeClock::default());
    let mut planner = planner(&clock, settings(&clock));
    assert_eq!(planner.rungs().len(), 10);
    // 100 µs a candidate and visit for the network; of the guide two gradients of 200 µs.
    let costs = planner.visit_costs();
    assert_eq!(
        costs.iter().map(|cost| cost.candidates).collect::<Vec<_>>(),
        [8, 4, 2, 1]
    );
    assert!(
        (costs[0].network - 0.8e-3).abs() < 1e-7 && (costs[3].network - 0.1e-3).abs() < 1e-7,
        "{costs:?}"
    );
    assert!(
        (costs[0].guide.unwrap() - 3.2e-3).abs() < 1e-6 && costs[1].guide.is_none(),
        "{costs:?}"
    );
    for (ms, place, dropped) in [
        (200.0, 0, ""),
        (25.0, 1, "the gradient"),
        (12.0, 2, "the gradient, 10 of 20 steps (10 of ddim)"),
        (6.0, 3, "the gradient, 15 of 20 steps (5 of ddim)"),
        (3.0, 4, "the gradient, 15 of 20 steps (5 of ddim), 4 of 8 candidates"),
        (
            0.2,
            9,
            "the gradient, values, 19 of 20 steps (1 of ddim), 7 of 8 candidates",
        ),
        (200.0, 0, ""),
    ] {
        let timely = within(&mut planner, 1, ms).unwrap();
        assert_eq!(
            (timely.place, timely.rung.dropped.as_str()),
            (place, dropped),
            "{ms} ms"
        );
        assert_eq!((timely.ended, timely.visits), (Ended::Whole, timely.rung.visits));
        assert!(!timely.late(), "{}", timely.text());
        assert!(
            timely.text().contains(&format!("{} visit", timely.rung.visits)),
            "{}",
            timely.text()
        );
        // With the bits of the ordinary planner.
        assert_eq!(timely.plan().unwrap(), &ordinary(&clock, &timely, 1), "{ms} ms");
    }
}

#[test]
fn a_deadline_in_which_nothing_fits_is_an_error_before_anything_starts() {
    let clock = Arc::new(FakeClock::default());
    let mut strict = planner(&clock, settings(&clock));
    for ms in [0.0, 0.05] {
        let calls = clock.calls();
        let error = within(&mut strict, 1, ms).unwrap_err();
        assert!(matches!(error, Error::Deadline { .. }), "{error}");
        let text = error.to_string();
        assert!(
            text.contains("1 candidate, 1 visit of ddim") && text.contains("cheapest_anyway"),
            "{text}"
        );
        assert_eq!(clock.calls(), calls);
    }
    let mut lenient = planner(
        &clock,
        DeadlineSettings {
            cheapest_anyway: true,
            ..settings(&clock)
        },
    );
    let timely = within(&mut lenient, 1, 0.0).unwrap();
    assert_eq!((timely.place, timely.visits, timely.plans.len()), (9, 1, 1));
    assert!(
        timely.late() && timely.missed() && timely.text().ends_with(", late"),
        "{}",
        timely.text()
    );
}

#[test]
fn a_slow_spell_refuses_but_not_for_ever() {
    let clock = Arc::new(FakeClock::default());
    let mut planner = planner(&clock, settings(&clock));
    let refused = |planner: &mut DeadlinePlanner, plans: u64| -> Vec<bool> {
        let plan = |seed| within(planner, seed, 1.0);
        let refused = |timely| matches!(timely, Err(Error::Deadline { .. }));
        (0..plans).map(plan).map(refused).collect()
    };
    assert_eq!(refused(&mut planner, 10), [false; 10]);
    clock.slow_down(20.0);
    // The cheapest takes 2 ms now: two that are late, and it is known.
    assert_eq!(refused(&mut planner, 8)[2..], [true; 6]);
    clock.slow_down(1.0);
    let after = refused(&mut planner, 60);
    assert_eq!((after[0], &after[30..]), (true, &[false; 30][..]), "{after:?}");
}

#[test]
fn a_core_taken_away_is_noticed_within_a_few_plans_and_its_return_too() {
    let clock = Arc::new(FakeClock::default());
    let mut planner = planner(&clock, settings(&clock));
    let places = |planner: &mut DeadlinePlanner, plans: u64, log: &mut DeadlineLog| -> Vec<usize> {
        let one = |seed| {
            let timely = within(planner, seed, 30.0).unwrap();
            log.see(&timely);
            timely.place
        };
        (0..plans).map(one).collect()
    };
    let mut log = DeadlineLog::default();
    assert_eq!(places(&mut planner, 20, &mut log), [1; 20]);
    assert_eq!(log.report().early, 0);
    clock.slow_down(3.0);
    // All visits of the first plan would take 48 ms.
    let slow = places(&mut planner, 20, &mut log);
    assert!(slow[4..].iter().all(|&place| place == 2), "{slow:?}");
    assert!(planner.slowdown() > 2.9);
    clock.slow_down(1.0);
    let fast = places(&mut planner, 40, &mut log);
    assert_eq!(fast[30..], [1; 10], "{fast:?}");
    let report = log.report();
    assert!(report.early >= 1, "{}", report.text());
    assert_eq!((report.plans, report.missed), (80, 0), "{}", report.text());
}

#[test]
fn no_visit_is_begun_that_would_end_too_late_and_the_best_so_far_is_given() {
    let clock = Arc::new(FakeClock::default());
    // With the gradient, whose values rank an early answer; and without, where they are ranked on their own.
    for (gradient, ms) in [(false, 90.0), (true, 25.0)] {
        let give_up = GiveUp {
            gradient,
            ..GiveUp::default()
        };
        let mut planner = planner(
            &clock,
            DeadlineSettings {
                give_up,
                ..settings(&clock)
            },
        );
        within(&mut planner, 1, 10.0 * ms).unwrap();
        let whole = within(&mut planner, 1, ms).unwrap();
        assert_eq!(whole.ended, Ended::Whole);
        // The seventh visit takes as long as half of the budget is.
        let began = clock.calls();
        clock.on_call(move |call| if call == began + 7 { ms / 2.0 } else { 0.0 });
        let timely = within(&mut planner, 1, ms).unwrap();
        clock.on_call(|_| 0.0);
        assert_eq!(
            (timely.place, timely.ended),
            (whole.place, Ended::Early),
            "{}",
            timely.text()
        );
        assert!(
            timely.visits >= 7 && timely.visits < 20 && !timely.late(),
            "{}",
            timely.text()
        );
        assert!(timely.text().contains(&format!("after visit {} of 20", timely.visits)));
        let (plan, ordinary) = (timely.plan().unwrap(), self::ordinary(&clock, &timely, 1));
        let values = plan.values.as_ref().unwrap();
        assert!(values.windows(2).into_iter().all(|pair| pair[0] >= pair[1]), "{values}");
        for (place, &candidate) in plan.order.iter().enumerate() {
            let unsorted = ordinary.order.iter().position(|&other| other == candidate).unwrap();
            let rows = [(plan, place), (&ordinary, unsorted)]
                .map(|(plan, row)| plan.trajectories.index_axis(ndarray::Axis(0), row).to_owned());
            assert_eq!(rows[0], rows[1]);
        }
        assert_eq!(plan.action[0], plan.trajectories[[0, 0, 0]]);
        if !gradient {
            assert_eq!(plan, &ordinary);
        }
        // And what comes next is as ever.
        let next = within(&mut planner, 2, 2.0 * ms).unwrap();
        assert_eq!(next.ended, Ended::Whole);
        assert_eq!(next.plan().unwrap(), &self::ordinary(&clock, &next, 2));
    }
}

#[test]
fn a_plan_is_cancelled_from_another_thread() {
    let clock = Arc::new(FakeClock::default());
    let mut planner = planner(&clock, settings(&clock));
    let token: CancelToken = planner.cancel_token();
    let (at_third, third) = channel();
    let canceller = std::thread::spawn({
        let token = token.clone();
        move || {
            third.recv().unwrap();
            token.cancel();
        }
    });
    let (began, waiting) = (clock.calls(), token.clone());
    clock.on_call(move |call| {
        if call == began + 3 {
            at_third.send(()).unwrap();
            while !waiting.is_cancelled() {
                std::thread::yield_now();
            }
        }
        0.0
    });
    let timely = within(&mut planner, 1, 25.0).unwrap();
    canceller.join().unwrap();
    clock.on_call(|_| 0.0);
    assert_eq!(
        (timely.ended, timely.visits, timely.plans.len()),
        (Ended::Cancelled, 3, 1)
    );
    assert!(
        timely.text().contains("cancelled after 3 of 20 visits"),
        "{}",
        timely.text()
    );
    // It stays cancelled: nothing is begun.
    let nothing = within(&mut planner, 1, 25.0).unwrap();
    assert_eq!(
        (nothing.ended, nothing.visits, nothing.plan()),
        (Ended::Cancelled, 0, None)
    );
    token.reset();
    let whole = within(&mut planner, 1, 25.0).unwrap();
    assert_eq!(
        (whole.ended, whole.plan().unwrap()),
        (Ended::Whole, &ordinary(&clock, &whole, 1))
    );
}

#[test]
fn several_queries_cost_in_proportion_and_have_the_bits_of_one_each() {
    let clock = Arc::new(FakeClock::default());
    let mut planner = planner(&clock, settings(&clock));
    let conditions = [Condition::observation(0, &OBSERVATION)];
    let mut noise: Vec<RngNoise> = (0..3).map(RngNoise::seed).collect();
    let mut queries: Vec<Query> = noise.iter_mut().map(|noise| Query::new(&conditions, noise)).collect();
    let timely = planner.queries_within(&mut queries, Duration::from_millis(40)).unwrap();
    // One alone would have had time for place 1.
    assert_eq!((timely.place, timely.plans.len()), (2, 3));
    assert!(!timely.late());
    for (seed, plan) in timely.plans.iter().enumerate() {
        assert_eq!(plan, &ordinary(&clock, &timely, seed as u64));
    }
    let none = planner.queries_within(&mut [], Duration::from_millis(40)).unwrap();
    assert!(none.plans.is_empty());
}

#[test]
fn what_is_wrong_is_said() {
    let clock = Arc::new(FakeClock::default());
    let pool = PoolOptions::new(1).build().unwrap().pool;
    let refused = |settings: DeadlineSettings, wanted: PlanOptions| {
        let made = DeadlinePlanner::new(&pipeline(&clock), wanted, pool.clone(), settings);
        made.unwrap_err().to_string()
    };
    let settings = || settings(&clock);
    for margin in [1.0, -0.1, f64::NAN] {
        let error = refused(DeadlineSettings { margin, ..settings() }, wanted());
        assert!(error.starts_with("margin = "), "{error}");
    }
    let error = refused(
        DeadlineSettings {
            queries: 0,
            ..settings()
        },
        wanted(),
    );
    assert!(error.starts_with("queries = 0"), "{error}");
    let error = refused(
        settings(),
        PlanOptions {
            batch_size: 0,
            ..wanted()
        },
    );
    assert!(error.starts_with("batch_size = 0"), "{error}");

    let mut planner = planner(&clock, settings());
    let budget = Duration::from_millis(30);
    let nan = planner.plan_within(ArrayView1::from(&[f32::NAN, 0.0]), &mut RngNoise::seed(0), budget);
    assert!(matches!(nan, Err(Error::Condition { .. })));
    let (sample, conditions, mut noise) = (Array3::zeros((8, 8, 3)), [], RngNoise::seed(0));
    let warm = Query::new(&conditions, &mut noise).start(Start::Warm {
        sample: &sample,
        from: 3,
    });
    let error = planner.queries_within(&mut [warm], budget).unwrap_err();
    assert!(matches!(error, Error::Start { index: 0, .. }), "{error}");

    let error = PoolOptions::new(0).build().unwrap_err().to_string();
    assert!(error.contains("expected at least one"), "{error}");
}

#[test]
fn threads_are_pinned_and_real_time_or_it_is_said_why_not() {
    let asked = PoolOptions {
        pin: true,
        realtime: true,
        ..PoolOptions::new(1)
    };
    let made = asked.build().unwrap();
    for granted in [&made.pinned, &made.realtime] {
        match granted {
            Granted::Yes => {}
            Granted::No(reason) => {
                let without = reason.contains("feature `realtime`");
                assert_eq!(without, !cfg!(feature = "realtime"), "{reason}");
            }
            Granted::NotAsked => panic!("asked for"),
        }
    }
    let plain = PoolOptions::new(2).build().unwrap();
    assert_eq!((plain.pinned, plain.realtime), (Granted::NotAsked, Granted::NotAsked));
    assert_eq!(plain.pool.current_num_threads(), 2);
}

#[test]
fn by_the_real_clock() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/pendulum-hor32");
    let pipeline = ValueGuidedPipeline::from_pretrained(folder).unwrap();
    let pool = PoolOptions::new(1).build().unwrap().pool;
    let options = pipeline.options();
    let mut planner = DeadlinePlanner::new(&pipeline, options, pool, DeadlineSettings::default()).unwrap();
    let observation = ArrayView1::from(&[1.0, 0.0, 0.5]);
    let (mut missed, mut plans) = (0, 0);
    for (seed, ms) in [2000, 300, 300, 300, 300].into_iter().enumerate() {
        let budget = Duration::from_millis(ms);
        let timely = planner.plan_within(observation, &mut RngNoise::seed(seed as u64), budget);
        let timely = timely.unwrap();
        (missed, plans) = (missed + usize::from(timely.missed()), plans + timely.plans.len());
    }
    assert_eq!(plans, 5);
    // However busy the machine is, not most of them.
    assert!(missed <= 2, "{missed}");
}
