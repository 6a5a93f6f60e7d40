//! Levels of noise as the options of a file say.

#![allow(clippy::unwrap_used)] // a test fails by panicking

use diffplan_schedulers::{
    EulerDiscreteConfig, EulerDiscreteScheduler, FinalSigmasType, InterpolationType, PredictionType, Scheduler, Steps,
    TimestepSpacing, TimestepType, Timesteps,
};

fn count(steps: usize) -> Steps {
    Steps::new(Timesteps::Count(steps))
}

fn euler(prediction_type: PredictionType) -> EulerDiscreteConfig {
    EulerDiscreteConfig {
        num_train_timesteps: 100,
        prediction_type,
        timestep_spacing: TimestepSpacing::Leading,
        ..EulerDiscreteConfig::default()
    }
}

#[test]
fn levels_of_euler_as_its_options_say() {
    let of = |config: EulerDiscreteConfig, steps: usize| {
        EulerDiscreteScheduler::new(config)
            .unwrap()
            .sampler(&count(steps))
            .unwrap()
    };
    let levels = of(
        EulerDiscreteConfig {
            use_karras_sigmas: true,
            sigma_min: Some(0.1),
            sigma_max: Some(2.0),
            final_sigmas_type: FinalSigmasType::SigmaMin,
            ..euler(PredictionType::Epsilon)
        },
        5,
    );
    let sigmas = levels.sigmas();
    assert!(
        (sigmas[0] - 2.0).abs() < 1e-6 && (sigmas[4] - 0.1).abs() < 1e-6 && sigmas[5] < 0.1,
        "{sigmas:?}"
    );
    let log_linear = of(
        EulerDiscreteConfig {
            interpolation_type: InterpolationType::LogLinear,
            ..euler(PredictionType::Epsilon)
        },
        5,
    );
    assert_eq!((log_linear.sigmas().len(), log_linear.visits().len()), (7, 5));
    let continuous = of(
        EulerDiscreteConfig {
            timestep_type: TimestepType::Continuous,
            ..euler(PredictionType::VPrediction)
        },
        5,
    );
    for (visit, sigma) in continuous.visits().iter().zip(continuous.sigmas()) {
        assert!((visit.timestep - 0.25 * sigma.ln()).abs() < 1e-6);
    }
}
