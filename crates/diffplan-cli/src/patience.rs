//! Bars on stderr for who has waited for two seconds.

use diffplan_pictures::Watch;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

const WAIT: Duration = Duration::from_secs(2);

pub(crate) struct Patience {
    bar: ProgressBar,
    started: Instant,
}

impl Patience {
    /// A bar that is not shown yet. How many pictures there are is told later.
    pub(crate) fn new() -> Self {
        let style = ProgressStyle::with_template("drawing [{bar:32.cyan/blue}] {pos}/{len} pictures, {eta} left");
        let style = style.expect("the template above is well formed").progress_chars("━╸─");
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::hidden()).with_style(style);
        Self {
            bar,
            started: Instant::now(),
        }
    }

    fn show(&self) {
        if self.bar.is_hidden() && self.started.elapsed() > WAIT {
            // Still hidden where stderr is no terminal.
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
    }
}

impl Watch for Patience {
    fn expect(&self, more: usize) {
        self.bar.inc_length(more as u64);
    }

    fn step(&self) {
        self.show();
        self.bar.inc(1);
    }
}

/// A bar of bytes.
pub(crate) struct Bytes(Patience);

impl Bytes {
    /// A bar that is not shown yet. `what` is done with so many bytes.
    pub(crate) fn new(what: &str, bytes: u64) -> Self {
        let template =
            "{prefix} [{bar:32.cyan/blue}] {binary_bytes}/{binary_total_bytes}, {binary_bytes_per_sec}, {eta} left";
        let style = ProgressStyle::with_template(template).expect("the template above is well formed");
        let bar = ProgressBar::with_draw_target(Some(bytes), ProgressDrawTarget::hidden())
            .with_style(style.progress_chars("━╸─"))
            .with_prefix(what.to_owned());
        Self(Patience {
            bar,
            started: Instant::now(),
        })
    }

    /// So many more.
    pub(crate) fn add(&self, bytes: u64) {
        self.0.show();
        self.0.bar.inc(bytes);
    }

    /// So many, of what is called something else from now on.
    pub(crate) fn go_on(&self, what: &str, bytes: u64) {
        self.0.show();
        self.0.bar.set_prefix(what.to_owned());
        self.0.bar.set_position(bytes);
    }
}

impl Drop for Patience {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// That something goes on of which nobody knows how long it takes.
pub(crate) struct Busy {
    bar: ProgressBar,
    /// Nothing is sent: it is dropped.
    end: Option<Sender<()>>,
    shown: Option<JoinHandle<()>>,
}

impl Busy {
    pub(crate) fn new(what: String) -> Self {
        let style =
            ProgressStyle::with_template("{spinner} {msg}, {elapsed}").expect("the template above is well formed");
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden()).with_style(style);
        bar.set_message(what);
        let (end, ended) = mpsc::channel();
        let shown = bar.clone();
        let shown = thread::spawn(move || {
            if ended.recv_timeout(WAIT) == Err(RecvTimeoutError::Timeout) {
                shown.set_draw_target(ProgressDrawTarget::stderr());
                shown.enable_steady_tick(Duration::from_millis(200));
            }
        });
        Self {
            bar,
            end: Some(end),
            shown: Some(shown),
        }
    }

    pub(crate) fn say(&self, what: String) {
        self.bar.set_message(what);
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(shown) = self.shown.take() {
            // It only waits.
            let _ = shown.join();
        }
        self.bar.finish_and_clear();
    }
}
