//! Goals, and what is in the way to them.

use ndarray::Array1;

/// What an episode is to reach.
#[derive(Debug, Clone, PartialEq)]
pub struct Goal {
    /// Dimensions of the observation that it says something of.
    pub dims: Vec<usize>,
    /// What they are to become, one number a dimension, as in observations.
    pub values: Array1<f64>,
    /// Euclidean distance over those dimensions from which on it counts as reached, where there is one.
    pub tolerance: Option<f64>,
}

/// Solid things in the plane of two dimensions of the observation: boxes along its axes.
#[derive(Debug, Clone, PartialEq)]
pub struct Walls {
    /// The two dimensions.
    pub dims: [usize; 2],
    /// x_min, y_min, x_max, y_max of each.
    pub boxes: Vec<[f64; 4]>,
    /// The radius of the thing that moves between them.
    pub radius: f64,
}
