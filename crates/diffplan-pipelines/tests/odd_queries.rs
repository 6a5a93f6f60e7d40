//! What a planner is asked that it should not be, and what must hold whatever it is asked: no panic, an error that says what is wrong,
//! and afterwards the same bits as from a fresh planner.

#![allow(clippy::unwrap_used)] // a test fails by panicking

use diffplan_pipelines::{
    Condition, Denoising, FnGuide, Moment, Plan, PlanOptions, Planner, Query, RecordedNoise, RngNoise, Start,
    ValueGuidedPipeline,
};
use ndarray::{Array1, Array3, ArrayView3, ArrayViewMut1, ArrayViewMut3, array};
use std::sync::Arc;

const CHECKPOINT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/pendulum-hor32");

fn pipeline() -> ValueGuidedPipeline {
    ValueGuidedPipeline::from_pretrained(CHECKPOINT).unwrap()
}

fn options() -> PlanOptions {
    PlanOptions {
        batch_size: 2,
        num_inference_steps: Some(4),
        ..pipeline().options()
    }
}

fn observation() -> Array1<f32> {
    array![1.0, 0.0, 0.1]
}

fn bits(plan: &Plan) -> Vec<u32> {
    plan.trajectories.iter().map(|v| v.to_bits()).collect()
}

fn planned(planner: &mut Planner) -> Vec<u32> {
    bits(&planner.plan(observation().view(), &mut RngNoise::seed(5)).unwrap())
}

#[test]
fn planners_are_owned_and_sent() {
    fn owned<T: Send + 'static + std::fmt::Debug>() {}
    fn sent<T: Send>() {}
    owned::<Planner>();
    owned::<ValueGuidedPipeline>();
    owned::<Plan>();
    owned::<diffplan_pipelines::Error>();
    sent::<Condition>();
    let mut planner = pipeline().planner(options()).unwrap();
    let here = planned(&mut planner);
    let there = std::thread::spawn(move || planned(&mut planner)).join().unwrap();
    assert_eq!(here, there);
}

#[test]
fn bad_conditions_are_told_and_leave_nothing_behind() {
    let mut planner = pipeline().planner(options()).unwrap();
    let expected = planned(&mut planner);
    let values = [0.5f32, 0.5, 0.5, 0.5];
    let now = || Condition::observation(0, &values[..3]);
    let cases: [(Vec<Condition>, &str); 8] = [
        (vec![now(), Condition::observation(32, &values[..3])], "horizon"),
        (vec![Condition::observation(usize::MAX, &values[..3])], "horizon"),
        (vec![Condition::observation(0, &values[..])], "4 numbers, expected 3"),
        (vec![Condition::observation(0, &[])], "0 numbers, expected 3"),
        (
            vec![Condition::observation(0, &[1.0, f32::NAN, 0.0])],
            "dimension 1 is NaN",
        ),
        (
            vec![Condition::observation(1, &values[..1]).dims(&[3])],
            "dimension 3, expected below 3",
        ),
        (
            vec![Condition::observation(1, &values[..2]).dims(&[1, 1])],
            "two conditions",
        ),
        (vec![Condition::action(0, &[f32::INFINITY])], "dimension 0 is inf"),
    ];
    for (conditions, part) in cases {
        let error = planner
            .plan_conditioned(&conditions, &mut RngNoise::seed(5))
            .unwrap_err()
            .to_string();
        assert!(error.contains(part), "expected {part:?} in: {error}");
        assert_eq!(planned(&mut planner), expected, "after {error}");
    }
}

#[test]
fn no_queries_make_no_plans() {
    let mut planner = pipeline().planner(options()).unwrap();
    assert!(planner.plan_queries(&mut []).unwrap().is_empty());
    let mut none = [];
    let mut denoising = planner.begin(&mut none).unwrap();
    let mut steps = 0;
    while denoising.step().unwrap().is_some() {
        steps += 1;
    }
    assert_eq!(steps, 4);
    assert!(denoising.estimate().unwrap().unwrap().is_empty());
    assert!(denoising.finish().unwrap().is_empty());
    let plan = planner.plan_conditioned(&[], &mut RngNoise::seed(1)).unwrap();
    assert!(plan.trajectories.iter().all(|v| v.is_finite()));
}

#[test]
fn a_loop_is_stepped_dropped_and_begun_again() {
    let mut planner = pipeline().planner(options()).unwrap();
    let expected = planned(&mut planner);
    let observation = observation();
    let conditions = [Condition::observation(0, observation.view())];
    for made in 0..=6 {
        let mut noise = RngNoise::seed(5);
        let mut queries = [Query::new(&conditions, &mut noise)];
        let mut denoising: Denoising = planner.begin(&mut queries).unwrap();
        assert!(denoising.estimate().unwrap().is_none());
        for step in 0..made {
            assert_eq!(denoising.step().unwrap().is_some(), step < 4);
            assert_eq!(denoising.estimate().unwrap().unwrap().len(), 1);
        }
        if made % 2 == 0 {
            assert_eq!(
                bits(&denoising.finish().unwrap()[0]),
                expected,
                "after {made} steps by hand"
            );
        }
        // Else it is dropped here, half way.
    }
    assert_eq!(planned(&mut planner), expected);
}

#[test]
fn bad_starts_are_told() {
    let mut planner = pipeline().planner(options()).unwrap();
    let observation = observation();
    let conditions = [Condition::observation(0, observation.view())];
    let (short, whole) = (Array3::zeros((2, 31, 4)), Array3::zeros((2, 32, 4)));
    let nan = Array3::from_elem((2, 32, 4), f32::NAN);
    for (sample, from, part) in [
        (&short, 1, "(2, 31, 4)"),
        (&whole, 4, "visit 4 of 4"),
        (&whole, usize::MAX, "of 4"),
        (&nan, 1, "not finite"),
    ] {
        let mut noise = RngNoise::seed(5);
        let query = Query::new(&conditions, &mut noise).start(Start::Warm { sample, from });
        let error = planner.plan_queries(&mut [query]).unwrap_err().to_string();
        assert!(error.contains(part), "expected {part:?} in: {error}");
    }
    let mut noise = RngNoise::seed(5);
    let query = Query::new(&conditions, &mut noise).start(Start::Warm {
        sample: &whole,
        from: 3,
    });
    assert_eq!(planner.plan_queries(&mut [query]).unwrap().len(), 1);
}

#[test]
fn a_guide_that_gives_no_number_is_an_error_whatever_its_weight() {
    let guide = |value: f32, slope: f32| {
        Arc::new(FnGuide(
            move |_: ArrayView3<f32>, _: Moment, mut values: ArrayViewMut1<f32>, grad: Option<ArrayViewMut3<f32>>| {
                values.fill(value);
                if let Some(mut grad) = grad {
                    grad.fill(slope);
                }
                Ok(())
            },
        ))
    };
    for (weight, value, slope) in [
        (1.0, f32::NAN, 0.0),
        (1.0, 0.0, f32::NAN),
        (0.0, 0.0, f32::INFINITY),
        (f32::NAN, 0.0, 0.0),
        (f32::INFINITY, 1.0, 1.0),
        (1.0, f32::NEG_INFINITY, 0.0),
    ] {
        let bent = pipeline().with_guides([(weight, guide(value, slope) as Arc<dyn diffplan_pipelines::Guide>)]);
        let plan = bent.plan(observation().view(), options(), &mut RngNoise::seed(5));
        let error = plan.map(|plan| plan.action).unwrap_err().to_string();
        assert!(error.contains("finite"), "{weight} {value} {slope}: {error}");
    }
}

#[test]
fn threads_and_company_change_no_bit() {
    let alone = planned(&mut pipeline().planner(options()).unwrap());
    let observation = observation();
    let other = array![-1.0f32, 0.2, 3.0];
    for threads in 1..=3 {
        let pool = Arc::new(rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap());
        let mut planner = pipeline().planner(options()).unwrap().in_pool(pool);
        assert_eq!(planned(&mut planner), alone, "{threads} threads");
        let conditions = [
            [Condition::observation(0, observation.view())],
            [Condition::observation(0, other.view())],
        ];
        let mut noise = [RngNoise::seed(9), RngNoise::seed(5), RngNoise::seed(9)];
        let [first, second, third] = &mut noise;
        let mut queries = [
            Query::new(&conditions[1], first),
            Query::new(&conditions[0], second),
            Query::new(&conditions[1], third),
        ];
        let plans = planner.plan_queries(&mut queries).unwrap();
        assert_eq!(bits(&plans[1]), alone, "{threads} threads, in company");
        assert_eq!(bits(&plans[0]), bits(&plans[2]));
    }
}

#[test]
fn counts_of_steps_at_their_edges() {
    let pipeline = pipeline();
    for (scheduler, eta) in [(None, 0.0), (Some("ddim"), 0.0), (Some("ddim"), 1.0)] {
        for (steps, works) in [
            (None, true),
            (Some(1), true),
            (Some(20), true),
            (Some(21), false),
            (Some(0), false),
        ] {
            let options = PlanOptions {
                num_inference_steps: steps,
                scheduler: scheduler.map(str::to_owned),
                eta,
                ..options()
            };
            let plan = pipeline.plan(observation().view(), options, &mut RngNoise::seed(5));
            assert_eq!(plan.is_ok(), works, "{scheduler:?} {eta} {steps:?}: {:?}", plan.err());
        }
    }
}

#[test]
fn a_loop_that_failed_gives_no_plan() {
    // One draw: the noise runs out at the first step, and would again.
    let mut planner = pipeline().planner(options()).unwrap();
    let expected = planned(&mut planner);
    let observation = observation();
    let conditions = [Condition::observation(0, observation.view())];
    let mut noise = RecordedNoise::new(vec![vec![0.5; 2 * 32 * 4]]);
    let mut queries = [Query::new(&conditions, &mut noise)];
    let mut denoising = planner.begin(&mut queries).unwrap();
    assert!(denoising.step().is_err());
    assert!(denoising.estimate().unwrap().is_none());
    let again = denoising.step().map(|_| ()).unwrap_err().to_string();
    assert!(again.contains("begin another"), "{again}");
    assert!(denoising.finish().is_err());
    assert_eq!(planned(&mut planner), expected);
}
