//! What tests of the C interface share: handles that are freed, and calls that are to go well.

#![allow(dead_code)] // not every test needs everything
#![allow(unsafe_code)] // calls a C interface

use diffplan_c::*;
use std::ffi::{CStr, CString, c_char};
use std::ptr::{null, null_mut};

/// The checkpoint of the repository.
pub(crate) fn checkpoint() -> CString {
    CString::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/pendulum-hor32")).unwrap()
}

/// The text of this thread's last failure.
pub(crate) fn last_error() -> String {
    // SAFETY: the text is this thread's, which fails in nothing meanwhile.
    unsafe { CStr::from_ptr(diffplan_last_error()) }
        .to_str()
        .unwrap()
        .to_owned()
}

#[track_caller]
pub(crate) fn ok(status: Status) {
    assert_eq!(status, Status::Ok, "{}", last_error());
}

#[track_caller]
pub(crate) fn fails(status: Status, expected: Status, part: &str) {
    assert_eq!(status, expected, "{}", last_error());
    assert!(last_error().contains(part), "{:?} is not in {:?}", part, last_error());
}

/// A pipeline that is freed.
pub(crate) struct Opened(pub(crate) *mut Pipeline);

/// A planner that is freed.
pub(crate) struct Made(pub(crate) *mut Planner);

// SAFETY: handles are for any thread.
unsafe impl Send for Opened {}
// SAFETY: as above.
unsafe impl Sync for Opened {}
// SAFETY: as above.
unsafe impl Send for Made {}
// SAFETY: as above.
unsafe impl Sync for Made {}

impl Opened {
    pub(crate) fn new() -> Self {
        let mut out = null_mut();
        // SAFETY: a text, and a place for a pointer.
        ok(unsafe { diffplan_pipeline_open(checkpoint().as_ptr(), &mut out) });
        Self(out)
    }

    /// With these options.
    pub(crate) fn planner(&self, pairs: &[(&str, &str)], threads: usize) -> Made {
        let mut options = null_mut();
        let mut out = null_mut();
        // SAFETY: handles that are there, texts, places for pointers.
        unsafe {
            ok(diffplan_options_new(self.0, &mut options));
            for (name, value) in pairs {
                let (name, value) = (CString::new(*name).unwrap(), CString::new(*value).unwrap());
                ok(diffplan_options_set(options, name.as_ptr(), value.as_ptr()));
            }
            ok(diffplan_planner_new(self.0, options, threads, &mut out));
            diffplan_options_free(options);
        }
        Made(out)
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        // SAFETY: made by diffplan_pipeline_open, and freed here alone.
        unsafe { diffplan_pipeline_free(self.0) };
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        // SAFETY: made by diffplan_planner_new, and freed here alone.
        unsafe { diffplan_planner_free(self.0) };
    }
}

impl Made {
    pub(crate) fn try_plan(&self, observation: &[f32], noise: Noise) -> (Status, f32) {
        let mut action = [f32::NAN];
        // SAFETY: buffers with their sizes.
        let status = unsafe {
            diffplan_planner_plan(
                self.0,
                observation.as_ptr(),
                observation.len(),
                noise,
                action.as_mut_ptr(),
                1,
            )
        };
        (status, action[0])
    }

    #[track_caller]
    pub(crate) fn plan(&self, observation: &[f32], noise: Noise) -> f32 {
        let (status, action) = self.try_plan(observation, noise);
        ok(status);
        action
    }

    #[track_caller]
    pub(crate) fn shape(&self) -> PlanShape {
        let mut shape = PlanShape {
            queries: 0,
            candidates: 0,
            horizon: 0,
            channels: 0,
            action_dim: 0,
            observation_dim: 0,
            has_values: 0,
            reserved: 0,
        };
        // SAFETY: a place for a shape.
        ok(unsafe { diffplan_planner_plan_shape(self.0, &mut shape) });
        shape
    }

    #[track_caller]
    pub(crate) fn trajectories(&self, query: usize) -> Vec<f32> {
        let shape = self.shape();
        let mut all = vec![0.0; shape.candidates * shape.horizon * shape.channels];
        // SAFETY: a buffer with its size.
        ok(unsafe { diffplan_planner_trajectories(self.0, query, all.as_mut_ptr(), all.len()) });
        all
    }

    #[track_caller]
    pub(crate) fn values(&self, query: usize) -> Vec<f32> {
        let mut all = vec![0.0; self.shape().candidates];
        // SAFETY: a buffer with its size.
        ok(unsafe { diffplan_planner_values(self.0, query, all.as_mut_ptr(), all.len()) });
        all
    }

    pub(crate) fn try_plan_within(&self, observation: &[f32], budget: f64) -> (Status, Timing) {
        let mut action = [f32::NAN];
        let mut timing = NO_TIMING;
        // SAFETY: buffers with their sizes.
        let status = unsafe {
            diffplan_planner_plan_within(
                self.0,
                observation.as_ptr(),
                observation.len(),
                null(),
                0,
                diffplan_seed(1),
                budget,
                action.as_mut_ptr(),
                1,
                &mut timing,
            )
        };
        (status, timing)
    }

    pub(crate) fn act(&self, observation: &[f32]) -> (Status, f32) {
        let mut action = [f32::NAN];
        // SAFETY: buffers with their sizes.
        let status =
            unsafe { diffplan_planner_act(self.0, observation.as_ptr(), observation.len(), action.as_mut_ptr(), 1) };
        (status, action[0])
    }
}

pub(crate) const NO_TIMING: Timing = Timing {
    seconds: -1.0,
    budget: -1.0,
    rung: 0,
    rungs: 0,
    candidates: 0,
    visits: 0,
    of_visits: 0,
    ended: -1,
    late: -1,
};

/// A text of a function that writes one.
#[track_caller]
pub(crate) fn written(mut write: impl FnMut(*mut c_char, usize, *mut usize) -> Status) -> String {
    let mut length = 0;
    ok(write(null_mut(), 0, &mut length));
    let mut buffer = vec![1_u8; length + 1];
    ok(write(buffer.as_mut_ptr().cast(), buffer.len(), null_mut()));
    assert_eq!(buffer.pop(), Some(0));
    String::from_utf8(buffer).unwrap()
}
