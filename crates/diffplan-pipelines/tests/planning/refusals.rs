//! What is refused, and in which words.

use super::*;

#[test]
fn bad_observations_are_refused_by_dimension() {
    let pipeline = pipeline();
    let mut planner = pipeline.planner(options()).unwrap();
    let mut refused = |observation: &[f32], message: &str| {
        let error = planner
            .plan(ArrayView1::from(observation), &mut RngNoise::seed(0))
            .unwrap_err();
        assert_eq!(error.to_string(), message);
    };
    refused(
        &[0.0, f32::NAN, 0.0],
        "observation: dimension 1 is NaN, expected a finite number",
    );
    refused(
        &[0.0, 0.0, f32::INFINITY],
        "observation: dimension 2 is inf, expected a finite number",
    );
    refused(&[0.0, 0.0], "observation: 2 numbers, expected 3");
    let observations = array![[0.0, 0.0, 0.0], [0.0, f32::NAN, 0.0]];
    let (mut a, mut b) = (RngNoise::seed(0), RngNoise::seed(1));
    let error = planner
        .plan_batch(observations.view(), &mut [&mut a, &mut b])
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "observation 1: dimension 1 is NaN, expected a finite number"
    );
}

#[test]
fn bad_options_are_refused_by_name() {
    let pipeline = pipeline();
    let refused = |options: PlanOptions, part: &str| {
        let error = pipeline.planner(options).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    };
    refused(
        PlanOptions {
            batch_size: 0,
            ..options()
        },
        "batch_size = 0: expected at least 1",
    );
    refused(
        PlanOptions {
            planning_horizon: 0,
            ..options()
        },
        "planning_horizon = 0: expected at least 1",
    );
    refused(
        PlanOptions {
            planning_horizon: 15,
            ..options()
        },
        "horizon 15 does not work",
    );
    // The planner could, the value function cannot; without values it need not.
    let long = PlanOptions {
        planning_horizon: 64,
        ..options()
    };
    refused(long.clone(), "value_function: horizon 64 does not work");
    pipeline
        .planner(PlanOptions {
            n_guide_steps: 0,
            ..long
        })
        .unwrap();
    refused(
        PlanOptions {
            scale: f32::NAN,
            ..options()
        },
        "scale = NaN: expected a finite number",
    );
    refused(
        PlanOptions {
            num_inference_steps: Some(0),
            ..options()
        },
        "num_inference_steps = 0",
    );
    refused(
        PlanOptions {
            num_inference_steps: Some(7),
            ..options()
        },
        "7",
    );
}

#[test]
fn a_scale_that_blows_up_is_told() {
    let error = pipeline()
        .with_guide(Arc::new(FnGuide(push_actions)))
        .plan(
            ArrayView1::from(&OBSERVATION),
            PlanOptions {
                scale: 1e38,
                ..options()
            },
            &mut RngNoise::seed(0),
        )
        .unwrap_err();
    assert!(
        matches!(
            error,
            Error::Diverged {
                step: 0,
                scale: Some(_),
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn parts_that_do_not_fit_are_refused() {
    let unet = || network(UNet1dConfig::planner(4, &[16, 32]), 1);
    let value = || Arc::new(ValueNetwork::new(network(UNet1dConfig::value_function(4, &[16, 32]), 2)).unwrap());
    let scalar = NormalizerConfig::ScalarGaussian { mean: 0.0, std: 1.0 };
    let gaussian = |dims: usize| NormalizerConfig::Gaussian {
        mean: vec![0.0; dims],
        std: vec![1.0; dims],
    };
    let build = |unet: UNet1dModel, observations: NormalizerConfig, actions: NormalizerConfig| {
        let normalizers = Normalizers::new(observations, actions, None).unwrap();
        ValueGuidedPipeline::new(Arc::new(unet), value(), Arc::new(scheduler(6)), normalizers)
    };
    let refused = |result: Result<ValueGuidedPipeline, Error>, part: &str| {
        let error = result.unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    };
    refused(
        build(unet(), gaussian(4), gaussian(1)),
        "normaliser of observations has 4 dimensions, expected 3",
    );
    refused(
        build(unet(), scalar.clone(), gaussian(4)),
        "4 action dimensions in a network of 4 channels",
    );
    refused(
        build(
            network(
                UNet1dConfig {
                    out_channels: 3,
                    ..UNet1dConfig::planner(4, &[16, 32])
                },
                3,
            ),
            gaussian(3),
            gaussian(1),
        ),
        "takes 4 channels and gives 3",
    );
    assert_eq!(build(unet(), gaussian(2), scalar.clone()).unwrap().action_dim(), 2);
    let both = build(unet(), scalar.clone(), scalar)
        .unwrap()
        .with_action_dim(3)
        .unwrap();
    assert_eq!((both.action_dim(), both.observation_dim()), (3, 1));
    refused(both.with_action_dim(4), "4 action dimensions");

    let planner_as_value = ValueNetwork::new(unet()).unwrap_err().to_string();
    assert!(planner_as_value.contains("not a value function"), "{planner_as_value}");
}

#[test]
fn values_that_are_no_numbers_rank_nothing() {
    let lost = FnGuide(
        |_: ArrayView3<f32>, _: Moment, mut values: ArrayViewMut1<f32>, grad: Option<ArrayViewMut3<f32>>| {
            values.fill(f32::NAN);
            if let Some(mut grad) = grad {
                grad.fill(0.0);
            }
            Ok(())
        },
    );
    let pipeline = pipeline().with_guide(Arc::new(lost));
    let observation = ArrayView1::from(&OBSERVATION);
    for rescore in [false, true] {
        let options = PlanOptions { rescore, ..options() };
        let error = pipeline.plan(observation, options, &mut RngNoise::seed(0)).unwrap_err();
        // Where it is first seen: at the first visit that is guided.
        assert!(matches!(error, Error::Diverged { step: 0, .. }), "{error}");
        assert!(
            error
                .to_string()
                .contains("the guide's values are no longer finite, at step 1 (timestep 5)"),
            "{error}"
        );
    }
}
