//! Episodes: the environment played with the planner in the loop, in real time, looked at and steered while it runs.
//!
//! Each has a thread of its own ([`player`]), which takes its turn at planning as requests do. What it shows is the newest frame and nothing
//! but that: a client that is slow misses frames, and nobody waits for it. What it is told ([`control`]) it heeds between two steps.

mod control;
mod frame;
mod looking;
mod player;
mod routes;

pub(crate) use control::Episode;
pub(crate) use routes::{about, begin, change, end, events, reset, step};

use crate::metrics::Metrics;
use crate::problem::Problem;
use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Who has not been looked at for so long may have to make room.
const ALONE: Duration = Duration::from_secs(2);

/// All episodes, by what they are called.
pub(crate) struct Episodes {
    most: usize,
    all: Mutex<HashMap<String, Arc<Episode>>>,
    metrics: Arc<Metrics>,
}

impl Episodes {
    pub(crate) fn new(most: usize, metrics: Arc<Metrics>) -> Self {
        Self {
            most,
            all: Mutex::default(),
            metrics,
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Episode>>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, id: &str) -> Result<Arc<Episode>, Problem> {
        let found = self.lock().get(id).map(Arc::clone);
        found.ok_or_else(|| {
            Problem::not_found("there is no such episode: it was ended, or nobody looked at it for too long")
        })
    }

    /// Adds one, if there is room. One that nobody has looked at for a while gives its place up: whoever left in a hurry ended nothing.
    fn add(&self, episode: &Arc<Episode>) -> Result<(), Problem> {
        let mut all = self.lock();
        if all.len() >= self.most {
            let alone = all.values().filter_map(|one| Some((one.alone_for()?, Arc::clone(one))));
            let longest = alone.max_by_key(|(time, _)| *time).filter(|(time, _)| *time >= ALONE);
            match longest {
                Some((_, longest)) => {
                    longest.close();
                    all.remove(longest.id());
                }
                None => {
                    let message = format!(
                        "{} episodes run, as many as may; end one (DELETE), or come again later",
                        all.len()
                    );
                    return Err(Problem::busy(message, 5));
                }
            }
        }
        all.insert(episode.id().to_owned(), Arc::clone(episode));
        self.metrics.episodes.store(all.len() as i64, Ordering::Relaxed);
        Ok(())
    }

    fn remove(&self, id: &str) {
        let mut all = self.lock();
        all.remove(id);
        self.metrics.episodes.store(all.len() as i64, Ordering::Relaxed);
    }

    /// Ends all of them.
    pub(crate) fn close(&self) {
        self.lock().values().for_each(|episode| episode.close());
    }
}
