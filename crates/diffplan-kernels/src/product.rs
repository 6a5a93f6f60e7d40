//! Sums of products of rows with packed weights: what every layer comes down to.
//!
//! > c[i, :] = init + Σ_terms a[term.row + i · step, :] · b[term.tap]
//!
//! The sum over terms and over the inner size is accumulated in registers, tile by tile: with AVX-512 up to 12 rows × 32
//! columns, with AVX2 up to 6 × 16, activations read as they lie and broadcast, weights streamed from [`Packed`]. A number of
//! `c` is a sum of chains of 128 fused multiply-adds in the order of the terms, so its bits depend neither on how many rows a
//! call holds nor on how they are cut into tiles. The portable path hands each term to `matrixmultiply`.

use crate::isa::{Isa, dispatch};
use crate::packed::{Format, Packed};
use crate::rows::{Rows, RowsMut};
use crate::simd::{Lanes, Portable};

/// One product of a sum: the weights of a tap with the rows from `row` on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Term {
    /// The row of `a` that meets row 0 of `c`.
    pub row: usize,
    /// Which matrix of the packed weights.
    pub tap: usize,
}

/// What a sum of products starts from.
#[derive(Clone, Copy, Debug)]
pub enum Init<'a> {
    /// Zero: the old contents of `c` are not read.
    Zero,
    /// This number in every row of a column: the old contents of `c` are not read.
    Bias(&'a [f32]),
    /// What `c` holds.
    Accumulate,
}

/// A panel's worth of [`Init`].
#[derive(Clone, Copy)]
pub(crate) enum Start {
    Zero,
    /// 32 numbers.
    Row(*const f32),
    Accumulate,
}

/// Terms whose places are looked up at a time; more take several turns, with the same bits.
const TERMS: usize = 8;
/// The longest chain of additions that starts from zero; chains are then added up. The rounding of a sum of n numbers grows
/// with √n in one chain: for five taps of 256 channels this makes it a third.
const CHAIN: usize = 128;

impl Packed {
    /// Whether chains end with every tap, so that summing taps one by one gives the same bits as summing them together.
    pub fn sums_taps_apart(&self) -> bool {
        self.row_len() * 2 > CHAIN
    }
}

/// The product kernel of an instruction set.
///
/// # Safety
/// Of `panel`: the CPU has the instruction set; for every offset `(a, b)` of `terms`, `rows` rows of `depth` numbers lie at
/// `a_rows + a`, `lda` apart, and `depth` rows of 32 numbers at `weights + b`; `rows` rows of `cols` ≤ 32 numbers lie at `c`,
/// `ldc` apart, and are the caller's to write. `chain` is not 0.
pub(crate) trait Product: Lanes {
    #[allow(clippy::too_many_arguments)] // a kernel's operands are what they are
    unsafe fn panel(
        depth: usize,
        rows: usize,
        cols: usize,
        a: *const f32,
        lda: usize,
        terms: &[(usize, usize)],
        weights: *const f32,
        start: Start,
        c: *mut f32,
        ldc: usize,
        chain: usize,
    );
}

impl Product for Portable {
    #[inline(always)]
    unsafe fn panel(
        depth: usize,
        rows: usize,
        cols: usize,
        a: *const f32,
        lda: usize,
        terms: &[(usize, usize)],
        weights: *const f32,
        start: Start,
        c: *mut f32,
        ldc: usize,
        chain: usize,
    ) {
        // SAFETY: all that is read and written is what the caller vouches for.
        unsafe {
            for i in 0..rows {
                let row = c.add(i * ldc);
                match start {
                    Start::Zero => row.write_bytes(0, cols),
                    Start::Row(from) => row.copy_from_nonoverlapping(from, cols),
                    Start::Accumulate => {}
                }
            }
            for &(a_offset, b_offset) in terms {
                for first in (0..depth).step_by(chain) {
                    let (a, b) = (a.add(a_offset + first), weights.add(b_offset + first * Packed::PANEL));
                    let (lda, ldc, depth) = (lda as isize, ldc as isize, (depth - first).min(chain));
                    matrixmultiply::sgemm(
                        rows,
                        depth,
                        cols,
                        1.0,
                        a,
                        lda,
                        1,
                        b,
                        Packed::PANEL as isize,
                        1,
                        1.0,
                        c,
                        ldc,
                        1,
                    );
                }
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod tiled {
    use super::{Packed, Product, Start};
    use crate::simd::{Avx2, Avx512, Avx512Pairs, Lanes};

    /// `MR` rows of two vectors: the accumulators stay in registers over all terms.
    ///
    /// # Safety
    /// As [`Product::panel`] with `MR` rows and the columns of two vectors.
    #[inline(always)]
    #[allow(clippy::too_many_arguments)] // a kernel's operands are what they are
    unsafe fn tile<S: Lanes, const MR: usize>(
        depth: usize,
        cols: usize,
        a: *const f32,
        lda: usize,
        terms: &[(usize, usize)],
        weights: *const f32,
        start: Start,
        c: *mut f32,
        ldc: usize,
        chain: usize,
    ) {
        let mut start = start;
        // SAFETY: all that is read and written is what the caller vouches for.
        unsafe {
            let mut acc = [[S::splat(0.0); 2]; MR];
            let mut length = 0;
            for &(a_offset, b_offset) in terms {
                for first in (0..depth).step_by(chain) {
                    let count = (depth - first).min(chain);
                    if length > 0 && length + count > chain {
                        add::<S, MR>(cols, acc, start, c, ldc);
                        (acc, start, length) = ([[S::splat(0.0); 2]; MR], Start::Accumulate, 0);
                    }
                    let (mut a, mut b) = (a.add(a_offset + first), weights.add(b_offset + first * Packed::PANEL));
                    for _ in 0..count {
                        let b0 = S::load(b);
                        let b1 = S::load(b.add(S::LANES));
                        for (r, acc) in acc.iter_mut().enumerate() {
                            let x = S::splat(*a.add(r * lda));
                            acc[0] = S::mul_add(x, b0, acc[0]);
                            acc[1] = S::mul_add(x, b1, acc[1]);
                        }
                        a = a.add(1);
                        b = b.add(Packed::PANEL);
                    }
                    length += count;
                }
            }
            add::<S, MR>(cols, acc, start, c, ldc);
        }
    }

    /// c = `start` + the sums of a tile.
    ///
    /// # Safety
    /// As [`tile`].
    #[inline(always)]
    unsafe fn add<S: Lanes, const MR: usize>(cols: usize, acc: [[S::V; 2]; MR], start: Start, c: *mut f32, ldc: usize) {
        let mut edge = [0f32; 32];
        let whole = cols >= 2 * S::LANES;
        // SAFETY: all that is read and written is what the caller vouches for; a row of fewer columns than two vectors goes
        // through `edge`, which holds two of any width.
        unsafe {
            for (r, mut acc) in acc.into_iter().enumerate() {
                let row = c.add(r * ldc);
                let to = if whole { row } else { edge.as_mut_ptr() };
                let from = match start {
                    Start::Zero => None,
                    Start::Row(from) => Some(from),
                    Start::Accumulate => {
                        if !whole {
                            to.copy_from_nonoverlapping(row, cols);
                        }
                        Some(to.cast_const())
                    }
                };
                if let Some(from) = from {
                    acc = [
                        S::add(S::load(from), acc[0]),
                        S::add(S::load(from.add(S::LANES)), acc[1]),
                    ];
                }
                S::store(to, acc[0]);
                S::store(to.add(S::LANES), acc[1]);
                if !whole {
                    row.copy_from_nonoverlapping(to, cols);
                }
            }
        }
    }

    /// Implements [`Product`] by tiles of up to so many rows.
    macro_rules! by_tiles {
        ($isa:ident, $most:literal, $($rows:literal)*) => {
            impl Product for $isa {
                #[inline(always)]
                unsafe fn panel(
                    depth: usize,
                    rows: usize,
                    cols: usize,
                    a: *const f32,
                    lda: usize,
                    terms: &[(usize, usize)],
                    weights: *const f32,
                    start: Start,
                    c: *mut f32,
                    ldc: usize,
                    chain: usize,
                ) {
                    const WIDTH: usize = 2 * <$isa as Lanes>::LANES;
                    // Tiles as even as can be: 32 rows are 11, 11 and 10 rather than 12, 12 and 8.
                    let tiles = rows.div_ceil($most);
                    for column in (0..cols).step_by(WIDTH) {
                        let cols = (cols - column).min(WIDTH);
                        let mut row = 0;
                        for i in 0..tiles {
                            let end = rows * (i + 1) / tiles;
                            // SAFETY: a part of the rows and columns that the caller vouches for.
                            unsafe {
                                let (a, c) = (a.add(row * lda), c.add(row * ldc + column));
                                let weights = weights.add(column);
                                let start = match start {
                                    Start::Row(from) => Start::Row(from.add(column)),
                                    other => other,
                                };
                                match end - row {
                                    $($rows => tile::<$isa, $rows>(depth, cols, a, lda, terms, weights, start, c, ldc, chain),)*
                                    _ => unreachable!("a tile has at least one row and at most as many as a kernel takes"),
                                }
                            }
                            row = end;
                        }
                    }
                }
            }
        };
    }
    by_tiles!(Avx512, 12, 1 2 3 4 5 6 7 8 9 10 11 12);
    by_tiles!(Avx512Pairs, 12, 1 2 3 4 5 6 7 8 9 10 11 12);
    by_tiles!(Avx2, 6, 1 2 3 4 5 6);
}

/// # Safety
/// The CPU must have the instruction set; sizes fit, as [`products`] checks.
#[inline(always)]
#[allow(clippy::too_many_arguments)] // a kernel's operands are what they are
unsafe fn products_body<S: Product>(
    a: Rows,
    step: usize,
    terms: &[Term],
    b: &Packed,
    panels_from: usize,
    init: Init,
    c: RowsMut,
) {
    let mut c = c;
    let (rows, cols, ldc, block) = (c.rows(), c.cols(), c.stride(), b.row_len() * Packed::PANEL);
    let mut bias_edge = [0f32; Packed::PANEL];
    for (panel, column) in (0..cols).step_by(Packed::PANEL).enumerate() {
        let width = (cols - column).min(Packed::PANEL);
        let weights = &b.data()[(panels_from + panel) * b.taps() * block..][..b.taps() * block];
        let mut start = match init {
            Init::Zero => Start::Zero,
            Init::Accumulate => Start::Accumulate,
            Init::Bias(bias) if width == Packed::PANEL => Start::Row(bias[column..].as_ptr()),
            Init::Bias(bias) => {
                bias_edge[..width].copy_from_slice(&bias[column..]);
                Start::Row(bias_edge.as_ptr())
            }
        };
        let mut first = true;
        let mut chunks = terms.chunks(TERMS);
        loop {
            let chunk = chunks.next().unwrap_or(&[]);
            if chunk.is_empty() && !first {
                break;
            }
            let mut offsets = [(0, 0); TERMS];
            for (offset, term) in offsets.iter_mut().zip(chunk) {
                *offset = (term.row * a.stride(), term.tap * block);
            }
            // SAFETY: `products` checked that every term's rows are rows of `a`, its tap one of `b`'s, and the columns those
            // of the panels; `c` is exclusively borrowed, a bias row is 32 numbers.
            unsafe {
                S::panel(
                    b.row_len(),
                    rows,
                    width,
                    a.as_ptr(),
                    a.stride() * step,
                    &offsets[..chunk.len()],
                    weights.as_ptr(),
                    start,
                    c.as_mut_ptr().add(column),
                    ldc,
                    CHAIN,
                );
            }
            first = false;
            start = Start::Accumulate;
        }
    }
}

dispatch!(unsafe fn products_with(a: Rows, step: usize, terms: &[Term], b: &Packed, panels_from: usize, init: Init, c: RowsMut) => products_body);

/// [`products_body`] on pairs of bfloat16 numbers.
///
/// # Safety
/// The CPU must have AVX-512 BF16; sizes fit, as [`products`] checks.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma")]
unsafe fn pair_products(a: Rows, step: usize, terms: &[Term], b: &Packed, panels_from: usize, init: Init, c: RowsMut) {
    // SAFETY: as the caller vouches.
    unsafe { products_body::<crate::simd::Avx512Pairs>(a, step, terms, b, panels_from, init, c) };
}

/// c[i, :] = init + Σ_terms a[term.row + i · step, :] · b[term.tap], over the columns of `b` from panel `panels_from` on, as many as
/// `c` has; see the module's text. Where `b` holds bfloat16 numbers, so must `a`: as [`Packed::round_rows`] makes them.
///
/// # Panics
/// If a size does not fit.
#[allow(clippy::too_many_arguments)] // a kernel's operands are what they are
pub fn products(a: Rows, step: usize, terms: &[Term], b: &Packed, panels_from: usize, init: Init, c: RowsMut) {
    products_on(Isa::active(), a, step, terms, b, panels_from, init, c);
}

#[allow(clippy::too_many_arguments)] // a kernel's operands are what they are
pub(crate) fn products_on(
    isa: Isa,
    a: Rows,
    step: usize,
    terms: &[Term],
    b: &Packed,
    panels_from: usize,
    init: Init,
    c: RowsMut,
) {
    assert_eq!(a.cols(), b.row_len(), "inner size");
    assert!(c.cols() <= b.cols_from(panels_from), "columns of the output");
    // The first row and the last of a term are the input's own; no term reads a row where the output has none.
    let reaches = |term: &Term| {
        let last = c
            .rows()
            .checked_sub(1)
            .map(|last| last.checked_mul(step)?.checked_add(term.row));
        term.tap < b.taps() && last.is_none_or(|last| last.is_some_and(|last| last < a.rows()))
    };
    assert!(terms.iter().all(reaches), "a term beyond the rows or the taps");
    if let Init::Bias(bias) = init {
        assert_eq!(bias.len(), c.cols(), "numbers of a bias");
    }
    if c.rows() == 0 || c.cols() == 0 {
        return;
    }
    if b.format() == Format::Bf16Pairs {
        // SAFETY: the sizes were checked; weights are packed so only where the CPU has the instructions.
        #[cfg(target_arch = "x86_64")]
        return unsafe { pair_products(a, step, terms, b, panels_from, init, c) };
        #[cfg(not(target_arch = "x86_64"))]
        unreachable!("weights are packed so only where the CPU has the instructions");
    }
    // SAFETY: the sizes were checked; `isa` is an available one.
    unsafe { products_with(isa, a, step, terms, b, panels_from, init, c) };
}

#[cfg(test)]
mod tests;
