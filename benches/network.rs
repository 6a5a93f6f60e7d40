//! Whole networks of Hopper's size on 1 and 2 threads, computed as a plan of so many candidates computes them.
//!
//! | id | |
//! | --- | --- |
//! | `planner/threadsN/BATCH` | the planner's forward pass |
//! | `value_and_grad/threadsN/BATCH` | the value, and its gradient with respect to the sample |
//! | `planner_vjp/threadsN/BATCH`, `value_vjp/…` | a training step's part: output and all gradients, allocations included |
//!
//! ```sh
//! cargo bench -p diffplan-benches --bench network -- '^(planner|value_and_grad)/threads1/64$'
//! DIFFPLAN_ISA=avx2 cargo bench -p diffplan-benches --bench network -- '/threads2/8$'
//! ```

#![allow(missing_docs)] // made by criterion's macros
#![allow(clippy::unwrap_used)] // a bench fails by panicking

use criterion::{Criterion, criterion_group, criterion_main};
use diffplan_benches::{BATCHES, CHANNELS, HORIZON, THREADS, normal, plan_options, planner, pool, value_function};
use diffplan_models::{Precision, Workspace};
use ndarray::{Array1, Array3, ArrayD};

/// The timestep that networks are called at.
const TIMESTEP: f32 = 5.0;

fn networks(c: &mut Criterion) {
    let (planner, value) = (planner(), value_function());
    for threads in THREADS {
        let pool = pool(threads);
        for batch in BATCHES {
            let sample = normal(HORIZON, batch, CHANNELS).to_bcl();
            let compute = plan_options(batch, Precision::F32).compute(threads);
            let (mut output, mut values) = (Array3::<f32>::zeros(sample.dim()), Array1::<f32>::zeros(batch));
            let id = |name: &str| format!("{name}/threads{threads}/{batch}");

            let (time, mut workspace) = (planner.time_features(&[TIMESTEP]), Workspace::with(compute));
            c.bench_function(&id("planner"), |b| {
                b.iter(|| {
                    let output = output.view_mut().into_dyn();
                    pool.install(|| planner.forward_into(sample.view(), &time, output, &mut workspace))
                        .unwrap();
                });
            });
            let (time, mut workspace) = (value.time_features(&[TIMESTEP]), Workspace::with(compute));
            c.bench_function(&id("value_and_grad"), |b| {
                b.iter(|| {
                    let (values, grad) = (values.view_mut(), output.view_mut());
                    pool.install(|| value.value_and_grad_into(sample.view(), &time, values, grad, &mut workspace))
                        .unwrap();
                });
            });
            for (name, model) in [("planner_vjp", &planner), ("value_vjp", &value)] {
                let cotangent = ArrayD::ones(model.output_shape(batch, HORIZON).unwrap());
                c.bench_function(&id(name), |b| {
                    b.iter(|| {
                        pool.install(|| model.vjp(sample.view(), &[TIMESTEP], cotangent.view()))
                            .unwrap()
                    });
                });
            }
        }
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20);
    targets = networks
}
criterion_main!(benches);
