//! [`diffplan_set_log`]: what there is to say that is no failure.

use crate::boundary;
use crate::status::{Fault, Status};
use std::ffi::{CString, c_char, c_void};
use std::sync::{PoisonError, RwLock};

/// How much a message matters.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Level {
    /// What was done: deadlines of plans, as they were kept.
    Debug = 0,
    /// What is good to know: notes on a checkpoint, what plans were measured to cost.
    Info = 1,
    /// What is almost surely wrong, with the remedy: findings of `diffplan inspect`, observations far from all that was trained on, plans that were late.
    Warning = 2,
}

/// What is called with a message: its level (a diffplan_level), its text, valid during the call alone, and the pointer that it was set with. It is called on the
/// thread that called diffplan, by several at once if there are several, before their call returns. It must return (no exception, no longjmp), and may
/// call anything of diffplan.
pub type LogFunction = Option<unsafe extern "C" fn(level: i32, message: *const c_char, user: *mut c_void)>;

#[derive(Clone, Copy)]
struct Log {
    least: i32,
    function: unsafe extern "C" fn(i32, *const c_char, *mut c_void),
    user: *mut c_void,
}

// SAFETY: the pointer is handed back to the function and never looked at; that both may be used from any thread is what diffplan_set_log asks for.
unsafe impl Send for Log {}
// SAFETY: as above.
unsafe impl Sync for Log {}

static LOG: RwLock<Option<Log>> = RwLock::new(None);

/// What is listened by, for messages of this level.
fn listener(level: Level) -> Option<Log> {
    let log = *LOG.read().unwrap_or_else(PoisonError::into_inner);
    log.filter(|log| log.least <= level as i32)
}

/// Says something, if anybody listens: the message is made only then.
pub(crate) fn say(level: Level, message: impl FnOnce() -> String) {
    let Some(log) = listener(level) else { return };
    let Ok(text) = CString::new(message().replace('\0', "")) else {
        return;
    };
    // SAFETY: a function of this type was set; the text is valid during the call, and the pointer is the one that it was set with. No lock is held.
    unsafe { (log.function)(level as i32, text.as_ptr(), log.user) };
}

/// Sets what is called with messages of `least_level` (a diffplan_level) and above, for the whole process; NULL for nothing, as it is at first. `user` is handed to
/// it as it is. A call that is under way on another thread while this returns may still say something by what was set before. What is set is
/// used from every thread that calls diffplan.
#[unsafe(no_mangle)]
pub extern "C" fn diffplan_set_log(least_level: i32, function: LogFunction, user: *mut c_void) -> Status {
    boundary::run(|| {
        if !(Level::Debug as i32..=Level::Warning as i32).contains(&least_level) {
            return Err(Fault::new(
                Status::Value,
                format!("least_level is {least_level}, expected 0 (debug), 1 (info) or 2 (warning)"),
            ));
        }
        let log = function.map(|function| Log {
            least: least_level,
            function,
            user,
        });
        *LOG.write().unwrap_or_else(PoisonError::into_inner) = log;
        Ok(())
    })
}
