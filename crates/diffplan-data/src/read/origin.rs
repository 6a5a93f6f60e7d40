//! [`Origin`]: where a row lies in a file, for what is said of its values.

use super::ReadError;
use super::map::fill;
use crate::Error;

/// The file of some rows, and the arrays that they come from.
#[derive(Debug)]
pub(super) struct Origin {
    /// Its name, where it is one of several.
    pub(super) file: Option<String>,
    pub(super) first_row: usize,
    pub(super) first_group: usize,
    /// What stands before the names of arrays, where the rows are of episodes.
    pub(super) prefix: Option<String>,
    /// The episodes' own names, from the first group on.
    pub(super) names: Vec<String>,
    /// Arrays, and the columns at which they begin.
    pub(super) observations: Vec<(String, usize)>,
    pub(super) actions: Vec<(String, usize)>,
    pub(super) rewards: String,
}

/// What is wrong in a row, as it is found in its file. Rows of a single file under their own names are left as they are.
pub(super) fn found(error: Error, origins: &[Origin], groups: &[(u64, usize)]) -> Error {
    let Error::NonFiniteData {
        key,
        row,
        column,
        value,
    } = error
    else {
        return error;
    };
    let unchanged = Error::NonFiniteData {
        key,
        row,
        column,
        value,
    };
    let at = origins.partition_point(|origin| origin.first_row <= row);
    let Some(origin) = at.checked_sub(1).and_then(|at| origins.get(at)) else {
        return unchanged;
    };
    let begins = match key {
        "observations" => &origin.observations[..],
        "actions" => &origin.actions,
        _ => &[(origin.rewards.clone(), 0)],
    };
    let within = begins.partition_point(|&(_, first)| first <= column);
    let Some((array, first)) = within.checked_sub(1).and_then(|at| begins.get(at)) else {
        return unchanged;
    };
    let (mut path, mut start) = (array.clone(), origin.first_row);
    if let Some(prefix) = &origin.prefix {
        let group = groups.partition_point(|&(_, first)| first <= row).saturating_sub(1);
        let name = group
            .checked_sub(origin.first_group)
            .and_then(|at| origin.names.get(at));
        if let (Some(name), Some(&(_, first))) = (name, groups.get(group)) {
            path = fill(&format!("{prefix}{array}"), name);
            start = first;
        }
    }
    if let Some(file) = &origin.file {
        path = format!("{file}: {path}");
    } else if path == key {
        return unchanged;
    }
    ReadError::Value {
        key: path,
        row: row - start,
        column: column - first,
        value,
        expected: "a finite number",
    }
    .into()
}
