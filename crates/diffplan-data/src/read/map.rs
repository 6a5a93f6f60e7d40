//! [`Map`]: where the steps of a file are. A layout recognises a file and says this; what is read from it is then the same
//! work for all.

use super::{FileFormat, LayoutNote, ReadError};
use crate::RecordedEnv;

/// Where the steps of a file are.
#[derive(Debug)]
pub(super) struct Map {
    pub(super) format: FileFormat,
    /// Arrays that are observations side by side.
    pub(super) observations: Vec<String>,
    /// Arrays that are actions side by side.
    pub(super) actions: Vec<String>,
    pub(super) rewards: Rewards,
    pub(super) steps: Steps,
    /// Whether arrays of more than two dimensions are read as rows of as many values.
    pub(super) flatten: bool,
    pub(super) env: Option<RecordedEnv>,
    /// Whether what is observed after the last action is kept.
    pub(super) after: bool,
    /// Whether that is said to be the last observation again, for want of another.
    pub(super) repeated: bool,
    /// What a dataset's own `metadata.json` says.
    pub(super) about: serde_json::Map<String, serde_json::Value>,
    pub(super) notes: Vec<LayoutNote>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Rewards {
    Of(String),
    /// The layout has none, and they are zero.
    Zeros,
}

#[derive(Debug)]
pub(super) enum Steps {
    /// All one after the other.
    Rows(Ends),
    /// An episode at a time. Names may hold a `*`, in place of which stands the episode's own name.
    Episodes(Episodes),
}

/// What says where an episode ends, in rows one after the other.
#[derive(Debug, Clone)]
pub(super) enum Ends {
    /// Either flag is set in the last row; both may be missing.
    Flags {
        terminals: Option<String>,
        timeouts: Option<String>,
    },
    /// `ends` is set in the last row, and `terminals` too where it ended in a terminal state.
    Last { ends: String, terminals: Option<String> },
    /// Set in the first row.
    Starts(String),
    /// The numbers of first rows but that of the first episode; observations have one row more an episode than actions.
    Splits { starts: String, terminal: Option<String> },
    /// The number of a row's episode.
    Numbers(String),
}

#[derive(Debug)]
pub(super) struct Episodes {
    /// What stands before the names of arrays: `episode_*/`.
    pub(super) prefix: String,
    /// The episodes' own names, in their order.
    pub(super) names: Vec<String>,
    pub(super) beyond: Beyond,
    /// A group's attribute that says how many steps it has.
    pub(super) total: Option<&'static str>,
    /// Whether `terminals` and `timeouts` are one flag an episode rather than one a step.
    pub(super) one_flag: bool,
    /// The last is set where it ended in a terminal state.
    pub(super) terminals: Option<String>,
    /// Looked at only for flags before the end.
    pub(super) timeouts: Option<String>,
}

/// Whether observations have a row after the last action, which is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Beyond {
    /// They have; an episode without it is counted.
    One,
    /// They may have.
    Either,
}

/// A name with the episode's own in place of the `*`.
pub(super) fn fill(name: &str, episode: &str) -> String {
    name.replace('*', episode)
}

/// Names in the order that people give them: `demo_2` before `demo_10`.
pub(super) fn natural(a: &str, b: &str) -> std::cmp::Ordering {
    let (mut x, mut y) = (a, b);
    loop {
        let number = |text: &str| text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        match (number(x), number(y)) {
            (0, 0) => {
                let (Some(c), Some(d)) = (x.chars().next(), y.chars().next()) else {
                    return x.len().cmp(&y.len()).then_with(|| a.cmp(b));
                };
                if c != d {
                    return c.cmp(&d);
                }
                (x, y) = (&x[c.len_utf8()..], &y[d.len_utf8()..]);
            }
            (0, _) => return x.cmp(y),
            (_, 0) => return x.cmp(y),
            (i, j) => {
                let (m, n) = (x[..i].trim_start_matches('0'), y[..j].trim_start_matches('0'));
                let order = m.len().cmp(&n.len()).then_with(|| m.cmp(n));
                if order.is_ne() {
                    return order;
                }
                (x, y) = (&x[i..], &y[j..]);
            }
        }
    }
}

/// Sorts names, and says what stands where the pattern has its `*`.
pub(super) fn matches(pattern: &str, names: &[String]) -> Vec<String> {
    let Some((before, after)) = pattern.split_once('*') else {
        return Vec::new();
    };
    let matched = |name: &String| {
        let rest = name.strip_prefix(before)?.strip_suffix(after)?;
        (!rest.is_empty()).then(|| rest.to_owned())
    };
    let mut found: Vec<String> = names.iter().filter_map(matched).collect();
    found.sort_by(|a, b| natural(a, b));
    found
}

/// Like [`matches`], for numbers alone.
pub(super) fn numbered(pattern: &str, names: &[String]) -> Vec<String> {
    let mut found = matches(pattern, names);
    found.retain(|name| name.parse::<u64>().is_ok());
    found
}

impl Map {
    /// # Errors
    /// [`ReadError::NoEpisodes`].
    pub(super) fn check(&self) -> Result<(), ReadError> {
        match &self.steps {
            Steps::Episodes(episodes) if episodes.names.is_empty() => Err(ReadError::NoEpisodes {
                pattern: episodes.prefix.clone(),
            }),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_the_order_of_their_numbers() {
        let names = ["demo_10", "demo_2", "demo_02b", "other", "demo_", "demo_1"].map(str::to_owned);
        assert_eq!(matches("demo_*", &names), ["1", "2", "02b", "10"]);
        assert_eq!(numbered("demo_*", &names), ["1", "2", "10"]);
        for (a, b) in [
            ("a", "b"),
            ("a2", "a10"),
            ("a2b", "a2c"),
            ("a", "aa"),
            ("1", "a"),
            ("a01", "a2"),
        ] {
            assert!(natural(a, b).is_lt() && natural(b, a).is_gt(), "{a} {b}");
        }
        assert_eq!(fill("states_*", "3"), "states_3");
    }
}
