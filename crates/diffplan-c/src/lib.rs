//! The C interface of diffplan: `include/diffplan.h`, which is generated from here, and `include/diffplan.hpp`, C++17 over it.
//!
//! # What a C program sees
//!
//! | name | what | in |
//! | --- | --- | --- |
//! | `diffplan_pipeline` | a checkpoint, opened; shared by any number of threads | `pipeline` |
//! | `diffplan_options` | planning options by name and text | `options` |
//! | `diffplan_planner` | plans: at once, under conditions, in batches, within a deadline, an episode long | `planner` |
//! | `diffplan_noise` | where a plan's randomness comes from: a seed, or torch's | `noise` |
//! | `diffplan_status`, `diffplan_last_error` | what went wrong: a code, and a sentence | `status`, `last_error` |
//! | `diffplan_set_log` | what there is to say | `log` |
//! | `diffplan_version`, `diffplan_check_abi` | which library this is | `version` |
//!
//! This crate binds, and computes nothing.
//!
//! # How a plan flows
//!
//! ```text
//! pointers, sizes ──the caller's thread: checked, copied into the planner's own memory──▶ a question on the planner's desk   [planner::desk]
//! question ──a thread of the planner's own pool, woken for it: Planner or DeadlinePlanner──▶ plans, in the memory of the last  [planner::work]
//! plans ──the caller's thread──▶ the caller's buffers
//! ```
//!
//! - **No allocation.** A question is written into memory that the last one had, and plans are handed back to the planner for the next
//!   (`Planner::reuse`). The thread that plans is one of the pool: work that is handed to a rayon pool from outside goes through a queue that takes memory
//!   now and then, and what a pool's own thread shares with its neighbours does not.
//! - **Threads.** Every planner has threads of its own, as many as it was asked for; they end when it is freed.
//! - **Panics** are caught on both sides, on the caller's thread (`boundary::run`) and on the planner's; a planner in which there was one refuses
//!   everything from then on.
//! - **Fork.** A planner knows its process: in a child it says so instead of waiting for threads that are not there.
//! - **Unsafe** are the conversions of pointers in `boundary`, and the functions that are exported.

#![allow(
    unsafe_code,
    reason = "a C interface: pointers come in and functions go out by their plain names; each block has its reason"
)]
#![allow(
    clippy::missing_safety_doc,
    reason = "what callers must keep to is said once, at the top of the header"
)]

mod boundary;
mod last_error;
mod log;
mod noise;
mod options;
mod pipeline;
mod planner;
mod status;
mod version;

pub use last_error::*;
pub use log::*;
pub use noise::*;
pub use options::*;
pub use pipeline::*;
pub use planner::*;
pub use status::*;
pub use version::*;
