//! A whole plan of Hopper's size: 20 timesteps, two guide steps each, on 1 and 2 threads.
//!
//! Ids are `plan/threadsN/BATCH` in float32 and `plan_bf16/threadsN/BATCH` in bfloat16.
//!
//! ```sh
//! cargo bench -p diffplan-benches --bench plan -- '/threads2/64$'        # both precisions
//! DIFFPLAN_ISA=avx512 cargo bench -p diffplan-benches --bench plan -- '^plan/.*/8$'
//! ```

#![allow(missing_docs)] // made by criterion's macros
#![allow(clippy::unwrap_used)] // a bench fails by panicking

use criterion::{Criterion, criterion_group, criterion_main};
use diffplan_benches::{BATCHES, THREADS, hopper, plan_options, pool};
use diffplan_pipelines::{Precision, RngNoise};
use ndarray::Array1;

fn plans(c: &mut Criterion) {
    let pipeline = hopper().unwrap();
    let observation = Array1::zeros(pipeline.observation_dim());
    for (name, precision) in [("plan", Precision::F32), ("plan_bf16", Precision::Bf16)] {
        for threads in THREADS {
            let pool = pool(threads);
            for batch in BATCHES {
                let planner = pipeline.planner(plan_options(batch, precision)).unwrap();
                let (mut planner, mut noise) = (planner.in_pool(pool.clone()), RngNoise::seed(0));
                c.bench_function(&format!("{name}/threads{threads}/{batch}"), |b| {
                    b.iter(|| planner.plan(observation.view(), &mut noise).unwrap());
                });
            }
        }
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10);
    targets = plans
}
criterion_main!(benches);
