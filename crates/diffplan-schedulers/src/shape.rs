//! Shape checks that build their error only when they fail.

use crate::{Error, Result};

/// Checks that argument `name` has the shape `expected`.
pub(crate) fn check_shape(name: &'static str, actual: &[usize], expected: &[usize]) -> Result<()> {
    if actual == expected {
        return Ok(());
    }
    Err(Error::ShapeMismatch {
        name,
        actual: actual.to_vec(),
        expected: expected.to_vec(),
    })
}
