//! The text of the last failure, a thread's own: calls that fail before there is a handle have one too, and no thread overwrites what another reads.

use std::cell::RefCell;
use std::ffi::c_char;

thread_local! {
    /// With a NUL at its end, once there is any.
    static LAST: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Keeps a text. A NUL within it would end it early: it is left out.
pub(crate) fn keep(message: &str) {
    // A thread that is ending has none any more.
    let _ = LAST.try_with(|last| {
        if let Ok(mut last) = last.try_borrow_mut() {
            last.clear();
            last.extend(message.bytes().filter(|&byte| byte != 0));
            last.push(0);
        }
    });
}

/// What the last failure of the calling thread was: what was wrong, where, and what to do, a sentence or two. Empty before the first one; calls that
/// go well leave it as it is. Valid until another call of the same thread fails, or the thread ends. Never NULL.
#[unsafe(no_mangle)]
pub extern "C" fn diffplan_last_error() -> *const c_char {
    let text = LAST.try_with(|last| {
        last.try_borrow()
            .ok()
            .filter(|last| !last.is_empty())
            .map(|last| last.as_ptr().cast::<c_char>())
    });
    text.ok().flatten().unwrap_or(c"".as_ptr())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::CStr;

    fn last() -> String {
        // SAFETY: the text is this thread's, which fails in nothing meanwhile.
        unsafe { CStr::from_ptr(diffplan_last_error()) }
            .to_str()
            .unwrap()
            .to_owned()
    }

    #[test]
    fn every_thread_has_its_own() {
        assert_eq!(last(), "");
        keep("a\0b");
        assert_eq!(last(), "ab");
        std::thread::spawn(|| {
            assert_eq!(last(), "");
            keep("other");
            assert_eq!(last(), "other");
        })
        .join()
        .unwrap();
        assert_eq!(last(), "ab");
    }
}
