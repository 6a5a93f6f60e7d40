//! A whole checkpoint, of which one file is anything: the first byte says which.
#![no_main]

use diffplan_fuzz::checkpoint_with;
use diffplan_pipelines::{Registries, ValueGuidedPipeline, check_variant, snapshot};
use libfuzzer_sys::fuzz_target;

const NAMES: [&str; 12] = [
    "model_index.json",
    "normalizer.json",
    "planning_config.json",
    "scheduler/scheduler_config.json",
    "unet/config.json",
    "unet/diffusion_pytorch_model.safetensors",
    "unet/diffusion_pytorch_model.safetensors.index.json",
    "unet/diffusion_pytorch_model.fp16.bin",
    "value_function/config.json",
    "value_function/diffusion_pytorch_model.safetensors",
    "snapshots/x/model_index.json",
    "refs/main",
];

fuzz_target!(|data: &[u8]| {
    let Some((&which, bytes)) = data.split_first() else {
        return;
    };
    let name = NAMES[usize::from(which) % NAMES.len()];
    let variant = (name.contains("fp16")).then_some("fp16");
    let folder = checkpoint_with(name, bytes).of_variant(variant);
    let _ = snapshot(&folder);
    let _ = check_variant(&folder);
    let _ = ValueGuidedPipeline::load(&folder, &Registries::default(), None);
});
