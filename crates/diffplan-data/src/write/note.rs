//! What a conversion does not carry over, or makes up.

use std::fmt;

/// Something that works, but should be known of a dataset in its new format.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConversionNote {
    /// Rows of no episode.
    RowsLeftOut {
        /// How many.
        rows: usize,
    },
    /// Episodes of no step.
    EmptyLeftOut {
        /// How many.
        episodes: usize,
    },
    /// Flags before the last step of their episode.
    FlagsLeftOut {
        /// How many.
        flags: usize,
    },
    /// Numbers that are of another type in the source.
    AsFloat32 {
        /// Paths and types.
        arrays: Vec<String>,
    },
    /// Several arrays that become one.
    SideBySide {
        /// What they become: "observations".
        key: &'static str,
        /// Their paths.
        arrays: Vec<String>,
    },
    /// What is observed after the last action is not known, and the last observation stands in its place.
    LastRepeated {
        /// Of so many episodes.
        episodes: usize,
        /// Of so many.
        of: usize,
    },
    /// What is observed after the last action is known of some episodes alone, and left out of all.
    AfterLastLeftOut {
        /// Of so many episodes.
        known: usize,
        /// Of so many.
        of: usize,
    },
    /// Next observations that are not those of the next row.
    NextDiffers {
        /// In so many rows.
        rows: usize,
    },
}

impl fmt::Display for ConversionNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RowsLeftOut { rows } => write!(f, "{rows} rows after the last episode's end are left out"),
            Self::EmptyLeftOut { episodes } => write!(f, "{episodes} episodes of no step are left out"),
            Self::FlagsLeftOut { flags } => {
                write!(f, "{flags} flags before the last step of their episode are left out")
            }
            Self::AsFloat32 { arrays } => write!(f, "written as float32: {}", arrays.join(", ")),
            Self::SideBySide { key, arrays } => {
                write!(f, "{key} become one vector of: {}", arrays.join(", "))
            }
            Self::LastRepeated { episodes, of } => write!(
                f,
                "what is observed after the last action is not known of {episodes} of {of} episodes: the last observation stands in its place"
            ),
            Self::AfterLastLeftOut { known, of } => write!(
                f,
                "what is observed after the last action is known of {known} of {of} episodes alone, and left out: no next_observations are \
                 written"
            ),
            Self::NextDiffers { rows } => write!(
                f,
                "in {rows} rows within episodes the next observation is not the next row's: only those at the ends are kept"
            ),
        }
    }
}
