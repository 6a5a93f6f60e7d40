//! What can be wrong with a dataset file.

use crate::bytes::shown;

/// What was broken, in which array of the file, and what was expected. The file's name stands before it, in
/// [`Error::File`](crate::Error::File).
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// Neither of the formats.
    #[error(
        "{found}; expected a dataset in HDF5 or .npz, the folder of a Minari or LeRobot dataset, or a folder of dataset files"
    )]
    UnknownFormat {
        /// What there is instead.
        found: String,
    },
    /// The file is damaged, or uses a part of its format that is not supported.
    #[error("{place}: {reason}")]
    Unreadable {
        /// The array, or the part of the file.
        place: String,
        /// What the decoder said.
        reason: String,
    },
    /// An array that must be there is not.
    #[error("{key:?} is missing, there {}", list(present))]
    MissingKey {
        /// The array.
        key: String,
        /// What the file has.
        present: Vec<String>,
    },
    /// A group of arrays where one array should be: a dictionary or tuple space.
    #[error(
        "{key:?} is a group of {} (a dictionary or tuple space), expected one array (rows, dimensions): flatten it first",
        members.join(", ")
    )]
    Group {
        /// The group.
        key: String,
        /// What it holds.
        members: Vec<String>,
    },
    /// A file of no layout that is known.
    #[error(
        "no layout is known by its names, there {}: say which are what by --keys observations=NAME,actions=NAME,rewards=NAME",
        list(present)
    )]
    Unrecognised {
        /// What the file has.
        present: Vec<String>,
    },
    /// There are no rewards, and nothing says what they are.
    #[error(
        "{key:?} is missing, there {}: name the array by --keys rewards=NAME, or take zeros by --rewards zeros",
        list(present)
    )]
    NoRewards {
        /// The array that is looked for.
        key: String,
        /// What the file has.
        present: Vec<String>,
    },
    /// Pictures, which are not planned with.
    #[error(
        "{key}: shape {}, which are images: name the other observations by --keys observations=NAME+NAME",
        shape(actual)
    )]
    Image {
        /// The array.
        key: String,
        /// Its shape.
        actual: Vec<u64>,
    },
    /// A part of a dictionary space that is no vector of numbers.
    #[error("{key}: a {space} space, expected Box or MultiBinary: leave it out by --keys observations=NAME+NAME")]
    Space {
        /// The array.
        key: String,
        /// Gymnasium's name of its space.
        space: String,
    },
    /// A file whose groups are episodes has none with a step.
    #[error("no episode {pattern:?} has a step")]
    NoEpisodes {
        /// The groups that are looked at.
        pattern: String,
    },
    /// A goal in dimensions that observations do not have.
    #[error("the goal is in dimension {}, but observations have {actual} dimensions, from 0", dimensions.iter().max().unwrap_or(&0))]
    GoalDimensions {
        /// Those of the goal.
        dimensions: Vec<usize>,
        /// How many observations have.
        actual: usize,
    },
    /// An array holds something else than it should.
    #[error("{key}: holds {actual}, expected {expected}")]
    ElementType {
        /// The array.
        key: String,
        /// What it should hold.
        expected: &'static str,
        /// What it holds.
        actual: String,
    },
    /// An array has an impossible shape.
    #[error("{key}: shape {}, expected {expected}", shape(actual))]
    Shape {
        /// The array.
        key: String,
        /// What it should be.
        expected: String,
        /// What it is.
        actual: Vec<u64>,
    },
    /// Arrays are not of the same steps.
    #[error("{key}: {actual} rows, expected {expected}, {reason}")]
    RowCount {
        /// The array.
        key: String,
        /// The rows it should have.
        expected: u64,
        /// The rows it has.
        actual: u64,
        /// Why.
        reason: String,
    },
    /// A value that the array cannot hold in memory, or that means nothing there.
    #[error("{key}: row {row}, column {column} is {value}, expected {expected}")]
    Value {
        /// The array.
        key: String,
        /// The row, from 0.
        row: usize,
        /// The column, from 0.
        column: usize,
        /// The value.
        value: f64,
        /// What it should be.
        expected: &'static str,
    },
    /// Reading would take more memory than there is. Nothing was read.
    #[error("reading takes {}, but {} {}", shown(*needed), shown(*available), if *given { "are allowed" } else { "are available" })]
    Memory {
        /// Bytes that reading needs at its peak.
        needed: u64,
        /// Bytes that there are.
        available: u64,
        /// Whether that is [`ReadOptions::max_memory`](crate::ReadOptions::max_memory) rather than the machine's.
        given: bool,
    },
    /// An option that means nothing.
    #[error("max_episode_steps = 0, expected at least 1")]
    ZeroEpisodeSteps,
}

/// `are observations, rewards`, `is actions`, `are no arrays`.
fn list(names: &[String]) -> String {
    const MOST: usize = 12;
    match names {
        [] => "are no arrays".into(),
        [one] => format!("is {one}"),
        many if many.len() <= MOST => format!("are {}", many.join(", ")),
        many => format!("are {} and {} more", many[..MOST].join(", "), many.len() - MOST),
    }
}

/// `(3, 4)`, `(3,)`, `()`, as NumPy writes it.
pub(crate) fn shape(shape: &[u64]) -> String {
    match shape {
        [one] => format!("({one},)"),
        _ => {
            let sizes: Vec<String> = shape.iter().map(u64::to_string).collect();
            format!("({})", sizes.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_key_says_what_there_is() {
        let names = |count: usize| (0..count).map(|i| format!("k{i}")).collect::<Vec<_>>();
        for (count, text) in [
            (0, "are no arrays"),
            (1, "is k0"),
            (2, "are k0, k1"),
            (14, "are k0, k1, k2, k3, k4, k5, k6, k7, k8, k9, k10, k11 and 2 more"),
        ] {
            assert_eq!(list(&names(count)), text);
        }
        assert_eq!([shape(&[]), shape(&[3]), shape(&[3, 4])], ["()", "(3,)", "(3, 4)"]);
    }
}
