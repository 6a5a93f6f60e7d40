//! Group normalisation fused with the activation that follows it and with what is added then (Wu & He 2018), forward and
//! backward.
//!
//! Rows are (length, batch), columns channels; statistics are those of one sample and one group of neighbouring channels, over
//! all positions. With x̂ = (x − mean) / √(var + eps), the output is f(γ x̂ + β). For the backward pass only x̂ and
//! 1/√(var + eps) are kept: with z = γ x̂ + β, g = γ dy f′(z) and averages over the group,
//! dx = (g − avg(g) − x̂ avg(g x̂)) / √(var + eps).
//!
//! The variance is taken in a second pass around the mean, since one pass over squares loses digits. Where groups are of
//! 1, 2, 4 … 32 channels, channels go through the passes in blocks of 32, as vectors;
//! groups of other sizes, and channels beyond a multiple of 32, take plain loops. Either way a sample's result depends on
//! nothing but the sample. Where the squares of a group overflow its outputs are NaN, not the finite numbers that 1/√∞ = 0 would
//! leave.

use crate::activation::{Activation, Function, activate_on, activation_grad_on, with_function};
use crate::isa::{Isa, dispatch};
use crate::rows::{Rows, RowsMut};
use crate::simd::Simd;
use std::mem::MaybeUninit;

/// The sizes of a group normalisation beyond those of its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupNormShape {
    /// Samples: rows are (length, batch).
    pub batch: usize,
    /// Neighbouring channels that share their statistics.
    pub group: usize,
}

/// What becomes of a normalised and activated row.
#[derive(Clone, Copy, Debug)]
pub enum After<'a> {
    /// It is the output.
    Overwrite,
    /// The output is its sum with a row: one for all samples, or one for each.
    AddRow(Rows<'a>),
    /// It is added to what the output holds.
    Accumulate,
}

/// Channels that go through all passes together.
const BLOCK: usize = 32;
/// Vectors of the narrowest kind in a block.
const VECTORS: usize = 4;
/// Sums that are kept at a time, over samples and channels: rows are read one after another as they lie, since the samples'
/// own order would jump by a power of two from position to position, which caches bear badly.
const SUMS: usize = 2048;

/// Every lane's sum over its group of `group` lanes of a block, times `factor`.
///
/// # Safety
/// The CPU must have the instruction set.
#[inline(always)]
unsafe fn over_groups<S: Simd>(mut sums: [S::V; VECTORS], group: usize, factor: f32) -> [S::V; VECTORS] {
    let count = BLOCK / S::LANES;
    // SAFETY: the caller vouches for the instruction set; steps stay below the number of lanes.
    unsafe {
        for sum in &mut sums[..count] {
            let mut step = 1;
            while step < group.min(S::LANES) {
                *sum = S::add_across(*sum, step);
                step *= 2;
            }
        }
        let mut step = 1;
        while step * S::LANES < group {
            let before = sums;
            for j in 0..count {
                sums[j] = S::add(before[j], before[j ^ step]);
            }
            step *= 2;
        }
        for sum in &mut sums[..count] {
            *sum = S::mul(*sum, S::splat(factor));
        }
    }
    sums
}

/// The channels that blocks cover; the rest is for the plain loops.
fn in_blocks(channels: usize, group: usize) -> usize {
    if group.is_power_of_two() && group <= BLOCK {
        channels - channels % BLOCK
    } else {
        0
    }
}

/// # Safety
/// The CPU must have the instruction set; sizes fit, as [`group_norm`] checks.
#[inline(always)]
#[allow(clippy::too_many_arguments)] // a kernel's operands are what they are
unsafe fn forward_body<S: Simd, F: Function>(
    shape: GroupNormShape,
    eps: f32,
    gamma: &[f32],
    beta: &[f32],
    x: RowsMut,
    inv_std: Option<RowsMut>,
    y: RowsMut,
    after: After,
) {
    let (mut x, mut y, mut inv_std) = (x, y, inv_std);
    let (batch, len) = (shape.batch, x.rows() / shape.batch);
    let (x_step, y_step) = (batch * x.stride(), batch * y.stride());
    let factor = 1.0 / (len * shape.group) as f32;
    let (mut means, mut scales) = (
        MaybeUninit::<[f32; SUMS]>::uninit(),
        MaybeUninit::<[f32; SUMS]>::uninit(),
    );
    let (means, scales) = (means.as_mut_ptr().cast::<f32>(), scales.as_mut_ptr().cast::<f32>());
    let channels = in_blocks(x.cols(), shape.group);
    for at in (0..channels).step_by(SUMS) {
        let width = (channels - at).min(SUMS);
        for first in (0..batch).step_by(SUMS / width) {
            let samples = first..(first + SUMS / width).min(batch);
            // SAFETY: all vectors lie within `width` channels, from `at` on, of rows of these samples, or within the sums, which
            // have room for as many and are set to zero first; the caller vouches for the sizes and the instruction set.
            unsafe {
                means.write_bytes(0, samples.len() * width);
                scales.write_bytes(0, samples.len() * width);
                let x0 = x.as_mut_ptr().add(at);
                for l in 0..len {
                    for sample in samples.clone() {
                        let (x, sum) = (
                            x0.add(l * x_step + sample * x.stride()),
                            means.add((sample - first) * width),
                        );
                        for c in (0..width).step_by(S::LANES) {
                            S::store(sum.add(c), S::add(S::load(sum.add(c)), S::load(x.add(c))));
                        }
                    }
                }
                average::<S>(means, samples.len() * width, shape.group, factor);
                for l in 0..len {
                    for sample in samples.clone() {
                        let place = (sample - first) * width;
                        let x = x0.add(l * x_step + sample * x.stride());
                        let (mean, sum) = (means.add(place), scales.add(place));
                        for c in (0..width).step_by(S::LANES) {
                            let off = S::sub(S::load(x.add(c)), S::load(mean.add(c)));
                            S::store(sum.add(c), S::mul_add(off, off, S::load(sum.add(c))));
                        }
                    }
                }
                average::<S>(scales, samples.len() * width, shape.group, factor);
                for sample in samples.clone() {
                    let place = (sample - first) * width;
                    for c in (0..width).step_by(S::LANES) {
                        let variance = S::load(scales.add(place + c));
                        let inv = S::div(S::splat(1.0), S::sqrt(S::add(variance, S::splat(eps))));
                        // Plus 0; NaN where squares overflowed: 1/√∞ would make a finite output with nothing of the input in it.
                        let inv = S::add(inv, S::sub(variance, variance));
                        S::store(scales.add(place + c), inv);
                        if let Some(saved) = &mut inv_std {
                            S::store(saved.as_mut_ptr().add(sample * saved.stride() + at + c), inv);
                        }
                    }
                }
                let (gamma, beta) = (gamma.as_ptr().add(at), beta.as_ptr().add(at));
                for l in 0..len {
                    for sample in samples.clone() {
                        let place = (sample - first) * width;
                        let (mean, inv) = (means.add(place), scales.add(place));
                        let x = x0.add(l * x_step + sample * x.stride());
                        let y = y.as_mut_ptr().add(l * y_step + sample * y.stride() + at);
                        let row = match &after {
                            After::AddRow(rows) => {
                                let row = if rows.rows() == 1 { 0 } else { sample };
                                rows.as_ptr().add(row * rows.stride() + at)
                            }
                            _ => x.cast_const(),
                        };
                        for c in (0..width).step_by(S::LANES) {
                            let off = S::sub(S::load(x.add(c)), S::load(mean.add(c)));
                            let normalised = S::mul(off, S::load(inv.add(c)));
                            if inv_std.is_some() {
                                S::store(x.add(c), normalised);
                            }
                            let z = S::mul_add(normalised, S::load(gamma.add(c)), S::load(beta.add(c)));
                            let value = F::value::<S>(z);
                            S::store(
                                y.add(c),
                                match &after {
                                    After::Overwrite => value,
                                    After::AddRow(_) => S::add(value, S::load(row.add(c))),
                                    After::Accumulate => S::add(value, S::load(y.add(c))),
                                },
                            );
                        }
                    }
                }
            }
        }
    }
}

/// Sums of blocks become averages over their groups.
///
/// # Safety
/// The CPU must have the instruction set; `count` numbers, whole blocks, are the caller's to write.
#[inline(always)]
unsafe fn average<S: Simd>(sums: *mut f32, count: usize, group: usize, factor: f32) {
    for place in (0..count).step_by(BLOCK) {
        // SAFETY: the caller vouches for whole blocks of numbers.
        unsafe {
            let mut vector = [S::splat(0.0); VECTORS];
            for (j, vector) in vector[..BLOCK / S::LANES].iter_mut().enumerate() {
                *vector = S::load(sums.add(place + j * S::LANES));
            }
            let averages = over_groups::<S>(vector, group, factor);
            for (j, average) in averages[..BLOCK / S::LANES].iter().enumerate() {
                S::store(sums.add(place + j * S::LANES), *average);
            }
        }
    }
}

/// # Safety
/// The CPU must have the instruction set; sizes fit, as [`group_norm_grad`] checks.
#[inline(always)]
#[allow(clippy::too_many_arguments)] // a kernel's operands are what they are
unsafe fn backward_body<S: Simd, F: Function>(
    shape: GroupNormShape,
    gamma: &[f32],
    beta: &[f32],
    normalised: Rows,
    inv_std: Rows,
    dy: Rows,
    dx: RowsMut,
    param_grad: Option<(&mut [f32], &mut [f32])>,
) {
    let (mut dx, mut param_grad) = (dx, param_grad);
    let (batch, len) = (shape.batch, dx.rows() / shape.batch);
    let (x_step, dy_step, dx_step) = (batch * normalised.stride(), batch * dy.stride(), batch * dx.stride());
    let factor = 1.0 / (len * shape.group) as f32;
    let (mut sums_z, mut sums_zx) = (
        MaybeUninit::<[f32; SUMS]>::uninit(),
        MaybeUninit::<[f32; SUMS]>::uninit(),
    );
    let (sums_z, sums_zx) = (sums_z.as_mut_ptr().cast::<f32>(), sums_zx.as_mut_ptr().cast::<f32>());
    let channels = in_blocks(dx.cols(), shape.group);
    for at in (0..channels).step_by(SUMS) {
        let width = (channels - at).min(SUMS);
        for first in (0..batch).step_by(SUMS / width) {
            let samples = first..(first + SUMS / width).min(batch);
            // SAFETY: all vectors lie within `width` channels, from `at` on, of rows of these samples, or within the sums, which
            // have room for as many and are set to zero first; the caller vouches for the sizes and the instruction set.
            unsafe {
                sums_z.write_bytes(0, samples.len() * width);
                sums_zx.write_bytes(0, samples.len() * width);
                let (gamma, beta) = (gamma.as_ptr().add(at), beta.as_ptr().add(at));
                for l in 0..len {
                    for sample in samples.clone() {
                        let x = normalised.as_ptr().add(l * x_step + sample * normalised.stride() + at);
                        let dy = dy.as_ptr().add(l * dy_step + sample * dy.stride() + at);
                        let dx = dx.as_mut_ptr().add(l * dx_step + sample * dx.stride() + at);
                        let place = (sample - first) * width;
                        let (sum_z, sum_zx) = (sums_z.add(place), sums_zx.add(place));
                        for c in (0..width).step_by(S::LANES) {
                            let x = S::load(x.add(c));
                            let slope = F::derivative::<S>(S::mul_add(x, S::load(gamma.add(c)), S::load(beta.add(c))));
                            let dz = S::mul(S::load(dy.add(c)), slope);
                            S::store(dx.add(c), dz);
                            S::store(sum_z.add(c), S::add(S::load(sum_z.add(c)), dz));
                            S::store(sum_zx.add(c), S::mul_add(dz, x, S::load(sum_zx.add(c))));
                        }
                    }
                }
                for place in (0..samples.len() * width).step_by(BLOCK) {
                    if let Some((d_gamma, d_beta)) = &mut param_grad {
                        let c = at + place % width;
                        for (grad, sums) in [(&mut **d_gamma, sums_zx), (&mut **d_beta, sums_z)] {
                            let grad = grad.as_mut_ptr().add(c);
                            for c in (0..BLOCK).step_by(S::LANES) {
                                S::store(grad.add(c), S::add(S::load(grad.add(c)), S::load(sums.add(place + c))));
                            }
                        }
                    }
                    // From sums of dz to sums of g = γ dz.
                    for sums in [sums_z, sums_zx] {
                        for c in (place..place + BLOCK).step_by(S::LANES) {
                            let gamma = S::load(gamma.add(c % width));
                            S::store(sums.add(c), S::mul(gamma, S::load(sums.add(c))));
                        }
                    }
                }
                average::<S>(sums_z, samples.len() * width, shape.group, factor);
                average::<S>(sums_zx, samples.len() * width, shape.group, factor);
                for l in 0..len {
                    for sample in samples.clone() {
                        let x = normalised.as_ptr().add(l * x_step + sample * normalised.stride() + at);
                        let dx = dx.as_mut_ptr().add(l * dx_step + sample * dx.stride() + at);
                        let inv = inv_std.as_ptr().add(sample * inv_std.stride() + at);
                        let place = (sample - first) * width;
                        let (avg_g, avg_gx) = (sums_z.add(place), sums_zx.add(place));
                        for c in (0..width).step_by(S::LANES) {
                            let dz = S::load(dx.add(c));
                            let g = S::sub(S::mul(dz, S::load(gamma.add(c))), S::load(avg_g.add(c)));
                            let off = S::neg_mul_add(S::load(x.add(c)), S::load(avg_gx.add(c)), g);
                            S::store(dx.add(c), S::mul(S::load(inv.add(c)), off));
                        }
                    }
                }
            }
        }
    }
}

dispatch!(unsafe fn forward_with<F: Function>(
    shape: GroupNormShape, eps: f32, gamma: &[f32], beta: &[f32], x: RowsMut, inv_std: Option<RowsMut>, y: RowsMut,
    after: After,
) => forward_body);
dispatch!(unsafe fn backward_with<F: Function>(
    shape: GroupNormShape, gamma: &[f32], beta: &[f32], normalised: Rows, inv_std: Rows, dy: Rows, dx: RowsMut,
    param_grad: Option<(&mut [f32], &mut [f32])>,
) => backward_body);

/// y = f(γ x̂ + β), or what `after` makes of it. Where `inv_std` is given, it is overwritten with 1/√(var + eps), and x is
/// replaced by x̂, its normalised self: the gradient needs both. Otherwise x has no meaning afterwards.
///
/// # Shapes
/// `x` and `y` rows (length, batch) of channels, `gamma` and `beta` (channels), `inv_std` (batch, channels).
///
/// # Panics
/// If a size does not fit.
#[allow(clippy::too_many_arguments)] // a kernel's operands are what they are
pub fn group_norm(
    shape: GroupNormShape,
    eps: f32,
    gamma: &[f32],
    beta: &[f32],
    f: Activation,
    x: RowsMut,
    inv_std: Option<RowsMut>,
    y: RowsMut,
    after: After,
) {
    group_norm_on(Isa::active(), shape, eps, gamma, beta, f, x, inv_std, y, after);
}

#[allow(clippy::too_many_arguments)] // a kernel's operands are what they are
fn group_norm_on(
    isa: Isa,
    shape: GroupNormShape,
    eps: f32,
    gamma: &[f32],
    beta: &[f32],
    f: Activation,
    mut x: RowsMut,
    mut inv_std: Option<RowsMut>,
    mut y: RowsMut,
    after: After,
) {
    let channels = x.cols();
    check(shape, x.rows(), channels, gamma, beta);
    assert_eq!((y.rows(), y.cols()), (x.rows(), channels), "size of the output");
    if let Some(inv_std) = &inv_std {
        assert_eq!(
            (inv_std.rows(), inv_std.cols()),
            (shape.batch, channels),
            "size of the saved scales"
        );
    }
    if let After::AddRow(rows) = after {
        assert!(
            rows.cols() == channels && (rows.rows() == 1 || rows.rows() == shape.batch),
            "size of the rows to add"
        );
    }
    {
        let (x, y, inv_std) = (x.reborrow(), y.reborrow(), inv_std.as_mut().map(RowsMut::reborrow));
        // SAFETY: the sizes were checked; `isa` is an available one.
        with_function!(f, F => unsafe { forward_with::<F>(isa, shape, eps, gamma, beta, x, inv_std, y, after) });
    }
    let first = in_blocks(channels, shape.group);
    let count = (x.rows() / shape.batch * shape.group) as f32;
    for sample in 0..shape.batch {
        for from in (first..channels).step_by(shape.group) {
            let group = from..from + shape.group;
            let rows = (sample..x.rows()).step_by(shape.batch);
            let mean = rows
                .clone()
                .map(|r| x.row(r)[group.clone()].iter().sum::<f32>())
                .sum::<f32>()
                / count;
            let square = |v: &f32| (v - mean) * (v - mean);
            let squares = rows
                .clone()
                .map(|r| x.row(r)[group.clone()].iter().map(square).sum::<f32>());
            let variance = squares.sum::<f32>() / count;
            // As in the blocks: NaN where squares overflowed.
            let inv = 1.0 / (variance + eps).sqrt() + 0.0 * variance;
            if let Some(saved) = &mut inv_std {
                saved.row(sample)[group.clone()].fill(inv);
            }
            for row in rows {
                for c in group.clone() {
                    x.row(row)[c] = (x.row(row)[c] - mean) * inv;
                }
            }
        }
        let mut z = [0f32; BLOCK];
        let mut value = [0f32; BLOCK];
        for row in (sample..x.rows()).step_by(shape.batch) {
            for from in (first..channels).step_by(BLOCK) {
                let width = (channels - from).min(BLOCK);
                for i in 0..width {
                    z[i] = x.row(row)[from + i] * gamma[from + i] + beta[from + i];
                }
                activate_on(isa, f, &z[..width], &mut value[..width]);
                let y = &mut y.row(row)[from..from + width];
                match after {
                    After::Overwrite => y.copy_from_slice(&value[..width]),
                    After::Accumulate => y.iter_mut().zip(&value).for_each(|(y, v)| *y += v),
                    After::AddRow(rows) => {
                        let row = &rows.row(if rows.rows() == 1 { 0 } else { sample })[from..];
                        y.iter_mut().zip(&value).zip(row).for_each(|((y, v), r)| *y = v + r);
                    }
                }
            }
        }
    }
}

/// The gradient of [`group_norm`] without what was added: `dx` is overwritten; those of gamma and beta are accumulated where
/// they are given.
///
/// # Shapes
/// `normalised`, `dy` and `dx` rows (length, batch) of channels, `inv_std` (batch, channels) as `group_norm` left it, the rest
/// (channels).
///
/// # Panics
/// If a size does not fit.
#[allow(clippy::too_many_arguments)] // a kernel's operands are what they are
pub fn group_norm_grad(
    shape: GroupNormShape,
    gamma: &[f32],
    beta: &[f32],
    f: Activation,
    normalised: Rows,
    inv_std: Rows,
    dy: Rows,
    dx: RowsMut,
    param_grad: Option<(&mut [f32], &mut [f32])>,
) {
    group_norm_grad_on(
        Isa::active(),
        shape,
        gamma,
        beta,
        f,
        normalised,
        inv_std,
        dy,
        dx,
        param_grad,
    );
}

#[allow(clippy::too_many_arguments)] // a kernel's operands are what they are
fn group_norm_grad_on(
    isa: Isa,
    shape: GroupNormShape,
    gamma: &[f32],
    beta: &[f32],
    f: Activation,
    normalised: Rows,
    inv_std: Rows,
    dy: Rows,
    mut dx: RowsMut,
    mut param_grad: Option<(&mut [f32], &mut [f32])>,
) {
    let channels = dx.cols();
    check(shape, dx.rows(), channels, gamma, beta);
    for (rows, cols) in [(normalised.rows(), normalised.cols()), (dy.rows(), dy.cols())] {
        assert_eq!((rows, cols), (dx.rows(), channels), "size of an input");
    }
    assert_eq!(
        (inv_std.rows(), inv_std.cols()),
        (shape.batch, channels),
        "size of the saved scales"
    );
    if let Some((d_gamma, d_beta)) = &param_grad {
        assert!(
            d_gamma.len() == channels && d_beta.len() == channels,
            "size of the parameters' gradients"
        );
    }
    {
        let dx = dx.reborrow();
        let param_grad = param_grad.as_mut().map(|(gamma, beta)| (&mut **gamma, &mut **beta));
        // SAFETY: the sizes were checked; `isa` is an available one.
        with_function!(f, F => unsafe {
            backward_with::<F>(isa, shape, gamma, beta, normalised, inv_std, dy, dx, param_grad)
        });
    }
    let first = in_blocks(channels, shape.group);
    let count = (dx.rows() / shape.batch * shape.group) as f32;
    let (mut z, mut dz) = ([0f32; BLOCK], [0f32; BLOCK]);
    for sample in 0..shape.batch {
        let rows = (sample..dx.rows()).step_by(shape.batch);
        for row in rows.clone() {
            for from in (first..channels).step_by(BLOCK) {
                let width = (channels - from).min(BLOCK);
                for i in 0..width {
                    z[i] = normalised.row(row)[from + i] * gamma[from + i] + beta[from + i];
                }
                let dy = &dy.row(row)[from..from + width];
                activation_grad_on(isa, f, &z[..width], dy, &mut dz[..width]);
                dx.row(row)[from..from + width].copy_from_slice(&dz[..width]);
            }
        }
        for from in (first..channels).step_by(shape.group) {
            let (mut avg_g, mut avg_gx) = (0.0, 0.0);
            for c in from..from + shape.group {
                let (mut sum_z, mut sum_zx) = (0.0, 0.0);
                for row in rows.clone() {
                    let dz = dx.row(row)[c];
                    sum_z += dz;
                    sum_zx += dz * normalised.row(row)[c];
                }
                if let Some((d_gamma, d_beta)) = &mut param_grad {
                    d_gamma[c] += sum_zx;
                    d_beta[c] += sum_z;
                }
                avg_g += gamma[c] * sum_z / count;
                avg_gx += gamma[c] * sum_zx / count;
            }
            for row in rows.clone() {
                let group = from..from + shape.group;
                let (x, inv) = (&normalised.row(row)[group.clone()], &inv_std.row(sample)[group.clone()]);
                let own = dx.row(row)[group.clone()].iter_mut().zip(&gamma[group]);
                for ((dx, gamma), (x, inv)) in own.zip(x.iter().zip(inv)) {
                    *dx = inv * (*dx * gamma - avg_g - x * avg_gx);
                }
            }
        }
    }
}

fn check(shape: GroupNormShape, rows: usize, channels: usize, gamma: &[f32], beta: &[f32]) {
    assert!(
        shape.group > 0 && channels.is_multiple_of(shape.group),
        "{channels} channels are not whole groups of {}",
        shape.group
    );
    assert!(
        shape.batch > 0 && rows.is_multiple_of(shape.batch),
        "rows are not (length, batch)"
    );
    assert!(
        gamma.len() == channels && beta.len() == channels,
        "size of the parameters"
    );
}

#[cfg(test)]
mod tests;
