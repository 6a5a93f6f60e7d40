//! Loads a network in the diffusers layout and saves it elsewhere: `cargo run --example resave -- FROM TO`.
//!
//! docs/reference-checks.md uses it to show that diffusers loads what diffplan saves.

use diffplan_models::UNet1dModel;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folders: Vec<String> = std::env::args().skip(1).collect();
    let [from, to] = &folders[..] else {
        return Err("expected two folders: FROM TO".into());
    };
    UNet1dModel::from_pretrained(from)?.save_pretrained(to)?;
    Ok(())
}
