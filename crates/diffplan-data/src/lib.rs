//! Normalisers for diffusion planning, saved beside the networks
