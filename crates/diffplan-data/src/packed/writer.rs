//! Writing a packed file: steps and rewards at their places as they come, what they come to when all are there.

use std::fs::File;
use std::io;

use super::at::{self, Bytes};
use super::{Description, HEAD, Head, checksum};
use crate::read::Block;
use crate::transitions::{ContentHash, block_rows};
use crate::{EpisodeRange, Moments};

/// A file that is being written.
pub(super) struct Writer {
    file: File,
    head: Head,
    rewards_at: u64,
    written: u64,
    moments: Moments,
    rewards: Moments,
    hash: ContentHash,
    steps: Vec<f32>,
    bytes: Vec<u8>,
}

impl Writer {
    /// Of so many rows and episodes, to an empty file.
    pub(super) fn new(file: File, (observations, actions): (u32, u32), rows: u64, episodes: u64) -> io::Result<Self> {
        let head = Head {
            actions,
            observations,
            rows,
            episodes,
            description: 0,
            checksum: 0,
        };
        let mut hash = ContentHash::default();
        hash.columns(observations as usize);
        Ok(Self {
            file,
            head,
            rewards_at: head.rewards_at().ok_or(io::ErrorKind::FileTooLarge)?,
            written: 0,
            moments: Moments::new(head.width() as usize),
            rewards: Moments::new(1),
            hash,
            steps: Vec::new(),
            bytes: Vec::new(),
        })
    }

    /// Bytes of the whole file, but for its description.
    pub(super) fn length((observations, actions): (u32, u32), rows: u64, episodes: u64) -> Option<u64> {
        let head = Head {
            actions,
            observations,
            rows,
            episodes,
            description: 0,
            checksum: 0,
        };
        head.length()
    }

    /// The rows that follow. There are never more than were said.
    pub(super) fn append(&mut self, block: &Block<'_>) -> io::Result<()> {
        let rows = block.rewards.len() as u64;
        if self.written + rows > self.head.rows {
            return Err(io::Error::other(
                "there are more rows than there were when they were counted",
            ));
        }
        self.steps.clear();
        for (action, observation) in block.actions.rows().into_iter().zip(block.observations.rows()) {
            self.steps.extend(action.iter().chain(observation));
        }
        self.moments.push(&self.steps);
        let (width, actions) = (self.head.width() as usize, self.head.actions as usize);
        self.hash.values(&self.steps, width, actions..width);
        self.bytes.clear();
        self.bytes.extend(self.steps.iter().flat_map(|x| x.to_le_bytes()));
        at::write(&self.file, HEAD + self.written * width as u64 * 4, &self.bytes)?;
        self.bytes.clear();
        for reward in block.rewards {
            self.rewards.push_row(std::iter::once(*reward));
            self.bytes.extend(reward.to_le_bytes());
        }
        at::write(&self.file, self.rewards_at + self.written * 8, &self.bytes)?;
        self.written += rows;
        Ok(())
    }

    /// Writes what comes after the steps, and at last what comes before them. `show` is told how many rows were looked at again.
    pub(super) fn finish(
        mut self,
        episodes: &[EpisodeRange],
        description: &Description,
        show: &mut dyn FnMut(u64),
    ) -> io::Result<()> {
        if self.written != self.head.rows || episodes.len() as u64 != self.head.episodes {
            return Err(io::Error::other(
                "there are fewer rows than there were when they were counted",
            ));
        }
        let hash = std::mem::take(&mut self.hash);
        let hash = self.hash_the_rest(hash, episodes, show)?;
        let mut tail = Vec::new();
        for episode in episodes {
            tail.extend(((episode.end as u64) << 1 | u64::from(episode.terminated)).to_le_bytes());
        }
        for number in self.moments.to_numbers().into_iter().chain(self.rewards.to_numbers()) {
            tail.extend(number.to_le_bytes());
        }
        tail.extend(hash.to_le_bytes());
        let before = tail.len();
        serde_json::to_writer(&mut tail, description)?;
        self.head.description = (tail.len() - before) as u64;
        self.head.checksum = checksum(&tail);
        let at = self.head.tail_at().ok_or(io::ErrorKind::FileTooLarge)?;
        at::write(&self.file, at, &tail)?;
        at::write(&self.file, 0, &self.head.to_bytes())
    }

    /// Actions come after all observations, and rewards after them: they are read again.
    fn hash_the_rest(
        &self,
        mut hash: ContentHash,
        episodes: &[EpisodeRange],
        show: &mut dyn FnMut(u64),
    ) -> io::Result<u64> {
        let (width, actions) = (self.head.width(), self.head.actions as usize);
        let file = Bytes::File(self.file.try_clone()?);
        hash.columns(actions);
        let most = block_rows(width as usize) as u64;
        let mut bytes = Vec::new();
        for start in (0..self.head.rows).step_by(most as usize) {
            let rows = most.min(self.head.rows - start);
            bytes.resize((rows * width * 4) as usize, 0);
            file.read(HEAD + start * width * 4, &mut bytes)?;
            for row in bytes.chunks_exact(width as usize * 4) {
                hash.bytes(&row[..actions * 4]);
            }
            show(start + rows);
        }
        for start in (0..self.head.rows).step_by(1 << 16) {
            let rows = (1 << 16).min(self.head.rows - start);
            bytes.resize(rows as usize * 8, 0);
            file.read(self.rewards_at + start * 8, &mut bytes)?;
            hash.bytes(&bytes);
        }
        Ok(hash.finish(episodes))
    }
}
