//! [`ChannelNorm`]: normalisation over the channels of every position, with a weight and a bias a channel: `LayerNorm` of the original Diffuser's
//! `helpers.py`. `y = (x − mean)/√(var + eps) · weight + bias`, the variance with 1/channels, eps 1e-5.

use crate::params::{Params, Path, visit_leaf, visit_leaf_mut};
use crate::signal::Signal;
use ndarray::{Array1, ArrayViewD, ArrayViewMutD};
use ndarray_rand::rand::RngCore;

const EPS: f32 = 1e-5;

/// The layer; weight and bias (channels).
#[derive(Clone, Debug)]
pub struct ChannelNorm {
    weight: Array1<f32>,
    bias: Array1<f32>,
}

/// What its gradient reads.
#[derive(Clone, Debug, Default)]
pub struct ChannelNormSaved {
    normalised: Signal,
    /// 1/√(var + eps) of every position of every sample.
    inv_std: Vec<f32>,
}

impl ChannelNorm {
    /// A layer with all parameters zero: useful as a gradient; [`init`](Params::init) makes the weights 1.
    pub fn zeros(channels: usize) -> Self {
        Self {
            weight: Array1::zeros(channels),
            bias: Array1::zeros(channels),
        }
    }

    /// `y` becomes the output for `x`, `saved` what [`backward`](Self::backward) reads.
    ///
    /// # Shapes
    /// `x` and `y` (batch, channels, length).
    ///
    /// # Panics
    /// If the channels differ.
    pub fn forward(&self, x: &Signal, saved: &mut ChannelNormSaved, y: &mut Signal) {
        let (len, batch, channels) = x.shape();
        assert_eq!(channels, self.weight.len(), "channels");
        saved.normalised.reset(len, batch, channels);
        saved.inv_std.resize(len * batch, 0.0);
        y.reset(len, batch, channels);
        let rows = x.data().chunks_exact(channels).zip(&mut saved.inv_std);
        let out = saved.normalised.data_mut().chunks_exact_mut(channels);
        for ((x, inv_std), (normalised, y)) in rows.zip(out.zip(y.data_mut().chunks_exact_mut(channels))) {
            let mean = x.iter().sum::<f32>() / channels as f32;
            let variance = x.iter().map(|x| (x - mean) * (x - mean)).sum::<f32>() / channels as f32;
            *inv_std = 1.0 / (variance + EPS).sqrt();
            for (c, (n, y)) in normalised.iter_mut().zip(y).enumerate() {
                *n = (x[c] - mean) * *inv_std;
                *y = *n * self.weight[c] + self.bias[c];
            }
        }
    }

    /// `dx` becomes the gradient of the input; those of weight and bias are added to `grad` where one is given.
    ///
    /// # Panics
    /// If `dy` has another shape than the saved signal.
    pub fn backward(&self, saved: &ChannelNormSaved, dy: &Signal, dx: &mut Signal, grad: Option<&mut Self>) {
        let (len, batch, channels) = saved.normalised.shape();
        assert_eq!(dy.shape(), (len, batch, channels), "shape of the output's gradient");
        dx.reset(len, batch, channels);
        let rows = dy
            .data()
            .chunks_exact(channels)
            .zip(saved.normalised.data().chunks_exact(channels));
        for ((dy, n), (dx, inv_std)) in rows.zip(dx.data_mut().chunks_exact_mut(channels).zip(&saved.inv_std)) {
            let (mut sum, mut dot) = (0.0, 0.0);
            for c in 0..channels {
                let d = dy[c] * self.weight[c];
                sum += d;
                dot += d * n[c];
            }
            let (mean, along) = (sum / channels as f32, dot / channels as f32);
            for c in 0..channels {
                dx[c] = (dy[c] * self.weight[c] - mean - n[c] * along) * inv_std;
            }
        }
        if let Some(grad) = grad {
            let rows = dy
                .data()
                .chunks_exact(channels)
                .zip(saved.normalised.data().chunks_exact(channels));
            for (dy, n) in rows {
                for c in 0..channels {
                    grad.weight[c] += dy[c] * n[c];
                    grad.bias[c] += dy[c];
                }
            }
        }
    }
}

impl Params for ChannelNorm {
    fn visit<'a>(&'a self, path: &mut Path, f: &mut dyn FnMut(&str, ArrayViewD<'a, f32>)) {
        visit_leaf(&self.weight, "weight", path, f);
        visit_leaf(&self.bias, "bias", path, f);
    }

    fn visit_mut<'a>(&'a mut self, path: &mut Path, f: &mut dyn FnMut(&str, ArrayViewMutD<'a, f32>)) {
        visit_leaf_mut(&mut self.weight, "weight", path, f);
        visit_leaf_mut(&mut self.bias, "bias", path, f);
    }

    /// Weight 1, bias 0.
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
    use ndarray::{Array3, Axis};

    fn twin(x: &Array3<f64>, weight: &Array1<f64>, bias: &Array1<f64>) -> Array3<f64> {
        let mut y = x.clone();
        for mut position in y.lanes_mut(Axis(1)) {
            let mean = position.mean().unwrap();
            let variance = position.mapv(|x| (x - mean).powi(2)).mean().unwrap();
            position.mapv_inplace(|x| (x - mean) / (variance + 1e-5).sqrt());
            position.zip_mut_with(weight, |y, w| *y *= w);
            position += bias;
        }
        y
    }

    #[test]
    fn values_and_gradients_agree_with_the_slow_twin() {
        let (batch, channels, len) = (2, 6, 5);
        let mut layer = ChannelNorm::zeros(channels);
        fill(&mut layer, 3);
        let of = |seed| Array3::from_shape_vec((batch, channels, len), numbers(batch * channels * len, seed)).unwrap();
        let (x, dy) = (of(1), of(2));
        let (x64, dy64) = (x.mapv(f64::from), dy.mapv(f64::from));
        let (w, b) = (layer.weight.mapv(f64::from), layer.bias.mapv(f64::from));
        let (mut saved, mut y, mut dx) = (ChannelNormSaved::default(), Signal::default(), Signal::default());
        layer.forward(&Signal::from_bcl(x.view()), &mut saved, &mut y);
        assert_close("y", y.to_bcl().view().into_dyn(), twin(&x64, &w, &b).view().into_dyn());
        let mut grad = zeros_like(&layer);
        layer.backward(&saved, &Signal::from_bcl(dy.view()), &mut dx, Some(&mut grad));
        let slope = cotangent_slope(&x64, &dy64, |x| twin(x, &w, &b));
        assert_close("dx", dx.to_bcl().view().into_dyn(), slope.view().into_dyn());
        let slope = cotangent_slope(&w, &dy64, |w| twin(&x64, w, &b));
        assert_close("dw", grad.weight.view().into_dyn(), slope.view().into_dyn());
        let slope = cotangent_slope(&b, &dy64, |b| twin(&x64, &w, b));
        assert_close("db", grad.bias.view().into_dyn(), slope.view().into_dyn());
    }
}
