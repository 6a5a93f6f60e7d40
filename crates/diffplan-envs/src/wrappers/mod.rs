//! Wrappers: environments that change what another one takes or tells, after `gymnasium.wrappers`.
//!
//! ```
//! use diffplan_envs::wrappers::{RecordEpisodeStatistics, RescaleAction};
//! use diffplan_envs::{Dict, Env, make};
//! use ndarray::array;
//!
//! let mut env = RecordEpisodeStatistics::new(RescaleAction::new(make("Pendulum-v1")?, -1.0, 1.0)?);
//! env.reset(Some(0), &Dict::new())?;
//! let step = loop {
//!     let step = env.step(&array![1.0])?; // the full torque of 2
//!     if step.done() {
//!         break step;
//!     }
//! };
//! let episode = step.info.get("episode").and_then(|value| value.as_dict()).expect("the episode is over");
//! assert_eq!(episode.get("l").and_then(|value| value.as_i64()), Some(200));
//! # Ok::<(), diffplan_envs::Error>(())
//! ```

mod clip_action;
mod order_enforcing;
mod record_episode_statistics;
mod rescale_action;
mod time_limit;

pub use clip_action::ClipAction;
pub use order_enforcing::OrderEnforcing;
pub use record_episode_statistics::{EpisodeStatistics, RecordEpisodeStatistics};
pub use rescale_action::RescaleAction;
pub use time_limit::TimeLimit;

#[cfg(test)]
pub(crate) mod test_env;
