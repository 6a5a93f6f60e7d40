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
//! A check is silent where it does not know. What cannot be trained on is no finding but an [`Error`].

mod boundaries;
mod dimensions;
mod episodes;
mod goal;
mod padding;
mod spaces;
mod survey;

use std::fmt;
use std::path::PathBuf;

use crate::packed::Packed;
use crate::transitions::each_rewards;
use crate::{EpisodeRange, Error, FileNote, Key, LayoutNote, Moments, RawDataset, Transitions};
pub use boundaries::Boundary;
pub(crate) use episodes::of_reading;
pub use padding::Padding;
use spaces::Outside;
pub use survey::{NonFinite, Survey};

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
    /// What was odd about a packed dataset when it was packed.
    Packed(String),
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
            Self::Packed(text) => write!(f, "when it was packed: {text}"),
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

/// What is odd about a file as it was read, whatever it is used for. `max_episode_steps` is the limit that was asked for.
#[must_use]
pub fn of_file(
    raw: &RawDataset,
    episodes: &[EpisodeRange],
    max_episode_steps: Option<usize>,
    env: Option<&EnvFacts>,
) -> Vec<Finding> {
    Survey::of_file(raw, episodes, env).findings(&raw.facts(), episodes, max_episode_steps, env)
}

/// The same of a packed file, of whose rows it is known what was found when it was packed: they are read only where some lie outside the
/// environment's space, to be counted.
///
/// # Errors
/// If it cannot be read.
pub fn of_packed(
    packed: &Packed,
    max_episode_steps: Option<usize>,
    env: Option<&EnvFacts>,
) -> Result<Vec<Finding>, Error> {
    let (observations, actions) = (packed.observation_dim(), packed.action_dim());
    let facts = packed.facts(&packed.about());
    let mut findings = episodes::check(&facts, packed.episodes(), max_episode_steps, env);
    if let Some(known) = packed.known() {
        let moments = known.moments.part(actions..actions + observations);
        findings.extend(dimensions::check(
            &moments,
            &known.moments.part(0..actions),
            &known.rewards,
            env,
        ));
        if let Some(env) = env {
            let mut outside = spaces::counters(Some(env), observations, actions);
            let inside = |outside: &Option<Outside>, moments: &Moments| {
                outside.as_ref().is_none_or(|outside| outside.has(moments))
            };
            if !inside(&outside[0], &moments) || !inside(&outside[1], &known.moments.part(0..actions)) {
                packed.each_block(&mut |block| {
                    for (outside, values) in outside.iter_mut().zip([block.observations, block.actions]) {
                        if let Some(outside) = outside {
                            outside.add(values);
                        }
                    }
                    Ok(())
                })?;
            }
            findings.extend(spaces::check(
                [observations, actions],
                &outside,
                env,
                packed.recorded_env(),
            ));
        }
    }
    findings.extend(packed.boundaries().map(Finding::Boundaries));
    Ok(findings)
}

/// What is odd about training on transitions: on windows that are padded so, if they are, towards returns with a penalty for terminal
/// states, if there is one.
///
/// # Errors
/// If rewards cannot be read; none of what is in memory.
pub fn of_training(
    data: &dyn Transitions,
    padding: Option<&Padding<'_>>,
    termination_penalty: Option<f64>,
    env: Option<&EnvFacts>,
) -> Result<Vec<Finding>, Error> {
    let dimensions = (data.observation_dim(), data.action_dim());
    let mut findings = of_padding(dimensions, padding, env);
    if let Some(penalty) = termination_penalty.filter(|penalty| *penalty < 0.0) {
        let mut endings = goal::Endings::new(data.episodes());
        each_rewards(data, &mut |first, rewards| {
            endings.add(first, rewards.iter().copied());
            Ok(())
        })?;
        findings.extend(goal::check(&endings, data.episodes(), penalty));
    }
    Ok(findings)
}

/// What is odd about how windows of so many dimensions, observations and actions, are padded, if they are.
#[must_use]
pub fn of_padding(dimensions: (usize, usize), padding: Option<&Padding<'_>>, env: Option<&EnvFacts>) -> Vec<Finding> {
    padding
        .into_iter()
        .flat_map(|padding| padding.check(dimensions, env))
        .collect()
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
