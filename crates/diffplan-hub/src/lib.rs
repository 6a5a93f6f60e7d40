//! Checkpoints by the name of their repository on the Hub: `owner/name[@revision]`; datasets by the names of D4RL and Minari ([`datasets`]).
//!
//! [`Hub::fetch`] asks which files a repository has, takes those that loading a checkpoint needs, of one variant and one subfolder, and
//! puts them in the cache that `huggingface_hub` uses too: what one has downloaded, the other finds.
//!
//! The HTTP client is ureq; the protocol is ours, because which host a token goes to, what is compared with which checksum, and what an error
//! says have to be seen here. (hf-hub 0.5 was looked at, not measured; hf-hub 1.0 brings some two hundred crates.)
//!
//! A token is sent to the endpoint's own host and to no other, and stands in no message: see [`Token`].

mod cache;
mod client;
pub mod datasets;
mod download;
mod error;
mod hub;
mod name;
mod repository;
mod select;
mod settings;

pub(crate) use error::is_gone;
pub use error::{Error, Result};
pub use hub::{Event, Fetched, Hub, Part};
pub use name::RepoName;
pub use settings::{Settings, Token};
