//! [`Finding`]: what works, but is rarely meant, of a dataset and of what it is used for. One list, for whoever looks into a dataset and for
//! whoever trains on it.
//!
//! Nothing here fails: a network can be trained on episodes that are joined, or padded with rows a million standard deviations
//! away. It only learns something else than was meant, and nothing says so but these lines. Each says what was found, where, how
//! many, and what to do about it.
//!
//! | | of | file |
//! | --- | --- | --- |
//! | where episodes end, and what belongs to none | a file | `episodes` |
//! | flags that are a row off | a file | `boundaries` |
//! | dimensions that never change | a file | `dimensions` |
//! | what the environment would not show or take | a file | `spaces` |
//! | rows of zeros that windows are padded with | a use | `padding` |
//! | a penalty on episodes that reached their goal | a use | `goal` |
//!
//! A check is silent where it does not know. What cannot be trained on is no finding but an [`Error`](crate::Error).

mod boundaries;
mod dimensions;
mod episodes;
mod goal;
mod padding;
mod spaces;

use std::fmt;
use std::path::PathBuf;

use ndarray::{ArrayView1, ArrayView2};

use crate::{EpisodeRange, FileNote, Key, LayoutNote, RawDataset};
pub use boundaries::Boundary;
pub use padding::Padding;

/// What works, but is rarely meant. Displayed in one line, with the remedy.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Finding {
    /// Rows after the last end of an episode.
    RowsLeftOut {
        /// How many.
        rows: usize,
        /// The first of them.
        first: usize,
    },
    /// No timeouts, and no limit in their place.
    EpisodesJoined {
        /// The environment's limit, where it is known.
        limit: Option<usize>,
        /// Steps of the longest episode.
        longest: usize,
    },
    /// A limit was given, and does nothing.
    LimitNotUsed {
        /// The limit.
        limit: usize,
        /// Rows in which a timeout is set.
        timeouts: usize,
        /// Episodes that are longer.
        longer: usize,
        /// Steps of the longest.
        longest: usize,
    },
    /// Episodes of no row.
    EpisodesSkipped {
        /// How many.
        empty: usize,
    },
    /// Episodes whose observations end before what the last action led to.
    ShortObservations {
        /// How many.
        episodes: usize,
    },
    /// What the reading of a layout decided, or left out.
    Layout(LayoutNote),
    /// What is odd about the file itself, or about its numbers as they are kept.
    File(FileNote),
    /// Flags before the last step of their episode.
    FlagsWithin {
        /// How many.
        flags: usize,
    },
    /// Both flags in a row.
    BothFlags {
        /// Rows.
        rows: usize,
    },
    /// Episodes far shorter than the others.
    ShortEpisodes {
        /// How many.
        count: usize,
        /// The median of all.
        median: f64,
        /// Steps of the shortest.
        shortest: usize,
    },
    /// Episodes that the environment would have ended.
    LongEpisodes {
        /// How many.
        count: usize,
        /// The environment's limit.
        limit: usize,
        /// The environment.
        env: String,
    },
    /// Observations jump at other rows than episodes end.
    Boundaries(Boundary),
    /// Dimensions that never change.
    Constant {
        /// Of what.
        key: Key,
        /// Names and values.
        dimensions: Vec<(String, f64)>,
    },
    /// Rewards that never change.
    ConstantReward {
        /// The reward.
        value: f64,
    },
    /// Another number of dimensions than the environment's.
    OtherDimensions {
        /// Of what.
        key: Key,
        /// Here.
        actual: usize,
        /// Of the environment.
        expected: usize,
        /// The environment.
        env: String,
    },
    /// Rows outside the environment's space.
    Outside {
        /// Of what.
        key: Key,
        /// How many.
        rows: usize,
        /// By how much at most.
        most: f64,
        /// The environment.
        env: String,
    },
    /// The environment that is known here does not take what the data's was made with.
    EnvArguments {
        /// The environment, with its arguments.
        env: String,
        /// What it says.
        reason: String,
    },
    /// Rows of zeros, normalised, lie far from all data.
    FarPadding {
        /// Names, and where a zero is.
        dimensions: Vec<(String, f64)>,
    },
    /// Most windows reach past the end of their episode.
    ManyPadded {
        /// How many.
        padded: usize,
        /// Of how many.
        windows: usize,
        /// Their rows.
        horizon: usize,
    },
    /// The penalty of terminal states is put on episodes that seem to end at their goal.
    GoalsPenalised {
        /// How many.
        goals: usize,
        /// Of how many that end in a terminal state.
        terminated: usize,
        /// The penalty.
        penalty: f64,
    },
    /// Datasets that are trained on together are of different environments.
    OtherEnvironment {
        /// Of this dataset.
        env: String,
        /// Of the first.
        first: String,
    },
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RowsLeftOut { rows, first } => write!(
                f,
                "{rows} rows after the last episode's end (from row {first} on) belong to no finished episode, and are left out"
            ),
            Self::EpisodesJoined { limit, longest } => {
                let hint = match limit {
                    Some(limit) => format!("--max-episode-steps {limit}, as the environment has it"),
                    None => "--max-episode-steps".into(),
                };
                write!(
                    f,
                    "there are no timeouts, so episodes that were cut off are joined to the next (the longest has {longest} steps): \
                     give {hint}"
                )
            }
            Self::LimitNotUsed {
                limit,
                timeouts,
                longer,
                longest,
            } => write!(
                f,
                "--max-episode-steps {limit} is not used, since timeouts are set in {timeouts} rows: {longer} episodes are longer, up \
                 to {longest} steps; leave it out, or take the timeouts out of the file"
            ),
            Self::EpisodesSkipped { empty } => write!(f, "{empty} episodes of no step are left out"),
            Self::ShortObservations { episodes } => {
                write!(f, "{episodes} episodes have no observation after their last action")
            }
            Self::Layout(note) => write!(f, "{note}"),
            Self::File(note) => write!(f, "{note}"),
            Self::FlagsWithin { flags } => write!(
                f,
                "{flags} flags before the last step of their episode, which are not looked at"
            ),
            Self::BothFlags { rows } => {
                write!(
                    f,
                    "terminals and timeouts are both set in {rows} rows, which count as terminal"
                )
            }
            Self::ShortEpisodes {
                count,
                median,
                shortest,
            } => write!(
                f,
                "{count} episodes are a tenth as long as the median ({median}) or shorter; the shortest has {shortest} steps"
            ),
            Self::LongEpisodes { count, limit, env } => {
                write!(f, "{count} episodes are longer than the {limit} steps of {env}")
            }
            Self::Boundaries(boundary) => write!(f, "{boundary}"),
            Self::Constant { key, dimensions } => {
                let list = listed(dimensions, |(name, value)| format!("{name} = {}", number(*value)));
                write!(f, "{key} that never change: {list}")
            }
            Self::ConstantReward { value } => write!(f, "every reward is {}", number(*value)),
            Self::OtherDimensions {
                key,
                actual,
                expected,
                env,
            } => write!(f, "{key} have {actual} dimensions, those of {env} have {expected}"),
            Self::Outside { key, rows, most, env } => {
                let space = match key {
                    Key::Actions => "action space",
                    _ => "observation space",
                };
                write!(
                    f,
                    "{rows} {key} lie outside the {space} of {env}, by up to {}",
                    number(*most)
                )
            }
            Self::EnvArguments { env, reason } => write!(
                f,
                "the data is of {env}, which cannot be made here: {reason}; --env-kwargs NAME=null leaves an argument out"
            ),
            Self::FarPadding { dimensions } => {
                let list = listed(dimensions, |(name, at)| format!("{name} at {}", number(*at)));
                write!(
                    f,
                    "windows past an episode's end are padded with rows of zeros, which lie far from all data when normalised: {list}; \
                     give --use-padding=false, or --normalizer cdf"
                )
            }
            Self::ManyPadded {
                padded,
                windows,
                horizon,
            } => write!(
                f,
                "{padded} of {windows} windows reach past the end of their episode and are padded with rows of zeros, so plans learn to \
                 end in zeros: give --use-padding=false, or a --horizon below {horizon}"
            ),
            Self::GoalsPenalised {
                goals,
                terminated,
                penalty,
            } => write!(
                f,
                "{goals} of the {terminated} episodes that end in a terminal state seem to end at a goal, by the reward of their last step, \
                 and the value function's target has a penalty of {penalty} there: give --termination-penalty 0"
            ),
            Self::OtherEnvironment { env, first } => {
                write!(f, "this dataset is of {env}, the first one of {first}")
            }
        }
    }
}

/// A finding and the file it is of; none where it is of all files together.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// Where.
    pub file: Option<PathBuf>,
    /// What.
    pub finding: Finding,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.file {
            Some(file) => write!(f, "{}: {}", file.display(), self.finding),
            None => write!(f, "{}", self.finding),
        }
    }
}

/// Dimensions that are shown of many.
const SHOWN: usize = 8;

fn listed<T>(items: &[T], text: impl Fn(&T) -> String) -> String {
    let shown: Vec<String> = items.iter().take(SHOWN).map(text).collect();
    match items.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{}, and {more} more", shown.join(", ")),
    }
}

/// Five digits, where there are as many.
fn number(value: f64) -> String {
    let rounded: f64 = format!("{value:.4e}").parse().unwrap_or(value);
    match rounded.abs() {
        0.0 => "0".into(),
        size if (1e-4..1e7).contains(&size) => format!("{rounded}"),
        _ => format!("{rounded:e}"),
    }
}

/// The bounds of a space, one a dimension.
#[derive(Debug, Clone, PartialEq)]
pub struct Bounds {
    /// The lowest.
    pub low: Vec<f64>,
    /// The highest.
    pub high: Vec<f64>,
}

/// What is known of the environment that data is of. This crate knows no environments: whoever does says it in numbers.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EnvFacts {
    /// Its id.
    pub id: String,
    /// Steps after which it cuts episodes off.
    pub max_episode_steps: Option<usize>,
    /// Of its observations.
    pub observations: Option<Bounds>,
    /// Of its actions.
    pub actions: Option<Bounds>,
    /// Names of the dimensions of observations.
    pub observation_names: Option<Vec<String>>,
    /// Names of the dimensions of actions.
    pub action_names: Option<Vec<String>>,
    /// What it says to arguments that the dataset's was made with, and that it does not take.
    pub refused: Option<String>,
}

impl EnvFacts {
    fn named(facts: Option<&Self>, key: Key, dimension: usize, dimensions: usize) -> String {
        let names = facts.and_then(|facts| match key {
            Key::Actions => facts.action_names.as_ref(),
            _ => facts.observation_names.as_ref(),
        });
        let one = match key {
            Key::Actions => "action",
            _ => "observation",
        };
        match names.filter(|names| names.len() == dimensions) {
            Some(names) => names[dimension].clone(),
            None if dimensions == 1 => one.to_owned(),
            None => format!("{one} {dimension}"),
        }
    }
}

/// The steps of episodes, wherever they come from.
#[derive(Debug, Clone, Copy)]
pub struct Steps<'a> {
    /// (rows, observation dimensions).
    pub observations: ArrayView2<'a, f32>,
    /// (rows, action dimensions).
    pub actions: ArrayView2<'a, f32>,
    /// (rows).
    pub rewards: ArrayView1<'a, f64>,
    /// Where episodes begin and end; none where they could not be told.
    pub episodes: &'a [EpisodeRange],
}

impl<'a> Steps<'a> {
    /// Those of a file, with the episodes that were found in it.
    #[must_use]
    pub fn of_file(raw: &'a RawDataset, episodes: &'a [EpisodeRange]) -> Self {
        Self {
            observations: raw.observations.view(),
            actions: raw.actions.view(),
            rewards: raw.rewards.view(),
            episodes,
        }
    }

    /// Those of a dataset.
    #[must_use]
    pub fn of_dataset(dataset: &'a crate::Dataset) -> Self {
        Self {
            observations: dataset.observations(),
            actions: dataset.actions(),
            rewards: dataset.rewards(),
            episodes: dataset.episodes(),
        }
    }
}

/// What is odd about a file as it was read, whatever it is used for. `max_episode_steps` is the limit that was asked for.
#[must_use]
pub fn of_file(
    raw: &RawDataset,
    episodes: &[EpisodeRange],
    max_episode_steps: Option<usize>,
    env: Option<&EnvFacts>,
) -> Vec<Finding> {
    let steps = Steps::of_file(raw, episodes);
    let mut findings = episodes::check(raw, episodes, max_episode_steps, env);
    findings.extend(dimensions::check(&steps, env));
    findings.extend(
        env.into_iter()
            .flat_map(|env| spaces::check(&steps, env, raw.recorded_env.as_ref())),
    );
    findings.extend(boundaries::check(&steps));
    findings
}

/// What is odd about training on `steps`: on windows that are padded so, if they are, towards returns with a penalty for terminal
/// states, if there is one.
#[must_use]
pub fn of_training(
    steps: &Steps<'_>,
    padding: Option<&Padding<'_>>,
    termination_penalty: Option<f64>,
    env: Option<&EnvFacts>,
) -> Vec<Finding> {
    let mut findings: Vec<Finding> = padding
        .into_iter()
        .flat_map(|padding| padding.check(steps, env))
        .collect();
    findings.extend(termination_penalty.and_then(|penalty| goal::check(steps, penalty)));
    findings
}

/// The middle of some numbers, the mean of two for an even count; NaN of none.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    match (values.len() / 2, values.len() % 2) {
        (0, 0) => f64::NAN,
        (half, 0) => (values[half - 1] + values[half]) / 2.0,
        (half, _) => values[half],
    }
}

#[cfg(test)]
mod tests;
