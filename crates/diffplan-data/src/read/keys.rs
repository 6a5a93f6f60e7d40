//! [`Keys`]: where a file's steps are, told rather than recognised.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Where the steps of a file are: `observations=obs/joint_pos+obs/gripper,actions=acts,rewards=rew,terminals=done`.
///
/// Paths of groups and arrays have slashes. Several arrays are put side by side by `+`. What is not told is as the layout
/// that the file is recognised as has it, or else as D4RL has it; within an episode's group, paths begin there. Where
/// `episodes` or another path holds a `*`, the file is not recognised: `*` stands for an episode's own name, and every path
/// begins after `episodes`, or at the top.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<String, String>", into = "BTreeMap<String, String>")]
#[non_exhaustive]
pub struct Keys {
    /// Arrays that are observations side by side.
    pub observations: Vec<String>,
    /// Arrays that are actions side by side.
    pub actions: Vec<String>,
    /// One number a row.
    pub rewards: Option<String>,
    /// Set where an episode ends in a terminal state.
    pub terminals: Option<String>,
    /// Set where an episode is cut off.
    pub timeouts: Option<String>,
    /// Set in the first row of an episode.
    pub starts: Option<String>,
    /// The groups that are episodes (`data/demo_*/`), or an array with the number of every row's episode.
    pub episodes: Option<String>,
    /// Of robomimic: the episodes that `mask/NAME` lists.
    pub mask: Option<String>,
}

const NAMES: [&str; 8] = [
    "observations",
    "actions",
    "rewards",
    "terminals",
    "timeouts",
    "starts",
    "episodes",
    "mask",
];

/// What is wrong with [`Keys`] as they were typed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct KeysError(String);

impl Keys {
    fn set(&mut self, name: &str, value: &str) -> Result<(), KeysError> {
        let refuse = |reason: String| Err(KeysError(reason));
        let paths: Vec<String> = value
            .split('+')
            .map(|path| path.trim().trim_start_matches('/').to_owned())
            .collect();
        if paths.iter().any(String::is_empty) {
            return refuse(format!(
                "{name}={value}: expected the path of an array, several with + between them"
            ));
        }
        if paths.iter().any(|path| path.matches('*').count() > 1) {
            return refuse(format!(
                "{name}={value}: expected one * at most, for the name of an episode"
            ));
        }
        let one = match name {
            "observations" => {
                self.observations = paths;
                return Ok(());
            }
            "actions" => {
                self.actions = paths;
                return Ok(());
            }
            "rewards" => &mut self.rewards,
            "terminals" => &mut self.terminals,
            "timeouts" => &mut self.timeouts,
            "starts" => &mut self.starts,
            "episodes" => &mut self.episodes,
            "mask" => &mut self.mask,
            other => return refuse(format!("unknown key {other:?}, expected one of {}", NAMES.join(", "))),
        };
        match &paths[..] {
            [path] => *one = Some(path.clone()),
            _ => return refuse(format!("{name}={value}: expected one array")),
        }
        Ok(())
    }

    /// Every path but that of `episodes` and `mask`.
    pub(super) fn paths(&self) -> impl Iterator<Item = &String> {
        let singles = [&self.rewards, &self.terminals, &self.timeouts, &self.starts];
        let vectors = self.observations.iter().chain(&self.actions);
        vectors.chain(singles.into_iter().flatten())
    }
}

impl FromStr for Keys {
    type Err = KeysError;

    fn from_str(text: &str) -> Result<Self, KeysError> {
        let mut keys = Self::default();
        for part in text.split(',') {
            match part.split_once('=') {
                Some((name, value)) => keys.set(name.trim(), value)?,
                None => {
                    return Err(KeysError(format!(
                        "{part:?}, expected KEY=PATH, as in observations=obs"
                    )));
                }
            }
        }
        Ok(keys)
    }
}

impl TryFrom<BTreeMap<String, String>> for Keys {
    type Error = KeysError;

    fn try_from(table: BTreeMap<String, String>) -> Result<Self, KeysError> {
        let mut keys = Self::default();
        for (name, value) in &table {
            keys.set(name, value)?;
        }
        Ok(keys)
    }
}

impl From<Keys> for BTreeMap<String, String> {
    fn from(keys: Keys) -> Self {
        let joined = |paths: Vec<String>| (!paths.is_empty()).then(|| paths.join("+"));
        let values = [
            joined(keys.observations),
            joined(keys.actions),
            keys.rewards,
            keys.terminals,
            keys.timeouts,
            keys.starts,
            keys.episodes,
            keys.mask,
        ];
        let named = NAMES.into_iter().zip(values);
        named
            .filter_map(|(name, value)| Some((name.to_owned(), value?)))
            .collect()
    }
}

impl fmt::Display for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let table = BTreeMap::from(self.clone());
        let parts: Vec<String> = table.iter().map(|(name, value)| format!("{name}={value}")).collect();
        f.write_str(&parts.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_and_written() {
        let text = "actions=acts,episodes=data/demo_*/,observations=obs/a+obs/b,rewards=rew";
        let keys: Keys = text.parse().unwrap();
        assert_eq!(keys.observations, ["obs/a", "obs/b"]);
        assert_eq!(keys.episodes.as_deref(), Some("data/demo_*/"));
        assert_eq!(keys.to_string(), text);
        let table: BTreeMap<String, String> = keys.clone().into();
        assert_eq!(Keys::try_from(table).unwrap(), keys);
        for (text, expected) in [
            ("obs", r#""obs", expected KEY=PATH, as in observations=obs"#),
            (
                "obs=x",
                r#"unknown key "obs", expected one of observations, actions, rewards, terminals, timeouts, starts, episodes, mask"#,
            ),
            ("rewards=a+b", "rewards=a+b: expected one array"),
            (
                "rewards=",
                "rewards=: expected the path of an array, several with + between them",
            ),
            (
                "actions=*/*",
                "actions=*/*: expected one * at most, for the name of an episode",
            ),
        ] {
            assert_eq!(text.parse::<Keys>().unwrap_err().to_string(), expected);
        }
    }
}
