//! How far an evaluation is, on stderr: a bar where that is a terminal, a line now and then where it is not.

use crate::output;
use diffplan_eval::evaluation::Row;
use indicatif::{ProgressBar, ProgressFinish, ProgressStyle};
use std::time::{Duration, Instant};

/// Between lines.
const QUIET: Duration = Duration::from_secs(30);

pub(super) struct Progress {
    bar: ProgressBar,
    /// Of the returns so far.
    sum: f64,
    played: usize,
    episodes: usize,
    /// Of this run.
    plans: usize,
    begun: Instant,
    begun_at: usize,
    last_line: Instant,
}

impl Progress {
    /// Of an evaluation that begins with the episodes of `rows`.
    pub(super) fn new(episodes: usize, rows: &[Row]) -> Self {
        let style = ProgressStyle::with_template("[{bar:32.cyan/blue}] {pos}/{len} episodes, {eta} left, {msg}")
            .expect("the template above is well formed")
            .progress_chars("━╸─");
        let bar = ProgressBar::new(episodes as u64)
            .with_style(style)
            .with_finish(ProgressFinish::AndClear)
            .with_position(rows.len() as u64);
        bar.reset_eta();
        let now = Instant::now();
        Self {
            bar,
            sum: rows.iter().map(|row| row.episode_return).sum(),
            played: rows.len(),
            episodes,
            plans: 0,
            begun: now,
            begun_at: rows.len(),
            last_line: now,
        }
    }

    fn words(&self) -> String {
        let rate = self.plans as f64 / self.begun.elapsed().as_secs_f64().max(1e-9);
        let mean = match self.played {
            0 => "no episode is over yet".into(),
            played => format!("mean return {:.1}", self.sum / played as f64),
        };
        format!("{rate:.1} plans/s, {mean}")
    }

    /// A plan was made for each of so many episodes.
    pub(super) fn step(&mut self, plans: usize) {
        self.plans += plans;
        if !self.bar.is_hidden() {
            self.bar.set_message(self.words());
        } else if self.last_line.elapsed() >= QUIET {
            self.last_line = Instant::now();
            let done = self.played - self.begun_at;
            let left = match done {
                0 => String::new(),
                done => {
                    let an_episode = self.begun.elapsed().as_secs_f64() / done as f64;
                    format!(", {:.0} s left", an_episode * (self.episodes - self.played) as f64)
                }
            };
            let (played, of, words) = (self.played, self.episodes, self.words());
            output::remark(&format!("{played} of {of} episodes, {words}{left}"));
        }
    }

    pub(super) fn end_episode(&mut self, episode_return: f64) {
        self.sum += episode_return;
        self.played += 1;
        self.bar.inc(1);
    }

    pub(super) fn end(&self) {
        self.bar.finish_and_clear();
    }
}
