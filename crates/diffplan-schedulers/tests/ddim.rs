//! DDIM against a slow twin in float64 that is written from the paper's equations, and what holds by definition.

use diffplan_schedulers::{
    BetaSchedule, DdimConfig, DdimScheduler, DdpmConfig, DdpmScheduler, PredictionType, Scheduler, Steps, Timesteps,
    VarianceType,
};
use ndarray::{Array3, ArrayD};

fn wave(phase: f32) -> ArrayD<f32> {
    Array3::from_shape_fn((2, 3, 4), |(i, j, k)| (phase + (7 * i + 3 * j + k) as f32).sin()).into_dyn()
}

fn config(prediction_type: PredictionType) -> DdimConfig {
    DdimConfig {
        num_train_timesteps: 40,
        beta_schedule: BetaSchedule::SquaredcosCapV2,
        prediction_type,
        ..DdimConfig::default()
    }
}

/// Equation 12 of arXiv:2010.02502 for one number: signal shares `a` to `p`, noise share of the new noise from equation 16.
fn twin(config: &DdimConfig, [a, p]: [f64; 2], eta: f64, reclip: bool, [output, x, noise]: [f64; 3]) -> f64 {
    let (original, mut epsilon) = match config.prediction_type {
        PredictionType::Epsilon => ((x - (1.0 - a).sqrt() * output) / a.sqrt(), output),
        PredictionType::Sample => (output, (x - a.sqrt() * output) / (1.0 - a).sqrt()),
        PredictionType::VPrediction => (
            a.sqrt() * x - (1.0 - a).sqrt() * output,
            a.sqrt() * output + (1.0 - a).sqrt() * x,
        ),
    };
    let original = match config.clip_sample {
        true => original.clamp(-config.clip_sample_range, config.clip_sample_range),
        false => original,
    };
    if reclip {
        epsilon = (x - a.sqrt() * original) / (1.0 - a).sqrt();
    }
    let sigma = eta * ((1.0 - p) / (1.0 - a)).sqrt() * (1.0 - a / p).sqrt();
    p.sqrt() * original + (1.0 - p - sigma * sigma).max(0.0).sqrt() * epsilon + sigma * noise
}

#[test]
fn steps_agree_with_the_twin() {
    let (output, x, noise) = (wave(0.0), wave(1.0), wave(2.0));
    for prediction_type in [
        PredictionType::Epsilon,
        PredictionType::Sample,
        PredictionType::VPrediction,
    ] {
        for (set_alpha_to_one, clip_sample, eta, reclip) in [
            (true, false, 0.0, false),
            (false, true, 0.5, true),
            (false, true, 1.0, false),
            (true, true, 0.0, true),
        ] {
            let config = DdimConfig {
                set_alpha_to_one,
                clip_sample,
                clip_sample_range: 0.7,
                ..config(prediction_type)
            };
            let scheduler = DdimScheduler::new(config.clone()).unwrap();
            let mut steps = Steps::new(Timesteps::Count(7)).with_eta(eta);
            steps.use_clipped_model_output = reclip;
            let mut sampler = scheduler.sampler(&steps).unwrap();
            let alphas = scheduler.schedule().alphas_cumprod();
            let last = if set_alpha_to_one { 1.0 } else { f64::from(alphas[0]) };
            assert_eq!(sampler.timesteps(), [30.0, 25.0, 20.0, 15.0, 10.0, 5.0, 0.0]);
            for visit in 0..7 {
                let t = sampler.visits()[visit].timestep as usize;
                let a = f64::from(alphas[t]);
                // A step of 40 / 7 = 5 down.
                let p = t.checked_sub(5).map_or(last, |p| f64::from(alphas[p]));
                assert_eq!(sampler.visits()[visit].draws_noise, eta > 0.0);
                let actual = sampler
                    .step(visit, output.view(), x.view(), (eta > 0.0).then(|| noise.view()))
                    .unwrap()
                    .prev_sample;
                for (i, &actual) in actual.iter().enumerate() {
                    let of = |array: &ArrayD<f32>| f64::from(array.as_slice().unwrap()[i]);
                    let expected = twin(
                        &config,
                        [a, p],
                        f64::from(eta),
                        reclip,
                        [of(&output), of(&x), of(&noise)],
                    );
                    let error = (f64::from(actual) - expected).abs();
                    // Near the end 1 - a has few digits in float32, and noise is divided by its root.
                    let tolerance = 2e-6 / (1.0 - a).sqrt();
                    assert!(
                        error <= tolerance * expected.abs().max(1.0),
                        "{prediction_type} eta {eta} t {t}: {actual}, expected {expected}"
                    );
                }
            }
        }
    }
}

/// With η = 1 and every timestep visited, DDIM is DDPM with the posterior variance (section 4.1), but for the last visit.
#[test]
fn with_eta_1_it_is_ddpm() {
    let (output, x, noise) = (wave(0.0), wave(1.0), wave(2.0));
    let ddim = DdimScheduler::new(DdimConfig {
        clip_sample: false,
        ..config(PredictionType::Sample)
    })
    .unwrap();
    let ddpm = DdpmScheduler::new(DdpmConfig {
        num_train_timesteps: 40,
        beta_schedule: BetaSchedule::SquaredcosCapV2,
        prediction_type: PredictionType::Sample,
        variance_type: VarianceType::FixedSmall,
        clip_sample: false,
        ..DdpmConfig::default()
    })
    .unwrap();
    let mut ddim = ddim.sampler(&Steps::default().with_eta(1.0)).unwrap();
    let mut ddpm = ddpm.sampler(&Steps::default()).unwrap();
    assert_eq!(ddim.timesteps(), ddpm.timesteps());
    for visit in 0..39 {
        let of = |sampler: &mut Box<dyn diffplan_schedulers::Sampler>| {
            let step = sampler.step(visit, output.view(), x.view(), Some(noise.view()));
            step.unwrap().prev_sample
        };
        let (a, b) = (of(&mut ddim), of(&mut ddpm));
        let error = a.iter().zip(&b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(error < 2e-5, "visit {visit}: {error}");
    }
}

#[test]
fn the_file_diffusers_writes_is_read_and_written() {
    let text = r#"{"_class_name": "DDIMScheduler", "_diffusers_version": "0.42.1", "beta_end": 0.02, "beta_schedule": "linear",
        "beta_start": 0.0001, "clip_sample": true, "clip_sample_range": 1.0, "dynamic_thresholding_ratio": 0.995,
        "num_train_timesteps": 1000, "prediction_type": "epsilon", "rescale_betas_zero_snr": false, "sample_max_value": 1.0,
        "set_alpha_to_one": true, "steps_offset": 0, "thresholding": false, "timestep_spacing": "leading", "trained_betas": null}"#;
    assert_eq!(DdimConfig::from_json(text).unwrap(), DdimConfig::default());
    let expected: serde_json::Map<String, serde_json::Value> = serde_json::from_str(text).unwrap();
    assert_eq!(DdimConfig::default().to_map(), expected);
}
