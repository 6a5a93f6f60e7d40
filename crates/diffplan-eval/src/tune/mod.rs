//! Which planning options are worth their time: return against milliseconds, measured in closed loop.
//!
//! ```text
//! Space: values of options ──▶ trials ──▶ latency of each: too slow for the control rate? ──▶ rounds of episodes, the best third goes on, until one is left
//!                                                                                      ──▶ final: fresh episodes, paired with the default's
//! ```
//!
//! Successive halving (Jamieson and Talwalkar 2016, arXiv:1502.07943) with every trial in the same episodes: what an easy or a hard start does
//! to all of them cancels. Whoever wins a search was lucky too, so the winner meets the default plan, and the plan without guidance, in
//! episodes that it was not chosen by; what is said of the winner is said of those. Where its paired interval lies below the default's
//! or the unguided plan's, that one is recommended instead.
//!
//! Every measurement is a row on disk at once ([`TuneRows`]), and a tuning that goes on reads them first. How far it gets depends on the clock;
//! what an episode comes to does not.

mod demand;
mod outcome;
mod rows;
mod run;
mod space;

pub use outcome::{FEWEST, PairedDifference, Played, TrialResult, Tuned};
pub use rows::TuneRows;
pub use run::{Pools, Subject, TuneEvent, Tuning};
pub use space::Space;
