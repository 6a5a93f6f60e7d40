//! States other than the current one in the same picture.

use ndarray::{Array1, Array2};

use crate::{Error, Result};

/// What is drawn into the picture of a state: other states of the same environment, as [`Env::state`](crate::Env::state)
/// gives them. [`Env::states_of`](crate::Env::states_of) makes them of observations, such as a plan's.
///
/// Trails are drawn in their order, the last on top.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Overlay {
    /// Paths through states.
    pub trails: Vec<Trail>,
    /// States drawn faintly, behind the current one.
    pub ghosts: Vec<Ghost>,
}

/// The path through a sequence of states of what the picture follows: the torso of a robot, the tip of the pendulum's rod,
/// the car. A dot marks its end.
///
/// Where that path has one dimension only, as on the circle of the pendulum or the track of the mountain car, later states
/// are drawn further out, so that what swings back does not cover itself: the longest trail of an overlay ends at the same
/// distance in every picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Trail {
    /// The states, shape `(n, state_dim)`, in the order of time; the first is as a rule the current one.
    pub states: Array2<f64>,
    /// Red, green and blue.
    pub color: [u8; 3],
    /// From 0, not to be seen, to 1.
    pub opacity: f64,
    /// Pixels across.
    pub width: f64,
}

/// A state drawn faintly in one colour.
#[derive(Debug, Clone, PartialEq)]
pub struct Ghost {
    /// The state, shape `(state_dim,)`.
    pub state: Array1<f64>,
    /// Red, green and blue.
    pub color: [u8; 3],
    /// From 0, not to be seen, to 1.
    pub opacity: f64,
}

impl Overlay {
    /// Checks that all states have `expected` elements.
    ///
    /// # Errors
    ///
    /// [`Error::StateLength`] if any has not.
    pub fn check(&self, expected: usize) -> Result<()> {
        let trails = self.trails.iter().map(|trail| trail.states.ncols());
        let ghosts = self.ghosts.iter().map(|ghost| ghost.state.len());
        match trails.chain(ghosts).find(|&actual| actual != expected) {
            Some(actual) => Err(Error::StateLength { expected, actual }),
            None => Ok(()),
        }
    }

    /// How far out of the longest trail its states lie in time, from 0 to 1: `1 / (n - 1)` a step.
    #[cfg(feature = "render")]
    pub(crate) fn time_step(&self) -> f64 {
        let longest = self.trails.iter().map(|trail| trail.states.nrows()).max();
        1.0 / longest.unwrap_or(0).saturating_sub(1).max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn states_of_another_length_are_refused() {
        let overlay = Overlay {
            trails: vec![Trail {
                states: array![[1.0, 2.0]],
                color: [0; 3],
                opacity: 1.0,
                width: 2.0,
            }],
            ghosts: vec![Ghost {
                state: array![1.0, 2.0, 3.0],
                color: [0; 3],
                opacity: 1.0,
            }],
        };
        for (expected, actual) in [(2, 3), (3, 2)] {
            assert_eq!(overlay.check(expected), Err(Error::StateLength { expected, actual }));
        }
        assert_eq!(Overlay::default().check(7), Ok(()));
    }
}
