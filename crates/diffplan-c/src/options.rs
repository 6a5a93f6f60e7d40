//! [`Options`]: planning options by name and text, as every front end has them (`PlanningConfig::of_pairs`).

use crate::boundary::{self, place, reference, reference_mut, text, write_text};
use crate::pipeline::Pipeline;
use crate::status::{Fault, Result, Status};
use diffplan::pipelines::{OPTIONS, OptionSpec, PlanOptions, PlanningConfig};
use std::ffi::c_char;

/// Planning options, all of them: those of a checkpoint, with others in place of some.
#[derive(Clone, Debug)]
pub struct Options(pub(crate) PlanOptions);

/// The options that the checkpoint itself says, over the defaults of diffusers' call. `*out` is freed by diffplan_options_free.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn diffplan_options_new(pipeline: *const Pipeline, out: *mut *mut Options) -> Status {
    boundary::run(|| {
        // SAFETY: as the header asks of the caller.
        let (pipeline, mut out) = unsafe { (reference("pipeline", pipeline)?, place("out", out)?) };
        out.write(&[Box::into_raw(Box::new(Options(pipeline.pipeline.options())))])
    })
}

/// Frees options; NULL is nothing to free.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn diffplan_options_free(options: *mut Options) {
    if !options.is_null() {
        // SAFETY: made by diffplan_options_new from a box, and freed once, as the header asks of the caller.
        drop(unsafe { Box::from_raw(options) });
    }
}

/// Sets the option `name` to what `value` says: numbers as "8", "0.5", "1e-2", switches as "true" and "false", names as they are. Options are those of
/// planning_config.json and of every other front end: batch_size (candidates), planning_horizon, n_guide_steps, scale, num_inference_steps, scheduler, ...;
/// diffplan_option_name lists them all, diffplan_option_help says what each is and takes.
///
/// DIFFPLAN_STATUS_OPTION for a name that there is none of, with the nearest, and for a value that it does not take. What makes no plan together with others, or with
/// the network, diffplan_planner_new tells.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn diffplan_options_set(
    options: *mut Options,
    name: *const c_char,
    value: *const c_char,
) -> Status {
    boundary::run(|| {
        // SAFETY: as the header asks of the caller.
        let (options, name, value) = unsafe {
            (
                reference_mut("options", options)?,
                text("name", name)?,
                text("value", value)?,
            )
        };
        let changed = PlanningConfig::of_pairs([(name, value)])?.over(options.0.clone());
        options.0 = changed;
        Ok(())
    })
}

fn spec(name: &str) -> Result<&'static OptionSpec> {
    match OPTIONS.iter().find(|spec| spec.name == name) {
        Some(spec) => Ok(spec),
        // Tells the nearest.
        None => Err(PlanningConfig::of_pairs([(name, "")]).map_or_else(Fault::from, |_| {
            Fault::new(Status::Option, format!("option = {name}: expected a name of one"))
        })),
    }
}

/// Writes the value of the option `name` as diffplan_options_set takes it; empty where it is not set, as num_inference_steps at first. `length`, which may be NULL,
/// becomes the number of bytes without the NUL; with a `buffer` of NULL and a `capacity` of 0 nothing else is written. DIFFPLAN_STATUS_SIZE where the
/// text was cut off.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn diffplan_options_get(
    options: *const Options,
    name: *const c_char,
    buffer: *mut c_char,
    capacity: usize,
    length: *mut usize,
) -> Status {
    boundary::run(|| {
        // SAFETY: as the header asks of the caller.
        let (options, name) = unsafe { (reference("options", options)?, text("name", name)?) };
        let value = options.0.text(spec(name)?.name).unwrap_or_default();
        // SAFETY: as above.
        unsafe { write_text("buffer", &value, buffer, capacity, length) }
    })
}

/// How many options there are.
#[unsafe(no_mangle)]
pub extern "C" fn diffplan_option_count() -> usize {
    OPTIONS.len()
}

/// Writes the name of option `index`, from 0. `length` as for diffplan_options_get.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn diffplan_option_name(
    index: usize,
    buffer: *mut c_char,
    capacity: usize,
    length: *mut usize,
) -> Status {
    boundary::run(|| {
        let spec = OPTIONS.get(index).ok_or_else(|| {
            Fault::new(
                Status::Value,
                format!(
                    "index is {index}, expected below {}, the number of options",
                    OPTIONS.len()
                ),
            )
        })?;
        // SAFETY: as the header asks of the caller.
        unsafe { write_text("buffer", spec.name, buffer, capacity, length) }
    })
}

/// Writes what the option `name` is and what it takes, a sentence. `length` as for diffplan_options_get.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn diffplan_option_help(
    name: *const c_char,
    buffer: *mut c_char,
    capacity: usize,
    length: *mut usize,
) -> Status {
    boundary::run(|| {
        // SAFETY: as the header asks of the caller.
        let spec = spec(unsafe { text("name", name)? })?;
        let help = format!("{} ({})", spec.doc.trim(), spec.kind);
        // SAFETY: as above.
        unsafe { write_text("buffer", &help, buffer, capacity, length) }
    })
}
