//! What can go wrong with a plan.

use std::path::PathBuf;

/// A result whose error is this crate's.
pub type Result<T> = std::result::Result<T, Error>;

/// An error of loading a pipeline, or planning.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file that is not there, cannot be read, or is something else altogether.
    #[error(transparent)]
    File(#[from] diffplan_files::FileError),
    /// A part of a checkpoint folder is not there.
    #[error("{}: {what} is missing; expected {expected}{hint}", folder.display())]
    Missing {
        /// The checkpoint.
        folder: PathBuf,
        /// The file or folder in it.
        what: &'static str,
        /// What belongs there.
        expected: &'static str,
        /// Where it may be instead, as the end of a sentence; empty if nobody knows.
        hint: String,
    },
    /// A configuration file that is no JSON object, or has a wrong key or value.
    #[error("{}: {reason}", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what is expected.
        reason: String,
    },
    /// A planning option whose value makes no plan.
    #[error("{name} = {value}: expected {expected}")]
    Option {
        /// The option.
        name: &'static str,
        /// Its value.
        value: String,
        /// What it could be.
        expected: String,
    },
    /// Options that need a guide, of a checkpoint that has none.
    #[error("{asked} needs a value function, and the checkpoint has none; expected n_guide_steps = 0 and no rescore")]
    NoGuide {
        /// The option and its value.
        asked: String,
    },
    /// The parts of a pipeline do not fit each other.
    #[error("{0}")]
    Parts(String),
    /// Something well formed that makes no plan, with the remedy.
    #[error("{}{finding}", folder.as_ref().map_or(String::new(), |folder| format!("{}/", folder.display())))]
    Refused {
        /// What was found.
        finding: Box<crate::doctor::Finding>,
        /// The checkpoint, where it is one on disk.
        folder: Option<PathBuf>,
    },
    /// A condition of a plan that cannot be imposed.
    #[error("{part}{}: {reason}", place(*index, *time))]
    Condition {
        /// Of which query.
        index: usize,
        /// The time step it was to be imposed at.
        time: usize,
        /// `observation` or `action`.
        part: &'static str,
        /// What is wrong with it, and what is expected.
        reason: String,
    },
    /// A plan without a goal, of a network that has learned to reach one.
    #[error(
        "{}the checkpoint was trained with goals, and the observation at step {time}, the plan's last, is not given; expected a goal \
         for all of its dimensions",
        if *index == 0 { String::new() } else { format!("observation {index}: ") }
    )]
    NoGoal {
        /// Of which query.
        index: usize,
        /// The last step of the plan.
        time: usize,
    },
    /// No candidate could be brought to satisfy a constraint, or what is imposed violates it already.
    #[error(
        "{}{}",
        if *index == 0 { String::new() } else { format!("observation {index}: ") },
        match candidates {
            0 => format!(
                "a condition violates the constraint {constraint} by {least}: what is imposed is not moved; expected a goal, or other \
                 conditions, that it allows"
            ),
            _ => format!(
                "no plan satisfies the constraint {constraint}: of {candidates} candidates the best violates it by {least}; expected \
                 constraints that conditions and each other leave room for"
            ),
        }
    )]
    Infeasible {
        /// For which query of a batch.
        index: usize,
        /// The constraint that is furthest from being satisfied.
        constraint: String,
        /// By how much the candidate that comes closest violates it, or what is imposed, in the units of what it limits.
        least: f32,
        /// How many candidates there were; 0 where what is imposed violates it, and no plan was begun.
        candidates: usize,
    },
    /// What a plan cannot start from.
    #[error("start of query {index}: {reason}")]
    Start {
        /// Which query.
        index: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// A deadline that not even the cheapest plan keeps.
    #[error(
        "a deadline of {:.3} ms, and the cheapest plan ({cheapest}) is expected to take {:.3} ms: give more time, or allow the cheapest \
         anyway (cheapest_anyway)",
        budget.as_secs_f64() * 1e3,
        needed.as_secs_f64() * 1e3
    )]
    Deadline {
        /// The time that there is.
        budget: std::time::Duration,
        /// The time that the cheapest plan is expected to take, at the pace of the last ones.
        needed: std::time::Duration,
        /// What that is.
        cheapest: String,
    },
    /// A plan that was called off.
    #[error("the plan was cancelled, after {visits} of {of} visits")]
    Cancelled {
        /// Visits that had been made.
        visits: usize,
        /// Of so many.
        of: usize,
    },
    /// Threads to plan on that cannot be had.
    #[error("cannot start {threads} threads to plan on: {reason}")]
    Threads {
        /// How many.
        threads: usize,
        /// Why not.
        reason: String,
    },
    /// A batch of observations came with another number of noise sources.
    #[error("{actual} noise sources for {expected} observations, expected one for each")]
    NoiseSources {
        /// How many came.
        actual: usize,
        /// How many were needed.
        expected: usize,
    },
    /// Numbers of a plan became NaN or infinite: an observation too large, a scale too large, a network or guide that is broken.
    #[error(
        "{}{what} are no longer finite, at step {} (timestep {timestep}){}",
        if *index == 0 { String::new() } else { format!("observation {index}: ") },
        step + 1,
        scale.map_or_else(
            || "; is the observation far from what was trained on?".to_owned(),
            |scale| format!("; a smaller scale (now {scale}) may help, unless the observation is far from what was trained on")
        )
    )]
    Diverged {
        /// For which query of a batch.
        index: usize,
        /// The visit, from 0.
        step: usize,
        /// Its timestep.
        timestep: f32,
        /// Which numbers.
        what: &'static str,
        /// The guidance scale, where there is guidance.
        scale: Option<f32>,
    },
    /// From a network.
    #[error(transparent)]
    Model(#[from] diffplan_models::Error),
    /// From a network in a checkpoint's folder.
    #[error("{part}: {error}")]
    Network {
        /// `unet` or `value_function`.
        part: &'static str,
        /// What is wrong with it.
        error: diffplan_models::Error,
    },
    /// From the scheduler.
    #[error(transparent)]
    Scheduler(#[from] diffplan_schedulers::Error),
    /// From a normaliser.
    #[error(transparent)]
    Normalizer(#[from] diffplan_data::Error),
    /// From a noise source.
    #[error(transparent)]
    Noise(#[from] crate::NoiseError),
    /// From one of the noise sources of a batch of observations.
    #[error("observation {index}: {error}")]
    NoiseOf {
        /// Of which observation.
        index: usize,
        /// What went wrong with its source.
        error: crate::NoiseError,
    },
    /// From a guide of yours.
    #[error("guide: {0}")]
    Guide(#[source] Box<dyn std::error::Error + Send + Sync>),
}

fn place(index: usize, time: usize) -> String {
    match (index, time) {
        (0, 0) => String::new(),
        (index, 0) => format!(" {index}"),
        (index, time) => format!(" {index} at time {time}"),
    }
}
