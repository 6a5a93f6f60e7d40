//! [`Reading`]: an array that is read some rows at a time, in their order, and of which no more than a row of chunks is in memory.

use std::ops::Range;
use std::sync::Arc;

use hdf5_reader::DatasetChunkIterator;
use hdf5_reader::error::Error;

use super::array::{self, Stored};
use super::core::Core;
use super::types::Numbers;
use crate::read::ReadError;

/// An array that is read from its first row to its last.
pub(in crate::read) struct Reading {
    core: Arc<Core>,
    place: String,
    numbers: Numbers,
    /// Bytes of an element in the file.
    size: u32,
    /// Bytes of a row in the file.
    row: u64,
    /// The row that comes next.
    next: u64,
    bytes: Bytes,
}

enum Bytes {
    /// One row after the other from here on.
    At(u64),
    Chunks(Box<Chunks>),
    /// What cannot be read in parts.
    Whole(Vec<u8>),
}

struct Chunks {
    chunks: std::iter::Peekable<DatasetChunkIterator>,
    /// Rows and columns of the array; one column of single elements.
    shape: [u64; 2],
    /// Bytes of an element.
    size: usize,
    fill: Option<Vec<u8>>,
    /// Rows of a chunk.
    height: u64,
    /// The rows that are held, whole.
    held: Range<u64>,
    band: Vec<u8>,
}

impl Reading {
    pub(super) fn new(stored: Stored, numbers: Numbers, place: String) -> Result<Self, ReadError> {
        let core = Arc::clone(&stored.place.core);
        let row = stored
            .shape
            .iter()
            .skip(1)
            .fold(u64::from(stored.of.size), |all, one| all.saturating_mul(*one));
        let bytes = Bytes::of(&stored, row).map_err(core.unreadable(&place))?;
        if let Bytes::Chunks(chunks) = &bytes {
            core.budget.check(chunks.height.saturating_mul(row).saturating_mul(2))?;
        }
        Ok(Self {
            place,
            numbers,
            size: stored.of.size,
            row,
            next: 0,
            bytes,
            core,
        })
    }

    /// Whether the next row is this one.
    pub(in crate::read) fn goes_on_at(&self, row: u64) -> bool {
        self.next == row
    }

    /// The numbers of some rows.
    pub(in crate::read) fn rows(&mut self, rows: Range<u64>) -> Result<Vec<u8>, ReadError> {
        let unreadable = self.core.unreadable(&self.place);
        self.next = rows.end;
        let raw = match &mut self.bytes {
            Bytes::At(address) => (|| {
                let length = (rows.end - rows.start).saturating_mul(self.row);
                let at = rows.start.saturating_mul(self.row).saturating_add(*address);
                let length = usize::try_from(length).unwrap_or(usize::MAX);
                Ok(self.core.storage.read_range(at, length)?.to_vec())
            })(),
            Bytes::Chunks(chunks) => chunks.rows(rows),
            Bytes::Whole(bytes) => {
                let place = |row: u64| row.saturating_mul(self.row).min(bytes.len() as u64) as usize;
                Ok(bytes[place(rows.start)..place(rows.end)].to_vec())
            }
        };
        raw.and_then(|raw| self.numbers.convert(raw, self.size))
            .map_err(unreadable)
    }
}

impl Bytes {
    fn whole(stored: &Stored) -> Result<Self, Error> {
        let length = stored.len().saturating_mul(u64::from(stored.of.size));
        let fits = stored.place.core.budget.check(length);
        fits.map_err(|error| Error::InvalidData(error.to_string()))?;
        stored.raw(array::MOST_DEPTH).map(Self::Whole)
    }

    fn of(stored: &Stored, row: u64) -> Result<Self, Error> {
        if stored.shape.is_empty() || row == 0 {
            return Self::whole(stored);
        }
        if let Some(address) = stored.contiguous()? {
            // That it is not all there is said at once, and not after half of it.
            let length = stored.len().saturating_mul(u64::from(stored.of.size));
            let end = address.saturating_add(length);
            if end > stored.place.core.storage.len() {
                let length = usize::try_from(length).unwrap_or(usize::MAX);
                stored.place.core.storage.read_range(address, length)?;
            }
            return Ok(Self::At(address));
        }
        let shape = match stored.shape[..] {
            [rows] => [rows, 1],
            [rows, columns] => [rows, columns],
            _ => return Self::whole(stored),
        };
        if stored.is_virtual()? {
            return Self::whole(stored);
        }
        let dataset = stored.open()?;
        let height = dataset.chunks().and_then(|chunks| chunks.first().copied());
        let Some(height) = height.filter(|height| *height > 0) else {
            return Self::whole(stored);
        };
        Ok(Self::Chunks(Box::new(Chunks {
            chunks: dataset.iter_chunks()?.peekable(),
            shape,
            size: stored.of.size as usize,
            fill: stored.fill.clone(),
            height: u64::from(height).min(shape[0].max(1)),
            held: 0..0,
            band: Vec::new(),
        })))
    }
}

impl Chunks {
    fn rows(&mut self, rows: Range<u64>) -> Result<Vec<u8>, Error> {
        let row = self.shape[1] as usize * self.size;
        let mut raw = Vec::with_capacity((rows.end - rows.start) as usize * row);
        let mut at = rows.start;
        while at < rows.end {
            if !self.held.contains(&at) {
                self.read(at)?;
            }
            let end = rows.end.min(self.held.end);
            let place = |number: u64| (number - self.held.start) as usize * row;
            raw.extend_from_slice(&self.band[place(at)..place(end)]);
            at = end;
        }
        Ok(raw)
    }

    /// Reads the row of chunks that `row` lies in.
    fn read(&mut self, row: u64) -> Result<(), Error> {
        let start = row / self.height * self.height;
        self.held = start..self.shape[0].min(start + self.height);
        let bytes = self.shape[1] as usize * self.size;
        let length = (self.held.end - self.held.start) as usize * bytes;
        self.band.clear();
        match self
            .fill
            .as_deref()
            .filter(|fill| fill.len() == self.size && fill.iter().any(|byte| *byte != 0))
        {
            Some(fill) => self.band.extend(fill.iter().cycle().take(length)),
            None => self.band.resize(length, 0),
        }
        // Errors come out of the iterator too, and end it.
        while let Some(chunk) = self.chunks.next_if(|chunk| match chunk {
            Ok(chunk) => chunk.offsets().first().is_some_and(|first| *first < self.held.end),
            Err(_) => true,
        }) {
            let chunk = chunk?;
            let (offsets, shape) = (chunk.offsets(), chunk.shape());
            let (first_row, first_column) = (offsets[0], offsets.get(1).copied().unwrap_or(0));
            let (height, width) = (shape[0], shape.get(1).copied().unwrap_or(1));
            if first_row < start || first_column >= self.shape[1] {
                continue;
            }
            let columns = width.min(self.shape[1] - first_column) as usize * self.size;
            let width = width as usize * self.size;
            let own = chunk.bytes().chunks_exact(width.max(1)).take(height as usize);
            let there = self.band.chunks_exact_mut(bytes).skip((first_row - start) as usize);
            let at = first_column as usize * self.size;
            for (there, own) in there.zip(own) {
                there[at..at + columns].copy_from_slice(&own[..columns]);
            }
        }
        Ok(())
    }
}
