//! What a layout's reading decided that the file does not say, or left out.

use std::fmt;

/// Something that works, but should be known of data as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum LayoutNote {
    /// The file has no rewards, and they are zero.
    ZeroRewards,
    /// Rows after the last end in their file, of several files.
    UnfinishedRows {
        /// How many.
        count: usize,
    },
    /// Arrays beside the observations that are images or no numbers.
    LeftOut {
        /// Their paths.
        arrays: Vec<String>,
    },
    /// States of the simulator in place of observations, which the file does not have.
    StatesAsObservations {
        /// Their group or array.
        key: String,
    },
}

impl fmt::Display for LayoutNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ZeroRewards => write!(
                f,
                "there are no rewards, and all are 0: --keys rewards=NAME names an array, --rewards goal=X,Y makes them of a goal"
            ),
            Self::UnfinishedRows { count } => {
                write!(
                    f,
                    "{count} rows after the last episode's end in their file are left out"
                )
            }
            Self::LeftOut { arrays } => {
                write!(
                    f,
                    "left out of the observations, being images or no numbers: {}",
                    arrays.join(", ")
                )
            }
            Self::StatesAsObservations { key } => {
                write!(
                    f,
                    "there are no observations, so the states of the simulator, {key}, are taken for them"
                )
            }
        }
    }
}
