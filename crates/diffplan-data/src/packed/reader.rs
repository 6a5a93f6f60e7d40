//! [`Packed`]: a packed file that is open.

use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ndarray::{ArrayView1, ArrayView2};

use super::at::Bytes;
use super::{Description, HEAD, Head, PackedFrom, checksum, wrong};
use crate::findings::Boundary;
use crate::moments::NUMBERS;
use crate::read::{About, Block, Facts, FileFormat, Found};
use crate::transitions::{block_rows, check_range};
use crate::{ArrayInfo, EpisodeRange, Error, Known, Moments, RawDataset, ReadError, RecordedEnv, Transitions};

/// A packed dataset. In memory are its episodes, 24 bytes each, and what it says of itself; rows are read when they are asked for.
#[derive(Debug)]
pub struct Packed {
    path: PathBuf,
    bytes: Bytes,
    head: Head,
    episodes: Vec<EpisodeRange>,
    env: Option<RecordedEnv>,
    known: Known,
    description: Description,
}

impl Packed {
    /// Opens a file.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::File`] with what is wrong with it.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let file = File::open(path).map_err(|error| Error::Io {
            path: path.into(),
            operation: "read",
            error,
        })?;
        Self::of(Bytes::File(file), path)
    }

    /// Opens the content of a file; `path` is what it is called.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn from_bytes(bytes: impl Into<Arc<[u8]>>, path: impl AsRef<Path>) -> Result<Self, Error> {
        Self::of(Bytes::Memory(bytes.into()), path.as_ref())
    }

    fn of(bytes: Bytes, path: &Path) -> Result<Self, Error> {
        let io = |error| Error::Io {
            path: path.into(),
            operation: "read",
            error,
        };
        let broken = |error: ReadError| Error::File {
            path: path.into(),
            error: Box::new(error.into()),
        };
        let length = bytes.len().map_err(io)?;
        if length < HEAD {
            return Err(broken(wrong(format!(
                "it has {length} bytes, too few for one: it is cut off"
            ))));
        }
        let mut head = [0; HEAD as usize];
        bytes.read(0, &mut head).map_err(io)?;
        let head = Head::of(&head).map_err(broken)?;
        if head.length() != Some(length) {
            let says = head
                .length()
                .map_or("more than there can be".into(), |says| says.to_string());
            let what = format!("it has {length} bytes, and says that it has {says}: it is cut off, or was changed");
            return Err(broken(wrong(what)));
        }
        // Not more than the file has, which was compared.
        let size = head.tail().unwrap_or_default() as usize;
        let mut tail = vec![0; size];
        bytes.read(length - size as u64, &mut tail).map_err(io)?;
        if checksum(&tail) != head.checksum {
            return Err(broken(wrong("what comes after its steps is damaged: pack it again")));
        }
        let (ends, rest) = tail.split_at(head.episodes as usize * 8);
        let (numbers, description) = rest.split_at(head.numbers() as usize);
        let (ends, _) = ends.as_chunks::<8>();
        let (numbers, _) = numbers.as_chunks::<8>();
        let description: Description =
            serde_json::from_slice(description).map_err(|error| broken(wrong(format!("its description: {error}"))))?;
        let (hash, numbers) = numbers.split_last().ok_or_else(|| broken(wrong("it has no moments")))?;
        let numbers: Vec<f64> = numbers.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect();
        let (steps, rewards) = numbers.split_at(head.width() as usize * NUMBERS);
        Ok(Self {
            path: path.into(),
            episodes: episodes(ends, head.rows).map_err(broken)?,
            env: description.env.clone().map(RecordedEnv::from),
            known: Known {
                moments: Moments::of_numbers(head.rows, steps),
                rewards: Moments::of_numbers(head.rows, rewards),
                hash: u64::from_le_bytes(*hash),
            },
            description,
            bytes,
            head,
        })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it was packed from.
    #[must_use]
    pub fn packed_from(&self) -> &[PackedFrom] {
        &self.description.packed_from
    }

    /// Whether observations jumped elsewhere than where episodes end.
    #[must_use]
    pub fn boundaries(&self) -> Option<Boundary> {
        self.description.boundaries
    }

    /// What it says of itself, as other files do.
    pub(crate) fn about(&self) -> About {
        let mut metadata = self.description.metadata.clone();
        for from in &self.description.packed_from {
            let left_out = match from.left_out {
                0 => String::new(),
                rows => format!(", {rows} rows left out"),
            };
            let text = format!(
                "{} ({}, {} rows in {} episodes{left_out})",
                from.file, from.format, from.rows, from.episodes
            );
            metadata.push(("packed from".into(), text));
        }
        let options = self.description.options.iter();
        metadata.extend(options.map(|(name, value)| (format!("packed with {name}"), value.clone())));
        let info = |name: &str, shape: Vec<u64>, dtype: &str| ArrayInfo {
            name: name.into(),
            shape,
            dtype: dtype.into(),
        };
        About {
            format: FileFormat::Packed,
            env: self.env.clone(),
            metadata,
            minari: serde_json::Map::new(),
            arrays: vec![
                info("actions", vec![self.head.rows, self.head.actions.into()], "float32"),
                info(
                    "observations",
                    vec![self.head.rows, self.head.observations.into()],
                    "float32",
                ),
                info("rewards", vec![self.head.rows], "float64"),
            ],
        }
    }

    /// Bytes of all rows in memory.
    pub(crate) fn in_memory_bytes(&self) -> u64 {
        let row = self.head.width() * 4 + 8 + 2;
        self.head.rows.saturating_mul(row).saturating_add(1 << 21)
    }

    /// The facts of it, as those of another file.
    pub(crate) fn facts(&self, about: &About) -> Facts {
        Facts::of_packed(
            self.path.clone(),
            about,
            self.episodes.iter().filter(|episode| !episode.terminated).count(),
            self.rows(),
            self.description.notes.clone(),
        )
    }

    /// All of it in memory.
    pub(crate) fn read_all(&self, about: &About) -> Result<RawDataset, Error> {
        let rows = self.rows();
        let (mut observations, mut actions) = (
            Vec::with_capacity(rows * self.observation_dim()),
            Vec::with_capacity(rows * self.action_dim()),
        );
        let mut rewards = Vec::with_capacity(rows);
        self.each_block(&mut |block| {
            observations.extend(block.observations);
            actions.extend(block.actions);
            rewards.extend(block.rewards);
            Ok(())
        })?;
        let facts = self.facts(about);
        let ends = |terminated: bool| {
            let mut flags = vec![false; rows];
            let own = self.episodes.iter().filter(|episode| episode.terminated == terminated);
            own.for_each(|episode| flags[episode.end - 1] = true);
            flags
        };
        RawDataset::of_packed(
            facts,
            [(observations, self.observation_dim()), (actions, self.action_dim())],
            rewards,
            [ends(true), ends(false)],
        )
    }

    /// All of it, a block of rows at a time.
    pub(crate) fn each(
        &self,
        about: &About,
        max_episode_steps: Option<usize>,
        show: &mut dyn FnMut(&Block<'_>) -> Result<(), Error>,
    ) -> Result<Found, Error> {
        self.each_block(show)?;
        let episodes = match max_episode_steps {
            Some(0) => Err(self.broken(ReadError::ZeroEpisodeSteps)),
            _ => Ok(self.episodes.clone()),
        };
        Ok(Found {
            facts: self.facts(about),
            episodes,
        })
    }

    pub(crate) fn each_block(&self, show: &mut dyn FnMut(&Block<'_>) -> Result<(), Error>) -> Result<(), Error> {
        let (rows, width, actions) = (self.rows(), self.transition_dim(), self.action_dim());
        let (mut steps, mut rewards) = (Vec::new(), Vec::new());
        for start in (0..rows).step_by(block_rows(width)) {
            let end = rows.min(start + block_rows(width));
            steps.resize((end - start) * width, 0.0);
            rewards.resize(end - start, 0.0);
            self.read_rows(start..end, &mut steps)?;
            self.read_rewards(start..end, &mut rewards)?;
            let all = ArrayView2::from_shape((end - start, width), &steps[..]);
            let all = all.map_err(|error| self.broken(wrong(error.to_string())))?;
            let (own_actions, observations) = all.split_at(ndarray::Axis(1), actions);
            show(&Block {
                first_row: start,
                observations,
                actions: own_actions,
                rewards: ArrayView1::from(&rewards[..]),
            })?;
        }
        Ok(())
    }

    fn broken(&self, error: ReadError) -> Error {
        Error::File {
            path: self.path.clone(),
            error: Box::new(error.into()),
        }
    }

    fn read_at(&self, at: Option<u64>, to: &mut [u8]) -> Result<(), Error> {
        let read = at.map_or(Err(std::io::ErrorKind::UnexpectedEof.into()), |at| {
            self.bytes.read(at, to)
        });
        read.map_err(|error| Error::Io {
            path: self.path.clone(),
            operation: "read",
            error,
        })
    }
}

/// Episodes from the rows after their last.
fn episodes(ends: &[[u8; 8]], rows: u64) -> Result<Vec<EpisodeRange>, ReadError> {
    let (mut episodes, mut start) = (Vec::with_capacity(ends.len()), 0);
    for bytes in ends {
        let number = u64::from_le_bytes(*bytes);
        let end = number >> 1;
        if end <= start || end > rows {
            return Err(wrong(format!("an episode of the rows {start} to {end} of {rows}")));
        }
        episodes.push(EpisodeRange {
            start: start as usize,
            end: end as usize,
            terminated: number & 1 == 1,
        });
        start = end;
    }
    match start == rows {
        true => Ok(episodes),
        false => Err(wrong(format!("its episodes end at row {start} of {rows}"))),
    }
}

impl Transitions for Packed {
    fn observation_dim(&self) -> usize {
        self.head.observations as usize
    }

    fn action_dim(&self) -> usize {
        self.head.actions as usize
    }

    fn episodes(&self) -> &[EpisodeRange] {
        &self.episodes
    }

    fn recorded_env(&self) -> Option<&RecordedEnv> {
        self.env.as_ref()
    }

    fn read_rows(&self, rows: Range<usize>, to: &mut [f32]) -> Result<(), Error> {
        check_range(&rows, self.rows(), self.transition_dim(), to.len())?;
        let at = HEAD.checked_add(rows.start as u64 * self.head.width() * 4);
        // A window's bytes fit the stack.
        let mut small = [0; 1 << 13];
        let mut large = Vec::new();
        let bytes = match small.get_mut(..to.len() * 4) {
            Some(bytes) => bytes,
            None => {
                large.resize(to.len() * 4, 0);
                &mut large[..]
            }
        };
        self.read_at(at, bytes)?;
        let (numbers, _) = bytes.as_chunks::<4>();
        to.iter_mut()
            .zip(numbers)
            .for_each(|(to, number)| *to = f32::from_le_bytes(*number));
        Ok(())
    }

    fn read_rewards(&self, rows: Range<usize>, to: &mut [f64]) -> Result<(), Error> {
        check_range(&rows, self.rows(), 1, to.len())?;
        let at = self.head.rewards_at().map(|at| at + rows.start as u64 * 8);
        let mut bytes = vec![0; to.len() * 8];
        self.read_at(at, &mut bytes)?;
        let (numbers, _) = bytes.as_chunks::<8>();
        to.iter_mut()
            .zip(numbers)
            .for_each(|(to, number)| *to = f64::from_le_bytes(*number));
        Ok(())
    }

    fn in_memory(&self) -> bool {
        false
    }

    fn known(&self) -> Option<&Known> {
        Some(&self.known)
    }
}
