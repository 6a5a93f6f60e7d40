//! Clips actions into the action space.

use ndarray::{Array1, Zip};

use crate::env::forward_to_env;
use crate::{BoxSpace, Env, Error, Result, Space, Step};

/// Clips every action to the bounds of the wrapped environment's action space, as `gymnasium.wrappers.ClipAction`. Its
/// own action space has no bounds. NaN stays NaN, for the environment to refuse.
#[derive(Debug, Clone)]
pub struct ClipAction<E> {
    env: E,
    low: Array1<f32>,
    high: Array1<f32>,
    action_space: Space,
}

impl<E: Env<Action = Array1<f32>>> ClipAction<E> {
    /// Wraps an environment whose action space is a box.
    ///
    /// # Errors
    ///
    /// [`Error::SpaceKind`] if it is not.
    pub fn new(env: E) -> Result<Self> {
        let space = env.action_space().as_box()?;
        let (low, high) = (space.low().mapv(|x| x as f32), space.high().mapv(|x| x as f32));
        let action_space = BoxSpace::unbounded(space.dim(), space.dtype()).into();
        Ok(Self {
            env,
            low,
            high,
            action_space,
        })
    }
}

impl<E: Env<Action = Array1<f32>>> Env for ClipAction<E> {
    type Observation = E::Observation;
    type Action = Array1<f32>;

    fn step(&mut self, action: &Array1<f32>) -> Result<Step<E::Observation>> {
        if action.len() != self.low.len() {
            return Err(Error::ActionLength {
                expected: self.low.len(),
                actual: action.len(),
            });
        }
        let clipped = Zip::from(action)
            .and(&self.low)
            .and(&self.high)
            .map_collect(|x, &low, &high| x.clamp(low, high));
        self.env.step(&clipped)
    }

    fn observation_names(&self) -> Option<Vec<String>> {
        self.env.observation_names()
    }

    fn action_names(&self) -> Option<Vec<String>> {
        self.env.action_names()
    }

    fn action_space(&self) -> &Space {
        &self.action_space
    }

    forward_to_env!(reset, observation_space, render, state, set_state, spec);
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;
    use crate::wrappers::test_env::Counter;
    use crate::{Discrete, Dtype};

    #[test]
    fn actions_are_clipped_element_by_element() {
        let inner = Counter::with_action_bounds(array![-1.0, 0.0, f64::NEG_INFINITY], array![1.0, 0.5, 2.0]);
        let mut env = ClipAction::new(inner).unwrap();
        for (action, clipped) in [
            (array![0.25, 0.25, 0.25], array![0.25, 0.25, 0.25]),
            (array![-3.0, -3.0, -3.0], array![-1.0, 0.0, -3.0]),
            (array![f32::INFINITY, 3.0, 3.0], array![1.0, 0.5, 2.0]),
        ] {
            assert_eq!(env.step(&action).unwrap().observation, clipped, "{action}");
        }
        assert!(env.step(&array![f32::NAN, 0.0, 0.0]).unwrap().observation[0].is_nan());
    }

    #[test]
    fn the_action_space_has_no_bounds() {
        let env = ClipAction::new(Counter::new(None)).unwrap();
        assert_eq!(env.action_space(), &BoxSpace::unbounded(1, Dtype::Float32).into());
    }

    #[test]
    fn an_action_of_the_wrong_length_or_a_space_of_another_kind_is_refused() {
        let mut env = ClipAction::new(Counter::new(None)).unwrap();
        for actual in [0, 2] {
            let error = env.step(&Array1::zeros(actual)).unwrap_err();
            assert_eq!(error, Error::ActionLength { expected: 1, actual });
        }
        let discrete = Counter::with_action_space(Discrete::new(2, 0).unwrap());
        assert!(matches!(
            ClipAction::new(discrete).unwrap_err(),
            Error::SpaceKind { .. }
        ));
    }
}
