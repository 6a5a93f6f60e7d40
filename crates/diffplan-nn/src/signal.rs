//! [`Signal`]: a batch of multi-channel 1D signals, length-major and channels last.
//!
//! Element (l, b, c) lies at `(l · batch + b) · channels + c`. A kernel tap of a convolution is then a plain matrix
//! product over a contiguous range of rows, and zero padding is simply not multiplied. How the numbers lie is this
//! crate's own business: callers see ndarray views `(batch, channels, length)`.

use diffplan_kernels::Buffer;
use ndarray::{Array3, ArrayView3, ArrayViewMut3};

/// A batch of 1D signals; see the module's text for the memory order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Signal {
    data: Buffer,
    len: usize,
    batch: usize,
    channels: usize,
}

impl Signal {
    /// All zeros.
    pub fn zeros(len: usize, batch: usize, channels: usize) -> Self {
        Self {
            data: Buffer::zeros(len * batch * channels),
            len,
            batch,
            channels,
        }
    }

    /// A copy of `view`, of shape `(batch, channels, length)` and any strides.
    pub fn from_bcl(view: ArrayView3<f32>) -> Self {
        let mut signal = Self::default();
        signal.copy_from_bcl(view);
        signal
    }

    /// Takes on a size; the contents are then of no meaning. Allocates only if it was never as large before.
    pub fn reset(&mut self, len: usize, batch: usize, channels: usize) {
        self.data.resize(len * batch * channels);
        (self.len, self.batch, self.channels) = (len, batch, channels);
    }

    /// Takes on the size and the numbers of `view`, of shape `(batch, channels, length)` and any strides.
    pub fn copy_from_bcl(&mut self, view: ArrayView3<f32>) {
        let (batch, channels, len) = view.dim();
        self.reset(len, batch, channels);
        self.lbc_mut().assign(&view.permuted_axes([2, 0, 1]));
    }

    /// Copies the numbers into `view`, of shape `(batch, channels, length)` and any strides.
    ///
    /// # Panics
    /// If the shapes differ.
    pub fn copy_to_bcl(&self, mut view: ArrayViewMut3<f32>) {
        view.assign(&self.lbc().permuted_axes([1, 2, 0]));
    }

    /// The numbers as a new array `(batch, channels, length)`.
    pub fn to_bcl(&self) -> Array3<f32> {
        let mut array = Array3::zeros((self.batch, self.channels, self.len));
        self.copy_to_bcl(array.view_mut());
        array
    }

    /// A view of shape `(length, batch, channels)`, without copying.
    pub fn lbc(&self) -> ArrayView3<'_, f32> {
        ArrayView3::from_shape((self.len, self.batch, self.channels), &self.data).expect("data has the shape's size")
    }

    /// A mutable view of shape `(length, batch, channels)`, without copying.
    pub fn lbc_mut(&mut self) -> ArrayViewMut3<'_, f32> {
        ArrayViewMut3::from_shape((self.len, self.batch, self.channels), &mut self.data)
            .expect("data has the shape's size")
    }

    /// Takes on the size and the numbers of another signal.
    pub fn copy_from(&mut self, other: &Signal) {
        self.reset(other.len, other.batch, other.channels);
        self.data.copy_from_slice(&other.data);
    }

    /// Adds another signal of the same shape.
    ///
    /// # Panics
    /// If the shapes differ.
    pub fn add(&mut self, other: &Signal) {
        assert_eq!(self.shape(), other.shape());
        self.data.iter_mut().zip(other.data.iter()).for_each(|(a, b)| *a += b);
    }

    /// Takes on `first` and `second` side by side along the channels: `torch.cat((first, second), dim=1)`.
    ///
    /// # Panics
    /// If their lengths or batches differ.
    pub fn concat_channels(&mut self, first: &Signal, second: &Signal) {
        assert_eq!((first.len, first.batch), (second.len, second.batch));
        self.reset(first.len, first.batch, first.channels + second.channels);
        let rows = self.data.chunks_exact_mut(first.channels + second.channels);
        let parts = first
            .data
            .chunks_exact(first.channels)
            .zip(second.data.chunks_exact(second.channels));
        for (row, (a, b)) in rows.zip(parts) {
            row[..a.len()].copy_from_slice(a);
            row[a.len()..].copy_from_slice(b);
        }
    }

    /// The reverse of [`concat_channels`](Self::concat_channels): the first `channels` go to `first`, the rest to `second`.
    ///
    /// # Panics
    /// If there are not more channels than `channels`.
    pub fn split_channels(&self, channels: usize, first: &mut Signal, second: &mut Signal) {
        assert!(0 < channels && channels < self.channels);
        first.reset(self.len, self.batch, channels);
        second.reset(self.len, self.batch, self.channels - channels);
        let parts = first
            .data
            .chunks_exact_mut(channels)
            .zip(second.data.chunks_exact_mut(self.channels - channels));
        for (row, (a, b)) in self.data.chunks_exact(self.channels).zip(parts) {
            a.copy_from_slice(&row[..channels]);
            b.copy_from_slice(&row[channels..]);
        }
    }

    /// Adds the sum over positions to `rows`: one a sample, or one for all.
    ///
    /// # Panics
    /// If `rows` has neither `batch` nor 1 rows.
    pub fn sum_into_rows(&self, rows: &mut [f32]) {
        assert!(rows.len() == self.channels || rows.len() == self.channels * self.batch);
        for position in self.data.chunks_exact(rows.len()) {
            rows.iter_mut().zip(position).for_each(|(r, x)| *r += x);
        }
    }

    /// The number of positions.
    #[allow(clippy::len_without_is_empty)] // a length in time, not of a collection
    pub fn len(&self) -> usize {
        self.len
    }

    /// The number of samples.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// The number of channels.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// (length, batch, channels).
    pub fn shape(&self) -> (usize, usize, usize) {
        (self.len, self.batch, self.channels)
    }

    /// The number of rows, `length · batch`.
    pub fn rows(&self) -> usize {
        self.len * self.batch
    }

    /// All numbers in memory order.
    pub fn data(&self) -> &[f32] {
        &self.data
    }

    /// All numbers in memory order.
    pub fn data_mut(&mut self) -> &mut [f32] {
        &mut self.data
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(shape: (usize, usize, usize)) -> Array3<f32> {
        Array3::from_shape_fn(shape, |(b, c, l)| (b * 100 + c * 10 + l) as f32)
    }

    #[test]
    fn views_of_any_strides_survive_the_round_trip() {
        let bcl = counted((2, 3, 5));
        assert_eq!(Signal::from_bcl(bcl.view()).to_bcl(), bcl);
        // A trajectory (batch, horizon, dims) seen as (batch, channels, length), every second sample, backwards in time.
        let trajectories = counted((4, 5, 3));
        let view = trajectories
            .slice(ndarray::s![..;2, ..;-1, ..])
            .permuted_axes([0, 2, 1]);
        let signal = Signal::from_bcl(view);
        assert_eq!(signal.shape(), (5, 2, 3));
        assert_eq!(signal.to_bcl(), view);
    }

    #[test]
    fn joining_and_splitting_channels_are_inverse() {
        let (a, b) = (
            Signal::from_bcl(counted((2, 3, 4)).view()),
            Signal::from_bcl(counted((2, 2, 4)).view()),
        );
        let mut joined = Signal::default();
        joined.concat_channels(&a, &b);
        let whole = joined.to_bcl();
        assert_eq!(whole.slice(ndarray::s![.., ..3, ..]), counted((2, 3, 4)));
        assert_eq!(whole.slice(ndarray::s![.., 3.., ..]), counted((2, 2, 4)));
        let (mut first, mut second) = (Signal::default(), Signal::default());
        joined.split_channels(3, &mut first, &mut second);
        assert_eq!((first, second), (a, b));
    }

    #[test]
    fn positions_are_summed_a_sample_or_over_all() {
        let mut signal = Signal::zeros(3, 2, 2);
        signal.data_mut().copy_from_slice(&[1.0, 2.0, 3.0, 4.0].repeat(3));
        let mut rows = [0.5; 4];
        signal.sum_into_rows(&mut rows);
        assert_eq!(rows, [3.5, 6.5, 9.5, 12.5]);
        let mut one = [0.0; 2];
        signal.sum_into_rows(&mut one);
        assert_eq!(one, [12.0, 18.0]);
    }

    #[test]
    fn resetting_to_a_smaller_size_and_back_does_not_allocate() {
        let mut signal = Signal::zeros(8, 4, 16);
        let place = signal.data().as_ptr();
        signal.reset(2, 4, 16);
        signal.reset(8, 4, 16);
        assert_eq!(signal.data().as_ptr(), place);
    }
}
