//! [`GroupNorm`] with the activation that follows it; the equations are those of `diffplan_kernels`' `group_norm`.

use crate::conv::Conv1d;
use crate::exec::{Exec, one_by_one, over_columns};
use crate::params::{Params, Path, visit_leaf, visit_leaf_mut};
use crate::signal::Signal;
use crate::taps::Direction;
use diffplan_kernels::{
    Activation, After, Buffer, GroupNormShape, Init, Packed, Rows, RowsMut, group_norm, group_norm_grad,
};
use ndarray::{Array1, ArrayViewD, ArrayViewMutD};
use ndarray_rand::rand::RngCore;

/// PyTorch's default `eps`, which diffusers leaves as it is.
const EPS: f32 = 1e-5;

/// Group normalisation over (length, channels of a group) of each sample, as `torch.nn.GroupNorm`; weight and bias
/// (channels).
#[derive(Clone, Debug)]
pub struct GroupNorm {
    weight: Array1<f32>,
    bias: Array1<f32>,
    groups: usize,
}

/// What the gradient of a [`GroupNorm`] reads, if its forward pass was told to keep it.
#[derive(Clone, Debug, Default)]
pub struct GroupNormSaved {
    /// The input; normalised, where it was kept.
    signal: Signal,
    /// 1/√(var + eps) of every channel's group, (batch, channels).
    inv_std: Buffer,
}

impl GroupNormSaved {
    /// The normalised signal.
    pub fn signal(&self) -> &Signal {
        &self.signal
    }
}

impl GroupNorm {
    /// A layer with all parameters zero: useful as a gradient; [`init`](Params::init) makes the weights 1.
    ///
    /// # Panics
    /// If `groups` is 0 or does not divide `channels`.
    pub fn zeros(groups: usize, channels: usize) -> Self {
        assert!(
            groups > 0 && channels.is_multiple_of(groups),
            "{channels} channels in {groups} groups"
        );
        Self {
            weight: Array1::zeros(channels),
            bias: Array1::zeros(channels),
            groups,
        }
    }

    fn shape(&self, signal: &Signal) -> GroupNormShape {
        assert_eq!(signal.channels(), self.weight.len(), "channels");
        GroupNormShape {
            batch: signal.batch(),
            group: signal.channels() / self.groups,
        }
    }

    /// Channels that can be computed apart from others: whole groups, and whole panels of a convolution's weights.
    fn unit(&self) -> usize {
        let group = self.weight.len() / self.groups;
        if Packed::PANEL.is_multiple_of(group) {
            Packed::PANEL
        } else {
            self.weight.len()
        }
    }

    /// A convolution, this normalisation of its output and `f` of that, a unit of channels after another while they are in
    /// the cache: `y` = f(normalised · weight + bias), or what `after` makes of it.
    ///
    /// With `keep`, `saved` becomes what [`backward`](Self::backward) reads.
    ///
    /// # Shapes
    /// `x` (batch, the convolution's in channels, length); `y` (batch, channels, its output's length), which it must have
    /// already where `after` accumulates; rows to add (1 or batch, channels).
    ///
    /// # Panics
    /// If a shape differs.
    #[allow(clippy::too_many_arguments)] // two layers in one
    pub fn forward_after(
        &self,
        conv: &Conv1d,
        f: Activation,
        x: &Signal,
        saved: &mut GroupNormSaved,
        keep: bool,
        y: &mut Signal,
        after: After,
        exec: &mut Exec,
    ) {
        let (batch, channels) = (x.batch(), conv.out_channels());
        let len = conv
            .out_len(x.len())
            .expect("the kernel is longer than the padded input");
        saved.signal.reset(len, batch, channels);
        let shape = self.shape(&saved.signal);
        saved.inv_std.resize(batch * channels);
        if matches!(after, After::Accumulate) {
            assert_eq!(y.shape(), saved.signal.shape(), "what is accumulated to");
        } else {
            y.reset(len, batch, channels);
        }
        let (gamma, beta) = self.scale_and_shift();
        let threads = exec.compute.threads;
        let (start, ready) = (conv.start(), conv.taps.ready(Direction::Down, x, exec));
        let inv_std = keep.then(|| RowsMut::new(&mut saved.inv_std, channels));
        let rows = (
            RowsMut::new(saved.signal.data_mut(), channels),
            (inv_std, RowsMut::new(y.data_mut(), channels)),
        );
        let unit = self.unit();
        over_columns(threads, unit, 0..channels, rows, &|columns, rows| {
            one_by_one(unit, columns, rows, |columns, (mut z, (inv_std, y))| {
                let start = match start {
                    Init::Bias(bias) => Init::Bias(&bias[columns.clone()]),
                    other => other,
                };
                conv.taps
                    .columns(Direction::Down, &ready, x, columns.clone(), start, z.reborrow());
                let after = match after {
                    After::AddRow(rows) => After::AddRow(rows.columns(columns.clone())),
                    other => other,
                };
                let (gamma, beta) = (&gamma[columns.clone()], &beta[columns]);
                group_norm(shape, EPS, gamma, beta, f, z, inv_std, y, after);
            });
        });
    }

    /// `y` becomes f(normalised · weight + bias) of `x`. With `keep`, `saved` becomes what [`backward`](Self::backward) reads.
    ///
    /// # Shapes
    /// `x` and `y` (batch, channels, length).
    ///
    /// # Panics
    /// If the channels differ.
    pub fn forward(&self, f: Activation, x: &Signal, saved: &mut GroupNormSaved, keep: bool, y: &mut Signal) {
        let (len, batch, channels) = x.shape();
        let shape = self.shape(x);
        saved.signal.copy_from(x);
        saved.inv_std.resize(batch * channels);
        y.reset(len, batch, channels);
        let (gamma, beta) = self.scale_and_shift();
        let z = RowsMut::new(saved.signal.data_mut(), channels);
        let inv_std = keep.then(|| RowsMut::new(&mut saved.inv_std, channels));
        let y = RowsMut::new(y.data_mut(), channels);
        group_norm(shape, EPS, gamma, beta, f, z, inv_std, y, After::Overwrite);
    }

    /// The gradient with respect to the normalisation's input: `dx` is overwritten; those of weight and bias are accumulated
    /// into `grad`, a layer of the same shape, where one is given.
    ///
    /// # Shapes
    /// `dy` and `dx` (batch, channels, length).
    ///
    /// # Panics
    /// If `dy` has another shape than the saved signal.
    pub fn backward(
        &self,
        f: Activation,
        saved: &GroupNormSaved,
        dy: &Signal,
        dx: &mut Signal,
        grad: Option<&mut Self>,
        exec: &Exec,
    ) {
        let (shape, (len, batch, channels)) = (self.shape(&saved.signal), saved.signal.shape());
        assert_eq!(dy.shape(), saved.signal.shape(), "shape of the output's gradient");
        dx.reset(len, batch, channels);
        let (gamma, beta) = self.scale_and_shift();
        let (normalised, inv_std) = (
            Rows::new(saved.signal.data(), channels),
            Rows::new(&saved.inv_std, channels),
        );
        let dy = Rows::new(dy.data(), channels);
        let grad = grad.map(|grad| {
            let slices = (grad.weight.as_slice_mut(), grad.bias.as_slice_mut());
            (slices.0.expect("a vector"), slices.1.expect("a vector"))
        });
        let outputs = (RowsMut::new(dx.data_mut(), channels), grad);
        over_columns(exec.compute.threads, self.unit(), 0..channels, outputs, &|columns,
                                                                                (
            dx,
            grad,
        )| {
            let (normalised, inv_std, dy) = (
                normalised.columns(columns.clone()),
                inv_std.columns(columns.clone()),
                dy.columns(columns.clone()),
            );
            let (gamma, beta) = (&gamma[columns.clone()], &beta[columns]);
            group_norm_grad(shape, gamma, beta, f, normalised, inv_std, dy, dx, grad);
        });
    }

    fn scale_and_shift(&self) -> (&[f32], &[f32]) {
        (
            self.weight.as_slice().expect("a vector"),
            self.bias.as_slice().expect("a vector"),
        )
    }
}

impl Params for GroupNorm {
    fn visit<'a>(&'a self, path: &mut Path, f: &mut dyn FnMut(&str, ArrayViewD<'a, f32>)) {
        visit_leaf(&self.weight, "weight", path, f);
        visit_leaf(&self.bias, "bias", path, f);
    }

    fn visit_mut<'a>(&'a mut self, path: &mut Path, f: &mut dyn FnMut(&str, ArrayViewMutD<'a, f32>)) {
        visit_leaf_mut(&mut self.weight, "weight", path, f);
        visit_leaf_mut(&mut self.bias, "bias", path, f);
    }

    /// PyTorch's default: weight 1, bias 0.
    fn init(&mut self, _: &mut dyn RngCore) {
        self.weight.fill(1.0);
        self.bias.fill(0.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::zeros_like;
    use crate::testing::{assert_close, cotangent_slope, fill, numbers};
    use ndarray::{Array, Array3, s};

    fn twin(x: &Array3<f64>, w: &Array1<f64>, b: &Array1<f64>, groups: usize) -> Array3<f64> {
        let mut y = x.clone();
        let per_group = x.dim().1 / groups;
        for sample in 0..x.dim().0 {
            for g in 0..groups {
                let mut group = y.slice_mut(s![sample, g * per_group..(g + 1) * per_group, ..]);
                let mean = group.mean().unwrap();
                let variance = group.mapv(|v| (v - mean).powi(2)).mean().unwrap();
                group.mapv_inplace(|v| (v - mean) / (variance + 1e-5).sqrt());
            }
        }
        for ((_, c, _), y) in y.indexed_iter_mut() {
            *y = *y * w[c] + b[c];
        }
        y.mapv(|z| z * z.exp().ln_1p().tanh())
    }

    #[test]
    fn values_and_gradients_agree_with_the_slow_twin() {
        // One channel a group, several, one group of all; one position.
        for (batch, channels, len, groups) in [(2, 6, 5, 6), (3, 8, 4, 2), (2, 5, 7, 1), (2, 16, 1, 8)] {
            let name = format!("group norm {batch} x {channels} x {len}, {groups} groups");
            let mut layer = GroupNorm::zeros(groups, channels);
            fill(&mut layer, 5);
            let count = batch * channels * len;
            let x = Array::from_shape_vec((batch, channels, len), numbers(count, 1)).unwrap() + 0.5;
            let dy = Array::from_shape_vec((batch, channels, len), numbers(count, 2)).unwrap();
            let (x64, dy64) = (x.mapv(f64::from), dy.mapv(f64::from));
            let (w, b) = (layer.weight.mapv(f64::from), layer.bias.mapv(f64::from));

            // A convolution that changes nothing.
            let mut conv = Conv1d::zeros(channels, channels, 1).no_bias();
            (0..channels).for_each(|c| conv.weight_mut()[[c, c, 0]] = 1.0);
            let mut saved = GroupNormSaved::default();
            let mut y = Signal::default();
            let mut exec = Exec::default();
            let (f, x) = (Activation::Mish, Signal::from_bcl(x.view()));
            layer.forward_after(&conv, f, &x, &mut saved, true, &mut y, After::Overwrite, &mut exec);
            assert_close(
                &name,
                y.to_bcl().view().into_dyn(),
                twin(&x64, &w, &b, groups).view().into_dyn(),
            );

            let (mut dx, mut grad) = (Signal::default(), zeros_like(&layer));
            let dy = Signal::from_bcl(dy.view());
            layer.backward(f, &saved, &dy, &mut dx, None, &exec);
            let without_weights = dx.clone();
            for _ in 0..2 {
                layer.backward(f, &saved, &dy, &mut dx, Some(&mut grad), &exec);
            }
            assert_eq!(dx, without_weights);
            let slope = cotangent_slope(&x64, &dy64, |x| twin(x, &w, &b, groups));
            assert_close(
                &format!("{name} dx"),
                dx.to_bcl().view().into_dyn(),
                slope.view().into_dyn(),
            );
            let slope = cotangent_slope(&w, &dy64, |w| twin(&x64, w, &b, groups)) * 2.0;
            assert_close(
                &format!("{name} dw"),
                grad.weight.view().into_dyn(),
                slope.view().into_dyn(),
            );
            let slope = cotangent_slope(&b, &dy64, |b| twin(&x64, &w, b, groups)) * 2.0;
            assert_close(
                &format!("{name} db"),
                grad.bias.view().into_dyn(),
                slope.view().into_dyn(),
            );
        }
    }
}
