//! The error of this crate.

use std::path::PathBuf;

/// Shorthand for a result with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// What can go wrong with an environment, a space, a wrapper or the registry.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A method was called that makes sense only after a first `reset` (or `set_state`).
    #[error("`{method}` was called before the first `reset`")]
    ResetNeeded {
        /// The method that was called.
        method: &'static str,
    },
    /// The first `reset` came without a seed.
    #[error("the first `reset` needs a seed: environments take no entropy of their own")]
    SeedNeeded,
    /// There are not as many seeds from this one on.
    #[error("the seed is {seed}, and {more} more are needed: expected at most {}", u64::MAX - more)]
    SeedTooLarge {
        /// The seed given.
        seed: u64,
        /// How many follow it.
        more: u64,
    },
    /// An action has the wrong number of elements.
    #[error("the action has {actual} elements, expected {expected}")]
    ActionLength {
        /// Elements of the action space.
        expected: usize,
        /// Elements of the action.
        actual: usize,
    },
    /// An action holds NaN or an infinity.
    #[error("element {index} of the action is {value}, expected a finite number")]
    ActionNotFinite {
        /// Which element.
        index: usize,
        /// Its value.
        value: f32,
    },
    /// A state has the wrong number of elements.
    #[error("the state has {actual} elements, expected {expected}")]
    StateLength {
        /// Elements of a state of the environment.
        expected: usize,
        /// Elements of the state given.
        actual: usize,
    },
    /// A state holds NaN or an infinity.
    #[error("element {index} of the state is {value}, expected a finite number")]
    StateNotFinite {
        /// Which element.
        index: usize,
        /// Its value.
        value: f64,
    },
    /// An observation has the wrong number of elements.
    #[error("the observations have {actual} elements, expected {expected}")]
    ObservationLength {
        /// Elements of an observation of the environment.
        expected: usize,
        /// Elements of the observations given.
        actual: usize,
    },
    /// A state is finite, but too large to go on from or to be observed.
    #[error("element {index} of the state is {value}: the observation or the next step would not be finite")]
    StateTooLarge {
        /// Which element.
        index: usize,
        /// Its value.
        value: f64,
    },
    /// An option of `reset` or an argument of `make` that the environment does not have.
    #[error("unknown option {name:?}, {}", options(known))]
    UnknownOption {
        /// The option given.
        name: String,
        /// The options there are.
        known: &'static [&'static str],
    },
    /// An option's value is of the wrong kind.
    #[error("option {name:?} is {actual}, expected a number")]
    OptionKind {
        /// The option.
        name: &'static str,
        /// The kind of value given.
        actual: &'static str,
    },
    /// An option's value is NaN, an infinity, or so large that it leads to one.
    #[error("option {name:?} is {value}, expected a finite number that can be calculated with")]
    OptionNotFinite {
        /// The option.
        name: &'static str,
        /// Its value.
        value: f64,
    },
    /// An option's value is not one that the environment takes.
    #[error("option {name:?} is {actual}, expected {expected}")]
    OptionValue {
        /// The option.
        name: &'static str,
        /// Its value.
        actual: String,
        /// What it may be.
        expected: &'static str,
    },
    /// The bounds from which an initial state is drawn are the wrong way round.
    #[error("the bounds of the initial state for {name} are low {low} and high {high}, expected low <= high")]
    ResetBounds {
        /// The quantity that is drawn.
        name: &'static str,
        /// The lower bound.
        low: f64,
        /// The upper bound.
        high: f64,
    },
    /// The two bounds of a box differ in length.
    #[error("the lower bound has {low} elements and the upper bound {high}, expected as many")]
    BoundsLength {
        /// Elements of the lower bound.
        low: usize,
        /// Elements of the upper bound.
        high: usize,
    },
    /// There is no number between the bounds of a box, or its dtype cannot hold them.
    #[error(
        "bounds of element {index} are low {low} and high {high}, expected low <= high with a number between, \
         neither of them NaN or beyond the range of the dtype"
    )]
    Bounds {
        /// Which element.
        index: usize,
        /// The lower bound.
        low: f64,
        /// The upper bound.
        high: f64,
    },
    /// A discrete space has no element, or one beyond the largest integer.
    #[error("a discrete space of {n} elements from {start} on, expected at least one and all of them within i64")]
    DiscreteRange {
        /// The number of elements.
        n: u64,
        /// The smallest element.
        start: i64,
    },
    /// A space of another kind was needed.
    #[error("the space is {actual}, expected {expected}")]
    SpaceKind {
        /// The kind needed.
        expected: &'static str,
        /// The kind there is.
        actual: &'static str,
    },
    /// The bounds given to `RescaleAction` do not fit the action space.
    #[error(
        "element {index} of the action cannot be rescaled from [{low}, {high}] to [{min_action}, {max_action}]: \
         expected min < max, and infinite bounds only where the action space has the same"
    )]
    RescaleBounds {
        /// Which element.
        index: usize,
        /// The lower bound of the wrapped environment's action space.
        low: f64,
        /// The upper bound of the wrapped environment's action space.
        high: f64,
        /// The lower bound asked for.
        min_action: f64,
        /// The upper bound asked for.
        max_action: f64,
    },
    /// A time limit of zero steps.
    #[error("`max_episode_steps` is 0, expected at least 1")]
    ZeroEpisodeSteps,
    /// A wrapper would overwrite an entry that the environment has put into `info`.
    #[error("`info` already has an entry {key:?}, expected none: choose another key")]
    InfoKeyTaken {
        /// The key.
        key: String,
    },
    /// No environment is registered under an id.
    #[error("no environment {id:?} is registered{}; known: {}", did_you_mean(.nearest.as_deref()), known.join(", "))]
    UnknownEnv {
        /// The id asked for.
        id: String,
        /// The registered id that looks most like it, if one does.
        nearest: Option<String>,
        /// All registered ids.
        known: Vec<String>,
    },
    /// An id is registered already.
    #[error("an environment {id:?} is registered already")]
    AlreadyRegistered {
        /// The id.
        id: String,
    },
    /// No environments to put side by side.
    #[error("no environments, expected at least one")]
    NoEnvs,
    /// Environments side by side differ in a space.
    #[error("environment {index} has another {what} than environment 0, expected the same")]
    SpacesDiffer {
        /// Which environment.
        index: usize,
        /// Which of its spaces.
        what: &'static str,
    },
    /// Something that is needed once for each environment came in another number.
    #[error("{actual} {what} for {expected} environments, expected as many")]
    RowCount {
        /// What came.
        what: &'static str,
        /// How many of them.
        actual: usize,
        /// The number of environments.
        expected: usize,
    },
    /// There is no environment of an index.
    #[error("environment {index} of {num_envs}, expected a smaller index")]
    NoSuchEnv {
        /// The index asked for.
        index: usize,
        /// The number of environments.
        num_envs: usize,
    },
    /// An error of one of many environments.
    #[error("environment {index}: {error}")]
    InEnv {
        /// Which environment.
        index: usize,
        /// What went wrong in it.
        error: Box<Error>,
    },
    /// The environment does not have an optional method.
    #[error("this environment does not support `{method}`")]
    Unsupported {
        /// The method.
        method: &'static str,
    },
    /// The crate was built without the feature that the environment needs.
    #[error("the environment {id:?} needs diffplan-envs built with its feature \"mujoco\"")]
    MujocoFeature {
        /// The id asked for.
        id: String,
    },
    /// There is no libmujoco where one is looked for.
    #[error(
        "libmujoco was not found (looked in {}): run `pip install mujoco`, or set MUJOCO_LIB to the path of libmujoco.so",
        tried.join(", ")
    )]
    MujocoMissing {
        /// Where it was looked for.
        tried: Vec<String>,
    },
    /// A file that should be libmujoco cannot be used.
    #[error("cannot use {} as libmujoco: {reason}", path.display())]
    MujocoLibrary {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A libmujoco that is too old.
    #[error("{} is libmujoco {actual}, expected {oldest} or newer: run `pip install --upgrade mujoco`", path.display())]
    MujocoVersion {
        /// The file.
        path: PathBuf,
        /// Its version.
        actual: String,
        /// The oldest that will do.
        oldest: &'static str,
    },
    /// A model file is missing, broken or another robot's.
    #[error("cannot use the model {}: {reason}", file.display())]
    MujocoModel {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// MuJoCo reported an error of its own.
    #[error("MuJoCo: {reason}")]
    Mujoco {
        /// What it said.
        reason: String,
    },
    /// A model in MJCF is broken, or has what cannot be drawn.
    #[error("line {line} of the MJCF model: {reason}")]
    Mjcf {
        /// The line of the file, from 1.
        line: u32,
        /// What is wrong there, and what was expected.
        reason: String,
    },
    /// The crate was built without the feature that draws.
    #[error("`render` needs diffplan-envs built with its feature \"render\"")]
    RenderFeature,
}

fn options(known: &[&str]) -> String {
    match known.is_empty() {
        true => "there are none".into(),
        false => format!("expected one of {known:?}"),
    }
}

fn did_you_mean(nearest: Option<&str>) -> String {
    nearest.map(|id| format!(", did you mean {id:?}?")).unwrap_or_default()
}
