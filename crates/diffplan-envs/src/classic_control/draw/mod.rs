//! The pictures of the classic control problems, or the error where the crate is built without them.

#[cfg(feature = "render")]
mod mountain_car;
#[cfg(feature = "render")]
mod pendulum;

use crate::{Frame, Overlay, Result};

/// The pendulum at an angle from upright (rad, counter-clockwise), and the torque (N m) of the last step.
#[cfg(feature = "render")]
pub(super) fn pendulum(theta: f64, torque: Option<f32>, overlay: &Overlay) -> Result<Frame> {
    overlay.check(2)?;
    Ok(pendulum::draw(theta, torque, overlay))
}

#[cfg(not(feature = "render"))]
pub(super) fn pendulum(_theta: f64, _torque: Option<f32>, _overlay: &Overlay) -> Result<Frame> {
    Err(crate::Error::RenderFeature)
}

/// The car at a position.
#[cfg(feature = "render")]
pub(super) fn mountain_car(position: f64, overlay: &Overlay) -> Result<Frame> {
    overlay.check(2)?;
    Ok(mountain_car::draw(position, overlay))
}

#[cfg(not(feature = "render"))]
pub(super) fn mountain_car(_position: f64, _overlay: &Overlay) -> Result<Frame> {
    Err(crate::Error::RenderFeature)
}
