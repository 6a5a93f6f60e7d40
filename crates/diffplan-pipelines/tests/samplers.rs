//! Guidance leads to the same plans with every sampler: on Gaussian data, with a network that predicts exactly the noise and a guide
//! that values exactly what is to be expected, so that what must come out is known. docs/samplers.md has the derivation.

#![allow(clippy::unwrap_used)] // a test fails by panicking

mod exact;

use diffplan_pipelines::{
    Condition, FnGuide, Guidance, Moment, PlanOptions, Query, RngNoise, Start, ValueGuidedPipeline,
};
use diffplan_schedulers::Scheduler;
use exact::{Forward, SAMPLERS, scheduler, unguided};
use ndarray::{Array3, ArrayView1, ArrayView3, ArrayViewMut1, ArrayViewMut3, Axis};
use std::sync::Arc;

/// What the guide's value grows by with every number of the action.
const SLOPE: f32 = 0.8;

/// A pipeline of these exact parts: one action and one observation.
fn pipeline(variance: f32) -> ValueGuidedPipeline {
    let guide = Forward::new(scheduler().schedule(), variance);
    // What the sum of the actions times SLOPE is to be expected to be, of the sample here: what a value function learns that is trained
    // on noised plans.
    let guide = FnGuide(
        move |x: ArrayView3<f32>, at: Moment, mut values: ArrayViewMut1<f32>, grad: Option<ArrayViewMut3<f32>>| {
            let gain = SLOPE * guide.shares(at.timestep)[0] * guide.variance / guide.spread(at.timestep);
            values.assign(&(gain * &x.index_axis(Axis(2), 0).sum_axis(Axis(1))));
            if let Some(mut grad) = grad {
                grad.fill(0.0);
                grad.index_axis_mut(Axis(2), 0).fill(gain);
            }
            Ok(())
        },
    );
    unguided(variance).with_guide(Arc::new(guide))
}

fn options(scheduler: &str, steps: usize, eta: f32) -> PlanOptions {
    PlanOptions {
        batch_size: 16,
        planning_horizon: 8,
        n_guide_steps: 1,
        scale: 0.25,
        guidance: Guidance::Diffuser,
        t_stopgrad: 0,
        scheduler: Some(scheduler.to_owned()),
        num_inference_steps: Some(steps),
        eta,
        ..PlanOptions::default()
    }
}

/// The actions of all candidates.
fn actions(pipeline: &ValueGuidedPipeline, options: PlanOptions) -> Vec<f32> {
    let plan = pipeline
        .plan(ArrayView1::from(&[0.3]), options, &mut RngNoise::seed(3))
        .unwrap();
    // In the order of the draws.
    let mut rows = plan.order.iter().zip(plan.normalized.outer_iter()).collect::<Vec<_>>();
    rows.sort_by_key(|(candidate, _)| **candidate);
    rows.iter().flat_map(|(_, row)| row.column(0).to_vec()).collect()
}

/// How far guidance moves the actions: all are moved alike, since all that happens is linear.
fn shift(pipeline: &ValueGuidedPipeline, options: PlanOptions) -> f32 {
    let unmoved = PlanOptions {
        scale: 0.0,
        ..options.clone()
    };
    let (moved, unmoved) = (actions(pipeline, options), actions(pipeline, unmoved));
    let moves: Vec<f32> = moved.iter().zip(&unmoved).map(|(a, b)| a - b).collect();
    let mean = moves.iter().sum::<f32>() / moves.len() as f32;
    assert!(moves.iter().all(|by| (by - mean).abs() < 1e-3 * mean.abs() + 1e-5));
    mean
}

/// Guidance by λ tilts the data's density by exp(λ J): a Gaussian's mean moves by λ times its variance times the slope. What is missing from
/// that is what steps of finite length miss, with DDPM as well, and goes with their length.
#[test]
fn every_sampler_is_guided_to_the_same_plans() {
    // Counts with which all classes, which space timesteps differently, visit the schedule from its end.
    for (variance, [far, near], between) in [
        (1.0, [0.14, 0.04], [0.05, 0.015]),
        (0.25, [0.23, 0.06], [0.11, 0.02]),
        (0.04, [0.43, 0.12], [0.26, 0.05]),
    ] {
        let pipeline = pipeline(variance);
        let expected = 0.25 * variance * SLOPE;
        for (steps, tolerance, between) in [(99, far, between[0]), (499, near, between[1])] {
            let ddpm = shift(&pipeline, options("ddpm", steps, 0.0)) / expected;
            for (scheduler, eta) in SAMPLERS {
                let actual = shift(&pipeline, options(scheduler, steps, eta)) / expected;
                let what = format!("{scheduler}, eta {eta}, {steps} steps, variance {variance}: {actual}");
                assert!((actual - 1.0).abs() < tolerance, "{what} of what it should be");
                assert!((actual / ddpm - 1.0).abs() < between, "{what}, ddpm {ddpm}");
            }
        }
    }
}

/// Two pairs are the same sampler in other coordinates: to the last digits of float32 their plans are the same, with guidance, conditions and
/// a start from a plan.
#[test]
fn the_same_sampler_in_other_coordinates_makes_the_same_plans() {
    let pipeline = pipeline(0.25);
    let warm = Array3::from_shape_fn((16, 8, 2), |(i, j, k)| ((7 * i + 3 * j + k) as f32).sin());
    for ([one, other], eta) in [(["ddim", "euler"], 0.0), (["ddim", "euler-a"], 1.0)] {
        for guidance in [Guidance::Diffuser, Guidance::Diffusers] {
            for from in [None, Some(20)] {
                let plan = |scheduler: &str, eta: f32| {
                    let options = PlanOptions {
                        guidance,
                        scale: 0.02,
                        n_guide_steps: 2,
                        t_stopgrad: 2,
                        ..options(scheduler, 50, eta)
                    };
                    let mut planner = pipeline.planner(options).unwrap();
                    let conditions = [Condition::observation(0, &[0.3])];
                    let mut noise = RngNoise::seed(3);
                    let start = from.map_or(Start::Noise, |from| Start::Warm { sample: &warm, from });
                    let mut queries = [Query::new(&conditions, &mut noise).start(start)];
                    let plan = planner.plan_queries(&mut queries).unwrap().remove(0);
                    assert!(plan.observations().index_axis(Axis(1), 0).iter().all(|&x| x == 0.3));
                    let mut rows: Vec<_> = plan.order.iter().zip(plan.normalized.outer_iter()).collect();
                    rows.sort_by_key(|(candidate, _)| **candidate);
                    rows.iter()
                        .flat_map(|(_, row)| row.iter().copied().collect::<Vec<_>>())
                        .collect::<Vec<f32>>()
                };
                let (one, by) = (plan(one, eta), plan(other, if other == "ddim" { eta } else { 0.0 }));
                let error = one.iter().zip(&by).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                assert!(error < 2e-3, "{other} {guidance:?} from {from:?}: {error}");
            }
        }
    }
}

/// The weight of diffusers' pipeline is about 1 a visit, however long its step: plans follow from the number of visits, with DDPM as
/// well, and are the same with other samplers only by about.
#[test]
fn the_reference_s_weight_is_one_a_visit() {
    let pipeline = pipeline(0.25);
    let of = |scheduler: &str, steps: usize| {
        let options = PlanOptions {
            guidance: Guidance::Diffusers,
            ..options(scheduler, steps, 0.0)
        };
        shift(&pipeline, options)
    };
    let [few, many] = [99, 499].map(|steps| of("ddpm", steps));
    assert!(many > 3.0 * few, "{few} {many}");
    for scheduler in ["ddim", "dpm++", "euler", "euler-a", "heun", "unipc"] {
        let ratio = of(scheduler, 99) / few;
        assert!((0.6..1.1).contains(&ratio), "{scheduler}: {ratio}");
    }
}
