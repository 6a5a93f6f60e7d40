//! Random calls through the C interface: shapes, NULL, NaN, texts, huge numbers. 10,000 of them; `DIFFPLAN_FUZZ=100000` makes more.
//!
//! Every call must return a known status, tell why it failed, and write nothing where it did. The calls are the same for the same seed.

#![allow(clippy::unwrap_used)] // a test fails by panicking
#![allow(clippy::print_stdout)] // says what it did
#![allow(unsafe_code)] // calls a C interface

mod common;

use common::{Made, Opened, checkpoint, last_error};
use diffplan::rand::rngs::StdRng;
use diffplan::rand::seq::IndexedRandom;
use diffplan::rand::{Rng, SeedableRng};
use diffplan_c::*;
use std::collections::BTreeMap;
use std::ffi::{CStr, CString, c_char};
use std::ptr::{null, null_mut};

/// What outputs are filled with beforehand.
const UNTOUCHED: f32 = -12345.5;

/// What makes calls.
struct Caller {
    rng: StdRng,
    opened: Opened,
    options: *mut Options,
    /// A planner that plans in little time, and one of whatever options came up, which is made and never planned with.
    made: Made,
    observation: [f32; 16],
    values: [f32; 16],
    dims: [usize; 16],
}

impl Caller {
    fn new(seed: u64) -> Self {
        let opened = Opened::new();
        let mut options = null_mut();
        // SAFETY: a handle that is there, and a place for one.
        assert_eq!(unsafe { diffplan_options_new(opened.0, &mut options) }, Status::Ok);
        let made = opened.planner(&[("batch_size", "2"), ("num_inference_steps", "1")], 1);
        Self {
            rng: StdRng::seed_from_u64(seed),
            opened,
            options,
            made,
            observation: [0.5; 16],
            values: [0.5; 16],
            dims: [0; 16],
        }
    }

    fn float(&mut self) -> f32 {
        match self.rng.random_range(0..12) {
            0 => f32::NAN,
            1 => f32::INFINITY,
            2 => f32::NEG_INFINITY,
            3 => f32::MAX,
            4 => f32::MIN_POSITIVE / 2.0,
            5 => 1e30,
            6 => f32::from_bits(self.rng.random()),
            _ => self.rng.random_range(-2.0..2.0),
        }
    }

    fn double(&mut self) -> f64 {
        match self.rng.random_range(0..8) {
            0 => f64::NAN,
            1 => f64::INFINITY,
            2 => -1.0,
            3 => f64::MAX,
            4 => 0.0,
            5 => f64::from_bits(self.rng.random()),
            _ => self.rng.random_range(0.0..0.05),
        }
    }

    /// A number of elements: mostly the right one, and never one that is right without a buffer for it.
    fn size(&mut self, right: usize) -> usize {
        match self.rng.random_range(0..10) {
            0 => 0,
            1 => right + 1,
            2 => right.saturating_sub(1),
            3 => usize::MAX,
            4 => usize::MAX / 4 + 1,
            5 => self.rng.random_range(0..16),
            _ => right,
        }
    }

    fn number(&mut self) -> i32 {
        match self.rng.random_range(0..6) {
            0 => i32::MIN,
            1 => i32::MAX,
            2 => -1,
            _ => self.rng.random_range(0..4),
        }
    }

    fn index(&mut self) -> usize {
        match self.rng.random_range(0..6) {
            0 => usize::MAX,
            1 => self.rng.random_range(0..100),
            _ => 0,
        }
    }

    /// A pointer to what is there, to nothing, or askew.
    fn at<T>(&mut self, to: *const T) -> *const T {
        match self.rng.random_range(0..12) {
            0 => null(),
            // The buffer has more elements than are ever right.
            1 => to.wrapping_byte_add(self.rng.random_range(1..4)),
            _ => to,
        }
    }

    fn at_mut<T>(&mut self, to: *mut T) -> *mut T {
        self.at(to.cast_const()).cast_mut()
    }

    fn noise(&mut self) -> Noise {
        Noise {
            seed: self.rng.random(),
            kind: if self.rng.random_range(0..8) == 0 {
                self.rng.random()
            } else {
                self.rng.random_range(0..2)
            },
            reserved: self.rng.random(),
        }
    }

    fn text(&mut self) -> CString {
        const KNOWN: &[&CStr] = &[
            c"batch_size",
            c"planning_horizon",
            c"n_guide_steps",
            c"scale",
            c"scheduler",
            c"eta",
            c"temperature",
            c"rescore",
            c"follow",
            c"follow_dims",
            c"prefix",
            c"observation_delay",
            c"warm_start",
            c"true",
            c"ddim",
            c"states",
            c"8",
            c"32",
            c"-1",
            c"1e999",
            c"99999999999999999999999",
            c"0.5",
            c"NaN",
            c"0,1:2",
            c"",
            c"/",
            c"/dev/null",
            c"/no/such/folder",
            c"Cargo.toml",
            c"src",
        ];
        match self.rng.random_range(0..10) {
            0 => {
                let len = self.rng.random_range(0..40);
                let bytes: Vec<u8> = (0..len).map(|_| self.rng.random_range(1..=255)).collect();
                CString::new(bytes).unwrap()
            }
            1 => CString::new("x".repeat(self.rng.random_range(0..100_000))).unwrap(),
            2 => CString::new("λ∂🙂".repeat(self.rng.random_range(0..100))).unwrap(),
            _ => KNOWN.choose(&mut self.rng).copied().unwrap().to_owned(),
        }
    }

    /// A condition of what is in the caller's buffers.
    fn condition(&mut self) -> Condition {
        let values = self.values.as_ptr();
        let dims = self.dims.as_ptr();
        Condition {
            time: match self.rng.random_range(0..5) {
                0 => usize::MAX,
                _ => self.rng.random_range(0..40),
            },
            values: self.at(values),
            dims: if self.rng.random() { null() } else { self.at(dims) },
            // Beyond what a condition may have it is refused unread.
            len: self.size(3),
            part: self.number(),
            strength: self.float(),
        }
    }

    /// One random call; and what was written to an action, if that was to be.
    fn call(&mut self) -> (&'static str, Status, Option<f32>) {
        for i in 0..16 {
            self.observation[i] = self.float();
            self.values[i] = self.float();
            self.dims[i] = self.rng.random_range(0..4);
        }
        if self.rng.random_range(0..3) > 0 {
            // One that can be planned from.
            self.observation = std::array::from_fn(|_| self.rng.random_range(-1.0..1.0));
        }
        let mut action = [UNTOUCHED; 16];
        let (observation, to) = (self.observation.as_ptr(), action.as_mut_ptr());
        let (observation, to) = (self.at(observation), self.at_mut(to));
        let (len, action_len) = (self.size(3), self.size(1));
        let handle = self.made.0;
        let planner = if self.rng.random_range(0..12) == 0 {
            null_mut()
        } else {
            handle
        };
        let noise = self.noise();
        let mut buffer = [0 as c_char; 64];
        let mut length = 0_usize;
        // SAFETY: handles are there or NULL; pointers are to buffers of 16 elements and more, NULL, or not aligned, and sizes are less than those or other
        // than the ones that are followed.
        unsafe {
            match self.rng.random_range(0..30) {
                0..4 => {
                    let status = diffplan_planner_plan(planner, observation, len, noise, to, action_len);
                    ("plan", status, Some(action[0]))
                }
                4..7 => {
                    let conditions: Vec<Condition> = (0..4).map(|_| self.condition()).collect();
                    let count = match self.rng.random_range(0..6) {
                        0 => usize::MAX,
                        1 => (1 << 16) + 1,
                        _ => self.rng.random_range(0..=4),
                    };
                    let at = self.at(conditions.as_ptr());
                    let (observation, len) = if self.rng.random_range(0..6) == 0 {
                        (null(), 0)
                    } else {
                        (observation, len)
                    };
                    let status =
                        diffplan_planner_plan_conditioned(planner, observation, len, at, count, noise, to, action_len);
                    ("plan_conditioned", status, Some(action[0]))
                }
                7 | 8 => {
                    let noises = [self.noise(), self.noise(), self.noise(), self.noise()];
                    let count = self.size(2);
                    let (all, noises_len) = (self.size(6), self.size(2));
                    let at = self.at(noises.as_ptr());
                    // Sizes are followed where they are those of the count: at most 5 rows of what is here.
                    let count = if count < 16 { count.min(4) } else { count };
                    let status =
                        diffplan_planner_plan_batch(planner, count, observation, all, at, noises_len, to, self.size(2));
                    ("plan_batch", status, Some(action[0]))
                }
                9 => {
                    let mut timing = common::NO_TIMING;
                    let budget = self.double();
                    let timing = self.at_mut(&raw mut timing);
                    let timing = if timing.is_aligned() { timing } else { null_mut() };
                    let status = diffplan_planner_plan_within(
                        planner,
                        observation,
                        len,
                        null(),
                        0,
                        noise,
                        budget,
                        to,
                        action_len,
                        timing,
                    );
                    ("plan_within", status, Some(action[0]))
                }
                10 => match self.rng.random_range(0..60) {
                    0 => (
                        "measure",
                        diffplan_planner_measure(planner, self.double(), self.number()),
                        None,
                    ),
                    _ => (
                        "measure",
                        diffplan_planner_measure(null_mut(), self.double(), self.number()),
                        None,
                    ),
                },
                11 => ("cancel", diffplan_planner_cancel(planner), None),
                12..15 => ("reset_cancel", diffplan_planner_reset_cancel(planner), None),
                15 => ("reset", diffplan_planner_reset(planner, self.rng.random()), None),
                16 => {
                    let (dims, values) = (self.dims.as_ptr(), self.values.as_ptr());
                    let (dims, values) = (self.at(dims), self.at(values));
                    (
                        "set_goal",
                        diffplan_planner_set_goal(planner, dims, values, self.size(2)),
                        None,
                    )
                }
                17 | 18 => {
                    let status = diffplan_planner_act(planner, observation, len, to, action_len);
                    ("act", status, Some(action[0]))
                }
                19 => {
                    let mut all = vec![0.0_f32; 2 * 32 * 4 * 4];
                    let len = self.size(2 * 32 * 4);
                    let at = self.at_mut(all.as_mut_ptr());
                    (
                        "trajectories",
                        diffplan_planner_trajectories(planner, self.index(), at, len),
                        None,
                    )
                }
                20 => (
                    "values",
                    diffplan_planner_values(planner, self.index(), to, self.size(2)),
                    None,
                ),
                21 => {
                    let mut chosen = [0_usize; 2];
                    let at = self.at_mut(chosen.as_mut_ptr());
                    ("chosen", diffplan_planner_chosen(planner, self.index(), at), None)
                }
                22 => {
                    let mut all = [0.0_f32; 128];
                    let at = self.at_mut(all.as_mut_ptr());
                    (
                        "actions",
                        diffplan_planner_actions(planner, self.index(), at, self.size(32)),
                        None,
                    )
                }
                23 => {
                    let room = self.rng.random_range(0..64);
                    (
                        "report",
                        diffplan_planner_report(planner, buffer.as_mut_ptr(), room, &mut length),
                        None,
                    )
                }
                24 | 25 => {
                    let (name, value) = (self.text(), self.text());
                    let (name, value) = (name.as_c_str(), value.as_c_str());
                    let options = if self.rng.random_range(0..12) == 0 {
                        null_mut()
                    } else {
                        self.options
                    };
                    let name = if self.rng.random_range(0..12) == 0 {
                        null()
                    } else {
                        name.as_ptr()
                    };
                    ("options_set", diffplan_options_set(options, name, value.as_ptr()), None)
                }
                26 => {
                    let name = self.text();
                    let room = self.rng.random_range(0..64);
                    let at = if self.rng.random() {
                        buffer.as_mut_ptr()
                    } else {
                        null_mut()
                    };
                    let status = diffplan_options_get(self.options, name.as_ptr(), at, room, &mut length);
                    ("options_get", status, None)
                }
                27 => {
                    // What came up of options, made and not planned with: some would take hours.
                    let mut out = null_mut();
                    let threads = if self.rng.random_range(0..4) == 0 {
                        usize::MAX
                    } else {
                        1
                    };
                    let options = if self.rng.random_range(0..4) == 0 {
                        null()
                    } else {
                        self.options.cast_const()
                    };
                    let status = diffplan_planner_new(self.opened.0, options, threads, &mut out);
                    assert_eq!(status == Status::Ok, !out.is_null());
                    diffplan_planner_free(out);
                    ("planner_new", status, None)
                }
                28 => {
                    let mut out = null_mut();
                    let path = self.text();
                    let status = match self.rng.random_range(0..20) {
                        0 => diffplan_pipeline_open(checkpoint().as_ptr(), &mut out),
                        _ => diffplan_pipeline_open(path.as_ptr(), &mut out),
                    };
                    assert_eq!(status == Status::Ok, !out.is_null());
                    diffplan_pipeline_free(out);
                    ("pipeline_open", status, None)
                }
                _ => {
                    let mut note = null();
                    let status = diffplan_pipeline_note(self.opened.0, self.index(), &mut note);
                    ("pipeline_note", status, None)
                }
            }
        }
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        // SAFETY: made by diffplan_options_new, and freed here alone.
        unsafe { diffplan_options_free(self.options) };
    }
}

#[test]
fn random_calls_are_answered() {
    let calls: usize = std::env::var("DIFFPLAN_FUZZ")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(10_000);
    let mut caller = Caller::new(2026);
    let mut all = BTreeMap::<(&str, i32), usize>::new();
    for call in 0..calls {
        let (name, status, action) = caller.call();
        *all.entry((name, status as i32)).or_default() += 1;
        assert_ne!(status, Status::Internal, "call {call}, {name}: {}", last_error());
        // SAFETY: what the function returns is a static text.
        let known = unsafe { CStr::from_ptr(diffplan_status_name(status as i32)) };
        assert_ne!(known, c"unknown status");
        if status != Status::Ok {
            assert!(last_error().len() > 10, "call {call}, {name}: {:?}", last_error());
        }
        match (status, action) {
            (Status::Ok, Some(action)) => assert!(action.is_finite() && action != UNTOUCHED, "call {call}, {name}"),
            (_, Some(action)) => assert_eq!(action, UNTOUCHED, "call {call}, {name}: {status:?}"),
            _ => {}
        }
    }
    // It goes on planning as at first.
    // SAFETY: a handle that is there.
    unsafe { diffplan_planner_reset_cancel(caller.made.0) };
    let fresh = caller
        .opened
        .planner(&[("batch_size", "2"), ("num_inference_steps", "1")], 1);
    let observation = [0.8, 0.6, -0.5];
    assert_eq!(
        caller.made.plan(&observation, diffplan_seed(5)),
        fresh.plan(&observation, diffplan_seed(5))
    );
    let done = |name: &str| all.get(&(name, 0)).copied().unwrap_or(0);
    for name in [
        "plan",
        "plan_conditioned",
        "plan_within",
        "act",
        "trajectories",
        "options_set",
        "planner_new",
    ] {
        assert!(done(name) > 0, "{name} never went well: {all:?}");
    }
    println!("{calls} calls: {all:?}");
}
