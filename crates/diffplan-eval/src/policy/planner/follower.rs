//! [`StateFollower`]: the controller that executes planned states.
//!
//! That of the original Diffuser's mazes (`scripts/plan_maze2d.py` of branch maze2d): the action is the difference of the next planned
//! position and the present one, and the difference of the next planned velocity and the present one, added up.

use crate::error::{Error, Result};
use crate::names::{Names, dim_of};
use ndarray::{Array1, ArrayView1};

/// Steers from an observation to the next planned one: action i is `position gain · (planned position i - position i) + velocity gain ·
/// (planned velocity i - velocity i)`, both gains 1 by default.
#[derive(Clone, Debug, PartialEq)]
pub struct StateFollower {
    positions: Vec<usize>,
    velocities: Vec<usize>,
    gains: [f64; 2],
}

impl StateFollower {
    /// Of these dimensions of the observation: one position for each dimension of the action, and the velocity of each, or none.
    ///
    /// # Errors
    /// [`Error::Parts`] where there is no position, another number of velocities than none or one each, or one dimension twice.
    pub fn new(positions: Vec<usize>, velocities: Vec<usize>) -> Result<Self> {
        let (count, speeds) = (positions.len(), velocities.len());
        if count == 0 || (speeds != 0 && speeds != count) {
            return Err(Error::Parts(format!(
                "a controller of {count} positions and {speeds} velocities: expected at least one position, and as many velocities or none"
            )));
        }
        let mut dims: Vec<usize> = positions.iter().chain(&velocities).copied().collect();
        dims.sort_unstable();
        if let Some(twice) = dims.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(Error::Parts(format!(
                "a controller of dimension {} twice: expected each position and each velocity once",
                twice[0]
            )));
        }
        Ok(Self {
            positions,
            velocities,
            gains: [1.0, 1.0],
        })
    }

    /// With these gains on differences of positions and of velocities.
    #[must_use]
    pub fn gains(mut self, position: f64, velocity: f64) -> Self {
        self.gains = [position, velocity];
        self
    }

    /// Of the dimensions whose names say what they are: `x` with `vx` or `dx/dt`, as many as actions have dimensions.
    ///
    /// # Errors
    /// [`Error::Parts`] where names do not tell, with what to say instead.
    pub fn of_names(names: &Names) -> Result<Self> {
        let place = |wanted: &str| names.observations.iter().position(|name| name == wanted);
        let velocity_of = |name: &String| place(&format!("v{name}")).or_else(|| place(&format!("d{name}/dt")));
        let named = names.observations.iter().enumerate();
        let pairs: Vec<(usize, usize)> = named.filter_map(|(at, name)| Some((at, velocity_of(name)?))).collect();
        if pairs.len() != names.actions.len() {
            return Err(Error::Parts(format!(
                "which positions and velocities a controller is to steer cannot be told from the names {}: expected as many positions \
                 (x) with a velocity (vx or dx/dt) as actions, {}; say which they are with follow_dims, such as 0,1:2,3, or follow actions",
                names.observations.join(", "),
                names.actions.len()
            )));
        }
        let (positions, velocities) = pairs.into_iter().unzip();
        Self::new(positions, velocities)
    }

    /// Of text as the option `follow_dims` has it: positions, a colon, velocities; names or numbers, with commas between. Without a colon
    /// there are no velocities.
    ///
    /// # Errors
    /// [`Error::Unknown`] for a name that there is none of; as [`new`](Self::new).
    pub fn parse(text: &str, names: &Names) -> Result<Self> {
        let (positions, velocities) = text.split_once(':').unwrap_or((text, ""));
        let dims = |text: &str| {
            let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
            words
                .map(|word| dim_of(word, &names.observations))
                .collect::<Result<Vec<_>>>()
        };
        Self::new(dims(positions)?, dims(velocities)?)
    }

    /// # Errors
    /// If it is not of such observations and actions.
    pub(super) fn check(&self, observation_dim: usize, action_dim: usize) -> Result<()> {
        let mut dims = self.positions.iter().chain(&self.velocities);
        if let Some(dim) = dims.find(|&&dim| dim >= observation_dim) {
            return Err(Error::Parts(format!(
                "a controller of dimension {dim} of observations that have {observation_dim}: expected a lower one"
            )));
        }
        match self.positions.len() == action_dim {
            true => Ok(()),
            false => Err(Error::Parts(format!(
                "a controller of {} positions for actions of {action_dim} dimensions: expected one for each, see follow_dims",
                self.positions.len()
            ))),
        }
    }

    /// The action (action dimensions) that leads from an observation to the `next` planned one, both (observation dimensions).
    pub fn action(&self, observation: ArrayView1<f64>, next: ArrayView1<f64>) -> Array1<f32> {
        let [position, velocity] = self.gains;
        let difference = |dim: usize| next[dim] - observation[dim];
        let of = |(i, &at): (usize, &usize)| {
            let speed = self.velocities.get(i).map_or(0.0, |&dim| velocity * difference(dim));
            (position * difference(at) + speed) as f32
        };
        self.positions.iter().enumerate().map(of).collect()
    }

    /// The state that is held after a plan's last one: it, at rest.
    pub(super) fn at_rest(&self, mut state: Array1<f64>) -> Array1<f64> {
        for &dim in &self.velocities {
            state[dim] = 0.0;
        }
        state
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    fn names(observations: &[&str], actions: usize) -> Names {
        Names {
            observations: observations.iter().map(|name| (*name).to_owned()).collect(),
            actions: (0..actions).map(|i| format!("action {i}")).collect(),
        }
    }

    #[test]
    fn it_steers_by_position_and_velocity() {
        let follower = StateFollower::of_names(&names(&["x", "y", "dx/dt", "dy/dt"], 2)).unwrap();
        assert_eq!(follower, StateFollower::new(vec![0, 1], vec![2, 3]).unwrap());
        let (now, next) = (array![1.0, 2.0, 0.5, -0.5], array![1.25, 1.0, 0.0, 0.25]);
        assert_eq!(follower.action(now.view(), next.view()), array![-0.25, -0.25]);
        let stiff = follower.clone().gains(4.0, 2.0);
        assert_eq!(stiff.action(now.view(), next.view()), array![0.0, -2.5]);
        assert_eq!(follower.at_rest(next), array![1.25, 1.0, 0.0, 0.0]);
        let order = names(&["vy", "vx", "y", "x"], 2);
        assert_eq!(
            StateFollower::of_names(&order).unwrap(),
            StateFollower::new(vec![2, 3], vec![0, 1]).unwrap()
        );
    }

    #[test]
    fn what_names_do_not_tell_has_to_be_said() {
        let pendulum = names(&["cos θ", "sin θ", "dθ/dt"], 1);
        let error = StateFollower::of_names(&pendulum).unwrap_err().to_string();
        assert!(
            error.contains("cos θ, sin θ, dθ/dt") && error.contains("follow_dims"),
            "{error}"
        );
        assert_eq!(
            StateFollower::parse("1:dθ/dt", &pendulum).unwrap(),
            StateFollower::new(vec![1], vec![2]).unwrap()
        );
        assert_eq!(
            StateFollower::parse("sin θ", &pendulum).unwrap(),
            StateFollower::new(vec![1], vec![]).unwrap()
        );
        for (text, word) in [
            ("", "0 positions"),
            ("0,1:2", "2 positions and 1 velocities"),
            ("sinθ:2", "sin θ"),
            ("7", "7"),
            ("1:1", "dimension 1 twice"),
        ] {
            let error = StateFollower::parse(text, &pendulum).unwrap_err().to_string();
            assert!(error.contains(word), "{text}: {error}");
        }
        let two = StateFollower::new(vec![0, 1], vec![]).unwrap();
        assert!(two.check(3, 1).unwrap_err().to_string().contains("2 positions"));
        assert!(two.check(1, 2).unwrap_err().to_string().contains("dimension 1"));
    }
}
