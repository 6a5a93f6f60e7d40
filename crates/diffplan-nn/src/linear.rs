//! [`Linear`]: y = x Wᵀ + b over rows, as `torch.nn.Linear`.

use crate::conv::symmetric_uniform;
use crate::params::{Params, Path, visit_leaf, visit_leaf_mut};
use diffplan_kernels::{Init, MatRef, Packed, Rows, RowsMut, Term, add_outer_products, products};
use ndarray::{Array1, Array2, ArrayViewD, ArrayViewMutD};
use ndarray_rand::rand::RngCore;
use ndarray_rand::rand_distr::Distribution;
use std::sync::OnceLock;

/// An affine map of every row; weight (out, in), bias (out).
///
/// Rows are slices in row-major order, `(rows, in)` and `(rows, out)`.
#[derive(Debug)]
pub struct Linear {
    weight: Array2<f32>,
    bias: Array1<f32>,
    /// Wᵀ and W, packed when first needed.
    forward: OnceLock<Packed>,
    backward: OnceLock<Packed>,
}

impl Clone for Linear {
    /// Without the packed weights, which a copy makes anew: most copies are gradients, or about to change.
    fn clone(&self) -> Self {
        Self {
            weight: self.weight.clone(),
            bias: self.bias.clone(),
            forward: OnceLock::new(),
            backward: OnceLock::new(),
        }
    }
}

impl Linear {
    /// A layer with all parameters zero.
    pub fn zeros(in_features: usize, out_features: usize) -> Self {
        Self {
            weight: Array2::zeros((out_features, in_features)),
            bias: Array1::zeros(out_features),
            forward: OnceLock::new(),
            backward: OnceLock::new(),
        }
    }

    /// The length of an input row.
    pub fn in_features(&self) -> usize {
        self.weight.dim().1
    }

    /// The length of an output row.
    pub fn out_features(&self) -> usize {
        self.weight.dim().0
    }

    /// The weight (out, in).
    pub fn weight(&self) -> &Array2<f32> {
        &self.weight
    }

    /// The bias (out).
    pub fn bias(&self) -> &Array1<f32> {
        &self.bias
    }

    fn weight_matrix(&self) -> MatRef<'_> {
        let (outputs, inputs) = self.weight.dim();
        MatRef::row_major(
            self.weight.as_slice().expect("made in standard layout"),
            outputs,
            inputs,
        )
    }

    /// The number of rows, if `input` and `output` hold equally many.
    fn rows(&self, input: usize, output: usize) -> usize {
        let rows = input / self.in_features();
        assert_eq!(
            (input, output),
            (rows * self.in_features(), rows * self.out_features()),
            "sizes of rows"
        );
        rows
    }

    /// `y` (rows, out) is overwritten; `x` is (rows, in).
    ///
    /// # Panics
    /// If the sizes do not fit.
    pub fn forward(&self, x: &[f32], y: &mut [f32]) {
        self.rows(x.len(), y.len());
        let packed = self.forward.get_or_init(|| pack(self.weight_matrix().t()));
        let bias = Init::Bias(self.bias.as_slice().expect("a vector"));
        apply(x, packed, bias, y);
    }

    /// The gradient with respect to the input; `dx` (rows, in) is overwritten; `dy` is (rows, out).
    ///
    /// # Panics
    /// If the sizes do not fit.
    pub fn input_grad(&self, dy: &[f32], dx: &mut [f32]) {
        self.rows(dx.len(), dy.len());
        let packed = self.backward.get_or_init(|| pack(self.weight_matrix()));
        apply(dy, packed, Init::Zero, dx);
    }

    /// The gradient with respect to the weight, accumulated into `grad`, a layer of the same shape.
    ///
    /// # Panics
    /// If the sizes do not fit.
    pub fn weight_grad(&self, x: &[f32], dy: &[f32], grad: &mut Self) {
        self.rows(x.len(), dy.len());
        let (outputs, inputs) = self.weight.dim();
        let weight = grad.weight.as_slice_mut().expect("made in standard layout");
        add_outer_products(
            Rows::new(dy, outputs),
            Rows::new(x, inputs),
            RowsMut::new(weight, inputs),
        );
    }

    /// The gradient with respect to the bias, accumulated into `grad`, a layer of the same shape.
    pub fn bias_grad(&self, dy: &[f32], grad: &mut Self) {
        for row in dy.chunks_exact(self.out_features()) {
            grad.bias.iter_mut().zip(row).for_each(|(b, d)| *b += d);
        }
    }
}

fn pack(matrix: MatRef) -> Packed {
    let mut packed = Packed::zeros(1, matrix.rows(), matrix.cols());
    packed.set(0, matrix);
    packed
}

fn apply(x: &[f32], packed: &Packed, init: Init, y: &mut [f32]) {
    let (x, y) = (Rows::new(x, packed.depth()), RowsMut::new(y, packed.cols()));
    products(x, 1, &[Term::default()], packed, 0, init, y);
}

impl Params for Linear {
    fn visit<'a>(&'a self, path: &mut Path, f: &mut dyn FnMut(&str, ArrayViewD<'a, f32>)) {
        visit_leaf(&self.weight, "weight", path, f);
        visit_leaf(&self.bias, "bias", path, f);
    }

    fn visit_mut<'a>(&'a mut self, path: &mut Path, f: &mut dyn FnMut(&str, ArrayViewMutD<'a, f32>)) {
        (self.forward, self.backward) = Default::default();
        visit_leaf_mut(&mut self.weight, "weight", path, f);
        visit_leaf_mut(&mut self.bias, "bias", path, f);
    }

    /// PyTorch's default: uniform in ±1/√in.
    fn init(&mut self, rng: &mut dyn RngCore) {
        (self.forward, self.backward) = Default::default();
        let uniform = symmetric_uniform(self.in_features());
        self.weight.mapv_inplace(|_| uniform.sample(rng));
        self.bias.mapv_inplace(|_| uniform.sample(rng));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::zeros_like;
    use crate::testing::{assert_close, cotangent_slope, fill, numbers};

    #[test]
    fn values_and_gradients_agree_with_the_slow_twin() {
        for (rows, inputs, outputs) in [(1, 1, 1), (4, 3, 5), (7, 16, 2)] {
            let mut layer = Linear::zeros(inputs, outputs);
            fill(&mut layer, 3);
            let name = format!("linear {rows} x {inputs} to {outputs}");
            let x = Array2::from_shape_vec((rows, inputs), numbers(rows * inputs, 1)).unwrap();
            let dy = Array2::from_shape_vec((rows, outputs), numbers(rows * outputs, 2)).unwrap();
            let (x64, dy64) = (x.mapv(f64::from), dy.mapv(f64::from));
            let (w, b) = (layer.weight.mapv(f64::from), layer.bias.mapv(f64::from));
            let twin = |x: &Array2<f64>, w: &Array2<f64>, b: &Array1<f64>| {
                Array2::from_shape_fn((rows, outputs), |(r, o)| {
                    b[o] + (0..inputs).map(|i| x[[r, i]] * w[[o, i]]).sum::<f64>()
                })
            };

            let mut y = Array2::from_elem((rows, outputs), f32::NAN);
            layer.forward(x.as_slice().unwrap(), y.as_slice_mut().unwrap());
            assert_close(&name, y.view().into_dyn(), twin(&x64, &w, &b).view().into_dyn());

            let dy = dy.as_slice().unwrap();
            let mut dx = Array2::from_elem((rows, inputs), f32::NAN);
            layer.input_grad(dy, dx.as_slice_mut().unwrap());
            let slope = cotangent_slope(&x64, &dy64, |x| twin(x, &w, &b));
            assert_close(&format!("{name} dx"), dx.view().into_dyn(), slope.view().into_dyn());

            let mut grad = zeros_like(&layer);
            for _ in 0..2 {
                layer.weight_grad(x.as_slice().unwrap(), dy, &mut grad);
                layer.bias_grad(dy, &mut grad);
            }
            let slope = cotangent_slope(&w, &dy64, |w| twin(&x64, w, &b)) * 2.0;
            assert_close(
                &format!("{name} dw"),
                grad.weight.view().into_dyn(),
                slope.view().into_dyn(),
            );
            let slope = cotangent_slope(&b, &dy64, |b| twin(&x64, &w, b)) * 2.0;
            assert_close(
                &format!("{name} db"),
                grad.bias.view().into_dyn(),
                slope.view().into_dyn(),
            );
        }
    }
}
