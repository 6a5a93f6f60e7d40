//! The layers of diffplan's networks, with gradients written by hand.
//!
//! Every layer has a forward pass, an input gradient, and weight gradients, as separate functions: guidance by a value
//! function needs the input gradient alone. What a forward pass must remember is an explicit output of it; there is no
//! tape. Gradients of a layer's parameters are another value of the layer's own type.
//!
//! This crate knows layers, parameters and their files; it knows neither blocks nor networks.
//!
//! | part | |
//! | --- | --- |
//! | [`Signal`] | a batch of 1D signals, in the memory order the layers work in; to and from ndarray `(batch, channels, length)` |
//! | [`Exec`] | how layers are executed: algorithm, precision, threads, memory |
//! | [`Conv1d`], [`ConvTranspose1d`], [`Linear`], [`GroupNorm`] | layers |
//! | [`Activation`] | Mish, SiLU, GELU, ReLU |
//! | [`Timesteps`], [`GaussianFourierProjection`], [`TimestepEmbedding`] | diffusion times as vectors |
//! | [`Params`] | every parameter by its diffusers name; [`safetensors`](mod@safetensors) files in and out |
//!
//! ```
//! use diffplan_nn::{Conv1d, Exec, Params, Signal};
//! use ndarray::Array3;
//! use ndarray_rand::rand::{SeedableRng, rngs::StdRng};
//!
//! let mut conv = Conv1d::zeros(3, 8, 5).padding(2);
//! conv.init(&mut StdRng::seed_from_u64(0));
//! let x = Signal::from_bcl(Array3::ones((4, 3, 32)).view()); // (batch, channels, length)
//! let mut y = Signal::default();
//! conv.forward(&x, &mut y, &mut Exec::default());
//! assert_eq!(y.to_bcl().dim(), (4, 8, 32));
//! ```

mod activation;
mod attention;
mod channel_norm;
mod conv;
mod embedding;
mod error;
mod exec;
mod fill;
mod group_norm;
mod linear;
mod params;
mod resample;
pub mod safetensors;
mod signal;
mod taps;
#[cfg(test)]
mod testing;

pub use activation::{activation_from_name, activation_names};
pub use attention::{
    LinearAttentionSaved, linear_attention, linear_attention_grad, softmax_attention, softmax_attention_grad,
};
pub use channel_norm::{ChannelNorm, ChannelNormSaved};
pub use conv::{Conv1d, ConvTranspose1d};
pub use diffplan_kernels::Activation;
pub use embedding::{GaussianFourierProjection, TimestepEmbedding, TimestepEmbeddingSaved, Timesteps};
pub use error::{Error, ParameterReport, Result};
pub use exec::{Algorithm, Compute, Exec, Precision};
pub use fill::fill_params;
pub use group_norm::{GroupNorm, GroupNormSaved};
pub use linear::Linear;
pub use params::{
    Params, Path, Role, add_params, count_params, fill_zero, named_params, named_params_mut, roles, zeros_like,
};
pub use resample::{FixedDownsample1d, FixedUpsample1d, ResampleKernel};
pub use signal::Signal;

/// What [`params!`] expands to; not for use by hand.
#[doc(hidden)]
pub mod __private {
    pub use ndarray;
    pub use ndarray_rand::rand::RngCore;
}
