//! What can go wrong with a picture.

/// A result whose error is this crate's.
pub type Result<T> = std::result::Result<T, Error>;

/// Every message is complete as it is displayed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An environment that cannot be drawn.
    #[error("no picture of {env}: {error}")]
    NoPicture {
        /// The environment.
        env: String,
        /// Why.
        error: diffplan_envs::Error,
    },
    /// From a planner.
    #[error(transparent)]
    Pipeline(#[from] diffplan_pipelines::Error),
    /// From a scheduler.
    #[error(transparent)]
    Scheduler(#[from] diffplan_schedulers::Error),
    /// From a normaliser.
    #[error(transparent)]
    Data(#[from] diffplan_data::Error),
    /// From an environment.
    #[error(transparent)]
    Env(#[from] diffplan_envs::Error),
    /// A picture that cannot be encoded.
    #[error("cannot encode {what}: {reason}")]
    Encode {
        /// Which.
        what: &'static str,
        /// Why.
        reason: String,
    },
    /// A plane that cannot be drawn.
    #[error("no picture of a plane: {0}")]
    Plane(String),
    /// Plans that are compared and are not alike.
    #[error("two plans cannot be compared: {0}")]
    Unlike(String),
    /// Nothing to draw.
    #[error("there is nothing to draw: {0}")]
    Nothing(String),
}

impl Error {
    pub(crate) fn encode<E: std::fmt::Display>(what: &'static str) -> impl FnOnce(E) -> Self {
        move |e| Self::Encode {
            what,
            reason: e.to_string(),
        }
    }
}
