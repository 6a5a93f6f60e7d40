//! Options, notes and the log.

#![allow(clippy::unwrap_used)] // a test fails by panicking
#![allow(unsafe_code)] // calls a C interface

mod common;

use common::{Opened, checkpoint, fails, last_error, ok, written};
use diffplan_c::*;
use std::ffi::{CStr, CString, c_char, c_void};
use std::ptr::{null, null_mut};
use std::sync::Mutex;

/// The log is the whole process's.
static ALONE: Mutex<()> = Mutex::new(());

#[test]
fn options_go_in_and_out_by_name() {
    let opened = Opened::new();
    let mut options = null_mut();
    // SAFETY: handles that are there, texts, buffers with their sizes.
    unsafe {
        ok(diffplan_options_new(opened.0, &mut options));
        let set = |name: &CStr, value: &CStr| diffplan_options_set(options, name.as_ptr(), value.as_ptr());
        let get = |name: &str| {
            let name = CString::new(name).unwrap();
            written(|to, room, length| diffplan_options_get(options, name.as_ptr(), to, room, length))
        };
        // As the checkpoint says, over diffusers' defaults.
        assert_eq!(
            (get("batch_size"), get("scale"), get("temperature")),
            ("8".into(), "0.03".into(), "1".into())
        );
        assert_eq!(get("num_inference_steps"), "");
        ok(set(c"num_inference_steps", c"5"));
        ok(set(c"rescore", c"true"));
        assert_eq!(
            (get("num_inference_steps"), get("rescore")),
            ("5".into(), "true".into())
        );
        fails(
            set(c"scales", c"1"),
            Status::Option,
            "option = scales: expected scale, or one of",
        );
        fails(set(c"batch_size", c"0"), Status::Option, "at least 1");
        fails(
            set(c"batch_size", c"99999999999999999999"),
            Status::Option,
            "batch_size",
        );
        fails(set(c"scale", c"NaN"), Status::Option, "finite");
        fails(set(c"scale", c""), Status::Option, "scale");
        fails(set(c"\xff", c"1"), Status::Text, "name is not UTF-8");
        fails(
            diffplan_options_set(options, null(), c"1".as_ptr()),
            Status::Null,
            "name is NULL",
        );
        fails(
            diffplan_options_set(null_mut(), c"scale".as_ptr(), c"1".as_ptr()),
            Status::Null,
            "options is NULL",
        );
        // What is refused changes nothing.
        assert_eq!((get("batch_size"), get("scale")), ("8".into(), "0.03".into()));

        let mut small = [7_u8; 4];
        let mut length = 0;
        let to = small.as_mut_ptr().cast::<c_char>();
        ok(set(c"guidance", c"diffuser"));
        fails(
            diffplan_options_get(options, c"guidance".as_ptr(), to, 4, &mut length),
            Status::Size,
            "expected at least 9",
        );
        assert_eq!((&small, length), (b"dif\0", 8));
        fails(
            diffplan_options_get(options, c"guidance".as_ptr(), null_mut(), 4, &mut length),
            Status::Null,
            "buffer",
        );
        fails(
            diffplan_options_get(options, c"guidance".as_ptr(), null_mut(), 0, null_mut()),
            Status::Null,
            "buffer",
        );
        fails(
            diffplan_options_get(options, c"guidances".as_ptr(), to, 4, &mut length),
            Status::Option,
            "guidance",
        );

        let names: Vec<String> = (0..diffplan_option_count())
            .map(|index| written(|to, room, length| diffplan_option_name(index, to, room, length)))
            .collect();
        assert!(names.len() > 20 && names[0] == "batch_size");
        for name in &names {
            get(name);
            let name = CString::new(name.as_str()).unwrap();
            let help = written(|to, room, length| diffplan_option_help(name.as_ptr(), to, room, length));
            assert!(help.len() > 10 && help.ends_with(')'), "{help}");
        }
        fails(
            diffplan_option_name(names.len(), to, 4, null_mut()),
            Status::Value,
            "expected below",
        );

        // Together with others, or with the network, some make no plan: said when a planner is made.
        diffplan_options_free(options);
        let mut planner = null_mut();
        let mut planner_of = |pairs: &[(&CStr, &CStr)]| {
            let mut options = null_mut();
            ok(diffplan_options_new(opened.0, &mut options));
            for (name, value) in pairs {
                ok(diffplan_options_set(options, name.as_ptr(), value.as_ptr()));
            }
            let status = diffplan_planner_new(opened.0, options, 1, &mut planner);
            diffplan_options_free(options);
            assert!(planner.is_null());
            status
        };
        fails(planner_of(&[(c"planning_horizon", c"31")]), Status::Option, "31");
        fails(planner_of(&[(c"scheduler", c"no-such")]), Status::Option, "no-such");
        fails(
            planner_of(&[(c"observation_delay", c"32")]),
            Status::Option,
            "observation_delay",
        );
        fails(planner_of(&[(c"follow", c"states")]), Status::Option, "follow_dims");
        fails(
            planner_of(&[(c"batch_size", c"1048576"), (c"planning_horizon", c"1048576")]),
            Status::Option,
            "candidates",
        );
    }
}

unsafe extern "C" fn heard(level: i32, message: *const c_char, user: *mut c_void) {
    // SAFETY: the text and the pointer that the log was set with.
    let (text, all) = unsafe { (CStr::from_ptr(message), &*user.cast::<Mutex<Vec<(i32, String)>>>()) };
    // It may call anything.
    assert_eq!(diffplan_abi_version(), DIFFPLAN_ABI_VERSION);
    all.lock().unwrap().push((level, text.to_str().unwrap().to_owned()));
}

#[test]
fn the_log_hears_of_deadlines_and_far_observations() {
    let _alone = ALONE.lock().unwrap();
    let all: Mutex<Vec<(i32, String)>> = Mutex::default();
    let user = (&raw const all).cast_mut().cast::<c_void>();
    fails(
        diffplan_set_log(3, Some(heard), user),
        Status::Value,
        "least_level is 3",
    );
    fails(diffplan_set_log(-1, None, user), Status::Value, "least_level is -1");
    ok(diffplan_set_log(Level::Debug as i32, Some(heard), user));
    let opened = Opened::new();
    let made = opened.planner(&[("num_inference_steps", "4")], 1);
    // SAFETY: a handle that is there.
    ok(unsafe { diffplan_planner_measure(made.0, 0.05, 0) });
    ok(made.try_plan_within(&[1.0, 0.0, 0.0], 60.0).0);
    // 10 standard deviations and more: units are others.
    made.plan(&[1.0, 0.0, 500.0], diffplan_seed(0));
    made.plan(&[1.0, 0.0, 600.0], diffplan_seed(0));
    ok(diffplan_set_log(Level::Debug as i32, None, null_mut()));
    made.plan(&[1.0, 0.0, 0.0], diffplan_seed(0));
    let heard = all.lock().unwrap().clone();
    let count = |level: Level, part: &str| {
        let is = |(l, text): &&(i32, String)| *l == level as i32 && text.contains(part);
        heard.iter().filter(is).count()
    };
    assert!(count(Level::Info, "within deadlines: 8 candidates") > 0, "{heard:?}");
    assert_eq!(count(Level::Debug, "within a deadline: "), 1, "{heard:?}");
    assert_eq!(
        count(Level::Warning, "dimension 2 of an observation is 500"),
        1,
        "{heard:?}"
    );
    assert_eq!(count(Level::Warning, "600"), 0, "{heard:?}");
}

#[test]
fn what_is_odd_about_a_checkpoint_is_noted() {
    let _alone = ALONE.lock().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let from = checkpoint();
    let from = std::path::Path::new(from.to_str().unwrap());
    for name in [
        "model_index.json",
        "normalizer.json",
        "planning_config.json",
        "scheduler/scheduler_config.json",
        "unet/config.json",
        "unet/diffusion_pytorch_model.safetensors",
        "value_function/config.json",
        "value_function/diffusion_pytorch_model.safetensors",
    ] {
        let to = folder.path().join(name);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(from.join(name), to).unwrap();
    }
    // A constant dimension, which no network can learn anything of.
    let statistics = folder.path().join("normalizer.json");
    let text = std::fs::read_to_string(&statistics).unwrap();
    std::fs::write(&statistics, text.replace("3.041140079498291", "0.0000001")).unwrap();
    let all: Mutex<Vec<(i32, String)>> = Mutex::default();
    let user = (&raw const all).cast_mut().cast::<c_void>();
    ok(diffplan_set_log(Level::Warning as i32, Some(heard), user));
    let (path, mut out) = (CString::new(folder.path().to_str().unwrap()).unwrap(), null_mut());
    // SAFETY: texts, and places for what is written.
    unsafe {
        ok(diffplan_pipeline_open(path.as_ptr(), &mut out));
        ok(diffplan_set_log(0, None, null_mut()));
        let mut count = 0;
        ok(diffplan_pipeline_note_count(out, &mut count));
        assert!(count > 0);
        let mut note = null();
        ok(diffplan_pipeline_note(out, count - 1, &mut note));
        let note = CStr::from_ptr(note).to_str().unwrap();
        let heard = all.lock().unwrap();
        assert!(heard.iter().any(|(_, text)| text.ends_with(note)), "{note} {heard:?}");
        fails(
            diffplan_pipeline_note(out, count, &mut null()),
            Status::Value,
            "expected below",
        );
        let env = written(|to, room, length| diffplan_pipeline_environment(out, to, room, length));
        assert_eq!(env, "Pendulum-v1");
        let mut dimensions = Dimensions {
            observation_dim: 0,
            action_dim: 0,
            has_values: -1,
            needs_goal: -1,
        };
        ok(diffplan_pipeline_dimensions(out, &mut dimensions));
        assert_eq!(
            dimensions,
            Dimensions {
                observation_dim: 3,
                action_dim: 1,
                has_values: 1,
                needs_goal: 0
            }
        );
        fails(
            diffplan_pipeline_dimensions(null(), &mut dimensions),
            Status::Null,
            "pipeline is NULL",
        );
        diffplan_pipeline_free(out);
    }
    assert!(last_error().contains("pipeline is NULL"));
}
