//! `ResidualTemporalBlock1D`: two convolutions with normalisation and Mish, the time embedding added between them, and the
//! input added at the end.

use super::block::{Forward, GradTask, Gradients, Keep, Scratch, Slots, conv_task};
use crate::unet1d::config::RESIDUAL_GROUPS;
use crate::unet1d::time::TimeGrad;
use diffplan_kernels::{After, Rows};
use diffplan_nn::{
    Activation, Conv1d, Exec, GroupNorm, GroupNormSaved, Linear, Signal, add_params, fill_zero, params, zeros_like,
};

/// Convolution of kernel 5, group normalisation, Mish.
#[derive(Clone, Debug)]
pub(crate) struct Conv1dBlock {
    conv1d: Conv1d,
    group_norm: GroupNorm,
}
params!(Conv1dBlock { conv1d, group_norm });

impl Conv1dBlock {
    fn zeros(in_channels: usize, out_channels: usize) -> Self {
        Self {
            conv1d: Conv1d::zeros(in_channels, out_channels, 5).padding(2),
            group_norm: GroupNorm::zeros(RESIDUAL_GROUPS, out_channels),
        }
    }

    fn forward(
        &self,
        x: &Signal,
        saved: &mut GroupNormSaved,
        keep: bool,
        y: &mut Signal,
        after: After,
        exec: &mut Exec,
    ) {
        self.group_norm
            .forward_after(&self.conv1d, Activation::Mish, x, saved, keep, y, after, exec);
    }
}

#[derive(Clone, Debug)]
pub(crate) struct ResidualTemporalBlock1d {
    conv_in: Conv1dBlock,
    conv_out: Conv1dBlock,
    pub(crate) time_emb: Linear,
    residual_conv: Option<Conv1d>,
    /// Where its projection of the time embedding is.
    slot: usize,
}
params!(ResidualTemporalBlock1d {
    conv_in,
    conv_out,
    time_emb,
    residual_conv
});

#[derive(Debug, Default)]
pub(crate) struct ResidualSaved {
    norm_in: GroupNormSaved,
    norm_out: GroupNormSaved,
    for_params: Option<Box<ForParams>>,
}

/// What the parameters' gradients read, and those that are small enough to be a part's own.
#[derive(Debug)]
struct ForParams {
    /// The inputs of the first convolution and of the second.
    x: Signal,
    between: Signal,
    /// The gradients of the outputs of the first convolution, of the second, and of the block.
    d_in: Signal,
    d_out: Signal,
    d: Signal,
    /// The gradients of the two normalisations, and of the time embedding's projection: (1 or batch, channels).
    norm_in: GroupNorm,
    norm_out: GroupNorm,
    d_time: Vec<f32>,
}

impl ResidualTemporalBlock1d {
    pub(crate) fn zeros(in_channels: usize, out_channels: usize, time_channels: usize, slots: &mut Slots) -> Self {
        Self {
            slot: slots.next(),
            conv_in: Conv1dBlock::zeros(in_channels, out_channels),
            conv_out: Conv1dBlock::zeros(out_channels, out_channels),
            time_emb: Linear::zeros(time_channels, out_channels),
            residual_conv: (in_channels != out_channels).then(|| Conv1d::zeros(in_channels, out_channels, 1)),
        }
    }

    /// Shows the layer that projects the time embedding.
    pub(crate) fn time_layer<'a>(&'a self, f: &mut dyn FnMut(usize, &'a Linear)) {
        f(self.slot, &self.time_emb);
    }

    pub(crate) fn saved(&self, keep: Keep) -> ResidualSaved {
        let for_params = || {
            Box::new(ForParams {
                x: Signal::default(),
                between: Signal::default(),
                d_in: Signal::default(),
                d_out: Signal::default(),
                d: Signal::default(),
                norm_in: zeros_like(&self.conv_in.group_norm),
                norm_out: zeros_like(&self.conv_out.group_norm),
                d_time: Vec::new(),
            })
        };
        ResidualSaved {
            for_params: (keep == Keep::AllGrads).then(for_params),
            ..ResidualSaved::default()
        }
    }

    /// `x` becomes the output.
    pub(crate) fn forward(&self, x: &mut Signal, saved: Option<&mut ResidualSaved>, run: &mut Forward) {
        let time = Rows::new(run.time.rows(self.slot), self.time_emb.out_features());
        let Scratch {
            exec,
            out,
            hidden,
            norm_in,
            norm_out,
            ..
        } = &mut *run.scratch;
        let keep = saved.is_some();
        let (norm_in, norm_out, mut for_params) = match saved {
            Some(saved) => (&mut saved.norm_in, &mut saved.norm_out, saved.for_params.as_deref_mut()),
            None => (norm_in, norm_out, None),
        };
        self.conv_in
            .forward(x, norm_in, keep, hidden, After::AddRow(time), exec);
        if let Some(for_params) = &mut for_params {
            for_params.x.copy_from(x);
            for_params.d_time.resize(time.rows() * time.cols(), 0.0);
        }
        if let Some(conv) = &self.residual_conv {
            conv.forward(x, out, exec);
            std::mem::swap(x, out);
        }
        self.conv_out
            .forward(hidden, norm_out, keep, x, After::Accumulate, exec);
        if let Some(for_params) = for_params {
            std::mem::swap(&mut for_params.between, hidden);
        }
    }

    /// `d` is the gradient of the output and becomes that of the input.
    pub(crate) fn backward(&self, d: &mut Signal, saved: &mut ResidualSaved, scratch: &mut Scratch) {
        let Scratch {
            exec,
            out,
            hidden,
            side,
            side_too,
            ..
        } = scratch;
        let ResidualSaved {
            norm_in,
            norm_out,
            for_params,
        } = saved;
        let (d_out, d_in, norm_out_grad, norm_in_grad, d_time) = match for_params.as_deref_mut() {
            Some(saved) => {
                fill_zero(&mut saved.norm_in);
                fill_zero(&mut saved.norm_out);
                saved.d_time.fill(0.0);
                if self.residual_conv.is_some() {
                    saved.d.copy_from(d);
                }
                (
                    &mut saved.d_out,
                    &mut saved.d_in,
                    Some(&mut saved.norm_out),
                    Some(&mut saved.norm_in),
                    Some(&mut saved.d_time),
                )
            }
            None => (side, side_too, None, None, None),
        };
        let mish = Activation::Mish;
        let (conv_in, conv_out) = (&self.conv_in, &self.conv_out);
        conv_out
            .group_norm
            .backward(mish, norm_out, d, d_out, norm_out_grad, exec);
        conv_out.conv1d.input_grad(d_out, d.len(), hidden, exec);
        if let Some(d_time) = d_time {
            hidden.sum_into_rows(d_time);
        }
        conv_in
            .group_norm
            .backward(mish, norm_in, hidden, d_in, norm_in_grad, exec);
        if let Some(conv) = &self.residual_conv {
            conv.input_grad(d, d.len(), out, exec);
            std::mem::swap(d, out);
        }
        conv_in.conv1d.add_input_grad(d_in, d, exec);
    }

    /// Adds the gradients of the normalisations, and what is to be done for those of the convolutions and of the projection of
    /// the time embedding, from all parts of a batch.
    pub(crate) fn param_grads<'a>(
        &'a self,
        saved: impl Iterator<Item = &'a ResidualSaved>,
        grad: &'a mut Self,
        into: &mut Gradients<'a>,
    ) {
        let parts: Vec<&ForParams> = saved.filter_map(|saved| saved.for_params.as_deref()).collect();
        for part in &parts {
            add_params(&mut grad.conv_in.group_norm, &part.norm_in);
            add_params(&mut grad.conv_out.group_norm, &part.norm_out);
        }
        let of = |of: fn(&ForParams) -> (&Signal, &Signal)| parts.clone().into_iter().map(of);
        into.time.push(TimeGrad {
            slot: self.slot,
            layer: &self.time_emb,
            grad: &mut grad.time_emb,
            d: parts.iter().map(|part| part.d_time.as_slice()).collect(),
        });
        let tasks = &mut into.tasks;
        let (conv_in, conv_out) = (&mut grad.conv_in.conv1d, &mut grad.conv_out.conv1d);
        tasks.push(conv_task!(&self.conv_in.conv1d, conv_in, of(|p| (&p.x, &p.d_in))));
        tasks.push(conv_task!(
            &self.conv_out.conv1d,
            conv_out,
            of(|p| (&p.between, &p.d_out))
        ));
        if let (Some(conv), Some(grad)) = (&self.residual_conv, &mut grad.residual_conv) {
            tasks.push(conv_task!(conv, grad, of(|p| (&p.x, &p.d))));
        }
    }

    /// Packs the convolutions' weights, where they are not yet.
    pub(crate) fn pack_direct<'a>(&'a self, tasks: &mut Vec<GradTask<'a>>) {
        tasks.push(Box::new(|_| self.conv_in.conv1d.pack_direct()));
        tasks.push(Box::new(|_| self.conv_out.conv1d.pack_direct()));
        if let Some(conv) = &self.residual_conv {
            tasks.push(Box::new(|_| conv.pack_direct()));
        }
    }
}
