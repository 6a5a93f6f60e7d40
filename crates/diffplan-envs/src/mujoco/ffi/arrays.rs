//! Arrays of a simulation that no function of MuJoCo's gives, such as `cfrc_ext`, the forces on bodies.
//!
//! `mj_printFormattedData` writes them to a file, every number so that the same is read again. That takes ten times as long as
//! a small robot's time step; so it is asked once where an array lies, and from then on the array is read there. Nothing is
//! known of MuJoCo's structs for that: the memory of a simulation goes through `mju_user_malloc`, which tells where
//! its buffer is and how long; the simulation is put into a few states at random, and the one place in the buffer that holds, each time,
//! the very numbers that are printed is the array's. Where there is no such place, or something else has set MuJoCo's allocator before,
//! the numbers are printed each time: slower, and the same.

use std::cell::RefCell;
use std::ffi::c_void;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{Data, FULL_PRECISION, c_string};
use crate::{Error, NumpyRng, Result};

/// States in which an array is looked for.
const PROBES: usize = 4;

/// One of the arrays of a simulation, under the name that MuJoCo prints it with.
#[derive(Debug, Clone)]
pub(in super::super) struct Array {
    name: &'static str,
    len: usize,
    /// Where it lies in the buffer, in bytes, where that was found out.
    offset: Option<usize>,
}

impl Array {
    /// Numbers in it.
    #[cfg(test)]
    pub(in super::super) fn len(&self) -> usize {
        self.len
    }

    /// Whether it is read where it lies.
    #[cfg(test)]
    pub(in super::super) fn is_located(&self) -> bool {
        self.offset.is_some()
    }
}

/// Memory that MuJoCo has allocated.
#[derive(Debug, Clone, Copy)]
pub(super) struct Block {
    start: *const u8,
    length: usize,
}

thread_local! {
    /// What MuJoCo has allocated on this thread and not freed, while that is recorded.
    static BLOCKS: RefCell<Option<Vec<Block>>> = const { RefCell::new(None) };
}

/// Runs `make` and gives, with what comes of it, the buffer of the simulation it makes: MuJoCo allocates the struct, then the
/// buffer, then its working memory.
pub(super) fn buffer_of<T>(make: impl FnOnce() -> T) -> (T, Option<Block>) {
    BLOCKS.set(Some(Vec::new()));
    let made = make();
    let blocks = BLOCKS.take().unwrap_or_default();
    (made, blocks.get(1).copied())
}

/// Has MuJoCo allocate through functions that can record it, where nothing else has set its allocator.
///
/// # Safety
/// It must be libmujoco.
#[cfg(unix)]
pub(super) unsafe fn record_blocks(library: &libloading::Library) {
    type Allocate = extern "C" fn(usize) -> *mut c_void;
    type Free = extern "C" fn(*mut c_void);
    // SAFETY: variables of the library, function pointers that may be null; as for the handlers of errors. Both are set or
    // none: what the one allocates the other frees, and, as they are MuJoCo's own in all but the record, what was
    // allocated before as well.
    unsafe {
        let (Ok(allocate), Ok(free)) = (
            library.get::<*mut Option<Allocate>>("mju_user_malloc"),
            library.get::<*mut Option<Free>>("mju_user_free"),
        ) else {
            return;
        };
        let (allocate, free): (*mut Option<Allocate>, *mut Option<Free>) = (*allocate, *free);
        if (*allocate).is_none() && (*free).is_none() {
            *free = Some(on_free);
            *allocate = Some(on_malloc);
        }
    }
}

#[cfg(not(unix))]
pub(super) unsafe fn record_blocks(_: &libloading::Library) {}

#[cfg(unix)]
unsafe extern "C" {
    fn aligned_alloc(alignment: usize, size: usize) -> *mut c_void;
    fn free(pointer: *mut c_void);
}

/// As MuJoCo allocates by itself.
#[cfg(unix)]
extern "C" fn on_malloc(size: usize) -> *mut c_void {
    const ALIGNMENT: usize = 64;
    let Some(length) = size.checked_next_multiple_of(ALIGNMENT) else {
        return std::ptr::null_mut();
    };
    // SAFETY: an alignment that is a power of two, and a multiple of it.
    let start = unsafe { aligned_alloc(ALIGNMENT, length) };
    record(|blocks| {
        blocks.push(Block {
            start: start.cast(),
            length: size,
        });
    });
    start
}

#[cfg(unix)]
extern "C" fn on_free(pointer: *mut c_void) {
    record(|blocks| blocks.retain(|block| block.start != pointer.cast_const().cast()));
    // SAFETY: MuJoCo hands back what it was given, by `on_malloc` or by the C library.
    unsafe { free(pointer) }
}

#[cfg(unix)]
fn record(change: impl FnOnce(&mut Vec<Block>)) {
    // On a thread that is ending nothing is recorded.
    let _ = BLOCKS.try_with(|blocks| {
        if let Ok(mut blocks) = blocks.try_borrow_mut() {
            blocks.as_mut().map(change);
        }
    });
}

impl Data {
    /// Finds an array by the name that MuJoCo prints it with. The simulation is back at the model's own start then.
    ///
    /// # Errors
    ///
    /// [`Error::Mujoco`] where MuJoCo prints no such array.
    pub(in super::super) fn array(&mut self, name: &'static str) -> Result<Array> {
        let mut rng = NumpyRng::new(0);
        let mut state = vec![0.0; self.model.nq + self.model.nv];
        let mut applied = vec![0.0; 6 * self.model.bodies];
        let (mut array, mut places) = (
            Array {
                name,
                len: 0,
                offset: None,
            },
            None,
        );
        for _ in 0..PROBES {
            self.reset()?;
            self.state(&mut state)?;
            for value in &mut state {
                *value += rng.uniform(-2.0, 2.0);
            }
            // The world is not pushed.
            for value in applied.iter_mut().skip(6) {
                *value = rng.uniform(-1.0, 1.0);
            }
            self.set_state(&state)?;
            self.set_applied(&applied)?;
            self.forward()?;
            self.rne_post_constraint()?;
            let printed = self.print(name)?;
            array.len = printed.len();
            let places = places.get_or_insert_with(|| self.offsets(printed.len()));
            places.retain(|&offset| {
                self.at(offset, printed.len())
                    .is_some_and(|there| there.iter().zip(&printed).all(|(a, b)| a.to_bits() == b.to_bits()))
            });
        }
        self.reset()?;
        if let Some(&[offset]) = places.as_deref() {
            array.offset = Some(offset);
        }
        Ok(array)
    }

    /// Reads an array.
    pub(in super::super) fn read(&mut self, array: &Array) -> Result<Vec<f64>> {
        let there = array.offset.and_then(|offset| self.at(offset, array.len));
        match there {
            Some(numbers) => Ok(numbers),
            None => self.print(array.name),
        }
    }

    /// Where in the buffer there could be an array.
    fn offsets(&self, len: usize) -> Vec<usize> {
        let Some(Block { length, .. }) = self.buffer else {
            return Vec::new();
        };
        let last = length.checked_sub(8 * len.max(1));
        last.map_or_else(Vec::new, |last| (0..=last).step_by(8).collect())
    }

    /// The numbers at a place of the buffer; `None` where that is not within it.
    fn at(&self, offset: usize, len: usize) -> Option<Vec<f64>> {
        let Block { start, length } = self.buffer?;
        let end = offset.checked_add(len.checked_mul(8)?)?;
        if start.is_null() || end > length || !offset.is_multiple_of(8) {
            return None;
        }
        // SAFETY: within what MuJoCo has allocated for this simulation, which lives as long as it does; all of it was set to
        // zero when that was made, any bits are a number, and nobody writes while this has the simulation.
        let read = |i: usize| unsafe { start.add(offset).cast::<f64>().add(i).read() };
        Some((0..len).map(read).collect())
    }

    /// The numbers of an array, printed and read again.
    pub(super) fn print(&mut self, name: &str) -> Result<Vec<f64>> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let file = std::env::temp_dir().join(format!("diffplan-mujoco-{}-{count}.txt", std::process::id()));
        let failed = |reason: String| Error::Mujoco {
            reason: format!("its data cannot be printed to {}: {reason}", file.display()),
        };
        let path = c_string(&file.to_string_lossy(), || failed("the name holds a zero byte".into()))?;
        self.call(|functions, model, data| {
            // SAFETY: the simulation and the model it was made for; strings that end in a zero; the format takes one double.
            unsafe { (functions.mj_printFormattedData)(model, data, path.as_ptr(), FULL_PRECISION.as_ptr()) }
        })?;
        let text = std::fs::read_to_string(&file).map_err(|error| failed(error.to_string()))?;
        // Left behind it does no harm.
        let _ = std::fs::remove_file(&file);
        let lines = text.lines().skip_while(|line| line.trim() != name).skip(1);
        let words = lines
            .take_while(|line| !line.trim().is_empty())
            .flat_map(str::split_ascii_whitespace);
        let numbers: Vec<f64> = words
            .map(|word| word.parse().map_err(|_| failed(format!("{name} has {word:?}"))))
            .collect::<Result<_>>()?;
        if numbers.is_empty() {
            return Err(failed(format!("there is no {name} in it")));
        }
        Ok(numbers)
    }
}
