//! libmujoco, called: the only `unsafe` of this crate. Above this file there are a [`Library`], compiled [`Model`]s and
//! the [`Data`] of a simulation, whose methods are safe.
//!
//! No struct of MuJoCo's is laid out here: models and simulations are opaque pointers, and what is in them is read and
//! written through `mj_getState` and `mj_setState`. So one program runs with any libmujoco that has the functions below,
//! whatever its structs look like, and the library is found when the program runs, not when it is built. What no function
//! gives (contact forces) is read where it lies: [`arrays`] says how that is found out.
//!
//! MuJoCo reports a broken precondition by calling `mju_user_error`, and exits the process where that is not set or
//! returns. Here it is set to a function that unwinds, through MuJoCo's C frames, to [`guarded`]; what it had begun stays
//! as it was left, so a simulation in which that happened is not used again. Warnings are kept for the thread
//! they come up in, rather than written to stderr and to a file MUJOCO_LOG.TXT. Where something else in the process has set
//! handlers before (MuJoCo's Python bindings in an embedding program), those stay, and errors are theirs to handle. Built with
//! `panic = "abort"`, an error of MuJoCo ends the process. `mujoco.h` of 4.0.0 calls these two variables legacy, beside
//! `mju_setLogHandler`; a library without them is refused.
#![allow(unsafe_code)] // calls to a C library; every block says why it is sound
#![allow(non_snake_case)] // its names

use std::any::Any;
use std::cell::RefCell;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::ptr::{self, NonNull};
use std::sync::Arc;

use crate::{Error, Result};

/// The oldest libmujoco with `mj_parseXMLString`, as `mj_version` tells it, and in words.
const OLDEST: (c_int, &str) = (320, "3.2.0");
/// From 3.5.0 on `mj_version` counts in millions, and controls are another bit of the state.
const NEW_LAYOUT: c_int = 3_000_000;

/// Bits of `mjtState`; that of the controls is the version's ([`Library::ctrl_bit`]).
const TIME: c_int = 1 << 0;
const QPOS: c_int = 1 << 1;
const QVEL: c_int = 1 << 2;
const ACT: c_int = 1 << 3;

/// A body, as `mjtObj` has it.
const BODY: c_int = 1;
/// How numbers are printed, so that the same are read again.
const FULL_PRECISION: &CStr = c"%.17g";

/// What is read and written of a simulation.
#[derive(Clone, Copy)]
enum Part {
    Time,
    /// Position and velocity.
    State,
    Ctrl,
    /// Forces and torques on every body from outside.
    Applied,
}

#[repr(C)]
struct RawModel {
    _opaque: [u8; 0],
}

#[repr(C)]
struct RawData {
    _opaque: [u8; 0],
}

#[repr(C)]
struct RawSpec {
    _opaque: [u8; 0],
}

type Handler = extern "C-unwind" fn(*const c_char);

/// Declares the functions and how they are found by name.
macro_rules! functions {
    ($($name:ident: fn($($argument:ty),*) $(-> $output:ty)?;)+) => {
        /// The functions of the library, under MuJoCo's names.
        struct Functions {
            $($name: unsafe extern "C-unwind" fn($($argument),*) $(-> $output)?,)+
        }

        impl Functions {
            /// # Safety
            /// The library must be libmujoco, and stay loaded as long as the functions are called.
            unsafe fn find(library: &libloading::Library) -> std::result::Result<Self, &'static str> {
                Ok(Self {
                    // SAFETY: the types are those of mujoco.h of 4.0.0; every version in docs/environments.md was called so.
                    $($name: *unsafe { library.get(stringify!($name)) }.map_err(|_| stringify!($name))?,)+
                })
            }
        }
    };
}

functions! {
    mj_loadXML: fn(*const c_char, *const c_void, *mut c_char, c_int) -> *mut RawModel;
    mj_parseXMLString: fn(*const c_char, *const c_void, *mut c_char, c_int) -> *mut RawSpec;
    mj_compile: fn(*mut RawSpec, *const c_void) -> *mut RawModel;
    mjs_getError: fn(*mut RawSpec) -> *const c_char;
    mj_deleteSpec: fn(*mut RawSpec);
    mj_deleteModel: fn(*mut RawModel);
    mj_printFormattedModel: fn(*const RawModel, *const c_char, *const c_char);
    mj_printFormattedData: fn(*const RawModel, *const RawData, *const c_char, *const c_char);
    mj_makeData: fn(*const RawModel) -> *mut RawData;
    mj_deleteData: fn(*mut RawData);
    mj_resetData: fn(*const RawModel, *mut RawData);
    mj_forward: fn(*const RawModel, *mut RawData);
    mj_step: fn(*const RawModel, *mut RawData);
    mj_rnePostConstraint: fn(*const RawModel, *mut RawData);
    mj_local2Global: fn(*mut RawData, *mut f64, *mut f64, *const f64, *const f64, c_int, u8);
    mj_name2id: fn(*const RawModel, c_int, *const c_char) -> c_int;
    mj_stateSize: fn(*const RawModel, c_int) -> c_int;
    mj_getState: fn(*const RawModel, *const RawData, *mut f64, c_int);
    mj_setState: fn(*const RawModel, *mut RawData, *const f64, c_int);
}

/// What `mju_user_error` unwinds with.
struct Fault(String);

thread_local! {
    /// The warnings of MuJoCo on this thread that nobody has taken yet.
    static WARNINGS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

extern "C-unwind" fn on_error(message: *const c_char) {
    // SAFETY: MuJoCo calls this with a message.
    let message = unsafe { text(message) };
    // Not a panic: there is nothing for the panic hook to print.
    resume_unwind(Box::new(Fault(message)));
}

extern "C-unwind" fn on_warning(message: *const c_char) {
    // SAFETY: MuJoCo calls this with a message.
    let message = unsafe { text(message) };
    // Of a thread that is ending nobody will ask.
    let _ = WARNINGS.try_with(|warnings| {
        if let Ok(mut warnings) = warnings.try_borrow_mut() {
            warnings.push(message);
        }
    });
}

/// The warnings of MuJoCo on this thread since this was last called.
pub(super) fn take_warnings() -> Vec<String> {
    WARNINGS.with(|warnings| warnings.take())
}

/// A message of MuJoCo's, in one line.
///
/// # Safety
/// It must be null, or a string that ends in a zero and lives as long as this runs.
unsafe fn text(message: *const c_char) -> String {
    if message.is_null() {
        return "no message".into();
    }
    // SAFETY: as promised.
    one_line(unsafe { CStr::from_ptr(message) }.to_string_lossy().as_ref())
}

fn one_line(text: &str) -> String {
    text.trim().replace('\n', "; ")
}

/// Runs `call` and turns an error that MuJoCo raises in it into one of ours.
fn guarded<T>(call: impl FnOnce() -> T) -> Result<T> {
    // Who gets the error does not use again what `call` worked on (`Data::broken`).
    catch_unwind(AssertUnwindSafe(call)).map_err(|payload: Box<dyn Any + Send>| match payload.downcast::<Fault>() {
        Ok(fault) => Error::Mujoco { reason: fault.0 },
        Err(other) => resume_unwind(other),
    })
}

/// A loaded libmujoco.
pub(super) struct Library {
    functions: Functions,
    version: c_int,
    version_string: String,
    path: PathBuf,
    /// Never unloaded: see [`Library::open`].
    _library: std::mem::ManuallyDrop<libloading::Library>,
}

impl Library {
    /// Loads the library at `path`, or, of a bare file name, the one that the system's loader finds.
    ///
    /// It stays loaded until the process ends: its threads and static objects are not made to go before that.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let failed = |reason: String| Error::MujocoLibrary {
            path: path.to_owned(),
            reason,
        };
        // SAFETY: initialisers of the file run, whatever file it is: the caller names it as libmujoco.
        let library = unsafe { libloading::Library::new(path) }.map_err(|error| failed(with_cause(&error)))?;
        let library = std::mem::ManuallyDrop::new(library);
        let not_mujoco = |name: &str| failed(format!("it has no function {name}, expected libmujoco"));

        // SAFETY: both have had these types since the first release that has them.
        let (version, version_string) = unsafe {
            let version: libloading::Symbol<unsafe extern "C" fn() -> c_int> =
                library.get("mj_version").map_err(|_| not_mujoco("mj_version"))?;
            let string: libloading::Symbol<unsafe extern "C" fn() -> *const c_char> =
                library
                    .get("mj_versionString")
                    .map_err(|_| not_mujoco("mj_versionString"))?;
            (version(), text(string()))
        };
        let wrong_version = || Error::MujocoVersion {
            path: path.to_owned(),
            actual: version_string.clone(),
            oldest: OLDEST.1,
        };
        if version < OLDEST.0 {
            return Err(wrong_version());
        }
        // SAFETY: it says that it is libmujoco, and it is never unloaded.
        let functions = unsafe { Functions::find(&library) }
            .map_err(|name| failed(format!("libmujoco {version_string} has no function {name}")))?;
        for (name, handler) in [
            ("mju_user_error", on_error as Handler),
            ("mju_user_warning", on_warning as Handler),
        ] {
            // SAFETY: a variable of the library, a function pointer that may be null. This crate writes it before its first
            // call and under a lock; one that is set stays. (Somebody else who runs simulations on the same library without
            // a handler of their own would read it meanwhile: MuJoCo has no other way to set it.)
            unsafe {
                let slot: libloading::Symbol<*mut Option<Handler>> = library
                    .get(name)
                    .map_err(|_| failed(format!("libmujoco {version_string} has no {name}")))?;
                let slot: *mut Option<Handler> = *slot;
                if (*slot).is_none() {
                    *slot = Some(handler);
                }
            }
        }
        // SAFETY: as above.
        unsafe { arrays::record_blocks(&library) };
        Ok(Self {
            functions,
            version,
            version_string,
            path: path.to_owned(),
            _library: library,
        })
    }

    /// The version, such as "4.0.0".
    pub(super) fn version(&self) -> &str {
        &self.version_string
    }

    /// Whether the margins of two geoms are summed where they meet, as from 3.5.0 on; before, the larger counted.
    pub(super) fn sums_margins(&self) -> bool {
        self.version >= NEW_LAYOUT
    }

    /// The file it was loaded from.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    fn ctrl_bit(&self) -> c_int {
        if self.version >= NEW_LAYOUT { 1 << 6 } else { 1 << 5 }
    }

    /// Of the forces that are applied to bodies: the next but one.
    fn applied_bit(&self) -> c_int {
        self.ctrl_bit() << 2
    }
}

/// What an error of the loader says, and what is behind it.
fn with_cause(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(cause) => cause.to_string(),
        None => error.to_string(),
    }
}

impl fmt::Debug for Library {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Library")
            .field("path", &self.path)
            .field("version", &self.version_string)
            .finish_non_exhaustive()
    }
}

/// A compiled model. It does not change any more, so that simulations on other threads may share it.
#[derive(Debug)]
pub(super) struct Model {
    library: Arc<Library>,
    raw: NonNull<RawModel>,
    /// Numbers in qpos, qvel, act and ctrl.
    pub(super) nq: usize,
    pub(super) nv: usize,
    pub(super) na: usize,
    pub(super) nu: usize,
    /// Bodies, the world among them.
    pub(super) bodies: usize,
}

// SAFETY: nothing of a model belongs to a thread, and MuJoCo's functions only read it once it is compiled.
unsafe impl Send for Model {}
// SAFETY: as above; no method writes.
unsafe impl Sync for Model {}

impl Model {
    /// Compiles an MJCF or URDF file; what it includes is looked for beside it.
    pub(super) fn from_file(library: &Arc<Library>, file: &Path) -> Result<Self> {
        let failed = |reason: String| Error::MujocoModel {
            file: file.to_owned(),
            reason,
        };
        // Said before MuJoCo says it, so that it is the system's own reason.
        std::fs::metadata(file).map_err(|error| failed(error.to_string()))?;
        let name = c_string(&file.to_string_lossy(), || failed("its name holds a zero byte".into()))?;
        let mut message = Message::default();
        // SAFETY: strings that end in a zero, a message buffer of the length given, no virtual files.
        let raw = guarded(|| unsafe {
            (library.functions.mj_loadXML)(name.as_ptr(), ptr::null(), message.as_mut_ptr(), Message::LENGTH)
        })?;
        let raw = NonNull::new(raw).ok_or_else(|| failed(message.text()))?;
        Self::compiled(library, raw)
    }

    /// Compiles MJCF that needs no other file; `name` is what it is called where it cannot be.
    pub(super) fn from_xml(library: &Arc<Library>, name: &str, xml: &str) -> Result<Self> {
        let failed = |reason: String| Error::MujocoModel {
            file: name.into(),
            reason,
        };
        let xml = c_string(xml, || failed("it holds a zero byte".into()))?;
        let functions = &library.functions;
        let mut message = Message::default();
        // SAFETY: as in `from_file`.
        let spec = guarded(|| unsafe {
            (functions.mj_parseXMLString)(xml.as_ptr(), ptr::null(), message.as_mut_ptr(), Message::LENGTH)
        })?;
        let spec = NonNull::new(spec).ok_or_else(|| failed(message.text()))?;
        // SAFETY: the specification was just made. An error raised in here leaves it to leak: MuJoCo was at work on it.
        let raw = guarded(|| unsafe { (functions.mj_compile)(spec.as_ptr(), ptr::null()) })?;
        let model = NonNull::new(raw).ok_or_else(|| {
            // SAFETY: as above; the text is copied before the specification goes.
            failed(unsafe { text((functions.mjs_getError)(spec.as_ptr())) })
        });
        // SAFETY: nobody has it any more: a model does not point into what it was compiled from.
        guarded(|| unsafe { (functions.mj_deleteSpec)(spec.as_ptr()) })?;
        Self::compiled(library, model?)
    }

    fn compiled(library: &Arc<Library>, raw: NonNull<RawModel>) -> Result<Self> {
        let mut model = Self {
            library: library.clone(),
            raw,
            nq: 0,
            nv: 0,
            na: 0,
            nu: 0,
            bodies: 0,
        };
        model.nq = model.state_size(QPOS)?;
        model.nv = model.state_size(QVEL)?;
        model.na = model.state_size(ACT)?;
        model.nu = model.state_size(library.ctrl_bit())?;
        // A force and a torque each.
        model.bodies = model.state_size(library.applied_bit())? / 6;
        Ok(model)
    }

    /// The library it was compiled by.
    pub(super) fn library(&self) -> &Library {
        &self.library
    }

    fn state_size(&self, signature: c_int) -> Result<usize> {
        // SAFETY: a compiled model, and bits that this version knows.
        let size = guarded(|| unsafe { (self.library.functions.mj_stateSize)(self.raw.as_ptr(), signature) })?;
        Ok(usize::try_from(size).unwrap_or(0))
    }

    /// The index of the body of a name.
    pub(super) fn body(&self, name: &str) -> Result<Option<usize>> {
        let name = c_string(name, || Error::Mujoco {
            reason: "the name of a body holds a zero byte".into(),
        })?;
        // SAFETY: a compiled model, and a string that ends in a zero.
        let index = guarded(|| unsafe { (self.library.functions.mj_name2id)(self.raw.as_ptr(), BODY, name.as_ptr()) })?;
        Ok(usize::try_from(index).ok())
    }

    /// Writes every number of the model to `file`, as text in full precision.
    pub(super) fn print(&self, file: &Path) -> Result<()> {
        let name = c_string(&file.to_string_lossy(), || Error::Mujoco {
            reason: "the name of the file to print to holds a zero byte".into(),
        })?;
        // SAFETY: a compiled model; strings that end in a zero; the format takes one double.
        guarded(|| unsafe {
            (self.library.functions.mj_printFormattedModel)(self.raw.as_ptr(), name.as_ptr(), FULL_PRECISION.as_ptr());
        })
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        // SAFETY: made by `mj_loadXML` or `mj_compile`, deleted once; every `Data` holds on to its model.
        let _ = guarded(|| unsafe { (self.library.functions.mj_deleteModel)(self.raw.as_ptr()) });
    }
}

/// A simulation of a model.
#[derive(Debug)]
pub(super) struct Data {
    model: Arc<Model>,
    raw: NonNull<RawData>,
    /// The memory that its arrays lie in, where it is known.
    buffer: Option<arrays::Block>,
    /// An error of MuJoCo left it in a state that nobody knows.
    broken: bool,
}

// SAFETY: MuJoCo keeps nothing of a simulation with a thread; only the owner has it, its buffer too, and calls take `&mut`.
unsafe impl Send for Data {}

impl Data {
    /// A simulation at the model's own start.
    pub(super) fn new(model: Arc<Model>) -> Result<Self> {
        // SAFETY: a compiled model.
        let make = || guarded(|| unsafe { (model.library.functions.mj_makeData)(model.raw.as_ptr()) });
        let (raw, buffer) = arrays::buffer_of(make);
        let raw = raw?;
        let raw = NonNull::new(raw).ok_or_else(|| Error::Mujoco {
            reason: "no memory for a simulation".into(),
        })?;
        Ok(Self {
            model,
            raw,
            buffer,
            broken: false,
        })
    }

    /// The model.
    pub(super) fn model(&self) -> &Model {
        &self.model
    }

    /// Back to the model's own start: time, position, velocity, and what the solver remembers.
    pub(super) fn reset(&mut self) -> Result<()> {
        self.call(|functions, model, data| {
            // SAFETY: the simulation and the model it was made for.
            unsafe { (functions.mj_resetData)(model, data) }
        })
    }

    /// All that follows from position and velocity, without moving.
    pub(super) fn forward(&mut self) -> Result<()> {
        self.call(|functions, model, data| {
            // SAFETY: the simulation and the model it was made for.
            unsafe { (functions.mj_forward)(model, data) }
        })
    }

    /// `count` time steps.
    pub(super) fn step(&mut self, count: usize) -> Result<()> {
        self.call(|functions, model, data| {
            for _ in 0..count {
                // SAFETY: the simulation and the model it was made for.
                unsafe { (functions.mj_step)(model, data) }
            }
        })
    }

    /// The forces on bodies, which a step does not calculate where nothing in the model asks for them.
    pub(super) fn rne_post_constraint(&mut self) -> Result<()> {
        self.call(|functions, model, data| {
            // SAFETY: the simulation and the model it was made for.
            unsafe { (functions.mj_rnePostConstraint)(model, data) }
        })
    }

    /// Where a body's origin is in the world: `xpos`.
    pub(super) fn place(&mut self, body: usize) -> Result<[f64; 3]> {
        assert!(body < self.model.bodies, "a body of the model");
        let (mut place, mut turn) = ([0.0; 3], [0.0; 9]);
        self.call(|functions, _, data| {
            let (origin, upright) = ([0.0; 3], [1.0, 0.0, 0.0, 0.0]);
            // SAFETY: the simulation, a body that it has, and arrays of the lengths of a place, a matrix and a quaternion; 0 is
            // a frame of its own, neither the body's nor that of its mass.
            unsafe {
                (functions.mj_local2Global)(
                    data,
                    place.as_mut_ptr(),
                    turn.as_mut_ptr(),
                    origin.as_ptr(),
                    upright.as_ptr(),
                    body as c_int,
                    0,
                );
            }
        })?;
        Ok(place)
    }

    /// Sets force and torque on every body, (6 a body).
    fn set_applied(&mut self, applied: &[f64]) -> Result<()> {
        self.set(Part::Applied, applied)
    }

    /// Seconds since the start.
    pub(super) fn time(&mut self) -> Result<f64> {
        let mut time = [0.0];
        self.get(Part::Time, &mut time)?;
        Ok(time[0])
    }

    /// Position and velocity, (nq + nv).
    pub(super) fn state(&mut self, state: &mut [f64]) -> Result<()> {
        self.get(Part::State, state)
    }

    /// Sets position and velocity, (nq + nv).
    pub(super) fn set_state(&mut self, state: &[f64]) -> Result<()> {
        self.set(Part::State, state)
    }

    /// Sets the controls, (nu).
    pub(super) fn set_ctrl(&mut self, ctrl: &[f64]) -> Result<()> {
        self.set(Part::Ctrl, ctrl)
    }

    /// The bits of a part, and how many numbers it is: what `mj_stateSize` said when the model was compiled.
    fn part(&self, part: Part) -> (c_int, usize) {
        let model = &self.model;
        match part {
            Part::Time => (TIME, 1),
            Part::State => (QPOS | QVEL, model.nq + model.nv),
            Part::Ctrl => (model.library.ctrl_bit(), model.nu),
            Part::Applied => (model.library.applied_bit(), 6 * model.bodies),
        }
    }

    fn get(&mut self, part: Part, into: &mut [f64]) -> Result<()> {
        let (signature, size) = self.part(part);
        assert_eq!(into.len(), size, "as long as the part");
        self.call(|functions, model, data| {
            // SAFETY: as above, and room for as many numbers as are written.
            unsafe { (functions.mj_getState)(model, data, into.as_mut_ptr(), signature) }
        })
    }

    fn set(&mut self, part: Part, from: &[f64]) -> Result<()> {
        let (signature, size) = self.part(part);
        assert_eq!(from.len(), size, "as long as the part");
        self.call(|functions, model, data| {
            // SAFETY: as above, and as many numbers as are read.
            unsafe { (functions.mj_setState)(model, data, from.as_ptr(), signature) }
        })
    }

    fn call(&mut self, call: impl FnOnce(&Functions, *const RawModel, *mut RawData)) -> Result<()> {
        if self.broken {
            return Err(Error::Mujoco {
                reason: "an earlier error has broken this simulation; make the environment anew".into(),
            });
        }
        let (functions, model, data) = (
            &self.model.library.functions,
            self.model.raw.as_ptr(),
            self.raw.as_ptr(),
        );
        let result = guarded(|| call(functions, model, data));
        self.broken = result.is_err();
        result
    }
}

impl Drop for Data {
    fn drop(&mut self) {
        // A broken one is left to leak: MuJoCo would look into it.
        if !self.broken {
            // SAFETY: made by `mj_makeData`, deleted once.
            let _ = guarded(|| unsafe { (self.model.library.functions.mj_deleteData)(self.raw.as_ptr()) });
        }
    }
}

/// Where MuJoCo writes what is wrong with a model.
struct Message([u8; Self::LENGTH as usize]);

impl Message {
    const LENGTH: c_int = 1000;

    fn as_mut_ptr(&mut self) -> *mut c_char {
        self.0.as_mut_ptr().cast()
    }

    fn text(&self) -> String {
        let end = self.0.iter().position(|&byte| byte == 0).unwrap_or(self.0.len());
        one_line(&String::from_utf8_lossy(&self.0[..end]))
    }
}

impl Default for Message {
    fn default() -> Self {
        Self([0; Self::LENGTH as usize])
    }
}

fn c_string(text: &str, error: impl FnOnce() -> Error) -> Result<CString> {
    CString::new(text).map_err(|_| error())
}

pub(super) mod arrays;

#[cfg(test)]
mod tests;
