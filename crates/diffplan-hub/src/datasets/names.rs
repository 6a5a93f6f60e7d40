//! Which names there are.

use crate::error::{Error, Result};
use crate::name::is_safe;
use diffplan_files::nearest;
use std::fmt;

/// Names with paths below the address of D4RL's server.
const D4RL: &str = include_str!("d4rl.txt");
/// Names that can be read here: neither pictures nor discrete actions.
const MINARI: &str = include_str!("minari.txt");
/// Names that are told where there is none.
const NEAREST: usize = 4;

/// Whose name it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// A file.
    D4rl,
    /// A folder.
    Minari,
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::D4rl => "D4RL",
            Self::Minari => "Minari",
        })
    }
}

/// A dataset that can be asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    name: String,
    family: Family,
    /// Below an address, or below the folder of all.
    path: String,
}

impl Known {
    /// All names, or those that have `filter` in them, letter case aside.
    pub fn all(filter: &str) -> impl Iterator<Item = Self> {
        let filter = filter.to_lowercase();
        let d4rl = D4RL.lines().filter_map(|line| line.split_once(' '));
        let d4rl = d4rl.map(|(name, path)| Self::new(name, Family::D4rl, path));
        let minari = MINARI.lines().map(|name| Self::new(name, Family::Minari, name));
        d4rl.chain(minari)
            .filter(move |known| known.name.to_lowercase().contains(&filter))
    }

    /// A name that is listed.
    pub fn listed(name: &str) -> Option<Self> {
        Self::all("").find(|known| known.name == name)
    }

    /// A name that is listed, or one that Minari may have beside them.
    ///
    /// # Errors
    /// [`Error::UnknownDataset`], with names that are near.
    pub fn of(name: &str) -> Result<Self> {
        let unlisted = || is_of_minari(name).then(|| Self::new(name, Family::Minari, name));
        Self::listed(name)
            .or_else(unlisted)
            .ok_or_else(|| Error::UnknownDataset {
                name: name.to_owned(),
                near: Self::near(name),
            })
    }

    /// Names that may have been meant.
    pub fn near(name: &str) -> Vec<String> {
        let all: Vec<String> = Self::all("").map(|known| known.name).collect();
        let best = nearest(name, all.iter().map(String::as_str));
        let words: Vec<String> = name.to_lowercase().split(['-', '/', '_']).map(str::to_owned).collect();
        let shared = |known: &String| {
            let known = known.to_lowercase();
            words
                .iter()
                .filter(|word| word.len() > 1 && known.split(['-', '/']).any(|part| part == *word))
                .count()
        };
        let mut near: Vec<&String> = all
            .iter()
            .filter(|known| shared(known) > 0 && Some(known.as_str()) != best)
            .collect();
        near.sort_by_key(|known| std::cmp::Reverse(shared(known)));
        best.into_iter()
            .chain(near.into_iter().map(String::as_str))
            .take(NEAREST)
            .map(str::to_owned)
            .collect()
    }

    /// As it was asked for.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whose.
    pub fn family(&self) -> Family {
        self.family
    }

    /// Below an address.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// The last part of its path.
    pub(crate) fn file(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    fn new(name: &str, family: Family, path: &str) -> Self {
        Self {
            name: name.to_owned(),
            family,
            path: path.to_owned(),
        }
    }
}

/// `namespace/name-vN`, of letters, digits, `-` and `_`.
fn is_of_minari(name: &str) -> bool {
    let version = name.rsplit_once("-v").map(|(_, version)| version);
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_/".contains(c);
    name.contains('/')
        && is_safe(name)
        && name.chars().all(allowed)
        && version.is_some_and(|version| !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_d4rl_and_minari() {
        assert_eq!(Known::all("").filter(|known| known.family == Family::D4rl).count(), 179);
        for (name, path) in [
            ("hopper-medium-v2", "gym_mujoco_v2/hopper_medium-v2.hdf5"),
            (
                "halfcheetah-medium-expert-v0",
                "gym_mujoco/halfcheetah_medium_expert.hdf5",
            ),
            ("maze2d-umaze-v1", "maze2d/maze2d-umaze-sparse-v1.hdf5"),
            ("walker2d-medium-replay-v0", "gym_mujoco/walker_mixed.hdf5"),
            ("pen-human-v1", "hand_dapg_v1/pen-human-v1.hdf5"),
            ("D4RL/door/human-v2", "D4RL/door/human-v2"),
            ("minigrid/BabyAI-Pickup/optimal-v0", "minigrid/BabyAI-Pickup/optimal-v0"),
        ] {
            assert_eq!(Known::of(name).unwrap().path(), path);
        }
        assert!(Known::all("").all(|known| is_safe(&known.path)));
        let kitchen: Vec<String> = Known::all("Kitchen-").map(|known| known.name).collect();
        assert_eq!(
            kitchen,
            ["kitchen-complete-v0", "kitchen-mixed-v0", "kitchen-partial-v0"]
        );
    }

    #[test]
    fn what_is_no_name_has_neighbours() {
        let near = Known::near("hoper-medium-v2");
        assert_eq!(near[0], "hopper-medium-v2");
        let error = Known::of("hopper").unwrap_err().to_string();
        assert!(
            error.contains("hopper-expert-v0") && error.contains("--list"),
            "{error}"
        );
        for wrong in [
            "../x/y-v0",
            "a/../b-v1",
            "/a-v0",
            "a/b",
            "a/b-v",
            "a\\b/c-v0",
            "data/file.hdf5",
            "",
        ] {
            assert!(Known::of(wrong).is_err(), "{wrong}");
        }
    }
}
