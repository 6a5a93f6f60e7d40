//! How projects lay out the steps in their files. Each layout recognises a file by the names in it, and makes a [`Map`].

mod act;
mod d3rlpy;
mod d4rl;
mod flatten;
pub(super) mod folder;
pub(super) mod imitation;
pub(super) mod lerobot;
mod maniskill;
pub(super) mod minari;
mod ogbench;
mod robomimic;
mod stable_baselines;
mod told;

use std::path::Path;

use super::map::{Map, Rewards};
use super::tree::{Members, Tree};
use super::{FileFormat, Keys, Kind, LayoutNote, ReadError};

/// A file to be recognised.
struct Found<'a> {
    tree: &'a mut dyn Tree,
    /// What it holds at its top.
    top: Members,
    /// Where it lies, if it lies anywhere.
    path: Option<&'a Path>,
}

/// A map with the arrays that are told in place of its own.
#[cfg(feature = "parquet")]
fn told(map: Map, tree: &mut dyn Tree, keys: &Keys) -> Result<Map, ReadError> {
    let top = tree.members("")?.unwrap_or_default();
    told::change(map, &mut Found { tree, top, path: None }, keys)
}

/// The map of a file. Layouts are asked from those that name most to D4RL, which is also what a file is taken for that none
/// recognises: what is missing is then said in D4RL's words.
pub(super) fn map(tree: &mut dyn Tree, kind: Kind, path: Option<&Path>, keys: &Keys) -> Result<Map, ReadError> {
    let top = tree.members("")?.unwrap_or_default();
    let mut found = Found { tree, top, path };
    if told::is_whole(keys) {
        return told::map(&mut found, keys);
    }
    let map = match kind {
        Kind::Hdf5 => hdf5(&mut found, keys)?,
        Kind::Npz | Kind::Packed => npz(&found),
    };
    let has = |name: &str| found.top.has(name) || found.top.has_group(name);
    let d4rl = matches!(map.format, FileFormat::D4rl | FileFormat::Npz);
    if d4rl && keys.observations.is_empty() && !has("observations") && !has("actions") {
        return Err(ReadError::Unrecognised {
            present: found.tree.keys(),
        });
    }
    told::change(map, &mut found, keys)
}

fn hdf5(found: &mut Found<'_>, keys: &Keys) -> Result<Map, ReadError> {
    if minari::is(&found.top) {
        minari::map(found, keys)
    } else if let Some(demos) = robomimic::demos(found)? {
        robomimic::map(found, demos, keys)
    } else if maniskill::is(&found.top) {
        maniskill::map(found, keys)
    } else if d3rlpy::is_second(&found.top) {
        Ok(d3rlpy::second(&found.top))
    } else if act::is(found)? {
        act::map(found, keys)
    } else if d3rlpy::is_first(&found.top) {
        Ok(d3rlpy::first())
    } else {
        Ok(d4rl::map(FileFormat::D4rl))
    }
}

fn npz(found: &Found<'_>) -> Map {
    let top = &found.top;
    if stable_baselines::is_imitation(top) {
        stable_baselines::imitation()
    } else if stable_baselines::is_expert(top) {
        stable_baselines::expert()
    } else if ogbench::is(top) {
        ogbench::map()
    } else {
        d4rl::map(FileFormat::Npz)
    }
}

/// Rewards of a layout of demonstrations, which often have none: zeros then, with a note.
fn rewards_if(there: bool, notes: &mut Vec<LayoutNote>) -> Rewards {
    if there {
        return Rewards::Of("rewards".into());
    }
    notes.push(LayoutNote::ZeroRewards);
    Rewards::Zeros
}
