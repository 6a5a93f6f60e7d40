//! Learned values: ensembles, and value functions of other checkpoints with other statistics.

use super::{pendulum, random};
use diffplan_data::{NormalizerConfig, Normalizers};
use diffplan_models::Compute;
use diffplan_pipelines::check::check_guide;
use diffplan_pipelines::controls::{Context, Controls};
use diffplan_pipelines::{Aggregate, CleanValue, Ensemble, FnGuide, Guide, Moment, Sees};
use ndarray::{Array1, Array3, ArrayView3, ArrayViewMut1, ArrayViewMut3, Axis};
use std::path::Path;
use std::sync::Arc;

const CHECKPOINT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/pendulum-hor32");

/// `sign` times the sum.
fn sum(sign: f32) -> Arc<dyn Guide> {
    let of = move |x: ArrayView3<f32>, _: Moment, mut values: ArrayViewMut1<f32>, grad: Option<ArrayViewMut3<f32>>| {
        for (value, plan) in values.iter_mut().zip(x.outer_iter()) {
            *value = sign * plan.sum();
        }
        if let Some(mut grad) = grad {
            grad.fill(sign);
        }
        Ok(())
    };
    Arc::new(FnGuide(of))
}

fn value_and_grad(guide: &Arc<dyn Guide>, plans: &Array3<f32>) -> (Array1<f32>, Array3<f32>) {
    let mut session = Arc::clone(guide).session(Compute::default());
    session.prepare(&[0.0]);
    let at = Moment {
        index: 0,
        timestep: 0.0,
    };
    let (mut values, mut grad) = (Array1::zeros(plans.dim().0), Array3::zeros(plans.dim()));
    session
        .value_and_grad(plans.view(), at, values.view_mut(), grad.view_mut())
        .unwrap();
    let mut alone = values.clone();
    session.value(plans.view(), at, alone.view_mut()).unwrap();
    assert_eq!(alone, values);
    (values, grad)
}

#[test]
fn ensembles_are_the_mean_or_the_least() {
    let mut plans = random((2, 3, 2), 0.1, 0);
    plans.index_axis_mut(Axis(0), 0).mapv_inplace(|x| x + 1.0);
    plans.index_axis_mut(Axis(0), 1).mapv_inplace(|x| x - 1.0);
    let of = |aggregate| -> Arc<dyn Guide> {
        Arc::new(Ensemble::new(vec![sum(1.0), sum(-2.0), sum(4.0)], aggregate).unwrap())
    };
    let sums: Array1<f32> = plans.outer_iter().map(|plan| plan.sum()).collect();
    let (values, grad) = value_and_grad(&of(Aggregate::Mean), &plans);
    assert!(values.iter().zip(&sums).all(|(value, sum)| (value - sum).abs() < 1e-5));
    assert!(grad.iter().all(|g| (g - 1.0).abs() < 1e-6));
    let (values, grad) = value_and_grad(&of(Aggregate::Min), &plans);
    // Where the sum is above 0 the second is the least, where it is below the third.
    assert_eq!(values.to_vec(), [-2.0 * sums[0], 4.0 * sums[1]]);
    assert!(grad.index_axis(Axis(0), 0).iter().all(|&g| g == -2.0));
    assert!(grad.index_axis(Axis(0), 1).iter().all(|&g| g == 4.0));
    assert!(Ensemble::new(vec![], Aggregate::Min).is_err());
    let mixed = vec![sum(1.0), Arc::new(CleanValue::new(sum(1.0))) as Arc<dyn Guide>];
    assert!(
        Ensemble::new(mixed, Aggregate::Mean)
            .unwrap_err()
            .to_string()
            .contains("the same of all")
    );
}

/// A folder like the pendulum's, with the value function and statistics of its own.
fn other_checkpoint(normalizers: &Normalizers) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let part = folder.path().join("value_function");
    std::fs::create_dir(&part).unwrap();
    for file in ["config.json", "diffusion_pytorch_model.safetensors"] {
        std::fs::copy(Path::new(CHECKPOINT).join("value_function").join(file), part.join(file)).unwrap();
    }
    normalizers.save(folder.path().join("normalizer.json")).unwrap();
    folder
}

fn file(checkpoints: &str, more: &str) -> Controls {
    let text = format!("[[guide]]\ntype = \"value\"\ncheckpoints = {checkpoints}\n{more}");
    Controls::from_toml(&text, &Path::new(CHECKPOINT).join("g.toml")).unwrap()
}

#[test]
fn value_functions_of_other_folders() {
    let Some(pipeline) = pendulum() else { return };
    let plans = random((3, 32, 4), 0.5, 5);
    let made = |controls: Controls| {
        let made = controls.apply(pipeline.clone(), &Context::default()).unwrap();
        assert_eq!(made.guides().len(), 1);
        Arc::clone(&made.guides()[0].guide)
    };
    let (own, own_grad) = value_and_grad(&pipeline.guides()[0].guide, &plans);
    // Itself, by its folder relative to the file, twice: as a checkpoint and as a value function alone.
    let twice = made(file("[\"own\", \".\", \"value_function\"]", "aggregate = \"min\"\n"));
    assert_eq!(value_and_grad(&twice, &plans), (own.clone(), own_grad.clone()));
    assert_eq!(twice.name(), "minimum of 3 (value)");
    let clean = made(file("[\"own\"]", "sees = \"clean\"\n"));
    assert_eq!(clean.sees(), Sees::Clean);
    assert_eq!(value_and_grad(&clean, &plans), (own.clone(), own_grad));

    // The same function of the same plans in the environment, under other statistics: other numbers go in and come out.
    let own_units = pipeline.normalizers();
    let other = Normalizers::new(
        NormalizerConfig::Gaussian {
            mean: vec![0.1, -0.2, 0.5],
            std: vec![0.5, 1.5, 4.0],
        },
        NormalizerConfig::Gaussian {
            mean: vec![0.2],
            std: vec![1.3],
        },
        Some(NormalizerConfig::Limits {
            min: vec![-1500.0],
            max: vec![100.0],
        }),
    )
    .unwrap();
    let folder = other_checkpoint(&other);
    let path = folder.path().display();
    let noised = file(&format!("[\"{path}\"]"), "").apply(pipeline.clone(), &Context::default());
    let error = noised.unwrap_err().to_string();
    assert!(error.contains("expected sees = \"clean\""), "{error}");
    let guide = made(file(&format!("[\"{path}\"]"), "sees = \"clean\"\n"));
    let (values, _) = value_and_grad(&guide, &plans);
    // By hand: to the environment, to its units, its value, to returns, to ours.
    let mut seen = plans.clone();
    for mut plan in seen.outer_iter_mut() {
        let (mut actions, mut observations) = plan.view_mut().split_at(Axis(1), 1);
        own_units.actions().denormalize_inplace(actions.view_mut()).unwrap();
        other.actions().normalize_inplace(actions).unwrap();
        own_units
            .observations()
            .denormalize_inplace(observations.view_mut())
            .unwrap();
        other.observations().normalize_inplace(observations).unwrap();
    }
    let (expected, _) = value_and_grad(&pipeline.guides()[0].guide, &seen);
    let mut expected = expected.insert_axis(Axis(1));
    other
        .values()
        .unwrap()
        .denormalize_inplace(expected.view_mut())
        .unwrap();
    if let Some(normalizer) = own_units.values() {
        normalizer.normalize_inplace(expected.view_mut()).unwrap();
    }
    for (actual, expected) in values.iter().zip(&expected) {
        assert!(
            (actual - expected).abs() < 1e-3 * (1.0 + expected.abs()),
            "{actual} instead of {expected}"
        );
    }
    // And the gradient goes all that way too.
    let report = check_guide(&guide, plans.view(), 0.0).unwrap();
    assert!(report.is_right(), "{:?}", report.lines(|channel| channel.to_string()));
}
