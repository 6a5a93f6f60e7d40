//! [`Conv1d`] and [`ConvTranspose1d`], with PyTorch's parameters and meaning; the arithmetic is that of `taps.rs`.

use crate::exec::Exec;
use crate::params::{Params, Path, visit_leaf, visit_leaf_mut};
use crate::signal::Signal;
use crate::taps::{Direction, Taps};
use diffplan_kernels::Init;
use ndarray::{Array1, ArrayView3, ArrayViewD, ArrayViewMut3, ArrayViewMutD};
use ndarray_rand::rand::RngCore;
use ndarray_rand::rand_distr::{Distribution, Uniform};

/// 1D convolution: `y[o, p] = bias[o] + Σ_{i,k} weight[o, i, k] · x[i, p·stride + k − padding]`, as `torch.nn.Conv1d`.
#[derive(Clone, Debug)]
pub struct Conv1d {
    pub(crate) taps: Taps,
    bias: Option<Array1<f32>>,
}

/// 1D transposed convolution: `y[o, q·stride + k − padding] += weight[i, o, k] · x[i, q]`, plus `bias[o]`, as
/// `torch.nn.ConvTranspose1d` without output padding.
#[derive(Clone, Debug)]
pub struct ConvTranspose1d {
    taps: Taps,
    bias: Option<Array1<f32>>,
}

macro_rules! shared {
    ($layer:ident) => {
        impl $layer {
            /// The same layer with another stride.
            ///
            /// # Panics
            /// If it is 0.
            pub fn stride(mut self, stride: usize) -> Self {
                assert!(stride > 0, "a stride of 0");
                self.taps.stride = stride;
                self
            }

            /// The same layer with zeros (for the transposed: cut-off positions) on either side.
            pub fn padding(mut self, padding: usize) -> Self {
                self.taps.padding = padding;
                self
            }

            /// The same layer without bias.
            pub fn no_bias(mut self) -> Self {
                self.bias = None;
                self
            }

            /// The weight in PyTorch's layout.
            pub fn weight(&self) -> ArrayView3<'_, f32> {
                self.taps.weight()
            }

            /// The weight in PyTorch's layout, to be changed.
            pub fn weight_mut(&mut self) -> ArrayViewMut3<'_, f32> {
                self.taps.weight_mut()
            }

            /// The bias (out channels).
            pub fn bias(&self) -> Option<&Array1<f32>> {
                self.bias.as_ref()
            }

            /// The bias (out channels), to be changed.
            pub fn bias_mut(&mut self) -> Option<&mut Array1<f32>> {
                self.bias.as_mut()
            }

            /// Packs the weights for passes tap by tap in both directions, where they are not packed yet: so that no two
            /// threads wait for each other to.
            pub fn pack_direct(&self) {
                self.taps.pack_direct();
            }

            /// What the output starts from.
            pub(crate) fn start(&self) -> Init<'_> {
                bias_or_zero(self.bias())
            }

            /// The gradient of the bias, accumulated into `grad`, a layer of the same shape; nothing without a bias.
            ///
            /// # Shapes
            /// `dy` (batch, out channels, output length).
            pub fn bias_grad(&self, dy: &Signal, grad: &mut Self) {
                if let Some(bias) = &mut grad.bias {
                    dy.sum_into_rows(bias.as_slice_mut().expect("a vector"));
                }
            }
        }

        impl Params for $layer {
            fn visit<'a>(&'a self, path: &mut Path, f: &mut dyn FnMut(&str, ArrayViewD<'a, f32>)) {
                path.within("weight", |path| f(path.as_str(), self.taps.weight().into_dyn()));
                if let Some(bias) = &self.bias {
                    visit_leaf(bias, "bias", path, f);
                }
            }

            fn visit_mut<'a>(&'a mut self, path: &mut Path, f: &mut dyn FnMut(&str, ArrayViewMutD<'a, f32>)) {
                path.within("weight", |path| {
                    f(path.as_str(), self.taps.weight_mut().into_dyn())
                });
                if let Some(bias) = &mut self.bias {
                    visit_leaf_mut(bias, "bias", path, f);
                }
            }

            /// PyTorch's default: uniform in ±1/√(fan in), where the fan in is the weight's second size times the kernel.
            fn init(&mut self, rng: &mut dyn RngCore) {
                let fan_in = self.taps.long_channels() * self.taps.kernel();
                let uniform = symmetric_uniform(fan_in);
                // In the order of PyTorch's layout, not of memory.
                self.taps
                    .weight_mut()
                    .iter_mut()
                    .for_each(|w| *w = uniform.sample(rng));
                if let Some(bias) = &mut self.bias {
                    bias.mapv_inplace(|_| uniform.sample(rng));
                }
            }
        }
    };
}
shared!(Conv1d);
shared!(ConvTranspose1d);

/// Uniform in ±1/√fan_in: what `kaiming_uniform_` with a = √5 comes to, for weights and biases alike.
pub(crate) fn symmetric_uniform(fan_in: usize) -> Uniform<f32> {
    let bound = 1.0 / (fan_in.max(1) as f32).sqrt();
    Uniform::new_inclusive(-bound, bound).expect("the bound is finite and positive")
}

/// What an output starts from: the bias, if there is one.
fn bias_or_zero(bias: Option<&Array1<f32>>) -> Init<'_> {
    match bias.and_then(|bias| bias.as_slice()) {
        Some(bias) => Init::Bias(bias),
        None => Init::Zero,
    }
}

impl Conv1d {
    /// A layer with all parameters zero, with bias, stride 1, no padding; weight (out, in, kernel).
    ///
    /// # Panics
    /// If `kernel` is 0.
    pub fn zeros(in_channels: usize, out_channels: usize, kernel: usize) -> Self {
        Self {
            taps: Taps::zeros(out_channels, in_channels, kernel),
            bias: Some(Array1::zeros(out_channels)),
        }
    }

    /// The number of input channels.
    pub fn in_channels(&self) -> usize {
        self.taps.long_channels()
    }

    /// The number of output channels.
    pub fn out_channels(&self) -> usize {
        self.taps.short_channels()
    }

    /// The output's length for an input's; none if the kernel is longer than the padded input.
    pub fn out_len(&self, len: usize) -> Option<usize> {
        self.taps.short_len(len)
    }

    /// `y` is overwritten.
    ///
    /// # Shapes
    /// `x` (batch, in channels, length), `y` (batch, out channels, [`out_len`](Self::out_len)).
    ///
    /// # Panics
    /// If `x` has other channels, or is shorter than the kernel allows.
    pub fn forward(&self, x: &Signal, y: &mut Signal, exec: &mut Exec) {
        let len = self
            .out_len(x.len())
            .expect("the kernel is longer than the padded input");
        y.reset(len, x.batch(), self.out_channels());
        self.taps.apply(Direction::Down, x, self.start(), y, exec);
    }

    /// The gradient with respect to the input; `dx` is overwritten.
    ///
    /// # Shapes
    /// `dy` (batch, out channels, output length), `dx` (batch, in channels, `len`), `len` being the input's length.
    ///
    /// # Panics
    /// If `dy` has another shape than the output.
    pub fn input_grad(&self, dy: &Signal, len: usize, dx: &mut Signal, exec: &mut Exec) {
        assert_eq!(Some(dy.len()), self.out_len(len), "length of the output's gradient");
        dx.reset(len, dy.batch(), self.in_channels());
        self.taps.apply(Direction::Up, dy, Init::Zero, dx, exec);
    }

    /// The same, added to `dx`, which has the input's shape.
    ///
    /// # Panics
    /// If `dy` or `dx` has another shape.
    pub fn add_input_grad(&self, dy: &Signal, dx: &mut Signal, exec: &mut Exec) {
        assert_eq!(
            Some(dy.len()),
            self.out_len(dx.len()),
            "length of the output's gradient"
        );
        assert_eq!(
            (dy.batch(), self.in_channels()),
            (dx.batch(), dx.channels()),
            "shape of the input's gradient"
        );
        self.taps.apply(Direction::Up, dy, Init::Accumulate, dx, exec);
    }

    /// The gradient with respect to the weight, accumulated into `grad`, a layer of the same shape.
    ///
    /// # Shapes
    /// `x` as in [`forward`](Self::forward), `dy` as its output.
    ///
    /// # Panics
    /// If a shape differs.
    pub fn weight_grad(&self, x: &Signal, dy: &Signal, grad: &mut Self) {
        self.weight_grad_of_parts(&[(x, dy)], grad, 1);
    }

    /// [`weight_grad`](Self::weight_grad) of several `(x, dy)`, one after another, on so many threads: the bits do not depend on
    /// how many.
    ///
    /// # Panics
    /// If a shape differs.
    pub fn weight_grad_of_parts(&self, parts: &[(&Signal, &Signal)], grad: &mut Self, threads: usize) {
        grad.taps.accumulate_weight_grad(parts, threads);
    }
}

impl ConvTranspose1d {
    /// A layer with all parameters zero, with bias, stride 1, no padding; weight (in, out, kernel).
    ///
    /// # Panics
    /// If `kernel` is 0.
    pub fn zeros(in_channels: usize, out_channels: usize, kernel: usize) -> Self {
        Self {
            taps: Taps::zeros(in_channels, out_channels, kernel),
            bias: Some(Array1::zeros(out_channels)),
        }
    }

    /// The number of input channels.
    pub fn in_channels(&self) -> usize {
        self.taps.short_channels()
    }

    /// The number of output channels.
    pub fn out_channels(&self) -> usize {
        self.taps.long_channels()
    }

    /// The output's length for an input's; none if the padding cuts everything off.
    pub fn out_len(&self, len: usize) -> Option<usize> {
        self.taps.long_len(len)
    }

    /// `y` is overwritten.
    ///
    /// # Shapes
    /// `x` (batch, in channels, length), `y` (batch, out channels, [`out_len`](Self::out_len)).
    ///
    /// # Panics
    /// If `x` has other channels, or nothing is left after the padding is cut off.
    pub fn forward(&self, x: &Signal, y: &mut Signal, exec: &mut Exec) {
        let len = self.out_len(x.len()).expect("the padding cuts the whole output off");
        y.reset(len, x.batch(), self.out_channels());
        self.taps.apply(Direction::Up, x, self.start(), y, exec);
    }

    /// The gradient with respect to the input; `dx` is overwritten.
    ///
    /// # Shapes
    /// `dy` (batch, out channels, output length), `dx` (batch, in channels, `len`), `len` being the input's length.
    ///
    /// # Panics
    /// If `dy` has another shape than the output.
    pub fn input_grad(&self, dy: &Signal, len: usize, dx: &mut Signal, exec: &mut Exec) {
        assert_eq!(Some(dy.len()), self.out_len(len), "length of the output's gradient");
        dx.reset(len, dy.batch(), self.in_channels());
        self.taps.apply(Direction::Down, dy, Init::Zero, dx, exec);
    }

    /// The same, added to `dx`, which has the input's shape.
    ///
    /// # Panics
    /// If `dy` or `dx` has another shape.
    pub fn add_input_grad(&self, dy: &Signal, dx: &mut Signal, exec: &mut Exec) {
        assert_eq!(
            Some(dy.len()),
            self.out_len(dx.len()),
            "length of the output's gradient"
        );
        assert_eq!(
            (dy.batch(), self.in_channels()),
            (dx.batch(), dx.channels()),
            "shape of the input's gradient"
        );
        self.taps.apply(Direction::Down, dy, Init::Accumulate, dx, exec);
    }

    /// The gradient with respect to the weight, accumulated into `grad`, a layer of the same shape.
    ///
    /// # Shapes
    /// `x` as in [`forward`](Self::forward), `dy` as its output.
    ///
    /// # Panics
    /// If a shape differs.
    pub fn weight_grad(&self, x: &Signal, dy: &Signal, grad: &mut Self) {
        self.weight_grad_of_parts(&[(x, dy)], grad, 1);
    }

    /// [`weight_grad`](Self::weight_grad) of several `(x, dy)`, one after another, on so many threads: the bits do not depend on
    /// how many.
    ///
    /// # Panics
    /// If a shape differs.
    pub fn weight_grad_of_parts(&self, parts: &[(&Signal, &Signal)], grad: &mut Self, threads: usize) {
        let parts: Vec<_> = parts.iter().map(|&(x, dy)| (dy, x)).collect();
        grad.taps.accumulate_weight_grad(&parts, threads);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::Algorithm;
    use crate::params::zeros_like;
    use crate::testing::{assert_close, cotangent_slope, fill, numbers};
    use ndarray::{Array, Array3};

    /// (in, out, kernel, stride, padding, length, bias): odd and even lengths, a kernel longer than the input, one channel.
    const CASES: [(usize, usize, usize, usize, usize, usize, bool); 15] = [
        (3, 40, 5, 1, 2, 12, true),
        (33, 2, 5, 1, 2, 16, false),
        (2, 3, 9, 1, 4, 10, true),
        (3, 4, 5, 1, 2, 8, true),
        (3, 4, 5, 1, 2, 4, false),
        (2, 5, 5, 1, 2, 1, true),
        (4, 2, 1, 1, 0, 7, true),
        (3, 3, 3, 2, 1, 8, true),
        (3, 5, 3, 2, 1, 7, false),
        (2, 3, 3, 2, 1, 1, true),
        (2, 3, 4, 2, 1, 6, true),
        (1, 1, 7, 3, 3, 11, true),
        (5, 2, 2, 3, 0, 9, false),
        (2, 2, 4, 1, 5, 3, true),
        (3, 2, 2, 5, 3, 6, true),
    ];
    const BATCH: usize = 3;

    /// The slow twin of the convolution, in float64, written with padding rather than with pairs of positions.
    fn conv_twin(x: &Array3<f64>, w: &Array3<f64>, bias: &Array1<f64>, stride: usize, padding: usize) -> Array3<f64> {
        let (batch, inputs, len) = x.dim();
        let (outputs, _, kernel) = w.dim();
        let mut padded = Array3::<f64>::zeros((batch, inputs, len + 2 * padding));
        padded.slice_mut(ndarray::s![.., .., padding..padding + len]).assign(x);
        let positions: Vec<usize> = (0..)
            .map(|p| p * stride)
            .take_while(|p| p + kernel <= len + 2 * padding)
            .collect();
        Array3::from_shape_fn((batch, outputs, positions.len()), |(b, o, p)| {
            let mut sum = bias[o];
            for i in 0..inputs {
                for k in 0..kernel {
                    sum += w[[o, i, k]] * padded[[b, i, positions[p] + k]];
                }
            }
            sum
        })
    }

    /// The slow twin of the transposed convolution: every input spreads its kernel, then the padding is cut off.
    fn conv_transpose_twin(
        x: &Array3<f64>,
        w: &Array3<f64>,
        bias: &Array1<f64>,
        stride: usize,
        padding: usize,
    ) -> Array3<f64> {
        let (batch, inputs, len) = x.dim();
        let (_, outputs, kernel) = w.dim();
        let mut whole = Array3::<f64>::zeros((batch, outputs, (len - 1) * stride + kernel));
        for ((b, i, q), &value) in x.indexed_iter() {
            for o in 0..outputs {
                for k in 0..kernel {
                    whole[[b, o, q * stride + k]] += value * w[[i, o, k]];
                }
            }
        }
        assert_eq!(inputs, w.dim().0);
        let end = whole.dim().2 - padding;
        let mut y = whole.slice(ndarray::s![.., .., padding..end]).to_owned();
        for (mut channel, bias) in y.axis_iter_mut(ndarray::Axis(1)).zip(bias) {
            channel += *bias;
        }
        y
    }

    macro_rules! check {
        ($layer:ident, $twin:ident, $case:expr, $batch:expr) => {{
            let (inputs, outputs, kernel, stride, padding, len, with_bias) = $case;
            let batch: usize = $batch;
            let mut layer = $layer::zeros(inputs, outputs, kernel).stride(stride).padding(padding);
            if !with_bias {
                layer = layer.no_bias();
            }
            fill(&mut layer, 7);
            let name = format!("{} {:?} batch {batch}", stringify!($layer), $case);
            let Some(out_len) = layer.out_len(len) else {
                panic!("{name}: no output")
            };
            let x = Array::from_shape_vec((batch, inputs, len), numbers(batch * inputs * len, 1)).unwrap();
            let dy = Array::from_shape_vec((batch, outputs, out_len), numbers(batch * outputs * out_len, 2)).unwrap();
            let w = layer.weight().mapv(f64::from);
            let bias = layer.bias().map_or(Array1::zeros(outputs), |bias| bias.mapv(f64::from));
            let (x64, dy64) = (x.mapv(f64::from), dy.mapv(f64::from));

            // A poisoned output, of another size, must be overwritten everywhere.
            let poisoned = || {
                let mut signal = Signal::zeros(5, 2, 3);
                signal.data_mut().fill(f32::NAN);
                signal
            };
            let dy = Signal::from_bcl(dy.view());
            for algorithm in [Algorithm::ToomCook, Algorithm::Direct] {
                let name = format!("{name} {algorithm:?}");
                let mut exec = Exec::default();
                exec.compute.algorithm = algorithm;
                let mut y = poisoned();
                layer.forward(&Signal::from_bcl(x.view()), &mut y, &mut exec);
                assert_close(
                    &name,
                    y.to_bcl().into_dyn().view(),
                    $twin(&x64, &w, &bias, stride, padding).into_dyn().view(),
                );

                let mut dx = poisoned();
                layer.input_grad(&dy, len, &mut dx, &mut exec);
                let slope = cotangent_slope(&x64, &dy64, |x| $twin(x, &w, &bias, stride, padding));
                assert_close(
                    &format!("{name} dx"),
                    dx.to_bcl().into_dyn().view(),
                    slope.view().into_dyn(),
                );

                layer.add_input_grad(&dy, &mut dx, &mut exec);
                assert_close(
                    &format!("{name} dx twice"),
                    dx.to_bcl().into_dyn().view(),
                    (slope * 2.0).into_dyn().view(),
                );
            }

            // Twice, since weight gradients accumulate.
            let mut grad = zeros_like(&layer);
            for _ in 0..2 {
                layer.weight_grad(&Signal::from_bcl(x.view()), &dy, &mut grad);
                layer.bias_grad(&dy, &mut grad);
            }
            let slope = cotangent_slope(&w, &dy64, |w| $twin(&x64, w, &bias, stride, padding)) * 2.0;
            assert_close(&format!("{name} dw"), grad.weight().into_dyn(), slope.into_dyn().view());
            if with_bias {
                let slope = cotangent_slope(&bias, &dy64, |bias| $twin(&x64, &w, bias, stride, padding)) * 2.0;
                let grad = grad.bias().unwrap();
                assert_close(&format!("{name} db"), grad.view().into_dyn(), slope.into_dyn().view());
            }
        }};
    }

    #[test]
    fn convolution_and_its_gradients_agree_with_the_slow_twin() {
        for case in CASES {
            check!(Conv1d, conv_twin, case, BATCH);
            check!(Conv1d, conv_twin, case, 1);
        }
    }

    #[test]
    fn transposed_convolution_and_its_gradients_agree_with_the_slow_twin() {
        for case in CASES {
            let (inputs, outputs, kernel, stride, padding, len, _) = case;
            let layer = ConvTranspose1d::zeros(inputs, outputs, kernel)
                .stride(stride)
                .padding(padding);
            if layer.out_len(len).is_some() {
                check!(ConvTranspose1d, conv_transpose_twin, case, BATCH);
                check!(ConvTranspose1d, conv_transpose_twin, case, 1);
            }
        }
    }

    #[test]
    fn lengths_without_output_are_told() {
        assert_eq!(Conv1d::zeros(1, 1, 5).padding(1).out_len(2), None);
        assert_eq!(Conv1d::zeros(1, 1, 5).padding(1).out_len(3), Some(1));
        assert_eq!(ConvTranspose1d::zeros(1, 1, 4).padding(2).out_len(1), None);
        assert_eq!(
            ConvTranspose1d::zeros(1, 1, 4).stride(2).padding(1).out_len(16),
            Some(32)
        );
        assert_eq!(ConvTranspose1d::zeros(1, 1, 4).out_len(0), None);
    }

    #[test]
    fn changed_weights_are_used_at_the_next_call() {
        let mut conv = Conv1d::zeros(1, 1, 1).no_bias();
        let x = Signal::from_bcl(Array3::ones((1, 1, 1)).view());
        let mut y = Signal::default();
        conv.forward(&x, &mut y, &mut Exec::default());
        assert_eq!(y.data(), [0.0]);
        conv.weight_mut().fill(3.0);
        conv.forward(&x, &mut y, &mut Exec::default());
        assert_eq!(y.data(), [3.0]);
    }

    #[test]
    fn initial_weights_keep_within_pytorch_bounds() {
        use ndarray_rand::rand::{SeedableRng, rngs::StdRng};
        let mut conv = Conv1d::zeros(4, 64, 5);
        conv.init(&mut StdRng::seed_from_u64(1));
        let bound = 1.0 / 20f32.sqrt();
        let largest = conv.weight().iter().fold(0f32, |m, w| m.max(w.abs()));
        assert!(largest <= bound && largest > 0.99 * bound);
        assert!(conv.weight().mean().unwrap().abs() < 0.02);
    }
}
