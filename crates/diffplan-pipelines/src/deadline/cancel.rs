//! [`CancelToken`]: a plan is called off from another thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Calls off plans, from any thread: clones are the same token. It is looked at before every visit, so a plan ends at most one visit
/// after it was cancelled; and it stays cancelled until it is [`reset`](Self::reset).
#[derive(Clone, Debug, Default)]
pub struct CancelToken(Arc<AtomicBool>);

impl CancelToken {
    /// A token that is not cancelled.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Calls off the plan in the making, and those that are asked for from now on.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether it is cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// Lets plans be made again.
    pub fn reset(&self) {
        self.0.store(false, Ordering::Release);
    }
}
