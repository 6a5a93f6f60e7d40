//! What must hold of a plan: the [`Constraint`](crate::Constraint)s that come with this crate.
//!
//! All are written in the environment's units and name channels of a sample ([`SampleLayout::observation`],
//! [`SampleLayout::action`]). Each violates nothing, in the arithmetic that says so, after it was projected, unless what is imposed leaves no
//! room.

mod bounds;
mod equal;
mod obstacles;
mod shape;
mod speed;

pub use bounds::Limits;
pub use equal::Equal;
pub use obstacles::Obstacles;
pub use shape::Shape;
pub use speed::SpeedLimit;

use crate::error::{Error, Result};
use crate::layout::SampleLayout;

/// What a number may be off by: one that is imposed has been through a normaliser and back.
pub(crate) fn slack(fixed: bool, magnitude: f32) -> f32 {
    match fixed {
        true => 1e-5 * (1.0 + magnitude.abs()),
        false => 0.0,
    }
}

/// That channels are there, each once.
///
/// # Errors
/// [`Error::Parts`], which names what they are of.
pub(crate) fn check_channels(name: &str, channels: &[usize], layout: &SampleLayout) -> Result<()> {
    if channels.is_empty() {
        return Err(Error::Parts(format!("{name}: no dimensions, expected at least one")));
    }
    for (place, channel) in channels.iter().enumerate() {
        if *channel >= layout.channels() {
            return Err(Error::Parts(format!(
                "{name}: channel {channel} of a sample, expected below {}",
                layout.channels()
            )));
        }
        if channels[..place].contains(channel) {
            return Err(Error::Parts(format!(
                "{name}: {} stands there twice, expected once",
                layout.describe(*channel)
            )));
        }
    }
    Ok(())
}

/// That numbers are as many as channels, and finite (or infinite, where that says that there is no limit).
pub(crate) fn check_numbers(name: &str, what: &str, numbers: &[f64], channels: usize, infinite: bool) -> Result<()> {
    if numbers.len() != channels {
        return Err(Error::Parts(format!(
            "{name}: {} numbers of `{what}` for {channels} dimensions, expected as many",
            numbers.len()
        )));
    }
    let wrong = |number: &&f64| number.is_nan() || (!infinite && number.is_infinite());
    match numbers.iter().find(wrong) {
        Some(number) => Err(Error::Parts(format!(
            "{name}: `{what}` has {number}, expected a finite number"
        ))),
        None => Ok(()),
    }
}

/// That low limits are below high ones.
pub(crate) fn check_order(name: &str, low: &[f64], high: &[f64]) -> Result<()> {
    match low.iter().zip(high).find(|(low, high)| low > high) {
        Some((low, high)) => Err(Error::Parts(format!(
            "{name}: `low` {low} is above `high` {high}: nothing lies between them; expected low at most high"
        ))),
        None => Ok(()),
    }
}

/// That a number is finite and more than 0.
pub(crate) fn check_positive(name: &str, what: &str, number: f64) -> Result<()> {
    match number.is_finite() && number > 0.0 {
        true => Ok(()),
        false => Err(Error::Parts(format!(
            "{name}: `{what}` is {number}, expected a finite number above 0"
        ))),
    }
}

/// That a number is finite and not negative.
pub(crate) fn check_not_negative(name: &str, what: &str, number: f64) -> Result<()> {
    match number.is_finite() && number >= 0.0 {
        true => Ok(()),
        false => Err(Error::Parts(format!(
            "{name}: `{what}` is {number}, expected a finite number, 0 or more"
        ))),
    }
}
