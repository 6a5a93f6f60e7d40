//! [`Packed`]: a dataset in one file of our own, read by rows as they are asked for.
//!
//! What training wants of a dataset is windows, at random: so a window is one read of bytes that lie one after the other, in the order
//! and type in which a network takes them. All numbers are little-endian.
//!
//! | from byte | | |
//! | --- | --- | --- |
//! | 0 | 8 bytes | `89 44 50 41 43 4b 0d 0a`, "DPACK" between what damage in transport changes |
//! | 8 | u32 | version, 1 |
//! | 12 | u32, u32 | dimensions of an action, of an observation |
//! | 20 | u32 | 0 |
//! | 24 | u64, u64 | rows, episodes |
//! | 40 | u64 | bytes of the description |
//! | 48 | u64 | checksum of episodes, moments and description |
//! | 56 | u64 | checksum of the 56 bytes before |
//! | 64 | rows × (action, observation) f32 | steps, each its action and its observation |
//! | then | rows × f64 | rewards, from a multiple of 8 on |
//! | then | episodes × u64 | the row after its last, times 2, and 1 more where it ended in a terminal state |
//! | then | columns × 5 f64 | of every column of the steps, and of rewards: sum, mean, sum of squares, smallest, largest |
//! | then | u64 | the content's hash ([`content_hash`](crate::content_hash)) |
//! | then | JSON | the description: environment, metadata, what it was packed from, what was odd |
//!
//! Checksums are FNV-1a of 64 bits. The description stands at the end, since what it says is known when all rows are written; the
//! steps themselves have no checksum, so that a file is open at once: but all numbers were finite, and what is not is an error when it
//! is read. Rows of no finished episode are left out.
//!
//! It is read at positions, not mapped into memory: a file that gets shorter is then an error and not the end of the process, what is
//! in memory is what was asked for, and pages that are read often stay in the system's cache all the same.

mod at;
mod pack;
mod reader;
mod writer;

use std::hash::Hasher;

use fnv::FnvHasher;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::findings::Boundary;
use crate::moments::NUMBERS;
use crate::{ReadError, RecordedEnv};
pub use pack::{PackOptions, PackProgress, PackReport, pack};
pub use reader::Packed;

/// How a packed file begins.
pub(crate) const MAGIC: [u8; 8] = *b"\x89DPACK\r\n";
const VERSION: u32 = 1;
const HEAD: u64 = 64;
/// Columns of a row at most, so that sizes fit their numbers.
const MOST_COLUMNS: u32 = 1 << 24;

/// A file that was packed into another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PackedFrom {
    /// Its path as it was given.
    pub file: String,
    /// What kind of file it was.
    pub format: String,
    /// Rows that were taken.
    pub rows: u64,
    /// Episodes that were taken.
    pub episodes: u64,
    /// Rows that were left out: of no finished episode, or of one that was not selected.
    pub left_out: u64,
}

/// What a packed file says of itself in JSON.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Description {
    env: Option<Env>,
    metadata: Vec<(String, String)>,
    packed_from: Vec<PackedFrom>,
    /// Options that rows were read with, by name.
    options: Vec<(String, String)>,
    /// What was odd.
    notes: Vec<String>,
    /// Whether jumps of observations are where episodes end.
    boundaries: Option<Boundary>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Env {
    id: String,
    kwargs: Map<String, Value>,
    max_episode_steps: Option<usize>,
}

impl From<&RecordedEnv> for Env {
    fn from(env: &RecordedEnv) -> Self {
        Self {
            id: env.id.clone(),
            kwargs: env.kwargs.clone(),
            max_episode_steps: env.max_episode_steps,
        }
    }
}

impl From<Env> for RecordedEnv {
    fn from(env: Env) -> Self {
        Self {
            kwargs: env.kwargs,
            max_episode_steps: env.max_episode_steps,
            ..Self::new(env.id)
        }
    }
}

/// The numbers at the beginning of a file.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Head {
    actions: u32,
    observations: u32,
    rows: u64,
    episodes: u64,
    description: u64,
    /// Of what comes after rewards.
    checksum: u64,
}

fn checksum(bytes: &[u8]) -> u64 {
    let mut hasher = FnvHasher::default();
    hasher.write(bytes);
    hasher.finish()
}

fn wrong(reason: impl Into<String>) -> ReadError {
    ReadError::Unreadable {
        place: "packed dataset".into(),
        reason: reason.into(),
    }
}

impl Head {
    fn to_bytes(self) -> [u8; HEAD as usize] {
        let mut bytes = Vec::with_capacity(HEAD as usize);
        bytes.extend(MAGIC);
        for number in [VERSION, self.actions, self.observations, 0] {
            bytes.extend(number.to_le_bytes());
        }
        for number in [self.rows, self.episodes, self.description, self.checksum] {
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend(checksum(&bytes).to_le_bytes());
        let mut head = [0; HEAD as usize];
        head.copy_from_slice(&bytes);
        head
    }

    /// # Errors
    /// What is wrong with it.
    fn of(bytes: &[u8; HEAD as usize]) -> Result<Self, ReadError> {
        let (u32s, _) = bytes.as_chunks::<4>();
        let (u64s, _) = bytes.as_chunks::<8>();
        let small = |at: usize| u32::from_le_bytes(u32s[at]);
        let number = |at: usize| u64::from_le_bytes(u64s[at]);
        if !bytes.starts_with(&MAGIC) {
            return Err(wrong("it does not begin like one"));
        }
        if small(2) != VERSION {
            return Err(wrong(format!(
                "it is of version {}, and this program reads version {VERSION}: pack it again, or read it with a newer diffplan",
                small(2)
            )));
        }
        if number(7) != checksum(&bytes[..56]) {
            return Err(wrong("its first 64 bytes are damaged: pack it again"));
        }
        let head = Self {
            actions: small(3),
            observations: small(4),
            rows: number(3),
            episodes: number(4),
            description: number(5),
            checksum: number(6),
        };
        let columns = |count: u32| (1..=MOST_COLUMNS).contains(&count);
        match columns(head.actions) && columns(head.observations) && head.rows > 0 && head.episodes > 0 {
            true => Ok(head),
            false => Err(wrong("it says that it has no step")),
        }
    }

    fn width(self) -> u64 {
        u64::from(self.actions) + u64::from(self.observations)
    }

    /// Where rewards begin; none where that is no number.
    fn rewards_at(self) -> Option<u64> {
        let steps = self.rows.checked_mul(self.width())?.checked_mul(4)?;
        HEAD.checked_add(steps)?.checked_next_multiple_of(8)
    }

    /// Where episodes begin, and what comes after them.
    fn tail_at(self) -> Option<u64> {
        self.rewards_at()?.checked_add(self.rows.checked_mul(8)?)
    }

    /// Bytes of moments and hash.
    fn numbers(self) -> u64 {
        (self.width() + 1) * NUMBERS as u64 * 8 + 8
    }

    /// Bytes of all that comes after rewards.
    fn tail(self) -> Option<u64> {
        let episodes = self.episodes.checked_mul(8)?;
        episodes.checked_add(self.numbers())?.checked_add(self.description)
    }

    fn length(self) -> Option<u64> {
        self.tail_at()?.checked_add(self.tail()?)
    }
}

#[cfg(test)]
mod tests;
