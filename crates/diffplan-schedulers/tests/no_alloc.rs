//! A step allocates nothing: not even the first, and not with dynamic thresholding or a learned variance.

use diffplan_schedulers::{DdpmConfig, DdpmScheduler, PredictionType, Scheduler, VarianceType};
use ndarray::{Array3, Axis};

fn allocations_of_a_step(config: DdpmConfig) -> u64 {
    let channels = if config.variance_type.is_learned() { 10 } else { 5 };
    let scheduler: Box<dyn Scheduler> = Box::new(DdpmScheduler::new(config).expect("the configuration is valid"));
    let sample = Array3::<f32>::from_elem((3, 5, 7), 2.0);
    let noise = Array3::<f32>::ones((3, 5, 7));
    // As a model hands it over whose axes are in another order.
    let mut model_output = Array3::<f32>::from_elem((3, 7, channels), 0.5);
    model_output.swap_axes(1, 2);
    let mut prev_sample = Array3::<f32>::zeros((3, 5, 7));
    let counted = allocation_counter::measure(|| {
        for &t in scheduler.timesteps() {
            let noise = scheduler.needs_noise(t).then(|| noise.view().into_dyn());
            let (model_output, sample) = (model_output.view().into_dyn(), sample.view().into_dyn());
            scheduler
                .step_into(model_output, t, sample, noise, prev_sample.view_mut().into_dyn())
                .expect("shapes agree");
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
                let count = allocations_of_a_step(config);
                assert_eq!(
                    count, 0,
                    "{variance_type}, {prediction_type}, thresholding {thresholding}"
                );
            }
        }
    }
}
