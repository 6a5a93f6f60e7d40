//! [`FixedDownsample1d`] and [`FixedUpsample1d`]: resampling by a fixed kernel, each channel for itself, as `Downsample1d` and `Upsample1d` of
//! diffusers' `unet_1d_blocks.py`. The kernel is saved with the model (a buffer there) and not trained.
//!
//! Down: `y[p] = Σ_k kernel[k] · x̂[2p + k − pad]` with `pad = K/2 − 1`; up: `y[2j + k − 2·pad − 1] += kernel[k] · x̂[j]` with the kernel doubled,
//! over a signal that is mirrored at both ends without its last position (`reflect`), by `pad` and by `(pad + 1)/2` positions. In a [`Signal`]
//! a position is one run of numbers, so that both are sums of scaled runs.

use crate::params::{Params, Path, Role, visit_leaf, visit_leaf_mut};
use crate::signal::Signal;
use ndarray::{Array1, ArrayViewD, ArrayViewMutD};
use ndarray_rand::rand::RngCore;

/// The kernels that the reference knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ResampleKernel {
    /// Four taps.
    Linear,
    /// Eight taps; what all blocks of diffusers use.
    Cubic,
    /// Twelve taps.
    Lanczos3,
}

impl ResampleKernel {
    /// The taps; they sum to 1.
    pub fn taps(self) -> &'static [f32] {
        match self {
            Self::Linear => &[0.125, 0.375, 0.375, 0.125],
            Self::Cubic => &[
                -0.01171875,
                -0.03515625,
                0.11328125,
                0.43359375,
                0.43359375,
                0.11328125,
                -0.03515625,
                -0.01171875,
            ],
            #[allow(clippy::excessive_precision)] // as the reference writes them
            Self::Lanczos3 => &[
                0.003689131001010537,
                0.015056144446134567,
                -0.03399861603975296,
                -0.066637322306633,
                0.13550527393817902,
                0.44638532400131226,
                0.44638532400131226,
                0.13550527393817902,
                -0.066637322306633,
                -0.03399861603975296,
                0.015056144446134567,
                0.003689131001010537,
            ],
        }
    }
}

/// Halves the length, rounding down.
#[derive(Clone, Debug)]
pub struct FixedDownsample1d {
    kernel: Array1<f32>,
    of: ResampleKernel,
}

/// Doubles the length.
#[derive(Clone, Debug)]
pub struct FixedUpsample1d {
    kernel: Array1<f32>,
    of: ResampleKernel,
}

/// The position that is seen at `at` of a signal of `len` mirrored at both ends.
fn reflected(at: isize, len: usize) -> usize {
    let last = len as isize - 1;
    let at = at.abs();
    (if at > last { 2 * last - at } else { at }) as usize
}

/// `sum += factor · run`.
fn add_scaled(sum: &mut [f32], factor: f32, run: &[f32]) {
    sum.iter_mut().zip(run).for_each(|(s, x)| *s += factor * x);
}

macro_rules! layer {
    ($layer:ident, $gain:literal) => {
        impl $layer {
            /// A layer with the kernel zero: useful as a gradient; [`init`](Params::init) sets it.
            pub fn zeros(of: ResampleKernel) -> Self {
                Self {
                    kernel: Array1::zeros(of.taps().len()),
                    of,
                }
            }

            fn pad(&self) -> usize {
                self.kernel.len() / 2 - 1
            }

            /// `y` becomes the output for `x`.
            ///
            /// # Panics
            /// If `x` is too short, which [`out_len`](Self::out_len) tells.
            pub fn forward(&self, x: &Signal, y: &mut Signal) {
                let len = self
                    .out_len(x.len())
                    .expect("the signal is long enough to be mirrored");
                y.reset(len, x.batch(), x.channels());
                y.data_mut().fill(0.0);
                let run = x.batch() * x.channels();
                self.each_tap(x.len(), len, |from, to, tap| {
                    add_scaled(
                        &mut y.data_mut()[to * run..(to + 1) * run],
                        tap,
                        &x.data()[from * run..(from + 1) * run],
                    );
                });
            }

            /// `dx` becomes the gradient of an input of `len` positions, from that of the output.
            ///
            /// # Panics
            /// If `dy` is not as long as the output for that length.
            pub fn input_grad(&self, dy: &Signal, len: usize, dx: &mut Signal) {
                assert_eq!(
                    self.out_len(len),
                    Some(dy.len()),
                    "length of the output's gradient"
                );
                dx.reset(len, dy.batch(), dy.channels());
                dx.data_mut().fill(0.0);
                let run = dy.batch() * dy.channels();
                self.each_tap(len, dy.len(), |from, to, tap| {
                    add_scaled(
                        &mut dx.data_mut()[from * run..(from + 1) * run],
                        tap,
                        &dy.data()[to * run..(to + 1) * run],
                    );
                });
            }
        }

        impl Params for $layer {
            fn visit<'a>(&'a self, path: &mut Path, f: &mut dyn FnMut(&str, ArrayViewD<'a, f32>)) {
                visit_leaf(&self.kernel, "kernel", path, f);
            }

            fn visit_mut<'a>(&'a mut self, path: &mut Path, f: &mut dyn FnMut(&str, ArrayViewMutD<'a, f32>)) {
                visit_leaf_mut(&mut self.kernel, "kernel", path, f);
            }

            /// The kernel's taps; nothing is drawn.
            fn init(&mut self, _: &mut dyn RngCore) {
                self.kernel = self.of.taps().iter().map(|tap| $gain * tap).collect();
            }

            /// A buffer in the reference.
            fn visit_roles(&self, f: &mut dyn FnMut(Role)) {
                f(Role::Frozen);
            }
        }
    };
}
layer!(FixedDownsample1d, 1.0);
layer!(FixedUpsample1d, 2.0);

impl FixedDownsample1d {
    /// The output's length for an input's; none if it is too short to be mirrored.
    pub fn out_len(&self, len: usize) -> Option<usize> {
        (len > self.pad() && len >= 2).then_some(len / 2)
    }

    /// Every (input position, output position, tap), in a fixed order.
    fn each_tap(&self, len: usize, out_len: usize, mut f: impl FnMut(usize, usize, f32)) {
        for to in 0..out_len {
            for (k, &tap) in self.kernel.iter().enumerate() {
                f(reflected((2 * to + k) as isize - self.pad() as isize, len), to, tap);
            }
        }
    }
}

impl FixedUpsample1d {
    /// The output's length for an input's; none if it is too short to be mirrored.
    pub fn out_len(&self, len: usize) -> Option<usize> {
        (len > self.pad().div_ceil(2)).then_some(2 * len)
    }

    /// Every (input position, output position, tap), in a fixed order.
    fn each_tap(&self, len: usize, out_len: usize, mut f: impl FnMut(usize, usize, f32)) {
        let side = self.pad().div_ceil(2);
        for padded in 0..len + 2 * side {
            let from = reflected(padded as isize - side as isize, len);
            for (k, &tap) in self.kernel.iter().enumerate() {
                let to = (2 * padded + k).checked_sub(2 * self.pad() + 1);
                if let Some(to) = to.filter(|to| *to < out_len) {
                    f(from, to, tap);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_close, cotangent_slope, numbers};
    use ndarray::Array3;
    use ndarray_rand::rand::SeedableRng;
    use ndarray_rand::rand::rngs::StdRng;

    const KERNELS: [ResampleKernel; 3] = [ResampleKernel::Linear, ResampleKernel::Cubic, ResampleKernel::Lanczos3];

    /// The signal with `side` mirrored positions at both ends, by hand.
    fn mirrored(x: &Array3<f64>, side: usize) -> Array3<f64> {
        let len = x.dim().2;
        Array3::from_shape_fn((x.dim().0, x.dim().1, len + 2 * side), |(b, c, l)| {
            let at = if l < side {
                side - l
            } else if l < side + len {
                l - side
            } else {
                2 * len - 2 - (l - side)
            };
            x[[b, c, at]]
        })
    }

    fn down(x: &Array3<f64>, taps: &[f32]) -> Array3<f64> {
        let padded = mirrored(x, taps.len() / 2 - 1);
        Array3::from_shape_fn((x.dim().0, x.dim().1, x.dim().2 / 2), |(b, c, p)| {
            taps.iter()
                .enumerate()
                .map(|(k, tap)| f64::from(*tap) * padded[[b, c, 2 * p + k]])
                .sum()
        })
    }

    fn up(x: &Array3<f64>, taps: &[f32]) -> Array3<f64> {
        let pad = taps.len() / 2 - 1;
        let padded = mirrored(x, pad.div_ceil(2));
        let mut y = Array3::zeros((x.dim().0, x.dim().1, 2 * x.dim().2));
        for ((b, c, j), value) in padded.indexed_iter() {
            for (k, tap) in taps.iter().enumerate() {
                let at = (2 * j + k) as isize - (2 * pad + 1) as isize;
                if (0..y.dim().2 as isize).contains(&at) {
                    y[[b, c, at as usize]] += 2.0 * f64::from(*tap) * value;
                }
            }
        }
        y
    }

    macro_rules! check {
        ($layer:ident, $twin:ident, $lengths:expr) => {
            for kernel in KERNELS {
                for len in $lengths {
                    let mut layer = $layer::zeros(kernel);
                    layer.init(&mut StdRng::seed_from_u64(0));
                    let Some(out) = layer.out_len(len) else { continue };
                    let x = Array3::from_shape_vec((2, 3, len), numbers(6 * len, 1)).unwrap();
                    let dy = Array3::from_shape_vec((2, 3, out), numbers(6 * out, 2)).unwrap();
                    let x64 = x.mapv(f64::from);
                    let (mut y, mut dx) = (Signal::default(), Signal::default());
                    layer.forward(&Signal::from_bcl(x.view()), &mut y);
                    let name = format!("{kernel:?} of {len}");
                    let expected = $twin(&x64, kernel.taps());
                    assert_close(&name, y.to_bcl().view().into_dyn(), expected.view().into_dyn());
                    layer.input_grad(&Signal::from_bcl(dy.view()), len, &mut dx);
                    let slope = cotangent_slope(&x64, &dy.mapv(f64::from), |x| $twin(x, kernel.taps()));
                    assert_close(&name, dx.to_bcl().view().into_dyn(), slope.view().into_dyn());
                }
            }
        };
    }

    #[test]
    fn down_agrees_with_the_slow_twin() {
        check!(FixedDownsample1d, down, [2, 3, 4, 5, 6, 7, 16, 25]);
    }

    #[test]
    fn up_agrees_with_the_slow_twin() {
        check!(FixedUpsample1d, up, [2, 3, 4, 5, 12]);
    }

    #[test]
    fn signals_too_short_to_be_mirrored_have_no_output() {
        let (down, up) = (
            FixedDownsample1d::zeros(ResampleKernel::Cubic),
            FixedUpsample1d::zeros(ResampleKernel::Cubic),
        );
        assert_eq!(
            [3, 4, 5, 8].map(|len| down.out_len(len)),
            [None, Some(2), Some(2), Some(4)]
        );
        assert_eq!([2, 3].map(|len| up.out_len(len)), [None, Some(6)]);
    }
}
