//! What a call through C costs beside the Rust planner's: the fastest of many short plans. A measurement, to be run alone:
//! `cargo test --release -p diffplan-c --test overhead -- --ignored --nocapture`.

#![allow(clippy::unwrap_used)] // a test fails by panicking
#![allow(clippy::print_stdout)] // says what it measured
#![allow(unsafe_code)] // calls a C interface

mod common;

use common::{Opened, checkpoint};
use diffplan::ndarray::array;
use diffplan::{PlanOptions, RngNoise, ValueGuidedPipeline};
use diffplan_c::*;
use std::sync::Arc;
use std::time::{Duration, Instant};

fn fastest(mut call: impl FnMut(u64)) -> f64 {
    let mut least = Duration::MAX;
    for seed in 0..2000 {
        let began = Instant::now();
        call(seed);
        least = least.min(began.elapsed());
    }
    least.as_secs_f64() * 1e6
}

#[test]
#[ignore = "a measurement"]
fn a_call_through_c_costs_microseconds() {
    let observation = [0.8_f32, 0.6, -0.5];
    let opened = Opened::new();
    let made = opened.planner(
        &[
            ("batch_size", "1"),
            ("num_inference_steps", "1"),
            ("n_guide_steps", "0"),
        ],
        1,
    );
    let c = fastest(|seed| {
        made.plan(&observation, diffplan_seed(seed));
    });
    let pipeline = ValueGuidedPipeline::from_pretrained(checkpoint().to_str().unwrap()).unwrap();
    let options = PlanOptions {
        batch_size: 1,
        num_inference_steps: Some(1),
        n_guide_steps: 0,
        ..pipeline.options()
    };
    let pool = diffplan::pipelines::deadline::PoolOptions::new(1).build().unwrap().pool;
    let mut planner = pipeline.planner(options).unwrap().in_pool(Arc::clone(&pool));
    let seen = array![0.8_f32, 0.6, -0.5];
    let outside = fastest(|seed| {
        planner.plan(seen.view(), &mut RngNoise::seed(seed)).unwrap();
    });
    let inside = pool.install(|| {
        fastest(|seed| {
            planner.plan(seen.view(), &mut RngNoise::seed(seed)).unwrap();
        })
    });
    println!(
        "a plan of one candidate in one step: {c:.1} us through C, {outside:.1} us in Rust from outside of its pool, {inside:.1} us within"
    );
    assert!(c - inside < 1000.0, "{c} {inside}");
}
