//! The arithmetic of strided convolutions, one kernel tap at a time.
//!
//! A convolution maps a long signal to a short one (equal lengths where the stride is 1): with tap weights
//! W_k (long channels × short channels),
//!
//! > short[p] = Σ_k long[p·stride + k − padding] · W_k,  where that position exists.
//!
//! Its transpose maps short to long with the same pairs of positions. So [`Conv1d`](crate::Conv1d) goes "down" in its forward
//! pass and "up" in its input gradient, and [`ConvTranspose1d`](crate::ConvTranspose1d) the other way round; PyTorch stores
//! both as (short channels, long channels, kernel), and one struct serves both.
//!
//! Each tap is a matrix product over the rows of the positions that exist: nothing is copied and padding is not
//! multiplied. With stride 1 the positions of a tap are one contiguous range; otherwise each is a product of its own.

use crate::signal::Signal;
use diffplan_kernels::{MatMut, MatRef, Write, matmul};
use ndarray::Array3;
use std::sync::OnceLock;

#[derive(Clone, Debug)]
pub(crate) struct Taps {
    /// (short channels, long channels, kernel), as in PyTorch's state dict.
    weight: Array3<f32>,
    /// The same as `[kernel][long channels][short channels]`, made when first needed.
    packed: OnceLock<Vec<f32>>,
    pub(crate) stride: usize,
    pub(crate) padding: usize,
}

/// `count` neighbouring positions of the long signal and of the short one that a tap connects.
struct Run {
    long: usize,
    short: usize,
    count: usize,
}

impl Taps {
    pub(crate) fn zeros(short_channels: usize, long_channels: usize, kernel: usize) -> Self {
        assert!(kernel > 0, "a kernel of size 0");
        let weight = Array3::zeros((short_channels, long_channels, kernel));
        Self {
            weight,
            packed: OnceLock::new(),
            stride: 1,
            padding: 0,
        }
    }

    pub(crate) fn weight(&self) -> &Array3<f32> {
        &self.weight
    }

    pub(crate) fn weight_mut(&mut self) -> &mut Array3<f32> {
        self.packed = OnceLock::new();
        &mut self.weight
    }

    pub(crate) fn short_channels(&self) -> usize {
        self.weight.dim().0
    }

    pub(crate) fn long_channels(&self) -> usize {
        self.weight.dim().1
    }

    pub(crate) fn kernel(&self) -> usize {
        self.weight.dim().2
    }

    /// The length a convolution makes of `long`; none if the kernel does not fit once.
    pub(crate) fn short_len(&self, long: usize) -> Option<usize> {
        Some((long + 2 * self.padding).checked_sub(self.kernel())? / self.stride + 1)
    }

    /// The length a transposed convolution makes of `short`; none if nothing is left after the padding is cut off.
    pub(crate) fn long_len(&self, short: usize) -> Option<usize> {
        let whole = short.checked_sub(1)? * self.stride + self.kernel();
        whole.checked_sub(2 * self.padding).filter(|&len| len > 0)
    }

    /// W_k, of size long channels × short channels.
    fn tap(&self, k: usize) -> MatRef<'_> {
        let (short, long, _) = self.weight.dim();
        let packed = self
            .packed
            .get_or_init(|| self.weight.view().permuted_axes([2, 1, 0]).iter().copied().collect());
        MatRef::row_major(&packed[k * long * short..(k + 1) * long * short], long, short)
    }

    /// The pairs of positions that tap `k` connects.
    fn runs(&self, k: usize, long_len: usize, short_len: usize) -> impl Iterator<Item = Run> + use<> {
        let (stride, padding) = (self.stride, self.padding);
        // 0 <= p·stride + k − padding < long_len
        let first = padding.saturating_sub(k).div_ceil(stride);
        let end = (long_len + padding).saturating_sub(k).div_ceil(stride).min(short_len);
        let long = move |p: usize| p * stride + k - padding;
        let (count, step) = if stride == 1 {
            (end.saturating_sub(first), end.max(1))
        } else {
            (1, 1)
        };
        (first..end).step_by(step).map(move |p| Run {
            long: long(p),
            short: p,
            count,
        })
    }

    /// short += convolution of long.
    pub(crate) fn accumulate_down(&self, long: &Signal, short: &mut Signal) {
        self.check(long, short);
        let batch = long.batch();
        for k in 0..self.kernel() {
            for run in self.runs(k, long.len(), short.len()) {
                let rows = run.count * batch;
                let a = MatRef::row_major(
                    long.positions(run.long..run.long + run.count),
                    rows,
                    self.long_channels(),
                );
                let c = short.positions_mut(run.short..run.short + run.count);
                matmul(
                    a,
                    self.tap(k),
                    Write::Accumulate,
                    MatMut::row_major(c, rows, self.short_channels()),
                );
            }
        }
    }

    /// long += transposed convolution of short.
    pub(crate) fn accumulate_up(&self, short: &Signal, long: &mut Signal) {
        self.check(long, short);
        let batch = long.batch();
        for k in 0..self.kernel() {
            for run in self.runs(k, long.len(), short.len()) {
                let rows = run.count * batch;
                let a = MatRef::row_major(
                    short.positions(run.short..run.short + run.count),
                    rows,
                    self.short_channels(),
                );
                let c = long.positions_mut(run.long..run.long + run.count);
                matmul(
                    a,
                    self.tap(k).t(),
                    Write::Accumulate,
                    MatMut::row_major(c, rows, self.long_channels()),
                );
            }
        }
    }

    /// self += the gradient of the weights: the same product for both directions.
    pub(crate) fn accumulate_weight_grad(&mut self, long: &Signal, short: &Signal) {
        self.check(long, short);
        let batch = long.batch();
        let (short_channels, long_channels, kernel) = self.weight.dim();
        for k in 0..kernel {
            for run in self.runs(k, long.len(), short.len()) {
                let rows = run.count * batch;
                let a = MatRef::row_major(short.positions(run.short..run.short + run.count), rows, short_channels);
                let b = MatRef::row_major(long.positions(run.long..run.long + run.count), rows, long_channels);
                let weight = self.weight_mut().as_slice_mut().expect("made in standard layout");
                let c = MatMut::strided(
                    &mut weight[k..],
                    short_channels,
                    long_channels,
                    long_channels * kernel,
                    kernel,
                );
                matmul(a.t(), b, Write::Accumulate, c);
            }
        }
    }

    fn check(&self, long: &Signal, short: &Signal) {
        assert_eq!(long.channels(), self.long_channels(), "channels of the longer signal");
        assert_eq!(
            short.channels(),
            self.short_channels(),
            "channels of the shorter signal"
        );
        assert_eq!(long.batch(), short.batch(), "batch");
    }
}
