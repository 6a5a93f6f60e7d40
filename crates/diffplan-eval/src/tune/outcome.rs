//! [`Tuned`]: what came out of a tuning.

use crate::evaluation::{describe, interval};
use crate::{stats, table};
use diffplan_pipelines::{PlanOptions, PlanningConfig};
use serde::Serialize;

/// Fewer episodes say too little about a mean for it to stand on a frontier.
pub const FEWEST: usize = 4;

/// What options came to.
#[derive(Clone, Debug, Serialize)]
pub struct TrialResult {
    /// The options.
    pub options: PlanOptions,
    /// They in words.
    pub what: String,
    /// Median time of a plan.
    pub median_ms: f64,
    /// 95th percentile of the time of a plan.
    pub p95_ms: f64,
    /// Whether plans are fast enough for the control rate; true where none was asked for.
    pub fast_enough: bool,
    /// Returns in the episodes of the search, from episode 0 on.
    pub search: Vec<f64>,
    /// Returns in the fresh episodes of the final; empty for those that did not get there.
    pub last: Vec<f64>,
}

/// Mean return with the 95 % interval of it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Played {
    /// How many episodes.
    pub episodes: usize,
    /// Mean of their returns.
    pub mean: f64,
    /// 95 % interval of the mean; none of a single episode.
    pub interval: Option<[f64; 2]>,
}

impl TrialResult {
    /// Of the final where it was in it, else of the search; none where nothing was played.
    pub fn played(&self) -> Option<Played> {
        let returns = if self.last.is_empty() { &self.search } else { &self.last };
        (!returns.is_empty()).then(|| Played {
            episodes: returns.len(),
            mean: stats::mean(returns),
            interval: stats::confidence_interval(returns),
        })
    }
}

/// By how much returns in the same episodes differ, as mean and 95 % percentile bootstrap interval of paired differences.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct PairedDifference {
    /// How many pairs.
    pub episodes: usize,
    /// The mean difference.
    pub mean: f64,
    /// Its interval; none of a single pair.
    pub interval: Option<[f64; 2]>,
}

impl PairedDifference {
    pub(super) fn of(these: &[f64], less: &[f64]) -> Self {
        let differences: Vec<f64> = these.iter().zip(less).map(|(a, b)| a - b).collect();
        Self {
            episodes: differences.len(),
            mean: stats::mean(&differences),
            interval: (differences.len() > 1).then(|| interval(less, these, true)),
        }
    }

    /// Whether the interval lies below 0.
    pub(super) fn is_below(&self) -> bool {
        self.interval.is_some_and(|[_, high]| high < 0.0)
    }

    fn text(&self) -> String {
        match self.interval {
            Some([low, high]) => format!(
                "{:+.1}, 95 % interval {low:+.1} to {high:+.1}, {} paired episodes",
                self.mean, self.episodes
            ),
            None => format!("{:+.1}, {} paired episodes", self.mean, self.episodes),
        }
    }
}

/// What came out.
#[derive(Clone, Debug, Serialize)]
pub struct Tuned {
    /// The environment.
    pub env: String,
    /// The control rate that was asked for.
    pub hz: Option<f64>,
    /// Threads that a plan is timed on.
    pub threads: usize,
    /// How many timesteps all of them are.
    pub timesteps: usize,
    /// Every option set that was timed; the first is the default plan, the second the plan without guidance.
    pub trials: Vec<TrialResult>,
    /// Which of them is recommended.
    pub best: usize,
    /// The recommended less the default, in the final's episodes; none where there was no time for a final.
    pub against_default: Option<PairedDifference>,
    /// The recommended less the plan without guidance.
    pub against_unguided: Option<PairedDifference>,
    /// What is to be known about how sure this is, a sentence each.
    pub remarks: Vec<String>,
}

impl Tuned {
    /// The recommended options.
    pub fn options(&self) -> &PlanOptions {
        &self.trials[self.best].options
    }

    /// Those that nothing as fast beats, by mean return over at least `episodes`: by rising time.
    pub fn frontier(&self, episodes: usize) -> Vec<usize> {
        let mut known: Vec<(usize, f64, f64)> = self
            .trials
            .iter()
            .enumerate()
            .filter_map(|(index, trial)| {
                let played = trial.played().filter(|played| played.episodes >= episodes)?;
                Some((index, trial.median_ms, played.mean))
            })
            .collect();
        known.sort_by(|a, b| a.1.total_cmp(&b.1).then(b.2.total_cmp(&a.2)));
        let mut best = f64::NEG_INFINITY;
        known.retain(|&(_, _, mean)| {
            let better = mean > best;
            best = best.max(mean);
            better
        });
        known.into_iter().map(|(index, _, _)| index).collect()
    }

    /// Every trial that was played, a line each: `frontier.csv`.
    pub fn csv(&self) -> String {
        let frontier = self.frontier(FEWEST);
        let mut text =
            String::from("median_ms,p95_ms,episodes,mean_return,low,high,final,frontier,recommended,options\n");
        for (index, trial) in self.trials.iter().enumerate() {
            let Some(played) = trial.played() else { continue };
            let [low, high] = played
                .interval
                .map_or([String::new(), String::new()], |ends| ends.map(|end| end.to_string()));
            text += &format!(
                "{},{},{},{},{low},{high},{},{},{},\"{}\"\n",
                trial.median_ms,
                trial.p95_ms,
                played.episodes,
                played.mean,
                !trial.last.is_empty(),
                frontier.contains(&index),
                index == self.best,
                trial.what
            );
        }
        text
    }

    /// The recommended options, all of them, as `planning_config.json` has them: whatever a checkpoint's own file says, it is this plan that is made.
    pub fn planning_config(&self) -> PlanningConfig {
        let options = self.options();
        let mut config = PlanningConfig {
            env: Some(self.env.clone()),
            ..PlanningConfig::default()
        };
        for spec in diffplan_pipelines::OPTIONS {
            if let Some(text) = options.text(spec.name) {
                // It was an option's own text.
                let _ = config.set(spec.name, &text);
            }
        }
        // All timesteps have no text, and a file may say fewer.
        config.num_inference_steps.get_or_insert(self.timesteps);
        config
    }

    /// The frontier, who won, and how sure that is.
    pub fn text(&self) -> String {
        let mut rows = Vec::new();
        let mut shown = self.frontier(FEWEST);
        shown.extend([0, 1, self.best].into_iter().filter(|&index| index < self.trials.len()));
        shown.sort_by(|&a, &b| self.trials[a].median_ms.total_cmp(&self.trials[b].median_ms));
        shown.dedup();
        for index in shown {
            let trial = &self.trials[index];
            let Some(played) = trial.played() else { continue };
            let name = match index {
                _ if index == self.best => "recommended",
                0 => "default",
                1 => "no guidance",
                _ => "",
            };
            let half = played
                .interval
                .map_or("-".into(), |[low, high]| format!("{:.1}", (high - low) / 2.0));
            rows.push(vec![
                name.to_owned(),
                format!("{:.2}", trial.median_ms),
                rate(1e3 / trial.median_ms),
                played.episodes.to_string(),
                format!("{:.1}", played.mean),
                half,
                trial.what.clone(),
            ]);
        }
        let header = ["", "ms a plan", "plans/s", "episodes", "mean return", "± 95 %", "plan"];
        let mut text = table::table(&header, &rows);
        let mut fields = Vec::new();
        if let Some(difference) = &self.against_default {
            fields.push(("less default", difference.text()));
        }
        if let Some(difference) = &self.against_unguided {
            fields.push(("less no guidance", difference.text()));
        }
        fields.extend(self.remarks.iter().map(|remark| ("remark", remark.clone())));
        if !fields.is_empty() {
            text += &format!("\n\n{}", table::fields(&fields));
        }
        text
    }
}

/// Plans a second; of few their tenths too.
fn rate(plans: f64) -> String {
    let digits = usize::from(plans < 10.0);
    format!("{plans:.digits$}")
}

impl TrialResult {
    pub(super) fn new(options: PlanOptions, fast_enough: bool, [median_ms, p95_ms]: [f64; 2]) -> Self {
        Self {
            what: describe(&options),
            options,
            median_ms,
            p95_ms,
            fast_enough,
            search: Vec::new(),
            last: Vec::new(),
        }
    }
}
