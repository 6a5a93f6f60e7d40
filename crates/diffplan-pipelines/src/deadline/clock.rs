//! [`Clock`]: what a deadline is held against.

use std::time::{Duration, Instant};

/// A clock that never goes back. A trait, so that a simulation can plan in its own time and a test can drive time by hand.
pub trait Clock: std::fmt::Debug + Send + Sync {
    /// Time since some moment that stays the same.
    fn now(&self) -> Duration;
}

/// The system's monotonic clock.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock(Instant);

impl Default for SystemClock {
    fn default() -> Self {
        Self(Instant::now())
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }
}
