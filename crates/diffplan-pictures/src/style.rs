//! The colours that mean something in every picture.

use crate::chart::{COLOURS, MUTED};
use plotters::style::RGBColor;

/// What was planned.
pub(crate) const PLANNED: RGBColor = COLOURS[0];
/// What came true: a broad band that what was planned runs on. It is the ink of an episode's panels, made lighter for that.
pub(crate) const TRUE: RGBColor = RGBColor(160, 164, 170);
/// What was not chosen.
pub(crate) const OTHERS: RGBColor = MUTED;
/// Poses of a plan beside its path: after a third of it, two thirds, and at its end, the further the fainter.
pub(crate) const GHOSTS: [(usize, f64); 3] = [(1, 0.30), (2, 0.22), (3, 0.15)];

pub(crate) fn rgb(colour: RGBColor) -> [u8; 3] {
    [colour.0, colour.1, colour.2]
}
