//! A whole plan of Hopper's size: 20 timesteps, two guide steps each, on 1 and 2 threads.

#![allow(missing_docs)] // made by criterion's macros
#![allow(clippy::unwrap_used)] // a bench fails by panicking

use criterion::{Criterion, criterion_group, criterion_main};
use diffplan_benches::hopper;
use diffplan_pipelines::{PlanOptions, RngNoise};
use ndarray::Array1;
use std::sync::Arc;

fn plans(c: &mut Criterion) {
    let pipeline = hopper().unwrap();
    let observation = Array1::zeros(pipeline.observation_dim());
    for threads in [1, 2] {
        let pool = Arc::new(rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap());
        for batch_size in [1, 8, 64] {
            let options = PlanOptions {
                batch_size,
                ..PlanOptions::default()
            };
            let mut planner = pipeline.planner(options).unwrap().in_pool(pool.clone());
            let mut noise = RngNoise::seed(0);
            c.bench_function(&format!("plan/threads{threads}/{batch_size}"), |b| {
                b.iter(|| planner.plan(observation.view(), &mut noise).unwrap());
            });
        }
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10);
    targets = plans
}
criterion_main!(benches);
