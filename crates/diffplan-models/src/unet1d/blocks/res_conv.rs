//! `ResConvBlock`: two convolutions of kernel 5, each with a normalisation over the whole sample and GELU, and the input added at the end.

use super::block::{Forward, GradTask, Gradients, Keep, Scratch, conv_task};
use diffplan_kernels::After;
use diffplan_nn::{Activation, Conv1d, GroupNorm, GroupNormSaved, Signal, add_params, fill_zero, params, zeros_like};

#[derive(Clone, Debug)]
pub(crate) struct ResConvBlock {
    conv_skip: Option<Conv1d>,
    conv_1: Conv1d,
    group_norm_1: GroupNorm,
    conv_2: Conv1d,
    /// None in a network's last block.
    group_norm_2: Option<GroupNorm>,
}
params!(ResConvBlock {
    conv_skip,
    conv_1,
    group_norm_1,
    conv_2,
    group_norm_2
});

#[derive(Debug, Default)]
pub(crate) struct ResConvSaved {
    norm_1: GroupNormSaved,
    norm_2: GroupNormSaved,
    for_params: Option<Box<ForParams>>,
}

/// What the parameters' gradients read, and those of the normalisations.
#[derive(Debug)]
struct ForParams {
    /// The inputs of the first convolution and of the second.
    x: Signal,
    between: Signal,
    /// The gradients of the outputs of the first convolution, of the second, and of the block.
    d_1: Signal,
    d_2: Signal,
    d: Signal,
    norm_1: GroupNorm,
    norm_2: Option<GroupNorm>,
}

impl ResConvBlock {
    pub(crate) fn zeros(in_channels: usize, mid_channels: usize, out_channels: usize, is_last: bool) -> Self {
        Self {
            conv_skip: (in_channels != out_channels).then(|| Conv1d::zeros(in_channels, out_channels, 1).no_bias()),
            conv_1: Conv1d::zeros(in_channels, mid_channels, 5).padding(2),
            group_norm_1: GroupNorm::zeros(1, mid_channels),
            conv_2: Conv1d::zeros(mid_channels, out_channels, 5).padding(2),
            group_norm_2: (!is_last).then(|| GroupNorm::zeros(1, out_channels)),
        }
    }

    pub(crate) fn saved(&self, keep: Keep) -> ResConvSaved {
        let for_params = || {
            Box::new(ForParams {
                x: Signal::default(),
                between: Signal::default(),
                d_1: Signal::default(),
                d_2: Signal::default(),
                d: Signal::default(),
                norm_1: zeros_like(&self.group_norm_1),
                norm_2: self.group_norm_2.as_ref().map(zeros_like),
            })
        };
        ResConvSaved {
            for_params: (keep == Keep::AllGrads).then(for_params),
            ..ResConvSaved::default()
        }
    }

    /// `x` becomes the output.
    pub(crate) fn forward(&self, x: &mut Signal, saved: Option<&mut ResConvSaved>, run: &mut Forward) {
        let Scratch {
            exec,
            out,
            hidden,
            norm_in,
            norm_out,
            ..
        } = &mut *run.scratch;
        let keep = saved.is_some();
        let (norm_1, norm_2, mut for_params) = match saved {
            Some(saved) => (&mut saved.norm_1, &mut saved.norm_2, saved.for_params.as_deref_mut()),
            None => (norm_in, norm_out, None),
        };
        let (gelu, overwrite) = (Activation::Gelu, After::Overwrite);
        self.group_norm_1
            .forward_after(&self.conv_1, gelu, x, norm_1, keep, hidden, overwrite, exec);
        if let Some(for_params) = &mut for_params {
            for_params.x.copy_from(x);
        }
        if let Some(conv) = &self.conv_skip {
            conv.forward(x, out, exec);
            std::mem::swap(x, out);
        }
        match &self.group_norm_2 {
            Some(norm) => norm.forward_after(&self.conv_2, gelu, hidden, norm_2, keep, x, After::Accumulate, exec),
            None => {
                self.conv_2.forward(hidden, out, exec);
                x.add(out);
            }
        }
        if let Some(for_params) = for_params {
            std::mem::swap(&mut for_params.between, hidden);
        }
    }

    /// `d` is the gradient of the output and becomes that of the input.
    pub(crate) fn backward(&self, d: &mut Signal, saved: &mut ResConvSaved, scratch: &mut Scratch) {
        let Scratch {
            exec,
            out,
            hidden,
            side,
            side_too,
            ..
        } = scratch;
        let gelu = Activation::Gelu;
        let (d_2, d_1, norm_2_grad, norm_1_grad) = match saved.for_params.as_deref_mut() {
            Some(saved) => {
                fill_zero(&mut saved.norm_1);
                fill_zero(&mut saved.norm_2);
                if self.conv_skip.is_some() {
                    saved.d.copy_from(d);
                }
                (
                    &mut saved.d_2,
                    &mut saved.d_1,
                    saved.norm_2.as_mut(),
                    Some(&mut saved.norm_1),
                )
            }
            None => (side, side_too, None, None),
        };
        match &self.group_norm_2 {
            Some(norm) => norm.backward(gelu, &saved.norm_2, d, d_2, norm_2_grad, exec),
            None => d_2.copy_from(d),
        }
        self.conv_2.input_grad(d_2, d.len(), hidden, exec);
        self.group_norm_1
            .backward(gelu, &saved.norm_1, hidden, d_1, norm_1_grad, exec);
        if let Some(conv) = &self.conv_skip {
            conv.input_grad(d, d.len(), out, exec);
            std::mem::swap(d, out);
        }
        self.conv_1.add_input_grad(d_1, d, exec);
    }

    /// Adds the gradients of the normalisations, and the tasks for those of the convolutions, from all parts of a batch.
    pub(crate) fn param_grads<'a>(
        &'a self,
        saved: impl Iterator<Item = &'a ResConvSaved>,
        grad: &'a mut Self,
        into: &mut Gradients<'a>,
    ) {
        let parts: Vec<&ForParams> = saved.filter_map(|saved| saved.for_params.as_deref()).collect();
        for part in &parts {
            add_params(&mut grad.group_norm_1, &part.norm_1);
            add_params(&mut grad.group_norm_2, &part.norm_2);
        }
        let of = |of: fn(&ForParams) -> (&Signal, &Signal)| parts.clone().into_iter().map(of);
        let tasks = &mut into.tasks;
        let (conv_1, conv_2) = (&mut grad.conv_1, &mut grad.conv_2);
        tasks.push(conv_task!(&self.conv_1, conv_1, of(|p| (&p.x, &p.d_1))));
        tasks.push(conv_task!(&self.conv_2, conv_2, of(|p| (&p.between, &p.d_2))));
        if let (Some(conv), Some(grad)) = (&self.conv_skip, &mut grad.conv_skip) {
            tasks.push(conv_task!(conv, grad, of(|p| (&p.x, &p.d))));
        }
    }

    /// Packs the convolutions' weights, where they are not yet.
    pub(crate) fn pack_direct<'a>(&'a self, tasks: &mut Vec<GradTask<'a>>) {
        tasks.push(Box::new(|_| self.conv_1.pack_direct()));
        tasks.push(Box::new(|_| self.conv_2.pack_direct()));
        if let Some(conv) = &self.conv_skip {
            tasks.push(Box::new(|_| conv.pack_direct()));
        }
    }
}
