//! Offline datasets and normalisers for diffusion planning.
//!
//! A [`Dataset`] holds the steps of many episodes; with the feature `hdf5` it is read from files of many projects, HDF5 and
//! NumPy's (`read` lists them), and written in the layout of D4RL; what works but
//! is rarely meant of them is one list (`findings`).
//!
//! A planner is trained on normalised trajectories; what an environment gives and takes has units. [`Normalizers`] holds
//! one [`Normalizer`] for the observations, one for the actions and, where the value function's target was scaled, one
//! for the values. It comes from a dataset's arrays or from `normalizer.json` in a checkpoint folder.
//!
//! ```
//! use diffplan_data::{NormalizerKind, Normalizers};
//! use ndarray::array;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let observations = array![[1.0, 10.0], [3.0, 30.0]];
//! let actions = array![[-2.0], [2.0]];
//! let normalizers = Normalizers::fit(NormalizerKind::Gaussian, observations.view(), actions.view())?;
//!
//! assert_eq!(normalizers.observations().normalize(observations.view())?, array![[-1.0, -1.0], [1.0, 1.0]]);
//!
//! // In the planner's loop: in place, no allocation. Two rows of one action each.
//! let mut plan = [0.5, -1.0];
//! normalizers.actions().denormalize_slice(&mut plan)?;
//! assert_eq!(plan, [1.0, -2.0]);
//!
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("normalizer.json");
//! normalizers.save(&path)?;
//! assert_eq!(Normalizers::from_json(&path)?, normalizers);
//! # Ok(())
//! # }
//! ```

mod bytes;
mod cdf;
mod config;
mod dataset;
mod env;
mod episode_set;
mod error;
#[cfg(feature = "hdf5")]
pub mod findings;
mod format;
mod kind;
mod moments;
mod normalizer;
mod normalizers;
#[cfg(feature = "hdf5")]
mod packed;
#[cfg(feature = "hdf5")]
pub mod read;
mod samples;
mod select;
mod statistics;
pub mod summary;
mod transform;
mod transitions;
#[cfg(feature = "hdf5")]
mod write;

pub use config::{Key, NormalizerConfig};
pub use dataset::{Dataset, EpisodeEnds, EpisodeRange};
pub use env::RecordedEnv;
pub use episode_set::EpisodeSet;
pub use error::{Error, Warning};
#[cfg(feature = "hdf5")]
pub use findings::Finding;
pub use kind::NormalizerKind;
pub use moments::Moments;
pub use normalizer::Normalizer;
pub use normalizers::Normalizers;
#[cfg(feature = "hdf5")]
pub use packed::{PackOptions, PackProgress, PackReport, Packed, PackedFrom, pack};
#[cfg(feature = "hdf5")]
pub use read::{
    ArrayInfo, DatasetReader, FileFormat, FileNote, Keys, LayoutNote, RawDataset, ReadError, ReadOptions, RewardRule,
};
pub use samples::{DiscountedReturns, SequenceDataset, SequenceOptions, Window};
pub use select::Selection;
#[cfg(feature = "hdf5")]
pub use transitions::content_hash;
pub use transitions::{Known, Transitions};
#[cfg(feature = "hdf5")]
pub use write::{Conversion, ConversionNote, D4rlFile, WriteFormat};
