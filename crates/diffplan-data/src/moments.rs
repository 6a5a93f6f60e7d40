//! [`Moments`]: mean, standard deviation and range of columns, in one pass over rows.
//!
//! The squared differences are summed by Welford's method, row by row: of the numbers' own squares, or of their distances to the first
//! one, nothing would be left where a column is far from zero, or its first number far from the others. A constant column has a
//! deviation of exactly 0. Rows are taken one after the other, so the bits do not depend on how they are cut into blocks, nor on
//! whether they come from memory or from a file. What is not finite is left out of its column.

/// Mean, standard deviation (population) and range of every column of the rows that were seen.
#[derive(Debug, Clone, PartialEq)]
pub struct Moments {
    /// Rows whose numbers were all finite, before the first that had another.
    rows: u64,
    /// Finite numbers of every column, once they differ between columns.
    counts: Option<Vec<u64>>,
    sums: Vec<f64>,
    /// Welford's running means.
    means: Vec<f64>,
    /// Sums of squared differences from the mean.
    squares: Vec<f64>,
    mins: Vec<f64>,
    maxs: Vec<f64>,
}

/// Numbers of a column in [`Moments::to_numbers`].
#[cfg(feature = "hdf5")]
pub(crate) const NUMBERS: usize = 5;

impl Moments {
    /// Of no rows, of so many columns.
    #[must_use]
    pub fn new(columns: usize) -> Self {
        Self {
            rows: 0,
            counts: None,
            sums: vec![0.0; columns],
            means: vec![0.0; columns],
            squares: vec![0.0; columns],
            mins: vec![f64::INFINITY; columns],
            maxs: vec![f64::NEG_INFINITY; columns],
        }
    }

    /// How many there are.
    #[must_use]
    pub fn columns(&self) -> usize {
        self.means.len()
    }

    /// Whether all numbers so far were.
    #[cfg(feature = "hdf5")]
    pub(crate) fn is_finite(&self) -> bool {
        self.counts.is_none()
    }

    /// Adds whole rows, one after the other.
    pub fn push<T: Copy + Into<f64>>(&mut self, values: &[T]) {
        let columns = self.columns().max(1);
        for row in values.chunks_exact(columns) {
            self.push_row(row.iter().copied());
        }
    }

    /// Adds a row of as many numbers as there are columns.
    pub(crate) fn push_row<T: Into<f64>>(&mut self, row: impl Iterator<Item = T> + Clone) {
        if self.counts.is_none() && row.clone().all(|x| x.into().is_finite()) {
            self.rows += 1;
            let share = 1.0 / self.rows as f64;
            let columns = row.zip(&mut self.means).zip(&mut self.squares).zip(&mut self.sums);
            let columns = columns.zip(self.mins.iter_mut().zip(&mut self.maxs));
            for ((((x, mean), squares), sum), (min, max)) in columns {
                let x = x.into();
                let off = x - *mean;
                *mean += off * share;
                *squares += off * (x - *mean);
                *sum += x;
                *min = if x < *min { x } else { *min };
                *max = if x > *max { x } else { *max };
            }
            return;
        }
        let (rows, columns) = (self.rows, self.columns());
        let counts = self.counts.get_or_insert_with(|| vec![rows; columns]);
        for (i, (x, count)) in row.zip(counts).enumerate() {
            let x = x.into();
            if x.is_finite() {
                *count += 1;
                let off = x - self.means[i];
                self.means[i] += off * (1.0 / *count as f64);
                self.squares[i] += off * (x - self.means[i]);
                self.sums[i] += x;
                self.mins[i] = self.mins[i].min(x);
                self.maxs[i] = self.maxs[i].max(x);
            }
        }
    }

    /// Finite numbers of a column.
    fn count(&self, column: usize) -> u64 {
        self.counts.as_ref().map_or(self.rows, |counts| counts[column])
    }

    /// Whether a column has one number, however often.
    fn is_constant(&self, column: usize) -> bool {
        self.mins[column] == self.maxs[column]
    }

    /// The mean of a column; NaN of none. That of equal numbers is theirs.
    #[must_use]
    pub fn mean(&self, column: usize) -> f64 {
        match self.is_constant(column) {
            true => self.mins[column],
            false => self.sums[column] / self.count(column) as f64,
        }
    }

    /// The standard deviation of a column; NaN of none, exactly 0 of equal numbers.
    #[must_use]
    pub fn std(&self, column: usize) -> f64 {
        match self.is_constant(column) {
            true => 0.0,
            false => (self.squares[column] / self.count(column) as f64).sqrt(),
        }
    }

    /// The smallest number of a column; infinity of none.
    #[must_use]
    pub fn min(&self, column: usize) -> f64 {
        self.mins[column]
    }

    /// The largest number of a column; negative infinity of none.
    #[must_use]
    pub fn max(&self, column: usize) -> f64 {
        self.maxs[column]
    }

    /// Those of some of the columns.
    pub(crate) fn part(&self, columns: std::ops::Range<usize>) -> Self {
        let of = |values: &[f64]| values[columns.clone()].to_vec();
        Self {
            rows: self.rows,
            counts: self.counts.as_ref().map(|counts| counts[columns.clone()].to_vec()),
            sums: of(&self.sums),
            means: of(&self.means),
            squares: of(&self.squares),
            mins: of(&self.mins),
            maxs: of(&self.maxs),
        }
    }

    /// All of it in numbers, [`NUMBERS`] a column, where everything was finite.
    #[cfg(feature = "hdf5")]
    pub(crate) fn to_numbers(&self) -> Vec<f64> {
        let columns = 0..self.columns();
        let of = |i| [self.sums[i], self.means[i], self.squares[i], self.mins[i], self.maxs[i]];
        columns.flat_map(of).collect()
    }

    /// Back from there, of so many rows.
    #[cfg(feature = "hdf5")]
    pub(crate) fn of_numbers(rows: u64, numbers: &[f64]) -> Self {
        let of = |at: usize| numbers.iter().skip(at).step_by(NUMBERS).copied().collect();
        Self {
            rows,
            counts: None,
            sums: of(0),
            means: of(1),
            squares: of(2),
            mins: of(3),
            maxs: of(4),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The twin: two passes over the finite numbers of a column.
    fn twin(values: &[f32], columns: usize, column: usize) -> (f64, f64) {
        let finite: Vec<f64> = values
            .iter()
            .skip(column)
            .step_by(columns)
            .filter(|x| x.is_finite())
            .map(|&x| f64::from(x))
            .collect();
        let mean = finite.iter().sum::<f64>() / finite.len() as f64;
        let squares: f64 = finite.iter().map(|x| (x - mean).powi(2)).sum();
        (mean, (squares / finite.len() as f64).sqrt())
    }

    fn values() -> Vec<f32> {
        let mut state = 1_u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / 16_777_216.0
        };
        (0..1000).flat_map(|_| [next(), 1e6 + next(), 0.1]).collect()
    }

    #[test]
    fn one_pass_gives_what_two_give() {
        let mut values = values();
        for holes in [&[][..], &[f32::NAN, f32::INFINITY]] {
            for (i, hole) in holes.iter().enumerate() {
                values[300 + 4 * i] = *hole;
            }
            let mut moments = Moments::new(3);
            moments.push(&values);
            for column in 0..3 {
                let (mean, std) = twin(&values, 3, column);
                assert!((moments.mean(column) - mean).abs() <= 1e-15 * mean.abs() * 1e3);
                assert!((moments.std(column) - std).abs() <= 1e-9 * std + 1e-14, "{column}");
            }
            assert_eq!((moments.mean(2), moments.std(2)), (f64::from(0.1_f32), 0.0));
            assert_eq!(
                (moments.min(2), moments.max(2)),
                (f64::from(0.1_f32), f64::from(0.1_f32))
            );
        }
    }

    /// A first number far from all others, which leaves nothing of a sum of distances to it.
    #[test]
    fn a_far_first_number_does_no_harm() {
        let mut values = vec![1e9_f64];
        values.extend((0..1_000_000).map(|i| f64::from(i % 2)));
        let mut moments = Moments::new(1);
        moments.push(&values);
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let std = (values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n).sqrt();
        assert!((moments.std(0) - std).abs() < 1e-9 * std);
    }

    #[test]
    fn bits_do_not_depend_on_cuts() {
        let values = values();
        let mut whole = Moments::new(3);
        whole.push(&values);
        for rows in [1, 7, 128, 999] {
            let mut cut = Moments::new(3);
            values.chunks(3 * rows).for_each(|block| cut.push(block));
            assert_eq!(cut, whole);
        }
        // Columns do not see each other.
        let mut one = Moments::new(1);
        values.iter().skip(1).step_by(3).for_each(|x| one.push(&[*x]));
        assert_eq!(whole.part(1..2), one);
    }

    #[cfg(feature = "hdf5")]
    #[test]
    fn numbers_are_all_of_it() {
        let mut moments = Moments::new(3);
        moments.push(&values());
        assert_eq!(Moments::of_numbers(1000, &moments.to_numbers()), moments);
    }
}
