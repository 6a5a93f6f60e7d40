//! Gymnasium-style environments in Rust: the [`Env`] trait, [`spaces`], [`wrappers`], a [`registry`], the classic control
//! problems that have continuous actions, and Gymnasium's robots on MuJoCo. [`VecEnv`] steps many environments side by side,
//! and [`d4rl`] knows the returns that scores are normalised by.
//!
//! The interface is that of Gymnasium 1.x: [`Env::reset`] takes a seed and options, [`Env::step`] returns observation,
//! reward, `terminated`, `truncated` and info. [`make`] builds `Pendulum-v1` and `MountainCarContinuous-v0` with the
//! wrappers that Gymnasium's `make` puts around them, and they follow Gymnasium 1.4.0 to the last bit: the same seed
//! starts the same episode ([`NumpyRng`] is NumPy's generator), and the same actions lead through the same states
//! (where the C library's `sin`, `cos` and `pow` are the same; elsewhere they may differ in the last bit).
//!
//! What differs from Gymnasium, and why:
//!
//! - Entropy is never taken from the operating system: the first [`Env::reset`] needs a seed
//!   ([`Error::SeedNeeded`]); later ones may leave it out and go on in the same random stream.
//! - An action that is not finite or has the wrong length, and an unknown option, are errors.
//! - [`Env::state`] and [`Env::set_state`] are part of the interface, for planning and for checks.
//! - There is no global registry: [`make`] knows the built-in environments, and a [`Registry`] of one's own more.
//!
//! ```
//! use diffplan_envs::{Dict, Env, make};
//! use ndarray::array;
//!
//! let mut env = make("Pendulum-v1")?;
//! let (observation, _info) = env.reset(Some(1000), &Dict::new())?;
//! assert_eq!(observation.len(), 3);
//!
//! let mut episode_return = 0.0;
//! loop {
//!     let step = env.step(&array![0.5])?;
//!     episode_return += step.reward;
//!     if step.terminated || step.truncated {
//!         break;
//!     }
//! }
//! assert!(episode_return < 0.0);
//! # Ok::<(), diffplan_envs::Error>(())
//! ```
//!
//! # Features
//!
//! - `render`: [`Env::render`] of the built-in environments draws a [`Frame`] (with tiny-skia). Off by default; without
//!   it `render` returns [`Error::RenderFeature`].
//! - `mujoco`: the module `mujoco`, Hopper, Walker2d, HalfCheetah, Ant, Swimmer, Reacher and the inverted pendulums on
//!   libmujoco, which is found at run time; and `PlanarRobot` and `SpatialRobot`, where the limbs of such robots are, and with
//!   `render` how they look. Off by default; without it
//!   [`make`] returns [`Error::MujocoFeature`] for them.

pub mod classic_control;
pub mod d4rl;
mod dict;
mod env;
mod error;
mod goal;
pub mod maze;
#[cfg(feature = "mujoco")]
pub mod mujoco;
pub mod registry;
mod render;
mod rng;
pub mod spaces;
mod vector;
pub mod wrappers;

pub use dict::{Dict, Info, MUJOCO_WARNING, ResetOptions, Value};
pub use env::{BoxEnv, Env, EnvSpec, Step};
pub use error::{Error, Result};
pub use goal::{Goal, Walls};
pub use registry::{EpisodeLimit, MakeOptions, Registry, make, registered};
#[cfg(feature = "mujoco")]
pub use render::{Capsule, PlanarRobot, SpatialRobot};
pub use render::{Frame, Ghost, Overlay, Trail};
pub use rng::NumpyRng;
pub use spaces::{BoxSpace, Discrete, Dtype, Space};
pub use vector::{AutoresetMode, VecEnv, VecStep, make_vec};

/// Compiles and runs the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
