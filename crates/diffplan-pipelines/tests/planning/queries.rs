//! What is asked of a planner, and how: conditions of any kind, guides, the loop by hand, warm starts, selection, action heads.

use super::*;
use diffplan_pipelines::{ActionHead, AtRandom, Chosen, Guide, OwnActions, SampleLayout, Start};

fn close(a: f32, b: f32) -> bool {
    (a - b).abs() < 1e-5
}

#[test]
fn goals_are_conditions_at_other_times() {
    let mut planner = pipeline().planner(options()).unwrap();
    let (start, goal) = (array![0.5, -0.5, 2.0], array![1.0, 0.0, 0.0]);
    let conditions = [Condition::observation(0, &start), Condition::observation(15, &goal)];
    let plan = planner.plan_conditioned(&conditions, &mut RngNoise::seed(3)).unwrap();
    for (time, expected) in [(0, &start), (15, &goal)] {
        for row in plan.observations().index_axis(Axis(1), time).outer_iter() {
            assert!((&row - expected).iter().all(|d| d.abs() < 1e-5), "time {time}: {row}");
        }
    }
    let mut refused = |conditions: &[Condition], part: &str| {
        let error = planner
            .plan_conditioned(conditions, &mut RngNoise::seed(3))
            .unwrap_err()
            .to_string();
        assert!(error.contains(part), "{error}");
    };
    refused(
        &[Condition::observation(16, &goal)],
        "observation 0 at time 16: the time is beyond the horizon",
    );
    let twice = [
        Condition::observation(15, &goal),
        Condition::observation(15, &goal).dims(&[2, 1, 0]),
    ];
    refused(&twice, "two conditions for the same time and dimension");
    refused(&[Condition::observation(0, &goal).dims(&[0])], "3 numbers, expected 1");
    refused(
        &[Condition::action(0, &[1.0]).dims(&[1])],
        "action: dimension 1, expected below 1",
    );
    refused(
        &[Condition::action(3, &[f32::NAN])],
        "action 0 at time 3: dimension 0 is NaN",
    );
}

#[test]
fn some_dimensions_and_actions_are_imposed_alone() {
    let mut planner = pipeline().planner(options()).unwrap();
    let conditions = [
        Condition::observation(0, &OBSERVATION),
        Condition::observation(7, &[3.0, -0.25]).dims(&[2, 0]),
        Condition::action(4, &[1.5]),
    ];
    let plan = planner.plan_conditioned(&conditions, &mut RngNoise::seed(3)).unwrap();
    for candidate in 0..5 {
        let observation: Array1<f32> = plan.observations().slice(s![candidate, 7, ..]).to_owned();
        assert!(
            close(observation[2], 3.0) && close(observation[0], -0.25),
            "{observation}"
        );
        assert!(close(plan.actions()[[candidate, 4, 0]], 1.5));
    }
    // What is not imposed is free.
    let free = |dim: usize| plan.observations().slice(s![.., 7, dim]).to_vec();
    assert!(free(1).windows(2).any(|pair| pair[0] != pair[1]));
}

#[test]
fn every_query_has_conditions_of_its_own_and_the_plan_it_would_have_alone() {
    let mut planner = pipeline().planner(options()).unwrap();
    let (a, b) = (array![0.5, -0.5, 2.0], array![1.0, 0.0, 0.0]);
    let sets = [
        vec![Condition::observation(0, &a)],
        vec![Condition::observation(0, &b), Condition::action(2, &[0.5])],
        vec![
            Condition::observation(0, &a),
            Condition::observation(9, &[0.0]).dims(&[1]),
        ],
    ];
    let mut noise: Vec<RngNoise> = (0..3).map(RngNoise::seed).collect();
    let mut queries: Vec<Query> = sets
        .iter()
        .zip(&mut noise)
        .map(|(own, noise)| Query::new(own, noise))
        .collect();
    let plans = planner.plan_queries(&mut queries).unwrap();
    for (i, plan) in plans.iter().enumerate() {
        let alone = planner
            .plan_conditioned(&sets[i], &mut RngNoise::seed(i as u64))
            .unwrap();
        assert_eq!(*plan, alone, "query {i}");
    }
}

#[test]
fn guides_are_summed_by_weight() {
    let push = |dim: usize| {
        FnGuide(
            move |x: ArrayView3<f32>, _: Moment, mut values: ArrayViewMut1<f32>, grad: Option<ArrayViewMut3<f32>>| {
                values.assign(&x.index_axis(Axis(2), dim).sum_axis(Axis(1)));
                if let Some(mut grad) = grad {
                    grad.fill(0.0);
                    grad.index_axis_mut(Axis(2), dim).fill(1.0);
                }
                Ok(())
            },
        )
    };
    let both = FnGuide(
        |x: ArrayView3<f32>, _: Moment, mut values: ArrayViewMut1<f32>, grad: Option<ArrayViewMut3<f32>>| {
            let sum = |dim: usize| x.index_axis(Axis(2), dim).sum_axis(Axis(1));
            values.assign(&(0.5 * sum(0) - 0.25 * sum(2)));
            if let Some(mut grad) = grad {
                grad.fill(0.0);
                grad.index_axis_mut(Axis(2), 0).fill(0.5);
                grad.index_axis_mut(Axis(2), 2).fill(-0.25);
            }
            Ok(())
        },
    );
    let separate: [(f32, Arc<dyn Guide>); 2] = [(0.5, Arc::new(push(0))), (-0.25, Arc::new(push(2)))];
    for rescore in [false, true] {
        let options = PlanOptions { rescore, ..options() };
        let one = plan(&pipeline().with_guide(Arc::new(both)), options.clone());
        let two = plan(&pipeline().with_guides(separate.clone()), options);
        assert_eq!(one.order, two.order);
        assert!((&one.trajectories - &two.trajectories).iter().all(|d| d.abs() < 1e-5));
    }
}

#[test]
fn stepping_is_planning() {
    let mut planner = pipeline().planner(options()).unwrap();
    let conditions = [Condition::observation(0, &OBSERVATION)];
    let expected = planner.plan_conditioned(&conditions, &mut RngNoise::seed(3)).unwrap();
    for by_hand in [0, 2, 6] {
        let mut noise = RngNoise::seed(3);
        let mut queries = [Query::new(&conditions, &mut noise)];
        let mut denoising = planner.begin(&mut queries).unwrap();
        assert!(denoising.estimate().unwrap().is_none());
        for visit in 0..by_hand {
            let step = denoising.step().unwrap().unwrap();
            assert_eq!((step.visit, step.visits, step.timestep), (visit, 6, 5.0 - visit as f32));
        }
        if by_hand == 6 {
            assert!(denoising.step().unwrap().is_none());
            // The last step lands on the prediction: what was estimated is what becomes.
            let estimate = denoising.estimate().unwrap().unwrap().remove(0);
            assert!(
                (&estimate.trajectories - &expected.trajectories)
                    .iter()
                    .all(|d| d.abs() < 1e-4)
            );
        }
        assert_eq!(denoising.finish().unwrap().remove(0), expected);
    }
    // One that was begun and dropped leaves nothing behind.
    let mut noise = RngNoise::seed(9);
    let mut queries = [Query::new(&conditions, &mut noise)];
    let mut dropped = planner.begin(&mut queries).unwrap();
    dropped.step().unwrap();
    drop(dropped);
    let again = planner.plan_conditioned(&conditions, &mut RngNoise::seed(3)).unwrap();
    assert_eq!(again, expected);
}

#[test]
fn a_planner_lives_in_a_thread() {
    let mut planner = pipeline().planner(options()).unwrap();
    let expected = planner
        .plan(ArrayView1::from(&OBSERVATION), &mut RngNoise::seed(3))
        .unwrap();
    let thread = std::thread::spawn(move || {
        planner
            .plan(ArrayView1::from(&OBSERVATION), &mut RngNoise::seed(3))
            .unwrap()
    });
    assert_eq!(thread.join().unwrap(), expected);
}

#[test]
fn a_warm_start_goes_on_from_a_plan() {
    let mut planner = pipeline().planner(options()).unwrap();
    let conditions = [Condition::observation(0, &OBSERVATION)];
    let cold = planner.plan_conditioned(&conditions, &mut RngNoise::seed(3)).unwrap();
    let mut warm = |sample: &Array3<f32>, from: usize| {
        let mut noise = RngNoise::seed(4);
        let start = Start::Warm { sample, from };
        let mut queries = [Query::new(&conditions, &mut noise).start(start)];
        let mut denoising = planner.begin(&mut queries)?;
        let mut visited = Vec::new();
        while let Some(step) = denoising.step()? {
            visited.push(step.visit);
        }
        Ok::<_, Error>((visited, denoising.finish()?.remove(0)))
    };
    let (visited, _) = warm(&cold.normalized, 4).unwrap();
    assert_eq!(visited, [4, 5]);
    // The same noise, the same plan to go on from: the same plan.
    assert_eq!(warm(&cold.normalized, 4).unwrap(), warm(&cold.normalized, 4).unwrap());
    assert_ne!(
        warm(&cold.normalized, 4).unwrap().1,
        warm(&(2.0 * &cold.normalized), 4).unwrap().1
    );
    let error = warm(&cold.normalized, 6).unwrap_err().to_string();
    assert!(error.contains("start of query 0: visit 6 of 6"), "{error}");
    let error = warm(&Array3::zeros((5, 8, 4)), 2).unwrap_err().to_string();
    assert!(
        error.contains("a sample of shape (5, 8, 4), expected (5, 16, 4)"),
        "{error}"
    );
}

#[test]
fn ddim_plans_with_what_it_has_in_common() {
    let ddim = |eta: f32| PlanOptions {
        scheduler: Some("ddim".into()),
        num_inference_steps: Some(3),
        eta,
        ..options()
    };
    let pipeline = pipeline();
    // Without noise nothing is drawn but the start.
    let mut draws = vec![vec![0.0; 5 * 16 * 4]];
    RngNoise::seed(3).fill_standard_normal(&mut draws[0]).unwrap();
    let mut recorded = RecordedNoise::new(draws);
    let plan = pipeline
        .plan(ArrayView1::from(&OBSERVATION), ddim(0.0), &mut recorded)
        .unwrap();
    assert_eq!(recorded.remaining_draws(), 0);
    assert!(plan.trajectories.iter().all(|v| v.is_finite()));
    let noisy = super::plan(&pipeline, ddim(1.0));
    assert_ne!(noisy.trajectories, plan.trajectories);
    for (options, part) in [
        (PlanOptions { eta: 0.5, ..options() }, "DDPMScheduler has no eta"),
        (
            PlanOptions {
                scheduler: Some("dddim".into()),
                ..options()
            },
            "did you mean ddim?",
        ),
    ] {
        let error = pipeline.planner(options).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
}

#[derive(Debug)]
struct Differences;

impl ActionHead for Differences {
    fn actions(&self, chosen: Chosen<'_>) -> Result<Array2<f32>, Error> {
        let first = chosen.trajectory.slice(s![1..2, ..]).to_owned();
        Ok(first - chosen.trajectory.slice(s![0..1, ..]))
    }
}

#[test]
fn selection_and_action_head_are_parts() {
    let first = plan(&pipeline(), options());
    let chunk = plan(&pipeline().with_head(Arc::new(OwnActions(3))), options());
    assert_eq!(chunk.chunk, first.actions().slice(s![0, ..3, ..]));
    assert_eq!(chunk.action, first.action);
    let error = pipeline().with_head(Arc::new(OwnActions(17)));
    let error = error.plan(ArrayView1::from(&OBSERVATION), options(), &mut RngNoise::seed(3));
    assert!(
        error
            .unwrap_err()
            .to_string()
            .contains("a chunk of 17 actions of a plan of 16 steps")
    );

    let chosen: Vec<usize> = (0..20)
        .map(|seed| {
            let pipeline = pipeline().with_select(Arc::new(AtRandom));
            let mut noise = RngNoise::seed(seed);
            pipeline
                .plan(ArrayView1::from(&OBSERVATION), options(), &mut noise)
                .unwrap()
                .chosen
        })
        .collect();
    assert!(chosen.iter().any(|&place| place != chosen[0]), "{chosen:?}");

    // States alone: the head finds the action.
    let gaussian = |dims: usize| NormalizerConfig::Gaussian {
        mean: vec![0.0; dims],
        std: vec![1.0; dims],
    };
    let normalizers = Normalizers::new(
        gaussian(3),
        NormalizerConfig::ScalarGaussian { mean: 0.0, std: 1.0 },
        None,
    );
    let unet = Arc::new(network(UNet1dConfig::planner(3, &[16, 32]), 1));
    let states = ValueGuidedPipeline::without_guide(unet, Arc::new(scheduler(6)), normalizers.unwrap())
        .map(|_| ())
        .unwrap_err()
        .to_string();
    assert!(states.contains("0 action dimensions"), "{states}");
    let unet = Arc::new(network(UNet1dConfig::planner(3, &[16, 32]), 1));
    let scalar = || NormalizerConfig::ScalarGaussian { mean: 0.0, std: 1.0 };
    let normalizers = Normalizers::new(scalar(), scalar(), None).unwrap();
    let states = ValueGuidedPipeline::without_guide(unet, Arc::new(scheduler(6)), normalizers)
        .unwrap()
        .with_layout(SampleLayout::states_only(3))
        .unwrap();
    let options = PlanOptions {
        n_guide_steps: 0,
        ..options()
    };
    let error = states
        .plan(ArrayView1::from(&OBSERVATION), options.clone(), &mut RngNoise::seed(3))
        .unwrap_err();
    assert!(error.to_string().contains("needs an action head"), "{error}");
    let plan = plan(&states.with_head(Arc::new(Differences)), options);
    let observations = plan.observations();
    let expected = &observations.slice(s![plan.chosen, 1, ..]) - &observations.slice(s![plan.chosen, 0, ..]);
    assert_eq!(plan.action, expected);
}

/// From about 1e19 on squares overflow in the networks' normalisations.
#[test]
fn an_observation_that_overflows_makes_no_plan() {
    for large in [1e21f32, -1e30, 3e38] {
        for n_guide_steps in [0, 2] {
            let options = PlanOptions {
                n_guide_steps,
                ..options()
            };
            let observation = [0.5, large, 0.0];
            let error = pipeline()
                .plan(ArrayView1::from(&observation), options, &mut RngNoise::seed(3))
                .unwrap_err();
            assert!(
                matches!(error, Error::Diverged { step: 0, .. } | Error::Condition { .. }),
                "{large}: {error}"
            );
        }
    }
}

#[test]
fn fewer_inference_steps_visit_fewer_timesteps() {
    let pipeline = pipeline();
    let mut planner = pipeline
        .planner(PlanOptions {
            num_inference_steps: Some(3),
            ..options()
        })
        .unwrap();
    let conditions = [Condition::observation(0, &OBSERVATION)];
    let mut noise = RngNoise::seed(3);
    let mut queries = [Query::new(&conditions, &mut noise)];
    let mut denoising = planner.begin(&mut queries).unwrap();
    let mut visited = Vec::new();
    while let Some(step) = denoising.step().unwrap() {
        visited.push((step.visit, step.visits, step.timestep));
    }
    assert_eq!(visited, [(0, 3, 4.0), (1, 3, 2.0), (2, 3, 0.0)]);
}
