//! [`Pipeline`]: a checkpoint, opened.

use crate::boundary::{self, place, reference, text, write_text};
use crate::log::{self, Level};
use crate::status::{Fault, Status};
use diffplan::pipelines::{ValueGuidedPipeline, doctor};
use std::ffi::{CString, c_char};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A checkpoint, opened: networks, scheduler, statistics. Immutable; used by any number of threads and planners, which keep what they need of it, so it may be
/// freed before they are.
#[derive(Debug)]
pub struct Pipeline {
    pub(crate) pipeline: ValueGuidedPipeline,
    notes: Vec<CString>,
}

/// Of what a pipeline plans.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dimensions {
    /// Dimensions of an observation.
    pub observation_dim: usize,
    /// Dimensions of an action.
    pub action_dim: usize,
    /// 1 where a value function or another guide values plans, 0 where nothing does.
    pub has_values: i32,
    /// 1 where the network was trained with goals, so that every plan needs one: an observation imposed on its last step.
    pub needs_goal: i32,
}

/// Opens the checkpoint at `path`: a folder in the layout of diffusers with normalizer.json, of today's or older releases (`diffplan convert` makes one of other
/// projects' files, `diffplan normalizer` the statistics). What is odd or almost surely wrong with a checkpoint goes to the log and to diffplan_pipeline_note. `*out` is
/// freed by diffplan_pipeline_free.
///
/// DIFFPLAN_STATUS_FILE, DIFFPLAN_STATUS_CHECKPOINT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn diffplan_pipeline_open(path: *const c_char, out: *mut *mut Pipeline) -> Status {
    boundary::run(|| {
        // SAFETY: as the header asks of the caller.
        let (path, mut out) = unsafe { (text("path", path)?, place("out", out)?) };
        let pipeline = ValueGuidedPipeline::from_pretrained(path)?;
        let findings = doctor::examine(&pipeline);
        let findings = findings.iter().map(ToString::to_string);
        let notes = pipeline.notes().iter().cloned().map(|note| (Level::Info, note));
        let mut kept = Vec::new();
        for (level, note) in notes.chain(findings.map(|finding| (Level::Warning, finding))) {
            log::say(level, || format!("{path}: {note}"));
            kept.push(CString::new(note.replace('\0', "")).unwrap_or_default());
        }
        let pipeline = Pipeline { pipeline, notes: kept };
        out.write(&[Box::into_raw(Box::new(pipeline))])
    })
}

/// Frees a pipeline; NULL is nothing to free. Planners that were made of it stay as they are.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn diffplan_pipeline_free(pipeline: *mut Pipeline) {
    if !pipeline.is_null() {
        // SAFETY: made by diffplan_pipeline_open from a box, and freed once, as the header asks of the caller.
        let pipeline = unsafe { Box::from_raw(pipeline) };
        // Dropping does not panic; if it did, nobody could be told.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(pipeline)));
    }
}

/// Writes the dimensions of observations and actions.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn diffplan_pipeline_dimensions(pipeline: *const Pipeline, out: *mut Dimensions) -> Status {
    boundary::run(|| {
        // SAFETY: as the header asks of the caller.
        let (pipeline, mut out) = unsafe { (&reference("pipeline", pipeline)?.pipeline, place("out", out)?) };
        let led = pipeline.planning_config().conditions == Some(diffplan::pipelines::TrainedConditions::Goal);
        out.write(&[Dimensions {
            observation_dim: pipeline.observation_dim(),
            action_dim: pipeline.action_dim(),
            has_values: i32::from(!pipeline.guides().is_empty()),
            needs_goal: i32::from(led),
        }])
    })
}

/// Writes the id of the environment that the checkpoint says it was trained for, such as Pendulum-v1; empty where it does not say. `length`, which may be NULL,
/// becomes the number of bytes without the NUL; with a `buffer` of NULL and a `capacity` of 0 nothing else is written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn diffplan_pipeline_environment(
    pipeline: *const Pipeline,
    buffer: *mut c_char,
    capacity: usize,
    length: *mut usize,
) -> Status {
    boundary::run(|| {
        // SAFETY: as the header asks of the caller.
        let pipeline = unsafe { &reference("pipeline", pipeline)?.pipeline };
        let env = pipeline.planning_config().env.as_deref().unwrap_or_default();
        // SAFETY: as above.
        unsafe { write_text("buffer", env, buffer, capacity, length) }
    })
}

/// Writes how many notes there are on the checkpoint.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn diffplan_pipeline_note_count(pipeline: *const Pipeline, out: *mut usize) -> Status {
    boundary::run(|| {
        // SAFETY: as the header asks of the caller.
        let (pipeline, mut out) = unsafe { (reference("pipeline", pipeline)?, place("out", out)?) };
        out.write(&[pipeline.notes.len()])
    })
}

/// Gives note `index` on the checkpoint, from 0: what was odd and harmless in its files, then what is legal but almost surely wrong, with the
/// remedy. Valid until the pipeline is freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn diffplan_pipeline_note(
    pipeline: *const Pipeline,
    index: usize,
    out: *mut *const c_char,
) -> Status {
    boundary::run(|| {
        // SAFETY: as the header asks of the caller.
        let (pipeline, mut out) = unsafe { (reference("pipeline", pipeline)?, place("out", out)?) };
        let note = pipeline.notes.get(index).ok_or_else(|| {
            Fault::new(
                Status::Value,
                format!(
                    "index is {index}, expected below {}, the number of notes",
                    pipeline.notes.len()
                ),
            )
        })?;
        out.write(&[note.as_ptr()])
    })
}
