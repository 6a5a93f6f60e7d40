//! The trajectories of imitation.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    diffplan_fuzz::imitation(data);
});
