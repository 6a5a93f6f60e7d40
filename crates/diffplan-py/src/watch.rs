//! Work that takes long: watched by the thread of Python that asked for it, and brought to a good end when that is interrupted.
//!
//! A plan that is interrupted is given up ([`crate::work::run`]); what takes hours is not: it is told to stop, saves what it has, and only
//! then the interruption is raised.

use crate::work::{LOOK, Pool, internal, told};
use pyo3::prelude::*;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};

/// Between a job and who watches it: a wish to stop, and how far it is.
#[derive(Debug, Default)]
pub(crate) struct Watch<T> {
    stop: AtomicBool,
    at: Mutex<(u64, T)>,
}

impl<T: Clone> Watch<T> {
    /// Whether the job is to stop.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Says how far the job is.
    pub(crate) fn say(&self, change: impl FnOnce(&mut T)) {
        let mut at = self.at.lock().unwrap_or_else(PoisonError::into_inner);
        at.0 += 1;
        change(&mut at.1);
    }

    /// What was said last, if that was after `seen` times, which is set.
    pub(crate) fn news(&self, seen: &mut u64) -> Option<T> {
        let at = self.at.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = at.0 > *seen;
        *seen = at.0;
        is_new.then(|| at.1.clone())
    }
}

/// What came of a job, and what was raised meanwhile: by a signal, or by `look`.
pub(crate) type Watched<T> = (T, Option<PyErr>);

/// `job` on `pool`, while this thread looks every 10 ms for signals, and calls `look`. What is raised sets `watch` to stop, and is returned when
/// the job has ended; a second signal that raises does not wait for that.
pub(crate) fn watched<T: Send + 'static, S: Clone>(
    py: Python<'_>,
    pool: &Pool,
    watch: &Watch<S>,
    job: impl FnOnce() -> T + Send + 'static,
    look: &mut dyn FnMut(Python<'_>) -> PyResult<()>,
) -> PyResult<Watched<T>> {
    let Some(threads) = pool.threads() else {
        return Err(internal("threads of another process were to be used".into()));
    };
    let (send, mut receive) = sync_channel(1);
    threads.spawn(move || {
        // A receiver that is gone has raised twice: nobody is interested.
        let _ = send.send(catch_unwind(AssertUnwindSafe(job)));
    });
    let mut raised = None;
    loop {
        let received;
        (received, receive) = py.detach(move || (receive.recv_timeout(LOOK), receive));
        match received {
            Ok(Ok(made)) => return Ok((made, raised)),
            Ok(Err(panic)) => return Err(internal(told(&*panic))),
            Err(RecvTimeoutError::Disconnected) => return Err(internal("a thread ended before its time".into())),
            Err(RecvTimeoutError::Timeout) => {}
        }
        let looked = py.check_signals();
        match (looked, &raised) {
            (Err(again), Some(_)) => return Err(again),
            (Err(error), None) => raised = Some(error),
            (Ok(()), None) => raised = look(py).err(),
            (Ok(()), Some(_)) => {}
        }
        if raised.is_some() {
            watch.stop.store(true, Ordering::Relaxed);
        }
    }
}
