//! What networks are trained on: windows of `horizon` rows, and the discounted return from a row on.
//!
//! As the original's `SequenceDataset` and `ValueDataset` (jannerm/diffuser, `diffuser/datasets/sequence.py`): every row but
//! the last of an episode begins a window; a window that reaches past the end of its episode goes on with rows of zeros, which
//! are normalised like any others, up to `max_path_length` rows from the episode's beginning.

mod returns;
mod sequences;

pub use returns::DiscountedReturns;
pub use sequences::{SequenceDataset, SequenceOptions, Window};
