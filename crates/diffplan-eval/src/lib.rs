//! Policies in environments: what acts, how well, and how sure that is.
//!
//! ```text
//! Policy (a planner, a controller, anybody's own)  ──┐
//! Env (built in, MuJoCo's, anybody's own)          ──┼─▶ rollout: one episode, kept whole
//! Start (which episode: seed, noise)               ──┘   evaluate: many, side by side ─▶ rows on disk, resumed ─▶ Report, Comparison
//! ```
//!
//! - a [`Policy`] acts for a batch of slots, each with an episode's own state; [`PlannerPolicy`] plans for all of them in one call;
//! - [`Playing`] is an episode, a step at a time; [`rollout()`] plays one and keeps all of it; [`evaluate()`] plays many, each the one that `rollout` plays, to the bit;
//! - [`Evaluation`] is evaluate with everything that the command has: rows on disk as episodes end, gone on with after a crash,
//!   statistics; a [`Comparison`] is of two of them;
//! - a [`Registry`] names environments, policies, guides, networks and schedulers, ours and one's own.
//!
//! Where one episode's candidates are too few to keep the threads busy, a batch of many episodes' is cheaper than one after the
//! other. Each environment of a `VecEnv` is a slot: when its episode ends, it takes the next [`Start`]. What an episode is
//! like depends on its start alone, its seed and its noise, to the bit: not on how many run beside it, nor on which, nor on the
//! number of threads.

mod episodes;
mod error;
pub mod evaluation;
#[cfg(feature = "hdf5")]
mod facts;
mod made;
mod moments;
mod names;
mod playing;
mod policy;
mod record;
mod registry;
mod rollout;
mod start;
pub mod stats;
pub mod table;
pub mod tune;

pub use episodes::{EpisodeResult, EvaluationEvent, evaluate};
pub use error::{Error, Result};
pub use evaluation::{Comparison, Evaluation, Progress, Report};
#[cfg(feature = "hdf5")]
pub use facts::env_facts;
pub use made::{env_error, env_with, make_env, make_options};
pub use moments::{liveliest, moments};
pub use names::Names;
pub use playing::{Played, Playing};
pub use policy::{
    Aim, AimText, Base, Controller, ControllerPolicy, FnPolicy, Held, Made, Mixture, Noisy, PlannerPolicy, Policy,
    StateFollower, Waypoint, WaypointPolicy,
};
pub use record::trajectories_npz;
pub use registry::{PolicyOptions, Registry};
pub use rollout::{Episode, StepEvent, rollout};
pub use start::Start;

/// Compiles and runs the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
