//! [`Status`]: what came of a call.

use diffplan::{data, eval, files, models, pipelines, schedulers};
use std::ffi::{CStr, c_char};

/// What came of a call. Numbers keep their meaning; later versions may have more.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Status {
    /// All went well.
    Ok = 0,
    /// A pointer is NULL where none may be.
    Null = 1,
    /// A text is not UTF-8.
    Text = 2,
    /// A buffer has another number of elements than expected; of texts, too few.
    Size = 3,
    /// A number is none that is expected there: of a part, of noise, of seconds, of threads, or a pointer that is not aligned.
    Value = 4,
    /// An option of an unknown name, or with a value that makes no plan.
    Option = 5,
    /// A file is not there, or cannot be read.
    File = 6,
    /// A checkpoint lacks something, is damaged, or makes no plan.
    Checkpoint = 7,
    /// An observation, a goal or another condition that cannot be imposed: NaN, out of range, twice the same, beyond the horizon.
    Condition = 8,
    /// Numbers of a plan are no longer finite.
    Diverged = 9,
    /// Not even the cheapest plan is to be expected within the time given; none was begun.
    Deadline = 10,
    /// The plan was cancelled.
    Cancelled = 11,
    /// Another thread is in a call with the planner.
    Busy = 12,
    /// There is no plan to tell of: none was made yet, or the last one failed.
    NoPlan = 13,
    /// There is no episode to act in: diffplan_planner_reset begins one.
    NoEpisode = 14,
    /// Threads cannot be had.
    Threads = 15,
    /// The planner was made by another process: after fork() it is its parent's.
    Forked = 16,
    /// The program was compiled for another ABI version.
    Abi = 17,
    /// A fault of diffplan, please report it. The planner in which it occurred refuses everything but to be freed.
    Internal = 18,
    /// Anything else that the text tells.
    Other = 19,
}

impl Status {
    const ALL: [Self; 20] = [
        Self::Ok,
        Self::Null,
        Self::Text,
        Self::Size,
        Self::Value,
        Self::Option,
        Self::File,
        Self::Checkpoint,
        Self::Condition,
        Self::Diverged,
        Self::Deadline,
        Self::Cancelled,
        Self::Busy,
        Self::NoPlan,
        Self::NoEpisode,
        Self::Threads,
        Self::Forked,
        Self::Abi,
        Self::Internal,
        Self::Other,
    ];

    fn name(self) -> &'static CStr {
        match self {
            Self::Ok => c"ok",
            Self::Null => c"null pointer",
            Self::Text => c"not UTF-8",
            Self::Size => c"wrong size",
            Self::Value => c"wrong value",
            Self::Option => c"wrong option",
            Self::File => c"file trouble",
            Self::Checkpoint => c"checkpoint trouble",
            Self::Condition => c"impossible condition",
            Self::Diverged => c"diverged",
            Self::Deadline => c"not enough time",
            Self::Cancelled => c"cancelled",
            Self::Busy => c"busy",
            Self::NoPlan => c"no plan",
            Self::NoEpisode => c"no episode",
            Self::Threads => c"no threads",
            Self::Forked => c"another process's",
            Self::Abi => c"another ABI version",
            Self::Internal => c"internal fault",
            Self::Other => c"other trouble",
        }
    }
}

/// The name of a status, in a few words; `unknown status` for a number that is none. Valid for ever. Takes the number, so that any may be asked for.
#[unsafe(no_mangle)]
pub extern "C" fn diffplan_status_name(status: i32) -> *const c_char {
    let known = Status::ALL.into_iter().find(|known| *known as i32 == status);
    known.map_or(c"unknown status", Status::name).as_ptr()
}

/// Why a call fails.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) status: Status,
    pub(crate) message: String,
}

/// A result whose error goes out as a status and a text.
pub(crate) type Result<T> = std::result::Result<T, Fault>;

impl Fault {
    pub(crate) fn new(status: Status, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
        }
    }
}

impl From<files::FileError> for Fault {
    fn from(error: files::FileError) -> Self {
        let status = match error.kind() {
            files::ErrorKind::Malformed | files::ErrorKind::WrongContent => Status::Checkpoint,
            _ => Status::File,
        };
        Self::new(status, error.to_string())
    }
}

impl From<pipelines::Error> for Fault {
    fn from(error: pipelines::Error) -> Self {
        use pipelines::Error as E;
        let status = match error {
            E::File(error) => return error.into(),
            E::Model(error) => return error.into(),
            E::Scheduler(error) => return error.into(),
            E::Normalizer(error) => return error.into(),
            E::Network {
                error: models::Error::Horizon { .. } | models::Error::HorizonChanges { .. },
                ..
            } => Status::Option,
            E::Network { .. } | E::Missing { .. } | E::Config { .. } | E::Refused { .. } => Status::Checkpoint,
            E::Option { .. } | E::NoGuide { .. } => Status::Option,
            E::Condition { .. } | E::NoGoal { .. } | E::Start { .. } | E::Infeasible { .. } => Status::Condition,
            E::Diverged { .. } => Status::Diverged,
            E::Deadline { .. } => Status::Deadline,
            E::Cancelled { .. } => Status::Cancelled,
            E::Threads { .. } => Status::Threads,
            _ => Status::Other,
        };
        Self::new(status, error.to_string())
    }
}

impl From<models::Error> for Fault {
    fn from(error: models::Error) -> Self {
        use models::Error as E;
        let status = match error {
            E::File(error) => return error.into(),
            E::Config { .. } | E::Parameters(_) => Status::Checkpoint,
            E::Horizon { .. } | E::HorizonChanges { .. } => Status::Option,
            _ => Status::Other,
        };
        Self::new(status, error.to_string())
    }
}

impl From<schedulers::Error> for Fault {
    fn from(error: schedulers::Error) -> Self {
        use schedulers::Error as E;
        let status = match error {
            E::File(error) => return error.into(),
            E::InFile { .. } => Status::Checkpoint,
            E::NotFinite { .. } => Status::Diverged,
            // A scheduler by name, or steps that it has not: an option says both.
            _ => Status::Option,
        };
        Self::new(status, error.to_string())
    }
}

impl From<data::Error> for Fault {
    fn from(error: data::Error) -> Self {
        match error {
            data::Error::Content(error) => error.into(),
            other => Self::new(Status::Checkpoint, other.to_string()),
        }
    }
}

impl From<eval::Error> for Fault {
    fn from(error: eval::Error) -> Self {
        use eval::Error as E;
        let status = match error {
            E::Pipeline(error) => return error.into(),
            E::Data(error) => return error.into(),
            E::File(error) => return error.into(),
            // There is one slot.
            E::InSlot { error, .. } => return (*error).into(),
            E::Setting { .. } | E::Parts(_) | E::Unknown { .. } => Status::Option,
            _ => Status::Other,
        };
        Self::new(status, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_fixed_and_named() {
        for (number, status) in Status::ALL.into_iter().enumerate() {
            assert_eq!(status as usize, number);
        }
        // SAFETY: what the function returns is a static text.
        let name = |status| unsafe { CStr::from_ptr(diffplan_status_name(status)) };
        assert_eq!(name(Status::Cancelled as i32), c"cancelled");
        for number in [-1, 20, i32::MAX, i32::MIN] {
            assert_eq!(name(number), c"unknown status");
        }
    }
}
