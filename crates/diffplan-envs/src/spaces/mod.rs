//! Spaces: the sets that observations and actions come from.

mod box_space;
mod discrete;

pub use box_space::{BoxSpace, Dtype};
pub use discrete::Discrete;

use crate::{Error, Result};

/// The space of an environment's observations or actions.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Space {
    /// Vectors within bounds.
    Box(BoxSpace),
    /// Finitely many integers.
    Discrete(Discrete),
}

impl Space {
    /// The box that this is.
    ///
    /// # Errors
    ///
    /// [`Error::SpaceKind`] if it is none.
    pub fn as_box(&self) -> Result<&BoxSpace> {
        match self {
            Self::Box(space) => Ok(space),
            other => Err(Error::SpaceKind {
                expected: "a Box",
                actual: other.kind(),
            }),
        }
    }

    /// The discrete space that this is.
    ///
    /// # Errors
    ///
    /// [`Error::SpaceKind`] if it is none.
    pub fn as_discrete(&self) -> Result<&Discrete> {
        match self {
            Self::Discrete(space) => Ok(space),
            other => Err(Error::SpaceKind {
                expected: "Discrete",
                actual: other.kind(),
            }),
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Box(_) => "a Box",
            Self::Discrete(_) => "Discrete",
        }
    }
}

impl From<BoxSpace> for Space {
    fn from(space: BoxSpace) -> Self {
        Self::Box(space)
    }
}

impl From<Discrete> for Space {
    fn from(space: Discrete) -> Self {
        Self::Discrete(space)
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn a_space_is_what_it_is_and_says_what_it_is_not() {
        let vectors = BoxSpace::new(array![0.0], array![1.0], Dtype::Float64).unwrap();
        let integers = Discrete::new(3, 0).unwrap();
        let (a, b) = (Space::from(vectors.clone()), Space::from(integers));
        assert_eq!(a.as_box(), Ok(&vectors));
        assert_eq!(b.as_discrete(), Ok(&integers));
        assert_eq!(
            b.as_box(),
            Err(Error::SpaceKind {
                expected: "a Box",
                actual: "Discrete"
            })
        );
        assert_eq!(
            a.as_discrete(),
            Err(Error::SpaceKind {
                expected: "Discrete",
                actual: "a Box"
            })
        );
    }
}
