//! Plans on small random networks: what the options mean, and what does not depend on what; `refusals` has what is refused.

#![allow(clippy::unwrap_used)] // a test fails by panicking

mod queries;
mod refusals;

use diffplan_data::{NormalizerConfig, Normalizers};
use diffplan_models::{Params, UNet1dConfig, UNet1dModel};
use diffplan_pipelines::deadline::CancelToken;
use diffplan_pipelines::{
    Condition, Error, FnGuide, Guidance, Moment, NoiseError, NoiseSource, Plan, PlanOptions, Query, RecordedNoise,
    RngNoise, TorchRng, ValueGuidedPipeline, ValueNetwork,
};
use diffplan_schedulers::{BetaSchedule, DdpmConfig, DdpmScheduler, PredictionType, VarianceType};
use ndarray::{Array1, Array2, Array3, ArrayView1, ArrayView3, ArrayViewMut1, ArrayViewMut3, Axis, array, s};
use ndarray_rand::rand::{SeedableRng, rngs::StdRng};
use std::sync::Arc;

/// Three observation dimensions, one action dimension: Pendulum's.
const OBSERVATION: [f32; 3] = [0.5, -0.5, 2.0];

fn network(config: UNet1dConfig, seed: u64) -> UNet1dModel {
    let mut model = UNet1dModel::new(config).unwrap();
    Params::init(&mut model, &mut StdRng::seed_from_u64(seed));
    model
}

fn scheduler(steps: usize) -> DdpmScheduler {
    DdpmScheduler::new(DdpmConfig {
        num_train_timesteps: steps,
        beta_schedule: BetaSchedule::SquaredcosCapV2,
        variance_type: VarianceType::FixedSmallLog,
        prediction_type: PredictionType::Sample,
        clip_sample: false,
        ..DdpmConfig::default()
    })
    .unwrap()
}

fn normalizers() -> Normalizers {
    let observations = NormalizerConfig::Gaussian {
        mean: vec![0.1, 0.2, 0.3],
        std: vec![0.5, 0.6, 4.0],
    };
    let actions = NormalizerConfig::Gaussian {
        mean: vec![0.5],
        std: vec![2.0],
    };
    Normalizers::new(observations, actions, None).unwrap()
}

fn pipeline() -> ValueGuidedPipeline {
    let unet = network(UNet1dConfig::planner(4, &[16, 32]), 1);
    let value = ValueNetwork::new(network(UNet1dConfig::value_function(4, &[16, 32]), 2)).unwrap();
    ValueGuidedPipeline::new(Arc::new(unet), Arc::new(value), Arc::new(scheduler(6)), normalizers()).unwrap()
}

fn options() -> PlanOptions {
    PlanOptions {
        batch_size: 5,
        planning_horizon: 16,
        ..PlanOptions::default()
    }
}

fn plan(pipeline: &ValueGuidedPipeline, options: PlanOptions) -> Plan {
    pipeline
        .plan(ArrayView1::from(&OBSERVATION), options, &mut RngNoise::seed(3))
        .unwrap()
}

#[test]
fn a_plan_is_sorted_conditioned_and_in_the_environments_units() {
    let plan = plan(&pipeline(), options());
    assert_eq!(plan.trajectories.dim(), (5, 16, 4));
    let values = plan.values.clone().unwrap();
    assert!(values.windows(2).into_iter().all(|pair| pair[0] >= pair[1]), "{values}");
    let mut order = plan.order.clone();
    order.sort_unstable();
    assert_eq!(order, [0, 1, 2, 3, 4]);
    for first in plan.observations().index_axis(Axis(1), 0).outer_iter() {
        assert!(
            first.iter().zip(OBSERVATION).all(|(a, e)| (a - e).abs() < 1e-5),
            "{first}"
        );
    }
    assert_eq!(plan.chosen, 0);
    assert_eq!(plan.action, plan.actions().slice(s![0, 0, ..]));
    let back = plan.normalized.slice(s![.., .., 0]).mapv(|a| a * 2.0 + 0.5);
    assert!(
        (&back - &plan.trajectories.slice(s![.., .., 0]))
            .iter()
            .all(|d| d.abs() < 1e-5)
    );
}

#[test]
fn same_seed_same_plan_on_any_number_of_threads() {
    let pipeline = pipeline();
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let mut planner = pipeline.planner(options()).unwrap().in_pool(Arc::new(pool));
        planner
            .plan(ArrayView1::from(&OBSERVATION), &mut RngNoise::seed(3))
            .unwrap()
    };
    let one = on(1);
    for threads in [2, 3, 8] {
        assert_eq!(on(threads), one, "{threads} threads");
    }
    assert_eq!(plan(&pipeline, options()), one);
}

#[test]
fn plans_do_not_depend_on_what_a_planner_did_before() {
    let pipeline = pipeline();
    let mut planner = pipeline.planner(options()).unwrap();
    planner
        .plan(array![9.0, 9.0, -9.0].view(), &mut RngNoise::seed(8))
        .unwrap();
    let again = planner
        .plan(ArrayView1::from(&OBSERVATION), &mut RngNoise::seed(3))
        .unwrap();
    assert_eq!(again, plan(&pipeline, options()));
}

#[test]
fn plans_can_be_called_off() {
    let pipeline = pipeline();
    let expected = plan(&pipeline, options());
    let mut planner = pipeline.planner(options()).unwrap();
    let cancel = CancelToken::new();
    let mut ask = |noise: &mut dyn NoiseSource, cancel: &CancelToken| {
        let conditions = [Condition::observation(0, ArrayView1::from(&OBSERVATION))];
        planner
            .plan_unless(&mut [Query::new(&conditions, noise)], cancel)
    };
    cancel.cancel();
    let off = ask(&mut RngNoise::seed(1), &cancel).unwrap_err();
    assert!(matches!(off, Error::Cancelled { visits: 0, .. }), "{off}");
    // In the middle, by whoever draws: no visit follows.
    let middle = CancelToken::new();
    let mut draws = Calling(RngNoise::seed(1), middle.clone(), 2);
    let off = ask(&mut draws, &middle).unwrap_err();
    assert!(matches!(off, Error::Cancelled { visits: 1, .. }), "{off}");
    assert_eq!(draws.2, 0);
    cancel.reset();
    assert_eq!(ask(&mut RngNoise::seed(3), &cancel).unwrap(), [expected]);
}

/// Noise whose so-many-th draw calls the plan off; none is drawn after it.
struct Calling(RngNoise, CancelToken, usize);

impl NoiseSource for Calling {
    fn fill_standard_normal(&mut self, out: &mut [f32]) -> Result<(), NoiseError> {
        self.2 = self.2.checked_sub(1).expect("no draw after it was called off");
        if self.2 == 0 {
            self.1.cancel();
        }
        self.0.fill_standard_normal(out)
    }

    fn pick_index(&mut self, n: usize) -> Result<usize, NoiseError> {
        self.0.pick_index(n)
    }
}

#[test]
fn a_batch_of_observations_gives_the_plans_each_would_have_alone() {
    let pipeline = pipeline();
    let observations = array![[0.5, -0.5, 2.0], [1.0, 0.0, 0.0], [0.0, 1.0, -3.0]];
    let mut planner = pipeline.planner(options()).unwrap();
    let mut noise: Vec<RngNoise> = (0..3).map(RngNoise::seed).collect();
    let mut sources: Vec<&mut dyn NoiseSource> = noise.iter_mut().map(|n| n as &mut dyn NoiseSource).collect();
    let plans = planner.plan_batch(observations.view(), &mut sources).unwrap();
    assert_eq!(plans.len(), 3);
    for (i, plan) in plans.iter().enumerate() {
        let alone = planner
            .plan(observations.row(i), &mut RngNoise::seed(i as u64))
            .unwrap();
        assert_eq!(*plan, alone, "observation {i}");
    }
    assert_eq!(planner.plan_batch(Array2::zeros((0, 3)).view(), &mut []).unwrap(), []);
    let error = planner
        .plan_batch(observations.view(), &mut [&mut RngNoise::seed(0)])
        .unwrap_err();
    assert!(
        matches!(error, Error::NoiseSources { actual: 1, expected: 3 }),
        "{error}"
    );
}

#[test]
fn one_candidate_works_guided_and_not() {
    let pipeline = pipeline();
    let one = plan(
        &pipeline,
        PlanOptions {
            batch_size: 1,
            ..options()
        },
    );
    assert_eq!(one.values.unwrap().len(), 1);
    let unguided = plan(
        &pipeline,
        PlanOptions {
            batch_size: 1,
            n_guide_steps: 0,
            ..options()
        },
    );
    assert_eq!((unguided.values, unguided.chosen), (None, 0));
}

#[test]
fn without_guide_steps_the_noise_source_picks() {
    let pipeline = pipeline();
    let options = PlanOptions {
        n_guide_steps: 0,
        ..options()
    };
    let plan_with = |pick: usize| {
        let mut draws = RngNoise::seed(3);
        let mut recorded = vec![vec![0.0; 5 * 16 * 4]; 6];
        recorded
            .iter_mut()
            .for_each(|draw| draws.fill_standard_normal(draw).unwrap());
        let mut noise = RecordedNoise::new(recorded).with_picks(vec![pick]);
        let plan = pipeline
            .plan(ArrayView1::from(&OBSERVATION), options.clone(), &mut noise)
            .unwrap();
        assert_eq!(
            noise.remaining_draws(),
            0,
            "one draw at the start and one a timestep but the last"
        );
        plan
    };
    let plan = plan_with(3);
    assert_eq!(
        (plan.chosen, &plan.values, &plan.order),
        (3, &None, &vec![0, 1, 2, 3, 4])
    );
    assert_eq!(plan.action, plan.actions().slice(s![3, 0, ..]));
    assert_ne!(plan_with(1).action, plan.action);
}

#[test]
fn rescoring_values_what_the_candidates_became() {
    let pipeline = pipeline();
    let value = network(UNet1dConfig::value_function(4, &[16, 32]), 2);
    for n_guide_steps in [0, 2] {
        let plan = plan(
            &pipeline,
            PlanOptions {
                rescore: true,
                n_guide_steps,
                ..options()
            },
        );
        let sample = plan.normalized.view().permuted_axes([0, 2, 1]);
        let (values, _) = value.value_and_grad(sample, &[0.0]).unwrap();
        assert_eq!(plan.values.unwrap(), values, "{n_guide_steps} guide steps");
    }
    let parity = plan(&pipeline, options());
    let rescored = plan(
        &pipeline,
        PlanOptions {
            rescore: true,
            ..options()
        },
    );
    assert_ne!(parity.values, rescored.values);
}

type GuideResult = Result<(), Box<dyn std::error::Error + Send + Sync>>;

/// A guide that prefers large actions: gradient 1 for the action dimension at every timestep.
fn push_actions(
    x: ArrayView3<f32>,
    _: Moment,
    mut values: ArrayViewMut1<f32>,
    grad: Option<ArrayViewMut3<f32>>,
) -> GuideResult {
    values.assign(&x.index_axis(Axis(2), 0).sum_axis(Axis(1)));
    if let Some(mut grad) = grad {
        grad.fill(0.0);
        grad.index_axis_mut(Axis(2), 0).fill(1.0);
    }
    Ok(())
}

/// How far the guide moved actions at each timestep, from the difference of two plans that share noise up to there.
fn pushes(options: PlanOptions) -> Vec<(usize, f32)> {
    let pipeline = pipeline().with_guide(Arc::new(FnGuide(push_actions)));
    let mut planner = pipeline.planner(options).unwrap();
    let mut before: Option<Array3<f32>> = None;
    let mut pushes = Vec::new();
    let conditions = [Condition::observation(0, &OBSERVATION)];
    let mut noise = RngNoise::seed(3);
    let mut queries = [Query::new(&conditions, &mut noise)];
    let mut denoising = planner.begin(&mut queries).unwrap();
    while let Some(step) = denoising.step().unwrap() {
        if let Some(before) = &before {
            pushes.push((step.timestep as usize, step.guided[[2, 7, 0]] - before[[2, 7, 0]]));
        }
        before = Some(step.prev_sample.to_owned());
    }
    pushes
}

#[test]
fn gradient_steps_have_the_length_each_reading_gives_them() {
    use diffplan_schedulers::{Scheduler, Steps};
    let sampler = scheduler(6).sampler(&Steps::default()).unwrap();
    for (guidance, t_stopgrad) in [
        (Guidance::Diffusers, 2),
        (Guidance::Diffuser, 2),
        (Guidance::Diffusers, 0),
    ] {
        let options = PlanOptions {
            guidance,
            t_stopgrad,
            scale: 0.25,
            n_guide_steps: 3,
            ..options()
        };
        let pushes = pushes(options);
        assert_eq!(pushes.iter().map(|p| p.0).collect::<Vec<_>>(), [4, 3, 2, 1, 0]);
        for (t, push) in pushes {
            let weight = match guidance {
                _ if t < t_stopgrad => 0.0,
                Guidance::Diffuser => sampler.visits()[5 - t].posterior_variance,
                _ => (0.5 * sampler.visits()[5 - t].variance.unwrap()).exp(),
            };
            assert!(
                (push - 3.0 * 0.25 * weight).abs() < 1e-5,
                "{guidance:?}, t = {t}: {push}, weight {weight}"
            );
        }
    }
}

#[test]
fn a_function_guides_as_well_as_a_network() {
    let pipeline = pipeline().with_guide(Arc::new(FnGuide(push_actions)));
    // With the gradient on to the end, the values before the last gradient step have seen the one before it: 16 actions
    // of gradient 1 at a length of scale · weight, weight at least 1.
    let best = |scale: f32| {
        let options = PlanOptions {
            scale,
            t_stopgrad: 0,
            ..options()
        };
        plan(&pipeline, options).values.unwrap()[0]
    };
    assert!(best(0.5) > best(0.0) + 4.0);
    let failing = FnGuide(
        |_: ArrayView3<f32>, _: Moment, _: ArrayViewMut1<f32>, _: Option<ArrayViewMut3<f32>>| {
            GuideResult::Err("no map of this room".into())
        },
    );
    let pipeline = pipeline.with_guide(Arc::new(failing));
    let error = pipeline
        .plan(ArrayView1::from(&OBSERVATION), options(), &mut RngNoise::seed(0))
        .unwrap_err();
    assert_eq!(error.to_string(), "guide: no map of this room");
}

#[test]
fn torch_noise_is_drawn_in_the_order_of_the_reference() {
    let pipeline = pipeline();
    let mut torch = TorchRng::manual_seed(77);
    let mut recorded = vec![vec![0.0; 5 * 16 * 4]; 6];
    recorded
        .iter_mut()
        .for_each(|draw| torch.fill_standard_normal(draw).unwrap());
    let observation = ArrayView1::from(&OBSERVATION);
    let replayed = pipeline
        .plan(observation, options(), &mut RecordedNoise::new(recorded))
        .unwrap();
    let seeded = pipeline
        .plan(observation, options(), &mut TorchRng::manual_seed(77))
        .unwrap();
    assert_eq!(replayed, seeded);
}

#[test]
fn values_have_the_length_of_the_batch_whatever_the_last_timestep() {
    // A single visit, at timestep 0 and below the stop-gradient step: nothing moves, but candidates are ranked all the same, as in the reference.
    let plan = plan(
        &pipeline(),
        PlanOptions {
            num_inference_steps: Some(1),
            t_stopgrad: 2,
            ..options()
        },
    );
    assert_eq!(plan.values.as_ref().map(Array1::len), Some(5));
}
