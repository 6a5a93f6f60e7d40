//! A file of safetensors: its tensors, and a network filled from it.
#![no_main]

use diffplan_fuzz::checkpoint_with;
use diffplan_models::UNet1dModel;
use diffplan_tensors::NamedTensors;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(named) = NamedTensors::from_bytes(data.to_vec(), "x.safetensors".as_ref()) {
        for (_, tensor) in named.iter() {
            let _ = (tensor.to_bytes(), tensor.to_f32(), tensor.to_f64());
        }
    }
    let folder = checkpoint_with("unet/diffusion_pytorch_model.safetensors", data);
    let _ = UNet1dModel::from_folder(&folder.sub("unet"));
});
