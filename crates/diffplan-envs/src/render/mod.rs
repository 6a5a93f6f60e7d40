//! Pictures of environments.

#[cfg(feature = "render")]
mod canvas;
#[cfg(feature = "mujoco")]
mod mjcf;
mod overlay;
#[cfg(feature = "mujoco")]
mod planar;
#[cfg(feature = "mujoco")]
mod spatial;

#[cfg(feature = "render")]
pub(crate) use canvas::{Canvas, Color};
pub use overlay::{Ghost, Overlay, Trail};
#[cfg(feature = "mujoco")]
pub use planar::{Capsule, PlanarRobot};
#[cfg(feature = "mujoco")]
pub use spatial::SpatialRobot;

/// An RGB picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Pixels a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Red, green and blue of every pixel, row by row from the top: `height · width · 3` bytes.
    pub pixels: Vec<u8>,
}
