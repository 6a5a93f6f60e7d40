//! Truncates an episode after a number of steps.

use crate::env::forward_to_env;
use crate::{Env, EnvSpec, Error, Info, ResetOptions, Result, Step};

/// Sets `truncated` from the `max_episode_steps`-th step after a reset on, as `gymnasium.wrappers.TimeLimit`.
///
/// `terminated` stays what it is: a last step may be both. [`Env::set_state`] does not change the count, and a step that
/// fails is not counted.
#[derive(Debug, Clone)]
pub struct TimeLimit<E> {
    env: E,
    max_episode_steps: usize,
    elapsed_steps: usize,
    spec: Option<EnvSpec>,
}

impl<E: Env> TimeLimit<E> {
    /// Limits the episodes of `env` to `max_episode_steps` steps, and says so in [`Env::spec`].
    ///
    /// # Errors
    ///
    /// [`Error::ZeroEpisodeSteps`] if there would be none.
    pub fn new(env: E, max_episode_steps: usize) -> Result<Self> {
        if max_episode_steps == 0 {
            return Err(Error::ZeroEpisodeSteps);
        }
        let spec = env.spec().map(|spec| EnvSpec {
            max_episode_steps: Some(max_episode_steps),
            ..spec.clone()
        });
        Ok(Self {
            env,
            max_episode_steps,
            elapsed_steps: 0,
            spec,
        })
    }
}

impl<E: Env> Env for TimeLimit<E> {
    type Observation = E::Observation;
    type Action = E::Action;

    fn reset(&mut self, seed: Option<u64>, options: &ResetOptions) -> Result<(E::Observation, Info)> {
        let start = self.env.reset(seed, options)?;
        self.elapsed_steps = 0;
        Ok(start)
    }

    fn step(&mut self, action: &E::Action) -> Result<Step<E::Observation>> {
        let mut step = self.env.step(action)?;
        self.elapsed_steps += 1;
        step.truncated |= self.elapsed_steps >= self.max_episode_steps;
        Ok(step)
    }

    fn spec(&self) -> Option<&EnvSpec> {
        self.spec.as_ref()
    }

    forward_to_env!(observation_space, action_space, render, state, set_state);
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;
    use crate::Dict;
    use crate::wrappers::test_env::Counter;

    fn truncations<E: Env<Action = ndarray::Array1<f32>>>(env: &mut E, steps: usize) -> Vec<bool> {
        (0..steps).map(|_| env.step(&array![0.0]).unwrap().truncated).collect()
    }

    #[test]
    fn the_limit_truncates_and_only_a_reset_starts_the_count_again() {
        let mut env = TimeLimit::new(Counter::new(None), 3).unwrap();
        env.reset(Some(0), &Dict::new()).unwrap();
        assert_eq!(truncations(&mut env, 5), [false, false, true, true, true]);
        env.reset(None, &Dict::new()).unwrap();
        assert_eq!(truncations(&mut env, 2), [false, false]);
        env.set_state(array![0.0].view()).unwrap();
        assert!(env.step(&array![0.0, 0.0]).is_err());
        assert!(env.reset(None, &Dict::from_iter([("fail", true)])).is_err());
        assert_eq!(truncations(&mut env, 1), [true]);
    }

    #[test]
    fn what_the_environment_says_itself_stays() {
        let mut env = TimeLimit::new(Counter::new(Some(2)), 2).unwrap();
        env.reset(Some(0), &Dict::new()).unwrap();
        assert!(!env.step(&array![0.0]).unwrap().done());
        let last = env.step(&array![0.0]).unwrap();
        assert!(last.terminated && last.truncated);

        let mut env = TimeLimit::new(TimeLimit::new(Counter::new(None), 1).unwrap(), 9).unwrap();
        env.reset(Some(0), &Dict::new()).unwrap();
        assert_eq!(truncations(&mut env, 1), [true]);
    }

    #[test]
    fn a_limit_of_no_steps_is_refused() {
        assert_eq!(
            TimeLimit::new(Counter::new(None), 0).unwrap_err(),
            Error::ZeroEpisodeSteps
        );
    }
}
