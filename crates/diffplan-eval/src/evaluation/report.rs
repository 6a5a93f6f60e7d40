//! What came out, as a table and as one JSON object.

use super::row::{End, Row};
use super::settings::{Config, Settings};
use crate::{stats, table};
use diffplan_data::RecordedEnv;
use diffplan_envs::d4rl::{self, ReferenceReturns};
use diffplan_pipelines::ViolationsSummary;
use serde::{Deserialize, Serialize};

/// Up to so many episodes have a line each.
const MOST_LINES: usize = 20;

/// The object of `--json` and of `evaluation.json`: all of rollout's summary, and more.
#[derive(Debug, Serialize)]
pub struct Report {
    finished: bool,
    env: String,
    seed: u64,
    /// In the order of the episodes, as are lengths.
    returns: Vec<f64>,
    lengths: Vec<usize>,
    mean_return: f64,
    /// Of the mean; null of a single episode.
    standard_error: Option<f64>,
    /// 95 %, of the mean, by Student's t; null of a single episode.
    confidence_interval: Option<[f64; 2]>,
    median_return: f64,
    min_return: f64,
    max_return: f64,
    /// Null where D4RL has no references, or episodes are of another length than theirs.
    normalized_score: Option<Score>,
    mean_length: f64,
    min_length: usize,
    max_length: usize,
    terminated: usize,
    /// Null where no episode says whether it reached its goal.
    success: Option<Success>,
    plans: usize,
    /// Of the time spent planning.
    plans_per_second: f64,
    plan_ms: Option<Latency>,
    wall_seconds: f64,
    wall_seconds_per_episode: f64,
    /// What plans violated of constraints, in the run that came to the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    violations: Option<ViolationsSummary>,
    config: Config,
    episodes: Vec<Row>,
}

/// D4RL's normalised score: of the mean return, and what its standard error comes to.
#[derive(Debug, Serialize)]
struct Score {
    mean: f64,
    standard_error: Option<f64>,
}

/// How many of the episodes that say whether they reached their goal did, at any step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Success {
    /// Those that did.
    pub episodes: usize,
    /// Those that say.
    pub of: usize,
    /// Their share.
    pub rate: f64,
    /// 95 %, of the share, by Wilson's score.
    pub confidence_interval: [f64; 2],
}

impl Success {
    /// Of whether each was; none of nobody.
    pub fn of(said: &[bool]) -> Option<Self> {
        let (episodes, of) = (said.iter().filter(|&&success| success).count(), said.len());
        Some(Self {
            episodes,
            of,
            rate: episodes as f64 / of as f64,
            confidence_interval: stats::wilson_interval(episodes, of)?,
        })
    }

    fn of_rows(rows: &[Row]) -> Option<Self> {
        Self::of(&rows.iter().filter_map(|row| row.success).collect::<Vec<_>>())
    }

    /// In words.
    pub fn text(&self) -> String {
        let percent = |share: f64| 100.0 * share;
        let [low, high] = self.confidence_interval.map(percent);
        format!(
            "{:.1} %, {} of {} episodes, 95 % interval {low:.1} to {high:.1} (Wilson)",
            percent(self.rate),
            self.episodes,
            self.of
        )
    }
}

/// Milliseconds a planning call, each with a plan for every episode that needed one; of the run that came to the end.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Latency {
    calls: usize,
    /// Plans in a call, at most.
    episodes: usize,
    median: f64,
    p90: f64,
    p95: f64,
    p99: f64,
    max: f64,
}

impl Latency {
    /// None where there was no call.
    pub fn of(ms: &[f64], episodes: usize) -> Option<Self> {
        let quantile = |q| stats::quantile(ms, q);
        (!ms.is_empty()).then(|| Self {
            calls: ms.len(),
            episodes,
            median: quantile(0.5),
            p90: quantile(0.9),
            p95: quantile(0.95),
            p99: quantile(0.99),
            max: quantile(1.0),
        })
    }
}

impl Report {
    /// Of at least one row.
    pub fn of(settings: Settings, rows: Vec<Row>, plan_ms: Option<Latency>) -> Self {
        let Settings { env, seed, config } = settings;
        let returns: Vec<f64> = rows.iter().map(|row| row.episode_return).collect();
        let lengths: Vec<usize> = rows.iter().map(|row| row.length).collect();
        let (mean_return, standard_error) = (stats::mean(&returns), stats::standard_error(&returns));
        let plans: usize = rows.iter().map(|row| row.plans).sum();
        let planning: f64 = rows.iter().map(|row| row.planning_seconds).sum();
        let wall_seconds = rows.iter().map(|row| row.elapsed_seconds).fold(0.0, f64::max);
        Self {
            finished: true,
            seed,
            mean_return,
            standard_error,
            confidence_interval: stats::confidence_interval(&returns),
            median_return: stats::median(&returns),
            min_return: stats::quantile(&returns, 0.0),
            max_return: stats::quantile(&returns, 1.0),
            normalized_score: references(&env, config.max_episode_steps).map(|references| Score {
                mean: references.score(mean_return),
                standard_error: standard_error.map(|error| references.scale(error)),
            }),
            mean_length: lengths.iter().sum::<usize>() as f64 / lengths.len() as f64,
            min_length: lengths.iter().copied().min().unwrap_or(0),
            max_length: lengths.iter().copied().max().unwrap_or(0),
            success: Success::of_rows(&rows),
            terminated: rows.iter().filter(|row| row.end == End::Terminated).count(),
            plans,
            plans_per_second: plans as f64 / planning.max(1e-9),
            plan_ms,
            wall_seconds,
            wall_seconds_per_episode: wall_seconds / rows.len() as f64,
            violations: None,
            config,
            env,
            episodes: rows,
            returns,
            lengths,
        }
    }

    /// With what plans violated of constraints, in the run that came to the end.
    #[must_use]
    pub fn with_violations(mut self, violations: Option<&ViolationsSummary>) -> Self {
        self.violations = violations.cloned();
        self
    }

    /// What plans violated of constraints, in the run that came to the end; none where there were none, or nothing was played.
    pub fn violations(&self) -> Option<&ViolationsSummary> {
        self.violations.as_ref()
    }

    /// The episode of the lowest return.
    pub fn worst(&self) -> Option<&Row> {
        let by_return = |a: &&Row, b: &&Row| a.episode_return.total_cmp(&b.episode_return);
        self.episodes.iter().min_by(by_return)
    }

    /// The episodes, in order.
    pub fn rows(&self) -> &[Row] {
        &self.episodes
    }

    /// D4RL's references, where it has them for episodes such as these.
    pub fn references(&self) -> Option<ReferenceReturns> {
        references(&self.env, self.config.max_episode_steps)
    }

    /// The environment.
    pub fn env(&self) -> &str {
        &self.env
    }

    /// Who acted, by name; `None` where a checkpoint's planner did.
    pub fn policy(&self) -> Option<&str> {
        self.config.policy.as_deref()
    }

    /// What the first episode was reset with; each of the others with one more than the one before.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The returns, in the order of the episodes.
    pub fn returns(&self) -> &[f64] {
        &self.returns
    }

    /// Their mean.
    pub fn mean_return(&self) -> f64 {
        self.mean_return
    }

    /// D4RL's normalised score of the mean return; none where it has no references.
    pub fn normalized_score(&self) -> Option<f64> {
        self.normalized_score.as_ref().map(|score| score.mean)
    }

    /// How many reached their goal; none where no episode says.
    pub fn success(&self) -> Option<Success> {
        self.success
    }

    /// The standard error of the mean; none of a single episode.
    pub fn standard_error(&self) -> Option<f64> {
        self.standard_error
    }

    /// A line an episode or, of many, quantiles; then everything about all of them.
    pub fn text(&self) -> String {
        let table = match self.episodes.len() {
            0..=MOST_LINES => self.lines(),
            _ => self.quantiles(),
        };
        format!("{table}\n\n{}", table::fields(&self.fields()))
    }

    fn lines(&self) -> String {
        let line = |row: &Row| {
            vec![
                row.episode.to_string(),
                row.seed.to_string(),
                format!("{:.1}", row.episode_return),
                dash(row.normalized_score),
                row.length.to_string(),
                row.end.name().to_owned(),
                format!("{:.2}", row.planning_seconds),
            ]
        };
        let rows: Vec<Vec<String>> = self.episodes.iter().map(line).collect();
        let header = ["episode", "seed", "return", "score", "length", "end", "s planning"];
        table::table(&header, &rows)
    }

    fn quantiles(&self) -> String {
        let row = |name: &str, values: &[f64]| {
            let quantiles = [0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0].map(|q| stats::quantile(values, q));
            let numbers = quantiles.iter().map(|value| format!("{value:.1}"));
            [name.to_owned()].into_iter().chain(numbers).collect()
        };
        let lengths: Vec<f64> = self.lengths.iter().map(|&length| length as f64).collect();
        let scores: Vec<f64> = self.episodes.iter().filter_map(|row| row.normalized_score).collect();
        let mut rows: Vec<Vec<String>> = vec![row("return", &self.returns)];
        if !scores.is_empty() {
            rows.push(row("score", &scores));
        }
        rows.push(row("length", &lengths));
        let header = ["", "min", "5 %", "25 %", "median", "75 %", "95 %", "max"];
        table::table(&header, &rows)
    }

    /// Where the goals are the environment's own.
    fn known_returns(&self) -> Option<String> {
        if self.config.aim.goal.is_some() {
            return None;
        }
        known_returns(&RecordedEnv {
            id: self.env.clone(),
            kwargs: self.config.env_kwargs.clone(),
            max_episode_steps: self.config.max_episode_steps,
        })
    }

    fn fields(&self) -> Vec<(&'static str, String)> {
        let n = self.episodes.len();
        let plus_minus = |error: Option<f64>| error.map_or(String::new(), |error| format!(" ± {error:.1}"));
        let mut mean = format!("{:.1}{}", self.mean_return, plus_minus(self.standard_error));
        if let Some([low, high]) = self.confidence_interval {
            mean += &format!(" (standard error of {n} episodes), 95 % interval {low:.1} to {high:.1} (Student's t)");
        }
        let returns = format!(
            "median {:.1}, min {:.1}, max {:.1}",
            self.median_return, self.min_return, self.max_return
        );
        let score = match &self.normalized_score {
            Some(score) => format!(
                "{:.1}{}, 0 is a random policy and 100 an expert",
                score.mean,
                plus_minus(score.standard_error)
            ),
            None if d4rl::reference_returns(&self.env).is_some() => {
                "- (D4RL's are of episodes of another length)".to_owned()
            }
            None => format!("- (D4RL has no reference returns for {})", &self.env),
        };
        let lengths = format!(
            "mean {:.1}, min {}, max {}; {} of {n} terminated",
            self.mean_length, self.min_length, self.max_length, self.terminated
        );
        // Who plans nothing has actions alone to count.
        let (heading, unit) = match self.config.policy {
            None => ("planning", "plans"),
            Some(_) => ("acting", "actions"),
        };
        let mut planning = format!("{:.1} {unit}/s", self.plans_per_second);
        if let Some(latency) = &self.plan_ms {
            let of = match latency.episodes {
                1 => "a call for 1 episode".into(),
                episodes => format!("a call for up to {episodes} episodes at a time"),
            };
            planning += &format!(
                "; {of} takes {:.2} ms (p90 {:.2}, p99 {:.2}, max {:.2}; {} calls)",
                latency.median, latency.p90, latency.p99, latency.max, latency.calls
            );
        }
        let wall = format!(
            "{:.3} s an episode, {:.1} s in all",
            self.wall_seconds_per_episode, self.wall_seconds
        );
        let mut fields = vec![
            ("mean return", mean),
            ("returns", returns),
            ("D4RL score", score),
            ("lengths", lengths),
            (heading, planning),
            ("wall", wall),
        ];
        if let Some(success) = &self.success {
            fields.insert(3, ("success", success.text()));
        }
        if let Some(known) = self.known_returns() {
            fields.insert(1, ("to compare", known));
        }
        if let Some(worst) = self.worst() {
            let (episode, seed) = (worst.episode, worst.seed);
            let (of, steps) = (worst.episode_return, worst.length);
            fields.push((
                "the worst",
                format!("episode {episode}, seed {seed}: return {of:.1} in {steps} steps"),
            ));
        }
        let mut warned = self.episodes.iter().filter(|row| row.mujoco_warning.is_some());
        let count = warned.clone().count();
        if let Some((row, warning)) = warned.next().and_then(|row| Some((row, row.mujoco_warning.as_ref()?))) {
            fields.push((
                "warnings",
                format!("in {count} of {n} episodes; in episode {}: {warning}", row.episode),
            ));
        }
        fields
    }
}

/// What returns in an environment come to that are known, in words: of a random policy, of a good one. None of one that was made otherwise
/// than it is by default: they are other returns.
pub fn known_returns(env: &RecordedEnv) -> Option<String> {
    let known = d4rl::known_returns(&env.id)?;
    (env.kwargs.is_empty() && is_of_full_length(&env.id, env.max_episode_steps)).then(|| {
        format!(
            "a random policy gets about {:.0}, {} {:.0}",
            known.random, known.whose, known.good
        )
    })
}

/// D4RL's references for episodes of an environment that are so long: none of a length that is not theirs.
pub fn references(env: &str, max_episode_steps: Option<usize>) -> Option<ReferenceReturns> {
    d4rl::reference_returns(env).filter(|_| is_of_full_length(env, max_episode_steps))
}

/// Whether episodes are as long as those of the environment as registered.
fn is_of_full_length(env: &str, max_episode_steps: Option<usize>) -> bool {
    let as_registered = |steps: usize| {
        let spec = diffplan_envs::registered().into_iter().find(|spec| spec.id == env);
        spec.is_none_or(|spec| spec.max_episode_steps == Some(steps))
    };
    max_episode_steps.is_none_or(as_registered)
}

fn dash(score: Option<f64>) -> String {
    score.map_or("-".into(), |score| format!("{score:.1}"))
}
