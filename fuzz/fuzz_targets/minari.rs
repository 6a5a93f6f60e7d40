//! HDF5 in the layout of Minari.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    diffplan_fuzz::dataset(data, "x.hdf5");
});
