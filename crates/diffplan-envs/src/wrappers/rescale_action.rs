//! Lets actions range over other bounds.

use ndarray::{Array1, Zip};

use crate::env::forward_to_env;
use crate::{BoxSpace, Env, Error, Result, Space, Step};

/// Maps actions from `[min_action, max_action]` linearly onto the wrapped environment's action space, as
/// `gymnasium.wrappers.RescaleAction`, in its order of operations:
///
/// ```text
/// gradient  = (max_action - min_action) / (high - low)
/// intercept = min_action - gradient · low
/// inner action = (action - intercept) / gradient
/// ```
///
/// An element that is unbounded on one side is only shifted, one that is unbounded on both stays as it is. Actions
/// beyond the bounds are mapped by the same line.
#[derive(Debug, Clone)]
pub struct RescaleAction<E> {
    env: E,
    gradient: Array1<f32>,
    intercept: Array1<f32>,
    action_space: Space,
}

impl<E: Env<Action = Array1<f32>>> RescaleAction<E> {
    /// Wraps an environment whose action space is a box; every element of an action gets the same bounds.
    ///
    /// # Errors
    ///
    /// As [`RescaleAction::with_bounds`].
    pub fn new(env: E, min_action: f64, max_action: f64) -> Result<Self> {
        let dim = env.action_space().as_box()?.dim();
        Self::with_bounds(
            env,
            Array1::from_elem(dim, min_action),
            Array1::from_elem(dim, max_action),
        )
    }

    /// Wraps an environment whose action space is a box, with bounds of shape `(action_dim,)`.
    ///
    /// # Errors
    ///
    /// [`Error::SpaceKind`] if the action space is no box; [`Error::BoundsLength`] and [`Error::ActionLength`] for
    /// bounds of the wrong length; [`Error::RescaleBounds`] where an element's bounds are NaN, equal or the wrong way
    /// round (in single precision), or infinite where those of the action space are not, or the reverse.
    pub fn with_bounds(env: E, min_action: Array1<f64>, max_action: Array1<f64>) -> Result<Self> {
        let space = env.action_space().as_box()?;
        if min_action.len() != max_action.len() {
            return Err(Error::BoundsLength {
                low: min_action.len(),
                high: max_action.len(),
            });
        }
        if min_action.len() != space.dim() {
            return Err(Error::ActionLength {
                expected: space.dim(),
                actual: min_action.len(),
            });
        }
        let mut gradient = Array1::ones(space.dim());
        let mut intercept = Array1::zeros(space.dim());
        for index in 0..space.dim() {
            let (low, high) = (space.low()[index], space.high()[index]);
            let (min, max) = (min_action[index], max_action[index]);
            let line = Line::between((low, high), (min, max)).ok_or(Error::RescaleBounds {
                index,
                low,
                high,
                min_action: min,
                max_action: max,
            })?;
            (gradient[index], intercept[index]) = (line.gradient, line.intercept);
        }
        let action_space = BoxSpace::new(min_action, max_action, space.dtype())?.into();
        Ok(Self {
            env,
            gradient,
            intercept,
            action_space,
        })
    }
}

/// `outer = gradient · inner + intercept`, in the single precision of actions.
struct Line {
    gradient: f32,
    intercept: f32,
}

impl Line {
    /// The line that takes one interval to another; `None` if there is none that can be inverted.
    fn between((low, high): (f64, f64), (min, max): (f64, f64)) -> Option<Self> {
        let same_infinities = |a: f64, b: f64| a == b || (a.is_finite() && b.is_finite());
        let ordered = (min as f32) < (max as f32);
        if !(ordered && same_infinities(low, min) && same_infinities(high, max)) {
            return None;
        }
        let line = match (min.is_finite(), max.is_finite()) {
            (true, true) => {
                let gradient = ((max - min) / (high - low)) as f32;
                Self {
                    gradient,
                    intercept: (f64::from(gradient * -(low as f32)) + min) as f32,
                }
            }
            (true, false) => Self {
                gradient: 1.0,
                intercept: (min - low) as f32,
            },
            (false, true) => Self {
                gradient: 1.0,
                intercept: (max - high) as f32,
            },
            (false, false) => Self {
                gradient: 1.0,
                intercept: 0.0,
            },
        };
        (line.gradient.is_normal() && line.intercept.is_finite()).then_some(line)
    }
}

impl<E: Env<Action = Array1<f32>>> Env for RescaleAction<E> {
    type Observation = E::Observation;
    type Action = Array1<f32>;

    fn step(&mut self, action: &Array1<f32>) -> Result<Step<E::Observation>> {
        if action.len() != self.gradient.len() {
            return Err(Error::ActionLength {
                expected: self.gradient.len(),
                actual: action.len(),
            });
        }
        let inner = Zip::from(action)
            .and(&self.gradient)
            .and(&self.intercept)
            .map_collect(|&action, &gradient, &intercept| (action - intercept) / gradient);
        self.env.step(&inner)
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

    const INF: f64 = f64::INFINITY;

    #[test]
    fn the_bounds_are_mapped_onto_those_of_the_environment() {
        let mut env = RescaleAction::new(Counter::new(None), -1.0, 1.0).unwrap();
        for (action, inner) in [(-1.0, -2.0), (0.0, 0.0), (0.25, 0.5), (1.0, 2.0), (2.0, 4.0)] {
            assert_eq!(
                env.step(&array![action]).unwrap().observation,
                array![inner],
                "{action}"
            );
        }
        let expected = BoxSpace::new(array![-1.0], array![1.0], Dtype::Float32).unwrap();
        assert_eq!(env.action_space(), &expected.into());
    }

    #[test]
    fn actions_are_those_of_gymnasium_to_the_bit() {
        // gymnasium 1.4.0: RescaleAction over a Box with these bounds (float32), env.func(action)
        let (low, high) = (array![-0.3, 0.1, -INF, 0.5, -INF], array![0.7, 3.0, 2.0, INF, INF]);
        let (min, max) = (array![-1.1, -0.2, -INF, -0.7, -INF], array![1.3, 0.9, 1.4, INF, INF]);
        let mut env = RescaleAction::with_bounds(Counter::with_action_bounds(low, high), min, max).unwrap();
        let inner = env.step(&array![0.37, 0.11, -5.3, 4.4, 0.123]).unwrap().observation;
        assert_eq!(
            inner,
            array![
                0.3125,
                0.9172727465629578,
                -4.700000286102295,
                5.600000381469727,
                0.12300000339746475
            ]
        );
    }

    #[test]
    fn bounds_that_cannot_be_mapped_are_refused() {
        for (low, high, min, max) in [
            (-2.0, 2.0, 1.0, 1.0),
            (-2.0, 2.0, 1.0, 1.0 + 1e-12),
            (-2.0, 2.0, 1.0, -1.0),
            (-2.0, 2.0, f64::NAN, 1.0),
            (-2.0, 2.0, -1.0, f64::NAN),
            (-2.0, 2.0, -1.0, INF),
            (-2.0, 2.0, -INF, 1.0),
            (-2.0, INF, -1.0, 1.0),
            (-INF, 2.0, -1.0, 1.0),
            (2.0, 2.0, -1.0, 1.0),
        ] {
            let inner = Counter::with_action_bounds(array![low], array![high]);
            let error = RescaleAction::new(inner, min, max).unwrap_err();
            assert!(
                matches!(error, Error::RescaleBounds { index: 0, .. }),
                "{low} {high} {min} {max}: {error}"
            );
        }
        let with_bounds = |min, max| RescaleAction::with_bounds(Counter::new(None), min, max).unwrap_err();
        assert_eq!(
            with_bounds(array![0.0], array![1.0, 1.0]),
            Error::BoundsLength { low: 1, high: 2 }
        );
        assert_eq!(
            with_bounds(array![0.0, 0.0], array![1.0, 1.0]),
            Error::ActionLength { expected: 1, actual: 2 }
        );
        let discrete = Counter::with_action_space(Discrete::new(2, 0).unwrap());
        assert!(matches!(
            RescaleAction::new(discrete, 0.0, 1.0).unwrap_err(),
            Error::SpaceKind { .. }
        ));
    }

    #[test]
    fn an_action_of_the_wrong_length_is_refused() {
        let mut env = RescaleAction::new(Counter::new(None), -1.0, 1.0).unwrap();
        let error = env.step(&array![0.0, 0.0]).unwrap_err();
        assert_eq!(error, Error::ActionLength { expected: 1, actual: 2 });
    }
}
