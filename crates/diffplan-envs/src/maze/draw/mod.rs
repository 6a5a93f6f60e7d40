//! The picture of a maze, or the error where the crate is built without it.

#[cfg(feature = "render")]
mod picture;

use super::Layout;
use crate::{Frame, Overlay, Result};

/// What there is to draw.
#[cfg_attr(not(feature = "render"), allow(dead_code))]
pub(super) struct Scene<'a> {
    pub(super) maze: &'a Layout,
    /// Of the ball.
    pub(super) radius: f64,
    pub(super) position: [f64; 2],
    /// The goal, and from which distance on it counts as reached.
    pub(super) goal: Option<([f64; 2], f64)>,
    pub(super) overlay: &'a Overlay,
}

#[cfg(feature = "render")]
pub(super) fn maze(scene: &Scene) -> Result<Frame> {
    Ok(picture::draw(scene))
}

#[cfg(not(feature = "render"))]
pub(super) fn maze(_scene: &Scene) -> Result<Frame> {
    Err(crate::Error::RenderFeature)
}
