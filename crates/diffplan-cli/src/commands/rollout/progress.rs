//! The bar on stderr: where the episode is, its return so far, plans a second. Hidden where stderr is no terminal.

use diffplan_eval::StepEvent;
use indicatif::{ProgressBar, ProgressFinish, ProgressState, ProgressStyle};
use std::fmt::Write;

pub(super) struct Progress {
    bar: ProgressBar,
    episodes: usize,
    /// Plans to the end if all episodes last as long as they may.
    expected: Option<u64>,
    max_steps: Option<usize>,
}

impl Progress {
    /// `max_steps` is the longest an episode can last, where there is a limit.
    pub(super) fn new(episodes: usize, max_steps: Option<usize>) -> Self {
        let expected = max_steps.map(|steps| steps as u64 * episodes as u64);
        let (bar, template) = match expected {
            Some(expected) => (
                ProgressBar::new(expected),
                "{prefix} [{bar:32.cyan/blue}] {pos}/{len} plans, {rate} plans/s, {msg}",
            ),
            None => (
                ProgressBar::new_spinner(),
                "{spinner} {prefix} {pos} plans, {rate} plans/s, {msg}",
            ),
        };
        let rate = |state: &ProgressState, w: &mut dyn Write| {
            // Nobody can be told that a terminal line did not fit into memory.
            let _ = write!(w, "{:.1}", state.per_sec());
        };
        let style = ProgressStyle::with_template(template)
            .expect("the templates above are well formed")
            .with_key("rate", rate)
            .progress_chars("━╸─");
        Self {
            bar: bar.with_style(style).with_finish(ProgressFinish::AndClear),
            episodes,
            expected,
            max_steps,
        }
    }

    pub(super) fn step(&mut self, episode: usize, event: &StepEvent) {
        if event.step == 0 {
            self.bar
                .set_prefix(format!("episode {}/{}", episode + 1, self.episodes));
        }
        self.bar.set_message(format!("return {:.1}", event.return_so_far));
        self.bar.inc(1);
    }

    /// An episode that was shorter than it could have been leaves fewer plans to make.
    pub(super) fn end_episode(&mut self, length: usize) {
        if let (Some(expected), Some(max_steps)) = (&mut self.expected, self.max_steps) {
            *expected -= max_steps.saturating_sub(length) as u64;
            self.bar.set_length(*expected);
        }
    }
}
