//! `UNet1dModel` of diffusers, as Diffuser uses it: the planner that denoises trajectories, and the value function whose
//! gradient guides them, are two configurations of one network. Gradients are written by hand.
//!
//! This crate knows networks, their configurations and their files in the diffusers layout; it knows neither schedulers nor
//! plans.
//!
//! # What is open and what is closed
//!
//! A planner takes any [`Network`]: `UNet1dModel` is one, somebody's own another, and a [`Registry`] makes them by the class that
//! their files name. Inside `UNet1dModel` blocks are closed: one list makes the enum of them.
//!
//! # How a call flows
//!
//! [`UNet1dModel::time_features`] computes what depends on the timestep alone, once for any number of calls.
//! [`forward_into`](UNet1dModel::forward_into) and [`value_and_grad_into`](UNet1dModel::value_and_grad_into) split the batch
//! over the threads of a [`Workspace`], which holds every buffer and says how to [`Compute`]; each thread takes its samples
//! through the whole network, or its channels through each layer where samples are few.
//! [`forward_saving`](UNet1dModel::forward_saving) and [`backward`](UNet1dModel::backward) give the gradients of all
//! parameters, as another model; [`vjp`](UNet1dModel::vjp) is both at once. Results have the same bits for any number of
//! threads.
//!
//! ```
//! use diffplan_models::{UNet1dConfig, UNet1dModel};
//! use ndarray::Array3;
//! use ndarray_rand::rand::{SeedableRng, rngs::StdRng};
//!
//! # fn main() -> Result<(), diffplan_models::Error> {
//! let mut value_function = UNet1dModel::new(UNet1dConfig::value_function(14, &[32, 64, 128, 256]))?;
//! value_function.init(&mut StdRng::seed_from_u64(0));
//! let trajectories = Array3::zeros((4, 14, 32)); // (batch, action + observation, horizon)
//! let (values, gradient) = value_function.value_and_grad(trajectories.view(), &[5.0])?;
//! assert_eq!(values.dim(), 4);
//! assert_eq!(gradient.dim(), (4, 14, 32));
//! # Ok(())
//! # }
//! ```

mod error;
mod network;
mod pretrained;
mod unet1d;
mod weights;

pub use diffplan_nn::{
    Algorithm, Compute, Params, Precision, Role, count_params, named_params, named_params_mut, roles, zeros_like,
};
pub use error::{Error, Result};
pub use network::{Conditioning, Network, NetworkSession, Signature};
pub use pretrained::{CONFIG_NAME, Registry};
pub use unet1d::{
    Backprop, DownBlockType, MidBlockType, OutBlockType, TemporalAttention, TimeEmbeddingType, TimeFeatures,
    UNet1dConfig, UNet1dModel, UpBlockType, ValuePooling, Vjp, Workspace,
};
pub use weights::{has_variant, weight_files};

/// Compiles and runs the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
