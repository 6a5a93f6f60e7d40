//! Diffusion times as vectors: sinusoids, random Fourier features, and the small network on top of either.
//!
//! References: `get_timestep_embedding`, `GaussianFourierProjection` and `TimestepEmbedding` in diffusers'
//! `models/embeddings.py`. Sinusoids are computed in float32 as there even when the network is in float64, since at
//! t = 1000 the rounding of the frequencies shows.

use crate::linear::Linear;
use crate::params::{Params, Path, Role, visit_leaf, visit_leaf_mut};
use diffplan_kernels::{Activation, activate, activation_grad};
use ndarray::{Array1, ArrayViewD, ArrayViewMutD};
use ndarray_rand::rand::RngCore;
use ndarray_rand::rand_distr::{Distribution, StandardNormal};

/// Sinusoids of a timestep at `channels / 2` frequencies from 1 down to 1/10000.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Timesteps {
    /// The vector's length; an odd one ends with a zero.
    pub channels: usize,
    /// Cosines before sines.
    pub flip_sin_to_cos: bool,
    /// Frequencies are 10000^(-i / (channels/2 - freq_shift)).
    pub freq_shift: f32,
}

impl Timesteps {
    /// `out` (channels) is overwritten.
    ///
    /// # Panics
    /// If it has another length.
    pub fn embed(&self, timestep: f32, out: &mut [f32]) {
        assert_eq!(out.len(), self.channels);
        let half = self.channels / 2;
        let (first, rest) = out.split_at_mut(half);
        let (second, odd) = rest.split_at_mut(half);
        let (sines, cosines) = if self.flip_sin_to_cos {
            (second, first)
        } else {
            (first, second)
        };
        for (i, (sine, cosine)) in sines.iter_mut().zip(cosines).enumerate() {
            let exponent = -(10_000f64.ln() as f32) * i as f32 / (half as f32 - self.freq_shift);
            let angle = timestep * exponent.exp();
            (*sine, *cosine) = angle.sin_cos();
        }
        odd.fill(0.0);
    }
}

/// Sines and cosines of a timestep at fixed random frequencies, `weight` (channels / 2), which are saved but not trained.
#[derive(Clone, Debug)]
pub struct GaussianFourierProjection {
    weight: Array1<f32>,
    flip_sin_to_cos: bool,
}

impl GaussianFourierProjection {
    /// A projection to `2 · frequencies` numbers, all frequencies zero.
    pub fn zeros(frequencies: usize, flip_sin_to_cos: bool) -> Self {
        Self {
            weight: Array1::zeros(frequencies),
            flip_sin_to_cos,
        }
    }

    /// `out` (2 · frequencies) is overwritten.
    ///
    /// # Panics
    /// If it has another length.
    pub fn embed(&self, timestep: f32, out: &mut [f32]) {
        assert_eq!(out.len(), 2 * self.weight.len());
        let (first, second) = out.split_at_mut(self.weight.len());
        let (sines, cosines) = if self.flip_sin_to_cos {
            (second, first)
        } else {
            (first, second)
        };
        for ((&frequency, sine), cosine) in self.weight.iter().zip(sines).zip(cosines) {
            // In double precision: at t = 1000 float32 would leave three digits of the angle's fraction of a turn.
            let (s, c) = (f64::from(timestep) * f64::from(frequency) * std::f64::consts::TAU).sin_cos();
            (*sine, *cosine) = (s as f32, c as f32);
        }
    }
}

impl Params for GaussianFourierProjection {
    fn visit<'a>(&'a self, path: &mut Path, f: &mut dyn FnMut(&str, ArrayViewD<'a, f32>)) {
        visit_leaf(&self.weight, "weight", path, f);
    }

    fn visit_mut<'a>(&'a mut self, path: &mut Path, f: &mut dyn FnMut(&str, ArrayViewMutD<'a, f32>)) {
        visit_leaf_mut(&mut self.weight, "weight", path, f);
    }

    /// Standard normal frequencies.
    fn init(&mut self, rng: &mut dyn RngCore) {
        self.weight.mapv_inplace(|_| StandardNormal.sample(rng));
    }

    /// Frequencies are drawn once: `requires_grad=False` in the reference.
    fn visit_roles(&self, f: &mut dyn FnMut(Role)) {
        f(Role::Frozen);
    }
}

/// Linear, activation, linear: the network that turns a timestep's vector into the embedding that blocks read.
#[derive(Clone, Debug)]
pub struct TimestepEmbedding {
    linear_1: Linear,
    linear_2: Linear,
    activation: Activation,
}
crate::params!(TimestepEmbedding { linear_1, linear_2 });

/// What the gradient of [`TimestepEmbedding`] reads.
#[derive(Clone, Debug, Default)]
pub struct TimestepEmbeddingSaved {
    /// The first layer's output, (rows, hidden).
    hidden: Vec<f32>,
    /// After the activation.
    activated: Vec<f32>,
}

impl TimestepEmbedding {
    /// A network with all parameters zero.
    pub fn zeros(in_channels: usize, hidden: usize, out_channels: usize, activation: Activation) -> Self {
        Self {
            linear_1: Linear::zeros(in_channels, hidden),
            linear_2: Linear::zeros(hidden, out_channels),
            activation,
        }
    }

    /// The output for `x` (rows, in) as (rows, out), and what the gradient reads.
    ///
    /// # Panics
    /// If `x` does not hold whole rows.
    pub fn forward(&self, x: &[f32]) -> (Vec<f32>, TimestepEmbeddingSaved) {
        let rows = x.len() / self.linear_1.in_features();
        let mut hidden = vec![0.0; rows * self.linear_1.out_features()];
        self.linear_1.forward(x, &mut hidden);
        let mut activated = vec![0.0; hidden.len()];
        activate(self.activation, &hidden, &mut activated);
        let mut y = vec![0.0; rows * self.linear_2.out_features()];
        self.linear_2.forward(&activated, &mut y);
        (y, TimestepEmbeddingSaved { hidden, activated })
    }

    /// The gradients for the output's gradient `dy` (rows, out): those of the parameters are accumulated into `grad`, that of
    /// the input (rows, in) is returned.
    ///
    /// # Panics
    /// If the sizes do not fit.
    pub fn backward(&self, x: &[f32], saved: &TimestepEmbeddingSaved, dy: &[f32], grad: &mut Self) -> Vec<f32> {
        let mut d_activated = vec![0.0; saved.activated.len()];
        self.linear_2.input_grad(dy, &mut d_activated);
        self.linear_2.weight_grad(&saved.activated, dy, &mut grad.linear_2);
        self.linear_2.bias_grad(dy, &mut grad.linear_2);
        let mut d_hidden = vec![0.0; saved.hidden.len()];
        activation_grad(self.activation, &saved.hidden, &d_activated, &mut d_hidden);
        self.linear_1.weight_grad(x, &d_hidden, &mut grad.linear_1);
        self.linear_1.bias_grad(&d_hidden, &mut grad.linear_1);
        let mut dx = vec![0.0; x.len()];
        self.linear_1.input_grad(&d_hidden, &mut dx);
        dx
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::{named_params, zeros_like};
    use crate::testing::{assert_close, cotangent_slope, fill, numbers};
    use ndarray::Array2;

    /// `get_timestep_embedding` of diffusers 0.42.1 on PyTorch 2.15: (timestep, channels, flip, shift), the vector.
    #[test]
    fn sinusoids_are_those_of_diffusers() {
        let cases: [(f32, usize, bool, f32, &[f32]); 4] = REFERENCE_SINUSOIDS;
        for (timestep, channels, flip_sin_to_cos, freq_shift, expected) in cases {
            let mut out = vec![f32::NAN; channels];
            Timesteps {
                channels,
                flip_sin_to_cos,
                freq_shift,
            }
            .embed(timestep, &mut out);
            for (i, (a, e)) in out.iter().zip(expected).enumerate() {
                // The exponential may differ in its last bit, which the timestep multiplies.
                assert!(
                    (a - e).abs() <= 1.2e-7 * timestep.max(1.0),
                    "t = {timestep}, channel {i}: {a}, expected {e}"
                );
            }
        }
    }

    #[test]
    fn fourier_features_are_sines_and_cosines() {
        let mut projection = GaussianFourierProjection::zeros(2, false);
        projection.weight.assign(&ndarray::arr1(&[0.25, 1.0 / 12.0]));
        let mut out = [f32::NAN; 4];
        projection.embed(1.0, &mut out);
        let expected = [1.0, 0.5, 0.0, 0.75f32.sqrt()];
        assert!(out.iter().zip(expected).all(|(a, e)| (a - e).abs() < 1e-6), "{out:?}");
        projection.flip_sin_to_cos = true;
        projection.embed(1.0, &mut out);
        assert!(
            out.iter()
                .zip([expected[2], expected[3], 1.0, 0.5])
                .all(|(a, e)| (a - e).abs() < 1e-6),
            "{out:?}"
        );
    }

    #[test]
    fn the_network_and_its_gradients_agree_with_the_slow_twin() {
        let (rows, inputs, hidden, outputs) = (3, 4, 6, 5);
        for activation in [Activation::Mish, Activation::Silu] {
            let mut network = TimestepEmbedding::zeros(inputs, hidden, outputs, activation);
            fill(&mut network, 11);
            let x = Array2::from_shape_vec((rows, inputs), numbers(rows * inputs, 1)).unwrap();
            let dy = Array2::from_shape_vec((rows, outputs), numbers(rows * outputs, 2)).unwrap();
            let f = |z: f64| match activation {
                Activation::Mish => z * z.exp().ln_1p().tanh(),
                _ => z / (1.0 + (-z).exp()),
            };
            let params: Vec<Array2<f64>> = named_params(&network)
                .into_iter()
                .map(|(_, p)| {
                    let p = p.mapv(f64::from);
                    let (rows, cols) = if p.ndim() == 2 {
                        (p.shape()[0], p.shape()[1])
                    } else {
                        (1, p.len())
                    };
                    p.into_shape_with_order((rows, cols)).unwrap()
                })
                .collect();
            let twin = |x: &Array2<f64>, p: &[Array2<f64>]| {
                let hidden = (x.dot(&p[0].t()) + p[1].row(0)).mapv(f);
                hidden.dot(&p[2].t()) + p[3].row(0)
            };
            let (x64, dy64) = (x.mapv(f64::from), dy.mapv(f64::from));

            let (y, saved) = network.forward(x.as_slice().unwrap());
            let y = Array2::from_shape_vec((rows, outputs), y).unwrap();
            assert_close("embedding", y.view().into_dyn(), twin(&x64, &params).view().into_dyn());

            let mut grad = zeros_like(&network);
            let mut dx = Vec::new();
            for _ in 0..2 {
                dx = network.backward(x.as_slice().unwrap(), &saved, dy.as_slice().unwrap(), &mut grad);
            }
            let dx = Array2::from_shape_vec((rows, inputs), dx).unwrap();
            let slope = cotangent_slope(&x64, &dy64, |x| twin(x, &params));
            assert_close("embedding dx", dx.view().into_dyn(), slope.view().into_dyn());
            for (i, (name, actual)) in named_params(&grad).into_iter().enumerate() {
                let slope = cotangent_slope(&params[i], &dy64, |p| {
                    let mut changed = params.clone();
                    changed[i] = p.clone();
                    twin(&x64, &changed)
                }) * 2.0;
                let slope = slope.into_dyn().into_shape_with_order(actual.shape()).unwrap();
                assert_close(&name, actual, slope.view());
            }
        }
    }

    #[rustfmt::skip]
    #[allow(clippy::excessive_precision)] // as printed by the reference
    const REFERENCE_SINUSOIDS: [(f32, usize, bool, f32, &[f32]); 4] = [
        (3.0, 6, false, 1.0, &[0.141120002, 0.0299954992, 0.000299999956, -0.989992499, 0.999550045, 0.99999994]),
        (19.0, 8, true, 0.0, &[0.988704622, -0.323289424, 0.982004225, 0.999819517, 0.149877205, 0.946300149, 0.188858896, 0.0189988557]),
        (999.0, 10, false, 0.0, &[-0.0264607519, 0.949360192, -0.038985163, -0.741630793, 0.589408457, 0.999649823, 0.314189881, 0.999239802, -0.670808315, 0.807835162]),
        (7.5, 5, true, 0.0, &[0.346635312, 0.997188807, 0.937999964, 0.0749296993, 0.0]),
    ];
}
