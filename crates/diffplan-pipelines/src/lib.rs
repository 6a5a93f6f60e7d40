//! Value-guided planning by diffusion: ValueGuidedRLPipeline of diffusers in Rust, on the CPU
