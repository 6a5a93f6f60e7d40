//! [`GroupNorm`] with the activation that follows it; the equations are those of `diffplan_kernels`' `group_norm`.

use crate::params::{Params, Path, visit_leaf, visit_leaf_mut};
use crate::signal::Signal;
use diffplan_kernels::{Activation, GroupNormShape, group_norm, group_norm_grad};
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

/// The input of a [`GroupNorm`], which the forward pass turns into what the gradient reads.
#[derive(Clone, Debug, Default)]
pub struct GroupNormSaved {
    /// Before the forward pass the layer's input; after it, the input normalised.
    pub signal: Signal,
    /// 1/√(var + eps), (batch, groups).
    inv_std: Vec<f32>,
    scratch: Vec<f32>,
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
        let (len, batch, channels) = signal.shape();
        assert_eq!(channels, self.weight.len(), "channels");
        GroupNormShape {
            len,
            batch,
            channels,
            groups: self.groups,
        }
    }

    /// `y` = f(normalised · weight + bias) is overwritten; `saved.signal` holds the input before, its normalised self after.
    ///
    /// # Shapes
    /// `saved.signal` and `y` (batch, channels, length).
    ///
    /// # Panics
    /// If the channels differ.
    pub fn forward(&self, f: Activation, saved: &mut GroupNormSaved, y: &mut Signal) {
        let shape = self.shape(&saved.signal);
        saved.inv_std.resize(shape.batch * shape.groups, 0.0);
        saved.scratch.resize(2 * shape.channels, 0.0);
        y.reset(shape.len, shape.batch, shape.channels);
        let (gamma, beta) = self.scale_and_shift();
        let x = saved.signal.data_mut();
        group_norm(
            shape,
            EPS,
            gamma,
            beta,
            f,
            x,
            &mut saved.inv_std,
            &mut saved.scratch,
            y.data_mut(),
        );
    }

    /// The gradient of [`forward`](Self::forward): `dx` is overwritten; those of weight and bias are accumulated into
    /// `grad`, a layer of the same shape, where one is given.
    ///
    /// # Shapes
    /// `dy` and `dx` (batch, channels, length).
    ///
    /// # Panics
    /// If `dy` has another shape than the saved signal.
    pub fn backward(
        &self,
        f: Activation,
        saved: &mut GroupNormSaved,
        dy: &Signal,
        dx: &mut Signal,
        grad: Option<&mut Self>,
    ) {
        let shape = self.shape(&saved.signal);
        dx.reset(shape.len, shape.batch, shape.channels);
        let (gamma, beta) = self.scale_and_shift();
        let grad = grad.map(|grad| {
            let slices = (grad.weight.as_slice_mut(), grad.bias.as_slice_mut());
            (slices.0.expect("a vector"), slices.1.expect("a vector"))
        });
        let normalised = saved.signal.data();
        let scratch = &mut saved.scratch;
        group_norm_grad(
            shape,
            gamma,
            beta,
            f,
            normalised,
            &saved.inv_std,
            dy.data(),
            scratch,
            dx.data_mut(),
            grad,
        );
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

            let mut saved = GroupNormSaved {
                signal: Signal::from_bcl(x.view()),
                ..Default::default()
            };
            let mut y = Signal::default();
            layer.forward(Activation::Mish, &mut saved, &mut y);
            assert_close(
                &name,
                y.to_bcl().view().into_dyn(),
                twin(&x64, &w, &b, groups).view().into_dyn(),
            );

            let (mut dx, mut grad) = (Signal::default(), zeros_like(&layer));
            let dy = Signal::from_bcl(dy.view());
            layer.backward(Activation::Mish, &mut saved, &dy, &mut dx, None);
            let without_weights = dx.clone();
            for _ in 0..2 {
                layer.backward(Activation::Mish, &mut saved, &dy, &mut dx, Some(&mut grad));
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
