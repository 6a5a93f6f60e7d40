//! A plan within a deadline allocates what an ordinary plan does, and nothing where the one before it was handed back.
//!
//! A counting allocator counts the whole process, so this is the only test in its file, and has no harness.

#![allow(clippy::unwrap_used)] // a test fails by panicking
#![allow(clippy::print_stdout)] // says what it could not test

use diffplan_kernels::Isa;
use diffplan_pipelines::deadline::{DeadlinePlanner, DeadlineSettings, PoolOptions};
use diffplan_pipelines::{RngNoise, ValueGuidedPipeline};
use ndarray::ArrayView1;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use std::alloc::System;
use std::sync::Arc;
use std::time::Duration;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn allocations() -> usize {
    let stats = ALLOCATOR.stats();
    stats.allocations + stats.reallocations
}

fn main() {
    let name = "a_plan_within_a_deadline_allocates_what_an_ordinary_one_does";
    if Isa::active() == Isa::Portable {
        println!("test {name} ... skipped: on the portable path products pack into memory of their own");
        return;
    }
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/pendulum-hor32");
    let pipeline = ValueGuidedPipeline::from_pretrained(folder).unwrap();
    let pool = PoolOptions::new(1).build().unwrap().pool;
    let settings = DeadlineSettings {
        cheapest_anyway: true,
        ..DeadlineSettings::default()
    };
    let wanted = pipeline.options();
    let mut deadline = DeadlinePlanner::new(&pipeline, wanted, Arc::clone(&pool), settings).unwrap();
    let observation = ArrayView1::from(&[1.0, 0.0, 0.5]);
    let mut noise = RngNoise::seed(0);
    let budget = |place: usize| match place {
        0 => Duration::from_secs(3600),
        _ => Duration::ZERO,
    };
    // On a thread of the pool: what is handed to it from outside goes through a queue of rayon's, which takes memory now and then.
    pool.install(|| {
        for shorter in [0, 1] {
            let mut plan = || {
                let before = allocations();
                let timely = deadline.plan_within(observation, &mut noise, budget(shorter));
                let count = allocations() - before;
                let timely = timely.unwrap();
                // Which rung is the cheapest is as measured: on a busy machine not always the last.
                assert_eq!(timely.place.min(1), shorter);
                (count, timely)
            };
            // The first is written into the memory of those that were measured; so are all that follow where each is handed back.
            let (first, timely) = plan();
            let (second, _) = plan();
            let (third, handed_back) = plan();
            deadline.reuse(handed_back.plans);
            let before = allocations();
            let again = deadline.plan_within(observation, &mut noise, budget(shorter));
            let fourth = allocations() - before;
            assert!(again.is_ok());
            let options = timely.rung.options.clone();
            let mut planner = pipeline.planner(options).unwrap().in_pool(Arc::clone(&pool));
            for _ in 0..2 {
                planner.plan(observation, &mut noise).unwrap();
            }
            let before = allocations();
            let plan = planner.plan(observation, &mut noise);
            let ordinary = allocations() - before;
            assert!(ordinary > 0 && plan.is_ok());
            let expected = [0, ordinary, ordinary, 0];
            assert_eq!([first, second, third, fourth], expected, "rung {}", timely.place);
        }
    });
    println!("test {name} ... ok");
}
