//! The mountain car's track: what its dynamics and its picture share.

/// Where the track begins.
pub(super) const MIN_POSITION: f64 = -1.2;
/// Where it ends.
pub(super) const MAX_POSITION: f64 = 0.6;
/// Where the flag stands.
pub(super) const GOAL_POSITION: f64 = 0.45;
