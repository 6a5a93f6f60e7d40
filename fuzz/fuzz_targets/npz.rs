//! NumPy's archive with the keys of D4RL.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    diffplan_fuzz::dataset(data, "x.npz");
});
