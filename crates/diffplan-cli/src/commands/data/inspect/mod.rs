//! `diffplan data inspect`: what a dataset holds. It is read without checks of its numbers, so that all that is wrong with
//! them can be shown, and not just the first.

mod moments;
mod plot;

use crate::args::DataInspectArgs;
use crate::error::{Error, Result};
use crate::{datasets, json, output, settings};
use diffplan_data::findings::{self, EnvFacts, Finding, Padding, Steps};
use diffplan_data::{EpisodeRange, NormalizerKind, Normalizers, RawDataset, RecordedEnv};
use diffplan_eval::evaluation::known_returns;
use diffplan_eval::{Names, Registry, stats, table};
use moments::{Dimension, NonFinite};
use ndarray::{ArrayView2, Axis};
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::PathBuf;

#[derive(Debug, Serialize)]
struct Report {
    file: PathBuf,
    format: &'static str,
    env: Option<String>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    env_kwargs: Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_episode_steps: Option<usize>,
    metadata: BTreeMap<String, String>,
    arrays: Vec<Array>,
    rows: usize,
    /// After the last episode's end.
    left_out: Option<usize>,
    episodes: Option<Episodes>,
    observations: Vec<Dimension>,
    actions: Vec<Dimension>,
    rewards: Dimension,
    non_finite: Vec<NonFinite>,
    /// What works, but is rarely meant.
    odd: Vec<String>,
    /// What is in the way of training.
    problems: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Array {
    name: String,
    shape: Vec<u64>,
    dtype: String,
}

#[derive(Debug, Serialize)]
struct Episodes {
    count: usize,
    /// Those that ended in a terminal state.
    terminated: usize,
    lengths: Lengths,
    returns: Returns,
}

#[derive(Debug, Serialize)]
struct Lengths {
    min: usize,
    median: f64,
    mean: f64,
    max: usize,
}

/// Null, which NaN is in JSON, where rewards are not finite.
#[derive(Debug, Serialize)]
struct Returns {
    mean: f64,
    /// Population.
    std: f64,
    min: f64,
    q05: f64,
    q25: f64,
    median: f64,
    q75: f64,
    q95: f64,
    max: f64,
    /// Where the best tenth begins.
    best_tenth: f64,
}

pub(super) fn run(args: &DataInspectArgs, registry: &Registry) -> Result<()> {
    let file = datasets::path(&args.file)?;
    let raw = RawDataset::read(&file, &args.read.options(args.max_episode_steps))?;
    let episodes = raw.episodes(args.max_episode_steps);
    let recorded = raw.recorded_env.clone().or(raw.env.clone().map(RecordedEnv::new));
    let facts = recorded.as_ref().and_then(|env| settings::env_facts(registry, env));
    let env = settings::known_env(registry, recorded.as_ref());
    let names = Names::of(env.as_ref(), raw.observations.ncols(), raw.actions.ncols());
    let found = episodes.as_deref().unwrap_or_default();
    let odd = odd(&raw, found, args.max_episode_steps, facts.as_ref());
    let report = Report::of(&raw, &names, &episodes, &odd);
    if let Some(path) = &args.plot {
        plot::draw(&raw, &names, found, (&args.file, path))?;
    }
    if args.json {
        json::print_line(&report)?;
    } else {
        output::print(report.text())?;
    }
    match report.problems.len() {
        0 if args.strict && !odd.is_empty() => Err(Error::OddDataset {
            file: args.file.clone(),
            findings: odd.len(),
        }),
        0 => Ok(()),
        problems => Err(Error::BrokenDataset {
            file: args.file.clone(),
            problems,
        }),
    }
}

/// What is odd about the file, and about training on it as `diffplan train` does where nothing else is said.
fn odd(
    raw: &RawDataset,
    episodes: &[EpisodeRange],
    max_episode_steps: Option<usize>,
    env: Option<&EnvFacts>,
) -> Vec<Finding> {
    let mut odd = findings::of_file(raw, episodes, max_episode_steps, env);
    let steps = Steps::of_file(raw, episodes);
    // What is not finite is a problem of its own, and has no statistics.
    let normalizers = Normalizers::fit(NormalizerKind::Gaussian, steps.observations, steps.actions).ok();
    let padding = normalizers.as_ref().map(|normalizers| Padding {
        normalizers,
        sequences: None,
    });
    odd.extend(findings::of_training(
        &steps,
        padding.as_ref(),
        Some(diffplan_train::session::TERMINATION_PENALTY),
        env,
    ));
    odd
}

/// The sum of rewards of every episode.
fn returns(raw: &RawDataset, episodes: &[EpisodeRange]) -> Vec<f64> {
    let sum = |episode: &EpisodeRange| raw.rewards.iter().skip(episode.start).take(episode.len()).sum();
    episodes.iter().map(sum).collect()
}

impl Report {
    fn of(
        raw: &RawDataset,
        names: &Names,
        episodes: &std::result::Result<Vec<EpisodeRange>, diffplan_data::Error>,
        odd: &[Finding],
    ) -> Self {
        let dimensions = |names: &[String], values: ArrayView2<f32>| -> Vec<Dimension> {
            let columns = names.iter().zip(values.axis_iter(Axis(1)));
            columns
                .map(|(name, column)| Dimension::of(name, column.iter().copied().map(f64::from)))
                .collect()
        };
        let observations = dimensions(&names.observations, raw.observations.view());
        let actions = dimensions(&names.actions, raw.actions.view());
        let rewards = Dimension::of("reward", raw.rewards.iter().copied());
        let found = [
            NonFinite::of(
                "observations",
                raw.observations.ncols(),
                raw.observations.iter().copied().map(f64::from),
            ),
            NonFinite::of(
                "actions",
                raw.actions.ncols(),
                raw.actions.iter().copied().map(f64::from),
            ),
            NonFinite::of("rewards", 1, raw.rewards.iter().copied()),
        ];
        let non_finite: Vec<NonFinite> = found.into_iter().flatten().collect();

        let mut problems: Vec<String> = non_finite.iter().map(NonFinite::text).collect();
        // Without the name of the file, which is said already.
        problems.extend(episodes.as_ref().err().map(|error| match error {
            diffplan_data::Error::File { error, .. } => error.to_string(),
            other => other.to_string(),
        }));
        let found = episodes.as_deref().unwrap_or_default();
        let recorded = raw.recorded_env.clone().unwrap_or_default();
        Self {
            file: raw.path.clone(),
            format: raw.format.name(),
            env: raw.env.clone(),
            env_kwargs: recorded.kwargs,
            max_episode_steps: recorded.max_episode_steps,
            metadata: raw.metadata.iter().cloned().collect(),
            arrays: raw
                .arrays
                .iter()
                .map(|array| Array {
                    name: array.name.clone(),
                    shape: array.shape.clone(),
                    dtype: array.dtype.clone(),
                })
                .collect(),
            rows: raw.observations.nrows(),
            left_out: found.last().map(|last| raw.observations.nrows() - last.end),
            episodes: Episodes::of(found, &returns(raw, found)),
            observations,
            actions,
            rewards,
            non_finite,
            odd: odd.iter().map(ToString::to_string).collect(),
            problems,
        }
    }

    fn env_text(&self) -> String {
        let Some(id) = &self.env else { return "not said".into() };
        let env = RecordedEnv {
            id: id.clone(),
            kwargs: self.env_kwargs.clone(),
            max_episode_steps: self.max_episode_steps,
        };
        env.to_string()
    }

    fn text(&self) -> String {
        // The strings of the metadata are shown themselves.
        let arrays = self.arrays.iter().filter(|array| !array.name.starts_with("metadata/"));
        let arrays: Vec<String> = arrays.map(Array::text).collect();
        let mut rows = vec![
            ("format", self.format.to_owned()),
            ("env", self.env_text()),
            ("arrays", arrays.join(", ")),
        ];
        let metadata: Vec<String> = self
            .metadata
            .iter()
            .filter(|(name, _)| !["env_id", "env_kwargs", "max_episode_steps"].contains(&name.as_str()))
            .map(|(name, value)| format!("{name} {value}"))
            .collect();
        if !metadata.is_empty() {
            rows.push(("metadata", metadata.join(", ")));
        }
        rows.push(("rows", table::thousands(self.rows)));
        if let Some(episodes) = &self.episodes {
            rows.extend(episodes.fields());
        }
        if let Some(known) = self.env.as_deref().and_then(known_returns) {
            rows.push(("known", known));
        }
        let mut text = format!("{}\n\n{}\n", self.file.display(), table::fields(&rows));
        let dimensions = self.observations.iter().chain(&self.actions).chain([&self.rewards]);
        let cells: Vec<Vec<String>> = dimensions.map(Dimension::cells).collect();
        text += &format!(
            "\n{}\n",
            table::table(&["dimension", "mean", "std", "min", "max"], &cells)
        );
        for (heading, lines) in [("odd", &self.odd), ("problems", &self.problems)] {
            if !lines.is_empty() {
                text += &format!("\n{heading}\n");
            }
            for line in lines {
                text += &format!("  {line}\n");
            }
        }
        text.trim_end().to_owned()
    }
}

impl Array {
    fn text(&self) -> String {
        let sizes: Vec<String> = self.shape.iter().map(u64::to_string).collect();
        match &sizes[..] {
            [] => format!("{} ({})", self.name, self.dtype),
            _ => format!("{} ({} {})", self.name, sizes.join(" × "), self.dtype),
        }
    }
}

impl Episodes {
    /// None where there are none.
    fn of(episodes: &[EpisodeRange], returns: &[f64]) -> Option<Self> {
        let lengths: Vec<f64> = episodes.iter().map(|episode| episode.len() as f64).collect();
        Some(Self {
            count: episodes.len(),
            terminated: episodes.iter().filter(|episode| episode.terminated).count(),
            lengths: Lengths {
                min: episodes.iter().map(EpisodeRange::len).min()?,
                median: stats::median(&lengths),
                mean: stats::mean(&lengths),
                max: episodes.iter().map(EpisodeRange::len).max()?,
            },
            returns: Returns {
                mean: stats::mean(returns),
                std: stats::std(returns),
                min: stats::quantile(returns, 0.0),
                q05: stats::quantile(returns, 0.05),
                q25: stats::quantile(returns, 0.25),
                median: stats::median(returns),
                q75: stats::quantile(returns, 0.75),
                q95: stats::quantile(returns, 0.95),
                max: stats::quantile(returns, 1.0),
                best_tenth: stats::quantile(returns, 0.9),
            },
        })
    }

    fn fields(&self) -> [(&'static str, String); 4] {
        let Self {
            count,
            terminated,
            lengths,
            returns,
        } = self;
        [
            (
                "episodes",
                format!(
                    "{}, of which {} ended in a terminal state",
                    table::thousands(*count),
                    table::thousands(*terminated)
                ),
            ),
            (
                "lengths",
                match lengths.min == lengths.max {
                    true => format!("{}, all of them", lengths.min),
                    false => format!(
                        "{} to {}, median {}, mean {:.1}",
                        lengths.min, lengths.max, lengths.median, lengths.mean
                    ),
                },
            ),
            (
                "returns",
                format!(
                    "{:.1} ± {:.1} (std), {:.1} to {:.1}, the best tenth from {:.1} on",
                    returns.mean, returns.std, returns.min, returns.max, returns.best_tenth
                ),
            ),
            (
                "quantiles",
                format!(
                    "5 %: {:.1}, 25 %: {:.1}, 50 %: {:.1}, 75 %: {:.1}, 95 %: {:.1}",
                    returns.q05, returns.q25, returns.median, returns.q75, returns.q95
                ),
            ),
        ]
    }
}
