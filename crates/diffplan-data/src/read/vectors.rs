//! [`Vectors`]: arrays whose rows are put side by side.

use std::ops::Range;

use super::ReadError;
use super::array::{Element, Planned, Source};
use super::rounding::Rounding;
use super::tree::Scope;

/// Arrays side by side.
pub(super) struct Vectors(pub(super) Vec<Planned>);

impl Vectors {
    /// `first` of a file: whether arrays are pictures is looked at once.
    pub(super) fn of(scope: &mut Scope<'_>, keys: &[String], first: bool) -> Result<Self, ReadError> {
        let mut arrays: Vec<Planned> = Vec::with_capacity(keys.len());
        for key in keys {
            if first && let Some(actual) = image(scope, key) {
                return Err(ReadError::Image {
                    key: scope.place(key),
                    actual,
                });
            }
            let planned = Planned::vectors(scope, key).map_err(|error| explain(scope, key, error))?;
            if let (Some(first), Some(name)) = (arrays.first(), keys.first()) {
                planned.check_rows(scope, first.rows(), &format!("as many as {name} has"))?;
            }
            arrays.push(planned);
        }
        Ok(Self(arrays))
    }

    pub(super) fn rows(&self) -> u64 {
        self.0.first().map_or(0, Planned::rows)
    }

    pub(super) fn columns(&self) -> u64 {
        self.0.iter().map(Planned::columns).fold(0, u64::saturating_add)
    }

    pub(super) fn check_rows(&self, scope: &Scope<'_>, expected: u64, reason: &str) -> Result<(), ReadError> {
        self.0
            .iter()
            .try_for_each(|planned| planned.check_rows(scope, expected, reason))
    }

    pub(super) fn kept(&self) -> u64 {
        self.0
            .iter()
            .map(|planned| planned.kept(4))
            .fold(0, u64::saturating_add)
    }

    /// While one of them is read: its bytes, and its numbers until they are in their columns.
    pub(super) fn transient(&self) -> u64 {
        let several = self.0.len() > 1;
        let own = |planned: &Planned| {
            let numbers = if several { planned.kept(4) } else { 0 };
            planned.transient().saturating_add(numbers)
        };
        self.0.iter().map(own).max().unwrap_or(0)
    }

    /// Appends some rows; `rounding` has one for each of the arrays.
    pub(super) fn append(
        &self,
        scope: &mut Scope<'_>,
        rows: Range<u64>,
        to: &mut Vec<f32>,
        rounding: &mut Vec<(String, Rounding)>,
    ) -> Result<(), ReadError> {
        for planned in self.0.iter().skip(rounding.len()) {
            rounding.push((planned.key().to_owned(), Rounding::default()));
        }
        if let ([one], [(_, rounding), ..]) = (&self.0[..], &mut rounding[..]) {
            return one.append_f32(scope, rows, to, rounding);
        }
        let (start, width) = (to.len(), self.columns() as usize);
        let count = (rows.end - rows.start) as usize;
        to.resize(start + count * width, 0.0);
        let mut first = 0;
        let mut numbers = Vec::new();
        for (planned, (_, rounding)) in self.0.iter().zip(rounding) {
            let columns = planned.columns() as usize;
            numbers.clear();
            planned.append_f32(scope, rows.clone(), &mut numbers, rounding)?;
            let wide = to[start..].chunks_exact_mut(width);
            for (row, numbers) in wide.zip(numbers.chunks_exact(columns)) {
                row[first..first + columns].copy_from_slice(numbers);
            }
            first += columns;
        }
        Ok(())
    }

    /// The arrays with the columns at which they begin.
    pub(super) fn begins(&self, keys: &[String]) -> Vec<(String, usize)> {
        let mut first = 0;
        let place = |(key, planned): (&String, &Planned)| {
            let own = first;
            first += planned.columns() as usize;
            (key.clone(), own)
        };
        keys.iter().zip(&self.0).map(place).collect()
    }
}

/// More of what there is instead.
fn explain(scope: &mut Scope<'_>, key: &str, error: ReadError) -> ReadError {
    match error {
        ReadError::MissingKey { key: place, .. } => ReadError::MissingKey {
            key: place,
            present: scope.near(key),
        },
        other => other,
    }
}

/// The shape of an array that is pictures, a row each.
pub(super) fn image(scope: &mut Scope<'_>, key: &str) -> Option<Vec<u64>> {
    let header = scope.tree.header(&format!("{}{key}", scope.prefix)).ok()??;
    let bytes = header.element == Element::Integer { size: 1, signed: false };
    let is_image = (bytes && header.shape.len() >= 3) || header.shape.len() >= 4;
    is_image.then_some(header.shape)
}
