//! How far a training is, on stderr: a bar where that is a terminal, a line now and then where it is not.

use crate::output;
use diffplan_train::StepReport;
use diffplan_train::session::Kind;
use indicatif::{ProgressBar, ProgressFinish, ProgressState, ProgressStyle};
use std::fmt::Write;
use std::time::{Duration, Instant};

/// Between lines.
const QUIET: Duration = Duration::from_secs(30);
/// What stays of the smoothed loss at a step.
const SMOOTHING: f64 = 0.98;

pub(super) struct Progress {
    bar: ProgressBar,
    kind: Kind,
    loss: Option<f64>,
    /// On held-out episodes.
    validation: Option<f64>,
    begun: (u64, Instant),
    steps: u64,
    last_line: Instant,
}

impl Progress {
    pub(super) fn new(kind: Kind, begun: u64, steps: u64) -> Self {
        let rate = |state: &ProgressState, w: &mut dyn Write| {
            // Nobody can be told that a terminal line did not fit into memory.
            let _ = write!(w, "{:.1}", state.per_sec());
        };
        let style = ProgressStyle::with_template(
            "{prefix} [{bar:32.cyan/blue}] {pos}/{len} steps, {rate} steps/s, {eta} left, {msg}",
        )
        .expect("the template above is well formed")
        .with_key("rate", rate)
        .progress_chars("━╸─");
        let bar = ProgressBar::new(steps)
            .with_style(style)
            .with_finish(ProgressFinish::AndClear)
            .with_position(begun)
            .with_prefix(kind.words());
        bar.reset_eta();
        let now = Instant::now();
        Self {
            bar,
            kind,
            loss: None,
            validation: None,
            begun: (begun, now),
            steps,
            last_line: now,
        }
    }

    pub(super) fn validated(&mut self, loss: f64) {
        self.validation = Some(loss);
    }

    pub(super) fn step(&mut self, report: &StepReport) {
        let loss = match self.loss {
            Some(before) => SMOOTHING * before + (1.0 - SMOOTHING) * report.loss,
            None => report.loss,
        };
        self.loss = Some(loss);
        let held_out = self
            .validation
            .map_or(String::new(), |loss| format!(", held-out {loss:.5}"));
        if !self.bar.is_hidden() {
            self.bar.set_message(format!("loss {loss:.5}{held_out}"));
            self.bar.inc(1);
        } else if self.last_line.elapsed() >= QUIET {
            self.last_line = Instant::now();
            let (first, since) = self.begun;
            let done = report.step + 1;
            let rate = (done - first) as f64 / since.elapsed().as_secs_f64().max(1e-9);
            let left = (self.steps - done) as f64 / rate;
            output::remark(&format!(
                "{}: step {done} of {}, loss {loss:.5}{held_out}, {rate:.1} steps/s, {:.0} s left",
                self.kind.words(),
                self.steps,
                left
            ));
        }
    }

    pub(super) fn end(&self) {
        self.bar.finish_and_clear();
    }
}
