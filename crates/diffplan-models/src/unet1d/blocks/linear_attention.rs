//! Linear attention of the original Diffuser's temporal blocks (`Residual(PreNorm(LinearAttention))`), an extension of ours to diffusers' blocks:
//! `x + to_out(attention(to_qkv(norm(x))))`, with 4 heads of 32.

use super::block::{GradTask, Gradients, Keep, Scratch, conv_task};
use diffplan_nn::{
    ChannelNorm, ChannelNormSaved, Conv1d, LinearAttentionSaved, Signal, add_params, fill_zero, linear_attention,
    linear_attention_grad, params, zeros_like,
};

const HEADS: usize = 4;
const HEAD: usize = 32;

#[derive(Clone, Debug)]
pub(crate) struct LinearAttention {
    norm: ChannelNorm,
    to_qkv: Conv1d,
    to_out: Conv1d,
}
params!(LinearAttention { norm, to_qkv, to_out });

/// What the gradient reads, and what a pass without one computes in.
#[derive(Debug, Default)]
pub(crate) struct LinearSaved {
    norm: ChannelNormSaved,
    attention: LinearAttentionSaved,
    /// The input of the first projection, its output, and the input of the second.
    normalised: Signal,
    qkv: Signal,
    mixed: Signal,
    /// The gradients of the two projections' outputs.
    d_qkv: Signal,
    d: Signal,
    norm_grad: Option<ChannelNorm>,
}

impl LinearAttention {
    pub(crate) fn zeros(channels: usize) -> Self {
        Self {
            norm: ChannelNorm::zeros(channels),
            to_qkv: Conv1d::zeros(channels, 3 * HEADS * HEAD, 1).no_bias(),
            to_out: Conv1d::zeros(HEADS * HEAD, channels, 1),
        }
    }

    pub(crate) fn saved(&self, keep: Keep) -> LinearSaved {
        LinearSaved {
            norm_grad: (keep == Keep::AllGrads).then(|| zeros_like(&self.norm)),
            ..LinearSaved::default()
        }
    }

    /// `x` becomes the output.
    pub(crate) fn forward(&self, x: &mut Signal, saved: Option<&mut LinearSaved>, scratch: &mut Scratch) {
        let Scratch { exec, out, linear, .. } = scratch;
        let s = saved.unwrap_or(linear);
        self.norm.forward(x, &mut s.norm, &mut s.normalised);
        self.to_qkv.forward(&s.normalised, &mut s.qkv, exec);
        linear_attention(&s.qkv, HEADS, &mut s.attention, &mut s.mixed);
        self.to_out.forward(&s.mixed, out, exec);
        x.add(out);
    }

    /// `d` is the gradient of the output and becomes that of the input.
    pub(crate) fn backward(&self, d: &mut Signal, s: &mut LinearSaved, scratch: &mut Scratch) {
        let Scratch { exec, out, side, .. } = scratch;
        s.d.copy_from(d);
        self.to_out.input_grad(d, d.len(), out, exec);
        linear_attention_grad(&s.qkv, HEADS, &mut s.attention, out, &mut s.d_qkv);
        self.to_qkv.input_grad(&s.d_qkv, d.len(), out, exec);
        if let Some(grad) = &mut s.norm_grad {
            fill_zero(grad);
        }
        self.norm.backward(&s.norm, out, side, s.norm_grad.as_mut());
        d.add(side);
    }

    /// Adds the gradient of the normalisation, and the tasks for those of the projections, from all parts of a batch.
    pub(crate) fn param_grads<'a>(
        &'a self,
        saved: impl Iterator<Item = &'a LinearSaved>,
        grad: &'a mut Self,
        into: &mut Gradients<'a>,
    ) {
        let parts: Vec<&LinearSaved> = saved.collect();
        parts
            .iter()
            .filter_map(|part| part.norm_grad.as_ref())
            .for_each(|part| add_params(&mut grad.norm, part));
        let (to_qkv, to_out) = (&mut grad.to_qkv, &mut grad.to_out);
        let of = |of: fn(&LinearSaved) -> (&Signal, &Signal)| parts.clone().into_iter().map(of);
        into.tasks
            .push(conv_task!(&self.to_qkv, to_qkv, of(|s| (&s.normalised, &s.d_qkv))));
        into.tasks
            .push(conv_task!(&self.to_out, to_out, of(|s| (&s.mixed, &s.d))));
    }

    /// Packs the convolutions' weights, where they are not yet.
    pub(crate) fn pack_direct<'a>(&'a self, tasks: &mut Vec<GradTask<'a>>) {
        tasks.push(Box::new(|_| self.to_qkv.pack_direct()));
        tasks.push(Box::new(|_| self.to_out.pack_direct()));
    }
}
