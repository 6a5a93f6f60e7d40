//! What can be wrong with statistics, data and `normalizer.json`, and what is odd about them but works.

use std::path::PathBuf;

use crate::Key;

/// What was broken, where, and what was expected. Each message is complete on its own line.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be read or written.
    #[error("cannot {operation} {}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried: "read", "write".
        operation: &'static str,
        /// What the operating system said.
        error: std::io::Error,
    },
    /// A file is not JSON, or something else altogether.
    #[error(transparent)]
    Content(#[from] diffplan_files::FileError),
    /// A file is JSON, but does not describe normalisers.
    #[error("{}: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with what it says.
        error: Box<Error>,
    },
    /// A value of the file has the wrong JSON type.
    #[error("{place}: expected {expected}, found {actual}")]
    JsonType {
        /// Path to the value, as in `observations.mean[2]`.
        place: String,
        /// What should be there.
        expected: &'static str,
        /// What is there.
        actual: &'static str,
    },
    /// A key that must be there is not.
    #[error("{place}: {name:?} is missing")]
    MissingEntry {
        /// Path to the object.
        place: String,
        /// The missing key.
        name: &'static str,
    },
    /// A key that means nothing here.
    #[error("{place}: unknown key {name:?}, expected one of {}", expected.join(", "))]
    UnknownEntry {
        /// Path to the object.
        place: String,
        /// The key.
        name: String,
        /// The keys that mean something.
        expected: &'static [&'static str],
    },
    /// A normaliser type that does not exist.
    #[error("{key}: unknown normaliser type {actual:?}, expected one of {}", expected.join(", "))]
    UnknownType {
        /// Whose normaliser.
        key: Key,
        /// The type named.
        actual: String,
        /// The types that exist.
        expected: &'static [&'static str],
    },
    /// A normaliser that does not exist was asked for.
    #[error("unknown normaliser {actual:?}, expected one of {}", expected.join(", "))]
    UnknownKind {
        /// The name given.
        actual: String,
        /// The names that exist.
        expected: &'static [&'static str],
    },
    /// A statistic has another number of dimensions than it should.
    #[error("{key}: {name} holds {actual} dimension(s), expected {expected}")]
    StatisticLength {
        /// Whose normaliser.
        key: Key,
        /// `mean`, `std`, `min`, `max`, `quantiles` or `cumulative_counts`.
        name: &'static str,
        /// How many dimensions there should be.
        expected: usize,
        /// How many there are.
        actual: usize,
    },
    /// A statistic holds no dimension at all.
    #[error("{key}: {name} is empty, expected at least 1 dimension")]
    NoDimensions {
        /// Whose normaliser.
        key: Key,
        /// `mean`, `std`, `min`, `max`, `quantiles` or `cumulative_counts`.
        name: &'static str,
    },
    /// A statistic is NaN, infinite, or impossible.
    #[error("{key}: {} is {value}, expected {expected}", indexed(name, *dimension))]
    InvalidStatistic {
        /// Whose normaliser.
        key: Key,
        /// `mean`, `std`, `min`, `max`, or `max - min`.
        name: &'static str,
        /// Which dimension, from 0; none where one number holds for all of them.
        dimension: Option<usize>,
        /// The value.
        value: f64,
        /// What it should be.
        expected: &'static str,
    },
    /// A dimension's distribution has no knot, or its two lists differ in length.
    #[error("{key}: {name}[{dimension}] holds {actual} knot(s), expected {expected}")]
    KnotCount {
        /// Whose normaliser.
        key: Key,
        /// `quantiles` or `cumulative_counts`.
        name: &'static str,
        /// Which dimension, from 0.
        dimension: usize,
        /// How many knots there should be.
        expected: usize,
        /// How many there are.
        actual: usize,
    },
    /// A knot of a dimension's distribution is not above the one before it, or is no number.
    #[error("{key}: {name}[{dimension}][{knot}] is {value}, expected {expected}")]
    InvalidKnot {
        /// Whose normaliser.
        key: Key,
        /// `quantiles` or `cumulative_counts`.
        name: &'static str,
        /// Which dimension, from 0.
        dimension: usize,
        /// Which knot, from 0.
        knot: usize,
        /// The value.
        value: f64,
        /// What it should be.
        expected: &'static str,
    },
    /// Data holds no rows, or rows of no values.
    #[error("{key}: the dataset is empty: {rows} rows of {columns} values")]
    EmptyDataset {
        /// Which array.
        key: Key,
        /// Its rows.
        rows: usize,
        /// Its columns.
        columns: usize,
    },
    /// Arrays are not of the same steps.
    #[error("{key} has {actual} rows, but observations has {expected}")]
    DatasetRows {
        /// Which array.
        key: &'static str,
        /// Rows of observations.
        expected: usize,
        /// Its rows.
        actual: usize,
    },
    /// Data holds a NaN or an infinity.
    #[error("{key}: row {row}, column {column} of the dataset is {value}, expected a finite number")]
    NonFiniteData {
        /// Which array.
        key: &'static str,
        /// The row, from 0.
        row: usize,
        /// The column, from 0.
        column: usize,
        /// The value.
        value: f64,
    },
    /// No row ends an episode.
    #[error(
        "no episode ends within {rows} rows: {looked_at}. If episodes have a time limit, give it as max_episode_steps"
    )]
    NoEpisodeEnd {
        /// Rows of the data.
        rows: usize,
        /// What was looked at.
        looked_at: &'static str,
    },
    /// An episode is longer than windows are cut from.
    #[error(
        "episode {episode} has {len} steps, expected at most max_path_length = {max_path_length}: give --max-path-length {len}; if \
         episodes are joined, --max-episode-steps is what cuts them"
    )]
    EpisodeTooLong {
        /// Which, from 0.
        episode: usize,
        /// Its steps.
        len: usize,
        /// The option.
        max_path_length: usize,
    },
    /// More windows than can be told apart.
    #[error(
        "{windows} windows, expected {} at most: train on a part of the episodes (--episodes SHARE, --max-episodes N)",
        u32::MAX
    )]
    TooManyWindows {
        /// How many.
        windows: usize,
    },
    /// A disk has less room than a file takes. Nothing was written.
    #[error("{}: {} are needed, but the disk has {} left", path.display(), crate::bytes::shown(*needed), crate::bytes::shown(*available))]
    DiskSpace {
        /// The file.
        path: PathBuf,
        /// Bytes that it takes.
        needed: u64,
        /// Bytes that there are.
        available: u64,
    },
    /// Rows that there are not.
    #[error("rows {start} to {end} of {rows} were asked for, or with room for another number of them")]
    NoRows {
        /// The first.
        start: usize,
        /// The one after the last.
        end: usize,
        /// How many there are.
        rows: usize,
    },
    /// There is nothing to train on.
    #[error(
        "no episode is long enough for a window of {horizon} steps: the longest has {longest} (max_path_length \
         {max_path_length})"
    )]
    NoWindow {
        /// Steps of a window.
        horizon: usize,
        /// Steps of the longest episode.
        longest: usize,
        /// The option.
        max_path_length: usize,
    },
    /// Datasets that should be one are of other dimensions.
    #[error("{}: {key} have {actual} dimensions, but {expected} in {}; only datasets of the same can be joined", path.display(), first.display())]
    JoinedDimensions {
        /// Of what.
        key: Key,
        /// The file.
        path: PathBuf,
        /// Its dimensions.
        actual: usize,
        /// The first file.
        first: PathBuf,
        /// Its dimensions.
        expected: usize,
    },
    /// An argument of an environment that is none.
    #[error(
        "{text:?} is no argument of an environment: expected NAME=VALUE, such as g=1.62; max_episode_steps is a whole number above 0"
    )]
    EnvArgument {
        /// What was given.
        text: String,
    },
    /// A share that is none.
    #[error("{name} = {value}: expected a number above 0 and at most 1")]
    Share {
        /// Of what.
        name: &'static str,
        /// The number.
        value: f64,
    },
    /// A dataset file cannot be read.
    #[cfg(feature = "hdf5")]
    #[error(transparent)]
    Read(#[from] crate::ReadError),
    /// What should be normalised does not come in rows of the statistics' dimensions.
    #[error("{key}: expected rows of {expected} values, got {actual} values")]
    RowLength {
        /// Whose normaliser.
        key: Key,
        /// The number of dimensions of the statistics.
        expected: usize,
        /// The last axis of an array, or the length of a slice.
        actual: usize,
    },
}

/// Something about the statistics that works, but that a caller may want to show.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Warning {
    /// The standard deviation, or `max - min`, is 0 (or below the smallest normal `f32`). Nothing can be divided by it, so
    /// values are centred and not scaled: normalised, the constant is 0, and a difference of 1 from it is 1.
    Constant {
        /// Whose normaliser.
        key: Key,
        /// `std` or `max - min`.
        name: &'static str,
        /// Which dimension, from 0; none where one number holds for all of them.
        dimension: Option<usize>,
    },
}

impl std::fmt::Display for Warning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self::Constant { key, name, dimension } = self;
        write!(
            f,
            "{key}: {} is 0, values are centred and not scaled",
            indexed(name, *dimension)
        )
    }
}

/// `std[2]`, `(max - min)[2]`, or the name alone.
fn indexed(name: &str, dimension: Option<usize>) -> String {
    match dimension {
        Some(dimension) if name.contains(' ') => format!("({name})[{dimension}]"),
        Some(dimension) => format!("{name}[{dimension}]"),
        None => name.to_owned(),
    }
}
