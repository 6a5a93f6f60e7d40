//! Plans within a deadline.
//!
//! A [`DeadlinePlanner`] has a ladder of settings, from what was wanted down to one candidate in one visit, a planner with its buffers in
//! place on each rung, and has measured what each costs. [`plan_within`](DeadlinePlanner::plan_within) takes the best rung that fits,
//! looks at the clock before every visit, begins none that would end too late but answers with what the last one predicted, and learns from
//! what it measures, so that a process that takes a core away is noticed within a few plans. A [`CancelToken`] calls a plan off from
//! another thread; a [`DeadlineLog`] sums up many.
//!
//! Which rung is chosen and how many visits are made depends on the clock, so with a deadline the same seed does not promise the same
//! plan. Given the rung and the visits made, it does: the plan has the bits of the rung's options in an ordinary
//! [`Planner`](crate::Planner).

mod cancel;
mod clock;
mod cost;
mod ladder;
mod pace;
mod planner;
mod pool;
mod rank;
mod report;
mod run;
mod timely;

pub use cancel::CancelToken;
pub use clock::{Clock, SystemClock};
pub use cost::{CostModel, RungCost, VisitCost};
pub use ladder::{GiveUp, Rung};
pub use planner::{DeadlinePlanner, DeadlineSettings, Measuring};
pub use pool::{Granted, PlanningPool, PoolOptions};
pub use report::{DeadlineLog, DeadlineReport, RungShare};
pub use timely::{Ended, Timely};
