//! What can go wrong with a plan.

use std::path::PathBuf;

/// A result whose error is this crate's.
pub type Result<T> = std::result::Result<T, Error>;

/// An error of loading a pipeline, planning, or playing an episode.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A part of a checkpoint folder is not there.
    #[error("{}: {what} is missing; expected {expected}", folder.display())]
    Missing {
        /// The checkpoint.
        folder: PathBuf,
        /// The file or folder in it.
        what: &'static str,
        /// What belongs there.
        expected: &'static str,
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
    /// An observation, as a condition of a plan, that is none.
    #[error("observation{}: {reason}", place(*index, *time))]
    Observation {
        /// Which of a batch.
        index: usize,
        /// The time step it was to be imposed at.
        time: usize,
        /// What is wrong with it, and what is expected.
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
    /// Trajectories or their values became NaN or infinite: the scale is too large, or a network or guide is broken.
    #[error(
        "{}the trajectories or their values are no longer finite after timestep {timestep}; a smaller scale (now {scale}) may help",
        if *index == 0 { String::new() } else { format!("observation {index}: ") }
    )]
    Diverged {
        /// For which observation of a batch.
        index: usize,
        /// Where it was seen.
        timestep: usize,
        /// The guidance scale.
        scale: f32,
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
    /// A reward that no return can be made of.
    #[error("the reward is {reward}, expected a finite number")]
    Reward {
        /// The reward.
        reward: f64,
    },
    /// From an episode of an evaluation.
    #[error("episode {index}, step {step}: {error}")]
    Episode {
        /// Which episode.
        index: usize,
        /// The steps it had done.
        step: usize,
        /// What went wrong in it.
        error: Box<Error>,
    },
    /// From an environment.
    #[error(transparent)]
    Env(#[from] diffplan_envs::Error),
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
