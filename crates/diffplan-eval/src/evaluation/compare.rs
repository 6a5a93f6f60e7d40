//! [`Comparison`]: by how much the mean returns differ, and how sure that is.
//!
//! The interval is the percentile bootstrap's (Efron 1979): episodes are drawn anew with replacement, the difference of the
//! means is taken, and of 10,000 such differences the middle 95 % are shown. Where both evaluations have played the same
//! environment from the same seeds, episode i of one began where episode i of the other did: then pairs are drawn, and what
//! an easy or a hard start does to both cancels.

use crate::error::{Error, Result};
use crate::{stats, table};
use diffplan_envs::d4rl::ReferenceReturns;
use diffplan_files::{Folder, folder_of};
use diffplan_pipelines::{NoiseSource, PlanOptions, RngNoise};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::fs;
use std::path::{Path, PathBuf};

const RESAMPLES: usize = 10_000;
const SEED: u64 = 0;

/// What differs between two evaluations of one planner with one set of options.
const OF_THE_RUN: [&str; 8] = [
    "checkpoint",
    "variant",
    "checkpoint_hash",
    "episodes",
    "first",
    "parallel",
    "threads",
    "out",
];

/// `evaluation.json`, or the `summary.json` of rollout.
#[derive(Deserialize)]
struct Played {
    env: String,
    seed: u64,
    #[serde(default)]
    returns: Vec<f64>,
    /// Rollout's does not say.
    #[serde(default = "yes")]
    finished: bool,
    #[serde(default)]
    config: Map<String, Value>,
    /// Rollout's says nothing of each.
    #[serde(default)]
    episodes: Vec<Seeded>,
}

/// What an episode was reset with.
#[derive(Deserialize)]
struct Seeded {
    seed: u64,
}

impl Played {
    /// The seeds of its episodes, where it says them; those of most follow from the first.
    fn seeds(&self) -> Option<impl Iterator<Item = u64>> {
        (!self.episodes.is_empty()).then(|| self.episodes.iter().map(|episode| episode.seed))
    }

    /// Whether episode i of one was reset with the seed of the other's.
    fn began_as(&self, other: &Self) -> bool {
        self.seeds()
            .zip(other.seeds())
            .is_none_or(|(own, other)| own.zip(other).all(|(own, other)| own == other))
    }

    fn references(&self) -> Option<ReferenceReturns> {
        let steps = self.config.get("max_episode_steps").and_then(Value::as_u64);
        super::report::references(&self.env, steps.and_then(|steps| usize::try_from(steps).ok()))
    }
}

fn yes() -> bool {
    true
}

/// Two evaluations, and by how much the second is better.
#[derive(Debug, Serialize)]
pub struct Comparison {
    a: Side,
    b: Side,
    difference: Difference,
    warnings: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Side {
    file: PathBuf,
    checkpoint: Option<String>,
    env: String,
    seed: u64,
    episodes: usize,
    mean_return: f64,
    standard_error: Option<f64>,
    /// D4RL's, of the mean.
    normalized_score: Option<f64>,
}

/// B less A.
#[derive(Debug, Serialize)]
struct Difference {
    mean_return: f64,
    confidence: f64,
    /// Null where a side has a single episode, which says nothing about others.
    confidence_interval: Option<[f64; 2]>,
    /// The same in D4RL's scores.
    normalized_score: Option<f64>,
    normalized_confidence_interval: Option<[f64; 2]>,
    paired: bool,
    /// Why not, if so.
    #[serde(skip)]
    apart: Option<&'static str>,
    method: &'static str,
    resamples: usize,
    resampling_seed: u64,
}

/// Folders of the two evaluations of a checkpoint with goals.
const WAYS: [&str; 2] = ["states", "actions"];

/// The file that a path names: itself, or the `evaluation.json` or `summary.json` of a folder.
fn file_of(path: &Path) -> Result<PathBuf> {
    if !path.is_dir() {
        return Ok(path.to_owned());
    }
    let folder = Folder::at(path);
    for name in [super::saved::EVALUATION, "summary.json"] {
        if folder.has(name)? {
            return Ok(path.join(name));
        }
    }
    Err(Error::Folder {
        path: path.to_owned(),
        reason: match WAYS
            .iter()
            .any(|way| path.join(way).join(super::saved::EVALUATION).is_file())
        {
            true => "holds two evaluations, expected one of them: its folder states or its folder actions".into(),
            false => "holds neither the evaluation.json of an evaluation nor the summary.json of a rollout".into(),
        },
    })
}

fn read(path: &Path) -> Result<Played> {
    parse(&fs::read(path).map_err(Error::io(path))?, path)
}

fn parse(text: &[u8], path: &Path) -> Result<Played> {
    let refuse = |reason: String| Error::Folder {
        path: path.to_owned(),
        reason,
    };
    let played: Played = serde_json::from_slice(text).map_err(|e| {
        refuse(format!(
            "this is neither an evaluation.json nor a summary.json of rollout: {e}"
        ))
    })?;
    if !played.finished {
        let folder = table::quoted(folder_of(path));
        return Err(refuse(format!(
            "the evaluation is not finished: diffplan evaluate --out {folder} --resume"
        )));
    }
    if played.returns.is_empty() {
        return Err(refuse("no returns, expected at least one episode".into()));
    }
    match stats::mean(&played.returns).is_finite() {
        true => Ok(played),
        false => Err(refuse("the returns are too large for a mean".into())),
    }
}

impl Comparison {
    /// Of two finished evaluations or rollouts: their files, or the folders that they are in.
    ///
    /// # Errors
    /// If one is not finished, or none.
    pub fn of_files(a: &Path, b: &Path) -> Result<Self> {
        let (a, b) = (file_of(a)?, file_of(b)?);
        Ok(Self::of((&a, &read(&a)?), (&b, &read(&b)?)))
    }

    /// Of two evaluations as their reports are in JSON, with what each is called.
    ///
    /// # Errors
    /// As [`of_files`](Self::of_files).
    pub fn of_json((a, a_json): (&str, &[u8]), (b, b_json): (&str, &[u8])) -> Result<Self> {
        let (a, b) = (Path::new(a), Path::new(b));
        Ok(Self::of((a, &parse(a_json, a)?), (b, &parse(b_json, b)?)))
    }

    fn of((a_path, a): (&Path, &Played), (b_path, b): (&Path, &Played)) -> Self {
        let first = |played: &Played| played.config.get("first").cloned();
        let made_with =
            |played: &Played| ["env_kwargs", "max_episode_steps"].map(|key| played.config.get(key).cloned());
        let apart = if a.env != b.env || made_with(a) != made_with(b) {
            Some("the environments differ")
        } else if a.seed != b.seed || first(a) != first(b) || !a.began_as(b) {
            Some("the episodes did not begin alike")
        } else if a.returns.len() != b.returns.len() {
            Some("the numbers of episodes differ")
        } else {
            None
        };
        let paired = apart.is_none();
        let enough = a.returns.len().min(b.returns.len()) > 1;
        let interval = enough.then(|| interval(&a.returns, &b.returns, paired));
        let mean_return = stats::mean(&b.returns) - stats::mean(&a.returns);
        let references = a.references().filter(|_| a.env == b.env && b.references().is_some());
        Self {
            difference: Difference {
                mean_return,
                confidence: 0.95,
                confidence_interval: interval,
                normalized_score: references.map(|references| references.scale(mean_return)),
                normalized_confidence_interval: references
                    .zip(interval)
                    .map(|(references, interval)| interval.map(|x| references.scale(x))),
                paired,
                apart,
                method: "percentile bootstrap",
                resamples: RESAMPLES,
                resampling_seed: SEED,
            },
            warnings: warnings(a, b),
            a: Side::of(a_path, a),
            b: Side::of(b_path, b),
        }
    }

    /// As a table, and by how much they differ.
    pub fn text(&self) -> String {
        let row = |name: &str, side: &Side| {
            vec![
                name.to_owned(),
                side.env.clone(),
                side.episodes.to_string(),
                side.seed.to_string(),
                format!("{:.1}", side.mean_return),
                side.standard_error.map_or("-".into(), |error| format!("{error:.1}")),
                side.normalized_score.map_or("-".into(), |score| format!("{score:.1}")),
            ]
        };
        let header = [
            "",
            "env",
            "episodes",
            "seed",
            "mean return",
            "standard error",
            "D4RL score",
        ];
        let table = table::table(&header, &[row("A", &self.a), row("B", &self.b)]);
        let difference = &self.difference;
        let with = |value: f64, interval: Option<[f64; 2]>| match interval {
            Some([low, high]) => format!("{value:+.1}, 95 % interval {low:+.1} to {high:+.1}"),
            None => format!("{value:+.1}"),
        };
        let mut fields = vec![
            ("A", self.a.place()),
            ("B", self.b.place()),
            ("B less A", with(difference.mean_return, difference.confidence_interval)),
        ];
        if let Some(score) = difference.normalized_score {
            fields.push(("in scores", with(score, difference.normalized_confidence_interval)));
        }
        let how = match difference.apart {
            None => "paired by episode: same environment, same seeds".to_owned(),
            Some(why) => format!("not paired: {why}"),
        };
        fields.push((
            "interval",
            match difference.confidence_interval {
                Some(_) => format!("percentile bootstrap, {RESAMPLES} resamples, seed {SEED}, {how}"),
                None => "none: a single episode says nothing about others".into(),
            },
        ));
        fields.extend(self.warnings.iter().map(|warning| ("warning", warning.clone())));
        format!("{table}\n\n{}", table::fields(&fields))
    }
}

impl Side {
    fn of(path: &Path, played: &Played) -> Self {
        let mean_return = stats::mean(&played.returns);
        let checkpoint = played.config.get("checkpoint").and_then(Value::as_str);
        Self {
            file: path.to_owned(),
            checkpoint: checkpoint.map(str::to_owned),
            env: played.env.clone(),
            seed: played.seed,
            episodes: played.returns.len(),
            mean_return,
            standard_error: stats::standard_error(&played.returns),
            normalized_score: played.references().map(|references| references.score(mean_return)),
        }
    }

    fn place(&self) -> String {
        let of = self.checkpoint.as_ref();
        let of = of.map_or(String::new(), |checkpoint| format!(", checkpoint {checkpoint}"));
        format!("{}{of}", self.file.display())
    }
}

/// The 95 % interval of mean(b) - mean(a).
pub(crate) fn interval(a: &[f64], b: &[f64], paired: bool) -> [f64; 2] {
    let mut noise = RngNoise::seed(SEED);
    let mut mean_of_draws = |values: &[f64]| {
        let mut draw = || {
            let index = noise.pick_index(values.len());
            values[index.expect("there is at least one value")]
        };
        (0..values.len()).map(|_| draw()).sum::<f64>() / values.len() as f64
    };
    if paired {
        let differences: Vec<f64> = a.iter().zip(b).map(|(a, b)| b - a).collect();
        stats::percentile_interval(RESAMPLES, || mean_of_draws(&differences))
    } else {
        stats::percentile_interval(RESAMPLES, || mean_of_draws(b) - mean_of_draws(a))
    }
}

/// What one should know before believing the difference.
fn warnings(a: &Played, b: &Played) -> Vec<String> {
    let mut warnings = Vec::new();
    if a.env != b.env {
        warnings.push(format!("the environments differ: {} and {}", a.env, b.env));
    }
    let (episodes_a, episodes_b) = (a.returns.len(), b.returns.len());
    if episodes_a != episodes_b {
        warnings.push(format!("the numbers of episodes differ: {episodes_a} and {episodes_b}"));
    }
    if a.seed != b.seed {
        warnings.push(format!("the seeds differ: {} and {}", a.seed, b.seed));
    }
    let first = |played: &Played| played.config.get("first").and_then(Value::as_u64).unwrap_or(0);
    if first(a) != first(b) {
        warnings.push(format!("the first episodes differ: {} and {}", first(a), first(b)));
    }
    let mut keys: Vec<&String> = a.config.keys().chain(b.config.keys()).collect();
    keys.sort();
    keys.dedup();
    // Of one that plans and one that does not, or plans in its own way, the options of a planner have nothing to compare.
    if a.config.get("policy") != b.config.get("policy") {
        keys.retain(|key| ["policy", "simulator", "env_kwargs", "max_episode_steps"].contains(&key.as_str()));
    }
    let defaults = serde_json::to_value(PlanOptions::default()).unwrap_or_default();
    for key in keys.into_iter().filter(|key| !OF_THE_RUN.contains(&key.as_str())) {
        let value = |played: &Played| {
            let value = played.config.get(key).filter(|value| !value.is_null());
            let unsaid = match key.as_str() {
                "simulator" => "diffplan's own",
                "policy" => "the checkpoint's planner",
                "aim" => "none of one's own",
                _ => "the default",
            };
            // An option that was not there yet when the file was written was as by default.
            let value = value.or_else(|| defaults.get(key).filter(|value| !value.is_null()));
            value.map_or(unsaid.to_owned(), |value| {
                value.as_str().map_or_else(|| value.to_string(), str::to_owned)
            })
        };
        let (value_a, value_b) = (value(a), value(b));
        if value_a != value_b {
            let what = match key.as_str() {
                "simulator" => "episodes ran on another simulator".to_owned(),
                "policy" => "another policy acted".to_owned(),
                "aim" => "plans were led to another goal".to_owned(),
                "follow" => "something else was followed of plans".to_owned(),
                _ => format!("plans were made with another {key}"),
            };
            warnings.push(format!("{what}: {value_a} and {value_b}"));
        }
    }
    if episodes_a.min(episodes_b) < 10 {
        warnings.push("fewer than 10 episodes: the interval is too narrow".into());
    }
    warnings
}
