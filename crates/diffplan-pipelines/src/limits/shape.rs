//! [`Shape`]: a disc or a box in the plane of two dimensions.

use super::{check_order, check_positive};
use crate::error::{Error, Result};

/// What is in the way, in the plane of two dimensions, in the environment's units.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Shape {
    /// All within `radius` of `center`.
    Disc {
        /// Where it is.
        center: [f64; 2],
        /// How large it is, more than 0.
        radius: f64,
    },
    /// All from `low` to `high` in both dimensions.
    Box {
        /// The lower corner.
        low: [f64; 2],
        /// The upper corner, not below.
        high: [f64; 2],
    },
}

impl Shape {
    /// That it is one.
    ///
    /// # Errors
    /// [`Error::Parts`] if a number is not finite, a radius is not above 0, or a corner lies below the other.
    pub fn check(&self, name: &str) -> Result<()> {
        let finite = |numbers: &[f64]| match numbers.iter().find(|number| !number.is_finite()) {
            Some(number) => Err(Error::Parts(format!(
                "{name}: a shape with {number}, expected finite numbers"
            ))),
            None => Ok(()),
        };
        match self {
            Self::Disc { center, radius } => {
                finite(center)?;
                check_positive(name, "radius", *radius)
            }
            Self::Box { low, high } => {
                finite(low)?;
                finite(high)?;
                check_order(name, low, high)
            }
        }
    }

    /// How far a point is outside, less than 0 inside, and the direction in which that grows fastest, of length 1.
    pub fn distance(&self, at: [f64; 2]) -> (f64, [f64; 2]) {
        match *self {
            Self::Disc { center, radius } => {
                let away = [at[0] - center[0], at[1] - center[1]];
                let length = away[0].hypot(away[1]);
                let direction = match length > 0.0 {
                    true => away.map(|part| part / length),
                    // At the centre any will do.
                    false => [1.0, 0.0],
                };
                (length - radius, direction)
            }
            Self::Box { low, high } => {
                let away = [0, 1].map(|dim| at[dim] - at[dim].clamp(low[dim], high[dim]));
                let length = away[0].hypot(away[1]);
                if length > 0.0 {
                    return (length, away.map(|part| part / length));
                }
                let faces = [
                    (low[0] - at[0], [-1.0, 0.0]),
                    (at[0] - high[0], [1.0, 0.0]),
                    (low[1] - at[1], [0.0, -1.0]),
                    (at[1] - high[1], [0.0, 1.0]),
                ];
                // All are 0 or less: the nearest is the largest.
                let nearest = |a: (f64, [f64; 2]), b: (f64, [f64; 2])| if b.0 > a.0 { b } else { a };
                faces[1..].iter().copied().fold(faces[0], nearest)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_have_their_gradients() {
        let shapes = [
            Shape::Disc {
                center: [0.3, -0.2],
                radius: 0.7,
            },
            Shape::Box {
                low: [-0.5, -0.3],
                high: [0.6, 0.2],
            },
        ];
        for shape in shapes {
            for i in 0..200 {
                let at = [(f64::from(i) * 0.731).sin() * 1.5, (f64::from(i) * 1.177).cos() * 1.5];
                let (_, direction) = shape.distance(at);
                let h = 1e-6;
                for dim in 0..2 {
                    let moved = |by: f64| {
                        let mut to = at;
                        to[dim] += by;
                        shape.distance(to).0
                    };
                    let expected = (moved(h) - moved(-h)) / (2.0 * h);
                    assert!((direction[dim] - expected).abs() < 1e-5, "{shape:?} at {at:?}");
                }
            }
        }
        let square = Shape::Box {
            low: [0.0, 0.0],
            high: [2.0, 2.0],
        };
        assert_eq!(square.distance([1.5, 0.9]), (-0.5, [1.0, 0.0]));
        assert_eq!(square.distance([5.0, 6.0]).0, 5.0);
    }
}
