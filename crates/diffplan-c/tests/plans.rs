//! Plans through the C interface: the bits of the Rust planner's, and everything beside them.

#![allow(clippy::unwrap_used)] // a test fails by panicking
#![allow(unsafe_code)] // calls a C interface

mod common;

use common::{Made, NO_TIMING, Opened, checkpoint, fails, last_error, ok, written};
use diffplan::eval::{PlannerPolicy, Policy, Start};
use diffplan::ndarray::{Array1, Array2, array};
use diffplan::pipelines::{Condition as Imposed, Plan, Planner as Native, Query};
use diffplan::{NoiseSource, PlanOptions, RngNoise, TorchRng, ValueGuidedPipeline};
use diffplan_c::*;
use std::ffi::CString;
use std::ptr::{null, null_mut};
use std::sync::Arc;
use std::time::{Duration, Instant};

const OBSERVATION: [f32; 3] = [0.8, 0.6, -0.5];

fn native() -> ValueGuidedPipeline {
    ValueGuidedPipeline::from_pretrained(checkpoint().to_str().unwrap()).unwrap()
}

fn short(pipeline: &ValueGuidedPipeline) -> PlanOptions {
    PlanOptions {
        num_inference_steps: Some(4),
        ..pipeline.options()
    }
}

const SHORT: &[(&str, &str)] = &[("num_inference_steps", "4")];

fn native_plan(planner: &mut Native, observation: &[f32], noise: &mut dyn NoiseSource) -> Plan {
    planner.plan(Array1::from(observation.to_vec()).view(), noise).unwrap()
}

#[track_caller]
fn same(made: &Made, query: usize, expected: &Plan) {
    assert_eq!(made.trajectories(query), expected.trajectories.as_slice().unwrap());
    assert_eq!(made.values(query), expected.values.as_ref().unwrap().to_vec());
    let mut chosen = usize::MAX;
    // SAFETY: a place for a number.
    ok(unsafe { diffplan_planner_chosen(made.0, query, &mut chosen) });
    assert_eq!(chosen, expected.chosen);
    let mut actions = vec![0.0; made.shape().horizon];
    // SAFETY: a buffer with its size.
    ok(unsafe { diffplan_planner_actions(made.0, query, actions.as_mut_ptr(), actions.len()) });
    let of_chosen: Vec<f32> = expected
        .actions()
        .index_axis(diffplan::ndarray::Axis(0), chosen)
        .iter()
        .copied()
        .collect();
    assert_eq!(actions, of_chosen);
}

#[test]
fn a_plan_has_the_bits_of_the_rust_planner() {
    let (opened, pipeline) = (Opened::new(), native());
    let mut expected = pipeline.planner(short(&pipeline)).unwrap();
    for threads in [1, 2] {
        let made = opened.planner(SHORT, threads);
        // Again and again, so that memory that is used again is seen to be written anew.
        for seed in [0, 1, u64::MAX] {
            let plan = native_plan(&mut expected, &OBSERVATION, &mut RngNoise::seed(seed));
            assert_eq!(made.plan(&OBSERVATION, diffplan_seed(seed)), plan.action[0]);
            same(&made, 0, &plan);
            let plan = native_plan(&mut expected, &OBSERVATION, &mut TorchRng::manual_seed(seed));
            assert_eq!(made.plan(&OBSERVATION, diffplan_torch_seed(seed)), plan.action[0]);
            same(&made, 0, &plan);
        }
        assert_eq!(
            (
                made.shape().candidates,
                made.shape().horizon,
                made.shape().channels,
                made.shape().has_values
            ),
            (8, 32, 4, 1)
        );
    }
}

#[test]
fn conditions_are_imposed_as_in_rust() {
    let (opened, pipeline) = (Opened::new(), native());
    let made = opened.planner(SHORT, 1);
    let mut expected = pipeline.planner(short(&pipeline)).unwrap();
    let (goal, dims, torque) = ([1.0, 0.1], [0, 2], [0.5]);
    let conditions = [
        Condition {
            time: 31,
            values: goal.as_ptr(),
            dims: dims.as_ptr(),
            len: 2,
            part: Part::Observation as i32,
            strength: 0.5,
        },
        Condition {
            time: 0,
            values: torque.as_ptr(),
            dims: null(),
            len: 1,
            part: Part::Action as i32,
            strength: 1.0,
        },
    ];
    let whole = Condition {
        time: 0,
        values: OBSERVATION.as_ptr(),
        dims: null(),
        len: 3,
        part: Part::Observation as i32,
        strength: 1.0,
    };
    let imposed = [
        Imposed::observation(0, &OBSERVATION[..]),
        Imposed::observation(31, &goal[..]).dims(&dims).soft(0.5),
        Imposed::action(0, &torque[..]),
    ];
    let plan = expected.plan_conditioned(&imposed, &mut RngNoise::seed(3)).unwrap();
    let run = |observation: &[f32], conditions: &[Condition]| {
        let mut action = [0.0];
        let at = if observation.is_empty() {
            null()
        } else {
            observation.as_ptr()
        };
        // SAFETY: buffers with their sizes.
        let status = unsafe {
            diffplan_planner_plan_conditioned(
                made.0,
                at,
                observation.len(),
                conditions.as_ptr(),
                conditions.len(),
                diffplan_seed(3),
                action.as_mut_ptr(),
                1,
            )
        };
        (status, action[0])
    };
    let (status, action) = run(&OBSERVATION, &conditions);
    ok(status);
    same(&made, 0, &plan);
    assert_eq!(action, plan.action[0]);
    assert!((action - 0.5).abs() < 1e-5, "{action}");
    // The observation as a condition among others.
    let (status, action) = run(&[], &[whole, conditions[0], conditions[1]]);
    ok(status);
    assert_eq!(action, plan.action[0]);

    let wrong = |change: &dyn Fn(&mut Condition), status: Status, part: &str| {
        let mut condition = conditions[0];
        change(&mut condition);
        fails(run(&OBSERVATION, &[condition]).0, status, part);
    };
    wrong(&|c| c.time = 32, Status::Condition, "expected below 32");
    wrong(&|c| c.time = usize::MAX, Status::Condition, "beyond the horizon");
    wrong(&|c| c.strength = f32::NAN, Status::Condition, "strength");
    wrong(&|c| c.part = 2, Status::Value, "part is 2");
    wrong(&|c| c.values = null(), Status::Null, "values of a condition");
    wrong(&|c| c.len = 0, Status::Size, "expected 1 to 3");
    wrong(&|c| c.len = usize::MAX, Status::Size, "expected 1 to 3");
    wrong(&|c| (c.dims, c.len) = (null(), 2), Status::Size, "expected 3");
    wrong(
        &|c| (c.time, c.strength) = (0, 1.0),
        Status::Condition,
        "two conditions for the same time",
    );
    let far = [0, 3];
    wrong(
        &|c| c.dims = far.as_ptr(),
        Status::Condition,
        "dimension 3, expected below 3",
    );
    let nan = [f32::NAN, 0.0];
    wrong(&|c| c.values = nan.as_ptr(), Status::Condition, "NaN");
    // It plans as before after all of that.
    assert_eq!(run(&OBSERVATION, &conditions).1, plan.action[0]);
}

#[test]
fn a_batch_has_the_bits_of_its_plans() {
    let (opened, pipeline) = (Opened::new(), native());
    let made = opened.planner(SHORT, 2);
    let mut expected = pipeline.planner(short(&pipeline)).unwrap();
    for count in [3, 1, 4] {
        let observations: Vec<f32> = (0..count).flat_map(|i| [0.1 * i as f32, 0.9, 0.3]).collect();
        let noises: Vec<Noise> = (0..count as u64)
            .map(|i| {
                if i == 1 {
                    diffplan_torch_seed(i)
                } else {
                    diffplan_seed(i)
                }
            })
            .collect();
        let mut actions = vec![0.0; count];
        // SAFETY: buffers with their sizes.
        ok(unsafe {
            diffplan_planner_plan_batch(
                made.0,
                count,
                observations.as_ptr(),
                observations.len(),
                noises.as_ptr(),
                count,
                actions.as_mut_ptr(),
                count,
            )
        });
        assert_eq!(made.shape().queries, count);
        for (query, row) in observations.chunks(3).enumerate() {
            let mut noise: Box<dyn NoiseSource> = match query {
                1 => Box::new(TorchRng::manual_seed(1)),
                _ => Box::new(RngNoise::seed(query as u64)),
            };
            let plan = native_plan(&mut expected, row, noise.as_mut());
            same(&made, query, &plan);
            assert_eq!(actions[query], plan.action[0]);
        }
        let mut values = [0.0; 8];
        // SAFETY: a buffer with its size.
        let status = unsafe { diffplan_planner_values(made.0, count, values.as_mut_ptr(), 8) };
        fails(status, Status::Value, "query is");
    }
    let noises = [diffplan_seed(0)];
    let mut action = [0.0];
    for count in [0, usize::MAX] {
        // SAFETY: a count that is refused before a pointer is followed.
        let status = unsafe {
            diffplan_planner_plan_batch(
                made.0,
                count,
                OBSERVATION.as_ptr(),
                3,
                noises.as_ptr(),
                1,
                action.as_mut_ptr(),
                1,
            )
        };
        fails(status, Status::Value, "count is");
    }
}

#[test]
fn an_episode_is_that_of_the_policy() {
    let opened = Opened::new();
    let pipeline = native();
    for pairs in [
        &[("num_inference_steps", "4")][..],
        &[
            ("num_inference_steps", "4"),
            ("warm_start", "0.5"),
            ("n_action_steps", "2"),
        ][..],
        &[
            ("num_inference_steps", "4"),
            ("observation_delay", "2"),
            ("prefix", "exp"),
        ][..],
    ] {
        let made = opened.planner(pairs, 1);
        fails(made.act(&OBSERVATION).0, Status::NoEpisode, "diffplan_planner_reset");
        let config = diffplan::pipelines::PlanningConfig::of_pairs(pairs.iter().copied()).unwrap();
        let mut policy = PlannerPolicy::new(pipeline.planner(config.over(pipeline.options())).unwrap());
        let env = diffplan::make("Pendulum-v1").unwrap();
        {
            use diffplan::Env;
            policy
                .check_spaces(env.observation_space(), env.action_space())
                .unwrap();
        }
        let play = |policy: &mut PlannerPolicy| -> Vec<f32> {
            let start = Start {
                index: 0,
                seed: 7,
                noise: RngNoise::seed(7),
                reset: Default::default(),
            };
            policy.begin(0, &start).unwrap();
            let step = |k: usize| {
                let seen = array![[f64::from(0.8 - 0.05 * k as f32), 0.6, f64::from(0.1 * k as f32)]];
                let mut action = Array2::zeros((1, 1));
                policy
                    .act(&[0], seen.mapv(|v| f64::from(v as f32)).view(), action.view_mut())
                    .unwrap();
                action[[0, 0]]
            };
            (0..6).map(step).collect()
        };
        let expected = play(&mut policy);
        for _ in 0..2 {
            // Begun anew, it forgets.
            // SAFETY: a handle that is there.
            ok(unsafe { diffplan_planner_reset(made.0, 7) });
            let step = |k: usize| {
                let (status, action) = made.act(&[0.8 - 0.05 * k as f32, 0.6, 0.1 * k as f32]);
                ok(status);
                action
            };
            assert_eq!((0..6).map(step).collect::<Vec<f32>>(), expected, "{pairs:?}");
            assert_eq!(made.shape().queries, 1);
        }
    }
    let made = opened.planner(SHORT, 1);
    // SAFETY: buffers with their sizes.
    unsafe {
        let (dims, values) = ([0_usize], [1.0_f32]);
        let goal = |len: usize| diffplan_planner_set_goal(made.0, dims.as_ptr(), values.as_ptr(), len);
        fails(goal(1), Status::NoEpisode, "reset");
        ok(diffplan_planner_reset(made.0, 0));
        fails(goal(1), Status::Option, "was not trained with goals");
        fails(goal(usize::MAX), Status::Size, "at most 3");
        ok(goal(0));
    }
}

#[test]
fn a_cancelled_plan_ends_within_a_step() {
    let opened = Opened::new();
    // A plan of a few seconds.
    let made = Arc::new(opened.planner(
        &[
            ("batch_size", "64"),
            ("num_inference_steps", "20"),
            ("extra_steps", "2000"),
        ],
        1,
    ));
    let planning = Arc::clone(&made);
    let thread = std::thread::spawn(move || {
        let (status, _) = planning.try_plan(&OBSERVATION, diffplan_seed(0));
        (status, last_error(), Instant::now())
    });
    std::thread::sleep(Duration::from_millis(200));
    // While it plans, nobody else does.
    fails(
        made.try_plan(&OBSERVATION, diffplan_seed(0)).0,
        Status::Busy,
        "another thread",
    );
    let cancelled = Instant::now();
    // SAFETY: a handle that is there.
    ok(unsafe { diffplan_planner_cancel(made.0) });
    let (status, text, ended) = thread.join().unwrap();
    assert_eq!(status, Status::Cancelled);
    assert!(text.contains("of 2020 visits"), "{text}");
    // Of some ten milliseconds each; the machine may be busy.
    assert!(
        ended - cancelled < Duration::from_millis(500),
        "{:?}",
        ended - cancelled
    );
    fails(
        made.try_plan(&OBSERVATION, diffplan_seed(0)).0,
        Status::Cancelled,
        "after 0 of",
    );
    let mut shape = [0.0; 8];
    // SAFETY: a buffer with its size.
    fails(
        unsafe { diffplan_planner_values(made.0, 0, shape.as_mut_ptr(), 8) },
        Status::NoPlan,
        "no plan",
    );
    drop(made);

    let made = opened.planner(SHORT, 1);
    let before = made.plan(&OBSERVATION, diffplan_seed(0));
    // SAFETY: handles that are there.
    unsafe {
        ok(diffplan_planner_cancel(made.0));
        fails(
            made.try_plan_within(&OBSERVATION, 10.0).0,
            Status::Cancelled,
            "cancelled",
        );
        ok(diffplan_planner_reset(made.0, 0));
        fails(made.act(&OBSERVATION).0, Status::Cancelled, "cancelled");
        ok(diffplan_planner_reset_cancel(made.0));
    }
    assert_eq!(made.plan(&OBSERVATION, diffplan_seed(0)), before);
}

#[test]
fn deadlines_are_kept_and_told() {
    let opened = Opened::new();
    let made = opened.planner(&[], 1);
    // SAFETY: a handle that is there.
    fails(
        unsafe { diffplan_planner_measure(made.0, 1.0, 0) },
        Status::Option,
        "margin",
    );
    // SAFETY: as above.
    fails(
        unsafe { diffplan_planner_measure(made.0, f64::NAN, 0) },
        Status::Option,
        "margin",
    );
    // SAFETY: as above.
    ok(unsafe { diffplan_planner_measure(made.0, 0.05, 0) });
    let (status, timing) = made.try_plan_within(&OBSERVATION, 3600.0);
    ok(status);
    assert_eq!(
        (timing.rung, timing.ended, timing.late, timing.budget),
        (0, Ended::Whole as i32, 0, 3600.0)
    );
    assert!(timing.rungs > 3 && timing.candidates == 8 && timing.visits == timing.of_visits && timing.seconds > 0.0);
    // What was wanted is what the planner makes without a deadline.
    let within = made.trajectories(0);
    made.plan(&OBSERVATION, diffplan_seed(1));
    assert_eq!(made.trajectories(0), within);
    let (status, cheaper) = made.try_plan_within(&OBSERVATION, timing.seconds / 3.0);
    if status == Status::Ok {
        assert!(cheaper.rung > 0 || cheaper.ended == Ended::Early as i32, "{cheaper:?}");
        // SAFETY: buffers of their sizes.
        let report = written(|to, room, length| unsafe { diffplan_planner_report(made.0, to, room, length) });
        assert!(report.contains(" ms of "), "{report}");
        assert_eq!(made.shape().candidates, cheaper.candidates);
    } else {
        // A machine that is so busy.
        assert_eq!(status, Status::Deadline);
    }
    let (status, unwritten) = made.try_plan_within(&OBSERVATION, 0.0);
    fails(status, Status::Deadline, "expected to take");
    assert_eq!(unwritten, NO_TIMING);
    for budget in [-1.0, f64::NAN, f64::INFINITY, 1e300, -0.5] {
        fails(made.try_plan_within(&OBSERVATION, budget).0, Status::Value, "budget is");
    }
    // The cheapest anyway, late.
    // SAFETY: a handle that is there.
    ok(unsafe { diffplan_planner_measure(made.0, 0.05, 1) });
    let (status, late) = made.try_plan_within(&OBSERVATION, 0.0);
    ok(status);
    assert_eq!(late.late, 1);
}

#[test]
fn planners_plan_at_the_same_time() {
    let opened = Arc::new(Opened::new());
    let expected: Vec<f32> = {
        let made = opened.planner(SHORT, 1);
        (0..10)
            .map(|seed| made.plan(&OBSERVATION, diffplan_seed(seed)))
            .collect()
    };
    let threads: Vec<_> = (0..4)
        .map(|at| {
            let opened = Arc::clone(&opened);
            std::thread::spawn(move || {
                let made = opened.planner(SHORT, 1 + at % 2);
                (0..10)
                    .map(|seed| made.plan(&OBSERVATION, diffplan_seed(seed)))
                    .collect::<Vec<f32>>()
            })
        })
        .collect();
    for thread in threads {
        assert_eq!(thread.join().unwrap(), expected);
    }
    // One planner from several threads: a plan of theirs, or another time.
    let shared = Arc::new(opened.planner(SHORT, 1));
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let (shared, expected) = (Arc::clone(&shared), expected.clone());
            std::thread::spawn(move || {
                let mut made = 0;
                for seed in 0..10 {
                    match shared.try_plan(&OBSERVATION, diffplan_seed(seed)) {
                        (Status::Ok, action) => {
                            assert_eq!(action, expected[seed as usize]);
                            made += 1;
                        }
                        (status, _) => assert_eq!(status, Status::Busy),
                    }
                }
                made
            })
        })
        .collect();
    let made: usize = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
    assert!(made >= 10);
}

#[test]
fn a_pipeline_may_be_freed_before_its_planners() {
    let opened = Opened::new();
    let made = opened.planner(SHORT, 1);
    drop(opened);
    made.plan(&OBSERVATION, diffplan_seed(0));
}

#[test]
fn the_queries_interface_takes_several_conditions() {
    // What `reuse` promises: plans in the memory of others are the plans that they would be elsewhere.
    let pipeline = native();
    let mut planner = pipeline.planner(short(&pipeline)).unwrap();
    let observation = array![0.8_f32, 0.6, -0.5];
    let mut fresh = pipeline.planner(short(&pipeline)).unwrap();
    for (round, count) in [2_usize, 3, 1, 2].into_iter().enumerate() {
        let conditions = [Imposed::observation(0, observation.view())];
        let mut noise: Vec<RngNoise> = (0..count as u64)
            .map(|i| RngNoise::seed(10 * round as u64 + i))
            .collect();
        let mut again = noise.clone();
        let mut queries: Vec<Query> = noise.iter_mut().map(|noise| Query::new(&conditions, noise)).collect();
        let plans = planner.plan_queries(&mut queries).unwrap();
        let mut queries: Vec<Query> = again.iter_mut().map(|noise| Query::new(&conditions, noise)).collect();
        assert_eq!(plans, fresh.plan_queries(&mut queries).unwrap());
        planner.reuse(plans);
    }
}

#[test]
fn everything_else_is_refused_by_its_name() {
    let opened = Opened::new();
    let made = opened.planner(SHORT, 1);
    let mut action = [5.0];
    // SAFETY: buffers with their sizes, but for what is refused before it is followed.
    unsafe {
        let plan = |planner, observation, len, action, action_len| {
            diffplan_planner_plan(planner, observation, len, diffplan_seed(0), action, action_len)
        };
        let (at, to) = (OBSERVATION.as_ptr(), action.as_mut_ptr());
        fails(plan(null_mut(), at, 3, to, 1), Status::Null, "planner is NULL");
        fails(plan(made.0, null(), 3, to, 1), Status::Null, "observation is NULL");
        fails(
            plan(made.0, null(), 0, to, 1),
            Status::Size,
            "observation has 0 elements, expected 3",
        );
        fails(plan(made.0, at, usize::MAX, to, 1), Status::Size, "expected 3");
        fails(plan(made.0, at, 3, null_mut(), 1), Status::Null, "action is NULL");
        fails(
            plan(made.0, at, 3, to, 2),
            Status::Size,
            "action has 2 elements, expected 1",
        );
        fails(
            plan(made.0, at.byte_add(1), 3, to, 1),
            Status::Value,
            "expected a multiple of 4",
        );
        let noise = Noise {
            kind: 2,
            ..diffplan_seed(0)
        };
        fails(
            diffplan_planner_plan(made.0, at, 3, noise, to, 1),
            Status::Value,
            "noise of kind 2",
        );
        let mut out = null_mut();
        fails(
            diffplan_planner_new(opened.0, null(), usize::MAX, &mut out),
            Status::Value,
            "at most 1024",
        );
        assert!(out.is_null());
        fails(
            diffplan_planner_new(opened.0, null(), 1, null_mut()),
            Status::Null,
            "out is NULL",
        );
        diffplan_planner_free(null_mut());
        diffplan_pipeline_free(null_mut());
        diffplan_options_free(null_mut());
    }
    for observation in [[f32::NAN, 0.0, 0.0], [0.0, f32::INFINITY, 0.0]] {
        fails(
            made.try_plan(&observation, diffplan_seed(0)).0,
            Status::Condition,
            "expected a finite number",
        );
    }
    // What failed wrote nothing.
    assert_eq!(action, [5.0]);
}

#[test]
fn checkpoints_that_are_none_are_told() {
    let open = |path: &str| {
        let (path, mut out) = (CString::new(path).unwrap(), null_mut());
        // SAFETY: a text and a place for a pointer.
        let status = unsafe { diffplan_pipeline_open(path.as_ptr(), &mut out) };
        assert!(out.is_null());
        status
    };
    fails(open("/no/such/folder"), Status::File, "/no/such/folder");
    fails(open(""), Status::File, "");
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("model_index.json"), "{").unwrap();
    assert_ne!(open(folder.path().to_str().unwrap()), Status::Ok);
    assert!(
        last_error().contains(folder.path().to_str().unwrap()),
        "{}",
        last_error()
    );
    // SAFETY: a text that ends, which is not UTF-8; a place for a pointer.
    let status = unsafe { diffplan_pipeline_open(c"\xff\xfe".as_ptr(), &mut null_mut()) };
    fails(status, Status::Text, "not UTF-8");
    // SAFETY: NULL is refused.
    fails(
        unsafe { diffplan_pipeline_open(null(), &mut null_mut()) },
        Status::Null,
        "path is NULL",
    );
}
