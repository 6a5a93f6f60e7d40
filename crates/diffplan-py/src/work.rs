//! Work on threads of one's own, while the thread of Python that asked for it waits, without the GIL, and hears of signals.

use crate::errors::{OrRaise, Trouble};
use diffplan::pipelines;
use diffplan::pipelines::deadline::{CancelToken, PoolOptions};
use pyo3::prelude::*;
use rayon::ThreadPool;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

/// How often the waiting thread looks whether somebody pressed Ctrl-C.
pub(crate) const LOOK: Duration = Duration::from_millis(10);

/// Threads, and the process that they run in.
///
/// A forked child inherits this, but none of the threads: there it is [of no use](Self::is_alive) and, dropped, leaves alone what it cannot
/// end.
#[derive(Debug)]
pub(crate) struct Pool {
    threads: Option<Arc<ThreadPool>>,
    process: u32,
}

impl Pool {
    /// So many threads; as many as there are cores, or as `RAYON_NUM_THREADS` says, where nobody says.
    pub(crate) fn new(threads: Option<usize>) -> PyResult<Self> {
        let threads = match threads {
            Some(threads) => PoolOptions::new(threads).build().or_raise()?.pool,
            None => {
                let built = rayon::ThreadPoolBuilder::new().build().map_err(|error| pipelines::Error::Threads {
                    threads: 0,
                    reason: error.to_string(),
                });
                Arc::new(built.or_raise()?)
            }
        };
        Ok(Self {
            threads: Some(threads),
            process: std::process::id(),
        })
    }

    /// Whether the threads run in this process.
    pub(crate) fn is_alive(&self) -> bool {
        self.process == std::process::id()
    }

    pub(crate) fn threads(&self) -> Option<Arc<ThreadPool>> {
        self.threads.clone().filter(|_| self.is_alive())
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        if !self.is_alive() {
            // Ending them would wait for locks that they may have held when the process was forked.
            std::mem::forget(self.threads.take());
        }
    }
}

/// A fault of ours, as an exception.
pub(crate) fn internal(message: String) -> PyErr {
    Trouble::new("InternalError", "internal", message).into()
}

/// `job` on `pool`. Ctrl-C, or any handler of a signal that raises, is raised here at once; `cancel` tells the job.
pub(crate) fn run<T: Send + 'static>(
    py: Python<'_>,
    pool: &Pool,
    cancel: &CancelToken,
    job: impl FnOnce() -> T + Send + 'static,
) -> PyResult<T> {
    let Some(threads) = pool.threads() else {
        return Err(internal("threads of another process were to be used".into()));
    };
    let (send, receive) = sync_channel(1);
    threads.spawn(move || {
        // A receiver that is gone has raised: nobody is interested.
        let _ = send.send(catch_unwind(AssertUnwindSafe(job)));
    });
    py.detach(move || {
        loop {
            match receive.recv_timeout(LOOK) {
                Ok(Ok(made)) => return Ok(made),
                Ok(Err(panic)) => return Err(internal(told(&*panic))),
                Err(RecvTimeoutError::Disconnected) => return Err(internal("a thread ended before its time".into())),
                Err(RecvTimeoutError::Timeout) => {
                    if let Err(raised) = Python::attach(|py| py.check_signals()) {
                        cancel.cancel();
                        return Err(raised);
                    }
                }
            }
        }
    })
}

/// `work`, whose panics are exceptions.
pub(crate) fn caught<T>(work: impl FnOnce() -> PyResult<T>) -> PyResult<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(internal(told(&*panic))))
}

/// `work` without the GIL, whose panics are exceptions.
pub(crate) fn apart<T: Send>(py: Python<'_>, work: impl FnOnce() -> PyResult<T> + Send) -> PyResult<T> {
    py.detach(|| caught(work))
}

/// What a panic said.
pub(crate) fn told(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    format!(
        "diffplan has a fault, please report it: {}",
        text.unwrap_or_else(|| "a panic without a message".into())
    )
}
