//! [`Desk`]: whose turn it is to plan.

use crate::metrics::Metrics;
use crate::problem::Problem;
use crate::settings::Settings;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// So many plans at a time, and so many that wait, first come, first served.
#[derive(Clone)]
pub(crate) struct Desk {
    running: Arc<Semaphore>,
    /// Of those that wait and those that run, but for episodes, of which there are few.
    places: Arc<Semaphore>,
    metrics: Arc<Metrics>,
}

/// A turn: until it is dropped nobody else has it.
pub(crate) struct Turn {
    _running: OwnedSemaphorePermit,
    _place: Option<OwnedSemaphorePermit>,
    metrics: Arc<Metrics>,
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.metrics.running.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Counted while it waits, also by who gives up waiting.
struct Waiting<'a>(&'a Metrics);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Desk {
    pub(crate) fn new(settings: &Settings, metrics: Arc<Metrics>) -> Self {
        let most = |count: usize| Arc::new(Semaphore::new(count.min(Semaphore::MAX_PERMITS)));
        Self {
            running: most(settings.plans),
            places: most(settings.plans.saturating_add(settings.queue)),
            metrics,
        }
    }

    /// Waits for a turn, unless as many wait already as may.
    pub(crate) async fn turn(&self) -> Result<Turn, Problem> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| {
            let message = "as many plans wait for their turn as may; ask again later";
            Problem::busy(message, self.metrics.seconds_of_queue())
        })?;
        self.take(Some(place)).await
    }

    /// A turn of an episode, which waits as long as it takes.
    pub(crate) async fn turn_of_episode(&self) -> Result<Turn, Problem> {
        self.take(None).await
    }

    async fn take(&self, place: Option<OwnedSemaphorePermit>) -> Result<Turn, Problem> {
        self.metrics.waiting.fetch_add(1, Ordering::Relaxed);
        let waiting = Waiting(&self.metrics);
        let running = Arc::clone(&self.running).acquire_owned().await;
        drop(waiting);
        // It is never closed.
        let running = running.map_err(|_| Problem::cancelled())?;
        self.metrics.running.fetch_add(1, Ordering::Relaxed);
        Ok(Turn {
            _running: running,
            _place: place,
            metrics: Arc::clone(&self.metrics),
        })
    }
}
