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

/// What candidate `rank` of `count` that were not chosen is drawn in, rank 0 the one with the highest value: from the colour of what
/// is chosen to grey, and the fainter the lower.
pub(crate) fn faded(rank: usize, count: usize) -> (RGBColor, f64) {
    faded_from(PLANNED, rank, count)
}

/// The same where what is chosen has a colour of its own.
pub(crate) fn faded_from(chosen: RGBColor, rank: usize, count: usize) -> (RGBColor, f64) {
    let part = rank as f64 / count.saturating_sub(1).max(1) as f64;
    let mix = |a: u8, b: u8| (f64::from(a) + (f64::from(b) - f64::from(a)) * part.sqrt()).round() as u8;
    let colour = RGBColor(
        mix(chosen.0, OTHERS.0),
        mix(chosen.1, OTHERS.1),
        mix(chosen.2, OTHERS.2),
    );
    // The more there are, the fainter each.
    let most = (4.0 / count.max(1) as f64).clamp(0.30, 0.55);
    (colour, most * (1.0 - 0.72 * part))
}

pub(crate) fn rgb(colour: RGBColor) -> [u8; 3] {
    [colour.0, colour.1, colour.2]
}
