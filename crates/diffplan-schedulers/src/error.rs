use std::path::PathBuf;

/// What [`Result`](std::result::Result) means in this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Everything that can be wrong with a configuration, a list of timesteps or the arrays of a step.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file that is not there, cannot be read or written, or is no JSON object.
    #[error(transparent)]
    File(#[from] diffplan_files::FileError),
    /// A scheduler of a class that there is none of here, or another than was asked for.
    #[error(
        "scheduler {name} is not supported: {}there are {}",
        nearest.as_ref().map_or(String::new(), |nearest| format!("did you mean {nearest}? ")),
        known.join(", ")
    )]
    Class {
        /// What the file says.
        name: String,
        /// The nearest that there is, if one is near.
        nearest: Option<String>,
        /// The classes there are.
        known: Vec<String>,
    },
    /// A configuration file was read but holds something wrong.
    #[error("{}: {source}", path.display())]
    InFile {
        /// The configuration file.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<Error>,
    },
    /// A key that the scheduler does not have.
    #[error(
        "unknown key `{key}` with value {value}: {}{class} has {}",
        nearest.map_or(String::from("what it asks for cannot be honoured; "), |nearest| format!("did you mean `{nearest}`? ")),
        allowed.join(", ")
    )]
    UnknownKey {
        /// The key.
        key: String,
        /// Its value, as JSON.
        value: String,
        /// The class of the scheduler.
        class: &'static str,
        /// The nearest key it has, if one is near.
        nearest: Option<&'static str>,
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
    /// A schedule whose last timestep has no signal, with a prediction that divides by the signal.
    #[error(
        "rescale_betas_zero_snr leaves no signal at timestep {timestep}, and prediction_type epsilon divides by it there: \
         expected prediction_type sample or v_prediction, rescale_betas_zero_snr false, or timesteps that leave {timestep} out \
         (fewer inference steps with timestep_spacing leading)"
    )]
    NoSignal {
        /// The timestep that is visited.
        timestep: usize,
    },
    /// An option of a call that the class of the scheduler does not have.
    #[error("{class} has no {option}: expected {expected}, or another scheduler")]
    NoSuchOption {
        /// The class.
        class: &'static str,
        /// The option.
        option: &'static str,
        /// What it is without it.
        expected: &'static str,
    },
    /// Options with which a step is not defined: where it divides by zero, or the reference loses count.
    #[error("`{key}` is {value}, with which the step at timestep {timestep} of {class} {reason}: expected {allowed}")]
    NoSuchStep {
        /// The class.
        class: &'static str,
        /// The option that it hangs on.
        key: &'static str,
        /// Its value.
        value: String,
        /// The timestep.
        timestep: f32,
        /// What is wrong there.
        reason: &'static str,
        /// What would work.
        allowed: String,
    },
    /// `eta` out of its range.
    #[error("eta is {actual}, expected a number from 0 (no noise) to 1 (as much as DDPM)")]
    Eta {
        /// What was asked for.
        actual: f32,
    },
    /// The predicted original sample is infinite or NaN: what clipping would hide.
    #[error(
        "the predicted sample at timestep {timestep} is not finite: the model's output or the sample there is too large, or not a \
         number"
    )]
    NotFinite {
        /// The timestep.
        timestep: usize,
    },
    /// A visit that the sampler does not have.
    #[error("visit {visit} of a sampler that has {visits}")]
    NoSuchVisit {
        /// The number asked for, counted from 0.
        visit: usize,
        /// How many there are.
        visits: usize,
    },
}
