//! What moves parameters: the optimiser, the learning rate of a step, the average that follows. They know parameters, not
//! networks: anything with [`Params`](diffplan_nn::Params) will do, and those whose [`Role`](diffplan_nn::Role) is frozen stay.

mod adam;
mod ema;
mod rate;

pub use adam::{Adam, Decay};
pub(crate) use adam::{clip, norm};
pub use ema::Ema;
pub use rate::{LearningRate, RateSchedule};
