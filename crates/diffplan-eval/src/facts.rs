//! What is known of an environment that data is of, for what is odd about the data.

use crate::error::Error as E;
use crate::made::make_env;
use diffplan_data::RecordedEnv;
use diffplan_data::findings::{Bounds, EnvFacts};
use diffplan_envs::{Env, Registry, Space};

/// What is known here of the environment that data is of, made as it was, or with its defaults where it does not take that. None of one that
/// is not known, or cannot be made.
pub fn env_facts(registry: &Registry, recorded: &RecordedEnv) -> Option<EnvFacts> {
    let (env, refused) = match make_env(registry, recorded) {
        Ok(env) => (env, None),
        Err(error @ (E::EnvArgument { .. } | E::EnvArguments { .. })) => {
            (registry.make(&recorded.id).ok()?, Some(error.to_string()))
        }
        Err(_) => return None,
    };
    let bounds = |space: &Space| {
        let space = space.as_box().ok()?;
        let (low, high) = (space.low().to_vec(), space.high().to_vec());
        Some(Bounds { low, high })
    };
    let spec = env.spec();
    Some(EnvFacts {
        id: spec.map_or_else(|| recorded.id.clone(), |spec| spec.id.clone()),
        max_episode_steps: spec.and_then(|spec| spec.max_episode_steps),
        observations: bounds(env.observation_space()),
        actions: bounds(env.action_space()),
        observation_names: env.observation_names(),
        action_names: env.action_names(),
        refused,
    })
}
