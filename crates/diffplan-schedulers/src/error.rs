use std::io;
use std::path::PathBuf;

use crate::VarianceType;

/// What [`Result`](std::result::Result) means in this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Everything that can be wrong with a configuration, a list of timesteps or the arrays of a step.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or folder could not be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The text is not a JSON object.
    #[error("not a JSON object: {0}")]
    Json(#[from] serde_json::Error),
    /// A configuration file was read but holds something wrong.
    #[error("{}: {source}", path.display())]
    InFile {
        /// The configuration file.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<Error>,
    },
    /// A key that the scheduler does not have.
    #[error("unknown key `{key}` with value {value}; the keys are {}", allowed.join(", "))]
    UnknownKey {
        /// The key.
        key: String,
        /// Its value, as JSON.
        value: String,
        /// The keys there are.
        allowed: &'static [&'static str],
    },
    /// A key whose value has the wrong type, is out of range or names something that does not exist.
    #[error("`{key}` is {value}, expected {allowed}")]
    UnsupportedValue {
        /// The key.
        key: String,
        /// Its value, as JSON.
        value: String,
        /// What is allowed.
        allowed: String,
    },
    /// `trained_betas` has a length other than `num_train_timesteps`.
    #[error("`trained_betas` has {actual} values, expected `num_train_timesteps` = {expected}")]
    TrainedBetasLength {
        /// Number of values in `trained_betas`.
        actual: usize,
        /// `num_train_timesteps`.
        expected: usize,
    },
    /// The beta schedule leaves the range in which a diffusion step is defined.
    #[error("beta at timestep {timestep} is {value}, expected a value in [0, 1), or 1 at the last timestep only")]
    BetaOutOfRange {
        /// Where in the schedule.
        timestep: usize,
        /// The value there.
        value: f32,
    },
    /// The product of `1 - beta` has no noise at its first timestep, or no signal left before its last.
    #[error(
        "alphas_cumprod at timestep {timestep} is {value} in float32, expected a value below 1 from the first timestep \
         on, and above 0 up to the last but one"
    )]
    DegenerateSchedule {
        /// Where in the schedule.
        timestep: usize,
        /// The value there.
        value: f32,
    },
    /// `num_inference_steps` is 0 or more than there are training timesteps.
    #[error("num_inference_steps is {actual}, expected 1..={num_train_timesteps}")]
    NumInferenceSteps {
        /// What was asked for.
        actual: usize,
        /// The largest possible number.
        num_train_timesteps: usize,
    },
    /// A list of custom timesteps without an entry.
    #[error("the list of custom timesteps is empty, expected at least one timestep")]
    NoTimesteps,
    /// Custom timesteps must fall strictly.
    #[error("custom timestep {index} is {actual}, expected a value below its predecessor {previous}")]
    TimestepsNotDescending {
        /// Position in the list.
        index: usize,
        /// The timestep before it.
        previous: usize,
        /// The timestep there.
        actual: usize,
    },
    /// A timestep the beta schedule does not reach.
    #[error("timestep {timestep} is out of range, expected a value below num_train_timesteps = {num_train_timesteps}")]
    TimestepOutOfRange {
        /// The timestep.
        timestep: usize,
        /// Length of the beta schedule.
        num_train_timesteps: usize,
    },
    /// A timestep that is not among those of the last `set_timesteps`.
    #[error(
        "timestep {timestep} is not among the {} timesteps that were set",
        num_inference_steps
    )]
    TimestepNotSet {
        /// The timestep.
        timestep: usize,
        /// How many timesteps are set.
        num_inference_steps: usize,
    },
    /// An array of the wrong shape.
    #[error("`{name}` has shape {actual:?}, expected {expected:?}")]
    ShapeMismatch {
        /// The argument.
        name: &'static str,
        /// Its shape.
        actual: Vec<usize>,
        /// The shape it should have.
        expected: Vec<usize>,
    },
    /// An array without a batch axis.
    #[error("`{name}` has shape [], expected at least 1 axis, the batch")]
    NoBatchAxis {
        /// The argument.
        name: &'static str,
    },
    /// An array without a channel axis.
    #[error("`{name}` has shape {actual:?}, expected at least 2 axes, batch and channels")]
    NoChannelAxis {
        /// The argument.
        name: &'static str,
        /// Its shape.
        actual: Vec<usize>,
    },
    /// Neither one timestep for the whole batch nor one a sample.
    #[error("{actual} timesteps for a batch of {batch}, expected 1 or {batch}")]
    TimestepCount {
        /// Number of timesteps.
        actual: usize,
        /// Number of samples.
        batch: usize,
    },
    /// No noise was handed to a step that adds noise.
    #[error("the step at timestep {timestep} adds noise, but none was given")]
    MissingNoise {
        /// The timestep.
        timestep: usize,
    },
    /// There is no variance of a timestep alone where the model predicts it.
    #[error("variance_type `{variance_type}` takes the variance from the model output; a timestep alone has none")]
    VarianceIsLearned {
        /// The scheduler's variance type.
        variance_type: VarianceType,
    },
}
