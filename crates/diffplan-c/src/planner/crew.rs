//! [`Crew`]: the threads of a planner, which end with it.

use crate::status::{Fault, Result, Status};
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::sync::{Arc, Barrier, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// More threads than any machine has use for in one plan.
const MOST: usize = 1024;

/// A rayon pool, and the handles of its threads.
#[derive(Debug)]
pub(super) struct Crew {
    pool: Option<Arc<ThreadPool>>,
    threads: Vec<JoinHandle<()>>,
}

impl Crew {
    /// So many threads; for 0 as many as there are cores, or as RAYON_NUM_THREADS says. Each has taken work from others once, for which they allocate.
    pub(super) fn start(threads: usize) -> Result<Self> {
        if threads > MOST {
            return Err(Fault::new(
                Status::Value,
                format!("threads is {threads}, expected at most {MOST}, or 0 for one a core"),
            ));
        }
        let handles = Mutex::new(Vec::new());
        let built = ThreadPoolBuilder::new()
            .num_threads(threads)
            .spawn_handler(|thread| {
                let name = format!("diffplan-{}", thread.index());
                let handle = std::thread::Builder::new().name(name).spawn(|| thread.run())?;
                handles.lock().unwrap_or_else(PoisonError::into_inner).push(handle);
                Ok(())
            })
            .build();
        let started = handles.into_inner().unwrap_or_else(PoisonError::into_inner);
        let pool = built.map_err(|error| {
            Fault::new(
                Status::Threads,
                format!("cannot start {threads} threads to plan on: {error}"),
            )
        })?;
        let crew = Self {
            pool: Some(Arc::new(pool)),
            threads: started,
        };
        crew.warm();
        Ok(crew)
    }

    pub(super) fn pool(&self) -> Option<&Arc<ThreadPool>> {
        self.pool.as_ref()
    }

    /// Lets every thread take work from another: a thread registers for that in memory of its own, which no plan is to wait for.
    fn warm(&self) {
        let Some(pool) = &self.pool else { return };
        let threads = pool.current_num_threads();
        if threads == 1 {
            return;
        }
        let together = Barrier::new(threads);
        pool.install(|| {
            let own = rayon::current_thread_index();
            rayon::scope(|scope| {
                for _ in 0..threads {
                    scope.spawn(|_| {
                        // Nobody passes before all are here: so each has one, and all but this thread took theirs from it.
                        together.wait();
                        if rayon::current_thread_index() != own {
                            // While this thread waits for the others, it looks at theirs.
                            std::thread::sleep(Duration::from_millis(1));
                        }
                    });
                }
            });
        });
    }
}

impl Drop for Crew {
    /// Waits until the threads have ended. Whatever else holds the pool is gone by then.
    fn drop(&mut self) {
        drop(self.pool.take());
        for thread in self.threads.drain(..) {
            // A thread that panicked has ended too.
            let _ = thread.join();
        }
    }
}
