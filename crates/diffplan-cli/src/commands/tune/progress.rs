//! How far a tuning is, on stderr: a bar where that is a terminal, a line now and then where it is not.

use crate::output;
use diffplan_eval::tune::TuneEvent;
use indicatif::{ProgressBar, ProgressFinish, ProgressStyle};
use std::time::{Duration, Instant};

/// Between lines.
const QUIET: Duration = Duration::from_secs(30);

pub(super) struct Progress {
    bar: ProgressBar,
    words: String,
    last_line: Instant,
}

impl Progress {
    pub(super) fn new() -> Self {
        let style = ProgressStyle::with_template("[{bar:32.cyan/blue}] {percent} % of the budget, {msg}")
            .expect("the template above is well formed")
            .progress_chars("━╸─");
        let bar = ProgressBar::new(1000)
            .with_style(style)
            .with_finish(ProgressFinish::AndClear);
        Self {
            bar,
            words: String::new(),
            last_line: Instant::now(),
        }
    }

    /// Where it is, and the share of the budget that is spent.
    pub(super) fn tell(&mut self, event: TuneEvent, spent: f64) {
        match event {
            TuneEvent::Timed { done, of } => self.words = format!("{done} of {of} combinations timed"),
            TuneEvent::Round {
                number,
                trials,
                episodes,
            } => self.words = format!("round {number}: {trials} combinations, {episodes} episodes each"),
            TuneEvent::Final { episodes, of } => self.words = format!("final: {episodes} of {of} episodes"),
            _ => {}
        }
        self.bar.set_position((1000.0 * spent.clamp(0.0, 1.0)) as u64);
        self.bar.set_message(self.words.clone());
        if self.bar.is_hidden() && self.last_line.elapsed() >= QUIET {
            self.last_line = Instant::now();
            output::remark(&format!("{:.0} % of the budget, {}", 100.0 * spent, self.words));
        }
    }

    pub(super) fn end(&self) {
        self.bar.finish_and_clear();
    }
}
