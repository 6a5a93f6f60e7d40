//! `model_index.json`, beside the files of a whole checkpoint.
#![no_main]

use diffplan_fuzz::checkpoint_with;
use diffplan_pipelines::{ModelIndex, Registries};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let folder = checkpoint_with(ModelIndex::NAME, data);
    if let Ok(Some(index)) = ModelIndex::read(&folder) {
        let _ = (index.class_of("unet"), index.has_value_function(&folder));
        let _ = index.load_scheduler(&folder, &Registries::default());
    }
});
