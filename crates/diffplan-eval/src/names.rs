//! What the dimensions of environments are called, for tables and pictures.

use crate::error::{Error, Result};
use diffplan_envs::{BoxEnv, Env};
use diffplan_files::nearest;
use serde::Serialize;

/// The names of an environment's dimensions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Names {
    /// Of observations.
    pub observations: Vec<String>,
    /// Of actions.
    pub actions: Vec<String>,
}

impl Names {
    /// Those that `env` tells, numbered ones otherwise, for the dimensions of its spaces.
    ///
    /// # Errors
    /// If a space of it is no box.
    pub fn of_env(env: &BoxEnv) -> Result<Self> {
        let (observations, actions) = (env.observation_space().as_box()?, env.action_space().as_box()?);
        Ok(Self::of(Some(env), observations.dim(), actions.dim()))
    }

    /// Those that `env` tells; numbered ones where there is none, it does not tell, or it has other dimensions.
    pub fn of(env: Option<&BoxEnv>, observation_dim: usize, action_dim: usize) -> Self {
        let observations = env.and_then(|env| env.observation_names());
        let actions = env.and_then(|env| env.action_names());
        Self {
            observations: known_or_numbered(observations, "observation", observation_dim),
            actions: known_or_numbered(actions, "action", action_dim),
        }
    }
}

/// The dimension that a word names: one of `known`, or a number below their number.
///
/// # Errors
/// [`Error::Unknown`] for any other.
pub(crate) fn dim_of(word: &str, known: &[String]) -> Result<usize> {
    let numbered = || word.parse().ok().filter(|&dim: &usize| dim < known.len());
    let place = known.iter().position(|name| name == word).or_else(numbered);
    place.ok_or_else(|| Error::Unknown {
        what: "the dimension",
        name: word.to_owned(),
        nearest: nearest(word, known.iter().map(String::as_str)).map(str::to_owned),
        known: known.to_vec(),
    })
}

fn known_or_numbered(known: Option<Vec<String>>, kind: &str, dim: usize) -> Vec<String> {
    if let Some(known) = known.filter(|known| known.len() == dim) {
        return known;
    }
    match dim {
        1 => vec![kind.to_owned()],
        _ => (0..dim).map(|i| format!("{kind} {i}")).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_dimensions_are_numbered() {
        let pendulum = diffplan_envs::make("Pendulum-v1").unwrap();
        assert_eq!(Names::of(Some(&pendulum), 3, 1).observations[2], "dθ/dt");
        assert_eq!(Names::of_env(&pendulum).unwrap(), Names::of(Some(&pendulum), 3, 1));
        let other = Names::of(Some(&pendulum), 2, 2);
        assert_eq!(other.observations, ["observation 0", "observation 1"]);
        assert_eq!(other.actions, ["action 0", "action 1"]);
        assert_eq!(Names::of(None, 3, 1).actions, ["action"]);
    }
}
