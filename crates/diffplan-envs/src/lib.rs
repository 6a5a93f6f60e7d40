//! Gymnasium-style environments in Rust: the Env trait, spaces, wrappers, a registry, classic control
