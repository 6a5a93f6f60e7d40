//! [`Watch`]: who waits for pictures.

/// Told how far drawing is.
pub trait Watch {
    /// There are so many more pictures to draw.
    fn expect(&self, _more: usize) {}

    /// One more is drawn.
    fn step(&self) {}
}

/// Nobody.
impl Watch for () {}
