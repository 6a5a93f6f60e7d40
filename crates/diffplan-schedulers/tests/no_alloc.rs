//! A step allocates nothing: not even the first, and not with dynamic thresholding or a learned variance.

use diffplan_schedulers::{
    DdimConfig, DdimScheduler, DdpmConfig, DdpmScheduler, PredictionType, Registry, SamplerStep, Scheduler, Steps,
    VarianceType,
};
use ndarray::{Array3, Axis};

fn allocations_of_a_run(scheduler: &dyn Scheduler, channels: usize, eta: f32) -> u64 {
    let steps = Steps::default().with_eta(eta);
    let mut sampler = scheduler.sampler(&steps).expect("the configuration is valid");
    let sample = Array3::<f32>::from_elem((3, 5, 7), 2.0);
    let noise = Array3::<f32>::ones((3, 5, 7));
    // As a model hands it over whose axes are in another order.
    let mut model_output = Array3::<f32>::from_elem((3, 7, channels), 0.5);
    model_output.swap_axes(1, 2);
    let mut prev_sample = Array3::<f32>::zeros((3, 5, 7));
    sampler.begin([3, 5, 7], 0);
    let counted = allocation_counter::measure(|| {
        for visit in 0..sampler.visits().len() {
            let noise = sampler.visits()[visit].draws_noise.then(|| noise.view().into_dyn());
            let (model_output, sample) = (model_output.view().into_dyn(), sample.view().into_dyn());
            let step = SamplerStep::new(model_output, sample, prev_sample.view_mut().into_dyn()).with_noise(noise);
            sampler.step_into(visit, step).expect("shapes agree");
        }
    });
    assert!(prev_sample.index_axis(Axis(0), 0).iter().all(|x| x.is_finite()));
    counted.count_total
}

#[test]
fn the_counter_counts() {
    assert_eq!(
        allocation_counter::measure(|| drop(std::hint::black_box(vec![1_u8]))).count_total,
        1
    );
}

#[test]
fn step_into_allocates_nothing() {
    for variance_type in [
        VarianceType::FixedSmall,
        VarianceType::FixedSmallLog,
        VarianceType::LearnedRange,
    ] {
        for prediction_type in [
            PredictionType::Epsilon,
            PredictionType::Sample,
            PredictionType::VPrediction,
        ] {
            for thresholding in [false, true] {
                let config = DdpmConfig {
                    num_train_timesteps: 4,
                    variance_type,
                    prediction_type,
                    thresholding,
                    ..DdpmConfig::default()
                };
                let channels = if variance_type.is_learned() { 10 } else { 5 };
                let count = allocations_of_a_run(&DdpmScheduler::new(config).unwrap(), channels, 0.0);
                assert_eq!(
                    count, 0,
                    "{variance_type}, {prediction_type}, thresholding {thresholding}"
                );
            }
        }
    }
}

#[test]
fn nor_does_one_of_ddim() {
    for prediction_type in [
        PredictionType::Epsilon,
        PredictionType::Sample,
        PredictionType::VPrediction,
    ] {
        for (thresholding, eta) in [(false, 0.0), (true, 1.0)] {
            let config = DdimConfig {
                num_train_timesteps: 4,
                prediction_type,
                thresholding,
                ..DdimConfig::default()
            };
            let count = allocations_of_a_run(&DdimScheduler::new(config).unwrap(), 5, eta);
            assert_eq!(count, 0, "{prediction_type}, thresholding {thresholding}, eta {eta}");
        }
    }
}

#[test]
fn nor_does_one_of_the_solvers() {
    let registry = Registry::builtin();
    for name in ["dpm++", "euler", "euler-a", "heun", "unipc"] {
        for prediction_type in [
            PredictionType::Epsilon,
            PredictionType::Sample,
            PredictionType::VPrediction,
        ] {
            let ddpm = DdpmScheduler::new(DdpmConfig {
                num_train_timesteps: 6,
                prediction_type,
                thresholding: true,
                ..DdpmConfig::default()
            });
            let options = [("algorithm_type", "sde-dpmsolver++".into()), ("solver_order", 3.into())];
            for with in [&options[..0], &options] {
                let mut map = registry
                    .converted(name, &ddpm.as_ref().unwrap().clone())
                    .unwrap()
                    .to_map();
                let known = with
                    .iter()
                    .filter(|(key, _)| map.contains_key(*key))
                    .cloned()
                    .collect::<Vec<_>>();
                known
                    .into_iter()
                    .for_each(|(key, value)| drop(map.insert(key.to_owned(), value)));
                let scheduler = registry.from_map(&map).unwrap();
                let count = allocations_of_a_run(&*scheduler, 5, 0.0);
                assert_eq!(count, 0, "{name}, {prediction_type}");
            }
        }
    }
}
