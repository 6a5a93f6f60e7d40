//! What is odd about a file that could be read all the same.

use std::fmt;

/// What is odd about a file that could be read all the same: for a warning.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum FileNote {
    /// The program that wrote the file has not closed it: the last steps may be missing.
    NotClosed,
    /// The file is shorter than it says, as after a download that broke off.
    CutOff {
        /// Bytes that it has.
        has: u64,
        /// Bytes that it says it has.
        says: u64,
    },
    /// The numbers of a column are further from each other in the file than in float32, in which they are kept.
    Rounded {
        /// The array.
        key: String,
        /// The column, from 0.
        column: usize,
        /// Their standard deviation in the file.
        in_file: f64,
        /// That of the numbers that are kept.
        kept: f64,
    },
}

impl fmt::Display for FileNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotClosed => write!(
                f,
                "the file was not closed by the program that wrote it: the last steps may be missing"
            ),
            Self::CutOff { has, says } => write!(
                f,
                "the file has {has} bytes, and says that it has {says}: copy or download it again"
            ),
            Self::Rounded {
                key,
                column,
                in_file,
                kept,
            } => write!(
                f,
                "{key}, column {column}: as float32 its standard deviation is {kept:.6}, and {in_file:.6} in the file: \
                 subtract what is large and the same (a start time, an offset) before writing it"
            ),
        }
    }
}
