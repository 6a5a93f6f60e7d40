//! [`PoolOptions`]: threads to plan on, pinned to cores and at a real-time priority where the system lets them.

use crate::error::{Error, Result};
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::fmt;
use std::sync::Arc;

/// What threads to plan on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolOptions {
    /// How many.
    pub threads: usize,
    /// Each on a core of its own, from the last one down: interrupts are often served by the first.
    pub pin: bool,
    /// Before every process of ordinary priority: Linux's `SCHED_FIFO` at the lowest of its priorities, so that whatever else is
    /// real-time goes first; elsewhere the highest priority there is. Linux grants it to root, to `CAP_SYS_NICE`, and within
    /// `ulimit -r`.
    pub realtime: bool,
}

/// Whether the system gave what was asked of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Granted {
    /// Nobody asked.
    NotAsked,
    /// It did, to every thread.
    Yes,
    /// It did not, and why.
    No(String),
}

impl fmt::Display for Granted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAsked => f.write_str("not asked for"),
            Self::Yes => f.write_str("yes"),
            Self::No(reason) => write!(f, "not possible: {reason}"),
        }
    }
}

/// A pool, and what its threads were granted: what was not is said here rather than being an error.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PlanningPool {
    /// The threads.
    pub pool: Arc<ThreadPool>,
    /// Whether they are pinned.
    pub pinned: Granted,
    /// Whether they are real-time.
    pub realtime: Granted,
}

impl PoolOptions {
    /// So many threads, neither pinned nor real-time.
    pub fn new(threads: usize) -> Self {
        Self {
            threads,
            pin: false,
            realtime: false,
        }
    }

    /// Starts the threads.
    ///
    /// # Errors
    /// [`Error::Threads`] if they cannot be started.
    pub fn build(self) -> Result<PlanningPool> {
        let threads = self.threads;
        let refuse = |reason: String| Error::Threads { threads, reason };
        if threads == 0 {
            return Err(refuse("expected at least one".into()));
        }
        let pool = ThreadPoolBuilder::new().num_threads(threads).build();
        let pool = pool.map_err(|error| refuse(error.to_string()))?;
        let granted = |asked: bool, each: &(dyn Fn(usize) -> std::result::Result<(), String> + Sync)| match asked {
            false => Granted::NotAsked,
            true => match pool
                .broadcast(|context| each(context.index()))
                .into_iter()
                .find_map(|one| one.err())
            {
                None => Granted::Yes,
                Some(reason) => Granted::No(reason),
            },
        };
        let pinned = granted(self.pin, &system::pin);
        let realtime = granted(self.realtime, &|_| system::realtime());
        Ok(PlanningPool {
            pool: Arc::new(pool),
            pinned,
            realtime,
        })
    }
}

#[cfg(feature = "realtime")]
mod system {
    /// Pins the thread that calls to the core that thread `index` of a pool is to have.
    pub(super) fn pin(index: usize) -> Result<(), String> {
        let cores = core_affinity::get_core_ids().unwrap_or_default();
        let core = cores.iter().rev().nth(index).copied();
        let none = || format!("no core for thread {} of {} usable ones", index + 1, cores.len());
        let core = core.ok_or_else(none)?;
        match core_affinity::set_for_current(core) {
            true => Ok(()),
            false => Err(format!("the system refuses core {}", core.id)),
        }
    }

    /// Makes the thread that calls real-time.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(super) fn realtime() -> Result<(), String> {
        use thread_priority::{
            RealtimeThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy, set_thread_priority_and_policy,
            thread_native_id,
        };
        let policy = ThreadSchedulePolicy::Realtime(RealtimeThreadSchedulePolicy::Fifo);
        let set = set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, policy);
        set.map_err(|error| match error {
            thread_priority::Error::OS(code) => {
                let reason = std::io::Error::from_raw_os_error(code);
                format!("{reason}; Linux grants it to root, to CAP_SYS_NICE and within ulimit -r")
            }
            other => format!("{other:?}"),
        })
    }

    /// Makes the thread that calls go first.
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    pub(super) fn realtime() -> Result<(), String> {
        let set = thread_priority::ThreadPriority::Max.set_for_current();
        set.map_err(|error| format!("{error:?}"))
    }
}

#[cfg(not(feature = "realtime"))]
mod system {
    const WITHOUT: &str = "built without the feature `realtime` of diffplan-pipelines";

    pub(super) fn pin(_: usize) -> Result<(), String> {
        Err(WITHOUT.into())
    }

    pub(super) fn realtime() -> Result<(), String> {
        Err(WITHOUT.into())
    }
}
