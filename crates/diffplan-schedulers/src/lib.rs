//! Diffusion schedulers as in diffusers: DDPM with every option, noise handed in
