//! Nothing is allocated in a plan after the first, on any thread of the process.
//!
//! A counting allocator counts the whole process, so this is the only test in its file, and has no harness.

#![allow(clippy::unwrap_used)] // a test fails by panicking
#![allow(clippy::print_stdout)] // says what it could not test
#![allow(unsafe_code)] // calls a C interface

mod common;

use common::{Opened, ok};
use diffplan_c::*;
use diffplan_kernels::Isa;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use std::alloc::System;
use std::ptr::null;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn touched() -> usize {
    let stats = ALLOCATOR.stats();
    stats.allocations + stats.reallocations + stats.deallocations
}

/// What `call` allocates and frees, made three times after it was made once.
fn check(name: &str, mut call: impl FnMut(u64)) {
    call(0);
    for seed in 1..4 {
        let before = touched();
        call(seed);
        assert_eq!(touched() - before, 0, "{name}, time {}", seed + 1);
    }
    println!("test no_alloc: {name} ... ok");
}

fn main() {
    if Isa::active() == Isa::Portable {
        println!("test no_alloc ... skipped: on the portable path products pack into memory of their own");
        return;
    }
    let before = touched();
    drop(std::hint::black_box(vec![1_u8; 100]));
    assert!(touched() > before, "the counter counts");

    let opened = Opened::new();
    let observation = [0.8_f32, 0.6, -0.5];
    for threads in [1, 2, 3] {
        for (batch, steps) in [("8", "4"), ("64", "3")] {
            let made = opened.planner(&[("batch_size", batch), ("num_inference_steps", steps)], threads);
            let name = |what: &str| format!("{what}, {batch} candidates, {threads} threads");
            check(&name("plan"), |seed| {
                made.plan(&observation, diffplan_seed(seed));
            });
            check(&name("torch's noise"), |seed| {
                made.plan(&observation, diffplan_torch_seed(seed));
            });
            let goal = [1.0_f32, 0.0];
            let dims = [0_usize, 2];
            let conditions = [(5, 1.0_f32), (31, 0.5)].map(|(time, strength)| Condition {
                time,
                values: goal.as_ptr(),
                dims: dims.as_ptr(),
                len: 2,
                part: 0,
                strength,
            });
            let mut action = [0.0_f32];
            check(&name("conditions"), |seed| {
                // SAFETY: buffers with their sizes.
                ok(unsafe {
                    diffplan_planner_plan_conditioned(
                        made.0,
                        observation.as_ptr(),
                        3,
                        conditions.as_ptr(),
                        2,
                        diffplan_seed(seed),
                        action.as_mut_ptr(),
                        1,
                    )
                });
            });
            let shape = made.shape();
            let mut trajectories = vec![0.0_f32; shape.candidates * shape.horizon * shape.channels];
            let mut values = vec![0.0_f32; shape.candidates];
            check(&name("candidates"), |_| {
                // SAFETY: buffers with their sizes.
                unsafe {
                    ok(diffplan_planner_trajectories(
                        made.0,
                        0,
                        trajectories.as_mut_ptr(),
                        trajectories.len(),
                    ));
                    ok(diffplan_planner_values(made.0, 0, values.as_mut_ptr(), values.len()));
                }
            });
            let observations: Vec<f32> = observation.iter().copied().cycle().take(9).collect();
            let mut actions = [0.0_f32; 3];
            check(&name("a batch of 3"), |seed| {
                let noises = [diffplan_seed(seed), diffplan_torch_seed(seed), diffplan_seed(seed + 9)];
                // SAFETY: buffers with their sizes.
                ok(unsafe {
                    diffplan_planner_plan_batch(
                        made.0,
                        3,
                        observations.as_ptr(),
                        9,
                        noises.as_ptr(),
                        3,
                        actions.as_mut_ptr(),
                        3,
                    )
                });
            });
            // A cancelled plan leaves everything where it was; the text of it is the caller's to allocate.
            // SAFETY: a handle that is there.
            unsafe {
                ok(diffplan_planner_cancel(made.0));
                assert_eq!(made.try_plan(&observation, diffplan_seed(0)).0, Status::Cancelled);
                ok(diffplan_planner_reset_cancel(made.0));
            }
            check(&name("after one that was cancelled"), |seed| {
                made.plan(&observation, diffplan_seed(seed));
            });
        }
        let made = opened.planner(&[], threads);
        // SAFETY: a handle that is there.
        ok(unsafe { diffplan_planner_measure(made.0, 0.05, 1) });
        for budget in [3600.0, 0.0] {
            let mut action = [0.0_f32];
            let mut timing = common::NO_TIMING;
            check(&format!("within {budget} s, {threads} threads"), |seed| {
                // SAFETY: buffers with their sizes.
                ok(unsafe {
                    diffplan_planner_plan_within(
                        made.0,
                        observation.as_ptr(),
                        3,
                        null(),
                        0,
                        diffplan_seed(seed),
                        budget,
                        action.as_mut_ptr(),
                        1,
                        &mut timing,
                    )
                });
            });
            assert_eq!(timing.rung == 0, budget > 0.0);
        }
        check(&format!("one after the other, {threads} threads"), |seed| {
            made.plan(&observation, diffplan_seed(seed));
            for budget in [3600.0, 0.0] {
                ok(made.try_plan_within(&observation, budget).0);
            }
        });
    }
}
