//! The pictures of the classic control problems, or the error where the crate is built without them.

#[cfg(feature = "render")]
mod mountain_car;
#[cfg(feature = "render")]
mod pendulum;

use crate::{Frame, Result};

/// The pendulum at an angle from upright (rad, counter-clockwise), and the torque (N m) of the last step.
#[cfg(feature = "render")]
pub(super) fn pendulum(theta: f64, torque: Option<f32>) -> Result<Frame> {
    Ok(pendulum::draw(theta, torque))
}

#[cfg(not(feature = "render"))]
pub(super) fn pendulum(_theta: f64, _torque: Option<f32>) -> Result<Frame> {
    Err(crate::Error::RenderFeature)
}

/// The car at a position.
#[cfg(feature = "render")]
pub(super) fn mountain_car(position: f64) -> Result<Frame> {
    Ok(mountain_car::draw(position))
}

#[cfg(not(feature = "render"))]
pub(super) fn mountain_car(_position: f64) -> Result<Frame> {
    Err(crate::Error::RenderFeature)
}
