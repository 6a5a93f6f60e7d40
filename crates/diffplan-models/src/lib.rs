//! UNet1dModel of diffusers in Rust: Diffuser's planner and value function, with gradients by hand
