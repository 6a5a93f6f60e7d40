//! A library that panics on damaged files, kept from ending its caller.
//!
//! The panic is caught where the library is called. So that nothing is printed of it either, a hook is set once for the process, in front of
//! the one that there is: it is silent in a thread that is within [`guarded`], and otherwise hands on.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

use super::ReadError;

thread_local! {
    static WITHIN: Cell<bool> = const { Cell::new(false) };
}

/// What `work` returns of the file `place`; an error if it panicked. What it has written by then is for the caller to drop.
pub(super) fn guarded<T>(place: String, work: impl FnOnce() -> Result<T, ReadError>) -> Result<T, ReadError> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            // Where the thread ends there is no such value any more.
            if !WITHIN.try_with(Cell::get).unwrap_or(false) {
                before(info);
            }
        }));
    });
    let outer = WITHIN.replace(true);
    let result = panic::catch_unwind(AssertUnwindSafe(work));
    WITHIN.set(outer);
    result.unwrap_or_else(|_| {
        Err(ReadError::Unreadable {
            place,
            reason: "it is damaged".into(),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error() {
        let panics = || -> Result<u8, ReadError> { panic!("damaged") };
        assert_eq!(guarded("a".into(), || Ok(3)).unwrap(), 3);
        let nested = guarded("a".into(), || {
            assert!(guarded("b".into(), panics).is_err());
            guarded("c".into(), panics)
        });
        assert_eq!(nested.unwrap_err().to_string(), "c: it is damaged");
        assert!(!WITHIN.get());
    }
}
