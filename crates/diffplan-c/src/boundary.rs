//! The boundary: pointers become references here, and nothing that goes wrong goes further.
//!
//! Every function checks before it trusts: NULL, alignment, and the number of elements against the number that is expected. That what a pointer points to is there
//! is the caller's promise, and the only one.

use crate::last_error;
use crate::status::{Fault, Result, Status};
use std::ffi::{CStr, c_char};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs the body of a function that C calls: failures become a status and the thread's text, and so do panics.
pub(crate) fn run(body: impl FnOnce() -> Result<()>) -> Status {
    let caught = catch_unwind(AssertUnwindSafe(|| match body() {
        Ok(()) => Status::Ok,
        Err(Fault { status, message }) => {
            last_error::keep(&message);
            status
        }
    }));
    caught.unwrap_or_else(|panic| {
        last_error::keep(&told(&*panic));
        // What a panic carries may panic when it is dropped.
        std::mem::forget(panic);
        Status::Internal
    })
}

/// What a panic said.
pub(crate) fn told(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    format!(
        "diffplan has a fault, please report it: {}",
        text.unwrap_or_else(|| "a panic without a message".into())
    )
}

fn null(what: &str) -> Fault {
    Fault::new(Status::Null, format!("{what} is NULL"))
}

fn aligned<T>(what: &str, pointer: *const T) -> Result<()> {
    match pointer.is_aligned() {
        true => Ok(()),
        false => Err(Fault::new(
            Status::Value,
            format!("{what} is at {pointer:p}, expected a multiple of {}", align_of::<T>()),
        )),
    }
}

fn size(what: &str, actual: usize, expected: usize) -> Result<()> {
    match actual == expected {
        true => Ok(()),
        false => Err(Fault::new(
            Status::Size,
            format!("{what} has {actual} elements, expected {expected}"),
        )),
    }
}

/// A handle, or anything else of one element.
///
/// # Safety
/// `pointer` is NULL, not aligned, or to a `T` that nobody changes or frees before the call is over.
pub(crate) unsafe fn reference<'a, T>(what: &str, pointer: *const T) -> Result<&'a T> {
    aligned(what, pointer)?;
    // SAFETY: aligned, and what else the caller promises.
    unsafe { pointer.as_ref() }.ok_or_else(|| null(what))
}

/// The same, to be changed.
///
/// # Safety
/// `pointer` is NULL, not aligned, or to a `T` that nobody else reads, changes or frees before the call is over.
pub(crate) unsafe fn reference_mut<'a, T>(what: &str, pointer: *mut T) -> Result<&'a mut T> {
    aligned(what, pointer)?;
    // SAFETY: aligned, and what else the caller promises.
    unsafe { pointer.as_mut() }.ok_or_else(|| null(what))
}

/// So many elements as are expected; none where none are, whatever the pointer.
///
/// # Safety
/// `data` is NULL, not aligned, or to `len` elements that nobody changes or frees before the call is over, if `len` is `expected`.
pub(crate) unsafe fn slice<'a, T>(what: &str, data: *const T, len: usize, expected: usize) -> Result<&'a [T]> {
    size(what, len, expected)?;
    if len == 0 {
        return Ok(&[]);
    }
    aligned(what, data)?;
    if data.is_null() {
        return Err(null(what));
    }
    bounded::<T>(what, len)?;
    // SAFETY: not NULL, aligned, no larger than memory, and what else the caller promises.
    Ok(unsafe { std::slice::from_raw_parts(data, len) })
}

/// That so many elements are no more than there can be.
fn bounded<T>(what: &str, len: usize) -> Result<()> {
    match len
        .checked_mul(size_of::<T>())
        .filter(|&bytes| isize::try_from(bytes).is_ok())
    {
        Some(_) => Ok(()),
        None => Err(Fault::new(
            Status::Size,
            format!("{what} has {len} elements, which is more than there is memory"),
        )),
    }
}

/// Somewhere to write so many elements to, checked before there is anything to write.
#[derive(Debug)]
pub(crate) struct Out<T> {
    what: &'static str,
    to: *mut T,
    len: usize,
}

impl<T: Copy> Out<T> {
    /// # Safety
    /// `to` is NULL, not aligned, or to memory for `len` elements, whatever is in it, that nobody else reads, changes or frees before the call is over.
    pub(crate) unsafe fn new(what: &'static str, to: *mut T, len: usize) -> Result<Self> {
        if len > 0 {
            aligned(what, to.cast_const())?;
            if to.is_null() {
                return Err(null(what));
            }
        }
        Ok(Self { what, to, len })
    }

    /// # Errors
    /// If it has not room for so many, exactly.
    pub(crate) fn expect(&self, len: usize) -> Result<()> {
        size(self.what, self.len, len)
    }

    /// # Errors
    /// If there are not so many as it has room for.
    pub(crate) fn write(&mut self, values: &[T]) -> Result<()> {
        self.write_rows(std::iter::once(values), values.len())
    }

    /// Rows one after the other, `total` elements in all.
    ///
    /// # Errors
    /// If there are not so many as it has room for; nothing is written then.
    pub(crate) fn write_rows<'a>(&mut self, rows: impl Iterator<Item = &'a [T]>, total: usize) -> Result<()>
    where
        T: 'a,
    {
        self.expect(total)?;
        let mut at = 0;
        for row in rows {
            let row = &row[..row.len().min(total - at)];
            // SAFETY: `at + row.len() <= total == self.len`, for which there is room by `new`; what is written to is nobody else's, so the two do not overlap.
            unsafe { row.as_ptr().copy_to_nonoverlapping(self.to.add(at), row.len()) };
            at += row.len();
        }
        Ok(())
    }
}

/// Where one thing is written to.
///
/// # Safety
/// `to` is NULL, not aligned, or to memory for a `T`, whatever is in it, that nobody else reads, changes or frees before the call is over.
pub(crate) unsafe fn place<T: Copy>(what: &'static str, to: *mut T) -> Result<Out<T>> {
    // SAFETY: as the caller promises.
    unsafe { Out::new(what, to, 1) }
}

/// A text.
///
/// # Safety
/// `text` is NULL or to bytes with a NUL at their end that nobody changes or frees before the call is over.
pub(crate) unsafe fn text<'a>(what: &str, text: *const c_char) -> Result<&'a str> {
    if text.is_null() {
        return Err(null(what));
    }
    // SAFETY: not NULL, and what else the caller promises.
    let text = unsafe { CStr::from_ptr(text) };
    text.to_str().map_err(|error| {
        Fault::new(
            Status::Text,
            format!(
                "{what} is not UTF-8, from byte {} on: {:?}",
                error.valid_up_to(),
                text.to_string_lossy()
            ),
        )
    })
}

/// Writes a text with a NUL at its end, cut off where there is no room for it, and its length without the NUL.
///
/// # Errors
/// If it was cut off; if there is nowhere to write to, unless nothing but the length was asked for (no room and no buffer).
///
/// # Safety
/// `buffer` is NULL or to memory for `capacity` bytes, and `length` NULL, not aligned, or to a `size_t`, which nobody else reads, changes or frees before the call
/// is over.
pub(crate) unsafe fn write_text(
    what: &'static str,
    text: &str,
    buffer: *mut c_char,
    capacity: usize,
    length: *mut usize,
) -> Result<()> {
    if !length.is_null() {
        // SAFETY: as the caller promises.
        unsafe { place("length", length)? }.write(&[text.len()])?;
    }
    if capacity == 0 && buffer.is_null() && !length.is_null() {
        return Ok(());
    }
    if buffer.is_null() {
        return Err(null(what));
    }
    bounded::<u8>(what, capacity)?;
    if capacity > 0 {
        let mut end = text.len().min(capacity - 1);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        // SAFETY: `end < capacity`, for which there is room; what is written to is nobody else's.
        unsafe {
            text.as_ptr().cast::<c_char>().copy_to_nonoverlapping(buffer, end);
            buffer.add(end).write(0);
        }
        if end == text.len() {
            return Ok(());
        }
    }
    Err(Fault::new(
        Status::Size,
        format!(
            "{what} has room for {capacity} bytes, expected at least {}",
            text.len() + 1
        ),
    ))
}
