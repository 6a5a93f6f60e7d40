//! Files whose arrays are named by [`Keys`].

use super::super::array::Source;
use super::super::map::{Beyond, Ends, Episodes, Map, Rewards, Steps, fill, matches};
use super::super::tree::Scope;
use super::{Found, d4rl};
use crate::FileFormat;
use crate::read::{Keys, LayoutNote, ReadError};

/// Whether the file is not to be recognised: its episodes are told.
pub(super) fn is_whole(keys: &Keys) -> bool {
    keys.paths().chain(&keys.episodes).any(|path| path.contains('*'))
}

/// Episodes by a pattern of their groups, or of the names of their arrays.
pub(super) fn map(found: &mut Found<'_>, keys: &Keys) -> Result<Map, ReadError> {
    let prefix = match &keys.episodes {
        Some(prefix) if prefix.ends_with('/') => prefix.clone(),
        Some(prefix) => format!("{prefix}/"),
        None => String::new(),
    };
    let by = [&prefix]
        .into_iter()
        .chain(keys.paths())
        .find(|path| path.contains('*'));
    let map = Map {
        steps: Steps::Episodes(Episodes {
            names: names(found, by.map_or("", |path| path))?,
            prefix,
            beyond: Beyond::Either,
            total: None,
            one_flag: false,
            terminals: Some("terminals".into()),
            timeouts: Some("timeouts".into()),
        }),
        flatten: true,
        ..d4rl::map(FileFormat::Told)
    };
    change(map, found, keys)
}

/// What stands in place of the `*` in a path.
fn names(found: &mut Found<'_>, pattern: &str) -> Result<Vec<String>, ReadError> {
    let star = pattern.find('*').unwrap_or(0);
    let group = pattern[..star].rfind('/').map_or("", |at| &pattern[..=at]);
    let rest = &pattern[group.len()..];
    let (part, is_group) = rest.split_once('/').map_or((rest, false), |(part, _)| (part, true));
    let Some(members) = found.tree.members(group)? else {
        return Err(ReadError::MissingKey {
            key: group.trim_end_matches('/').into(),
            present: found.tree.keys(),
        });
    };
    if is_group {
        found.tree.open_groups(group)?;
    }
    let matched = matches(part, if is_group { &members.groups } else { &members.arrays });
    match matched.is_empty() {
        false => Ok(matched),
        true => Err(ReadError::MissingKey {
            key: format!("{group}{part}"),
            present: members
                .arrays
                .into_iter()
                .chain(members.groups.iter().map(|name| format!("{name}/")))
                .collect(),
        }),
    }
}

/// A map with the arrays that are told in place of its own.
///
/// # Errors
/// If there is no such array.
pub(super) fn change(mut map: Map, found: &mut Found<'_>, keys: &Keys) -> Result<Map, ReadError> {
    let recognised = map.observations.clone();
    if !keys.observations.is_empty() {
        map.observations = keys.observations.clone();
    }
    if !keys.actions.is_empty() {
        map.actions = keys.actions.clone();
    }
    if let Some(rewards) = &keys.rewards {
        map.rewards = Rewards::Of(rewards.clone());
        map.notes.retain(|note| *note != LayoutNote::ZeroRewards);
    }
    if let (Some(mask), false) = (&keys.mask, map.format == FileFormat::Robomimic) {
        return Err(ReadError::MissingKey {
            key: format!("mask/{mask}"),
            present: found.tree.keys(),
        });
    }
    let told_ends = keys.terminals.is_some() || keys.timeouts.is_some();
    match &mut map.steps {
        Steps::Episodes(episodes) => {
            if let Some(terminals) = &keys.terminals {
                episodes.terminals = Some(terminals.clone());
            }
            if let Some(timeouts) = &keys.timeouts {
                episodes.timeouts = Some(timeouts.clone());
            }
        }
        Steps::Rows(ends) => {
            if let Some(starts) = &keys.starts {
                *ends = Ends::Starts(starts.clone());
            } else if let Some(numbers) = &keys.episodes {
                *ends = Ends::Numbers(numbers.clone());
            } else if told_ends {
                *ends = Ends::Flags {
                    terminals: keys.terminals.clone(),
                    timeouts: keys.timeouts.clone(),
                };
            }
        }
    }
    check(&map, found, keys)?;
    // Nothing is left of what a file by names alone is recognised as.
    let other = recognised != map.observations || told_ends || keys.starts.is_some() || keys.episodes.is_some();
    if other && matches!(map.format, FileFormat::D4rl | FileFormat::Npz) {
        map.format = FileFormat::Told;
    }
    Ok(map)
}

/// Flags may be missing where a layout names them, but not where they are told.
fn check(map: &Map, found: &mut Found<'_>, keys: &Keys) -> Result<(), ReadError> {
    let (prefix, first) = match &map.steps {
        Steps::Rows(_) => (String::new(), ""),
        Steps::Episodes(episodes) => {
            let first = episodes.names.first().map_or("", String::as_str);
            (fill(&episodes.prefix, first), first)
        }
    };
    let mut scope = Scope {
        tree: found.tree,
        prefix: &prefix,
        flatten: map.flatten,
    };
    for path in keys.paths() {
        let path = fill(path, first);
        if scope.header(&path)?.is_none() {
            return Err(ReadError::MissingKey {
                key: scope.place(&path),
                present: scope.near(&path),
            });
        }
    }
    Ok(())
}
