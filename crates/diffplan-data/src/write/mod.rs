//! Dataset files, written: what is played, in the layout of D4RL ([`D4rlFile`]); what was read from any layout, in another
//! ([`Conversion`]).

mod conversion;
mod d4rl;
mod hdf5;
mod minari;
mod note;
mod npz;
mod spec;

pub use conversion::{Conversion, WriteFormat};
pub use d4rl::D4rlFile;
pub use note::ConversionNote;
