//! `SelfAttention1d` of the audio blocks: attention of all pairs of positions over the normalised signal, added to it.

use super::block::{GradTask, Gradients, Keep, Scratch};
use diffplan_nn::{
    Activation, GroupNorm, GroupNormSaved, Linear, Signal, add_params, fill_zero, params, softmax_attention,
    softmax_attention_grad, zeros_like,
};

#[derive(Clone, Debug)]
pub(crate) struct SelfAttention1d {
    group_norm: GroupNorm,
    query: Linear,
    key: Linear,
    value: Linear,
    proj_attn: Linear,
    heads: usize,
}
params!(SelfAttention1d {
    group_norm,
    query,
    key,
    value,
    proj_attn
});

/// What the gradient reads, and what a pass without one computes in.
#[derive(Debug, Default)]
pub(crate) struct SelfAttentionSaved {
    norm: GroupNormSaved,
    /// The input of the projections; queries, keys and values; what attention makes of them.
    normalised: Signal,
    q: Signal,
    k: Signal,
    v: Signal,
    mixed: Signal,
    probabilities: Vec<f32>,
    /// The gradients: of the output, of queries, keys and values; room for one square of positions.
    d: Signal,
    d_q: Signal,
    d_k: Signal,
    d_v: Signal,
    square: Vec<f32>,
    norm_grad: Option<GroupNorm>,
}

/// A projection of every position.
fn project(layer: &Linear, x: &Signal, y: &mut Signal) {
    y.reset(x.len(), x.batch(), layer.out_features());
    layer.forward(x.data(), y.data_mut());
}

impl SelfAttention1d {
    /// Channels of a head, about.
    pub(crate) const HEAD: usize = 32;

    pub(crate) fn zeros(channels: usize) -> Self {
        let square = || Linear::zeros(channels, channels);
        Self {
            group_norm: GroupNorm::zeros(1, channels),
            query: square(),
            key: square(),
            value: square(),
            proj_attn: square(),
            heads: channels / Self::HEAD,
        }
    }

    pub(crate) fn saved(&self, keep: Keep) -> SelfAttentionSaved {
        SelfAttentionSaved {
            norm_grad: (keep == Keep::AllGrads).then(|| zeros_like(&self.group_norm)),
            ..SelfAttentionSaved::default()
        }
    }

    /// `x` becomes the output.
    pub(crate) fn forward(&self, x: &mut Signal, saved: Option<&mut SelfAttentionSaved>, scratch: &mut Scratch) {
        let keep = saved.is_some();
        let s = saved.unwrap_or(&mut scratch.attention);
        self.group_norm
            .forward(Activation::Identity, x, &mut s.norm, keep, &mut s.normalised);
        project(&self.query, &s.normalised, &mut s.q);
        project(&self.key, &s.normalised, &mut s.k);
        project(&self.value, &s.normalised, &mut s.v);
        softmax_attention(&s.q, &s.k, &s.v, self.heads, &mut s.probabilities, &mut s.mixed);
        project(&self.proj_attn, &s.mixed, &mut scratch.out);
        x.add(&scratch.out);
    }

    /// `d` is the gradient of the output and becomes that of the input.
    pub(crate) fn backward(&self, d: &mut Signal, saved: &mut SelfAttentionSaved, scratch: &mut Scratch) {
        let s = saved;
        let Scratch { exec, out, side, .. } = scratch;
        s.d.copy_from(d);
        out.reset(d.len(), d.batch(), d.channels());
        side.reset(d.len(), d.batch(), d.channels());
        self.proj_attn.input_grad(d.data(), out.data_mut());
        let grads = [&mut s.d_q, &mut s.d_k, &mut s.d_v];
        softmax_attention_grad(
            [&s.q, &s.k, &s.v],
            self.heads,
            &s.probabilities,
            out,
            &mut s.square,
            grads,
        );
        self.query.input_grad(s.d_q.data(), out.data_mut());
        for (layer, d) in [(&self.key, &s.d_k), (&self.value, &s.d_v)] {
            layer.input_grad(d.data(), side.data_mut());
            out.add(side);
        }
        if let Some(grad) = &mut s.norm_grad {
            fill_zero(grad);
        }
        self.group_norm
            .backward(Activation::Identity, &s.norm, out, side, s.norm_grad.as_mut(), exec);
        d.add(side);
    }

    /// Adds the gradient of the normalisation, and the tasks for those of the projections, from all parts of a batch.
    pub(crate) fn param_grads<'a>(
        &'a self,
        saved: impl Iterator<Item = &'a SelfAttentionSaved>,
        grad: &'a mut Self,
        into: &mut Gradients<'a>,
    ) {
        let parts: Vec<&SelfAttentionSaved> = saved.collect();
        parts
            .iter()
            .filter_map(|part| part.norm_grad.as_ref())
            .for_each(|part| add_params(&mut grad.group_norm, part));
        type Of = fn(&SelfAttentionSaved) -> (&Signal, &Signal);
        let layers: [(&Linear, &mut Linear, Of); 4] = [
            (&self.query, &mut grad.query, |s| (&s.normalised, &s.d_q)),
            (&self.key, &mut grad.key, |s| (&s.normalised, &s.d_k)),
            (&self.value, &mut grad.value, |s| (&s.normalised, &s.d_v)),
            (&self.proj_attn, &mut grad.proj_attn, |s| (&s.mixed, &s.d)),
        ];
        for (layer, grad, of) in layers {
            let parts = parts.clone();
            let task: GradTask = Box::new(move |_| {
                for (x, d) in parts.into_iter().map(of) {
                    layer.weight_grad(x.data(), d.data(), grad);
                    layer.bias_grad(d.data(), grad);
                }
            });
            into.tasks.push(task);
        }
    }
}
