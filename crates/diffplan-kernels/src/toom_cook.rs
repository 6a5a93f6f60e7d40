//! Convolutions of kernel 5, stride 1 and padding 2 with fewer multiplications than taps: Toom-Cook, as Winograd (1980)
//! arranges it for filtering, over tiles of four outputs.
//!
//! A convolution is a product of polynomials, which is known once its values at enough points are known; transposing that
//! algorithm gives one for filtering:
//!
//! > y = S [(G w) ⊙ (B x)]
//!
//! with small matrices S, G, B, where ⊙ multiplies a row of channels with a matrix of channels × channels. Two forms:
//!
//! | form | inputs | products, direct | points | relative error (float32, 256 channels) |
//! | --- | --- | --- | --- | --- |
//! | `Whole`, length 4 | the 4 that are there | 7, 14 | 0, ±1, ±2, ½, ∞ | 5.2e-7 |
//! | `Tiles`, multiples of 4 beyond | 8 a tile | 8, 20 | 0, ±1, ±2, ±½, ∞ | 6.0e-7 |
//!
//! `Tiles`: with N_r(x) = Π_{i≠r} (x − t_i) over the finite points, row r of B is N_r's coefficients, G[r][k] = t_r^k / N_r(t_r)
//! and S[i][r] = t_r^i. `Whole` is the Toeplitz product of size 4, transposed from the product of two polynomials of degree
//! 3: B[r][q] = t_r^q, S[p][r] = t_r^(3−p), and G[r] holds the coefficients of N_r / N_r(t_r). G w is computed once, in
//! float64, when weights are packed. The direct sum in one chain of 1,280 additions has an error of 5.5e-7. Most of the error
//! here comes from the sums over channels and little from the combinations (1.7e-7): so channels are summed in chains of 32.
//! Karatsuba twice (points 0, ±1, ∞) takes 9 products instead of 7, for half the error in one chain, 6e-7.
//!
//! A panel's products for up to 32 rows stay in the first-level cache until they have been combined. What a row of the
//! output comes from is a row's own inputs alone, so its bits do not depend on what else is in the batch.

use crate::buffer::Buffer;
use crate::isa::{Isa, dispatch};
use crate::packed::{MatRef, Packed};
use crate::product::{Init, Product, Start};
use crate::rows::RowsMut;
use crate::simd::Simd;

/// The finite points; infinity is the last product of both forms.
const POINTS: [f64; 7] = [0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5];
/// Outputs of a tile.
const TILE: usize = 4;
/// Taps of the kernel.
const KERNEL: usize = 5;
/// The most products a tile has.
const MOST: usize = 8;
/// Rows whose products are computed before they are combined.
const ROWS: usize = 32;
/// The longest chain of additions that starts from zero. Rounding in the sums over channels is most of the error: by chains of
/// 32 it becomes less than half, for 2 % of the time.
const CHAIN: usize = 32;
/// Numbers between planes that lie a power of two apart: without them, the same row of all planes would fall into one set of
/// the first-level cache.
const GAP: usize = 16;
/// From one product's numbers to the next one's.
const PLANE: usize = ROWS * Packed::PANEL + GAP;

/// Which form a length takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Whole,
    Tiles,
}

/// Weights of a convolution of kernel 5, stride 1 and padding 2, ready for signals of a kind of length.
#[derive(Clone, Debug)]
pub struct ToomCook {
    form: Form,
    weights: Packed,
}

/// The matrices of a form that vary.
///
/// # Safety
/// Of its functions: the CPU has the instruction set.
trait Tile {
    const PRODUCTS: usize;
    /// B x for the inputs at positions -2 … 5 from the tile's first; those beyond `PRODUCTS` have no meaning.
    unsafe fn input<S: Simd>(x: [S::V; 8]) -> [S::V; MOST];
    /// S m.
    unsafe fn output<S: Simd>(m: [S::V; MOST]) -> [S::V; TILE];
}

struct Whole;
struct Tiles;

/// a · x + y for a constant.
///
/// # Safety
/// The CPU must have the instruction set.
#[inline(always)]
unsafe fn axpy<S: Simd>(a: f32, x: S::V, y: S::V) -> S::V {
    // SAFETY: the caller vouches for the instruction set.
    unsafe { S::mul_add(S::splat(a), x, y) }
}

impl Tile for Whole {
    const PRODUCTS: usize = 7;
    #[inline(always)]
    unsafe fn input<S: Simd>(x: [S::V; 8]) -> [S::V; MOST] {
        let [_, _, x0, x1, x2, x3, _, _] = x;
        // SAFETY: the caller vouches for the instruction set.
        unsafe {
            let (even, odd) = (S::add(x0, x2), S::add(x1, x3));
            let even2 = axpy::<S>(4.0, x2, x0);
            let odd2 = axpy::<S>(4.0, x3, x1);
            let odd2 = S::add(odd2, odd2);
            let half = axpy::<S>(0.125, x3, axpy::<S>(0.25, x2, axpy::<S>(0.5, x1, x0)));
            [
                x0,
                S::add(even, odd),
                S::sub(even, odd),
                S::add(even2, odd2),
                S::sub(even2, odd2),
                half,
                x3,
                x3,
            ]
        }
    }
    #[inline(always)]
    unsafe fn output<S: Simd>(m: [S::V; MOST]) -> [S::V; TILE] {
        // SAFETY: the caller vouches for the instruction set.
        unsafe {
            let (sum, difference) = (S::add(m[1], m[2]), S::sub(m[1], m[2]));
            let (sum2, difference2) = (S::add(m[3], m[4]), S::sub(m[3], m[4]));
            [
                S::add(axpy::<S>(0.125, m[5], axpy::<S>(8.0, difference2, difference)), m[6]),
                axpy::<S>(0.25, m[5], axpy::<S>(4.0, sum2, sum)),
                axpy::<S>(0.5, m[5], axpy::<S>(2.0, difference2, difference)),
                S::add(S::add(m[0], m[5]), S::add(sum, sum2)),
            ]
        }
    }
}

impl Tile for Tiles {
    const PRODUCTS: usize = 8;
    #[inline(always)]
    unsafe fn input<S: Simd>(x: [S::V; 8]) -> [S::V; MOST] {
        // SAFETY: the caller vouches for the instruction set.
        unsafe {
            let even = axpy::<S>(-4.25, x[4], S::add(x[6], x[2]));
            let odd = axpy::<S>(-4.25, x[3], S::add(x[5], x[1]));
            let even2 = axpy::<S>(0.25, x[2], axpy::<S>(-1.25, x[4], x[6]));
            let odd2 = axpy::<S>(0.5, x[1], axpy::<S>(-2.5, x[3], S::add(x[5], x[5])));
            let even_half = axpy::<S>(4.0, x[2], axpy::<S>(-5.0, x[4], x[6]));
            let odd_half = axpy::<S>(2.0, x[1], axpy::<S>(-2.5, x[3], S::mul(S::splat(0.5), x[5])));
            [
                axpy::<S>(5.25, S::sub(x[2], x[4]), S::sub(x[6], x[0])),
                S::add(even, odd),
                S::sub(even, odd),
                S::add(even2, odd2),
                S::sub(even2, odd2),
                S::add(even_half, odd_half),
                S::sub(even_half, odd_half),
                axpy::<S>(5.25, S::sub(x[3], x[5]), S::sub(x[7], x[1])),
            ]
        }
    }
    #[inline(always)]
    unsafe fn output<S: Simd>(m: [S::V; MOST]) -> [S::V; TILE] {
        // SAFETY: the caller vouches for the instruction set.
        unsafe {
            let (sum, difference) = (S::add(m[1], m[2]), S::sub(m[1], m[2]));
            let (sum2, difference2) = (S::add(m[3], m[4]), S::sub(m[3], m[4]));
            let (sum_half, difference_half) = (S::add(m[5], m[6]), S::sub(m[5], m[6]));
            [
                S::add(S::add(m[0], sum), S::add(sum2, sum_half)),
                axpy::<S>(0.5, difference_half, axpy::<S>(2.0, difference2, difference)),
                axpy::<S>(0.25, sum_half, axpy::<S>(4.0, sum2, sum)),
                S::add(
                    axpy::<S>(0.125, difference_half, axpy::<S>(8.0, difference2, difference)),
                    m[7],
                ),
            ]
        }
    }
}

/// Π_{i≠skip} (x − t_i) over the first `count` points: coefficients from x⁰ up.
fn product_of_roots(count: usize, skip: usize) -> [f64; 8] {
    let mut polynomial = [0.0; 8];
    polynomial[0] = 1.0;
    for (i, point) in POINTS[..count].iter().enumerate() {
        if i != skip {
            for k in (0..8).rev() {
                let lower = if k > 0 { polynomial[k - 1] } else { 0.0 };
                polynomial[k] = lower - point * polynomial[k];
            }
        }
    }
    polynomial
}

impl Form {
    fn of(len: usize) -> Option<Self> {
        match len {
            4 => Some(Form::Whole),
            _ if len > 0 && len.is_multiple_of(TILE) => Some(Form::Tiles),
            _ => None,
        }
    }

    fn products(self) -> usize {
        match self {
            Form::Whole => Whole::PRODUCTS,
            Form::Tiles => Tiles::PRODUCTS,
        }
    }

    /// G.
    fn weights(self) -> [[f64; KERNEL]; MOST] {
        let mut g = [[0.0; KERNEL]; MOST];
        let finite = self.products() - 1;
        for (r, &point) in POINTS[..finite].iter().enumerate() {
            let others = product_of_roots(finite, r);
            let at_point: f64 = (0..8).map(|k| others[k] * point.powi(k as i32)).sum();
            for k in 0..KERNEL {
                g[r][k] = match self {
                    // The Toeplitz matrix's entries 1 … 5 are the taps; 0 and 6 are zero.
                    Form::Whole => others[k + 1] / at_point,
                    Form::Tiles => point.powi(k as i32) / at_point,
                };
            }
        }
        let all = product_of_roots(finite, finite);
        for k in 0..KERNEL {
            g[finite][k] = match self {
                Form::Whole => all[k + 1],
                Form::Tiles => f64::from(u8::from(k == KERNEL - 1)),
            };
        }
        g
    }
}

impl ToomCook {
    /// Whether signals of this length can be convolved.
    pub fn takes(len: usize) -> bool {
        Form::of(len).is_some()
    }

    /// Whether the weights of one length serve the other too.
    pub fn serves(&self, len: usize) -> bool {
        Form::of(len) == Some(self.form)
    }

    /// Combines the five taps, each (in channels, out channels), for signals of a length.
    ///
    /// # Panics
    /// If the length is none that [`takes`](Self::takes) or the taps are not of one size.
    pub fn pack(len: usize, taps: &[MatRef; KERNEL]) -> Self {
        let form = Form::of(len).expect("a length that is not a multiple of four");
        let (depth, cols) = (taps[0].rows(), taps[0].cols());
        assert!(
            taps.iter().all(|tap| (tap.rows(), tap.cols()) == (depth, cols)),
            "sizes of the taps"
        );
        let g = form.weights();
        let mut weights = Packed::zeros(form.products(), depth, cols);
        let block = depth * Packed::PANEL;
        let data = weights.data_mut();
        for panel in 0..cols.div_ceil(Packed::PANEL) {
            let width = (cols - panel * Packed::PANEL).min(Packed::PANEL);
            for k in 0..depth {
                for j in 0..width {
                    let w: [f64; KERNEL] =
                        std::array::from_fn(|tap| f64::from(taps[tap].at(k, panel * Packed::PANEL + j)));
                    for (r, g) in g[..form.products()].iter().enumerate() {
                        let combined: f64 = g.iter().zip(&w).map(|(g, w)| g * w).sum();
                        data[(panel * form.products() + r) * block + k * Packed::PANEL + j] = combined as f32;
                    }
                }
            }
        }
        Self { form, weights }
    }

    /// Combines the inputs of every tile: `t` becomes `[product][tile][width]`, with a gap behind every product's.
    ///
    /// # Shapes
    /// `x` (len, width), width being batch · in channels.
    ///
    /// # Panics
    /// If the length is none that these weights serve.
    pub fn combine_inputs(&self, x: &[f32], len: usize, t: &mut Buffer) {
        self.combine_inputs_on(Isa::active(), x, len, t);
    }

    fn combine_inputs_on(&self, isa: Isa, x: &[f32], len: usize, t: &mut Buffer) {
        assert!(
            self.serves(len) && x.len().is_multiple_of(len),
            "a signal of another length"
        );
        t.resize(self.form.products() * (x.len() / TILE + GAP));
        // SAFETY: the sizes are as checked and set; `isa` is an available one.
        unsafe {
            match self.form {
                Form::Whole => inputs_with::<Whole>(isa, x, len, t),
                Form::Tiles => inputs_with::<Tiles>(isa, x, len, t),
            }
        }
    }

    /// The convolution's output columns from panel `panels_from` on, as many as `y` has, from combined inputs: `y` = `init` +
    /// the sum.
    ///
    /// # Shapes
    /// `t` as [`combine_inputs`](Self::combine_inputs) makes it; `y` rows (length, batch).
    ///
    /// # Panics
    /// If a size does not fit.
    pub fn outputs(&self, t: &[f32], batch: usize, panels_from: usize, init: Init, y: RowsMut) {
        self.outputs_on(Isa::active(), t, batch, panels_from, init, y);
    }

    fn outputs_on(&self, isa: Isa, t: &[f32], batch: usize, panels_from: usize, init: Init, y: RowsMut) {
        let tile_rows = y.rows() / TILE;
        assert!(
            batch > 0 && y.rows().is_multiple_of(batch) && self.serves(y.rows() / batch),
            "rows of the output"
        );
        let plane = tile_rows * self.weights.depth() + GAP;
        assert_eq!(t.len(), self.form.products() * plane, "combined inputs");
        assert!(y.cols() <= self.weights.cols_from(panels_from), "columns of the output");
        if let Init::Bias(bias) = init {
            assert_eq!(bias.len(), y.cols(), "numbers of a bias");
        }
        // SAFETY: the sizes were checked; `isa` is an available one.
        unsafe {
            match self.form {
                Form::Whole => outputs_with::<Whole>(isa, &self.weights, t, batch, panels_from, init, y),
                Form::Tiles => outputs_with::<Tiles>(isa, &self.weights, t, batch, panels_from, init, y),
            }
        }
    }
}

/// # Safety
/// The CPU must have the instruction set; `t` has room for `PRODUCTS` planes.
#[inline(always)]
unsafe fn inputs_body<S: Simd, T: Tile>(x: &[f32], len: usize, t: &mut [f32]) {
    let (width, tiles) = (x.len() / len, len / TILE);
    let plane = tiles * width + GAP;
    let mut edge = [0f32; 16];
    for tile in 0..tiles {
        for at in (0..width).step_by(S::LANES) {
            let count = (width - at).min(S::LANES);
            // SAFETY: every vector lies within `x` and `t`, or in `edge` where fewer numbers than a vector's are left.
            unsafe {
                let mut inputs = [S::splat(0.0); 8];
                for (i, input) in inputs.iter_mut().enumerate() {
                    let position = (TILE * tile + i).wrapping_sub(2);
                    if position < len {
                        let from = x.as_ptr().add(position * width + at);
                        *input = if count == S::LANES {
                            S::load(from)
                        } else {
                            edge.as_mut_ptr().copy_from_nonoverlapping(from, count);
                            S::load(edge.as_ptr())
                        };
                    }
                }
                let combined = T::input::<S>(inputs);
                for (r, combined) in combined[..T::PRODUCTS].iter().enumerate() {
                    let to = t.as_mut_ptr().add(r * plane + tile * width + at);
                    if count == S::LANES {
                        S::store(to, *combined);
                    } else {
                        S::store(edge.as_mut_ptr(), *combined);
                        to.copy_from_nonoverlapping(edge.as_ptr(), count);
                    }
                }
            }
        }
    }
}

/// # Safety
/// The CPU must have the instruction set; sizes fit, as [`ToomCook::outputs`] checks.
#[inline(always)]
unsafe fn outputs_body<S: Product + Simd, T: Tile>(
    weights: &Packed,
    t: &[f32],
    batch: usize,
    panels_from: usize,
    init: Init,
    y: RowsMut,
) {
    #[repr(align(64))]
    struct Products {
        _numbers: [[f32; PLANE]; MOST],
    }
    let mut y = y;
    let (depth, cols, stride, tile_rows) = (weights.depth(), y.cols(), y.stride(), y.rows() / TILE);
    let (plane, block) = (tile_rows * depth + GAP, depth * Packed::PANEL);
    let mut products = std::mem::MaybeUninit::<Products>::uninit();
    for (panel, column) in (0..cols).step_by(Packed::PANEL).enumerate() {
        let width = (cols - column).min(Packed::PANEL);
        let panel_weights = &weights.data()[(panels_from + panel) * T::PRODUCTS * block..][..T::PRODUCTS * block];
        let accumulate = matches!(init, Init::Accumulate);
        let mut bias_row = [0f32; Packed::PANEL];
        if let Init::Bias(bias) = init {
            bias_row[..width].copy_from_slice(&bias[column..][..width]);
        }
        for first in (0..tile_rows).step_by(ROWS) {
            let rows = (tile_rows - first).min(ROWS);
            let m = products.as_mut_ptr().cast::<f32>();
            for r in 0..T::PRODUCTS {
                // SAFETY: plane r of `t` has `tile_rows` rows of `depth`, the panel's weights are 32 columns of as many, and a
                // plane of `m` has room for 32 rows of 32.
                unsafe {
                    let a = t.as_ptr().add(r * plane + first * depth);
                    let (b, c) = (panel_weights.as_ptr().add(r * block), m.add(r * PLANE));
                    S::panel(
                        depth,
                        rows,
                        Packed::PANEL,
                        a,
                        depth,
                        &[(0, 0)],
                        b,
                        Start::Zero,
                        c,
                        Packed::PANEL,
                        CHAIN,
                    );
                }
            }
            let (mut tile, mut sample) = (first / batch, first % batch);
            for row in first..first + rows {
                for at in (0..width).step_by(S::LANES) {
                    // SAFETY: the products of this row were just computed; rows 4·tile … of `y` are this matrix's own, and
                    // no more columns than it has are touched.
                    unsafe {
                        let mut products = [S::splat(0.0); MOST];
                        for (r, product) in products[..T::PRODUCTS].iter_mut().enumerate() {
                            *product = S::load(m.add(r * PLANE + (row - first) * Packed::PANEL + at).cast_const());
                        }
                        let outputs = T::output::<S>(products);
                        let old = S::load(bias_row.as_ptr().add(at));
                        for (p, output) in outputs.into_iter().enumerate() {
                            let to = y
                                .as_mut_ptr()
                                .add(((TILE * tile + p) * batch + sample) * stride + column + at);
                            let count = (width - at).min(S::LANES);
                            let mut edge = [0f32; 16];
                            if !accumulate && count == S::LANES {
                                S::store(to, S::add(output, old));
                            } else if count == S::LANES {
                                S::store(to, S::add(output, S::load(to.cast_const())));
                            } else {
                                if accumulate {
                                    edge.as_mut_ptr().copy_from_nonoverlapping(to, count);
                                    S::store(edge.as_mut_ptr(), S::add(output, S::load(edge.as_ptr())));
                                } else {
                                    S::store(edge.as_mut_ptr(), S::add(output, old));
                                }
                                to.copy_from_nonoverlapping(edge.as_ptr(), count);
                            }
                        }
                    }
                }
                sample += 1;
                if sample == batch {
                    (tile, sample) = (tile + 1, 0);
                }
            }
        }
    }
}

dispatch!(unsafe fn inputs_with<T: Tile>(x: &[f32], len: usize, t: &mut [f32]) => inputs_body);
dispatch!(unsafe fn outputs_with<T: Tile>(
    weights: &Packed, t: &[f32], batch: usize, panels_from: usize, init: Init, y: RowsMut,
) => outputs_body);

#[cfg(test)]
mod tests;
