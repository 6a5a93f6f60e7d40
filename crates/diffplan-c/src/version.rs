//! Which library this is.

use crate::boundary;
use crate::status::{Fault, Status};
use std::ffi::{CStr, c_char};

/// The version of the ABI that this header describes: it changes when a program that was compiled before must be compiled anew. The shared library's name
/// ends with it (libdiffplan.so.1).
pub const DIFFPLAN_ABI_VERSION: u32 = 1;

const VERSION: &CStr = match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
    Ok(version) => version,
    Err(_) => c"",
};

/// The version of the library, such as "0.1.0". Valid for ever.
#[unsafe(no_mangle)]
pub extern "C" fn diffplan_version() -> *const c_char {
    VERSION.as_ptr()
}

/// The version of the ABI of the library that is linked: DIFFPLAN_ABI_VERSION when it was compiled.
#[unsafe(no_mangle)]
pub extern "C" fn diffplan_abi_version() -> u32 {
    DIFFPLAN_ABI_VERSION
}

/// Checks that the library has the ABI that a program was compiled for: to be called once with DIFFPLAN_ABI_VERSION before anything else.
/// DIFFPLAN_STATUS_ABI where it has not, and nothing else may be called then.
#[unsafe(no_mangle)]
pub extern "C" fn diffplan_check_abi(compiled_for: u32) -> Status {
    boundary::run(|| match compiled_for {
        DIFFPLAN_ABI_VERSION => Ok(()),
        other => Err(Fault::new(
            Status::Abi,
            format!(
                "the program was compiled for version {other} of diffplan's ABI, and the library {} has version {DIFFPLAN_ABI_VERSION}: compile it anew with \
                 this library's diffplan.h",
                env!("CARGO_PKG_VERSION")
            ),
        )),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_abi_is_checked() {
        assert_eq!(VERSION.to_str(), Ok(env!("CARGO_PKG_VERSION")));
        assert_eq!(diffplan_check_abi(diffplan_abi_version()), Status::Ok);
        assert_eq!(diffplan_check_abi(0), Status::Abi);
        assert_eq!(diffplan_check_abi(u32::MAX), Status::Abi);
    }
}
