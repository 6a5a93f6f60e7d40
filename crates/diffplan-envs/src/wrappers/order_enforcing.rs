//! Refuses `step` and `render` before there is an episode.

use ndarray::ArrayView1;

use crate::env::forward_to_env;
use crate::{Env, Error, Frame, Info, Overlay, ResetOptions, Result, Step};

/// Makes `step` and `render` an [`Error::ResetNeeded`] until a first `reset`, as `gymnasium.wrappers.OrderEnforcing`, so
/// that environments need not check. A first [`Env::set_state`] opens the way as well.
#[derive(Debug, Clone)]
pub struct OrderEnforcing<E> {
    env: E,
    started: bool,
}

impl<E: Env> OrderEnforcing<E> {
    /// Wraps an environment.
    pub fn new(env: E) -> Self {
        Self { env, started: false }
    }

    fn needs_start(&self, method: &'static str) -> Result<()> {
        if self.started {
            Ok(())
        } else {
            Err(Error::ResetNeeded { method })
        }
    }
}

impl<E: Env> Env for OrderEnforcing<E> {
    type Observation = E::Observation;
    type Action = E::Action;

    fn reset(&mut self, seed: Option<u64>, options: &ResetOptions) -> Result<(E::Observation, Info)> {
        let start = self.env.reset(seed, options)?;
        self.started = true;
        Ok(start)
    }

    fn step(&mut self, action: &E::Action) -> Result<Step<E::Observation>> {
        self.needs_start("step")?;
        self.env.step(action)
    }

    fn render(&self) -> Result<Frame> {
        self.needs_start("render")?;
        self.env.render()
    }

    fn render_with(&self, overlay: &Overlay) -> Result<Frame> {
        self.needs_start("render")?;
        self.env.render_with(overlay)
    }

    fn set_state(&mut self, state: ArrayView1<'_, f64>) -> Result<E::Observation> {
        let observation = self.env.set_state(state)?;
        self.started = true;
        Ok(observation)
    }

    forward_to_env!(observation_space, action_space, state, dt, spec);
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;
    use crate::Dict;
    use crate::wrappers::test_env::Counter;

    #[test]
    fn step_and_render_need_an_episode() {
        let mut env = OrderEnforcing::new(Counter::new(None));
        assert!(env.reset(Some(0), &Dict::from_iter([("fail", true)])).is_err());
        assert_eq!(
            env.step(&array![0.0]).unwrap_err(),
            Error::ResetNeeded { method: "step" }
        );
        assert_eq!(env.render().unwrap_err(), Error::ResetNeeded { method: "render" });
        assert_eq!(
            env.render_with(&Overlay::default()).unwrap_err(),
            Error::ResetNeeded { method: "render" }
        );
        env.reset(Some(0), &Dict::new()).unwrap();
        assert_eq!(env.step(&array![0.0]).unwrap().reward, 1.0);
        assert_eq!(env.render().unwrap().pixels, [1, 2, 3]);
        assert_eq!(env.render_with(&Overlay::default()).unwrap().pixels, [1, 2, 3]);
    }

    #[test]
    fn a_state_set_by_hand_is_a_start() {
        let mut env = OrderEnforcing::new(Counter::new(None));
        env.set_state(array![4.0].view()).unwrap();
        assert_eq!(env.step(&array![0.0]).unwrap().reward, 5.0);
    }

    #[test]
    fn stepping_on_after_the_end_is_left_to_the_environment() {
        let mut env = OrderEnforcing::new(Counter::new(Some(1)));
        env.reset(Some(0), &Dict::new()).unwrap();
        assert!(env.step(&array![0.0]).unwrap().terminated);
        assert_eq!(env.step(&array![0.0]).unwrap().reward, 2.0);
    }
}
