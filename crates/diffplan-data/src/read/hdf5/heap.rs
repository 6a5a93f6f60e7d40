//! Fractal heaps: where a group of many links keeps them.
//!
//! A heap is a space of addresses, cut into blocks whose sizes double from row to row of a table. Rows of large blocks are
//! tables themselves. `hdf5-reader` 0.12.1 reads heaps of one table alone: of an object in a table within the table it
//! takes the address from the wrong start, so that Minari files of more than 16,687 episodes could not be read. Here all
//! blocks are found once, by their place in the heap; objects that are not in such blocks are left to `hdf5-reader`.

use std::collections::HashSet;

use hdf5_reader::error::Error;
use hdf5_reader::fractal_heap::FractalHeap;
use hdf5_reader::io::Cursor;
use hdf5_reader::storage::StorageBuffer;

use super::core::Core;
use super::objects::checked;

/// Blocks of a heap at most: 64 KiB each, mostly.
const MOST_BLOCKS: usize = 1 << 20;
/// Tables within tables.
const MOST_DEPTH: usize = 16;

/// One block of objects.
#[derive(Clone, Copy)]
struct Block {
    /// In the heap.
    from: u64,
    size: u64,
    /// In the file.
    address: u64,
}

pub(super) struct Heap {
    header: FractalHeap,
    /// In the order of their places.
    blocks: Vec<Block>,
    /// The last block that was read.
    last: std::cell::RefCell<Option<(u64, StorageBuffer)>>,
}

impl Heap {
    pub(super) fn at(core: &Core, address: u64) -> Result<Self, Error> {
        let header = FractalHeap::parse_at_storage(core.storage.as_ref(), address, core.offset_size, core.length_size)?;
        let mut heap = Self {
            blocks: Vec::new(),
            last: None.into(),
            header,
        };
        let root = heap.header.root_block_address;
        // Filtered blocks do not come from any known writer of groups.
        if heap.header.io_filters_len == 0 && !Cursor::is_undefined_offset(root, core.offset_size) {
            match heap.header.current_rows_in_root_indirect {
                0 => heap.blocks.push(Block {
                    from: 0,
                    size: heap.header.starting_block_size,
                    address: root,
                }),
                rows => heap.table(core, root, 0, u64::from(rows), MOST_DEPTH, &mut HashSet::new())?,
            }
        }
        heap.blocks.sort_by_key(|block| block.from);
        Ok(heap)
    }

    /// The blocks of a table that begins at a place of the heap.
    fn table(
        &mut self,
        core: &Core,
        address: u64,
        from: u64,
        rows: u64,
        depth: usize,
        seen: &mut HashSet<u64>,
    ) -> Result<(), Error> {
        let broken = |what: &str| Error::InvalidData(format!("fractal heap: {what}"));
        let header = &self.header;
        let (width, start) = (u64::from(header.table_width), header.starting_block_size);
        if !start.is_power_of_two() || !header.max_direct_block_size.is_power_of_two() || width == 0 || rows > 64 {
            return Err(broken("impossible sizes"));
        }
        if !seen.insert(address) {
            return Err(broken("a table within itself"));
        }
        let Some(depth) = depth.checked_sub(1) else {
            return Err(broken("too many tables within tables"));
        };
        let place = usize::from(header.max_heap_size).div_ceil(8);
        let before = 4 + 1 + usize::from(core.offset_size) + place;
        let entries = rows * width * u64::from(core.offset_size);
        let length = before + usize::try_from(entries).map_err(|_| broken("impossible sizes"))? + 4;
        let bytes = core.storage.read_range(address, length)?;
        let entries = checked(&bytes)?
            .strip_prefix(b"FHIB\0")
            .ok_or_else(|| broken("no table where one should be"))?;
        let mut cursor = Cursor::new(entries);
        cursor.skip(usize::from(core.offset_size))?;
        let mut at = cursor.read_uvar_wide(place)?;
        if at != from {
            return Err(broken("a table of another place"));
        }
        let (largest, width_log) = (header.max_direct_block_size, (start.saturating_mul(width)).ilog2());
        for row in 0..rows {
            // The first two rows are of the same size.
            let size = u32::try_from(row.saturating_sub(1))
                .ok()
                .and_then(|row| start.checked_mul(1u64.checked_shl(row)?))
                .ok_or_else(|| broken("impossible sizes"))?;
            for _ in 0..width {
                let child = cursor.read_offset(core.offset_size)?;
                if !Cursor::is_undefined_offset(child, core.offset_size) {
                    if size <= largest {
                        self.blocks.push(Block {
                            from: at,
                            size,
                            address: child,
                        });
                        if self.blocks.len() > MOST_BLOCKS {
                            return Err(broken("too many blocks"));
                        }
                    } else {
                        // As many rows as it takes to cover the size.
                        let rows = u64::from((size.ilog2() + 1).saturating_sub(width_log));
                        self.table(core, child, at, rows, depth, seen)?;
                    }
                }
                at = at.checked_add(size).ok_or_else(|| broken("impossible sizes"))?;
            }
        }
        Ok(())
    }

    /// The bytes of an object.
    pub(super) fn object(&self, core: &Core, id: &[u8]) -> Result<Vec<u8>, Error> {
        const MANAGED: u8 = 0;
        let kind = id.first().map(|flags| flags >> 4 & 3);
        if kind != Some(MANAGED) || self.header.io_filters_len != 0 {
            return self
                .header
                .get_object_storage(id, core.storage.as_ref(), core.offset_size, core.length_size);
        }
        let missing = || Error::InvalidData("fractal heap: no such object".into());
        let mut cursor = Cursor::new(id.get(1..).ok_or_else(missing)?);
        let offset = cursor.read_uvar_wide(usize::from(self.header.max_heap_size).div_ceil(8))?;
        let length = cursor.read_uvar_wide((cursor.remaining() as usize).min(8))?;
        let after = self.blocks.partition_point(|block| block.from <= offset);
        let block = after
            .checked_sub(1)
            .and_then(|at| self.blocks.get(at))
            .ok_or_else(missing)?;
        let start = offset - block.from;
        let end = start.checked_add(length).filter(|end| *end <= block.size);
        let (start, end) = (start as usize, end.ok_or_else(missing)? as usize);
        let mut last = self.last.borrow_mut();
        if let Some((address, bytes)) = &*last
            && *address == block.address
        {
            return bytes.get(start..end).map(<[u8]>::to_vec).ok_or_else(missing);
        }
        // Blocks are not cut off at their last object, so that one at the end of a damaged file may be.
        let bytes = core.at_most(block.address, block.size)?;
        if !bytes.starts_with(b"FHDB") {
            return Err(Error::InvalidFractalHeapSignature);
        }
        let found = bytes.get(start..end).map(<[u8]>::to_vec).ok_or_else(missing);
        *last = Some((block.address, bytes));
        found
    }
}

/// Unsigned numbers of any width up to eight bytes.
trait Wide {
    fn read_uvar_wide(&mut self, width: usize) -> Result<u64, Error>;
}

impl Wide for Cursor<'_> {
    fn read_uvar_wide(&mut self, width: usize) -> Result<u64, Error> {
        let bytes = self.read_bytes(width)?;
        let mut wide = [0; 8];
        match wide.get_mut(..width) {
            Some(low) => low.copy_from_slice(bytes),
            None => return Err(Error::InvalidData(format!("a number of {width} bytes"))),
        }
        Ok(u64::from_le_bytes(wide))
    }
}
