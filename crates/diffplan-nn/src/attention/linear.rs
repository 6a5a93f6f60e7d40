//! Attention in a time linear in the length, as in the original Diffuser's `LinearAttention` (after Shen et al. 2021): keys go through a softmax over
//! the positions, `context = softmax(K)ᵀ V` is a matrix a head, and `out = (Q/√d) context`.
//!
//! Backward, with dO the gradient of the output and k̂ = softmax(K): dQ = dO contextᵀ/√d, dC = (Q/√d)ᵀ dO, dk̂ = V dCᵀ, dV = k̂ dC, and
//! dK = k̂ ∘ (dk̂ − Σ over positions of k̂ ∘ dk̂).

use super::{of_sample, of_sample_mut};
use crate::signal::Signal;
use ndarray::linalg::general_mat_mul;
use ndarray::{ArrayView2, ArrayViewMut2, Axis};

/// What the gradient reads.
#[derive(Clone, Debug, Default)]
pub struct LinearAttentionSaved {
    /// The keys after their softmax, (batch, heads · width, length).
    keys: Signal,
    /// (batch, heads, width, width).
    contexts: Vec<f32>,
    /// The gradient of one context, and of the keys of one head.
    d_context: Vec<f32>,
}

/// `out` becomes the output.
///
/// # Shapes
/// `qkv` (batch, 3 · channels, length): queries, keys, values, each with its heads side by side; `out` (batch, channels, length).
///
/// # Panics
/// If `heads` does not divide the channels.
pub fn linear_attention(qkv: &Signal, heads: usize, saved: &mut LinearAttentionSaved, out: &mut Signal) {
    let (len, batch, all) = qkv.shape();
    assert!(
        heads > 0 && all.is_multiple_of(3 * heads),
        "{all} channels in {heads} heads"
    );
    let channels = all / 3;
    let width = channels / heads;
    let scale = 1.0 / (width as f32).sqrt();
    saved.keys.reset(len, batch, channels);
    saved.contexts.resize(batch * heads * width * width, 0.0);
    out.reset(len, batch, channels);
    for (i, context) in saved.contexts.chunks_exact_mut(width * width).enumerate() {
        let (b, first) = (i / heads, i % heads * width);
        let head = |part: usize| part * channels + first..part * channels + first + width;
        let mut keys = of_sample_mut(&mut saved.keys, b, head(0));
        keys.assign(&of_sample(qkv, b, head(1)));
        softmax_over_positions(&mut keys);
        let mut context = ArrayViewMut2::from_shape((width, width), context).expect("a square");
        general_mat_mul(1.0, &keys.t(), &of_sample(qkv, b, head(2)), 0.0, &mut context);
        general_mat_mul(
            scale,
            &of_sample(qkv, b, head(0)),
            &context,
            0.0,
            &mut of_sample_mut(out, b, head(0)),
        );
    }
}

/// Every channel of (length, channels) becomes its softmax.
fn softmax_over_positions(keys: &mut ArrayViewMut2<f32>) {
    for mut channel in keys.axis_iter_mut(Axis(1)) {
        let most = channel.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        channel.mapv_inplace(|x| (x - most).exp());
        let sum: f32 = channel.iter().sum();
        channel.mapv_inplace(|x| x / sum);
    }
}

/// `d_qkv` becomes the gradient of the input, from that of the output.
///
/// # Shapes
/// As in [`linear_attention`].
///
/// # Panics
/// If `d_out` is of another shape than the output was.
pub fn linear_attention_grad(
    qkv: &Signal,
    heads: usize,
    saved: &mut LinearAttentionSaved,
    d_out: &Signal,
    d_qkv: &mut Signal,
) {
    let (len, batch, all) = qkv.shape();
    let channels = all / 3;
    assert_eq!(d_out.shape(), (len, batch, channels), "shape of the output's gradient");
    let width = channels / heads;
    let scale = 1.0 / (width as f32).sqrt();
    d_qkv.reset(len, batch, all);
    let LinearAttentionSaved {
        keys,
        contexts,
        d_context,
    } = saved;
    d_context.resize(width * width, 0.0);
    for (i, context) in contexts.chunks_exact(width * width).enumerate() {
        let (b, first) = (i / heads, i % heads * width);
        let head = |part: usize| part * channels + first..part * channels + first + width;
        let context = ArrayView2::from_shape((width, width), context).expect("a square");
        let mut dc = ArrayViewMut2::from_shape((width, width), &mut *d_context).expect("a square");
        let (d, keys) = (of_sample(d_out, b, head(0)), of_sample(keys, b, head(0)));
        general_mat_mul(scale, &d, &context.t(), 0.0, &mut of_sample_mut(d_qkv, b, head(0)));
        general_mat_mul(scale, &of_sample(qkv, b, head(0)).t(), &d, 0.0, &mut dc);
        general_mat_mul(1.0, &keys, &dc, 0.0, &mut of_sample_mut(d_qkv, b, head(2)));
        let mut dk = of_sample_mut(d_qkv, b, head(1));
        general_mat_mul(1.0, &of_sample(qkv, b, head(2)), &dc.t(), 0.0, &mut dk);
        for (mut dk, key) in dk.axis_iter_mut(Axis(1)).zip(keys.axis_iter(Axis(1))) {
            let along: f32 = dk.iter().zip(key).map(|(d, k)| d * k).sum();
            dk.zip_mut_with(&key, |d, k| *d = k * (*d - along));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_close, cotangent_slope, numbers};
    use ndarray::Array3;

    fn twin(qkv: &Array3<f64>, heads: usize) -> Array3<f64> {
        let (batch, all, len) = qkv.dim();
        let channels = all / 3;
        let width = channels / heads;
        let mut out = Array3::zeros((batch, channels, len));
        for b in 0..batch {
            for e in 0..channels {
                for n in 0..len {
                    for d in e / width * width..(e / width + 1) * width {
                        let key = |m: usize| qkv[[b, channels + d, m]].exp();
                        let sum: f64 = (0..len).map(key).sum();
                        let context: f64 = (0..len).map(|m| key(m) / sum * qkv[[b, 2 * channels + e, m]]).sum();
                        out[[b, e, n]] += context * qkv[[b, d, n]] / (width as f64).sqrt();
                    }
                }
            }
        }
        out
    }

    #[test]
    fn values_and_gradients_agree_with_the_slow_twin() {
        for (batch, channels, len, heads) in [(2, 6, 5, 2), (1, 4, 7, 1), (2, 4, 1, 4)] {
            let of = |channels: usize, seed| {
                Array3::from_shape_vec((batch, channels, len), numbers(batch * channels * len, seed)).unwrap()
            };
            let (qkv, d) = (of(3 * channels, 1), of(channels, 2));
            let (qkv64, d64) = (qkv.mapv(f64::from), d.mapv(f64::from));
            let (qkv, d) = (Signal::from_bcl(qkv.view()), Signal::from_bcl(d.view()));
            let (mut saved, mut out, mut d_qkv) = Default::default();
            linear_attention(&qkv, heads, &mut saved, &mut out);
            assert_close(
                "out",
                out.to_bcl().view().into_dyn(),
                twin(&qkv64, heads).view().into_dyn(),
            );
            linear_attention_grad(&qkv, heads, &mut saved, &d, &mut d_qkv);
            let slope = cotangent_slope(&qkv64, &d64, |qkv| twin(qkv, heads));
            assert_close("d_qkv", d_qkv.to_bcl().view().into_dyn(), slope.view().into_dyn());
        }
    }
}
