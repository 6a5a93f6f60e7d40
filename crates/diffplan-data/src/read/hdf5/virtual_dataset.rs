//! Virtual datasets: arrays put together from parts of others, of this file or of files beside it.
//!
//! Where HDF5 shows its fill value for a part whose file is missing, this is an error that names the file: zeros in place
//! of observations would be trained on.

use std::sync::Arc;

use hdf5_reader::error::Error;
use hdf5_reader::global_heap::GlobalHeapCollection;
use hdf5_reader::io::Cursor;

use super::array::Stored;
use super::core::Core;
use super::links::Place;
use super::objects::checked;

/// A size without an end.
const UNLIMITED: u64 = u64::MAX;
/// Dimensions at most, HDF5's own bound.
const MOST_RANK: u32 = 32;

/// Part of an array.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Selection {
    Nothing,
    All,
    /// By axis.
    Regular(Vec<Axis>),
    /// First and last of every axis, both within.
    Blocks(Vec<(Vec<u64>, Vec<u64>)>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Axis {
    start: u64,
    stride: u64,
    count: u64,
    block: u64,
}

/// One part.
struct Part {
    file: String,
    path: String,
    from: Selection,
    to: Selection,
}

/// Elements one behind the other: the first, and how many.
type Run = (u64, u64);

/// The bytes of a virtual dataset from what its layout message says.
pub(super) fn read(stored: &Stored, layout: &[u8], depth: usize) -> Result<Vec<u8>, Error> {
    let core = &stored.place.core;
    let element = u64::from(stored.of.size);
    let total = product(&stored.shape).ok_or_else(|| broken("more elements than there can be"))?;
    let length = total
        .checked_mul(element)
        .and_then(|length| usize::try_from(length).ok());
    let length = length.filter(|length| *length <= core.budget.limit());
    let length = length.ok_or_else(|| Error::ResourceLimit(format!("{total} elements of {element} bytes")))?;
    let mut bytes = Vec::new();
    bytes
        .try_reserve_exact(length)
        .map_err(|error| Error::ResourceLimit(error.to_string()))?;
    match &stored.fill {
        Some(fill) if fill.len() as u64 == element && fill.iter().any(|byte| *byte != 0) => {
            bytes.extend(fill.iter().cycle().take(length));
        }
        _ => bytes.resize(length, 0),
    }
    let mut written = 0u64;
    let mut last: Option<(String, String, Arc<Stored>, Vec<u8>)> = None;
    for part in parts(core, layout)? {
        let same =
            |(file, path, ..): &&(String, String, Arc<Stored>, Vec<u8>)| *file == part.file && *path == part.path;
        if last.as_ref().filter(same).is_none() {
            // Before the next is read.
            drop(last.take());
            let source = Arc::new(source(core, &part)?);
            if source.of != stored.of {
                return Err(Error::InvalidData(format!(
                    "a part of it, {:?} of {:?}, holds {}, and the whole {}: write it as one array",
                    part.path,
                    part.file,
                    source.of.numbers().element.name(),
                    stored.of.numbers().element.name()
                )));
            }
            let content = source.raw(depth)?;
            last = Some((part.file.clone(), part.path.clone(), source, content));
        }
        let Some((_, _, source, content)) = &last else { continue };
        let (mut from, mut to) = (part.from, part.to);
        bound(&mut from, &source.shape, None);
        let selected = from.count(&source.shape).ok_or_else(|| broken("an impossible part"))?;
        bound(&mut to, &stored.shape, Some(selected));
        if to.count(&stored.shape) != Some(selected) {
            return Err(broken("a part of another size than its place"));
        }
        written = written.saturating_add(selected);
        if written > total {
            return Err(broken("parts that overlap"));
        }
        // Nothing of anything: its sizes bound nothing.
        if selected == 0 {
            continue;
        }
        let (from, to) = (from.runs(&source.shape)?, to.runs(&stored.shape)?);
        copy(content, &from, &mut bytes, &to, element as usize)
            .ok_or_else(|| broken("a part that is not within its array"))?;
    }
    Ok(bytes)
}

fn broken(what: &str) -> Error {
    Error::InvalidData(format!("a virtual dataset with {what}"))
}

fn product(shape: &[u64]) -> Option<u64> {
    shape.iter().try_fold(1u64, |all, one| all.checked_mul(*one))
}

/// The array that a part is of.
fn source(core: &Arc<Core>, part: &Part) -> Result<Stored, Error> {
    let core = match part.file.as_str() {
        "." => Arc::clone(core),
        file => core.file(file)?,
    };
    let top = Place {
        address: core.root,
        core,
    };
    let path = format!("/{}", part.path);
    let place = top.walk(&path, &mut 0)?;
    let place =
        place.ok_or_else(|| broken(&format!("a part that is not there: {:?} of {:?}", part.path, part.file)))?;
    Stored::at(place)
}

/// The list of parts, which is in a heap of its own.
fn parts(core: &Core, layout: &[u8]) -> Result<Vec<Part>, Error> {
    let mut cursor = Cursor::new(layout);
    // Version and class.
    cursor.skip(2)?;
    let address = cursor.read_offset(core.offset_size)?;
    if Cursor::is_undefined_offset(address, core.offset_size) {
        return Ok(Vec::new());
    }
    let index = u16::try_from(cursor.read_u32_le()?).map_err(|_| broken("no list of its parts"))?;
    let heap =
        GlobalHeapCollection::parse_at_storage(core.storage.as_ref(), address, core.offset_size, core.length_size)?;
    let list = heap.get_object(index).ok_or_else(|| broken("no list of its parts"))?;
    let mut cursor = Cursor::new(checked(&list.data)?);
    let version = cursor.read_u8()?;
    if version > 1 {
        return Err(broken(&format!("a list of parts of version {version}")));
    }
    let count = cursor.read_length(core.length_size)?;
    let mut parts: Vec<Part> = Vec::new();
    for _ in 0..count {
        // In version 1 a name may be that of an earlier part, and the file this one.
        let flags = if version == 1 { cursor.read_u8()? } else { 0 };
        let earlier = |cursor: &mut Cursor| {
            let at = usize::try_from(cursor.read_length(core.length_size)?).ok();
            at.and_then(|at| parts.get(at))
                .ok_or_else(|| broken("a name that is not there"))
        };
        let file = if flags & 4 != 0 {
            ".".into()
        } else if flags & 1 != 0 {
            earlier(&mut cursor)?.file.clone()
        } else {
            cursor.read_null_terminated_string()?
        };
        let path = if flags & 2 != 0 {
            earlier(&mut cursor)?.path.clone()
        } else {
            cursor.read_null_terminated_string()?
        };
        if file.contains('%') || path.contains('%') {
            return Err(broken(
                "parts whose names are counted (%b), which are not read: write it as one array",
            ));
        }
        parts.push(Part {
            file,
            path,
            from: Selection::read(&mut cursor)?,
            to: Selection::read(&mut cursor)?,
        });
    }
    Ok(parts)
}

impl Selection {
    fn read(cursor: &mut Cursor) -> Result<Self, Error> {
        let kind = cursor.read_u32_le()?;
        let version = cursor.read_u32_le()?;
        match (kind, version) {
            (0 | 3, _) => {
                // Reserved, and the length of what follows, which is 0.
                cursor.skip(8)?;
                Ok(if kind == 3 { Self::All } else { Self::Nothing })
            }
            (2, 1) => {
                cursor.skip(8)?;
                let rank = rank(cursor)?;
                let count = cursor.read_u32_le()?;
                blocks(cursor, rank, u64::from(count), 4)
            }
            (2, 2 | 3) => {
                let flags = cursor.read_u8()?;
                let width = if version == 3 {
                    usize::from(cursor.read_u8()?)
                } else {
                    8
                };
                if version == 2 {
                    cursor.skip(4)?;
                }
                if !matches!(width, 2 | 4 | 8) {
                    return Err(broken("an impossible part"));
                }
                let rank = rank(cursor)?;
                if flags & 1 == 0 {
                    let count = cursor.read_uvar(width)?;
                    return blocks(cursor, rank, count, width);
                }
                let axes = (0..rank).map(|_| {
                    Ok(Axis {
                        start: cursor.read_uvar(width)?,
                        stride: cursor.read_uvar(width)?,
                        count: extent(cursor, width)?,
                        block: extent(cursor, width)?,
                    })
                });
                axes.collect::<Result<_, Error>>().map(Self::Regular)
            }
            (1, _) => Err(broken("parts that are single points: write it as one array")),
            _ => Err(broken("an unknown kind of part")),
        }
    }

    /// Elements in it; none where it is not within the shape or means nothing.
    fn count(&self, shape: &[u64]) -> Option<u64> {
        match self {
            Self::Nothing => Some(0),
            Self::All => product(shape),
            Self::Regular(axes) if axes.len() == shape.len() => {
                let mut total = 1u64;
                for (axis, length) in axes.iter().zip(shape) {
                    let selected = axis.count.checked_mul(axis.block)?;
                    if selected > 0 {
                        let last = (axis.count - 1).checked_mul(axis.stride)?;
                        let end = axis.start.checked_add(last)?.checked_add(axis.block)?;
                        if end > *length || axis.count > 1 && axis.stride < axis.block {
                            return None;
                        }
                    }
                    total = total.checked_mul(selected)?;
                }
                Some(total)
            }
            Self::Blocks(blocks) => {
                let mut total = 0u64;
                for (first, last) in blocks {
                    let mut size = (first.len() == shape.len()).then_some(1u64)?;
                    for ((first, last), length) in first.iter().zip(last).zip(shape) {
                        let within = *last < *length;
                        size = size.checked_mul(last.checked_sub(*first).filter(|_| within)? + 1)?;
                    }
                    total = total.checked_add(size)?;
                }
                Some(total)
            }
            Self::Regular(_) => None,
        }
    }

    /// The elements in the order of the array. Only of a selection that was counted, which bounds them.
    fn runs(&self, shape: &[u64]) -> Result<Vec<Run>, Error> {
        let mut runs = Vec::new();
        match self {
            Self::Nothing => {}
            Self::All => runs.push((0, product(shape).unwrap_or(0))),
            Self::Regular(axes) => {
                let spans: Vec<Vec<(u64, u64)>> = axes.iter().zip(shape).map(|(axis, _)| axis.spans()).collect();
                lines(shape, &spans, &mut runs)?;
            }
            Self::Blocks(blocks) => {
                for (first, last) in blocks {
                    let spans: Vec<Vec<(u64, u64)>> = first
                        .iter()
                        .zip(last)
                        .map(|(first, last)| vec![(*first, last - first + 1)])
                        .collect();
                    lines(shape, &spans, &mut runs)?;
                }
                runs.sort_unstable();
            }
        }
        Ok(runs)
    }
}

impl Axis {
    /// First and length of every block, those that touch as one.
    fn spans(&self) -> Vec<(u64, u64)> {
        if self.count == 1 || self.stride == self.block {
            return vec![(self.start, self.count * self.block)];
        }
        (0..self.count)
            .map(|at| (self.start + at * self.stride, self.block))
            .collect()
    }
}

/// The runs of all combinations of spans, one list of them an axis.
fn lines(shape: &[u64], spans: &[Vec<(u64, u64)>], runs: &mut Vec<Run>) -> Result<(), Error> {
    let Some((last, outer)) = spans.split_last() else {
        runs.push((0, 1));
        return Ok(());
    };
    let Some((width, _)) = shape.split_last() else {
        return Ok(());
    };
    // Starts of lines, axis by axis.
    let mut starts = vec![0u64];
    for (axis, length) in outer.iter().zip(shape) {
        let indexes = axis.iter().flat_map(|(first, count)| *first..first + count);
        let indexes: Vec<u64> = indexes.collect();
        let mut next = Vec::new();
        next.try_reserve(starts.len().saturating_mul(indexes.len()))
            .map_err(|error| Error::ResourceLimit(error.to_string()))?;
        for start in &starts {
            next.extend(indexes.iter().map(|index| start * length + index));
        }
        starts = next;
    }
    for start in starts {
        for (first, count) in last {
            let at = start * width + first;
            match runs.last_mut() {
                Some((before, length)) if *before + *length == at => *length += count,
                _ => runs.push((at, *count)),
            }
        }
    }
    Ok(())
}

fn rank(cursor: &mut Cursor) -> Result<u32, Error> {
    let rank = cursor.read_u32_le()?;
    match rank {
        1..=MOST_RANK => Ok(rank),
        _ => Err(broken("an impossible part")),
    }
}

/// A size; the largest number of its width is the one without an end.
fn extent(cursor: &mut Cursor, width: usize) -> Result<u64, Error> {
    let value = cursor.read_uvar(width)?;
    let largest = u64::MAX >> (64 - 8 * width as u32);
    Ok(if value == largest { UNLIMITED } else { value })
}

fn blocks(cursor: &mut Cursor, rank: u32, count: u64, width: usize) -> Result<Selection, Error> {
    let mut blocks = Vec::new();
    let corner = |cursor: &mut Cursor| {
        let corner = (0..rank).map(|_| cursor.read_uvar(width));
        corner.collect::<Result<Vec<u64>, _>>()
    };
    for _ in 0..count {
        blocks.push((corner(cursor)?, corner(cursor)?));
    }
    Ok(Selection::Blocks(blocks))
}

/// Ends a selection without an end: where its array ends, or after so many elements.
fn bound(selection: &mut Selection, shape: &[u64], elements: Option<u64>) {
    let Selection::Regular(axes) = selection else { return };
    let Some(open) = axes.iter().position(|axis| axis.count == UNLIMITED) else {
        return;
    };
    let others = axes.iter().enumerate().filter(|(at, _)| *at != open);
    let others = others.fold(1u64, |all, (_, axis)| {
        all.saturating_mul(axis.count).saturating_mul(axis.block)
    });
    let (axis, length) = (&mut axes[open], shape.get(open).copied().unwrap_or(0));
    let each = others.saturating_mul(axis.block).max(1);
    axis.count = match elements {
        Some(elements) => elements / each,
        None => length
            .checked_sub(axis.start.saturating_add(axis.block))
            .map_or(0, |left| left / axis.stride.max(1) + 1),
    };
}

fn copy(source: &[u8], from: &[Run], target: &mut [u8], to: &[Run], element: usize) -> Option<()> {
    let (mut from, mut to) = (from.iter().copied(), to.iter().copied());
    let (mut a, mut b) = ((0, 0), (0, 0));
    loop {
        if a.1 == 0 {
            a = match from.next() {
                Some(run) => run,
                None => return Some(()),
            };
            continue;
        }
        if b.1 == 0 {
            b = to.next()?;
            continue;
        }
        let count = a.1.min(b.1);
        let bytes = |at: u64| {
            let start = (at as usize).checked_mul(element)?;
            Some(start..start.checked_add((count as usize).checked_mul(element)?)?)
        };
        target.get_mut(bytes(b.0)?)?.copy_from_slice(source.get(bytes(a.0)?)?);
        a = (a.0 + count, a.1 - count);
        b = (b.0 + count, b.1 - count);
    }
}
