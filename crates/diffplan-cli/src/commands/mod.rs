//! One module a subcommand, each with a `run` that takes what was typed.

pub(crate) mod bench;
pub(crate) mod checked;
pub(crate) mod convert;
pub(crate) mod data;
pub(crate) mod evaluate;
pub(crate) mod inspect;
pub(crate) mod normalizer;
pub(crate) mod plan;
pub(crate) mod rollout;
#[cfg(feature = "serve")]
pub(crate) mod serve;
pub(crate) mod train;
pub(crate) mod tune;
