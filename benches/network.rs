//! Whole networks of Hopper's size: the planner's forward pass, and the value with its gradient, on 1 and 2 threads.

#![allow(missing_docs)] // made by criterion's macros
#![allow(clippy::unwrap_used)] // a bench fails by panicking

use criterion::{Criterion, criterion_group, criterion_main};
use diffplan_benches::{CHANNELS, HORIZON, LEVELS, network, normal};
use diffplan_models::{UNet1dConfig, Workspace};
use ndarray::{Array1, Array3};

fn networks(c: &mut Criterion) {
    let planner = network(UNet1dConfig::planner(CHANNELS, &LEVELS)).unwrap();
    let value = network(UNet1dConfig::value_function(CHANNELS, &LEVELS)).unwrap();
    for threads in [1, 2] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        for batch in [1, 8, 64] {
            let sample = normal(HORIZON, batch, CHANNELS).to_bcl();
            let (mut output, mut values) = (Array3::<f32>::zeros(sample.dim()), Array1::<f32>::zeros(batch));
            let id = |name: &str| format!("{name}/threads{threads}/{batch}");

            let (time, mut workspace) = (planner.time_features(&[5.0]), Workspace::new(threads));
            c.bench_function(&id("planner"), |b| {
                b.iter(|| {
                    let output = output.view_mut().into_dyn();
                    pool.install(|| planner.forward_into(sample.view(), &time, output, &mut workspace))
                        .unwrap();
                });
            });
            let (time, mut workspace) = (value.time_features(&[5.0]), Workspace::new(threads));
            c.bench_function(&id("value_and_grad"), |b| {
                b.iter(|| {
                    let (values, grad) = (values.view_mut(), output.view_mut());
                    pool.install(|| value.value_and_grad_into(sample.view(), &time, values, grad, &mut workspace))
                        .unwrap();
                });
            });
        }
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20);
    targets = networks
}
criterion_main!(benches);
