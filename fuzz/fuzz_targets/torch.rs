//! What `torch.save` writes, in a zip archive or the format before it.
#![no_main]

use diffplan_tensors::TorchFile;
use libfuzzer_sys::fuzz_target;

/// Views of a few bytes can be of gigabytes, which a caller asks for knowingly.
const MOST: usize = 1 << 20;

fuzz_target!(|data: &[u8]| {
    let Ok(file) = TorchFile::from_bytes(data.to_vec(), "x.pt".as_ref()) else {
        return;
    };
    let Ok(named) = file.state_dict(file.root()) else {
        return;
    };
    for (_, tensor) in named.iter().filter(|(_, tensor)| tensor.len() <= MOST) {
        let _ = (tensor.to_bytes(), tensor.to_f32(), tensor.to_f64());
    }
});
