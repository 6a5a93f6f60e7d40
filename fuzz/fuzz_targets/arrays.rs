//! Arrays of HDF5 by name, of every type and filter.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    diffplan_fuzz::array(data);
});
