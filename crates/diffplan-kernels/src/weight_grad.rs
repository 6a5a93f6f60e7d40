//! The gradient of packed products with respect to their weights: sums of outer products of rows.
//!
//! > w[k, j] += Σ_i x[i, k] · d[i, j]
//!
//! A tile of 12 × 32 numbers of w (6 × 16 with AVX2) stays in registers while all rows go by: the rows of `d` are read as
//! vectors, those of `x` broadcast, both as they lie. A number's chain of additions is in the order of the rows, whatever
//! else is computed. The portable path is `matrixmultiply`.

use crate::isa::{Isa, dispatch};
use crate::rows::{Rows, RowsMut};
use crate::simd::{Lanes, Portable};

/// The kernel of an instruction set.
///
/// # Safety
/// Of `outer`: the CPU has the instruction set; the pointers are those of `count` rows of at least `depth` and `cols` numbers,
/// and of `depth` rows of `cols` numbers that are the caller's to write.
pub(crate) trait Outer: Lanes {
    #[allow(clippy::too_many_arguments)] // a kernel's operands are what they are
    unsafe fn outer(
        count: usize,
        depth: usize,
        cols: usize,
        x: (*const f32, usize),
        d: (*const f32, usize),
        w: (*mut f32, usize),
    );
}

impl Outer for Portable {
    #[inline(always)]
    unsafe fn outer(
        count: usize,
        depth: usize,
        cols: usize,
        x: (*const f32, usize),
        d: (*const f32, usize),
        w: (*mut f32, usize),
    ) {
        let (x_stride, d_stride, w_stride) = (x.1 as isize, d.1 as isize, w.1 as isize);
        // SAFETY: all that is read and written is what the caller vouches for.
        unsafe {
            matrixmultiply::sgemm(
                depth, count, cols, 1.0, x.0, 1, x_stride, d.0, d_stride, 1, 1.0, w.0, w_stride, 1,
            );
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod tiled {
    use super::Outer;
    use crate::simd::{Avx2, Avx512, Lanes};

    /// `MR` rows of w, two vectors of columns.
    ///
    /// # Safety
    /// As [`Outer::outer`] with `MR` as the depth.
    #[inline(always)]
    unsafe fn tile<S: Lanes, const MR: usize>(
        count: usize,
        cols: usize,
        x: (*const f32, usize),
        d: (*const f32, usize),
        w: (*mut f32, usize),
    ) {
        let mut edge = [0f32; 32];
        let whole = cols >= 2 * S::LANES;
        // SAFETY: all that is read and written is what the caller vouches for; where there are fewer columns than two
        // vectors hold, they go through `edge`, which holds two of any width.
        unsafe {
            let mut acc = [[S::splat(0.0); 2]; MR];
            for (k, acc) in acc.iter_mut().enumerate() {
                let mut row = w.0.add(k * w.1).cast_const();
                if !whole {
                    edge.as_mut_ptr().copy_from_nonoverlapping(row, cols);
                    row = edge.as_ptr();
                }
                *acc = [S::load(row), S::load(row.add(S::LANES))];
            }
            for i in 0..count {
                let (x, mut d) = (x.0.add(i * x.1), d.0.add(i * d.1));
                if !whole {
                    edge.as_mut_ptr().copy_from_nonoverlapping(d, cols);
                    d = edge.as_ptr();
                }
                let (d0, d1) = (S::load(d), S::load(d.add(S::LANES)));
                for (k, acc) in acc.iter_mut().enumerate() {
                    let x = S::splat(*x.add(k));
                    acc[0] = S::mul_add(x, d0, acc[0]);
                    acc[1] = S::mul_add(x, d1, acc[1]);
                }
            }
            for (k, acc) in acc.iter().enumerate() {
                let row = w.0.add(k * w.1);
                if whole {
                    S::store(row, acc[0]);
                    S::store(row.add(S::LANES), acc[1]);
                } else {
                    S::store(edge.as_mut_ptr(), acc[0]);
                    S::store(edge.as_mut_ptr().add(S::LANES), acc[1]);
                    row.copy_from_nonoverlapping(edge.as_ptr(), cols);
                }
            }
        }
    }

    /// Implements [`Outer`] by tiles of up to so many rows.
    macro_rules! by_tiles {
        ($isa:ident, $most:literal, $($rows:literal)*) => {
            impl Outer for $isa {
                #[inline(always)]
                unsafe fn outer(
                    count: usize,
                    depth: usize,
                    cols: usize,
                    x: (*const f32, usize),
                    d: (*const f32, usize),
                    w: (*mut f32, usize),
                ) {
                    const WIDTH: usize = 2 * <$isa as Lanes>::LANES;
                    let tiles = depth.div_ceil($most);
                    for column in (0..cols).step_by(WIDTH) {
                        let cols = (cols - column).min(WIDTH);
                        let mut k = 0;
                        for i in 0..tiles {
                            let end = depth * (i + 1) / tiles;
                            // SAFETY: a part of what the caller vouches for.
                            unsafe {
                                let (x, d) = ((x.0.add(k), x.1), (d.0.add(column), d.1));
                                let w = (w.0.add(k * w.1 + column), w.1);
                                match end - k {
                                    $($rows => tile::<$isa, $rows>(count, cols, x, d, w),)*
                                    _ => unreachable!("a tile has at least one row and at most as many as a kernel takes"),
                                }
                            }
                            k = end;
                        }
                    }
                }
            }
        };
    }
    by_tiles!(Avx512, 12, 1 2 3 4 5 6 7 8 9 10 11 12);
    by_tiles!(Avx2, 6, 1 2 3 4 5 6);
}

/// # Safety
/// The CPU must have the instruction set; sizes fit, as [`add_outer_products`] checks.
#[inline(always)]
unsafe fn outer_body<S: Outer>(x: Rows, d: Rows, w: RowsMut) {
    let mut w = w;
    let (count, depth, cols) = (x.rows(), x.cols(), d.cols());
    // SAFETY: the caller vouches for the sizes and the instruction set.
    unsafe {
        S::outer(
            count,
            depth,
            cols,
            (x.as_ptr(), x.stride()),
            (d.as_ptr(), d.stride()),
            (w.as_mut_ptr(), w.stride()),
        );
    }
}

dispatch!(unsafe fn outer_with(x: Rows, d: Rows, w: RowsMut) => outer_body);

/// w += xᵀ d.
///
/// # Shapes
/// `x` (rows, depth), `d` (rows, cols), `w` (depth, cols).
///
/// # Panics
/// If a size does not fit.
pub fn add_outer_products(x: Rows, d: Rows, w: RowsMut) {
    add_outer_products_on(Isa::active(), x, d, w);
}

fn add_outer_products_on(isa: Isa, x: Rows, d: Rows, w: RowsMut) {
    assert_eq!(x.rows(), d.rows(), "rows");
    assert_eq!((x.cols(), d.cols()), (w.rows(), w.cols()), "size of the weights");
    if x.rows() == 0 || w.rows() == 0 || w.cols() == 0 {
        return;
    }
    // SAFETY: the sizes were checked; `isa` is an available one.
    unsafe { outer_with(isa, x, d, w) };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_close, numbers};

    #[test]
    fn sums_of_outer_products_agree_with_the_slow_twin_on_every_instruction_set() {
        for isa in Isa::available() {
            for count in [1, 2, 7, 33] {
                for depth in (1..=13).chain([25, 37]) {
                    for cols in [1, 8, 15, 16, 17, 31, 32, 33, 70] {
                        let (x, d, old) = (
                            numbers(count * depth, 1),
                            numbers(count * cols, 2),
                            numbers(depth * (cols + 1), 3),
                        );
                        let mut w = old.clone();
                        let whole = RowsMut::new(&mut w, cols + 1).split_columns(cols).0;
                        add_outer_products_on(isa, Rows::new(&x, depth), Rows::new(&d, cols), whole);
                        let expected: Vec<f64> = (0..w.len())
                            .map(|at| {
                                let (k, j) = (at / (cols + 1), at % (cols + 1));
                                let product = |i: usize| f64::from(x[i * depth + k]) * f64::from(d[i * cols + j]);
                                let sum = if j < cols { (0..count).map(product).sum() } else { 0.0 };
                                f64::from(old[at]) + sum
                            })
                            .collect();
                        let name = format!("{} {count} rows, {depth} x {cols}", isa.name());
                        assert_close(&name, &w, &expected, 6e-8 * (count as f64 + 2.0));
                    }
                }
            }
        }
    }
}
