//! [`Mirror`]: where datasets are asked for.

use super::names::{Family, Known};
use crate::client::origin;
use crate::error::{Error, Result};
use std::fmt;
use std::str::FromStr;

/// The bucket that Minari's datasets were in before they were on the Hub.
const BUCKET: &str = "https://storage.googleapis.com/minari-remote";
/// Whose they are on the Hub.
const OWNER: &str = "farama-minari";
const D4RL: [&str; 2] = [
    "https://rail.eecs.berkeley.edu/datasets/offline_rl",
    "http://rail.eecs.berkeley.edu/datasets/offline_rl",
];

/// A server that has datasets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mirror {
    /// Files below an address, by their path there or by their name alone.
    Web(String),
    /// Repositories of datasets on the Hub, a namespace each.
    Hub {
        /// Whose they are.
        owner: String,
    },
}

impl Mirror {
    /// Where a family's datasets are asked for, one after the other, if nothing else is said: by `$DIFFPLAN_D4RL_MIRRORS` or
    /// `$DIFFPLAN_MINARI_MIRRORS`, addresses with blanks or commas between them, or `$MINARI_REMOTE`, which Minari itself reads.
    ///
    /// # Errors
    /// [`Error::Mirror`].
    pub fn from_env(family: Family) -> Result<Vec<Self>> {
        Self::from_variables(family, |name| std::env::var(name).ok())
    }

    fn from_variables(family: Family, variable: impl Fn(&str) -> Option<String>) -> Result<Vec<Self>> {
        let names: &[&str] = match family {
            Family::D4rl => &["DIFFPLAN_D4RL_MIRRORS"],
            Family::Minari => &["DIFFPLAN_MINARI_MIRRORS", "MINARI_REMOTE"],
        };
        let set = names
            .iter()
            .filter_map(|name| variable(name))
            .find(|text| !text.trim().is_empty());
        match set {
            Some(text) => {
                let each = text.split([',', ' ', '\n', '\t']).filter(|text| !text.is_empty());
                each.map(str::parse).collect()
            }
            None => Ok(match family {
                // Nobody vouches for the copies there are elsewhere.
                Family::D4rl => D4RL.iter().map(|base| Self::Web((*base).to_owned())).collect(),
                Family::Minari => vec![Self::Hub { owner: OWNER.into() }, Self::Web(BUCKET.into())],
            }),
        }
    }

    /// The addresses of a file of a dataset, in the order in which they are tried; none on the Hub, where a commit is part of them.
    pub(crate) fn addresses(&self, known: &Known) -> Vec<String> {
        let (path, file) = (known.path(), known.file());
        match (self, known.family()) {
            (Self::Hub { .. }, _) => Vec::new(),
            (Self::Web(base), Family::D4rl) => vec![format!("{base}/{path}"), format!("{base}/{file}")],
            (Self::Web(base), Family::Minari) => vec![format!("{base}/{path}")],
        }
    }
}

impl FromStr for Mirror {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let refuse = |reason: &str| Error::Mirror {
            text: text.to_owned(),
            reason: reason.to_owned(),
        };
        if let Some(owner) = text.strip_prefix("hf://") {
            let owner = owner.trim_end_matches('/');
            let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            return match !owner.is_empty() && owner.chars().all(allowed) {
                true => Ok(Self::Hub { owner: owner.into() }),
                false => Err(refuse("after hf:// stands the name of an owner")),
            };
        }
        match origin(text) {
            Some(_) if !text.contains(['?', '#']) => Ok(Self::Web(text.trim_end_matches('/').to_owned())),
            _ => Err(refuse("an address begins with https:// or http://, and has no query")),
        }
    }
}

impl fmt::Display for Mirror {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Web(base) => f.write_str(base),
            Self::Hub { owner } => write!(f, "hf://{owner}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mirrors_are_addresses_or_owners_on_the_hub() {
        for text in ["https://h/a/b", "http://127.0.0.1:80", "hf://farama-minari"] {
            let mirror: Mirror = format!("{text}/").parse().unwrap();
            assert_eq!(mirror.to_string(), text);
        }
        for wrong in [
            "h/a",
            "ftp://h",
            "hf://",
            "hf://a/b",
            "https://h?x",
            "gcp://minari-remote",
            "",
        ] {
            assert!(wrong.parse::<Mirror>().is_err(), "{wrong}");
        }
        let hopper = Known::of("hopper-medium-v2").unwrap();
        assert_eq!(
            Mirror::Web("http://h".into()).addresses(&hopper),
            [
                "http://h/gym_mujoco_v2/hopper_medium-v2.hdf5",
                "http://h/hopper_medium-v2.hdf5"
            ]
        );
    }

    #[test]
    fn variables_replace_the_list() {
        let of = |family, name: &'static str, value: &'static str| {
            Mirror::from_variables(family, |asked| (asked == name).then(|| value.to_owned())).unwrap()
        };
        let two = of(Family::D4rl, "DIFFPLAN_D4RL_MIRRORS", "http://a, https://b/c/");
        assert_eq!(two, [Mirror::Web("http://a".into()), Mirror::Web("https://b/c".into())]);
        let own = of(Family::Minari, "MINARI_REMOTE", "hf://me");
        assert_eq!(own, [Mirror::Hub { owner: "me".into() }]);
        assert_eq!(of(Family::D4rl, "OTHER", "x").len(), 2);
    }
}
