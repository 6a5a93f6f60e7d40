//! A dictionary of arrays as a list of arrays side by side.
//!
//! As Gymnasium's `flatten` does it: the parts of a dictionary in the order of their names, which is that of
//! `gymnasium.spaces.Dict` too, or in that of the space where a file has it; those of a tuple by their numbers.

use super::super::array::{Element, Source};
use super::super::map::natural;
use super::super::space::Space;
use super::super::tree::{Members, Scope};
use super::super::vectors::image;
use super::super::{LayoutNote, ReadError};

/// Dictionaries in dictionaries at most; a damaged file may hold a group that holds itself.
const DEPTH: usize = 8;
/// Arrays side by side at most.
const ARRAYS: usize = 1000;

/// What becomes of pictures and of what is no number.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Others {
    Refused,
    LeftOut,
}

/// The arrays of a group or array, by their paths in `scope`, and what was left out of them.
pub(super) fn arrays(
    scope: &mut Scope<'_>,
    key: &str,
    space: Option<&Space>,
    others: Others,
    skipped_groups: &[&str],
) -> Result<(Vec<String>, Option<LayoutNote>), ReadError> {
    let mut flat = Flat {
        others,
        skipped_groups,
        arrays: Vec::new(),
        left_out: Vec::new(),
    };
    flat.add(scope, key, space, DEPTH)?;
    // Nothing else is there: that it is said what it is.
    if flat.arrays.is_empty() {
        flat.arrays
            .push(flat.left_out.first().map_or(key, |first| first).to_owned());
        flat.left_out.clear();
    }
    let note = (!flat.left_out.is_empty()).then_some(LayoutNote::LeftOut { arrays: flat.left_out });
    Ok((flat.arrays, note))
}

struct Flat<'a> {
    others: Others,
    skipped_groups: &'a [&'a str],
    arrays: Vec<String>,
    left_out: Vec<String>,
}

impl Flat<'_> {
    fn add(&mut self, scope: &mut Scope<'_>, key: &str, space: Option<&Space>, depth: usize) -> Result<(), ReadError> {
        let group = format!("{}{key}/", scope.prefix);
        let Some(members) = scope.tree.members(&group)? else {
            return self.add_array(scope, key, space);
        };
        let Some(depth) = depth.checked_sub(1) else {
            return Err(ReadError::Unreadable {
                place: scope.place(key),
                reason: format!("groups in groups, more than {DEPTH} deep"),
            });
        };
        for (name, inner) in parts(members, space) {
            let path = format!("{key}/{name}");
            match self.skipped_groups.contains(&name.as_str()) {
                true => self.left_out.push(path),
                false => self.add(scope, &path, inner, depth)?,
            }
        }
        Ok(())
    }

    fn add_array(&mut self, scope: &mut Scope<'_>, key: &str, space: Option<&Space>) -> Result<(), ReadError> {
        if let Some(space) = space
            && matches!(
                space.kind.as_str(),
                "Discrete" | "MultiDiscrete" | "Text" | "Sequence" | "Graph"
            )
        {
            return Err(ReadError::Space {
                key: scope.place(key),
                space: space.kind.clone(),
            });
        }
        let other = match scope.header(key) {
            Ok(Some(header)) => matches!(header.element, Element::Other(_)),
            _ => false,
        };
        let shape =
            image(scope, key).or_else(|| space.filter(|space| space.is_image()).map(|space| space.shape.clone()));
        match (shape, self.others) {
            (Some(shape), Others::Refused) => {
                return Err(ReadError::Image {
                    key: scope.place(key),
                    actual: shape,
                });
            }
            (Some(_), Others::LeftOut) => self.left_out.push(key.into()),
            (None, Others::LeftOut) if other => self.left_out.push(key.into()),
            _ => self.arrays.push(key.into()),
        }
        if self.arrays.len() > ARRAYS {
            return Err(ReadError::Unreadable {
                place: scope.place(key),
                reason: format!("more than {ARRAYS} arrays side by side"),
            });
        }
        Ok(())
    }
}

/// The members of a group in their order, each with its space. What a space does not know comes after what it knows.
fn parts(members: Members, space: Option<&Space>) -> Vec<(String, Option<&Space>)> {
    let mut names: Vec<String> = members.groups.into_iter().chain(members.arrays).collect();
    match names.iter().all(|name| name.starts_with("_index_")) {
        true => names.sort_by(|a, b| natural(a, b)),
        false => names.sort(),
    }
    let known = space.map_or(&[][..], |space| &space.subspaces.0);
    let mut parts: Vec<(String, Option<&Space>)> = Vec::with_capacity(names.len());
    for (name, space) in known {
        if names.contains(name) {
            parts.push((name.clone(), Some(space)));
        }
    }
    names.retain(|name| !known.iter().any(|(own, _)| own == name));
    parts.extend(names.into_iter().map(|name| (name, None)));
    parts
}
