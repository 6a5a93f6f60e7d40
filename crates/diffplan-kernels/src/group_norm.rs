//! Group normalisation fused with the activation that follows it (Wu & He 2018), forward and backward.
//!
//! Data are `(length, batch, channels)`; statistics are those of one sample and one group of neighbouring channels, over
//! all positions. With x̂ = (x − mean) / √(var + eps), the output is f(γ x̂ + β). For the backward pass only x̂ and
//! 1/√(var + eps) are kept: with z = γ x̂ + β, g = γ dy f′(z) and averages over the group,
//! dx = (g − avg(g) − x̂ avg(g x̂)) / √(var + eps).
//!
//! The variance is taken in a second pass around the mean, since one pass over squares loses digits. All inner loops run
//! over the channels of one row, which are contiguous; sums are per channel first and are then folded into groups, so a
//! sample's result depends on nothing but the sample.

use crate::activation::{Activation, Function, with_function};
use crate::arith::Arith;
use crate::isa::dispatch;

/// The sizes of a group normalisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupNormShape {
    /// Positions in time.
    pub len: usize,
    /// Samples.
    pub batch: usize,
    /// Channels, a multiple of `groups`.
    pub channels: usize,
    /// Groups of channels.
    pub groups: usize,
}

impl GroupNormShape {
    fn elements(&self) -> usize {
        self.len * self.batch * self.channels
    }

    fn per_group(&self) -> usize {
        self.channels / self.groups
    }

    /// The samples' rows at every position: `(start of the row in the data)`.
    #[inline(always)]
    fn rows(self, sample: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
        (0..self.len).map(move |l| {
            let start = (l * self.batch + sample) * self.channels;
            start..start + self.channels
        })
    }

    /// Replaces every channel's sum by its group's average over positions and channels.
    #[inline(always)]
    fn average_groups(&self, sums: &mut [f32]) {
        let count = (self.len * self.per_group()) as f32;
        for group in sums.chunks_exact_mut(self.per_group()) {
            let average = group.iter().sum::<f32>() / count;
            group.fill(average);
        }
    }

    fn check(&self, lens: &[usize]) {
        assert!(
            self.groups > 0 && self.channels.is_multiple_of(self.groups),
            "channels not divisible by groups"
        );
        assert!(
            lens.iter().all(|&len| len == self.elements()),
            "data of another size than the shape's"
        );
    }
}

#[inline(always)]
#[allow(clippy::too_many_arguments)] // a kernel's operands are what they are
fn forward_body<A: Arith, F: Function>(
    shape: GroupNormShape,
    eps: f32,
    gamma: &[f32],
    beta: &[f32],
    x: &mut [f32],
    inv_std: &mut [f32],
    scratch: &mut [f32],
    y: &mut [f32],
) {
    let (mean, scale) = scratch[..2 * shape.channels].split_at_mut(shape.channels);
    for sample in 0..shape.batch {
        mean.fill(0.0);
        for row in shape.rows(sample) {
            for (sum, &x) in mean.iter_mut().zip(&x[row]) {
                *sum += x;
            }
        }
        shape.average_groups(mean);
        scale.fill(0.0);
        for row in shape.rows(sample) {
            for ((sum, &mean), &x) in scale.iter_mut().zip(&*mean).zip(&x[row]) {
                *sum = A::mul_add(x - mean, x - mean, *sum);
            }
        }
        shape.average_groups(scale);
        scale
            .iter_mut()
            .for_each(|variance| *variance = 1.0 / (*variance + eps).sqrt());
        let saved = &mut inv_std[sample * shape.groups..][..shape.groups];
        for (saved, &inv) in saved.iter_mut().zip(scale.iter().step_by(shape.per_group())) {
            *saved = inv;
        }
        for row in shape.rows(sample) {
            let (x, y) = (&mut x[row.clone()], &mut y[row]);
            for (((((x, y), &mean), &inv), &gamma), &beta) in
                x.iter_mut().zip(y).zip(&*mean).zip(&*scale).zip(gamma).zip(beta)
            {
                let normalised = (*x - mean) * inv;
                *x = normalised;
                *y = F::value::<A>(A::mul_add(normalised, gamma, beta));
            }
        }
    }
}

#[inline(always)]
#[allow(clippy::too_many_arguments)] // a kernel's operands are what they are
fn backward_body<A: Arith, F: Function>(
    shape: GroupNormShape,
    gamma: &[f32],
    beta: &[f32],
    normalised: &[f32],
    inv_std: &[f32],
    dy: &[f32],
    scratch: &mut [f32],
    dx: &mut [f32],
    param_grad: Option<(&mut [f32], &mut [f32])>,
) {
    let mut param_grad = param_grad;
    let (sum_z, sum_zx) = scratch[..2 * shape.channels].split_at_mut(shape.channels);
    for sample in 0..shape.batch {
        sum_z.fill(0.0);
        sum_zx.fill(0.0);
        for row in shape.rows(sample) {
            let (xh, dy, dx) = (&normalised[row.clone()], &dy[row.clone()], &mut dx[row]);
            for ((((((&xh, &dy), dx), sz), szx), &gamma), &beta) in xh
                .iter()
                .zip(dy)
                .zip(dx)
                .zip(&mut *sum_z)
                .zip(&mut *sum_zx)
                .zip(gamma)
                .zip(beta)
            {
                let dz = dy * F::derivative::<A>(A::mul_add(xh, gamma, beta));
                *dx = dz;
                *sz += dz;
                *szx = A::mul_add(dz, xh, *szx);
            }
        }
        if let Some((d_gamma, d_beta)) = &mut param_grad {
            d_gamma.iter_mut().zip(&*sum_zx).for_each(|(d, s)| *d += s);
            d_beta.iter_mut().zip(&*sum_z).for_each(|(d, s)| *d += s);
        }
        // From sums of dz to averages of g = γ dz over the group.
        for ((sz, szx), &gamma) in sum_z.iter_mut().zip(&mut *sum_zx).zip(gamma) {
            *sz *= gamma;
            *szx *= gamma;
        }
        shape.average_groups(sum_z);
        shape.average_groups(sum_zx);
        let inv = &inv_std[sample * shape.groups..][..shape.groups];
        for row in shape.rows(sample) {
            let (xh, dx) = (&normalised[row.clone()], &mut dx[row]);
            let per_group = shape.per_group();
            for (g, &inv) in inv.iter().enumerate() {
                let channels = g * per_group..(g + 1) * per_group;
                let (avg_g, avg_gx) = (sum_z[channels.start], sum_zx[channels.start]);
                for ((dx, &xh), &gamma) in dx[channels.clone()]
                    .iter_mut()
                    .zip(&xh[channels.clone()])
                    .zip(&gamma[channels])
                {
                    *dx = inv * A::mul_add(-xh, avg_gx, A::mul_add(*dx, gamma, -avg_g));
                }
            }
        }
    }
}

dispatch!(fn forward_with<F: Function>(
    shape: GroupNormShape, eps: f32, gamma: &[f32], beta: &[f32], x: &mut [f32], inv_std: &mut [f32],
    scratch: &mut [f32], y: &mut [f32],
) => forward_body);
dispatch!(fn backward_with<F: Function>(
    shape: GroupNormShape, gamma: &[f32], beta: &[f32], normalised: &[f32], inv_std: &[f32], dy: &[f32],
    scratch: &mut [f32], dx: &mut [f32], param_grad: Option<(&mut [f32], &mut [f32])>,
) => backward_body);

/// y = f(γ x̂ + β); x is replaced by x̂, its normalised self, which the gradient needs.
///
/// # Shapes
/// `x` and `y` (length, batch, channels), `gamma` and `beta` (channels), `inv_std` (batch, groups) is overwritten with
/// 1/√(var + eps); `scratch` holds at least 2 · channels numbers, of no meaning before or after.
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
    x: &mut [f32],
    inv_std: &mut [f32],
    scratch: &mut [f32],
    y: &mut [f32],
) {
    shape.check(&[x.len(), y.len()]);
    assert_eq!((gamma.len(), beta.len()), (shape.channels, shape.channels));
    assert_eq!(inv_std.len(), shape.batch * shape.groups);
    with_function!(f, F => forward_with::<F>(shape, eps, gamma, beta, x, inv_std, scratch, y));
}

/// The gradient of [`group_norm`]: `dx` is overwritten; the gradients of (γ, β), where asked for, are accumulated.
///
/// # Shapes
/// `normalised`, `dy`, `dx` (length, batch, channels), `inv_std` (batch, groups), `gamma`, `beta` and their gradients
/// (channels); `scratch` holds at least 2 · channels numbers.
///
/// # Panics
/// If a size does not fit.
#[allow(clippy::too_many_arguments)] // a kernel's operands are what they are
pub fn group_norm_grad(
    shape: GroupNormShape,
    gamma: &[f32],
    beta: &[f32],
    f: Activation,
    normalised: &[f32],
    inv_std: &[f32],
    dy: &[f32],
    scratch: &mut [f32],
    dx: &mut [f32],
    param_grad: Option<(&mut [f32], &mut [f32])>,
) {
    shape.check(&[normalised.len(), dy.len(), dx.len()]);
    assert_eq!((gamma.len(), beta.len()), (shape.channels, shape.channels));
    assert_eq!(inv_std.len(), shape.batch * shape.groups);
    with_function!(f, F => backward_with::<F>(shape, gamma, beta, normalised, inv_std, dy, scratch, dx, param_grad));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activation::Mish;
    use crate::arith::{Fused, Portable};

    const SHAPE: GroupNormShape = GroupNormShape {
        len: 5,
        batch: 3,
        channels: 12,
        groups: 4,
    };
    const EPS: f64 = 1e-5;

    fn mish(x: f64) -> f64 {
        x * x.exp().ln_1p().tanh()
    }

    /// Six plain loops in float64.
    fn twin(s: GroupNormShape, x: &[f64], gamma: &[f64], beta: &[f64]) -> Vec<f64> {
        let mut y = vec![f64::NAN; x.len()];
        let per_group = s.channels / s.groups;
        for b in 0..s.batch {
            for g in 0..s.groups {
                let places: Vec<(usize, usize)> = (0..s.len)
                    .flat_map(|l| (0..per_group).map(move |c| (l, g * per_group + c)))
                    .map(|(l, c)| ((l * s.batch + b) * s.channels + c, c))
                    .collect();
                let n = places.len() as f64;
                let mean = places.iter().map(|&(i, _)| x[i]).sum::<f64>() / n;
                let var = places.iter().map(|&(i, _)| (x[i] - mean).powi(2)).sum::<f64>() / n;
                for (i, c) in places {
                    y[i] = mish(gamma[c] * (x[i] - mean) / (var + EPS).sqrt() + beta[c]);
                }
            }
        }
        y
    }

    fn wave(count: usize, phase: f64) -> Vec<f64> {
        (0..count)
            .map(|i| (i as f64 * 1.37 + phase).sin() * 2.0 + (i % 3) as f64 * 0.3 + 5.0 * phase)
            .collect()
    }

    fn f32s(x: &[f64]) -> Vec<f32> {
        x.iter().map(|&v| v as f32).collect()
    }

    fn check<A: Arith>() {
        let (s, n) = (SHAPE, SHAPE.elements());
        let (x, gamma, beta, cotangent) = (wave(n, 0.1), wave(12, 0.2), wave(12, -0.3), wave(n, 0.4));
        let (gamma32, beta32, dy) = (f32s(&gamma), f32s(&beta), f32s(&cotangent));
        let (mut normalised, mut y) = (f32s(&x), vec![f32::NAN; n]);
        let (mut inv_std, mut scratch) = (vec![f32::NAN; s.batch * s.groups], vec![f32::NAN; 24]);
        forward_body::<A, Mish>(
            s,
            EPS as f32,
            &gamma32,
            &beta32,
            &mut normalised,
            &mut inv_std,
            &mut scratch,
            &mut y,
        );
        let expected = twin(s, &x, &gamma, &beta);
        for i in 0..n {
            // A few roundings of numbers of size up to 10.
            assert!(
                (y[i] as f64 - expected[i]).abs() < 1e-5,
                "y[{i}] = {}, not {}",
                y[i],
                expected[i]
            );
        }

        let mut dx = vec![f32::NAN; n];
        let (mut d_gamma, mut d_beta) = (vec![1.0; 12], vec![2.0; 12]);
        backward_body::<A, Mish>(
            s,
            &gamma32,
            &beta32,
            &normalised,
            &inv_std,
            &dy,
            &mut scratch,
            &mut dx,
            Some((&mut d_gamma, &mut d_beta)),
        );
        let objective = |x: &[f64], gamma: &[f64], beta: &[f64]| -> f64 {
            twin(s, x, gamma, beta).iter().zip(&cotangent).map(|(y, c)| y * c).sum()
        };
        let slope = |change: &dyn Fn(f64) -> f64| (change(1e-5) - change(-1e-5)) / 2e-5;
        for i in 0..n {
            let expected = slope(&|h| {
                let mut x = x.clone();
                x[i] += h;
                objective(&x, &gamma, &beta)
            });
            assert!(
                (dx[i] as f64 - expected).abs() < 2e-5,
                "dx[{i}] = {}, not {expected}",
                dx[i]
            );
        }
        for c in 0..12 {
            let nudge = |v: &[f64], h: f64| -> Vec<f64> {
                let nudged = |(i, v): (usize, &f64)| if i == c { v + h } else { *v };
                v.iter().enumerate().map(nudged).collect()
            };
            let by_gamma = 1.0 + slope(&|h| objective(&x, &nudge(&gamma, h), &beta));
            let by_beta = 2.0 + slope(&|h| objective(&x, &gamma, &nudge(&beta, h)));
            assert!(
                (d_gamma[c] as f64 - by_gamma).abs() < 1e-4,
                "d_gamma[{c}] = {}, not {by_gamma}",
                d_gamma[c]
            );
            assert!(
                (d_beta[c] as f64 - by_beta).abs() < 1e-4,
                "d_beta[{c}] = {}, not {by_beta}",
                d_beta[c]
            );
        }
    }

    #[test]
    fn both_paths_agree_with_the_float64_twin_and_its_differences() {
        check::<Portable>();
        check::<Fused>();
    }
}
