//! [`pack`]: datasets into one packed file, in one pass over their rows.

use std::fs::File;
use std::path::{Path, PathBuf};

use diffplan_files::{folder_of, write_atomically_with};
use ndarray::{Axis, Slice};
use sysinfo::Disks;

use super::writer::Writer;
use super::{Description, PackedFrom};
use crate::episode_set::check_dimensions;
use crate::findings::{self, Survey};
use crate::read::{Block, DatasetReader};
use crate::{EpisodeRange, Error, Key, ReadOptions, Selection};

/// What is packed, and how it is read.
#[derive(Debug, Clone, Default)]
pub struct PackOptions {
    /// How every file is read.
    pub read: ReadOptions,
    /// Which episodes of every file: by number; the best ones would take a pass more, and are selected by who trains.
    pub selection: Selection,
}

/// Who is told how far it is.
pub trait PackProgress {
    /// Rows of all that are to be read, and bytes of the file that is written.
    fn begin(&mut self, rows: u64, bytes: u64);
    /// So many rows were read, of all files together.
    fn rows(&mut self, rows: u64);
    /// All are written; so many were looked at again.
    fn again(&mut self, rows: u64);
}

/// What was packed.
#[derive(Debug, Clone, PartialEq)]
pub struct PackReport {
    /// Rows.
    pub rows: usize,
    /// Episodes.
    pub episodes: usize,
    /// Dimensions of an observation.
    pub observation_dim: usize,
    /// Dimensions of an action.
    pub action_dim: usize,
    /// Bytes of the file.
    pub bytes: u64,
    /// Of each file.
    pub packed_from: Vec<PackedFrom>,
    /// What was odd.
    pub notes: Vec<String>,
}

/// A file that was looked at.
struct Input {
    path: PathBuf,
    reader: DatasetReader,
    episodes: Vec<EpisodeRange>,
    keep: Vec<bool>,
}

impl Input {
    fn dimensions(&self) -> [usize; 2] {
        [self.reader.observation_dim(), self.reader.action_dim()]
    }

    fn kept(&self) -> impl Iterator<Item = &EpisodeRange> {
        let kept = self.episodes.iter().zip(&self.keep).filter(|(_, keep)| **keep);
        kept.map(|(episode, _)| episode)
    }
}

/// Reads datasets once, one after the other, and writes them as one packed file: under a temporary name, which is renamed when all is
/// there. Episodes are those that training would see.
///
/// # Errors
/// Those of reading, [`Error::NonFiniteData`] among them; [`Error::JoinedDimensions`]; [`Error::Share`]; [`Error::DiskSpace`] before
/// anything is written; [`Error::Io`].
pub fn pack(
    files: &[PathBuf],
    out: &Path,
    options: &PackOptions,
    progress: &mut dyn PackProgress,
) -> Result<PackReport, Error> {
    options.selection.check()?;
    let mut inputs: Vec<Input> = Vec::with_capacity(files.len());
    for path in files {
        let input = look(path, options)?;
        if let Some(first) = inputs.first() {
            check_dimensions((&first.path, first.dimensions()), (path, input.dimensions()))?;
        }
        inputs.push(input);
    }
    let Some(first) = inputs.first() else {
        return Err(Error::EmptyDataset {
            key: Key::Observations,
            rows: 0,
            columns: 0,
        });
    };
    let dimensions = (first.reader.observation_dim(), first.reader.action_dim());
    let env = first.reader.recorded_env().cloned();
    let mut episodes: Vec<EpisodeRange> = Vec::new();
    for episode in inputs.iter().flat_map(Input::kept) {
        let start = episodes.last().map_or(0, |last| last.end);
        episodes.push(EpisodeRange {
            start,
            end: start + episode.len(),
            terminated: false,
        });
    }
    let rows = episodes.last().map_or(0, |last| last.end);
    let columns = |count: usize| u32::try_from(count).ok().filter(|count| *count <= super::MOST_COLUMNS);
    let (Some(observations), Some(actions)) = (columns(dimensions.0), columns(dimensions.1)) else {
        return Err(super::wrong("more dimensions than a packed file can have").into());
    };
    let bytes = Writer::length((observations, actions), rows as u64, episodes.len() as u64).unwrap_or(u64::MAX);
    check_space(out, bytes)?;
    let read: u64 = inputs
        .iter()
        .map(|input| input.reader.rows())
        .fold(0, u64::saturating_add);
    progress.begin(read, bytes);

    let mut survey = Survey::new(dimensions, rows, &episodes, None);
    let mut description = Description {
        env: env.as_ref().map(Into::into),
        options: told(options),
        ..Description::default()
    };
    write_atomically_with(
        out,
        |error| Error::Io {
            path: out.into(),
            operation: "write",
            error,
        },
        |file: &File| {
            let io = |error| Error::Io {
                path: out.into(),
                operation: "write",
                error,
            };
            let mut writer = file
                .try_clone()
                .and_then(|file| Writer::new(file, (observations, actions), rows as u64, episodes.len() as u64))
                .map_err(io)?;
            let (mut row, mut episode, mut before) = (0, 0, 0);
            let several = inputs.len() > 1;
            for input in inputs {
                let mut packing = Packing {
                    kept: input.kept().copied().collect(),
                    next: 0,
                    row,
                };
                let all = input.reader.rows();
                let format = input.reader.format();
                let found = input.reader.each(options.read.max_episode_steps, &mut |block| {
                    packing.each(block, &mut |part| {
                        check_finite(block.first_row, part)?;
                        survey.add_block(part);
                        writer.append(part).map_err(io)
                    })?;
                    progress.rows(before + (block.first_row + block.rewards.len()) as u64);
                    Ok(())
                })?;
                before += all;
                row = packing.row;
                let ends = found.episodes?;
                if ends.len() != input.keep.len() {
                    return Err(changed(&input.path));
                }
                let notes = findings::of_reading(&found.facts, &ends, options.read.max_episode_steps, None);
                let named = |note: findings::Finding| match (several, note) {
                    (_, findings::Finding::Packed(text)) => text,
                    (true, note) => format!("{}: {note}", input.path.display()),
                    (false, note) => note.to_string(),
                };
                description.notes.extend(notes.into_iter().map(named));
                let kept = ends.iter().zip(&input.keep).filter(|(_, keep)| **keep);
                let first = episode;
                for (end, _) in kept {
                    episodes[episode].terminated = end.terminated;
                    episode += 1;
                }
                let taken: usize = packing.kept.iter().map(EpisodeRange::len).sum();
                description.packed_from.push(PackedFrom {
                    file: input.path.display().to_string(),
                    format: format.name().into(),
                    rows: taken as u64,
                    episodes: (episode - first) as u64,
                    left_out: (found.facts.rows - taken) as u64,
                });
                if description.metadata.is_empty() {
                    description.metadata = found.facts.metadata;
                }
            }
            description.boundaries = survey.boundaries();
            writer
                .finish(&episodes, &description, &mut |rows| progress.again(rows))
                .map_err(io)
        },
    )?;
    Ok(PackReport {
        rows,
        episodes: episodes.len(),
        observation_dim: dimensions.0,
        action_dim: dimensions.1,
        bytes: std::fs::metadata(out).map_or(bytes, |metadata| metadata.len()),
        packed_from: description.packed_from,
        notes: description.notes,
    })
}

fn look(path: &Path, options: &PackOptions) -> Result<Input, Error> {
    let mut reader = DatasetReader::open(path, &options.read)?;
    let episodes = reader.look(options.read.max_episode_steps)?;
    Ok(Input {
        path: path.into(),
        keep: options.selection.by_number(episodes.len()),
        episodes,
        reader,
    })
}

fn changed(path: &Path) -> Error {
    let what = super::wrong("it was changed while it was read");
    Error::File {
        path: path.into(),
        error: Box::new(what.into()),
    }
}

/// Options that say what rows are, as they are typed.
fn told(options: &PackOptions) -> Vec<(String, String)> {
    let of = |name: &str, value: Option<String>| value.map(|value| (name.to_owned(), value));
    let read = &options.read;
    let all = [
        of(
            "max-episode-steps",
            read.max_episode_steps.map(|steps| steps.to_string()),
        ),
        of(
            "keys",
            (read.keys != crate::Keys::default()).then(|| read.keys.to_string()),
        ),
        of("rewards", read.rewards.as_ref().map(ToString::to_string)),
        of("max-episodes", options.selection.first.map(|count| count.to_string())),
        of("episodes", options.selection.share.map(|share| share.to_string())),
    ];
    all.into_iter().flatten().collect()
}

/// # Errors
/// [`Error::DiskSpace`] where the disk is known to have too little.
fn check_space(out: &Path, needed: u64) -> Result<(), Error> {
    let Ok(folder) = folder_of(out).canonicalize() else {
        return Ok(());
    };
    let disks = Disks::new_with_refreshed_list();
    let own = disks.iter().filter(|disk| folder.starts_with(disk.mount_point()));
    match own.max_by_key(|disk| disk.mount_point().as_os_str().len()) {
        Some(disk) if disk.available_space() < needed => Err(Error::DiskSpace {
            path: out.into(),
            needed,
            available: disk.available_space(),
        }),
        _ => Ok(()),
    }
}

/// Takes the rows of kept episodes out of blocks.
struct Packing {
    kept: Vec<EpisodeRange>,
    next: usize,
    /// The packed row that comes next.
    row: usize,
}

impl Packing {
    fn each(&mut self, block: &Block<'_>, show: &mut dyn FnMut(&Block<'_>) -> Result<(), Error>) -> Result<(), Error> {
        let (first, end) = (block.first_row, block.first_row + block.rewards.len());
        while let Some(start) = self.kept.get(self.next).map(|episode| episode.start.max(first)) {
            if start >= end {
                break;
            }
            // Episodes that lie one after the other are taken at once.
            let mut upto = self.kept[self.next].end;
            while upto <= end {
                self.next += 1;
                match self.kept.get(self.next) {
                    Some(next) if next.start == upto && upto < end => upto = next.end,
                    _ => break,
                }
            }
            let upto = upto.min(end);
            let slice = Slice::from(start - first..upto - first);
            show(&Block {
                first_row: self.row,
                observations: block.observations.slice_axis(Axis(0), slice),
                actions: block.actions.slice_axis(Axis(0), slice),
                rewards: block.rewards.slice_axis(Axis(0), slice),
            })?;
            self.row += upto - start;
            if upto == end {
                break;
            }
        }
        Ok(())
    }
}

/// # Errors
/// [`Error::NonFiniteData`], by rows of the file.
fn check_finite(first_row: usize, block: &Block<'_>) -> Result<(), Error> {
    for (key, values) in [("observations", block.observations), ("actions", block.actions)] {
        if values.iter().all(|x| x.is_finite()) {
            continue;
        }
        if let Some(((row, column), value)) = values.indexed_iter().find(|(_, value)| !value.is_finite()) {
            return Err(Error::NonFiniteData {
                key,
                row: first_row + row,
                column,
                value: f64::from(*value),
            });
        }
    }
    match block.rewards.iter().position(|reward| !reward.is_finite()) {
        None => Ok(()),
        Some(row) => Err(Error::NonFiniteData {
            key: "rewards",
            row: first_row + row,
            column: 0,
            value: block.rewards[row],
        }),
    }
}
