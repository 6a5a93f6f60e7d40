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

impl Walls {
    /// Whether a position `[x, y]` is in a box, or outside the rectangle around all of them.
    pub fn blocks(&self, [x, y]: [f64; 2]) -> bool {
        let within = |shape: &[f64; 4]| shape[0] <= x && x <= shape[2] && shape[1] <= y && y <= shape[3];
        !self.boxes.is_empty() && (!within(&self.extent()) || self.boxes.iter().any(within))
    }

    /// The rectangle around all boxes: x_min, y_min, x_max, y_max. Of no box it is inside out.
    pub fn extent(&self) -> [f64; 4] {
        let corner = |index: usize, fold: fn(f64, f64) -> f64, from: f64| {
            self.boxes.iter().map(|shape| shape[index]).fold(from, fold)
        };
        let (low, high) = (f64::INFINITY, f64::NEG_INFINITY);
        [
            corner(0, f64::min, low),
            corner(1, f64::min, low),
            corner(2, f64::max, high),
            corner(3, f64::max, high),
        ]
    }

    /// The position that `values` of these dimensions of an observation say, where they say both of its numbers.
    pub fn position(&self, dims: &[usize], values: &[f64]) -> Option<[f64; 2]> {
        let number = |dim: usize| values.get(dims.iter().position(|&other| other == dim)?).copied();
        let [x, y] = self.dims.map(number);
        x.zip(y).map(|(x, y)| [x, y])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn walls_and_what_is_outside_of_them_block() {
        let mut walls = Walls {
            dims: [0, 1],
            boxes: vec![[0.0, 0.0, 1.0, 3.0], [2.0, 0.0, 3.0, 3.0]],
            radius: 0.1,
        };
        let blocked = [[0.5, 1.0], [2.0, 3.0], [1.5, 3.5], [-0.1, 1.0], [30.0, 2.0]];
        assert!(blocked.iter().all(|&place| walls.blocks(place)));
        assert!(!walls.blocks([1.5, 1.0]));
        assert_eq!(walls.extent(), [0.0, 0.0, 3.0, 3.0]);
        assert_eq!(walls.position(&[2, 1, 0], &[9.0, 2.0, 1.0]), Some([1.0, 2.0]));
        assert_eq!(walls.position(&[0, 2], &[1.0, 9.0]), None);
        walls.boxes.clear();
        assert!(!walls.blocks([9.0, 9.0]));
    }
}
