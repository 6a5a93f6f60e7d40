//! [`Exec`]: how layers are executed, and the memory they compute in.

use diffplan_kernels::{Buffer, RowsMut};
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// Which algorithm convolutions of kernel 5 take. They agree to rounding, not to the bit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Algorithm {
    /// What suits the layer: Toom-Cook from 64 channels on. (What suits a network is a network's to say.)
    #[default]
    Auto,
    /// Toom-Cook where the length is a multiple of four: half of the multiplications or fewer. The error is 6e-7 of a layer's
    /// output of 256 channels, that of the direct sum 2e-7; weights take 1.4 to 1.6 times the memory.
    ToomCook,
    /// Tap by tap. For batches of a few rows, where reading the weights takes longer than multiplying, and for small networks:
    /// neighbouring outputs that are nearly equal come out nearly equal with the same rounding, which matters where a
    /// normalisation then divides by their difference.
    Direct,
}

/// In which precision convolutions multiply. Sums, and everything else, are float32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Precision {
    /// float32.
    #[default]
    F32,
    /// Weights and inputs rounded to bfloat16, tap by tap. Half the time a product on CPUs with AVX-512 BF16, and half the
    /// memory of weights; no gain elsewhere. The error is 1e-2 of a planner network's output at most. Gradients of weights stay float32.
    Bf16,
}

impl Precision {
    /// Its name in files and on command lines.
    pub fn name(self) -> &'static str {
        match self {
            Precision::F32 => "f32",
            Precision::Bf16 => "bf16",
        }
    }
}

impl std::fmt::Display for Precision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// How networks are computed: what a caller chooses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Compute {
    /// Threads of the current rayon pool to share the work between; 0 and 1 keep it on the calling thread.
    pub threads: usize,
    /// Which algorithm convolutions take.
    pub algorithm: Algorithm,
    /// In which precision they multiply.
    pub precision: Precision,
}

/// How layers are executed, and scratch memory: an argument of every pass, beside the signals.
///
/// Results have the same bits for any number of threads; algorithm and precision change the rounding.
#[derive(Debug, Default)]
pub struct Exec {
    /// Algorithm, precision, and over how many threads the channels of a layer are shared out: for batches too small to be
    /// split themselves.
    pub compute: Compute,
    /// Combined inputs of a convolution by Toom-Cook; inputs rounded to bfloat16.
    pub(crate) inputs: Buffer,
}

/// Outputs that can be split between two columns.
pub(crate) trait Columns: Send + Sized {
    fn split(self, columns: usize) -> (Self, Self);
}

impl Columns for RowsMut<'_> {
    fn split(self, columns: usize) -> (Self, Self) {
        self.split_columns(columns)
    }
}

impl<C: Columns> Columns for Option<C> {
    fn split(self, columns: usize) -> (Self, Self) {
        self.map_or((None, None), |some| {
            let (left, right) = some.split(columns);
            (Some(left), Some(right))
        })
    }
}

impl<A: Columns, B: Columns> Columns for (A, B) {
    fn split(self, columns: usize) -> (Self, Self) {
        let ((a, a_rest), (b, b_rest)) = (self.0.split(columns), self.1.split(columns));
        ((a, b), (a_rest, b_rest))
    }
}

impl Columns for &mut [f32] {
    fn split(self, columns: usize) -> (Self, Self) {
        self.split_at_mut(columns)
    }
}

/// Shares the columns out over so many threads, in whole `unit`s and as evenly as they allow. What becomes of a column does not
/// depend on how they are shared.
pub(crate) fn over_columns<C: Columns>(
    threads: usize,
    unit: usize,
    columns: Range<usize>,
    outputs: C,
    run: &(impl Fn(Range<usize>, C) + Sync),
) {
    let units = columns.len().div_ceil(unit);
    if threads <= 1 || units <= 1 {
        return run(columns, outputs);
    }
    let left_threads = threads.div_ceil(2);
    let left_units = (units * left_threads / threads).clamp(1, units - 1);
    let middle = columns.start + left_units * unit;
    let (left, right) = outputs.split(left_units * unit);
    rayon::join(
        || over_columns(left_threads, unit, columns.start..middle, left, run),
        || over_columns(threads - left_threads, unit, middle..columns.end, right, run),
    );
}

/// Runs `run` on one `unit` of columns after another.
pub(crate) fn one_by_one<C: Columns>(
    unit: usize,
    columns: Range<usize>,
    outputs: C,
    mut run: impl FnMut(Range<usize>, C),
) {
    let (mut start, mut rest) = (columns.start, outputs);
    while columns.end - start > unit {
        let (first, others) = rest.split(unit);
        run(start..start + unit, first);
        (start, rest) = (start + unit, others);
    }
    run(start..columns.end, rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_is_run_once_in_whole_units() {
        for threads in [0, 1, 2, 3, 8] {
            for count in [1, 31, 32, 33, 64, 70, 256] {
                let mut numbers = vec![0.0; count];
                let row = RowsMut::new(&mut numbers, count);
                over_columns(threads, 32, 0..count, row, &|columns, row| {
                    assert_eq!(columns.len(), row.cols());
                    one_by_one(32, columns, row, |columns, mut row| {
                        assert!(columns.start.is_multiple_of(32) && (columns.len() == 32 || columns.end == count));
                        row.row(0)
                            .iter_mut()
                            .zip(columns)
                            .for_each(|(x, c)| *x += c as f32 + 1.0);
                    });
                });
                assert!(
                    (0..count).all(|c| numbers[c] == c as f32 + 1.0),
                    "{threads} threads, {count} columns"
                );
            }
        }
    }
}
