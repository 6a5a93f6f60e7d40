//! Files of named tensors: safetensors, and what `torch.save` writes.
//!
//! ```text
//! bytes ──▶ TorchFile ──▶ Value (dictionaries, lists, Tensor, lifeless Object)  ──▶ state_dict ──▶ NamedTensors
//! bytes ──▶ safetensors ─────────────────────────────────────────────────────────────────────────▶ NamedTensors
//! bytes ──▶ Pickle ──▶ Value
//! Tensors by name ──▶ torch_bytes ──▶ what `torch.load(weights_only=True)` reads
//! ```
//!
//! [`NamedTensors::from_bytes`] tells the formats apart by content. Whoever fills a network with them need not know which it was.
//!
//! # Why a reader of our own
//!
//! pytorch-reader reads the tensors of good files. Needed here beside them are objects of unknown classes that can be asked for their fields, every kind of
//! damage and malice refused by name (entries of one name, checksums that do not fit, views that are terabytes once they are contiguous), and bounds on
//! memory that are ours to state. What that takes is small: a table of values that are never called, and a zip directory of entries that are
//! mostly stored as they are. Decompression and checksums are libraries'.
//!
//! No code is run, whatever a file says; nothing panics or overflows the stack; memory is bounded by the file and by what a checkpoint can be.

mod dtype;
mod named;
pub mod pickle;
mod tensor;
mod torch;

pub use dtype::Dtype;
pub use named::NamedTensors;
pub use pickle::{Kind, Object, Pickle, Value};
pub use tensor::Tensor;
pub use torch::{TorchFile, torch_bytes};
