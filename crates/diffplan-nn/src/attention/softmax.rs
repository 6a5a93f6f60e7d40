//! `softmax(Q Kᵀ/√d) V` of every head, as between the projections of diffusers' `SelfAttention1d`.
//!
//! With P the probabilities and dO the gradient of the output: dV = Pᵀ dO, dP = dO Vᵀ, dS = P ∘ (dP − rowsum(P ∘ dP)), dQ = dS K/√d,
//! dK = dSᵀ Q/√d.

use super::{of_sample, of_sample_mut};
use crate::signal::Signal;
use ndarray::linalg::general_mat_mul;
use ndarray::{ArrayView2, ArrayViewMut2};

/// `out` becomes the output, `probabilities` (batch, heads, length, length) what the gradient reads.
///
/// # Shapes
/// `q`, `k`, `v` and `out` (batch, channels, length), heads side by side in the channels.
///
/// # Panics
/// If the shapes differ or `heads` does not divide the channels.
pub fn softmax_attention(
    q: &Signal,
    k: &Signal,
    v: &Signal,
    heads: usize,
    probabilities: &mut Vec<f32>,
    out: &mut Signal,
) {
    let (len, batch, channels) = q.shape();
    assert_eq!(
        (k.shape(), v.shape()),
        (q.shape(), q.shape()),
        "shapes of keys and values"
    );
    assert!(
        heads > 0 && channels.is_multiple_of(heads),
        "{channels} channels in {heads} heads"
    );
    let width = channels / heads;
    let scale = 1.0 / (width as f32).sqrt();
    probabilities.resize(batch * heads * len * len, 0.0);
    out.reset(len, batch, channels);
    for (i, rows) in probabilities.chunks_exact_mut(len * len).enumerate() {
        let (b, h) = (i / heads, i % heads * width..(i % heads + 1) * width);
        let mut p = ArrayViewMut2::from_shape((len, len), &mut *rows).expect("a square");
        general_mat_mul(
            scale,
            &of_sample(q, b, h.clone()),
            &of_sample(k, b, h.clone()).t(),
            0.0,
            &mut p,
        );
        rows.chunks_exact_mut(len).for_each(softmax);
        let p = ArrayView2::from_shape((len, len), &*rows).expect("a square");
        general_mat_mul(1.0, &p, &of_sample(v, b, h.clone()), 0.0, &mut of_sample_mut(out, b, h));
    }
}

/// A row becomes its softmax.
fn softmax(row: &mut [f32]) {
    let most = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    row.iter_mut().for_each(|x| *x = (*x - most).exp());
    let sum: f32 = row.iter().sum();
    row.iter_mut().for_each(|x| *x /= sum);
}

/// `dq`, `dk` and `dv` become the gradients, from that of the output; `scratch` is room for one square of positions.
///
/// # Shapes
/// As in [`softmax_attention`].
///
/// # Panics
/// As there.
#[allow(clippy::too_many_arguments)] // three inputs and their gradients
pub fn softmax_attention_grad(
    [q, k, v]: [&Signal; 3],
    heads: usize,
    probabilities: &[f32],
    d_out: &Signal,
    scratch: &mut Vec<f32>,
    [dq, dk, dv]: [&mut Signal; 3],
) {
    let (len, batch, channels) = q.shape();
    assert_eq!(d_out.shape(), q.shape(), "shape of the output's gradient");
    let width = channels / heads;
    let scale = 1.0 / (width as f32).sqrt();
    scratch.resize(len * len, 0.0);
    dq.reset(len, batch, channels);
    dk.reset(len, batch, channels);
    dv.reset(len, batch, channels);
    for (i, rows) in probabilities.chunks_exact(len * len).enumerate() {
        let (b, h) = (i / heads, i % heads * width..(i % heads + 1) * width);
        let p = ArrayView2::from_shape((len, len), rows).expect("a square");
        let d = of_sample(d_out, b, h.clone());
        general_mat_mul(1.0, &p.t(), &d, 0.0, &mut of_sample_mut(dv, b, h.clone()));
        let mut ds = ArrayViewMut2::from_shape((len, len), &mut *scratch).expect("a square");
        general_mat_mul(1.0, &d, &of_sample(v, b, h.clone()).t(), 0.0, &mut ds);
        for (ds, p) in scratch.chunks_exact_mut(len).zip(rows.chunks_exact(len)) {
            let along: f32 = ds.iter().zip(p).map(|(d, p)| d * p).sum();
            ds.iter_mut().zip(p).for_each(|(d, p)| *d = p * (*d - along));
        }
        let ds = ArrayView2::from_shape((len, len), &*scratch).expect("a square");
        general_mat_mul(
            scale,
            &ds,
            &of_sample(k, b, h.clone()),
            0.0,
            &mut of_sample_mut(dq, b, h.clone()),
        );
        general_mat_mul(
            scale,
            &ds.t(),
            &of_sample(q, b, h.clone()),
            0.0,
            &mut of_sample_mut(dk, b, h),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_close, cotangent_slope, numbers};
    use ndarray::Array3;

    fn twin(q: &Array3<f64>, k: &Array3<f64>, v: &Array3<f64>, heads: usize) -> Array3<f64> {
        let (batch, channels, len) = q.dim();
        let width = channels / heads;
        let mut out = Array3::zeros(q.dim());
        for b in 0..batch {
            for c in 0..channels {
                let head = c / width * width..c / width * width + width;
                for i in 0..len {
                    let weights: Vec<f64> = (0..len)
                        .map(|j| {
                            let dot: f64 = head.clone().map(|c| q[[b, c, i]] * k[[b, c, j]]).sum();
                            (dot / (width as f64).sqrt()).exp()
                        })
                        .collect();
                    let sum: f64 = weights.iter().sum();
                    out[[b, c, i]] = (0..len).map(|j| weights[j] / sum * v[[b, c, j]]).sum();
                }
            }
        }
        out
    }

    #[test]
    fn values_and_gradients_agree_with_the_slow_twin() {
        for (batch, channels, len, heads) in [(2, 6, 5, 2), (1, 4, 7, 1), (3, 8, 1, 4)] {
            let of =
                |seed| Array3::from_shape_vec((batch, channels, len), numbers(batch * channels * len, seed)).unwrap();
            let [q, k, v, d] = [1, 2, 3, 4].map(of);
            let [q64, k64, v64, d64] = [&q, &k, &v, &d].map(|x| x.mapv(f64::from));
            let [q, k, v, d] = [q, k, v, d].map(|x| Signal::from_bcl(x.view()));
            let (mut p, mut out) = (Vec::new(), Signal::default());
            softmax_attention(&q, &k, &v, heads, &mut p, &mut out);
            let expected = twin(&q64, &k64, &v64, heads);
            assert_close("out", out.to_bcl().view().into_dyn(), expected.view().into_dyn());
            let [mut dq, mut dk, mut dv] = [(); 3].map(|()| Signal::default());
            let grads = [&mut dq, &mut dk, &mut dv];
            softmax_attention_grad([&q, &k, &v], heads, &p, &d, &mut Vec::new(), grads);
            let slope = cotangent_slope(&q64, &d64, |q| twin(q, &k64, &v64, heads));
            assert_close("dq", dq.to_bcl().view().into_dyn(), slope.view().into_dyn());
            let slope = cotangent_slope(&k64, &d64, |k| twin(&q64, k, &v64, heads));
            assert_close("dk", dk.to_bcl().view().into_dyn(), slope.view().into_dyn());
            let slope = cotangent_slope(&v64, &d64, |v| twin(&q64, &k64, v, heads));
            assert_close("dv", dv.to_bcl().view().into_dyn(), slope.view().into_dyn());
        }
    }
}
