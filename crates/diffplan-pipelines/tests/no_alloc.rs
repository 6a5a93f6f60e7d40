//! The denoising loop allocates nothing after its first step, on any thread; nor do buffers when the number of episodes that
//! are planned for changes.
//!
//! A counting allocator counts the whole process, so this is the only test in its file, and has no harness: the harness's own thread
//! allocates beside a test, when it begins to wait for it.

#![allow(clippy::unwrap_used)] // a test fails by panicking
#![allow(clippy::print_stdout)] // says what it could not test

use diffplan_data::{NormalizerConfig, Normalizers};
use diffplan_kernels::Isa;
use diffplan_models::{UNet1dConfig, UNet1dModel, ValuePooling};
use diffplan_pipelines::controls::{Context, Controls};
use diffplan_pipelines::{
    Condition, NoiseSource, PlanOptions, Precision, Query, RngNoise, ValueGuidedPipeline, ValueNetwork,
};
use diffplan_schedulers::{DdpmConfig, DdpmScheduler};
use ndarray::{Array1, Array2};
use ndarray_rand::rand::{SeedableRng, rngs::StdRng};
use rayon::prelude::*;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use std::alloc::System;
use std::sync::Arc;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn allocations() -> usize {
    let stats = ALLOCATOR.stats();
    stats.allocations + stats.reallocations
}

fn pipeline(value_pooling: Option<ValuePooling>) -> ValueGuidedPipeline {
    let network = |config| {
        let mut model = UNet1dModel::new(config).unwrap();
        model.init(&mut StdRng::seed_from_u64(1));
        model
    };
    let value_config = UNet1dConfig {
        value_pooling,
        ..UNet1dConfig::value_function(6, &[32, 64])
    };
    let unit = |dims| NormalizerConfig::Gaussian {
        mean: vec![0.0; dims],
        std: vec![1.0; dims],
    };
    let scheduler = DdpmScheduler::new(DdpmConfig {
        num_train_timesteps: 6,
        ..DdpmConfig::default()
    })
    .unwrap();
    ValueGuidedPipeline::new(
        Arc::new(network(UNet1dConfig::planner(6, &[32, 64]))),
        Arc::new(ValueNetwork::new(network(value_config)).unwrap()),
        Arc::new(scheduler),
        Normalizers::new(unit(4), unit(2), None).unwrap(),
    )
    .unwrap()
}

/// With costs of every kind, shown either, and constraints of every kind that random networks' plans violate.
fn controlled(pipeline: ValueGuidedPipeline) -> ValueGuidedPipeline {
    let text = r#"
        guide = [
            { type = "value", checkpoints = ["own", "own"], aggregate = "min" },
            { type = "value", sees = "clean" },
            { type = "goal", goal = [0.5, 0.5], dims = [0, 1], at = "nearest" },
            { type = "obstacles", dims = [0, 1], discs = [[0, 0, 0.5]], margin = 0.3, sees = "noised" },
            { type = "effort", schedule = "judge" },
            { type = "smoothness", order = 2 },
            { type = "state-limits", low = -0.1, high = 0.1 },
            { type = "speed", dims = [0, 1], speed = 0.1, dt = 1.0 },
            { type = "integrator", positions = [0, 1], velocities = [2, 3], dt = 0.1 },
            { type = "dynamics", a = [[1,0,0,0],[0,1,0,0],[0,0,1,0],[0,0,0,1]], b = [[0,0],[0,0],[1,0],[0,1]] },
        ]
        constraint = [
            { type = "action-limits", low = -0.2, high = 0.2 },
            { type = "state-limits", dims = [2], low = -0.3, high = 0.3 },
            { type = "speed", dims = [0, 1], speed = 0.2, dt = 1.0 },
            { type = "fixed", dims = [3], values = 0.1, steps = [8, 12] },
            { type = "obstacles", dims = [0, 1], discs = [[0, 0, 0.05]] },
        ]
    "#;
    let controls = Controls::from_toml(text, std::path::Path::new("controls.toml")).unwrap();
    controls.apply(pipeline, &Context::default()).unwrap()
}

fn main() {
    the_loop_allocates_nothing_after_its_first_step();
    println!("test the_loop_allocates_nothing_after_its_first_step ... ok");
    // Its threads would allocate beside the loop when they start; and whoever gives a planner a pool wants no other.
    let global = rayon::ThreadPoolBuilder::new().num_threads(1).build_global();
    global.expect("a planner with a pool of its own does not start rayon's global one");
    println!("test a_planner_with_a_pool_starts_no_other ... ok");
}

fn the_loop_allocates_nothing_after_its_first_step() {
    if Isa::active() == Isa::Portable {
        println!(
            "skipped: on the portable path, products are those of `matrixmultiply`, which packs into memory of its own"
        );
        return;
    }
    let before = allocations();
    drop(std::hint::black_box(vec![1_u8; 100]));
    assert!(allocations() > before, "the counter counts");

    let flat = (pipeline(None), 16);
    // 3 positions are left to pool.
    let pooled = (pipeline(Some(ValuePooling::Mean)), 48);
    let controlled = (controlled(pipeline(None)), 16);
    let observation = Array1::zeros(4);
    for threads in [1, 2, 3] {
        let pool = Arc::new(rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap());
        // Rayon's workers allocate when they start and when they first take work from each other.
        pool.install(|| {
            (0..400).into_par_iter().with_max_len(1).for_each(|_| {
                std::thread::sleep(std::time::Duration::from_micros(50));
            });
        });
        for (batch_size, precision, (pipeline, planning_horizon)) in [
            (1, Precision::F32, &flat),
            (3, Precision::F32, &flat),
            (20, Precision::F32, &flat),
            (20, Precision::Bf16, &flat),
            (1, Precision::F32, &pooled),
            (20, Precision::F32, &pooled),
            (1, Precision::F32, &controlled),
            (20, Precision::F32, &controlled),
        ] {
            let options = PlanOptions {
                batch_size,
                precision,
                planning_horizon: *planning_horizon,
                ..PlanOptions::default()
            };
            let mut planner = pipeline.planner(options).unwrap().in_pool(Arc::clone(&pool));
            let mut counts = Vec::with_capacity(100);
            let conditions = [
                Condition::observation(0, &observation),
                Condition::observation(5, &observation).soft(0.5),
            ];
            let mut noise = RngNoise::seed(0);
            let mut queries = [Query::new(&conditions, &mut noise)];
            // On a thread of the pool: a step that is handed to the pool from outside goes through a queue of rayon's, which takes
            // memory of its own now and then.
            pool.install(|| {
                let mut denoising = planner.begin(&mut queries).unwrap();
                while denoising.step().unwrap().is_some() {
                    counts.push(allocations());
                }
            });
            assert_eq!(counts.len(), 6);
            assert!(
                counts.iter().all(|&count| count == counts[0]),
                "{threads} threads, batch {batch_size}, horizon {planning_horizon}, {}: allocations so far, step by step: {counts:?}",
                precision.name()
            );

            // Episodes side by side end and begin: a smaller batch, and one as large as before, take no memory that a batch of
            // the same size did not.
            let mut plan_for = |count: usize| {
                let observations = Array2::zeros((count, 4));
                let mut noise: Vec<RngNoise> = (0..count as u64).map(RngNoise::seed).collect();
                let mut sources: Vec<&mut dyn NoiseSource> = noise.iter_mut().map(|noise| noise as _).collect();
                let before = allocations();
                drop(planner.plan_batch(observations.view(), &mut sources).unwrap());
                allocations() - before
            };
            plan_for(4);
            for count in [4, 3, 1] {
                // Twice, for buffers of parts that this division of the batch is the first to have.
                plan_for(count);
            }
            let same = [4, 3, 1].map(|count| (plan_for(count), plan_for(count)).1);
            let changed = [4, 3, 1].map(&mut plan_for);
            assert_eq!(changed, same, "{threads} threads, batch {batch_size}");

            // Who hands plans back has the next ones in their memory, and nothing is allocated for them. Constraints make lists of their own.
            if pipeline.constraints().is_empty() {
                let again = pool.install(|| {
                    let mut plan_again = || {
                        let mut noise = RngNoise::seed(0);
                        let mut queries = [Query::new(&conditions, &mut noise)];
                        let before = allocations();
                        let plans = planner.plan_queries(&mut queries).unwrap();
                        let count = allocations() - before;
                        planner.reuse(plans);
                        count
                    };
                    [plan_again(), plan_again(), plan_again(), plan_again()]
                });
                assert!(again[0] > 0, "the first plan has no memory to be written to");
                assert_eq!(again[2..], [0, 0], "{threads} threads, batch {batch_size}: {again:?}");
            }
        }
    }
}
