//! `diffplan data inspect`: what a dataset holds. It is read once, in blocks, so that it may be larger than memory, and without
//! checks of its numbers, so that all that is wrong with them can be shown, and not just the first.

mod moments;
mod plot;

use crate::args::DataInspectArgs;
use crate::error::{Error, Result};
use crate::patience::Bytes;
use crate::{datasets, json, output, settings};
use diffplan_data::findings::{self, EnvFacts, Finding, NonFinite, Padding, Survey};
use diffplan_data::read::{DatasetReader, Found};
use diffplan_data::{EpisodeRange, Moments, RawDataset, RecordedEnv};
use diffplan_eval::evaluation::known_returns;
use diffplan_eval::{Names, Registry, env_facts, stats, table};
use moments::Dimension;
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
    let limit = args.max_episode_steps;
    let file = datasets::path(&args.file)?;
    let mut reader = DatasetReader::open(&file, &args.read.options(limit))?;
    let dimensions = (reader.observation_dim(), reader.action_dim());
    let facts = reader.recorded_env().and_then(|env| env_facts(&registry.envs, env));
    let env = settings::known_env(registry, reader.recorded_env());
    let names = Names::of(env.as_ref(), dimensions.0, dimensions.1);
    // Where episodes end is said of all rows below, if it can be; their rows are looked at all the same.
    let ends = match reader.look(limit) {
        Ok(ends) => ends,
        Err(error) if no_end(&error) => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    let rows = reader.rows();
    let bar = Bytes::new("reading", rows.saturating_mul(reader.bytes_of_row()));
    let each = reader.bytes_of_row();
    let mut survey = Survey::new(dimensions, rows as usize, &ends, facts.as_ref());
    let found = reader.each(limit, &mut |block| {
        survey.add_block(block);
        bar.add(each * block.rewards.len() as u64);
        Ok(())
    })?;
    drop(bar);
    let odd = odd(&survey, &found, limit, facts.as_ref());
    let report = Report::of(&found, &survey, &names, &odd);
    if let Some(path) = &args.plot {
        // A picture has some of all rows: they are in memory for it.
        let raw = RawDataset::read(&file, &args.read.options(limit))?;
        let episodes = found.episodes.as_deref().unwrap_or_default();
        plot::draw(&raw, &names, (episodes, survey.returns()), (&args.file, path))?;
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

/// Whether all that is wrong is that no episode ends.
fn no_end(error: &diffplan_data::Error) -> bool {
    match error {
        diffplan_data::Error::File { error, .. } => no_end(error),
        error => matches!(error, diffplan_data::Error::NoEpisodeEnd { .. }),
    }
}

/// What is odd about the file, and about training on it as `diffplan train` does where nothing else is said.
fn odd(survey: &Survey, found: &Found, max_episode_steps: Option<usize>, env: Option<&EnvFacts>) -> Vec<Finding> {
    let episodes = found.episodes.as_deref().unwrap_or_default();
    let mut odd = survey.findings(&found.facts, episodes, max_episode_steps, env);
    // What is not finite is a problem of its own, and has no statistics.
    let normalizers = survey.normalizers();
    let padding = normalizers.as_ref().map(|normalizers| Padding {
        normalizers,
        sequences: None,
    });
    let dimensions = (survey.observations().columns(), survey.actions().columns());
    odd.extend(findings::of_padding(dimensions, padding.as_ref(), env));
    odd.extend(survey.goal(episodes, diffplan_train::session::TERMINATION_PENALTY));
    odd
}

impl Report {
    fn of(found: &Found, survey: &Survey, names: &Names, odd: &[Finding]) -> Self {
        let dimensions = |names: &[String], moments: &Moments| -> Vec<Dimension> {
            let columns = names.iter().enumerate();
            columns
                .map(|(column, name)| Dimension::of(name, moments, column))
                .collect()
        };
        let Found { facts, episodes, .. } = found;
        let non_finite: Vec<NonFinite> = survey.non_finite().cloned().collect();
        let mut problems: Vec<String> = non_finite.iter().map(moments::text).collect();
        // Without the name of the file, which is said already.
        problems.extend(episodes.as_ref().err().map(|error| match error {
            diffplan_data::Error::File { error, .. } => error.to_string(),
            other => other.to_string(),
        }));
        let episodes = episodes.as_deref().unwrap_or_default();
        let recorded = facts.recorded_env.clone().unwrap_or_default();
        Self {
            file: facts.path.clone(),
            format: facts.format.name(),
            env: facts.recorded_env.as_ref().map(|env| env.id.clone()),
            env_kwargs: recorded.kwargs,
            max_episode_steps: recorded.max_episode_steps,
            metadata: facts.metadata.iter().cloned().collect(),
            arrays: facts
                .arrays
                .iter()
                .map(|array| Array {
                    name: array.name.clone(),
                    shape: array.shape.clone(),
                    dtype: array.dtype.clone(),
                })
                .collect(),
            rows: facts.rows,
            left_out: episodes.last().map(|last| facts.rows - last.end),
            episodes: Episodes::of(episodes, survey.returns()),
            observations: dimensions(&names.observations, survey.observations()),
            actions: dimensions(&names.actions, survey.actions()),
            rewards: Dimension::of("reward", survey.rewards(), 0),
            non_finite,
            odd: odd.iter().map(ToString::to_string).collect(),
            problems,
        }
    }

    /// The environment, if it is said.
    fn made(&self) -> Option<RecordedEnv> {
        Some(RecordedEnv {
            id: self.env.clone()?,
            kwargs: self.env_kwargs.clone(),
            max_episode_steps: self.max_episode_steps,
        })
    }

    fn text(&self) -> String {
        // The strings of the metadata are shown themselves.
        let arrays = self.arrays.iter().filter(|array| !array.name.starts_with("metadata/"));
        let arrays: Vec<String> = arrays.map(Array::text).collect();
        let mut rows = vec![
            ("format", self.format.to_owned()),
            (
                "env",
                self.made().map_or_else(|| "not said".into(), |env| env.to_string()),
            ),
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
        if let Some(known) = self.made().as_ref().and_then(known_returns) {
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
